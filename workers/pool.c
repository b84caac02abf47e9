/*
 * pool.c - see pool.h. Threads: one watcher, which keeps the Engine's state and
 * the profiles' images in view and reaps at start; one worker a slot.
 */
#include "workers/pool.h"

#include "base/clock.h"
#include "base/log.h"
#include "workers/attempt.h"
#include "workers/diagnose.h"
#include "workers/images.h"
#include "workers/job.h"
#include "workers/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A job that was started so many times max_attempts, restarts of the daemon and of the Engine included, is given up: it
 * may be what ends them. */
enum { STARTS_FACTOR = 10 };

enum { WATCH_UP_MS = 5000, WATCH_DOWN_MS = 1000, IDLE_MS = 1000, BACKOFF_MS = 5000 };

struct worker {
    struct pool *pool;
    int slot;
    pthread_t thread;
    bool started;
    char job[ULID_SIZE]; /* running now, "" if none; under the pool's lock */
    char run[RUN_SIZE];  /* and which attempt of it */
    atomic_int stop;
};

/* What the watcher last saw of a profile's image. */
struct seen {
    char *profile;
    bool there;
    struct image image;
    char *why;
};

struct pool {
    struct pool_config cfg; /* its strings are copies */
    struct store *store;
    struct store_reader *reader; /* for the idle check; under lock */
    enum work_mode work_mode;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct profiles *profiles;
    struct limits limits;
    bool draining, ending;
    bool look; /* there are new profiles: the watcher looks at their images at once */
    bool reaped, engine_ok;
    struct engine_info info;
    char engine_error[256];
    struct seen *seen;
    size_t seen_count;
    struct worker *workers;
    pthread_t watcher;
    bool watcher_started;
};

static void tell(struct pool *p)
{
    uint64_t one = 1;
    ssize_t n = write(p->cfg.event_fd, &one, sizeof one);

    (void)n; /* a full counter has told already */
}

/* Under the lock: until something changes, at most ms. */
static void wait_change(struct pool *p, int64_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&p->changed, &p->lock, &until);
}

/* --- the watcher --- */

static bool runs_here(struct pool *p, const cJSON *labels)
{
    AUTO(char_p)
    char *run = mem_printf("%s-%s", json_str(labels, "bloomery.job", ""), json_str(labels, "bloomery.attempt", ""));
    bool here = false;

    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < p->cfg.slots; i++)
        here = here || strcmp(p->workers[i].run, run) == 0;
    pthread_mutex_unlock(&p->lock);
    return here;
}

/* Remove the containers of this state folder that no worker runs: those of a dead daemon, and those that could not be
 * removed because the Engine went away. */
static int remove_strays(struct pool *p, struct engine *e, struct err *err)
{
    AUTO(char_p) char *label = mem_printf("bloomery.instance=%s", p->cfg.instance);
    struct engine_item *items = NULL;
    size_t count = 0, removed = 0;
    int r = 0;

    if (engine_list(e, label, &items, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count && r == 0; i++)
        if (!runs_here(p, items[i].labels)) {
            r = engine_remove(e, items[i].id, err);
            removed++;
        }
    engine_list_free(items, count);
    if (r == 0 && removed > 0)
        log_info(NULL, "removed %zu containers that nobody runs any more", removed);
    return r;
}

/* Before the first claim: what a dead daemon left. Containers, then their cgroups, then mounts and folders. */
static int reap(struct pool *p, struct engine *e, const struct engine_info *info, struct err *err)
{
    AUTO(char_p) char *work = mem_printf("%s/work", p->cfg.state_dir);

    if (remove_strays(p, e, err) < 0)
        return -1;
    cgroup_reap(info, p->cfg.instance);
    return work_reap(work, err);
}

static void seen_clear(struct seen *s)
{
    mem_free(s->profile);
    mem_free(s->why);
}

/* Look at every profile's image, without the lock, then put the new view in place. */
static void look_at_images(struct pool *p, struct engine *e)
{
    pthread_mutex_lock(&p->lock);
    struct profiles *profiles = profiles_ref(p->profiles);
    pthread_mutex_unlock(&p->lock);

    size_t n = profiles_count(profiles);
    struct seen *view = mem_alloc((n + 1) * sizeof *view);
    for (size_t i = 0; i < n; i++) {
        const struct profile *pr = profiles_at(profiles, i);
        struct err err = ERR_INIT;
        view[i].profile = mem_strdup(pr->name);
        view[i].there = images_current(e, p->cfg.images, pr, &view[i].image, &err) == 0;
        if (!view[i].there)
            view[i].why = mem_printf("%s%s%s", err.msg, err.hint[0] ? ": " : "", err.hint);
    }
    profiles_unref(profiles);

    pthread_mutex_lock(&p->lock);
    struct seen *old = p->seen;
    size_t old_count = p->seen_count;
    p->seen = view;
    p->seen_count = n;
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < old_count; i++)
        seen_clear(&old[i]);
    mem_free(old);
}

