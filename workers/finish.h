/*
 * finish.h - what was built becomes artifacts: copied out of the work folder while hashing, checked, and kept as blobs. The
 * container of the build is gone by then. Belongs to the worker's thread.
 */
#pragma once

#include "workers/attempt.h"

/* Fills a->result.artifacts. What breaks its host's contract is kept, too: the user will want to look at it. Blobs are in
 * their place when it returns; *ret_hold is to be closed after the store's commit (blobs_hold). */
int finish_run(struct attempt *a, int *ret_hold, struct err *err);
