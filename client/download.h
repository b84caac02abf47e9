/*
 * download.h - artifacts into a folder, each held against its SHA-256 before
 * it gets its name. Main thread.
 */
#pragma once

#include "base/err.h"
#include "base/http.h"
#include "base/json.h"

/* The artifacts of a job (all, or those named; names NULL-terminated, or NULL) into folder, which is made if need be.
 * All of them come with the job's attestation, its bill of materials and a copy of the server's keys (verify.h).
 * Shown on standard output unless quiet. `job` gets the list with metadata as its "artifacts", each with "file".
 * ERR_NOT_FOUND: a name that the job does not have, or no artifacts at all. */
int download_all(struct http *h, cJSON *job, const char *folder, const char *const *names, bool quiet, struct err *err);
