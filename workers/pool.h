/*
 * pool.h - the worker pool: one thread for each build slot.
 *
 * A worker claims a job and runs it from top to bottom (job.h). The pool reaps
 * what a dead daemon left behind before the first claim, watches the Engine,
 * and stops or drains. News for the daemon goes through the eventfd (a job
 * changed, a log grew): the daemon looks into the store and the log files.
 * All calls from any thread.
 */
#pragma once

#include "base/err.h"
#include "base/limits.h"
#include "schema/store.h"
#include "workers/images.h"
#include "workers/profile.h"

#include <sys/types.h>

struct pool;

struct pool_config {
    const char *state_dir; /* absolute; has sources/ blobs/ logs/ work/ tmp/ */
    const char *engine_socket;
    const char *helper_dir;             /* where bloomery-unpack and bloomery-inspect are */
    const char *share_dir;              /* has workers/steps: mounted read-only into containers */
    const struct images_config *images; /* borrowed until pool_free */
    const char *crates_mirror;          /* "sparse+https://..." in place of crates.io, or NULL */
    const char *ca_bundle;              /* PEM file given to fetch containers, or NULL */
    const char *work_mode;              /* auto | ext4 | tmpfs | plain */
    const char *instance;   /* short name of this daemon's state folder: labels and cgroups of others are left alone */
    const char *builder_id; /* names this server in what it signs: a URI */
    int slots;
    uid_t build_uid; /* as root: slot i uses build_uid + 2*i for builds, + 2*i + 1 for what holds and tries */
    struct limits limits;
    int event_fd; /* written after each change; borrowed */
};

/* Start the threads. Fails where the configuration cannot work at all; an Engine that is away is waited for. */
int pool_start(const struct pool_config *cfg, struct store *store, struct profiles *profiles, struct pool **ret,
               struct err *err);

/* SIGHUP: jobs claimed from now on use these. */
void pool_reload(struct pool *p, struct profiles *profiles, const struct limits *limits);

void pool_wake(struct pool *p);                   /* something was queued */
void pool_cancel(struct pool *p, const char *id); /* kill it if it runs here */
void pool_drain(struct pool *p);                  /* claim nothing more */
bool pool_idle(struct pool *p);                   /* nothing runs */
void pool_interrupt(struct pool *p);              /* running jobs go back to the queue, now */
void pool_free(struct pool *p);                   /* interrupts, joins the threads */

struct pool_status {
    bool reaped;    /* what an earlier daemon left behind is gone */
    bool engine_ok; /* the last call reached it */
    char engine_error[256];
    char engine_version[32];
    char work_mode[16]; /* ext4 | tmpfs | plain: how the work folder's limit is held */
    int slots, busy;
};
void pool_status(struct pool *p, struct pool_status *ret);

/* Is the profile's image there? 0: *ret says which. 1: not, and *ret_why says what to do (owned by the caller). Answered from what the last look at the Engine saw,
 * at most 10 s old: does not block. */
int pool_profile_available(struct pool *p, const char *profile, struct image *ret, char **ret_why);
