/*
 * http.h - the HTTP server: libmicrohttpd under the libuv loop.
 *
 * http.c is the one file that knows libmicrohttpd. It calls routes_headers()
 * when a request's headers are there, upload_data() for the bytes of an accepted
 * body and routes_handle() when the body is complete; these answer with
 * request_answer(), put work on a pool thread with request_work(), or keep the
 * client waiting with request_hold(). Loop thread only, except the work
 * functions themselves.
 *
 * An answer may come at any time. Before the body is complete it is sent past
 * libmicrohttpd (which cannot do that), what the client still sends is thrown away for
 * a bounded time so that it can read the answer, and the connection is closed.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "daemon/query.h"

#include <stdint.h>
#include <uv.h>

struct app;
struct follower;
struct http_server;
struct route;
struct submit;
struct upload;
struct waiter;
struct MHD_Connection;

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

enum request_phase { PHASE_NEW, PHASE_HEADERS, PHASE_BODY, PHASE_HANDLING, PHASE_SENDING, PHASE_DRAINING };

struct request {
    struct app *app;
    char method[8];     /* upper case; one that is not known is "?" */
    char *target;       /* path and query as they were sent */
    char *path;         /* the path as it was sent */
    struct query query; /* set by routes_headers() */
    char *id, *name;    /* decoded parts of the path: {id} and what follows it, or NULL */
    const struct route *route;
    int64_t body_expected; /* Content-Length; -1: chunked; 0: no body */
    int64_t body_seen;
    int64_t began_ms; /* monotonic */
    /* owned; freed by their modules when the request ends */
    struct upload *upload;
    struct submit *submit;
    struct follower *follower;
    struct waiter *waiter;
    /* what a work function hands to its end */
    struct job *job;
    int outcome;
    struct err err;
    int file; /* a descriptor or -1; closed with the request */

    /* http.c's own */
    struct request *prev, *next;
    struct http_server *server;
    struct MHD_Connection *conn;
    enum request_phase phase;
    bool expects_continue, suspended, held, busy, answered;
    struct answer answer;
    int64_t drained, drain_until;
    uv_work_t work;
    void (*work_run)(struct request *);
    void (*work_done)(struct request *);
};

/* Listen and serve. listen_fd is owned by the server from here on. */
int http_start(struct app *app, uv_loop_t *loop, int listen_fd, int64_t max_connections, int64_t idle_seconds,
               struct http_server **ret, struct err *err);

/* Whether pool threads still work for a request: run the loop until this is false before http_stop(). */
bool http_busy(const struct http_server *s);

/* From now on only requests that are under way are answered. */
void http_quiesce(struct http_server *s);

/* Wakes whoever is held or follows, closes all connections, frees. NULL is fine. */
void http_stop(struct http_server *s);

struct http_counts {
    int64_t connections; /* open now */
    int64_t requests[6]; /* answered, by the first digit of the status; [0]: ended without an answer */
    int64_t body_bytes;  /* received */
};
void http_counts(const struct http_server *s, struct http_counts *ret);

/* A header of the request, borrowed, or NULL. */
const char *request_header(const struct request *r, const char *name);

/* Takes what *a holds; *a is empty after. Only the first answer of a request counts. */
void request_answer(struct request *r, struct answer *a);

/* Answer with the problem that err describes. */
void request_fail(struct request *r, const struct err *err);

/* Run work(r) on a pool thread while the client waits, then done(r) on the loop's thread. */
void request_work(struct request *r, void (*work)(struct request *), void (*done)(struct request *));

/* Keep the client waiting until request_release() or request_answer(). */
void request_hold(struct request *r);
void request_release(struct request *r);

/* Ask the follower of a streamed answer for bytes again. */
void request_resume_stream(struct request *r);

/* True when the client has hung up while it was held. */
bool request_gone(const struct request *r);

/* Close without an answer. */
void request_drop(struct request *r);