static void *watch(void *arg)
{
    struct pool *p = arg;
    struct engine *e = NULL;
    struct err err = ERR_INIT;

    if (engine_open(p->cfg.engine_socket, &e, &err) < 0) {
        log_error(NULL, "%s", err.msg);
        return NULL;
    }
    pthread_mutex_lock(&p->lock);
    while (!p->ending) {
        bool was_ok = p->engine_ok, reaped = p->reaped;
        p->look = false;
        struct engine_info info;
        pthread_mutex_unlock(&p->lock);

        int r = engine_info(e, &info, &err);
        if (r == 0 && !reaped) {
            r = reap(p, e, &info, &err);
            reaped = r == 0;
        } else if (r == 0 && !was_ok) {
            r = remove_strays(p, e, &err);
        }
        if (r == 0)
            look_at_images(p, e);

        pthread_mutex_lock(&p->lock);
        p->engine_ok = r == 0;
        p->reaped = reaped;
        if (r == 0) {
            p->info = info;
            p->engine_error[0] = '\0';
        } else
            snprintf(p->engine_error, sizeof p->engine_error, "%s", err.msg);
        if (was_ok != p->engine_ok) {
            if (p->engine_ok)
                log_info(NULL, "the Docker Engine %s answers", info.version);
            else
                log_warn(NULL, "%s", p->engine_error);
            pthread_cond_broadcast(&p->changed);
            tell(p);
        }
        int64_t until = clock_monotonic_ms() + (p->engine_ok ? WATCH_UP_MS : WATCH_DOWN_MS);
        for (int64_t now; !p->ending && !p->look && (now = clock_monotonic_ms()) < until;) {
            bool ok = p->engine_ok;
            wait_change(p, until - now);
            if (ok && !p->engine_ok)
                break; /* a worker lost the Engine: look at once */
        }
    }
    pthread_mutex_unlock(&p->lock);
    engine_free(e);
    return NULL;
}

/* --- a worker --- */

static void result_clear(struct job *r)
{
    for (size_t i = 0; i < r->phases_count; i++)
        mem_free(r->phases[i].name);
    mem_free(r->phases);
    for (size_t i = 0; i < r->warnings_count; i++)
        mem_free(r->warnings[i]);
    mem_free(r->warnings);
    job_drop_artifacts(r);
    mem_free(r->artifacts);
    job_diagnostics_clear(&r->diagnostics);
    job_error_clear(&r->error);
    cJSON_Delete(r->verification);
    job_replay_clear(&r->replay);
}

/* False: the pool ends. */
static bool wait_for_store(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    if (!p->ending)
        wait_change(p, BACKOFF_MS);
    bool go_on = !p->ending;
    pthread_mutex_unlock(&p->lock);
    return go_on;
}

/* An end that the store does not take for now (its disk is full) is told again: else the job would seem to run until
 * the next start. One that it never takes is a failure of ours. */
static int finish(struct worker *w, struct attempt *a, struct err *err)
{
    for (;;) {
        int r = store_finish(w->pool->store, a->job->id, a->job->attempt, &a->result, err);
        if (r >= 0)
            return r;
        log_error(a->job->id, "cannot store how the attempt ended: %s", err->msg);
        if (err->kind != ERR_ENGINE && a->result.error.kind == ERR_INTERNAL)
            return -1;
        if (err->kind != ERR_ENGINE) {
            job_drop_artifacts(&a->result);
            job_error_clear(&a->result.error);
            a->result.state = JOB_FAILED;
            a->result.error = (struct job_error){.kind = ERR_INTERNAL, .message = mem_strdup(err->msg)};
        } else if (!wait_for_store(w->pool)) {
            return -1;
        }
    }
}

