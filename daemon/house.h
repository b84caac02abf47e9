/*
 * house.h - keeping the state folder in order: old jobs, unreferenced files, old
 * keys. Blocking; runs on a pool thread.
 */
#pragma once

#include "daemon/app.h"

/* Everything under state/tmp goes; at start only. */
int house_empty_tmp(const char *state_dir, struct err *err);

struct house_result {
    int64_t jobs, files; /* removed */
};

/* One round: jobs that finished before keep_days (0: none), old keys, and files that nothing refers to any more. Goes
 * on after a failure; the first one is reported. */
int house_keep(struct store *store, const char *state_dir, int64_t keep_days, struct house_result *ret,
               struct err *err);
