/*
 * check.h - is it what its host wants? Inspection, host contract and trial of
 * what has been collected. The container of the build is gone by then. Belongs to the worker's thread.
 */
#pragma once

#include "workers/attempt.h"

/* A collected file; the i-th of a list is a->result.artifacts[i]. */
struct check_file {
    const struct plan_output *output; /* whose it is; NULL: no output's, such as Cargo.lock */
    const cJSON *side;                /* of the profile's link.sides; NULL: it is the output itself */
    char *file;                       /* where it was, beneath the work folder; owned */
    char *path;                       /* of the copy; owned */
};

/* The inspection only: metadata (by the artifact's kind) and gzip_size. */
int check_look(struct attempt *a, const char *path, struct artifact *art, struct err *err);

/* What a file of that kind consists of, as `bloomery-inspect parts` says: an array, empty where there is nothing to name. The
 * caller owns *ret. */
int check_parts(struct attempt *a, const char *kind, const char *path, cJSON **ret, struct err *err);

/* Inspection and contract of all that belong to an output, the sides of one before itself. ERR_CONTRACT: one is not what
 * the host wants, the first that was found; the artifacts say what was found of each. Others: the server's failures. */
int check_contracts(struct attempt *a, const struct check_file *files, size_t count, struct err *err);

/* The trial of each output. ERR_TRIAL: it does not load. Others: the server's failures, cancel. */
int check_trials(struct attempt *a, const struct check_file *files, size_t count, struct err *err);
