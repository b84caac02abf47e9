/*
 * tail.h - a job's log while it grows: server-sent events, taken up again
 * where they were cut. Main thread.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/http.h"

struct tail;
struct tail *tail_new(struct http *h, const char *id); /* http is borrowed and may be used in between */
void tail_free(struct tail *f);

enum { TAIL_END = 1 };
/* Appends what came within timeout_ms to *into. A cut connection is made again, from where it was cut, for two
 * minutes. TAIL_END: the job is finished and its log complete. */
int tail_step(struct tail *f, int timeout_ms, struct buf *into, struct err *err);
