/*
 * old.h - profiles whose pinned compiler is much older than the cargo that
 * resolves for it. The fetch step then runs steps/old.py (the modern cargo locks and vendors, and everything is put into a
 * form that the old one reads); this is what C knows of it, and of the old cargo's dialect. Pure, any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/json.h"
#include "workers/plan.h"

/* The minor version of Rust whose cargo or rustc was the first to know it. */
enum old_since {
    OLD_SINCE_ENCODED_RUSTFLAGS = 55, /* CARGO_ENCODED_RUSTFLAGS; before, flags are separated by spaces */
    OLD_SINCE_PROFILE = 57,           /* --profile, and profiles of one's own */
    OLD_SINCE_STRIP = 59,             /* strip in a profile */
    OLD_SINCE_PACKAGE_AT = 62,        /* --package=name@version; before, name:version */
    OLD_SINCE_CRATE_TYPE = 64,        /* cargo rustc --crate-type */
    OLD_SINCE_CHECK_CFG = 80,         /* rustc --check-cfg */
    OLD_SINCE_NEWEST = 9999
};

/* "1.43.1" gives 43. What cannot be read is the newest. */
int old_minor(const char *version);

/* Is this pin's cargo given what steps/old.py prepares? */
bool old_pin(const char *version);

/* steps/old.py's argument. The caller owns it. */
char *old_job(const struct profile *p, const struct plan *plan, const char *pinned, bool locked, bool uploaded);

/* What steps/old.py printed. Fills *ret_warnings (strs_list_free), or fails as it says: ERR_BAD_SOURCE, ERR_DEPENDENCY
 * with a hint; ERR_INTERNAL where it cannot be read. */
int old_report(const struct buf *out, char ***ret_warnings, struct err *err);
