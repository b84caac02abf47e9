/*
 * sse.h - the grammar of server-sent events, fed in whatever pieces arrive.
 * A zeroed struct is ready. One thread.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct sse {
    struct buf in;   /* what is not a whole line yet */
    struct buf data; /* of the event that is being read */
    struct buf event;
    struct buf id; /* of the last event that came; survives sse_restart */
    bool has_data;
    bool drop; /* the event has been given: clear it before the next line */
};

enum { SSE_MORE = 1 };
#define SSE_MAX_LINE (1 << 20)

/* ERR_TOO_LARGE: a line or an event that does not end. */
int sse_feed(struct sse *s, const char *data, size_t len, struct err *err);
/* The next event; both borrowed until the next call. *ret_event is "" if it has no name. SSE_MORE: feed it first. */
int sse_next(struct sse *s, const char **ret_event, const struct buf **ret_data, struct err *err);
void sse_restart(struct sse *s); /* a new connection: all but the id is forgotten */
void sse_free(struct sse *s);
