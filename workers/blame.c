/* blame.c - see blame.h. */
#include "workers/blame.h"

#include "base/fs.h"
#include "base/size.h"
#include "workers/diagnose.h"
#include "workers/usage.h"

#include <string.h>

enum { MAX_DIAGNOSIS = 24 << 20 };

/* Did the server's own disk or memory run out? Then nothing else that the build says counts. */
static bool server_is_full(struct attempt *a)
{
    struct err ignored = ERR_INIT;
    int64_t left;

    return fs_free_bytes(a->cfg->state_dir, &left, &ignored) == 0 && left < 64 << 20;
}

int blame_disk(struct attempt *a, const char *who, struct err *err)
{
    struct work_use use;

    work_usage(&a->work, &use);
    AUTO(char_p) char *used = size_text(use.bytes), *most = size_text(a->limits.work_bytes);
    err_set(err, ERR_DISK_FULL,
            "%s filled its work folder in phase %s: it holds %s in %lld files, the limits are %s (work_bytes) and %lld "
            "files (work_inodes)",
            who, a->phase.name, used, (long long)use.files, most, (long long)a->limits.work_inodes);
    return err_hint(err,
                    "build with less debug information or fewer targets, or ask the operator for a larger work_bytes");
}

static void blame_memory(struct attempt *a, struct err *err)
{
    struct cgroup_usage use;

    cgroup_read(&a->cgroup, &use);
    AUTO(char_p) char *used = size_text(use.peak_memory_bytes), *most = size_text(a->limits.job_memory_bytes);
    err_set(err, ERR_OUT_OF_MEMORY,
            "the build needed too much memory in phase %s: it used %s, the limit is %s "
            "(job_memory_bytes)",
            a->phase.name, used, most);
    err_hint(err, "less parallel code generation or no LTO needs less memory");
}

static void blame_time(struct attempt *a, const struct step *st, bool cpu, struct err *err)
{
    AUTO(char_p) char *used = usage_so_far(a);
    const char *limit = cpu ? "job_cpu_seconds" : st->limit;

    err_set(err, ERR_TIMED_OUT, "%s was stopped in phase %s: the limit is %lld s of %s time%s%s%s; it used %s",
            st->name, a->phase.name, (long long)(cpu ? st->cpu_seconds : st->limit_seconds), cpu ? "CPU" : "wall",
            limit ? " (" : "", limit ? limit : "", limit ? ")" : "", used);
}

/* The first thing that the compiler itself called an error; NULL: there is none. */
static const struct job_diagnostic *first_error(const struct attempt *a, const struct step *st)
{
    const struct job_diagnostics *d = &a->result.diagnostics;

    return st->messages && d->errors_kept ? &d->errors[0] : NULL;
}

int blame_step(struct attempt *a, const struct step *st, const struct step_result *res, int64_t from,
               enum err_kind fallback, struct err *err)
{
    AUTO(buf) struct buf text = {0};
    struct err ignored = ERR_INIT;
    struct job_error *e = &a->result.error;

    joblog_flush(a->log);
    joblog_since(a->log, from, MAX_DIAGNOSIS, &text, &ignored);
    diagnose(a->profile, text.p ? text.p : "", text.len, first_error(a, st), fallback, e);
    const char *log = text.p ? text.p : "";
    bool disk_words = strstr(log, "No space left on device") || strstr(log, "os error 28");

    if (res->end == STEP_CANCELED || res->end == STEP_INTERRUPTED)
        err_set(err, ERR_CANCELED, "canceled while %s ran", st->name);
    else if (res->end == STEP_TIMED_OUT || res->end == STEP_CPU_LIMIT)
        blame_time(a, st, res->end == STEP_CPU_LIMIT, err);
    else if (server_is_full(a))
        err_set(err, ERR_ENGINE, "the server's own disk is full");
    else if (res->end == STEP_DISK_LIMIT || res->disk_was_full || disk_words)
        blame_disk(a, "the build", err);
    else if (res->oom_kills > 0)
        blame_memory(a, err);
    else if (res->end == STEP_TOO_MUCH_OUTPUT)
        err_set(err, ERR_BAD_SOURCE, "%s printed more than %zu bytes", st->name, st->out_max);
    else if (e->message) {
        bool linked = fallback == ERR_LINK || fallback == ERR_CONTRACT;
        err_set(err, e->kind == ERR_NONE || linked ? fallback : e->kind, "%s", e->message);
        return -1; /* the diagnosis's own, longer texts stand */
    } else
        err_set(err, fallback, "%s ended with exit code %d", st->name, res->exit_code);
    mem_free(e->message);
    mem_free(e->hint);
    e->message = e->hint = NULL;
    return -1;
}

bool blame_network(const struct attempt *a, int64_t from)
{
    static const char *const words[] = {"Could not resolve host",
                                        "Couldn't resolve host",
                                        "Failed to connect",
                                        "Could not connect",
                                        "Timeout was reached",
                                        "Connection reset",
                                        "SSL connect error",
                                        "SSL peer certificate",
                                        "got 429",
                                        "got 500",
                                        "got 502",
                                        "got 503",
                                        "got 504"};
    AUTO(buf) struct buf text = {0};
    struct err ignored = ERR_INIT;

    joblog_since(a->log, from, MAX_DIAGNOSIS, &text, &ignored);
    for (size_t i = 0; i < COUNT(words); i++)
        if (text.p && strstr(text.p, words[i]))
            return true;
    return false;
}