static int requeue(struct worker *w, struct attempt *a, const char *reason, int64_t later, bool count, struct err *err)
{
    for (;;) {
        int r = store_requeue(w->pool->store, a->job->id, a->job->attempt, reason, later, count, &a->result, err);
        if (r >= 0)
            return r;
        log_error(a->job->id, "cannot put it back into the queue: %s", err->msg);
        if (err->kind != ERR_ENGINE || !wait_for_store(w->pool))
            return -1; /* the next start finds it */
    }
}

/* Tell the store how the attempt ended. */
static void conclude(struct worker *w, struct attempt *a, int r, bool engine_lost, const struct err *why)
{
    const char *id = a->job->id;
    int attempt = a->job->attempt, counted = attempt - a->job->uncounted_attempts;
    int stop = atomic_load(&w->stop), done;
    struct err err = ERR_INIT;

    if (r == 0) {
        a->result.state = JOB_SUCCEEDED;
        done = finish(w, a, &err);
    } else if (stop == STOP_INTERRUPT) {
        done = requeue(w, a, "the server was stopped while it ran", 0, false, &err);
    } else if (stop != STOP_CANCEL && err_retries(why->kind) && attempt < a->limits.max_attempts * STARTS_FACTOR &&
               (engine_lost || counted < a->limits.max_attempts)) {
        AUTO(char_p) char *reason = mem_printf("attempt %d failed for the server's own reason: %s", attempt, why->msg);
        int64_t later = engine_lost ? 0 : clock_now_ms() + (int64_t)BACKOFF_MS * attempt;
        log_warn(id, "%s; it will run again", reason);
        done = requeue(w, a, reason, later, !engine_lost, &err);
    } else {
        struct job_error *e = &a->result.error;
        bool canceled = stop == STOP_CANCEL;
        e->kind = canceled ? ERR_CANCELED : why->kind == ERR_ENGINE ? ERR_INTERNAL : why->kind;
        a->result.state = canceled ? JOB_CANCELED : JOB_FAILED;
        if (!e->message)
            e->message = mem_strdup(canceled && why->kind != ERR_CANCELED ? "canceled" : why->msg);
        if (!e->hint && why->hint[0])
            e->hint = mem_strdup(why->hint);
        if (err_retries(why->kind) && !canceled)
            log_error(id, "gave up after attempt %d: %s", attempt, why->msg);
        done = finish(w, a, &err);
    }
    if (done > 0)
        log_warn(id, "attempt %d is not the running one any more: its result is dropped", attempt);
}

