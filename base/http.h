/*
 * http.h - an HTTP/1.1 client over TCP or a Unix socket (libcurl, its one
 * include in the tree is http.c). Used by docker/ and client/.
 *
 * One struct http belongs to one thread at a time. Two ways to call: a whole
 * exchange (http_call), and an answer that is read by pulling (http_open,
 * http_read), which is how the Engine's streams and the server's live log are
 * followed.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct http;

/* socket_path: a Unix socket, or NULL for TCP. base_url like "http://docker" or "http://127.0.0.1:7070". Servers other
 * than this machine's are reached through the proxies that the environment names (http_proxy, https_proxy, no_proxy). */
struct http *http_new(const char *socket_path, const char *base_url);
void http_free(struct http *h);

/* https trusts the authorities of this PEM file from now on; NULL: the system's. */
void http_trust(struct http *h, const char *ca_bundle);

struct http_request {
    const char *method;         /* "GET", ... */
    const char *path;           /* with query */
    const char *const *headers; /* "Name: value", NULL-terminated, or NULL */
    const void *body;           /* or NULL */
    size_t body_len;
    int body_fd;          /* > 0: the body is read from here, chunked unless body_len says how long it is */
    int64_t seconds;      /* for the whole exchange (http_open: until the headers); 0 is no limit */
    int64_t idle_seconds; /* without a byte; 0 is no limit */
    bool follow;          /* redirects, at most 10, to http and https only; else a 3xx is the answer */
    size_t max_answer;    /* bytes kept of the answer's body; more is ERR_TOO_LARGE. 0: 64 MiB */
    int answer_fd;        /* > 0: a 2xx answer's body is written there instead */
    void (*progress)(int64_t sent, int64_t total); /* upload progress, or NULL */
};

struct http_answer {
    int status;
    struct buf body;
    struct buf headers; /* raw lines */
};

void http_answer_free(struct http_answer *a);

/* The value of a header (case-insensitive), copied; NULL if absent. */
char *http_answer_header(const struct http_answer *a, const char *name);

/* 0: there is an answer, whatever its status. <0: none (ERR_UNAVAILABLE: not reached, cut; ERR_TIMED_OUT).
 * *ret must be zeroed; free with http_answer_free also after a failure. */
int http_call(struct http *h, const struct http_request *req, struct http_answer *ret, struct err *err);

/* How often, between two calls of http_call, the server closed the connection that it had kept open: a server that
 * does not do so by itself was restarted in between. */
unsigned http_lost(const struct http *h);

/* --- pulled answers --- */
struct http_pull;

/* Returns when the answer's headers are there. *ret_status is the status. */
int http_open(struct http *h, const struct http_request *req, struct http_pull **ret, int *ret_status, struct err *err);

enum { HTTP_AGAIN = 1, HTTP_END = 2 };
/* Appends to *into what arrived within timeout_ms. HTTP_AGAIN: nothing yet. HTTP_END: the answer is complete.
 * <0: it was cut (ERR_UNAVAILABLE). */
int http_read(struct http_pull *p, int timeout_ms, struct buf *into, struct err *err);
void http_close(struct http_pull *p);

/* As http_answer_header. */
char *http_pull_header(const struct http_pull *p, const char *name);

/* Percent-encode for a query or a path segment. The caller owns it. */
char *http_escape(const char *s);
