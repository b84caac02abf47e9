/*
 * test_store_open.c - opening the store: new files, old ones, newer ones, and files that are none of ours.
 *
 * tests/unit/store_old_NNNN.sql holds a database as migration NNNN left it;
 * each must open with today's program and keep its jobs.
 */
#include "tests/unit/store_kit.h"

#include "base/buf.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>

static int folder_setup(void **state)
{
    struct kit *k = mem_alloc(sizeof *k);

    kit_folder(k);
    *state = k;
    return 0;
}

static int folder_teardown(void **state)
{
    struct kit *k = *state;

    kit_close(k);
    kit_remove(k);
    mem_free(k);
    return 0;
}

static void slurp(const char *path, struct buf *ret)
{
    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    char part[8192];
    ssize_t n;

    assert_true(fd >= 0);
    while ((n = read(fd, part, sizeof part)) > 0)
        buf_put(ret, part, (size_t)n);
    assert_int_equal(n, 0);
}

static int64_t number(struct kit *k, const char *sql)
{
    struct err err = ERR_INIT;
    struct store_db *db = NULL;
    int64_t v;

    OK(store_db_open(k->path, STORE_DB_READ, &db, &err));
    {
        AUTO(query) struct store_query q = {0};
        OK(store_db_prepare(&q, db, sql, &err));
        OK(store_db_step(&q, &err));
        v = store_db_get_int(&q, 0);
    }
    store_db_free(db);
    return v;
}

static void test_fresh_and_again(void **state)
{
    struct kit *k = *state;
    char id[ULID_SIZE];

    kit_open(k);
    assert_int_equal(number(k, "PRAGMA user_version"), (int64_t)store_migrations_count);
    kit_new(k, "wasm", id);
    kit_close(k);
    AUTO(char_p) char *wal = mem_printf("%s-wal", k->path);
    assert_int_equal(access(wal, F_OK), -1); /* checkpointed: the file alone is the whole database */
    kit_open(k);
    assert_int_equal(kit_state(k, id), JOB_QUEUED);
}

static void test_empty_file_is_fresh(void **state)
{
    struct kit *k = *state;
    AUTO(fd) int fd = open(k->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    kit_open(k);
}

static void test_no_folder(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct store *s = NULL;
    AUTO(char_p) char *path = mem_printf("%s/none/jobs.db", k->dir);

    assert_true(store_open(path, &s, &err) < 0);
    assert_null(s);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "/none"));
}

static void test_newer_is_refused(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct store *s = NULL;
    AUTO(char_p) char *ours = mem_printf("up to %zu", store_migrations_count);
    AUTO(buf) struct buf before = {0};
    AUTO(buf) struct buf after = {0};

    kit_open(k);
    kit_close(k);
    kit_sql(k, "PRAGMA user_version = 4711; PRAGMA journal_mode = DELETE");
    slurp(k->path, &before);
    assert_true(store_open(k->path, &s, &err) < 0);
    assert_null(s);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "4711"));
    assert_non_null(strstr(err.msg, ours));
    assert_true(err.hint[0] != '\0');
    slurp(k->path, &after);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.p, after.p, before.len);
}

static void test_others_are_refused(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct store *s = NULL;

    kit_sql(k, "CREATE TABLE accounts (id INTEGER)");
    assert_true(store_open(k->path, &s, &err) < 0);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    assert_int_equal(number(k, "SELECT count(*) FROM sqlite_schema"), 1);

    AUTO(fd) int fd = open(k->path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(fd,
                           "This is a letter, and it is longer than the header of a database would be: one hundred "
                           "bytes.",
                           92),
                     92);
    assert_true(store_open(k->path, &s, &err) < 0);
    assert_int_equal(err.kind, ERR_ENGINE);
    assert_non_null(strstr(err.msg, k->path));
    assert_true(store_open(k->dir, &s, &err) < 0); /* a folder */
    assert_null(s);
}

