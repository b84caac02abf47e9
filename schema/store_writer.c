/*
 * store_writer.c - the store itself: its writer thread and the group commit.
 *
 * The thread owns the writing connection. It takes all requests that wait,
 * runs each in a savepoint of its own, commits once, then wakes the callers.
 * `lock` guards the queue, `stopping` and every request's `done`.
 */
#include "schema/store_priv.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define GROUP_MAX 128

struct store {
    char *path;
    struct store_db *db; /* the writer thread's, once that runs */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct store_request *first, **last; /* who waits */
    bool stopping;
};

/* --- the writer thread --- */

/* <0: the whole transaction is lost, *err says why. The request's own failure is in the request. */
static int run_one(struct store_db *db, struct store_request *r, struct err *err)
{
    if (store_db_run_sql(db, "SAVEPOINT request", err) < 0)
        return -1;
    r->outcome = r->work(db, r, &r->err);
    if (r->outcome < 0) {
        if (!store_db_in_transaction(db)) {
            *err = r->err;
            return -1;
        }
        if (store_db_run_sql(db, "ROLLBACK TO request", err) < 0)
            return -1;
    }
    return store_db_run_sql(db, "RELEASE request", err);
}

static int run_group(struct store_db *db, struct store_request *group, struct err *err)
{
    if (store_db_run_sql(db, "BEGIN IMMEDIATE", err) < 0)
        return -1;
    for (struct store_request *r = group; r; r = r->next)
        if (run_one(db, r, err) < 0)
            return -1;
    return store_db_run_sql(db, "COMMIT", err);
}

static void serve(struct store_db *db, struct store_request *group)
{
    struct err err = ERR_INIT;

    if (run_group(db, group, &err) == 0)
        return;
    if (store_db_in_transaction(db))
        store_db_run_sql(db, "ROLLBACK", NULL);
    for (struct store_request *r = group; r; r = r->next) {
        r->outcome = -1;
        r->err = err;
    }
}

/* Takes at most GROUP_MAX requests off the queue; NULL: none, and none will come. */
static struct store_request *take(struct store *s)
{
    struct store_request *group, **end = &group;

    pthread_mutex_lock(&s->lock);
    while (!s->first && !s->stopping)
        pthread_cond_wait(&s->work, &s->lock);
    group = s->first;
    for (int n = 0; *end && n < GROUP_MAX; n++)
        end = &(*end)->next;
    s->first = *end;
    if (!s->first)
        s->last = &s->first;
    *end = NULL;
    pthread_mutex_unlock(&s->lock);
    return group;
}

static void *writer(void *arg)
{
    struct store *s = arg;
    struct store_request *group;

    while ((group = take(s))) {
        serve(s->db, group);
        pthread_mutex_lock(&s->lock);
        for (struct store_request *r = group; r; r = r->next) {
            r->done = true;
            pthread_cond_signal(&r->wake);
        }
        pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

int store_writer_submit(struct store *s, struct store_request *r, struct err *err)
{
    r->next = NULL;
    r->done = false;
    r->outcome = 0;
    r->err = (struct err)ERR_INIT;
    pthread_cond_init(&r->wake, NULL);

    pthread_mutex_lock(&s->lock);
    if (s->stopping) {
        r->outcome = err_set(&r->err, ERR_UNAVAILABLE, "the store is being closed");
    } else {
        *s->last = r;
        s->last = &r->next;
        pthread_cond_signal(&s->work);
        while (!r->done)
            pthread_cond_wait(&r->wake, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);

    pthread_cond_destroy(&r->wake);
    if (r->outcome < 0 && err)
        *err = r->err;
    return r->outcome;
}

size_t store_writer_waiting(struct store *s)
{
    size_t n = 0;

    pthread_mutex_lock(&s->lock);
    for (const struct store_request *r = s->first; r; r = r->next)
        n++;
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* --- opening and closing --- */

/* SQLite only says "unable to open database file". */
static int check_folder(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    AUTO(char_p)
    char *folder = !slash ? mem_strdup(".") : mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
    struct stat st;

    if (stat(folder, &st) < 0)
        return err_sys(err, ERR_UNAVAILABLE, errno, "the database's folder %s", folder);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_UNAVAILABLE, "the database's folder %s is not a folder", folder);
    return 0;
}

static int prepare_file(struct store_db *db, struct err *err)
{
    /* Before anything else: a database that is refused must stay as it is, its journal mode too. */
    if (store_db_migrate(db, store_migrations, store_migrations_count, err) < 0)
        return -1;
    {
        AUTO(query) struct store_query q = {0};
        if (store_db_prepare(&q, db, "PRAGMA journal_mode = WAL", err) < 0 || store_db_step(&q, err) < 0)
            return -1;
        const char *mode = store_db_get_text(&q, 0);
        if (!mode || strcmp(mode, "wal") != 0)
            return err_set(err, ERR_UNAVAILABLE, "its file system has no write-ahead log; use a local disk");
    }
    return store_db_exec(
        db, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864", err);
}

int store_open(const char *path, struct store **ret, struct err *err)
{
    struct store_db *db;

    if (check_folder(path, err) < 0 || store_db_open(path, STORE_DB_WRITE, &db, err) < 0)
        return -1;
    if (prepare_file(db, err) < 0) {
        store_db_free(db);
        return err_wrap(err, "%s", path);
    }
    struct store *s = mem_alloc(sizeof *s);
    s->path = mem_strdup(path);
    s->db = db;
    s->last = &s->first;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    int code = pthread_create(&s->thread, NULL, writer, s);
    if (code != 0) {
        err_sys(err, ERR_INTERNAL, code, "the store's writer thread");
        s->stopping = true;
        store_db_free(db);
        pthread_cond_destroy(&s->work);
        pthread_mutex_destroy(&s->lock);
        mem_free(s->path);
        mem_free(s);
        return -1;
    }
    *ret = s;
    return 0;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    store_db_exec(s->db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL);
    store_db_free(s->db);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->lock);
    mem_free(s->path);
    mem_free(s);
}

int store_reader_open(struct store *s, struct store_reader **ret, struct err *err)
{
    struct store_db *db;

    if (store_db_open(s->path, STORE_DB_READ, &db, err) < 0)
        return -1;
    struct store_reader *r = mem_alloc(sizeof *r);
    r->db = db;
    *ret = r;
    return 0;
}

void store_reader_free(struct store_reader *r)
{
    if (!r)
        return;
    store_db_free(r->db);
    mem_free(r);
}
