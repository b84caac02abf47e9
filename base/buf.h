/*
 * buf.h - a growing run of bytes, always NUL-terminated once written to.
 *
 * `struct buf b = {0};` is a valid empty buffer; b.p is NULL until the first
 * write. buf_free leaves it empty and reusable.
 */
#pragma once

#include "base/mem.h"

#include <stddef.h>

struct buf {
    char *p; /* owned */
    size_t len;
    size_t cap;
};

void buf_put(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_drop(struct buf *b, size_t n); /* the first n bytes; n <= len */
void buf_clear(struct buf *b);          /* len = 0, memory kept */
void buf_free(struct buf *b);
char *buf_steal(struct buf *b); /* the caller owns the string ("" if empty); b is empty after */

static inline void auto_buf(struct buf *b)
{
    buf_free(b);
}
