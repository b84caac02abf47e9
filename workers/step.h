/*
 * step.h - run one command of a job in a container and follow it to its end:
 * its output goes to the job's log (or is kept), and cancel, deadlines and
 * limits end it by killing the container from outside.
 */
#pragma once

#include "workers/attempt.h"

#define STEP_WORKDIR "/work/src"

struct step {
    const char *name;           /* build | fetch | trial ...: container name and messages */
    const char *const *command; /* NULL-terminated */
    const char *const *env;     /* NULL-terminated, or NULL */
    uid_t uid;
    const char *workdir;       /* of step_exec; NULL: STEP_WORKDIR */
    int64_t seconds;           /* wall time */
    const char *limit;         /* the name of the limit that this time comes from, or NULL ... */
    int64_t limit_seconds;     /* ... and what it is */
    int64_t cpu_seconds;       /* of the whole build so far, 0: no limit */
    bool aside;                /* nothing of it gets into an artifact: who builds again can leave it out */
    struct buf *out;           /* if set, standard output is kept here instead of logged */
    bool out_errors;           /* ... and standard error too */
    size_t out_max;            /* ... and may not be longer */
    struct messages *messages; /* if set, what is printed goes through these, and what they leave is logged */
};

/* How a step ended, when the Engine did its part. */
enum step_end {
    STEP_EXITED,
    STEP_CANCELED,
    STEP_INTERRUPTED,
    STEP_TIMED_OUT,
    STEP_CPU_LIMIT,
    STEP_DISK_LIMIT,
    STEP_TOO_MUCH_OUTPUT
};

struct step_result {
    enum step_end end;
    int exit_code;      /* of STEP_EXITED */
    bool disk_was_full; /* the work folder reached its limit at some time */
    int64_t oom_kills;  /* in this step */
};

/* The container that holds the build: started idle, as other_uid, without network. Fills a->container. */
int step_hold(struct attempt *a, struct err *err);

/* Run a command in it. After anything but STEP_EXITED the container is dead. */
int step_exec(struct attempt *a, const struct step *step, struct step_result *ret, struct err *err);

/* Run a command in a container of its own, made from `spec` (command, env, user and labels are filled in here). It has
 * ended when this returns 0; step_clear removes it. */
int step_run(struct attempt *a, const struct step *step, struct engine_spec *spec, struct step_result *ret,
             struct err *err);

/* Remove all containers of the attempt. Failures are logged: strays are removed when the Engine is back. */
void step_clear(struct attempt *a);

/* "UID:GID", as containers are given it. The caller owns it. */
char *step_user(uid_t uid);

/* Kill and remove the build container; also the last process that a build left behind is gone then. */
int step_release(struct attempt *a, struct err *err);
