/*
 * http.h - the HTTP server: libmicrohttpd under the libuv loop.
 *
 * http.c is the one file that knows libmicrohttpd. It calls routes_headers()
 * when a request's headers are there, upload_data() for the bytes of an accepted
 * body and routes_handle() when the body is complete; these answer with
 * http_answer(), put work on a pool thread with http_work(), or keep the
 * client waiting with http_hold(). Loop thread only, except the work
 * functions themselves.
 *
 * An answer may come at any time. Before the body is complete it is sent past
 * libmicrohttpd (which cannot do that), what the client still sends is thrown away for
 * a bounded time so that it can read the answer, and the connection is closed.
 */
#pragma once

#include "base/err.h"
#include "base/limits.h"
#include "daemon/answer.h"
#include "daemon/query.h"

#include <stdint.h>
#include <uv.h>

struct app;
struct follower;
struct group;
struct http_server;
struct route;
struct submit;
struct upload;
struct waiter;
struct MHD_Connection;

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
    struct group *group;  /* groups.c */
    cJSON *made;          /* the answer, or NULL */
    struct limits limits; /* as they were when the work began */
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
const char *http_header(const struct request *r, const char *name);

/* Takes what *a holds; *a is empty after. Only the first answer of a request counts. */
void http_answer(struct request *r, struct answer *a);

/* Answer with the problem that err describes. */
void http_fail(struct request *r, const struct err *err);

/* Run work(r) on a pool thread while the client waits, then done(r) on the loop's thread. */
void http_work(struct request *r, void (*work)(struct request *), void (*done)(struct request *));

/* Keep the client waiting until http_release() or http_answer(). */
void http_hold(struct request *r);
void http_release(struct request *r);

/* Ask the follower of a streamed answer for bytes again. */
void http_resume_stream(struct request *r);

/* True when the client has hung up while it was held. */
bool http_gone(const struct request *r);

/* Close without an answer. */
void http_drop(struct request *r);
