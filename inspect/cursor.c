/* cursor.c - see cursor.h. */
#include "inspect/cursor.h"

#include <stdarg.h>
#include <stdio.h>

int cursor_fail(size_t at, struct err *err, const char *fmt, ...)
{
    char text[200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    err_set(err, ERR_CONTRACT, "byte %zu: %s", at, text);
    return -1;
}

int cursor_u8(struct cursor *c, uint8_t *ret, const char *what, struct err *err)
{
    if (c->pos >= c->end) {
        cursor_fail(c->pos, err, "%s is cut off", what);
        return -1;
    }
    *ret = c->base[c->pos++];
    return 0;
}

static int leb_unsigned(struct cursor *c, unsigned bits, uint64_t *ret, const char *what, struct err *err)
{
    uint64_t v = 0;
    size_t start = c->pos;

    for (unsigned shift = 0;; shift += 7) {
        uint8_t b;
        if (cursor_u8(c, &b, what, err) < 0)
            return -1;
        unsigned left = bits - shift; /* bits that still fit */
        if (left < 7 && (b & 0x7f) >> left)
            return cursor_fail(start, err, "%s does not fit in %u bits", what, bits);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            break;
        if (left <= 7)
            return cursor_fail(start, err, "%s is a number of too many bytes", what);
    }
    *ret = v;
    return 0;
}

int cursor_u32(struct cursor *c, uint32_t *ret, const char *what, struct err *err)
{
    uint64_t v;

    if (c->pos < c->end && c->base[c->pos] < 0x80) {
        *ret = c->base[c->pos++];
        return 0;
    }
    if (leb_unsigned(c, 32, &v, what, err) < 0)
        return -1;
    *ret = (uint32_t)v;
    return 0;
}

int cursor_u64(struct cursor *c, uint64_t *ret, const char *what, struct err *err)
{
    return leb_unsigned(c, 64, ret, what, err);
}

int cursor_signed(struct cursor *c, int bits, int64_t *ret, const char *what, struct err *err)
{
    uint64_t v = 0;
    size_t start = c->pos;

    for (int shift = 0;; shift += 7) {
        uint8_t b;
        if (cursor_u8(c, &b, what, err) < 0)
            return -1;
        int left = bits - shift;
        if (left < 7) {
            /* The bits above the sign bit have to repeat it. */
            int high = (b & 0x7f) >> (left - 1), ones = 0x7f >> (left - 1);
            if (high != 0 && high != ones)
                return cursor_fail(start, err, "%s does not fit in %d bits", what, bits);
        }
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            if (shift + 7 < 64 && b & 0x40)
                v |= ~UINT64_C(0) << (shift + 7);
            break;
        }
        if (left <= 7)
            return cursor_fail(start, err, "%s is a number of too many bytes", what);
    }
    *ret = (int64_t)v;
    return 0;
}

int cursor_bytes(struct cursor *c, size_t len, const uint8_t **ret, const char *what, struct err *err)
{
    if (len > c->end - c->pos) {
        cursor_fail(c->pos, err, "%s of %zu bytes goes beyond its end at %zu", what, len, c->end);
        return -1;
    }
    *ret = c->base + c->pos;
    c->pos += len;
    return 0;
}

int cursor_name(struct cursor *c, const char **ret, uint32_t *ret_len, const char *what, struct err *err)
{
    const uint8_t *p;
    uint32_t len;

    if (cursor_u32(c, &len, what, err) < 0 || cursor_bytes(c, len, &p, what, err) < 0)
        return -1;
    *ret = (const char *)p;
    *ret_len = len;
    return 0;
}

int cursor_count(struct cursor *c, size_t least, uint32_t *ret, const char *what, struct err *err)
{
    size_t at = c->pos;
    uint32_t n;

    if (cursor_u32(c, &n, what, err) < 0)
        return -1;
    if (n > (c->end - c->pos) / least)
        return cursor_fail(at, err, "%s %u is more than what follows can hold", what, n);
    *ret = n;
    return 0;
}