/* One job, from claim to commit. */
static void run_one(struct worker *w, struct engine *e, struct store_reader *reader, struct job *job)
{
    struct pool *p = w->pool;
    struct attempt a = {.cfg = &p->cfg, .store = p->store, .engine = e, .job = job, .stop = &w->stop, .lock = "none"};
    struct err err = ERR_INIT, ignored = ERR_INIT;
    struct job *now = NULL;
    bool engine_lost = false;
    int hold = -1;

    pthread_mutex_lock(&p->lock);
    atomic_store(&w->stop, p->ending ? STOP_INTERRUPT : STOP_NONE);
    snprintf(w->job, sizeof w->job, "%s", job->id);
    snprintf(w->run, sizeof w->run, "%s-%d", job->id, job->attempt);
    struct profiles *profiles = profiles_ref(p->profiles);
    a.limits = p->limits;
    a.info = p->info;
    pthread_mutex_unlock(&p->lock);
    tell(p);

    /* A cancel may have come between the claim and the line above. */
    if (store_get(reader, job->id, &now, &ignored) == 0 && now->cancel_requested)
        atomic_store(&w->stop, STOP_CANCEL);
    job_free(now);

    a.work_mode = p->work_mode;
    a.build_uid = geteuid() == 0 ? p->cfg.build_uid + 2 * (uid_t)w->slot : geteuid();
    a.other_uid = geteuid() == 0 ? a.build_uid + 1 : geteuid();
    memcpy(a.run, w->run, sizeof a.run);
    a.profile = profiles_find(profiles, job->profile);
    int r = -1;
    if (!a.profile) {
        err_set(&err, ERR_TOOLCHAIN_MISSING, "profile %.60s is not there any more", job->profile);
    } else if (job->attempt > a.limits.max_attempts * STARTS_FACTOR) {
        err_set(&err, ERR_INTERNAL, "it was started %d times and never came to an end", job->attempt - 1);
    } else {
        a.limits = a.profile->limits;
        log_info(job->id, "attempt %d, profile %s, slot %d", job->attempt, job->profile, w->slot);
        r = job_run(&a, &hold, &err);
    }
    if (r < 0 && err.kind == ERR_ENGINE) {
        struct engine_info info;
        struct err down = ERR_INIT;
        engine_lost = engine_info(e, &info, &down) < 0;
    }
    conclude(w, &a, r, engine_lost, &err);
    if (hold >= 0)
        mem_close(hold);
    /* What is left is cleared after the commit: nobody waits for it. */
    job_clear(&a);
    result_clear(&a.result);
    profiles_unref(profiles);
    log_info(job->id, "%s%s%s", r == 0 ? "succeeded" : err_name(err.kind), r == 0 ? "" : ": ", r == 0 ? "" : err.msg);

    pthread_mutex_lock(&p->lock);
    w->job[0] = w->run[0] = '\0';
    if (engine_lost)
        p->engine_ok = false;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    tell(p);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;
    struct engine *e = NULL;
    struct store_reader *reader = NULL;
    struct err err = ERR_INIT;

    if (engine_open(p->cfg.engine_socket, &e, &err) < 0 || store_reader_open(p->store, &reader, &err) < 0) {
        log_error(NULL, "slot %d cannot work: %s", w->slot, err.msg);
        engine_free(e);
        return NULL;
    }
    pthread_mutex_lock(&p->lock);
    while (!p->ending) {
        struct store_counts counts;
        struct job *job = NULL;
        if (p->draining || !p->engine_ok || !p->reaped || store_counts(reader, &counts, &err) < 0 ||
            counts.by_state[JOB_QUEUED] == 0) {
            wait_change(p, IDLE_MS);
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        int r = store_claim(p->store, &job, &err);
        if (r < 0)
            log_error(NULL, "cannot claim a job: %s", err.msg);
        if (r == 0)
            run_one(w, e, reader, job);
        job_free(job);
        pthread_mutex_lock(&p->lock);
        if (r != 0)
            wait_change(p, IDLE_MS);
    }
    pthread_mutex_unlock(&p->lock);
    store_reader_free(reader);
    engine_free(e);
    return NULL;
}

/* --- the outside --- */

int pool_start(const struct pool_config *cfg, struct store *store, struct profiles *profiles, struct pool **ret,
               struct err *err)
{
    AUTO(char_p) char *work_dir = mem_printf("%s/work", cfg->state_dir);
    enum work_mode mode;
    int64_t recovered;
    pthread_condattr_t attr;

    if (work_reap(work_dir, err) < 0 || work_probe(work_dir, cfg->work_mode, &mode, err) < 0)
        return -1;
    if (store_recover(store, &recovered, err) < 0)
        return -1;
    if (recovered > 0)
        log_info(NULL, "%lld jobs that were running are queued again", (long long)recovered);

    struct pool *p = mem_alloc(sizeof *p);
    p->cfg = *cfg;
    p->cfg.state_dir = mem_strdup(cfg->state_dir);
    p->cfg.engine_socket = mem_strdup(cfg->engine_socket);
    p->cfg.helper_dir = mem_strdup(cfg->helper_dir);
    p->cfg.share_dir = mem_strdup(cfg->share_dir);
    p->cfg.ca_bundle = mem_strdup(cfg->ca_bundle);
    p->cfg.crates_mirror = mem_strdup(cfg->crates_mirror);
    p->cfg.work_mode = mem_strdup(cfg->work_mode);
    p->cfg.instance = mem_strdup(cfg->instance);
    p->cfg.builder_id = mem_strdup(cfg->builder_id);
    p->store = store;
    p->work_mode = mode;
    p->limits = cfg->limits;
    p->profiles = profiles_ref(profiles);
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &attr);
    pthread_condattr_destroy(&attr);
    p->workers = mem_alloc((size_t)cfg->slots * sizeof *p->workers);
    p->watcher_started = pthread_create(&p->watcher, NULL, watch, p) == 0;
    bool all = p->watcher_started;
    for (int i = 0; i < cfg->slots; i++) {
        struct worker *w = &p->workers[i];
        w->pool = p;
        w->slot = i;
        w->started = pthread_create(&w->thread, NULL, work, w) == 0;
        all = all && w->started;
    }
    if (!all) {
        pool_free(p);
        return err_set(err, ERR_INTERNAL, "cannot start the worker threads");
    }
    *ret = p;
    return 0;
}

