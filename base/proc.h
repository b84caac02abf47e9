/*
 * proc.h - run a helper program and wait for it. Any thread.
 *
 * The child gets exactly the descriptors named here, an empty environment plus
 * PATH and what `env` adds, and dies with its parent thread's process.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>
#include <sys/types.h>

struct proc {
    const char *const *argv; /* NULL-terminated; argv[0] is a path, or a name looked up in PATH */
    const char *const *env;  /* NULL-terminated KEY=VALUE, or NULL */
    int stdin_fd;            /* borrowed; -1 is /dev/null */
    int dir_fd;              /* borrowed, passed as descriptor 3; -1 is none */
    int stdout_fd;           /* borrowed; where standard output goes when `out` is NULL; -1 is /dev/null */
    struct buf *out;         /* if set, standard output is collected here */
    size_t out_max;          /* ... and the child killed above this many bytes */
    struct buf *errors;      /* if set, the first 16 KiB of standard error; else discarded */
    uid_t uid;               /* run as this user and group when the caller is root; 0 means do not change */
    gid_t gid;
    int64_t seconds;      /* killed after this wall time; 0 is never */
    int64_t cpu_seconds;  /* RLIMIT_CPU; 0 is none */
    int64_t memory_bytes; /* RLIMIT_AS; 0 is none */
};

#define PROC_INIT                                                                                                      \
    {                                                                                                                  \
        .stdin_fd = -1, .dir_fd = -1, .stdout_fd = -1                                                                  \
    }

enum { PROC_TIMED_OUT = 1, PROC_TOO_MUCH_OUTPUT = 2 };

/* 0: it ended, *ret_status is its exit code, or 128 + the signal that ended it.
 * PROC_TIMED_OUT, PROC_TOO_MUCH_OUTPUT: it was killed. <0: it could not be run (ERR_INTERNAL). */
int proc_run(const struct proc *p, int *ret_status, struct err *err);
