/*
 * attempt.h - one run of one job: what the steps of its life share. Belongs to
 * the worker's thread, but for `stop`.
 */
#pragma once

#include "docker/engine.h"
#include "schema/store.h"
#include "workers/cgroup.h"
#include "workers/images.h"
#include "workers/joblog.h"
#include "workers/kits.h"
#include "workers/messages.h"
#include "workers/plan.h"
#include "workers/pool.h"
#include "workers/profile.h"
#include "workers/replay.h"
#include "workers/work.h"

#include <stdatomic.h>

#define RUN_SIZE (ULID_SIZE + 12) /* "JOB-ATTEMPT" */

enum stop { STOP_NONE, STOP_CANCEL, STOP_INTERRUPT };

/* The phase that is under way: usage.h. */
struct attempt_phase {
    const char *name; /* static */
    int64_t began;    /* clock_monotonic_ms */
    double cpu_before;
    int64_t written_before;
};

struct attempt {
    /* given by the pool */
    const struct pool_config *cfg;
    struct limits limits; /* the server's with the profile's overrides */
    enum work_mode work_mode;
    const struct profile *profile;
    struct store *store;
    struct engine *engine;
    struct engine_info info;
    const struct job *job;
    uid_t build_uid;  /* what the project's code runs as */
    uid_t other_uid;  /* what holds the container, inspects and tries: the build cannot touch its processes */
    atomic_int *stop; /* enum stop, set by other threads */

    /* made on the way */
    char run[RUN_SIZE];
    struct joblog *log;
    struct work work;
    struct cgroup cgroup;
    struct image image;
    struct kit kit; /* in the image, if has_kit */
    bool has_kit;
    char container[ENGINE_ID_SIZE]; /* the build container, "" if there is none */
    char **spent;                   /* ids of containers that have ended; removed when nobody waits for it any more */
    size_t spent_count;
    struct plan plan;
    char *root;                      /* the tarball's single top folder, which was taken off; "": it has none */
    int64_t unpacked_bytes;          /* of the crate */
    char *cargo_toml;                /* what cargo's own configuration is */
    char *workspace_lock;            /* where cargo looks for the lock, beneath the work file system */
    char *lock_file;                 /* where the lock that was used stands; NULL: none */
    char lock_hash[SHA256_HEX_SIZE]; /* of the uploaded one */
    const char *lock;                /* uploaded | resolved | none */
    cJSON *packages;                 /* that the build is made of (packages.h); NULL: not known */
    struct attempt_phase phase;
    int64_t bytes_there;               /* in the work folder, when it was last looked at */
    int64_t bytes_written;             /* to it, so far */
    struct messages *messages;         /* of cargo's build; NULL: it has not begun */
    bool again;                        /* this is the second build of verify=1 */
    double cpu_before;                 /* what the first one used */
    struct job_diagnostics said_again; /* by the second one's compiler: what the first one's said is told */
    struct replay replay;
    struct job result; /* phases, warnings, diagnostics, artifacts, error: what the store gets at the end */
};
