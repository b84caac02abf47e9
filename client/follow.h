/*
 * follow.h - a job's log while it grows: server-sent events, taken up again
 * where they were cut. Main thread.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/http.h"

struct follow;
struct follow *follow_new(struct http *h, const char *id); /* http is borrowed and may be used in between */
void follow_free(struct follow *f);

enum { FOLLOW_END = 1 };
/* Appends what came within timeout_ms to *into. A cut connection is made again, from where it was cut, for two
 * minutes. FOLLOW_END: the job is finished and its log complete. */
int follow_step(struct follow *f, int timeout_ms, struct buf *into, struct err *err);
