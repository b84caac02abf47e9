/* header.h - the values of request headers, parsed strictly; the value of one answer header. No state; any thread. */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { RANGE_WHOLE = 1, RANGE_UNSATISFIABLE = 2 };
/* The value of a Range header against a body of `size` bytes. RANGE_WHOLE: absent, not understood or several ranges:
 * send everything. */
int header_range(const char *value, int64_t size, int64_t *ret_first, int64_t *ret_len);

/* Does a list of entity tags (If-None-Match) hold "tag"? '*' does. */
bool header_etag_match(const char *list, const char *tag);

/* Does an Accept header name this media type (with q > 0)? Wild cards do not count. */
bool header_accepts(const char *value, const char *type);

/* Split a Host header: name without brackets into ret_name, *ret_port -1 if there is none. <0: malformed. */
int header_host(const char *value, char *ret_name, size_t size, int *ret_port);

/* "localhost", 127.0.0.0/8 or ::1. */
bool header_is_loopback(const char *name);

/* ASCII-only fallback and RFC 5987 form of a file name: the whole Content-Disposition value. The caller owns it. */
char *header_attachment(const char *filename);
