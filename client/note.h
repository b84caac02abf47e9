/*
 * note.h - what the client says beside its results: on standard error, with
 * colour only on a terminal that wants it. Text from outside never reaches a
 * terminal with its control characters. Main thread.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

void note_line(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* a line */
void note_error(const struct err *err);                                     /* "error: message", "  hint: ..." */
void note_upload(int64_t sent, int64_t total);                              /* progress; a no-op but on a terminal */
void note_clear(void);                                                      /* takes a progress line away */
bool note_colour(int fd);

/* s without terminal control: escape sequences gone, control characters but newline and tab too. Appends. */
void note_plain(struct buf *into, const char *s, size_t len);

/* "1.2 MiB". The caller owns it. */
char *note_size(int64_t bytes);
