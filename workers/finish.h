/*
 * finish.h - what was built becomes artifacts: copied out of the work folder while hashing, checked, and kept as blobs. The
 * container of the build is gone by then. Belongs to the worker's thread.
 */
#pragma once

#include "workers/attempt.h"
#include "workers/check.h"

/* What was collected; all zero before, finish_clear after. */
struct finish {
    struct check_file *p; /* the i-th is a->result.artifacts[i] */
    size_t count;
    char *lock; /* a copy of the Cargo.lock that was used; NULL: none, or a blob already */
    char lock_sha256[SHA256_HEX_SIZE];
};

/* Copies, inspection, contract and trial. Fills a->result.artifacts. */
int finish_collect(struct attempt *a, struct finish *f, struct err *err);

/* r is how the attempt went so far, with *err. What breaks its host's contract is kept, too: the user will want to look at
 * it. Blobs are in their place when it returns r, or <0; *ret_hold is to be closed after the store's commit (blobs_hold). */
int finish_keep(struct attempt *a, struct finish *f, int r, int *ret_hold, struct err *err);

/* Removes the copies that were not kept. */
void finish_clear(struct finish *f);
