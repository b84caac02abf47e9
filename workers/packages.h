/*
 * packages.h - the packages that a job's lock pins, and which of them are in its build: what cargo says of it, brought
 * into one list. Pure, any thread.
 */
#pragma once

#include "base/json.h"

enum {
    PACKAGES_MAX = 5000,      /* that are listed */
    PACKAGES_BYTES = 4 << 20, /* of their texts together, about */
};

/* What steps/packages.sh prints. Any of them may be NULL. */
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
