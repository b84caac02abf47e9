/* sse.c - see sse.h. */
#include "client/sse.h"

#include <string.h>

int sse_feed(struct sse *s, const char *data, size_t len, struct err *err)
{
    if (s->in.len + len > 2 * SSE_MAX_LINE)
        return err_set(err, ERR_TOO_LARGE, "the server's log stream has a line without end");
    buf_put(&s->in, data, len);
    return 0;
}

static void take_field(struct sse *s, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    size_t name = colon ? (size_t)(colon - line) : len;
    const char *value = colon ? colon + 1 : line + len;
    size_t n = (size_t)(line + len - value);

    if (n > 0 && *value == ' ') {
        value++;
        n--;
    }
    if (name == 4 && memcmp(line, "data", 4) == 0) {
        if (s->has_data)
            buf_puts(&s->data, "\n");
        buf_put(&s->data, value, n);
        s->has_data = true;
    } else if (name == 5 && memcmp(line, "event", 5) == 0) {
        buf_clear(&s->event);
        buf_put(&s->event, value, n);
    } else if (name == 2 && memcmp(line, "id", 2) == 0) {
        buf_clear(&s->id);
        buf_put(&s->id, value, n);
    }
}

int sse_next(struct sse *s, const char **ret_event, const struct buf **ret_data, struct err *err)
{
    if (s->drop) {
        buf_clear(&s->data);
        buf_clear(&s->event);
        s->has_data = s->drop = false;
    }
    for (;;) {
        const char *end = s->in.len > 0 ? memchr(s->in.p, '\n', s->in.len) : NULL;
        if (!end)
            return SSE_MORE;
        size_t line = (size_t)(end - s->in.p), len = line;
        if (len > 0 && s->in.p[len - 1] == '\r')
            len--;
        bool blank = len == 0;
        if (!blank && s->in.p[0] != ':') /* a comment is a heartbeat */
            take_field(s, s->in.p, len);
        buf_drop(&s->in, line + 1);
        if (s->data.len > SSE_MAX_LINE)
            return err_set(err, ERR_TOO_LARGE, "the server's log stream has an event without end");
        if (!blank)
            continue;
        if (!s->has_data && s->event.len == 0)
            continue;
        s->drop = true;
        *ret_event = s->event.len > 0 ? s->event.p : "";
        *ret_data = &s->data;
        return 0;
    }
}

void sse_restart(struct sse *s)
{
    buf_clear(&s->in);
    buf_clear(&s->data);
    buf_clear(&s->event);
    s->has_data = s->drop = false;
}

void sse_free(struct sse *s)
{
    buf_free(&s->in);
    buf_free(&s->data);
    buf_free(&s->event);
    buf_free(&s->id);
}
