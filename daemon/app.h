/*
 * app.h - what the handlers share: one struct, made by main(), used on the
 * loop's thread. Fields marked (any) may be read by pool threads too.
 */
#pragma once

#include "daemon/config.h"
#include "schema/store.h"
#include "workers/pool.h"
#include "workers/profile.h"

#include <uv.h>

struct follow;
struct uploads;
struct idempotency_use;

struct app {
    struct config *config; /* replaced at SIGHUP, on the loop's thread */
    struct profiles *profiles;
    struct store *store; /* (any) */
    struct store_reader *reader;
    struct pool *pool; /* (any) */
    struct http_server *http;
    uv_loop_t *loop;
    /* (any) As they were at start; absolute. */
    char *state_dir, *helper_dir, *share_dir;
    uid_t upload_uid; /* bloomery-unpack runs as this user; 0 when the daemon is not root */
    char *openapi;    /* text of schema/openapi.json, or NULL */
    int port;         /* that we listen on */
    bool draining;    /* no new submissions */
    int64_t started_ms;
    struct uploads *uploads;           /* upload.c */
    struct follow *follow;             /* follow.c */
    struct idempotency_use *keys_used; /* submit.c: keys of requests under way */
    struct store_counts counts;        /* at most half a second old, see app_counts() */
    int64_t counts_at;
};

/* How many jobs are in which state, from a short-lived cache. */
int app_counts(struct app *app, struct store_counts *ret, struct err *err);
