/*
 * packages.h - the packages that a job's lock pins, and which of them are in its build: what cargo says of it, brought
 * into one list. Pure, any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/json.h"
#include "workers/plan.h"
#include "workers/strs.h"

enum {
    PACKAGES_MAX = 5000,                      /* that are listed */
    PACKAGES_BYTES = 4 << 20,                 /* of their texts together, about */
    PACKAGES_ANSWER = 16 << 20,               /* one of cargo's answers; what is longer is not read */
    PACKAGES_TOLD = 3 * PACKAGES_ANSWER + 16, /* all that steps/packages.sh prints */
};

/* steps/packages.sh with its arguments. lock_file: beneath /work. locked: the lock must fit as it is, and is not written. */
void packages_command(const struct profile *p, const struct plan *plan, const char *lock_file, bool locked,
                      struct strs *command);

/* What it printed as packages_list gives it; NULL where that is not what it prints, or nothing was told. */
cJSON *packages_read(const struct buf *out, const char *manifest);

/* The three answers. Any of them may be NULL. */
struct packages_told {
    const cJSON *target, *host; /* of `cargo metadata` for the targets, and for the host */
    const cJSON *lock;          /* {"package":[...]}: Cargo.lock as JSON */
};

/*
 * NULL: nothing was told. Else {"root","resolved","truncated","packages"}, which the caller owns. root: the index of the package
 * whose manifest it is, or null. resolved: false where only the lock was told, so that nobody knows what of it is used.
 * packages: sorted by name, version, source; each {"name","version","source","checksum","license","for","features",
 * "dependencies"}. source: null for a path, which came in the tarball. checksum: of the lock, or null. for: "target"; "host" (of
 * build scripts and macros only); null: it stands in the lock but is not in this build. features: that are on.
 * dependencies: indexes. truncated: there were more packages, features or dependencies than these limits allow.
 */
cJSON *packages_list(const struct packages_told *told, const char *manifest);