static void test_migrations_one_by_one(void **state)
{
    static const struct store_migration list[] = {
        {"0001_a", "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1);"},
        {"0002_b", "CREATE TABLE b (x INTEGER) STRICT; INSERT INTO b SELECT x + 1 FROM a;"},
        {"0003_broken", "INSERT INTO b VALUES (9); CREATE TABLE c (x INTEGER) STRICT; INSERT INTO nowhere VALUES (1);"},
    };
    static const struct store_migration repaired[] = {
        {"0001_a", "not run again"}, {"0002_b", "not run again"}, {"0003_c", "CREATE TABLE c (x INTEGER) STRICT;"}};
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct store_db *db;

    OK(store_db_open(k->path, STORE_DB_WRITE, &db, &err));
    assert_true(store_db_migrate(db, list, COUNT(list), &err) < 0);
    assert_non_null(strstr(err.msg, "0003_broken"));
    assert_false(store_db_in_transaction(db));
    assert_int_equal(number(k, "PRAGMA user_version"), 2);
    assert_int_equal(number(k, "SELECT max(x) FROM b"), 2);
    assert_int_equal(number(k, "SELECT count(*) FROM sqlite_schema"), 2);
    OK(store_db_migrate(db, repaired, COUNT(repaired), &err));
    OK(store_db_migrate(db, repaired, COUNT(repaired), &err));
    assert_int_equal(number(k, "PRAGMA user_version"), 3);
    assert_true(store_db_migrate(db, repaired, 2, &err) < 0); /* an older program */
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    store_db_free(db);
}

static void test_migrations_are_watched(void **state)
{
    static const struct store_migration commits[] = {{"0001_a", "CREATE TABLE a (x INTEGER); COMMIT;"}};
    static const struct store_migration orphans[] = {
        {"0001_a", "CREATE TABLE p (x INTEGER PRIMARY KEY) STRICT; CREATE TABLE c (x INTEGER REFERENCES p) STRICT; "
                   "INSERT INTO c VALUES (1);"}};
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct store_db *db;

    OK(store_db_open(k->path, STORE_DB_WRITE, &db, &err));
    assert_true(store_db_migrate(db, orphans, 1, &err) < 0);
    assert_int_equal(number(k, "SELECT count(*) FROM sqlite_schema"), 0);
    assert_true(store_db_migrate(db, commits, 1, &err) < 0);
    assert_int_equal(err.kind, ERR_INTERNAL);
    store_db_free(db);
}

