/*
 * store_db.c - one SQLite connection: opening, migrating, prepared statements.
 *
 * The only file that sees sqlite3.h. A connection and its statements belong to
 * one thread at a time (SQLITE_OPEN_NOMUTEX); the statements live as long as
 * the connection.
 */
#include "schema/store_priv.h"

#include "base/mem.h"

#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* Lists with filters make statements of many shapes; the cache is bounded all the same. */
#define SLOTS 96

#define BUSY_TIMEOUT_MS 10000

/* Marks the file as Bloomery's ("Blmy"), so that another program's database is not written into. */
#define APPLICATION_ID 0x426c6d79

struct store_db_slot {
    char *sql; /* owned; NULL: free */
    uint64_t key;
    sqlite3_stmt *stmt;
    bool used; /* by a store_query */
};

struct store_db {
    sqlite3 *sqlite;
    struct store_db_slot slots[SLOTS];
    size_t count, next_victim;
};

/* Says what SQLite's code means for the one who waits: the server's disk (ERR_ENGINE), or a bug (ERR_INTERNAL). */
static int fail(struct store_db *db, int code, struct err *err)
{
    const char *text = db->sqlite ? sqlite3_errmsg(db->sqlite) : sqlite3_errstr(code);

    switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return err_set(err, ERR_ENGINE, "the server's own disk: %s", text);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(err, ERR_ENGINE, "the server's database is damaged: %s", text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_ENGINE, "another program holds the server's database: %s", text);
    case SQLITE_NOMEM:
        return err_set(err, ERR_ENGINE, "the server's own memory: %s", text);
    default:
        return err_set(err, ERR_INTERNAL, "the database refused: %s", text);
    }
}

/* --- opening --- */

int store_db_open(const char *path, enum store_db_mode mode, struct store_db **ret, struct err *err)
{
    struct store_db *db = mem_alloc(sizeof *db);
    int flags = SQLITE_OPEN_NOMUTEX |
                (mode == STORE_DB_WRITE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    int code = sqlite3_open_v2(path, &db->sqlite, flags, NULL);

    if (code != SQLITE_OK) {
        fail(db, code, err);
        store_db_free(db);
        return err_wrap(err, "%s", path);
    }
    sqlite3_extended_result_codes(db->sqlite, 1);
    sqlite3_busy_timeout(db->sqlite, BUSY_TIMEOUT_MS);
    *ret = db;
    return 0;
}

void store_db_free(struct store_db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < db->count; i++) {
        sqlite3_finalize(db->slots[i].stmt);
        mem_free(db->slots[i].sql);
    }
    sqlite3_close(db->sqlite);
    mem_free(db);
}

int store_db_exec(struct store_db *db, const char *sql, struct err *err)
{
    int code = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : fail(db, code, err);
}

bool store_db_in_transaction(struct store_db *db)
{
    return !sqlite3_get_autocommit(db->sqlite);
}

int64_t store_db_changes(struct store_db *db)
{
    return sqlite3_changes64(db->sqlite);
}

/* --- migrating --- */

/* The first column of the first row. */
static int ask(struct store_db *db, const char *sql, int64_t *ret, struct err *err)
{
    AUTO(query) struct store_query q = {0};
    int64_t v = 0;
    int r;

    if (store_db_prepare(&q, db, sql, err) < 0 || (r = store_db_step(&q, err)) < 0)
        return -1;
    if (r == 0)
        v = store_db_get_int(&q, 0);
    *ret = v;
    return 0;
}