void pool_reload(struct pool *p, struct profiles *profiles, const struct limits *limits)
{
    pthread_mutex_lock(&p->lock);
    struct profiles *old = p->profiles;
    p->profiles = profiles_ref(profiles);
    p->limits = *limits;
    p->look = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    profiles_unref(old);
}

void pool_wake(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

void pool_cancel(struct pool *p, const char *id)
{
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < p->cfg.slots; i++) {
        int none = STOP_NONE;
        if (strcmp(p->workers[i].job, id) == 0)
            atomic_compare_exchange_strong(&p->workers[i].stop, &none, STOP_CANCEL);
    }
    pthread_mutex_unlock(&p->lock);
}

void pool_drain(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->draining = true;
    pthread_mutex_unlock(&p->lock);
}

/* Under the lock. */
static int busy(const struct pool *p)
{
    int n = 0;

    for (int i = 0; i < p->cfg.slots; i++)
        n += p->workers[i].job[0] != '\0';
    return n;
}

bool pool_idle(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    bool idle = busy(p) == 0;
    pthread_mutex_unlock(&p->lock);
    return idle;
}

void pool_interrupt(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->draining = true;
    for (int i = 0; i < p->cfg.slots; i++) {
        int none = STOP_NONE;
        atomic_compare_exchange_strong(&p->workers[i].stop, &none, STOP_INTERRUPT);
    }
    pthread_mutex_unlock(&p->lock);
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    pool_interrupt(p);
    pthread_mutex_lock(&p->lock);
    p->ending = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->cfg.slots; i++)
        if (p->workers[i].started)
            pthread_join(p->workers[i].thread, NULL);
    if (p->watcher_started)
        pthread_join(p->watcher, NULL);
    for (size_t i = 0; i < p->seen_count; i++)
        seen_clear(&p->seen[i]);
    mem_free(p->seen);
    profiles_unref(p->profiles);
    mem_free(p->workers);
    mem_free((char *)p->cfg.state_dir);
    mem_free((char *)p->cfg.engine_socket);
    mem_free((char *)p->cfg.helper_dir);
    mem_free((char *)p->cfg.share_dir);
    mem_free((char *)p->cfg.ca_bundle);
    mem_free((char *)p->cfg.crates_mirror);
    mem_free((char *)p->cfg.work_mode);
    mem_free((char *)p->cfg.instance);
    mem_free((char *)p->cfg.builder_id);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

void pool_status(struct pool *p, struct pool_status *ret)
{
    pthread_mutex_lock(&p->lock);
    *ret = (struct pool_status){.reaped = p->reaped, .engine_ok = p->engine_ok, .slots = p->cfg.slots, .busy = busy(p)};
    snprintf(ret->engine_error, sizeof ret->engine_error, "%s",
             p->engine_error[0] || p->engine_ok ? p->engine_error : "the Docker Engine has not been asked yet");
    snprintf(ret->engine_version, sizeof ret->engine_version, "%s", p->info.version);
    snprintf(ret->work_mode, sizeof ret->work_mode, "%s", work_mode_name(p->work_mode));
    pthread_mutex_unlock(&p->lock);
}

int pool_profile_available(struct pool *p, const char *profile, struct image *ret, char **ret_why)
{
    int r = 1;

    pthread_mutex_lock(&p->lock);
    const struct seen *s = NULL;
    for (size_t i = 0; i < p->seen_count; i++)
        if (strcmp(p->seen[i].profile, profile) == 0)
            s = &p->seen[i];
    if (!p->engine_ok)
        *ret_why = mem_strdup(p->engine_error[0] ? p->engine_error : "the Docker Engine has not been asked yet");
    else if (!s || !s->there)
        *ret_why = mem_strdup(s ? s->why : "it has not been looked at yet");
    else {
        *ret = s->image;
        r = 0;
    }
    pthread_mutex_unlock(&p->lock);
    return r;
}
