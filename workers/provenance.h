/*
 * provenance.h - where a job's artifacts come from: an in-toto statement (v1) with SLSA's provenance (v1) as its predicate.
 * docs/provenance.md says what each field holds. Pure; any thread.
 */
#pragma once

#include "workers/attempt.h"

#define PROVENANCE_STATEMENT "https://in-toto.io/Statement/v1"
#define PROVENANCE_PREDICATE "https://slsa.dev/provenance/v1"
#define PROVENANCE_BUILD_TYPE "urn:bloomery:build:v1" /* docs/provenance.md */

/* Of an attempt that succeeded, with its artifacts and its bill of materials in a->result. The caller owns it. */
cJSON *provenance_make(const struct attempt *a, int64_t finished_at);
