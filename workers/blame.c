/* blame.c - see blame.h. */
#include "workers/blame.h"

#include "base/fs.h"
#include "workers/diagnose.h"

#include <string.h>

enum { MAX_DIAGNOSIS = 24 << 20 };

/* Did the server's own disk or memory run out? Then nothing else that the build says counts. */
static bool server_is_full(struct attempt *a)
{
    struct err ignored = ERR_INIT;
    int64_t left;

    return fs_free_bytes(a->cfg->state_dir, &left, &ignored) == 0 && left < 64 << 20;
}

int blame_step(struct attempt *a, const struct step *st, const struct step_result *res, int64_t from,
               enum err_kind fallback, struct err *err)
{
    AUTO(buf) struct buf text = {0};
    struct err ignored = ERR_INIT;
    struct job_error *e = &a->result.error;

    joblog_flush(a->log);
    joblog_since(a->log, from, MAX_DIAGNOSIS, &text, &ignored);
    diagnose(a->profile, text.p ? text.p : "", text.len, fallback, e);
    const char *log = text.p ? text.p : "";
    bool disk_words = strstr(log, "No space left on device") || strstr(log, "os error 28");

    if (res->end == STEP_CANCELED || res->end == STEP_INTERRUPTED)
        err_set(err, ERR_CANCELED, "canceled while %s ran", st->name);
    else if (res->end == STEP_TIMED_OUT)
        err_set(err, ERR_TIMED_OUT, "%s was stopped after %lld s of wall time", st->name, (long long)st->seconds);
    else if (res->end == STEP_CPU_LIMIT)
        err_set(err, ERR_TIMED_OUT, "%s was stopped after %lld s of CPU time", st->name, (long long)st->cpu_seconds);
    else if (server_is_full(a))
        err_set(err, ERR_ENGINE, "the server's own disk is full");
    else if (res->end == STEP_DISK_LIMIT || res->disk_was_full || disk_words) {
        err_set(err, ERR_DISK_FULL, "the build filled its work folder (work_bytes %lld, work_inodes %lld)",
                (long long)a->limits.work_bytes, (long long)a->limits.work_inodes);
        err_hint(err,
                 "build with less debug information or fewer targets, or ask the operator for a larger work_bytes");
    } else if (res->oom_kills > 0) {
        err_set(err, ERR_OUT_OF_MEMORY, "the build needed more than job_memory_bytes (%lld)",
                (long long)a->limits.job_memory_bytes);
        err_hint(err, "less parallel code generation or no LTO needs less memory");
    } else if (res->end == STEP_TOO_MUCH_OUTPUT)
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
