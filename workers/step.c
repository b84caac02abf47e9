/* step.c - see step.h. */
#include "workers/step.h"

#include "base/clock.h"
#include "base/log.h"
#include "workers/usage.h"

#include <stdio.h>
#include <string.h>

enum { POLL_MS = 250, TICK_MS = 1000 };

char *step_user(uid_t uid)
{
    return mem_printf("%u:%u", (unsigned)uid, (unsigned)uid);
}

/* Limits that only the daemon can see, looked at about once a second. */
static enum step_end over_limit(struct attempt *a, const struct step *st, struct step_result *res)
{
    struct cgroup_usage use;
    struct work_use disk;

    usage_disk(a, &disk);
    if (disk.full)
        res->disk_was_full = true;
    if (disk.full && a->work.mode == WORK_PLAIN)
        return STEP_DISK_LIMIT; /* nothing else stops it there */
    cgroup_read(&a->cgroup, &use);
    if (use.oom_kills > res->oom_kills)
        res->oom_kills = use.oom_kills;
    if (st->cpu_seconds > 0 && use.cpu_seconds - a->cpu_before > (double)st->cpu_seconds)
        return STEP_CPU_LIMIT;
    return STEP_EXITED;
}

static void take(struct attempt *a, const struct step *st, const struct engine_chunk *chunk, struct step_result *res)
{
    if (st->messages) {
        AUTO(buf) struct buf text = {0};
        messages_read(st->messages, chunk->data, chunk->len, &text);
        joblog_write(a->log, text.p ? text.p : "", text.len);
    } else if (!st->out || (chunk->channel != ENGINE_STDOUT && !st->out_errors)) {
        joblog_write(a->log, chunk->data, chunk->len);
    } else if (st->out->len + chunk->len <= st->out_max) {
        buf_put(st->out, chunk->data, chunk->len);
    } else {
        res->end = STEP_TOO_MUCH_OUTPUT;
    }
}

/* Read the stream to its end. The container is killed when the step must stop; the reading ends by that. */
static int follow(struct attempt *a, const struct step *st, const char *id, struct engine_stream *stream,
                  struct step_result *res, struct err *err)
{
    int64_t deadline = clock_monotonic_ms() + st->seconds * 1000, tick = 0;
    int64_t patience = 0; /* after a kill, for the stream to end */

    for (;;) {
        struct engine_chunk chunk = {0};
        int r = engine_read(stream, POLL_MS, &chunk, err);
        if (r < 0 && res->end == STEP_EXITED)
            return -1;
        int64_t now = clock_monotonic_ms();
        if (r < 0 || r == ENGINE_END || (patience && now > patience)) {
            over_limit(a, st, res); /* the last word of the counters */
            return 0;
        }
        if (r == 0 && res->end == STEP_EXITED)
            take(a, st, &chunk, res);
        if (patience)
            continue;
        int stop = atomic_load(a->stop);
        if (stop != STOP_NONE)
            res->end = stop == STOP_CANCEL ? STEP_CANCELED : STEP_INTERRUPTED;
        else if (now > deadline)
            res->end = STEP_TIMED_OUT;
        if (res->end == STEP_EXITED && now >= tick) {
            tick = now + TICK_MS;
            res->end = over_limit(a, st, res);
        }
        if (res->end != STEP_EXITED) {
            if (engine_kill(a->engine, id, err) < 0)
                return -1;
            patience = now + 10000;
        }
    }
}

static int create(struct attempt *a, const char *phase, const struct engine_spec *spec, char ret_id[ENGINE_ID_SIZE],
                  struct err *err)
{
    AUTO(char_p) char *name = mem_printf("bloomery-%s-%s", a->run, phase);

    for (int tries = 0;; tries++) {
        int r = engine_create(a->engine, name, spec, ret_id, err);
        if (r == ENGINE_NAME_TAKEN && tries == 0) {
            /* Left by a call whose answer was lost. */
            if (engine_remove(a->engine, name, err) < 0)
                return -1;
            continue;
        }
        if (r == ENGINE_NO_IMAGE) {
            err->kind = ERR_TOOLCHAIN_MISSING;
            err_hint(err, "build the image again: bloomeryd images build %s", a->profile->name);
        }
        return r == 0 ? 0 : -1;
    }
}

/* Fill in what all containers of an attempt have in common. The caller frees with spec_clear. */
static void spec_fill(struct attempt *a, struct engine_spec *spec, const char *phase, uid_t uid)
{
    const char **labels = mem_alloc(5 * sizeof *labels);

    labels[0] = mem_printf("bloomery.instance=%s", a->cfg->instance);
    labels[1] = mem_printf("bloomery.job=%s", a->job->id);
    labels[2] = mem_printf("bloomery.attempt=%d", a->job->attempt);
    labels[3] = mem_printf("bloomery.phase=%s", phase);
    spec->labels = labels;
    spec->user = step_user(uid);
    spec->cgroup_parent = a->cgroup.parent;
    spec->memory_bytes = a->limits.job_memory_bytes;
    spec->pids = a->limits.job_pids;
    spec->nano_cpus = a->limits.job_cpus * INT64_C(1000000000);
}

