/*
 * sbom.h - the bill of materials of a job: CycloneDX 1.6 (JSON) of the packages that its build used. Pure; any thread.
 *
 * The same build gives the same bytes: there is no time in it, and its serial number is made of its content.
 */
#pragma once

#include "workers/attempt.h"

#define SBOM_SPEC "1.6"

/* Of an attempt that has been built: from a->packages (packages.h) where they are known; where not it says so. The text
 * ends with a newline; the caller owns it. */
char *sbom_make(const struct attempt *a);

/* "pkg:cargo/NAME@VERSION" with what tells where it is from, if not from crates.io. `package` is one of a->packages. The
 * caller owns it. */
char *sbom_purl(const cJSON *package);
