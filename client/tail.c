/* tail.c - see tail.h. */
#include "client/tail.h"

#include "base/clock.h"
#include "client/api.h"
#include "client/note.h"
#include "client/sse.h"

#include <string.h>
#include <time.h>

enum { PATIENCE_MS = 120 * 1000, FIRST_PAUSE_MS = 500, LONGEST_PAUSE_MS = 10 * 1000, SILENCE_SECONDS = 60 };

struct tail {
    struct http *http; /* borrowed */
    struct http_pull *pull;
    char *path;
    struct sse sse;
    int64_t lost_ms;  /* when the connection was lost; 0 while there is one */
    int64_t retry_ms; /* not before this */
    int64_t pause_ms;
    bool said;
};

struct tail *tail_new(struct http *h, const char *id)
{
    struct tail *f = mem_alloc(sizeof(*f));
    AUTO(char_p) char *safe = http_escape(id);

    f->http = h;
    f->path = mem_printf("/v1/jobs/%s/log?follow=1", safe);
    f->pause_ms = FIRST_PAUSE_MS;
    return f;
}

void tail_free(struct tail *f)
{
    if (!f)
        return;
    http_close(f->pull);
    sse_free(&f->sse);
    mem_free(f->path);
    mem_free(f);
}

/* 0: it will be tried again. */
static int lost(struct tail *f, struct err *err)
{
    int64_t now = clock_monotonic_ms();

    http_close(f->pull);
    f->pull = NULL;
    sse_restart(&f->sse);
    if (f->lost_ms == 0)
        f->lost_ms = now;
    if (now - f->lost_ms > PATIENCE_MS)
        return err_wrap(err, "the log cannot be followed");
    if (!f->said)
        note_line("the connection to the server is lost; trying again (%s)", err->msg);
    f->said = true;
    f->retry_ms = now + f->pause_ms;
    f->pause_ms = 2 * f->pause_ms < LONGEST_PAUSE_MS ? 2 * f->pause_ms : LONGEST_PAUSE_MS;
    return 0;
}

static int connect_log(struct tail *f, struct err *err)
{
    AUTO(char_p) char *last = f->sse.id.len > 0 ? mem_printf("Last-Event-ID: %s", f->sse.id.p) : NULL;
    const char *const headers[] = {"Accept: text/event-stream", "User-Agent: bloomery", last, NULL};
    const struct http_request req = {
        .method = "GET", .path = f->path, .headers = headers, .seconds = 30, .idle_seconds = SILENCE_SECONDS};
    int status = 0;

    if (http_open(f->http, &req, &f->pull, &status, err) < 0)
        return err->kind == ERR_UNAVAILABLE || err->kind == ERR_TIMED_OUT ? lost(f, err) : -1;
    if (status == 200)
        return 0;
    AUTO(buf) struct buf body = {0};
    struct err ignored = ERR_INIT;
    for (int i = 0; i < 50 && body.len < 65536; i++)
        if (http_read(f->pull, 100, &body, &ignored) == HTTP_END)
            break;
    api_problem(status, body.p ? body.p : "", body.len, err);
    if (status == 429 || status >= 500)
        return lost(f, err);
    return -1;
}

int tail_step(struct tail *f, int timeout_ms, struct buf *into, struct err *err)
{
    AUTO(buf) struct buf chunk = {0};
    const char *event;
    const struct buf *data;
    int rc;

    if (!f->pull) {
        int64_t wait = f->retry_ms - clock_monotonic_ms();
        if (wait > 0) {
            int64_t ms = wait < timeout_ms ? wait : timeout_ms;
            const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
            nanosleep(&t, NULL);
            return 0;
        }
        if (connect_log(f, err) < 0)
            return -1;
        if (!f->pull)
            return 0;
    }
    rc = http_read(f->pull, timeout_ms, &chunk, err);
    if (rc < 0 && err->kind != ERR_UNAVAILABLE && err->kind != ERR_TIMED_OUT)
        return -1;
    if (chunk.len > 0) {
        f->lost_ms = 0;
        f->pause_ms = FIRST_PAUSE_MS;
        f->said = false;
        if (sse_feed(&f->sse, chunk.p, chunk.len, err) < 0)
            return -1;
    }
    int got;
    while ((got = sse_next(&f->sse, &event, &data, err)) == 0) {
        if (strcmp(event, "end") == 0)
            return TAIL_END;
        if (event[0] && strcmp(event, "log") != 0 && strcmp(event, "message") != 0)
            continue;
        buf_put(into, data->p ? data->p : "", data->len);
        buf_puts(into, "\n");
    }
    if (got < 0)
        return -1;
    if (rc == HTTP_END)
        err_set(err, ERR_UNAVAILABLE, "the stream ended early");
    return rc == HTTP_END || rc < 0 ? lost(f, err) : 0;
}