/* *ret: the migration that the file is at. Refuses what is not ours and what is newer. */
static int check_version(struct store_db *db, size_t count, int64_t *ret, struct err *err)
{
    int64_t version, id, tables;

    if (ask(db, "PRAGMA user_version", &version, err) < 0 || ask(db, "PRAGMA application_id", &id, err) < 0 ||
        ask(db, "SELECT count(*) FROM sqlite_schema", &tables, err) < 0)
        return -1;
    if (id != APPLICATION_ID && (version != 0 || id != 0 || tables != 0)) {
        err_set(err, ERR_UNAVAILABLE, "the database is not Bloomery's (application_id %lld, user_version %lld)",
                (long long)id, (long long)version);
        return err_hint(err, "name another file for the database, or move this one away");
    }
    if (version < 0 || version > (int64_t)count) {
        err_set(err, ERR_UNAVAILABLE, "the database has schema version %lld, this program knows versions up to %zu",
                (long long)version, count);
        return err_hint(err, "start the newer Bloomery that made it, or restore a backup from before the upgrade");
    }
    *ret = version;
    return 0;
}

static int migrate_one(struct store_db *db, const struct store_migration *m, int64_t version, struct err *err)
{
    AUTO(char_p)
    char *mark =
        mem_printf("PRAGMA user_version = %lld; PRAGMA application_id = %d", (long long)version, APPLICATION_ID);
    int64_t orphans;

    if (store_db_exec(db, m->sql, err) < 0)
        return -1;
    if (!store_db_in_transaction(db))
        return err_set(err, ERR_INTERNAL, "it ended its transaction");
    if (ask(db, "SELECT count(*) FROM pragma_foreign_key_check", &orphans, err) < 0)
        return -1;
    if (orphans)
        return err_set(err, ERR_INTERNAL, "it leaves %lld rows that refer to nothing", (long long)orphans);
    return store_db_exec(db, mark, err);
}

int store_db_migrate(struct store_db *db, const struct store_migration *migrations, size_t count, struct err *err)
{
    int64_t version;

    if (check_version(db, count, &version, err) < 0)
        return -1;
    while (version < (int64_t)count) {
        const struct store_migration *m = &migrations[version];
        /* Rows may dangle while a table is rebuilt; migrate_one looks before it commits. */
        if (store_db_exec(db, "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE", err) < 0)
            return err_wrap(err, "migration %s", m->name);
        /* Asked again under the lock: another process may have been faster. */
        int r = check_version(db, count, &version, err);
        if (r == 0 && version < (int64_t)count) {
            m = &migrations[version];
            r = migrate_one(db, m, ++version, err);
        }
        if (r == 0)
            r = store_db_exec(db, "COMMIT", err);
        if (r < 0) {
            if (store_db_in_transaction(db))
                store_db_exec(db, "ROLLBACK", NULL);
            return err_wrap(err, "migration %s", m->name);
        }
    }
    return 0;
}

/* --- statements --- */

static uint64_t key_of(const char *sql)
{
    uint64_t k = UINT64_C(14695981039346656037); /* FNV-1a */

    for (; *sql; sql++)
        k = (k ^ (unsigned char)*sql) * UINT64_C(1099511628211);
    return k;
}

/* A slot for a new statement: a fresh one, or that of a statement nobody uses now. NULL: all are in use. */
static struct store_db_slot *make_room(struct store_db *db)
{
    if (db->count < SLOTS)
        return &db->slots[db->count++];
    for (size_t tried = 0; tried < SLOTS; tried++) {
        struct store_db_slot *slot = &db->slots[db->next_victim++ % SLOTS];
        if (slot->used)
            continue;
        sqlite3_finalize(slot->stmt);
        mem_free(slot->sql);
        *slot = (struct store_db_slot){0};
        return slot;
    }
    return NULL;
}

int store_db_prepare(struct store_query *q, struct store_db *db, const char *sql, struct err *err)
{
    uint64_t key = key_of(sql);
    struct store_db_slot *slot = NULL;

    for (size_t i = 0; i < db->count && !slot; i++)
        if (db->slots[i].key == key && db->slots[i].sql && !db->slots[i].used && strcmp(db->slots[i].sql, sql) == 0)
            slot = &db->slots[i];
    if (!slot) {
        sqlite3_stmt *stmt;
        int code = sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
        if (code != SQLITE_OK)
            return fail(db, code, err);
        slot = make_room(db);
        if (!slot) {
            sqlite3_finalize(stmt);
            return err_set(err, ERR_INTERNAL, "more than %d statements at once", SLOTS);
        }
        *slot = (struct store_db_slot){.sql = mem_strdup(sql), .key = key, .stmt = stmt};
    }
    slot->used = true;
    *q = (struct store_query){.db = db, .slot = slot};
    return 0;
}

