/*
 * joblog.h - the log of a job: a file that only grows, read by the daemon while
 * it is written. One writer, the job's worker.
 *
 * Of what a build prints the head is kept as it comes; once half of the limit
 * is used, the rest is held back in a ring and its tail is written at the
 * phase's end, after a line that says how much was cut. So offsets in the file
 * never change, and the real error, which stands at the end, is never lost.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

struct joblog;

/* Opens for appending (a later attempt goes on in the same file). event_fd is written after each growth; -1: none. */
int joblog_open(const char *path, int64_t max_bytes, int event_fd, struct joblog **ret, struct err *err);
void joblog_free(struct joblog *l); /* flushes; NULL is fine */

/* Never fails the job: a log that cannot be written (the server's disk is full) is dropped. */
void joblog_write(struct joblog *l, const char *data, size_t len);

/* A line of the server's own, marked as such: "==> text". */
void joblog_say(struct joblog *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The end of a phase: write the tail that was held back. */
void joblog_flush(struct joblog *l);

/* How long the file is now; what a phase printed is what was added since. */
int64_t joblog_size(const struct joblog *l);

/* Read back what was added since `from`, at most max bytes of its end. */
int joblog_since(const struct joblog *l, int64_t from, size_t max, struct buf *ret, struct err *err);
