/*
 * check.h - is it what its host wants? Inspection, host contract and trial of
 * one artifact that has been collected. The container of the build is gone by then.
 */
#pragma once

#include "workers/attempt.h"

/* `path` is the collected copy. Fills metadata (by art->kind), gzip_size, contract and trial of *art.
 * ERR_CONTRACT, ERR_TRIAL: it does not load (art says all that was found). Others: the server's failures, cancel. */
int check_artifact(struct attempt *a, const char *path, struct artifact *art, struct err *err);

/* The inspection only: metadata and gzip_size. */
int check_look(struct attempt *a, const char *path, struct artifact *art, struct err *err);
