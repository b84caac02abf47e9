/*
 * test_store_load.c - the store under load and under misfortune: many threads,
 * neighbours that fail in one commit, a full disk, kill -9 in mid-write.
 */
#include "tests/unit/store_kit.h"

#include "base/buf.h"

#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* cmocka's assertions belong to the main thread; others say what went wrong here. */
#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* --- many threads --- */

#define ADDERS 8
#define EACH 200
#define CLAIMERS 3

struct crowd {
    struct kit *kit;
    atomic_int next_adder, finished;
    atomic_int runs[ADDERS * EACH];
};

static void *adder(void *arg)
{
    struct crowd *c = arg;
    int first = atomic_fetch_add(&c->next_adder, 1) * EACH;

    for (int i = first; i < first + EACH; i++) {
        struct err err = ERR_INIT;
        struct job_new n = kit_job("wasm");
        AUTO(json) cJSON *options = cJSON_CreateObject();
        json_put_int(options, "n", i);
        n.options = options;
        MUST(store_add(c->kit->s, &n, 1, NULL, NULL, ADDERS * EACH, NULL, NULL, &err) == 0);
    }
    return NULL;
}

static void *claimer(void *arg)
{
    struct crowd *c = arg;

    while (atomic_load(&c->finished) < ADDERS * EACH) {
        struct err err = ERR_INIT;
        AUTO(job) struct job *j = NULL;
        struct job result = {.state = JOB_SUCCEEDED};
        int r = store_claim(c->kit->s, &j, &err);
        if (r == STORE_NONE) {
            sched_yield();
            continue;
        }
        MUST(r == 0);
        int64_t n = json_int(j->options, "n", -1);
        MUST(n >= 0 && n < ADDERS * EACH && atomic_fetch_add(&c->runs[n], 1) == 0);
        MUST(store_finish(c->kit->s, j->id, j->attempt, &result, &err) == 0);
        MUST(store_finish(c->kit->s, j->id, j->attempt, &result, &err) == STORE_STALE);
        atomic_fetch_add(&c->finished, 1);
    }
    return NULL;
}

static void *watcher(void *arg)
{
    struct crowd *c = arg;
    struct err err = ERR_INIT;
    struct store_reader *r;

    MUST(store_reader_open(c->kit->s, &r, &err) == 0);
    while (atomic_load(&c->finished) < ADDERS * EACH) {
        struct job **jobs;
        size_t count;
        bool more;
        MUST(store_list(r, &(struct job_filter){.state = -1, .limit = 20}, &jobs, &count, &more, &err) == 0);
        for (size_t i = 0; i < count; i++) /* one snapshot: a finished job is finished in every respect */
            MUST(job_finished(jobs[i]->state) == (jobs[i]->finished_at > 0));
        store_list_free(jobs, count);
        sched_yield();
    }
    store_reader_free(r);
    return NULL;
}

static void test_no_job_lost_or_run_twice(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct crowd *c = mem_alloc(sizeof *c);
    pthread_t threads[ADDERS + CLAIMERS + 1];
    struct store_counts counts;
    size_t n = 0;

    c->kit = k;
    for (int i = 0; i < ADDERS; i++)
        assert_int_equal(pthread_create(&threads[n++], NULL, adder, c), 0);
    for (int i = 0; i < CLAIMERS; i++)
        assert_int_equal(pthread_create(&threads[n++], NULL, claimer, c), 0);
    assert_int_equal(pthread_create(&threads[n++], NULL, watcher, c), 0);
    while (n > 0)
        pthread_join(threads[--n], NULL);
    for (int i = 0; i < ADDERS * EACH; i++)
        assert_int_equal(c->runs[i], 1);
    OK(store_counts(k->r, &counts, &err));
    assert_int_equal(counts.by_state[JOB_SUCCEEDED], ADDERS * EACH);
    mem_free(c);
}

/* --- neighbours in one commit --- */

struct neighbour {
    struct kit *kit;
    struct job_new job;
    const struct idempotency *key;
    store_work *work; /* instead of adding the job, if set */
    int outcome;
    struct err err;
    pthread_t thread;
};

static void *neighbour_run(void *arg)
{
    struct neighbour *n = arg;

    if (n->work) {
        struct store_request r = {.work = n->work};
        n->outcome = store_writer_submit(n->kit->s, &r, &n->err);
    } else {
        n->outcome = store_add(n->kit->s, &n->job, 1, NULL, n->key, 100, NULL, NULL, &n->err);
    }
    return NULL;
}

