/*
 * job.h - the life of a job, from its claim to its artifacts, in one place and
 * from top to bottom (job.c; docs/tour.md reads it with you).
 */
#pragma once

#include "workers/attempt.h"

/*
 * Run the attempt. a->result is filled on the way, whatever happens: phases, warnings,
 * artifacts, error. Returns 0 when it succeeded; <0 with the kind that says whose
 * fault it was. ERR_CANCELED stands for a cancel and for an interrupt: *a->stop tells which.
 * Blobs are in their place when it returns; *ret_hold is to be closed after the store's commit (blobs_hold).
 */
int job_run(struct attempt *a, int *ret_hold, struct err *err);

/* Forget the artifacts and documents of a result; their blobs are the sweeper's then. */
void job_drop_artifacts(struct job *result);

/* Frees what job_run made: containers, cgroup, mounts, folders. Failures are logged, the next start tries again. */
void job_clear(struct attempt *a);
