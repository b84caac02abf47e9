/* answer.h - what goes back to a client, as plain data. Any thread. */
#pragma once

#include "base/buf.h"
#include "base/json.h"

#include <stdint.h>

/* What goes back. Zeroed is a valid start except fd, so begin with ANSWER_INIT. */
struct answer {
    int status;
    struct buf headers; /* "Name: value\n" lines, made with answer_header() */
    struct buf body;    /* used when fd is -1 and there is no stream */
    int fd;             /* a file's bytes from offset; closed by the server */
    int64_t offset, size;
    bool stream; /* the request's follower gives the bytes */
};
#define ANSWER_INIT                                                                                                    \
    {                                                                                                                  \
        .fd = -1                                                                                                       \
    }

/* A header line; control characters in the value are dropped, so that nothing from outside can add a line. */
void answer_header(struct answer *a, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void answer_clear(struct answer *a);

/* Status, Content-Type and body of JSON; `value` is taken. */
void answer_json(struct answer *a, int status, const char *type, cJSON *value);
