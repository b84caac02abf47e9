/*
 * store_kit.h - what the tests of the store share: a store in a folder of its own, and short ways to fill it.
 */
#pragma once

#include "base/mem.h"
#include "schema/store.h"
#include "schema/store_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* For use where a `struct err err` is in scope. */
#define OK(call)                                                                                                       \
    do {                                                                                                               \
        if ((call) != 0)                                                                                               \
            fail_msg("%s: %s", #call, err.msg);                                                                        \
    } while (0)

#define SOURCE_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SOURCE_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define BLOB_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define BLOB_D "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
#define BLOB_E "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
#define BLOB_F "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

struct kit {
    char dir[128], path[160];
    struct store *s;
    struct store_reader *r;
};

static inline void kit_folder(struct kit *k)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(k->dir, sizeof k->dir, "%s/test-store-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(k->dir));
    snprintf(k->path, sizeof k->path, "%s/jobs.db", k->dir);
}

static inline void kit_open(struct kit *k)
{
    struct err err = ERR_INIT;

    OK(store_open(k->path, &k->s, &err));
    OK(store_reader_open(k->s, &k->r, &err));
}

static inline void kit_close(struct kit *k)
{
    store_reader_free(STEAL(k->r));
    store_free(STEAL(k->s));
}

static inline void kit_remove(struct kit *k)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};

    for (size_t i = 0; i < COUNT(ends); i++) {
        AUTO(char_p) char *path = mem_printf("%s%s", k->path, ends[i]);
        unlink(path);
    }
    rmdir(k->dir);
}

static inline int kit_setup(void **state)
{
    struct kit *k = mem_alloc(sizeof *k);

    kit_folder(k);
    kit_open(k);
    *state = k;
    return 0;
}

static inline int kit_teardown(void **state)
{
    struct kit *k = *state;

    kit_close(k);
    kit_remove(k);
    mem_free(k);
    return 0;
}

/* Change the database behind the store's back: the past cannot be waited for. */
static inline void kit_sql(struct kit *k, const char *sql)
{
    struct err err = ERR_INIT;
    struct store_db *db = NULL;

    OK(store_db_open(k->path, STORE_DB_WRITE, &db, &err));
    OK(store_db_exec(db, sql, &err));
    store_db_free(db);
}

static inline struct job_new kit_job(const char *profile)
{
    struct job_new j = {.profile = profile, .source_sha256 = SOURCE_A, .source_size = 1234, .submitted_by = "team"};

    ulid_new(j.id);
    return j;
}

static inline void kit_add(struct kit *k, const struct job_new *j)
{
    struct err err = ERR_INIT;

    OK(store_add(k->s, j, 1, NULL, NULL, 100000, NULL, NULL, &err));
}

/* Adds a job of that profile; its id is in ret_id. */
static inline void kit_new(struct kit *k, const char *profile, char ret_id[ULID_SIZE])
{
    struct job_new j = kit_job(profile);

    kit_add(k, &j);
    memcpy(ret_id, j.id, ULID_SIZE);
}

/* The attempt that was claimed; the job must be `id`. */
static inline int kit_claim(struct kit *k, const char *id)
{
    struct err err = ERR_INIT;
    AUTO(job) struct job *j = NULL;

    OK(store_claim(k->s, &j, &err));
    assert_string_equal(j->id, id);
    assert_int_equal(j->state, JOB_FETCHING);
    return j->attempt;
}

static inline void kit_finish(struct kit *k, const char *id, int attempt, enum job_state state)
{
    struct err err = ERR_INIT;
    struct job result = {.state = state};

    OK(store_finish(k->s, id, attempt, &result, &err));
}

/* The caller owns it. */
static inline struct job *kit_get(struct kit *k, const char *id)
{
    struct err err = ERR_INIT;
    struct job *j = NULL;

    OK(store_get(k->r, id, &j, &err));
    return j;
}

static inline enum job_state kit_state(struct kit *k, const char *id)
{
    AUTO(job) struct job *j = kit_get(k, id);

    return j->state;
}
