/*
 * store_priv.h - what the store's own files share; for schema/store_*.c and their tests only.
 *
 * A `struct store_db` is one SQLite connection with its prepared statements;
 * it belongs to one thread at a time. A `struct store_request` is one write on
 * its way through the writer thread; it lies on the stack of the caller, who
 * waits, so what it points to is borrowed. sqlite3.h is seen by store_db.c alone.
 */
#pragma once

#include "schema/store.h"

#include <pthread.h>

/* --- store_db.c: a connection --- */

struct store_db;
struct store_db_slot;

enum store_db_mode { STORE_DB_WRITE, STORE_DB_READ };

struct store_migration {
    const char *name; /* "0001_jobs" */
    const char *sql;
};
extern const struct store_migration store_migrations[]; /* generated from schema/NNNN_name.sql */
extern const size_t store_migrations_count;

/* Opens; STORE_DB_WRITE creates the file where it is missing. Changes nothing in the file. */
int store_db_open(const char *path, enum store_db_mode mode, struct store_db **ret, struct err *err);
void store_db_free(struct store_db *db); /* NULL is fine */

/* Brings the database to migration `count`, each in a transaction of its own. ERR_UNAVAILABLE: it is newer, or
 * another program's; nothing was changed. */
int store_db_migrate(struct store_db *db, const struct store_migration *migrations, size_t count, struct err *err);

/* Any number of statements, not cached, without results. */
int store_db_exec(struct store_db *db, const char *sql, struct err *err);

/* False after SQLite gave up the open transaction by itself, as it may when the disk is full. */
bool store_db_in_transaction(struct store_db *db);

/* Rows that the last INSERT, UPDATE or DELETE touched. */
int64_t store_db_changes(struct store_db *db);

/* A statement in use. AUTO(query) struct store_query q = {0}; gives it back at the end of the scope. Parameters are
 * bound in the order of the calls; a bind that fails is reported by the first step. Texts are copied. */
struct store_query {
    struct store_db *db;
    struct store_db_slot *slot;
    int bound;
    int failed; /* SQLite's code of the first bind that failed */
};

int store_db_prepare(struct store_query *q, struct store_db *db, const char *sql, struct err *err);
void store_db_text(struct store_query *q, const char *s);                /* NULL binds NULL */
void store_db_clipped(struct store_query *q, const char *s, size_t max); /* at most max bytes, whole characters */
void store_db_int(struct store_query *q, int64_t v);
void store_db_real(struct store_query *q, double v);       /* not a number: 0 */
void store_db_json(struct store_query *q, const cJSON *v); /* NULL binds NULL */

enum { STORE_DB_END = 1 };
int store_db_step(struct store_query *q, struct err *err); /* 0: a row. STORE_DB_END: no more of them. */
int store_db_run(struct store_query *q, struct err *err);  /* step to the end; the rows are ignored */
int store_db_run_sql(struct store_db *db, const char *sql, struct err *err); /* prepare and run, nothing to bind */
void store_db_end(struct store_query *q);

/* The current row; column 0 is the first. */
const char *store_db_get_text(struct store_query *q, int column); /* borrowed until the next step; NULL if NULL */
char *store_db_get_copy(struct store_query *q, int column);       /* the caller owns it; NULL if NULL */
int64_t store_db_get_int(struct store_query *q, int column);
double store_db_get_real(struct store_query *q, int column);
int store_db_get_json(struct store_query *q, int column, cJSON **ret, struct err *err); /* NULL if NULL */

static inline void auto_query(struct store_query *q)
{
    store_db_end(q);
}

/* --- store_writer.c: the writer thread --- */

struct store_request;
typedef int store_work(struct store_db *db, struct store_request *r, struct err *err);

struct store_add_request {
    const struct job_new *jobs;
    size_t count;
    const char *group_id;
    const struct idempotency *idem;
    int64_t max_queue;
    char *ids, *group; /* out */
};
struct store_claim_request {
    struct job *job; /* out */
};
struct store_run_request { /* whatever concerns one attempt */
    const char *id;
    int attempt;
    enum job_state state;
    const struct job_facts *facts;
    const char *text; /* a warning, or the reason for waiting */
    const struct job *result;
    int64_t not_before;
    bool count_attempt;
};
struct store_recover_request {
    int64_t count; /* out */
};
struct store_expire_request {
    int64_t before;
    int max;
    char **ids; /* out */
};

struct store_request {
    store_work *work; /* runs on the writer thread, inside a savepoint */
    union {
        struct store_add_request add;
        struct store_claim_request claim;
        struct store_run_request run;
        struct store_recover_request recover;
        struct store_expire_request expire;
    };
    /* the writer's */
    int outcome;
    struct err err;
    bool done;
    pthread_cond_t wake;
    struct store_request *next;
};

/* Hand it to the writer and wait for the commit. Returns what `work` returned, or <0 if the commit failed: then what
 * `work` put into the request is the caller's to free all the same. */
int store_writer_submit(struct store *s, struct store_request *r, struct err *err);

/* Requests that wait for the next commit; those in the one under way are not among them. */
size_t store_writer_waiting(struct store *s);

/* --- store_run.c: ends of a job, shared with the queue's --- */

/* Add a job that has just finished to the totals. */
int store_run_count(struct store_db *db, const char *id, struct err *err);

/* Append an attempt's phases and add its resources to the job's: seconds and bytes are sums over the attempts, memory
 * is the highest. */
int store_run_keep(struct store_db *db, const char *id, int attempt, const struct job *result, struct err *err);

#define STORE_MESSAGE_MAX 2048 /* bytes kept of an error's message or a reason */

/* --- store_read.c --- */

struct store_reader {
    struct store_db *db;
};

/* The job with everything it has; STORE_NONE. The caller holds a transaction. */
int store_read_job(struct store_db *db, const char *id, struct job **ret, struct err *err);
