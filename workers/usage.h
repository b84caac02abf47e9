/*
 * usage.h - what an attempt uses, phase by phase: time, processors, memory, disk. A phase that fails has its numbers,
 * too. Belongs to the worker's thread.
 */
#pragma once

#include "workers/attempt.h"

/* A phase begins: fetch, build, link or check. `name` is static. */
void usage_begin(struct attempt *a, const char *name);

/* It has ended, well or not: a->result gets it, and the attempt's sums. */
void usage_end(struct attempt *a);

/* Look at the work folder, about once a second: what it grew by has been written. */
void usage_disk(struct attempt *a, struct work_use *ret);

/* "12.3 s, 20.1 s of CPU time, 310.0 MiB of memory, 12.0 MiB written". The caller owns it. */
char *usage_text(const struct job_phase *p);

/* The same of the present phase, as far as it is. The caller owns it. */
char *usage_so_far(struct attempt *a);