static void spec_clear(struct engine_spec *spec)
{
    for (size_t i = 0; spec->labels && spec->labels[i]; i++)
        mem_free((char *)spec->labels[i]);
    mem_free((void *)spec->labels);
    mem_free((char *)spec->user);
    spec->labels = NULL;
    spec->user = NULL;
}

int step_hold(struct attempt *a, struct err *err)
{
    static const char *const idle[] = {"sleep", "infinity", NULL};
    AUTO(char_p) char *steps = mem_printf("%s/workers/steps", a->cfg->share_dir);
    AUTO(char_p) char *tmp = mem_printf("%s/tmp", a->work.fs);
    const struct engine_mount mounts[] = {
        {a->work.fs, "/work", false},
        {tmp, "/tmp", false}, /* within the folder's limits too */
        {a->profile->dir, "/bloomery/profile", true},
        {steps, "/bloomery/steps", true},
    };
    struct engine_spec spec = {.image = a->image.id, .command = idle, .mounts = mounts, .mounts_count = COUNT(mounts)};

    spec_fill(a, &spec, "build", a->other_uid);
    a->replay.held = replay_container(a, &spec);
    int r = create(a, "build", &spec, a->container, err);
    if (r == 0)
        r = engine_start(a->engine, a->container, NULL, err);
    spec_clear(&spec);
    return r;
}

static void end_messages(struct attempt *a, struct messages *m)
{
    AUTO(buf) struct buf text = {0};

    messages_end(m, &text);
    joblog_write(a->log, text.p ? text.p : "", text.len);
}

int step_exec(struct attempt *a, const struct step *st, struct step_result *ret, struct err *err)
{
    AUTO(char_p) char *user = step_user(st->uid);
    struct engine_stream *stream = NULL;
    struct cgroup_usage before;

    *ret = (struct step_result){.end = STEP_EXITED};
    cgroup_read(&a->cgroup, &before);
    if (!st->aside)
        replay_step(a, a->replay.held, st);
    if (engine_exec(a->engine, a->container, st->command, st->env, user, st->workdir ? st->workdir : STEP_WORKDIR,
                    &stream, err) < 0)
        return -1;
    if (st->messages)
        messages_begin(st->messages);
    int r = follow(a, st, a->container, stream, ret, err);
    if (st->messages)
        end_messages(a, st->messages);
    ret->oom_kills -= before.oom_kills < ret->oom_kills ? before.oom_kills : ret->oom_kills;
    if (r == 0 && ret->end == STEP_EXITED)
        r = engine_exec_exit(stream, &ret->exit_code, err);
    engine_stream_free(stream);
    return r < 0 ? -1 : 0;
}

int step_run(struct attempt *a, const struct step *st, struct engine_spec *spec, struct step_result *ret,
             struct err *err)
{
    struct engine_stream *stream = NULL;
    char id[ENGINE_ID_SIZE];

    *ret = (struct step_result){.end = STEP_EXITED};
    spec_fill(a, spec, st->name, st->uid);
    if (!st->aside)
        replay_step(a, replay_container(a, spec), st);
    spec->command = st->command;
    spec->env = st->env;
    int r = create(a, st->name, spec, id, err);
    spec_clear(spec);
    if (r < 0)
        return -1;
    r = engine_start(a->engine, id, &stream, err);
    if (r == 0)
        r = follow(a, st, id, stream, ret, err);
    if (r == 0 && ret->end == STEP_EXITED) {
        r = engine_wait(a->engine, id, 60, &ret->exit_code, err);
        if (r > 0)
            r = err_set(err, ERR_ENGINE, "the %s container gives no output any more but does not end", st->name);
    }
    engine_stream_free(stream);
    a->spent = mem_resize(a->spent, (a->spent_count + 1) * sizeof *a->spent);
    a->spent[a->spent_count++] = mem_strdup(id);
    return r;
}

int step_release(struct attempt *a, struct err *err)
{
    if (!a->container[0])
        return 0;
    int r = engine_remove(a->engine, a->container, err);
    if (r == 0)
        a->container[0] = '\0';
    return r;
}

void step_clear(struct attempt *a)
{
    struct err err = ERR_INIT;

    if (step_release(a, &err) < 0)
        log_warn(a->job->id, "cannot remove container %.12s: %s", a->container, err.msg);
    for (size_t i = 0; i < a->spent_count; i++) {
        if (engine_remove(a->engine, a->spent[i], &err) < 0)
            log_warn(a->job->id, "cannot remove container %.12s: %s", a->spent[i], err.msg);
        mem_free(a->spent[i]);
    }
    mem_free(a->spent);
    a->spent = NULL;
    a->spent_count = 0;
}
