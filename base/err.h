/*
 * err.h - how a failure travels.
 *
 * Every function that can fail takes a `struct err *` last and returns
 *     0   done,
 *    <0   failed: *err is filled, wrap it and pass it on,
 *    >0   an outcome that the function's own contract names.
 * The struct lives on the caller's stack; nothing in it is allocated. On
 * failure `ret_` outputs are untouched.
 *
 * Kinds are the words that clients see (`error_kind`, `error.kind`); they say
 * whose fault it was and never change meaning. err_http_status() is the one
 * table from kinds to HTTP; err_retries() the one from kinds to "the server
 * tries again by itself".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum err_kind {
    ERR_NONE,
    /* The request was refused. */
    ERR_BAD_REQUEST,
    ERR_NOT_FOUND,
    ERR_UNAUTHORIZED,
    ERR_FORBIDDEN,
    ERR_CONFLICT,
    ERR_TOO_LARGE,
    ERR_QUEUE_FULL,
    ERR_UNAVAILABLE,
    /* The job failed. */
    ERR_BAD_SOURCE,
    ERR_DEPENDENCY,
    ERR_COMPILE,
    ERR_LINK,
    ERR_CONTRACT,
    ERR_TRIAL,
    ERR_OUT_OF_MEMORY,
    ERR_TIMED_OUT,
    ERR_DISK_FULL,
    ERR_OUTPUT_TOO_LARGE,
    ERR_CANCELED,
    ERR_TOOLCHAIN_MISSING,
    ERR_KIT_MISSING,
    /* The server failed. */
    ERR_ENGINE,
    ERR_INTERNAL,
    ERR_KINDS /* how many there are */
};

struct err {
    enum err_kind kind;
    int sys;        /* errno of the cause, 0 if there is none */
    char msg[256];  /* one line for people, no newline */
    char hint[256]; /* what to do next; empty if there is nothing to say */
};

#define ERR_INIT                                                                                                       \
    {                                                                                                                  \
        .kind = ERR_NONE                                                                                               \
    }

/* Fill *err; always returns -1, so `return err_set(...)` reads well. An
 * over-long message is cut at a character boundary. err may be NULL. */
int err_set(struct err *err, enum err_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set, and ": strerror(sys)" is appended. */
int err_sys(struct err *err, enum err_kind kind, int sys, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Put "context: " before the message, on the way up. Keeps kind, sys and hint. Returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Say what to do next. Returns -1. */
int err_hint(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "bad_source" and so on; "none" for ERR_NONE. Static. */
const char *err_name(enum err_kind kind);

/* The kind with that name; ERR_NONE if there is none. */
enum err_kind err_from_name(const char *name);

/* The HTTP status of a refused request of this kind (RFC 9457 answers), 422
 * for kinds of failed jobs. */
int err_http_status(enum err_kind kind);

/* True for failures of the server's own making, which the queue tries again. */
bool err_retries(enum err_kind kind);
