/*
 * blame.h - a step of the project's did not end well: whose fault was it? The kind comes from what cannot be forged
 * (exit codes, counters, the file system's state); the output only chooses the words, and between kinds that
 * are the project's fault anyway. Belongs to the worker's thread.
 */
#pragma once

#include "workers/step.h"

/* Always -1: fills *err and, with the longer texts, a->result.error. `from` is where the step's output begins in the
 * log. With fallback ERR_LINK or ERR_CONTRACT the kind is that, whatever words a linker uses. */
int blame_step(struct attempt *a, const struct step *st, const struct step_result *res, int64_t from,
               enum err_kind fallback, struct err *err);

/* Always -1: ERR_DISK_FULL, with the numbers. `who` filled it: "the build". */
int blame_disk(struct attempt *a, const char *who, struct err *err);

/* Does the output of a cargo that fetched say that it was the network, and so not the crate's fault? cargo has tried
 * several times by itself then. */
bool blame_network(const struct attempt *a, int64_t from);