static sem_t gate, shut; /* a group gathers behind the gate once it is shut */

static int wait_at_gate(struct store_db *db, struct store_request *r, struct err *err)
{
    (void)db, (void)r, (void)err;
    sem_post(&shut);
    while (sem_wait(&gate) != 0)
        ;
    return 0;
}

/* Half of a change, then a failure. */
static int fail_midway(struct store_db *db, struct store_request *r, struct err *err)
{
    (void)r;
    if (store_db_exec(db, "INSERT INTO sources VALUES ('" BLOB_D "', 1, 1)", err) < 0)
        return -1;
    return err_set(err, ERR_INTERNAL, "midway");
}

/* What SQLite does by itself when the disk is full. */
static int lose_transaction(struct store_db *db, struct store_request *r, struct err *err)
{
    (void)r;
    store_db_exec(db, "ROLLBACK", NULL);
    return err_set(err, ERR_ENGINE, "the server's own disk: for this test");
}

/* All of them in the order of the array, in one group: they gather while the writer waits at the gate. */
static void run_together(struct kit *k, struct neighbour *n, size_t count)
{
    struct neighbour keeper = {.kit = k, .work = wait_at_gate};

    assert_int_equal(sem_init(&gate, 0, 0) + sem_init(&shut, 0, 0), 0);
    assert_int_equal(pthread_create(&keeper.thread, NULL, neighbour_run, &keeper), 0);
    while (sem_wait(&shut) != 0)
        ;
    for (size_t i = 0; i < count; i++) {
        n[i].kit = k;
        assert_int_equal(pthread_create(&n[i].thread, NULL, neighbour_run, &n[i]), 0);
        while (store_writer_waiting(k->s) != i + 1)
            sched_yield();
    }
    sem_post(&gate);
    pthread_join(keeper.thread, NULL);
    for (size_t i = 0; i < count; i++)
        pthread_join(n[i].thread, NULL);
    assert_int_equal(keeper.outcome, 0);
    sem_destroy(&gate);
    sem_destroy(&shut);
}

static bool is_there(struct kit *k, const char *id)
{
    struct err err = ERR_INIT;
    AUTO(job) struct job *j = NULL;

    return store_get(k->r, id, &j, &err) == 0;
}

static void test_failing_neighbour_undoes_nothing(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct idempotency key = {"k", "f"}, clash = {"k", "g"};
    struct neighbour n[] = {
        {.job = kit_job("wasm"), .key = &key},   {.work = fail_midway},    {.job = kit_job("wasm"), .key = &key},
        {.job = kit_job("wasm"), .key = &clash}, {.job = kit_job("wasm")},
    };
    bool referenced;

    n[4].job.priority = 1000; /* refused by the database */
    run_together(k, n, COUNT(n));
    assert_int_equal(n[0].outcome, 0);
    assert_true(n[1].outcome < 0);
    assert_string_equal(n[1].err.msg, "midway");
    assert_int_equal(n[2].outcome, STORE_REPLAY); /* of one that is not even committed yet */
    assert_int_equal(n[3].outcome, STORE_MISMATCH);
    assert_true(n[4].outcome < 0);
    assert_true(is_there(k, n[0].job.id));
    OK(store_referenced(k->r, BLOB_D, &referenced, &err));
    assert_false(referenced);
}

static void test_lost_transaction_fails_its_group(void **state)
{
    struct kit *k = *state;
    struct neighbour n[] = {{.job = kit_job("wasm")}, {.work = lose_transaction}, {.job = kit_job("wasm")}};
    char id[ULID_SIZE];

    run_together(k, n, COUNT(n));
    for (size_t i = 0; i < COUNT(n); i++) {
        assert_true(n[i].outcome < 0);
        assert_int_equal(n[i].err.kind, ERR_ENGINE);
    }
    assert_false(is_there(k, n[0].job.id) || is_there(k, n[2].job.id));
    kit_new(k, "wasm", id); /* and the store lives */
    assert_true(is_there(k, id));
}

/* --- a full disk --- */