static void bound(struct store_query *q, int code)
{
    if (code != SQLITE_OK && !q->failed)
        q->failed = code;
}

void store_db_text(struct store_query *q, const char *s)
{
    q->bound++;
    bound(q, s ? sqlite3_bind_text(q->slot->stmt, q->bound, s, -1, SQLITE_TRANSIENT)
               : sqlite3_bind_null(q->slot->stmt, q->bound));
}

void store_db_clipped(struct store_query *q, const char *s, size_t max)
{
    size_t n = s ? strnlen(s, max + 1) : 0;

    if (n <= max) {
        store_db_text(q, s);
        return;
    }
    n = max;
    /* Step back over at most three bytes of a character that does not fit; other bytes are not UTF-8 anyway. */
    for (int back = 0; back < 3 && n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80; back++)
        n--;
    q->bound++;
    bound(q, sqlite3_bind_text(q->slot->stmt, q->bound, s, (int)n, SQLITE_TRANSIENT));
}

void store_db_int(struct store_query *q, int64_t v)
{
    q->bound++;
    bound(q, sqlite3_bind_int64(q->slot->stmt, q->bound, v));
}

void store_db_real(struct store_query *q, double v)
{
    q->bound++;
    bound(q, sqlite3_bind_double(q->slot->stmt, q->bound, isfinite(v) ? v : 0));
}

void store_db_json(struct store_query *q, const cJSON *v)
{
    q->bound++;
    bound(q, v ? sqlite3_bind_text(q->slot->stmt, q->bound, json_text(v), -1, mem_free)
               : sqlite3_bind_null(q->slot->stmt, q->bound));
}

int store_db_step(struct store_query *q, struct err *err)
{
    int code = q->failed;

    if (code)
        return err_set(err, code == SQLITE_NOMEM ? ERR_ENGINE : ERR_INTERNAL, "the database cannot take a value: %s",
                       sqlite3_errstr(code));
    code = sqlite3_step(q->slot->stmt);
    if (code == SQLITE_ROW)
        return 0;
    if (code == SQLITE_DONE)
        return STORE_DB_END;
    return fail(q->db, code, err);
}

int store_db_run(struct store_query *q, struct err *err)
{
    int r;

    while ((r = store_db_step(q, err)) == 0)
        ;
    return r < 0 ? -1 : 0;
}

int store_db_run_sql(struct store_db *db, const char *sql, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    return store_db_prepare(&q, db, sql, err) < 0 ? -1 : store_db_run(&q, err);
}

void store_db_end(struct store_query *q)
{
    if (!q->slot)
        return;
    sqlite3_reset(q->slot->stmt);
    sqlite3_clear_bindings(q->slot->stmt);
    q->slot->used = false;
    *q = (struct store_query){0};
}

const char *store_db_get_text(struct store_query *q, int column)
{
    return (const char *)sqlite3_column_text(q->slot->stmt, column);
}

char *store_db_get_copy(struct store_query *q, int column)
{
    return mem_strdup(store_db_get_text(q, column));
}

int64_t store_db_get_int(struct store_query *q, int column)
{
    return sqlite3_column_int64(q->slot->stmt, column);
}

double store_db_get_real(struct store_query *q, int column)
{
    return sqlite3_column_double(q->slot->stmt, column);
}

int store_db_get_json(struct store_query *q, int column, cJSON **ret, struct err *err)
{
    const char *text = store_db_get_text(q, column);
    cJSON *v = NULL;

    if (text && json_parse(text, strlen(text), sqlite3_column_name(q->slot->stmt, column), &v, err) < 0) {
        if (err)
            err->kind = ERR_INTERNAL; /* the store's own fault, not a client's */
        return err_wrap(err, "the server's database is damaged");
    }
    *ret = v;
    return 0;
}
