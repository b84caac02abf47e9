/*
 * base64.h - bytes as base64 text (RFC 4648) and back. Any thread.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

void base64_put(struct buf *into, const void *data, size_t len);     /* A-Z a-z 0-9 + /, padded */
void base64_put_url(struct buf *into, const void *data, size_t len); /* - and _ in place of + and /, not padded */

/* Appends what the text stands for: either alphabet, padding or none. False: it is no base64 (other characters, white
 * space, a length that cannot be, bits that mean nothing); *into is as it was. */
bool base64_get(struct buf *into, const char *text, size_t len);