static void test_full_disk(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct job_new n = kit_job("wasm");
    struct rlimit old, small;
    struct job *claimed = NULL;
    char before[ULID_SIZE];
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

    kit_new(k, "wasm", before);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = 4096, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int added = store_add(k->s, &n, 1, NULL, NULL, 100, NULL, NULL, &err);
    enum err_kind kind = err.kind;
    int taken = store_claim(k->s, &claimed, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);

    assert_true(added < 0 && taken < 0);
    assert_int_equal(kind, ERR_ENGINE);
    assert_non_null(strstr(err.msg, "the server's own disk"));
    assert_null(claimed);
    assert_false(is_there(k, n.id));
    assert_int_equal(kit_state(k, before), JOB_QUEUED);
    assert_int_equal(kit_claim(k, before), 1); /* as if nothing had been */
    kit_add(k, &n);
    assert_true(is_there(k, n.id));
}

/* --- sudden death --- */

#define NEWS_SIZE (ULID_SIZE + 1) /* one letter, the id, a newline: small enough that a pipe takes it whole */

struct doomed {
    struct kit *kit;
    int pipe;
};

static void tell(int pipe, char what, const char *id)
{
    char news[NEWS_SIZE + 1];

    snprintf(news, sizeof news, "%c%s\n", what, id);
    if (write(pipe, news, NEWS_SIZE) != NEWS_SIZE)
        _exit(1);
}

static void *doomed_adder(void *arg)
{
    struct doomed *d = arg;

    for (;;) {
        struct err err = ERR_INIT;
        struct job_new n = kit_job("wasm");
        MUST(store_add(d->kit->s, &n, 1, NULL, NULL, 1000000, NULL, NULL, &err) == 0);
        tell(d->pipe, 'A', n.id);
    }
    return NULL;
}

static void doomed_worker(struct doomed *d)
{
    struct artifact a = {.name = "x.wasm", .role = "primary", .kind = "wasm", .sha256 = BLOB_C};
    struct job result = {.state = JOB_SUCCEEDED, .artifacts = &a, .artifacts_count = 1};

    for (;;) {
        struct err err = ERR_INIT;
        AUTO(job) struct job *j = NULL;
        int r = store_claim(d->kit->s, &j, &err);
        if (r == STORE_NONE)
            continue;
        MUST(r == 0 && store_finish(d->kit->s, j->id, j->attempt, &result, &err) == 0);
        tell(d->pipe, 'F', j->id);
    }
}

static void live_and_die(struct kit *k, int pipe)
{
    struct err err = ERR_INIT;
    struct doomed d = {.kit = k, .pipe = pipe};
    pthread_t t;

    MUST(store_open(k->path, &k->s, &err) == 0);
    for (int i = 0; i < 3; i++)
        MUST(pthread_create(&t, NULL, doomed_adder, &d) == 0);
    doomed_worker(&d);
}

/* Kills a writing child after `enough` news; all that it told is in *ret. */
static void kill_midway(struct kit *k, size_t enough, struct buf *ret)
{
    int ends[2];
    char part[NEWS_SIZE * 16];
    ssize_t n;
    bool killed = false;

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        live_and_die(k, ends[1]);
        _exit(1);
    }
    close(ends[1]);
    while ((n = read(ends[0], part, sizeof part)) > 0) {
        buf_put(ret, part, (size_t)n);
        if (!killed && ret->len >= enough * NEWS_SIZE) {
            kill(child, SIGKILL);
            killed = true;
        }
    }
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(ret->len % NEWS_SIZE, 0);
}

static void test_kill_9(void **state)
{
    struct kit k = {0};
    struct err err = ERR_INIT;
    AUTO(buf) struct buf news = {0};

    (void)state;
    kit_folder(&k);
    for (size_t round = 1; round <= 5; round++) {
        kill_midway(&k, news.len / NEWS_SIZE + 60 + 7 * round, &news);
        kit_open(&k);
        for (size_t at = 0; at < news.len; at += NEWS_SIZE) {
            char id[ULID_SIZE] = "";
            memcpy(id, news.p + at + 1, ULID_SIZE - 1);
            AUTO(job) struct job *j = NULL;
            OK(store_get(k.r, id, &j, &err));
            if (news.p[at] == 'F') {
                assert_int_equal(j->state, JOB_SUCCEEDED);
                assert_int_equal(j->artifacts_count, 1);
            }
        }
        OK(store_recover(k.s, &(int64_t){0}, &err));
        struct store_counts counts;
        OK(store_counts(k.r, &counts, &err));
        assert_int_equal(counts.by_state[JOB_FETCHING], 0);
        kit_close(&k);
    }
    kit_remove(&k);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_9), /* first: it forks, and there are no threads yet */
        TEST(test_no_job_lost_or_run_twice),
        TEST(test_failing_neighbour_undoes_nothing),
        TEST(test_lost_transaction_fails_its_group),
        TEST(test_full_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