/* The names say which migration made the file; its jobs are told by their profile: "kept" and in state succeeded. */
static void test_old_databases(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    glob_t found;

    assert_int_equal(glob("tests/unit/store_old_*.sql", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        AUTO(buf) struct buf sql = {0};
        struct job **jobs;
        size_t count;
        bool more;

        slurp(found.gl_pathv[i], &sql);
        kit_sql(k, sql.p);
        assert_int_equal(number(k, "PRAGMA user_version"), i + 1);
        kit_open(k);
        assert_int_equal(number(k, "PRAGMA user_version"), (int64_t)store_migrations_count);
        OK(store_list(k->r, &(struct job_filter){.state = -1, .limit = 100}, &jobs, &count, &more, &err));
        assert_int_equal(count, 4);
        store_list_free(jobs, count);
        OK(store_list(k->r, &(struct job_filter){.state = JOB_SUCCEEDED, .limit = 100}, &jobs, &count, &more, &err));
        assert_int_equal(count, 1);
        AUTO(job) struct job *j = kit_get(k, jobs[0]->id);
        store_list_free(jobs, count);
        assert_string_equal(j->profile, "kept");
        assert_string_equal(json_str(j->labels, "branch", ""), "main");
        assert_int_equal(j->artifacts_count, 2);
        assert_non_null(j->artifacts[0].metadata);
        assert_int_equal(j->phases_count, 1);
        assert_int_equal(j->warnings_count, 1);
        int64_t recovered;
        OK(store_recover(k->s, &recovered, &err));
        assert_int_equal(recovered, 1);
        AUTO(json) cJSON *totals = NULL;
        OK(store_totals(k->r, &totals, &err));
        assert_int_equal(cJSON_GetArraySize(totals), 2);
        kit_close(k);
        unlink(k->path);
    }
    globfree(&found);
}

/* The queries that the daemon asks all the time must not walk the whole table. */
static void test_indexes_are_used(void **state)
{
    static const struct {
        const char *sql, *index;
    } plans[] = {
        {"SELECT id FROM jobs INDEXED BY jobs_queue WHERE state = 'queued' AND not_before <= 1 "
         "ORDER BY priority DESC, id LIMIT 1",
         "jobs_queue"},
        {"SELECT * FROM jobs j WHERE true AND j.state = 'x' ORDER BY j.id DESC LIMIT 9", "jobs_state"},
        {"SELECT * FROM jobs j WHERE true AND j.id < 'x' AND j.profile = 'x' ORDER BY j.id DESC LIMIT 9",
         "jobs_profile"},
        {"SELECT * FROM jobs j WHERE true AND j.crate_name = 'x' ORDER BY j.id DESC LIMIT 9", "jobs_crate"},
        {"SELECT * FROM jobs j WHERE true AND j.group_id = 'x' ORDER BY j.id DESC LIMIT 9", "jobs_group"},
        {"SELECT 1 FROM jobs WHERE state = 'succeeded' AND started_at > 0 AND profile = 'x' ORDER BY finished_at DESC",
         "jobs_recent"},
        {"SELECT 1 FROM jobs INDEXED BY jobs_finished WHERE finished_at > 0 AND state = 'succeeded' AND started_at > 0 "
         "ORDER BY finished_at DESC",
         "jobs_finished"},
        {"SELECT 1 FROM artifacts WHERE sha256 = 'x'", "artifacts_sha256"},
        {"SELECT * FROM artifacts a CROSS JOIN jobs j ON j.id = a.job_id WHERE a.sha256 = 'x' AND NOT EXISTS "
         "(SELECT 1 FROM artifacts b WHERE b.sha256 = a.sha256 AND b.job_id = a.job_id AND b.seq < a.seq) "
         "AND a.job_id < 'x' ORDER BY a.job_id DESC LIMIT 9",
         "artifacts_sha256 (sha256=? AND job_id<?)"},
        {"SELECT id FROM jobs j WHERE finished_at > 0 AND finished_at < 9 AND (group_id IS NULL OR NOT EXISTS (SELECT "
         "1 "
         "FROM jobs m WHERE m.group_id = j.group_id AND (m.finished_at = 0 OR m.finished_at >= 9))) "
         "ORDER BY finished_at LIMIT 9",
         "jobs_finished (finished_at>? AND finished_at<?); CORRELATED SCALAR SUBQUERY 1; SEARCH m USING INDEX "
         "jobs_group"},
        {"SELECT * FROM job_labels l CROSS JOIN jobs j ON j.id = l.job_id WHERE l.key = 'x' AND l.value = 'y' "
         "AND l.job_id < 'x' ORDER BY l.job_id DESC LIMIT 9",
         "PRIMARY KEY"},
    };
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct store_db *db;

    kit_open(k);
    OK(store_db_open(k->path, STORE_DB_READ, &db, &err));
    for (size_t i = 0; i < COUNT(plans); i++) {
        AUTO(char_p) char *sql = mem_printf("EXPLAIN QUERY PLAN %s", plans[i].sql);
        AUTO(buf) struct buf plan = {0};
        AUTO(query) struct store_query q = {0};
        OK(store_db_prepare(&q, db, sql, &err));
        while (store_db_step(&q, &err) == 0)
            buf_printf(&plan, "%s; ", store_db_get_text(&q, 3));
        if (!strstr(plan.p, plans[i].index) || strstr(plan.p, "TEMP B-TREE"))
            fail_msg("%s: %s", plans[i].sql, plan.p);
    }
    store_db_free(db);
}

static void test_reader_cannot_write(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct store_db *db;

    kit_open(k);
    OK(store_db_open(k->path, STORE_DB_READ, &db, &err));
    assert_true(store_db_exec(db, "DELETE FROM jobs", &err) < 0);
    assert_int_equal(err.kind, ERR_ENGINE);
    store_db_free(db);
    store_free(NULL);
    store_reader_free(NULL);
    store_db_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_fresh_and_again),        TEST(test_empty_file_is_fresh), TEST(test_no_folder),
        TEST(test_newer_is_refused),       TEST(test_others_are_refused),  TEST(test_migrations_one_by_one),
        TEST(test_migrations_are_watched), TEST(test_old_databases),       TEST(test_indexes_are_used),
        TEST(test_reader_cannot_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
