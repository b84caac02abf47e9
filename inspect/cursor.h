/*
 * cursor.h - reading hostile bytes: every step is checked against the end.
 *
 * A cursor borrows the bytes. Failures are ERR_CONTRACT (the file is not what
 * it should be) and name the offset in the file. `what` names the thing read.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>

struct cursor {
    const uint8_t *base; /* of the file */
    size_t pos, end;     /* offsets in it; pos <= end */
};

/* Fill *err with "byte N: ..." for the offset at. Returns -1. */
int cursor_fail(size_t at, struct err *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

int cursor_u8(struct cursor *c, uint8_t *ret, const char *what, struct err *err);

/* LEB128: at most ceil(bits / 7) bytes, and no bits set beyond the width. */
int cursor_u32(struct cursor *c, uint32_t *ret, const char *what, struct err *err);
int cursor_u64(struct cursor *c, uint64_t *ret, const char *what, struct err *err);
/* Signed, of 32, 33 or 64 bits. */
int cursor_signed(struct cursor *c, int bits, int64_t *ret, const char *what, struct err *err);

/* The next len bytes; *ret points into the file. */
int cursor_bytes(struct cursor *c, size_t len, const uint8_t **ret, const char *what, struct err *err);

/* A length and as many bytes. */
int cursor_name(struct cursor *c, const char **ret, uint32_t *ret_len, const char *what, struct err *err);

/* A count of things of at least `least` bytes each: refused if so many cannot follow. */
int cursor_count(struct cursor *c, size_t least, uint32_t *ret, const char *what, struct err *err);
