/* base64.c - see base64.h. */
#include "base/base64.h"

#include <stdint.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

static void put(struct buf *into, const void *data, size_t len, const char last[2], bool pad)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t v = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0);
        char four[4];
        for (size_t k = 0; k < 4; k++) {
            uint32_t digit = v >> (18 - 6 * k) & 63;
            four[k] = digit < 62 ? digits[digit] : last[digit - 62];
            if (k > n)
                four[k] = '=';
        }
        buf_put(into, four, pad ? 4 : n + 1);
    }
}

void base64_put(struct buf *into, const void *data, size_t len)
{
    put(into, data, len, "+/", true);
}

void base64_put_url(struct buf *into, const void *data, size_t len)
{
    put(into, data, len, "-_", false);
}

/* -1: it is no digit. */
static int value_of(char c)
{
    const char *found = c ? strchr(digits, c) : NULL;

    if (found)
        return (int)(found - digits);
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

bool base64_get(struct buf *into, const char *text, size_t len)
{
    AUTO(buf) struct buf got = {0};
    uint32_t bits = 0;
    size_t pad = 0;

    while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
        pad++;
    if (pad > 0 && len % 4 != 0)
        return false;
    len -= pad;
    for (size_t i = 0; i < len; i++) {
        int v = value_of(text[i]);
        if (v < 0)
            return false;
        bits = bits << 6 | (uint32_t)v;
        if (i % 4 == 3)
            buf_put(&got, (char[3]){(char)(bits >> 16), (char)(bits >> 8), (char)bits}, 3);
    }
    switch (len % 4) {
    case 0:
        break;
    case 2:
        if (bits & 15)
            return false;
        buf_put(&got, (char[1]){(char)(bits >> 4)}, 1);
        break;
    case 3:
        if (bits & 3)
            return false;
        buf_put(&got, (char[2]){(char)(bits >> 10), (char)(bits >> 2)}, 2);
        break;
    default:
        return false;
    }
    buf_put(into, got.p ? got.p : "", got.len);
    return true;
}
