/*
 * diagnose.h - from the text of a failed build to one line for people. Pure.
 *
 * The kind of failure is decided by exit codes and counters, never here alone:
 * this tells compile from link from dependency among cargo's own failures, picks the first real
 * error's text, and finds the hint of a known trap.
 */
#pragma once

#include "schema/store.h"
#include "workers/profile.h"

/* log: what cargo printed (head and tail may be cut). first: the compiler's first error, or NULL: then it is looked for in
 * the text. fallback: the kind if the text does not say more (ERR_COMPILE, ERR_DEPENDENCY, ERR_BAD_SOURCE). Fills kind (compile | link | dependency | bad_source), message (the first real
 * error with its file:line, one line, at most 1 KiB), hint (the profile's `hints`, then general ones; or NULL) and
 * log_excerpt (about 40 lines around that error, at most 8 KiB, valid UTF-8, no control characters). */
void diagnose(const struct profile *p, const char *log, size_t len, const struct job_diagnostic *first,
              enum err_kind fallback, struct job_error *ret);
void job_error_clear(struct job_error *e);
