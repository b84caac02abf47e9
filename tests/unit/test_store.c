/*
 * test_store.c - what store.h promises, call by call, on a real SQLite file.
 *
 * test_store_open.c has opening and migrating, test_store_load.c threads,
 * full disks and sudden death.
 */
#include "tests/unit/store_kit.h"

#include "base/buf.h"

/* --- accepting --- */

static void test_add_and_get(void **state)
{
    struct kit *k = *state;
    AUTO(json) cJSON *options = cJSON_Parse("{\"bin\":[\"a-b\"],\"locked\":true}");
    AUTO(json) cJSON *labels = cJSON_Parse("{\"team\":\"ü\",\"branch\":\"main\"}");
    struct job_new n = kit_job("wasm");
    int64_t before = clock_now_ms();

    n.options = options;
    n.labels = labels;
    n.priority = -7;
    n.retry_of = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    kit_add(k, &n);

    AUTO(job) struct job *j = kit_get(k, n.id);
    assert_string_equal(j->id, n.id);
    assert_null(j->group);
    assert_int_equal(j->state, JOB_QUEUED);
    assert_string_equal(j->profile, "wasm");
    assert_true(cJSON_Compare(j->options, options, true));
    assert_true(cJSON_Compare(j->labels, labels, true));
    assert_null(j->crate_name);
    assert_string_equal(j->source_sha256, SOURCE_A);
    assert_int_equal(j->source_size, 1234);
    assert_string_equal(j->lock, "none");
    assert_string_equal(j->submitted_by, "team");
    assert_string_equal(j->retry_of, n.retry_of);
    assert_int_equal(j->priority, -7);
    assert_true(j->created_at >= before && j->created_at <= clock_now_ms());
    assert_int_equal(j->started_at, 0);
    assert_int_equal(j->finished_at, 0);
    assert_int_equal(j->attempt, 0);
    assert_false(j->cancel_requested);
    assert_int_equal(j->error.kind, ERR_NONE);
    assert_int_equal(j->phases_count + j->warnings_count + j->artifacts_count, 0);
}

static void test_get_nothing(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct job *j = (struct job *)k;

    assert_int_equal(store_get(k->r, "01ARZ3NDEKTSV4RRFFQ69G5FAV", &j, &err), STORE_NONE);
    assert_ptr_equal(j, k); /* untouched */
    j = NULL;
    assert_int_equal(store_claim(k->s, &j, &err), STORE_NONE);
    assert_null(j);
}

static void test_add_refuses_whole(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct job *j;
    struct job_new two[2] = {kit_job("wasm"), kit_job("musl")};
    AUTO(json) cJSON *labels = cJSON_Parse("{\"n\":1}");

    two[1].labels = labels; /* not a text */
    two[1].source_sha256 = SOURCE_B;
    assert_true(store_add(k->s, two, 2, NULL, NULL, 10, NULL, NULL, &err) < 0);
    assert_int_equal(err.kind, ERR_INTERNAL);
    assert_int_equal(store_get(k->r, two[0].id, &j, &err), STORE_NONE);
    assert_int_equal(store_source(k->r, SOURCE_B, &(int64_t){0}, &err), STORE_NONE);

    two[1].labels = NULL;
    two[1].priority = 101; /* the database's own checks */
    assert_true(store_add(k->s, two, 2, NULL, NULL, 10, NULL, NULL, &err) < 0);
    assert_non_null(strstr(err.msg, two[1].id));
    assert_int_equal(store_get(k->r, two[0].id, &j, &err), STORE_NONE);
}

static void test_group(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct job_new three[3] = {kit_job("wasm"), kit_job("wasi"), kit_job("musl")};
    const char *group = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    char other[ULID_SIZE];
    struct job **jobs;
    size_t count;
    bool more;

    OK(store_add(k->s, three, 3, group, NULL, 3, NULL, NULL, &err));
    kit_new(k, "wasm", other);
    struct job_filter f = {.state = -1, .group = group, .limit = 10};
    OK(store_list(k->r, &f, &jobs, &count, &more, &err));
    assert_int_equal(count, 3);
    assert_false(more);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(jobs[i]->id, three[2 - i].id);
        assert_string_equal(jobs[i]->group, group);
    }
    store_list_free(jobs, count);
    OK(store_group(k->r, group, &jobs, &count, &err));
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(jobs[i]->id, three[i].id);
    store_list_free(jobs, count);
    assert_int_equal(store_group(k->r, other, &jobs, &count, &err), STORE_NONE); /* a job is no group */
}

static void test_queue_full(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    char first[ULID_SIZE];
    struct job *j;

    kit_new(k, "wasm", first);
    struct job_new two[2] = {kit_job("wasm"), kit_job("wasm")};
    struct job_new one = kit_job("wasm");
    assert_int_equal(store_add(k->s, two, 2, NULL, NULL, 2, NULL, NULL, &err), STORE_QUEUE_FULL);
    assert_int_equal(store_get(k->r, two[0].id, &j, &err), STORE_NONE);
    OK(store_add(k->s, &one, 1, NULL, NULL, 2, NULL, NULL, &err));
    assert_int_equal(store_add(k->s, two, 1, NULL, NULL, 2, NULL, NULL, &err), STORE_QUEUE_FULL);
    kit_claim(k, first); /* what runs does not wait */
    OK(store_add(k->s, two, 1, NULL, NULL, 2, NULL, NULL, &err));
}

static void test_idempotency(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct job_new two[2] = {kit_job("wasm"), kit_job("musl")};
    struct job_new again[2] = {kit_job("wasm"), kit_job("musl")};
    struct idempotency key = {"team/1", "fingerprint"}, other = {"team/1", "another"}, none = {NULL, NULL};
    const char *group = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    char *ids = NULL, *found = NULL;
    struct job *j;

    OK(store_add(k->s, two, 2, group, &key, 2, &ids, &found, &err));
    assert_null(ids);
    assert_null(found);
    /* Found before the queue's length is looked at. */
    assert_int_equal(store_add(k->s, again, 2, group, &key, 2, &ids, &found, &err), STORE_REPLAY);
    AUTO(char_p) char *want = mem_printf("%s,%s", two[0].id, two[1].id);
    assert_string_equal(ids, want);
    assert_string_equal(found, group);
    free(STEAL(ids));
    free(STEAL(found));
    assert_int_equal(store_get(k->r, again[0].id, &j, &err), STORE_NONE);
    assert_int_equal(store_add(k->s, again, 2, group, &other, 9, &ids, &found, &err), STORE_MISMATCH);
    assert_null(ids);
    assert_int_equal(store_get(k->r, again[0].id, &j, &err), STORE_NONE);
    OK(store_add(k->s, again, 1, NULL, &none, 9, &ids, &found, &err));

    /* A day later the key is free. */
    kit_sql(k, "UPDATE idempotency_keys SET created_at = created_at - 86400001");
    OK(store_add(k->s, &again[1], 1, NULL, &other, 9, &ids, &found, &err));
    assert_int_equal(store_add(k->s, two, 1, NULL, &other, 9, &ids, &found, &err), STORE_REPLAY);
    assert_string_equal(ids, again[1].id);
    assert_null(found);
    free(ids);
}

static void test_key_of_a_refused_request_is_free(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct job_new n = kit_job("wasm");
    struct idempotency key = {"k", "f"};

    assert_int_equal(store_add(k->s, &n, 1, NULL, &key, 0, NULL, NULL, &err), STORE_QUEUE_FULL);
    OK(store_add(k->s, &n, 1, NULL, &key, 1, NULL, NULL, &err));
    OK(store_forget_keys(k->s, clock_now_ms() - 60000, &err));
    assert_int_equal(store_add(k->s, &n, 1, NULL, &key, 9, NULL, NULL, &err), STORE_REPLAY);
    OK(store_forget_keys(k->s, clock_now_ms() + 60000, &err));
    n = kit_job("wasm");
    OK(store_add(k->s, &n, 1, NULL, &key, 9, NULL, NULL, &err));
}

/* --- working --- */

static void test_claim_order(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct job_new n[4] = {kit_job("a"), kit_job("b"), kit_job("c"), kit_job("d")};
    static const int priority[4] = {0, 5, 0, 5}, order[4] = {1, 3, 0, 2};
    struct queue_place p;

    for (int i = 0; i < 4; i++) {
        n[i].priority = priority[i];
        kit_add(k, &n[i]);
    }
    for (int i = 0; i < 4; i++) {
        OK(store_queue_place(k->r, n[order[i]].id, 1, &p, &err));
        assert_int_equal(p.position, i + 1);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(kit_claim(k, n[order[i]].id), 1);
}

static void test_states_and_facts(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    char id[ULID_SIZE];
    struct job_toolchain t = {.name = "nightly", .rustc = "rustc 1", .image = "sha256:1", .origin = "debian"};
    struct job_toolchain later = {.origin = "mirror"};

    kit_new(k, "wasm", id);
    assert_int_equal(store_set_state(k->s, id, 0, JOB_BUILDING, &err), STORE_STALE); /* waits still */
    int attempt = kit_claim(k, id);
    for (enum job_state s = JOB_FETCHING; s <= JOB_CHECKING; s++) {
        OK(store_set_state(k->s, id, attempt, s, &err));
        assert_int_equal(kit_state(k, id), s);
    }
    assert_true(store_set_state(k->s, id, attempt, JOB_SUCCEEDED, &err) < 0);
    assert_true(store_set_state(k->s, id, attempt, JOB_QUEUED, &err) < 0);
    assert_int_equal(store_set_state(k->s, id, attempt + 1, JOB_LINKING, &err), STORE_STALE);

    OK(store_set_facts(k->s, id, attempt, &(struct job_facts){.crate_name = "ledger", .toolchain = &t}, &err));
    OK(store_set_facts(k->s, id, attempt,
                       &(struct job_facts){.crate_version = "1.0", .lock = "resolved", .toolchain = &later}, &err));
    AUTO(job) struct job *j = kit_get(k, id);
    assert_string_equal(j->crate_name, "ledger");
    assert_string_equal(j->crate_version, "1.0");
    assert_string_equal(j->lock, "resolved");
    assert_string_equal(j->toolchain.name, "nightly");
    assert_string_equal(j->toolchain.rustc, "rustc 1");
    assert_string_equal(j->toolchain.image, "sha256:1");
    assert_string_equal(j->toolchain.origin, "mirror");
    assert_true(store_set_facts(k->s, id, attempt, &(struct job_facts){.lock = "perhaps"}, &err) < 0);
}

static void test_diagnostics(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    char id[ULID_SIZE], long_text[5001];
    struct job_filter all = {.state = -1, .limit = 10};
    struct job **jobs = NULL;
    size_t count = 0;
    bool more;

    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    struct job_diagnostic errors[] = {
        {.file = "src/main.rs",
         .line = 2,
         .column = 23,
         .code = "E0308",
         .text = "no",
         .label = "here",
         .rendered = "r"},
        {.text = long_text},
    };
    struct job result = {
        .state = JOB_FAILED,
        .error = {.kind = ERR_COMPILE, .message = "no"},
        .diagnostics = {
            .known = true, .cut = true, .errors_count = 3, .warnings_count = 7, .errors = errors, .errors_kept = 2}};

    kit_new(k, "wasm", id);
    OK(store_finish(k->s, id, kit_claim(k, id), &result, &err));
    AUTO(job) struct job *j = kit_get(k, id);
    const struct job_diagnostics *d = &j->diagnostics;
    assert_true(d->known && d->cut);
    assert_int_equal(d->errors_count, 3);
    assert_int_equal(d->warnings_count, 7);
    assert_int_equal(d->errors_kept, 2);
    assert_string_equal(d->errors[0].file, "src/main.rs");
    assert_int_equal(d->errors[0].line, 2);
    assert_int_equal(d->errors[0].column, 23);
    assert_string_equal(d->errors[0].code, "E0308");
    assert_string_equal(d->errors[0].text, "no");
    assert_string_equal(d->errors[0].label, "here");
    assert_string_equal(d->errors[0].rendered, "r");
    assert_null(d->errors[1].file);
    assert_null(d->errors[1].rendered);
    assert_int_equal(strlen(d->errors[1].text), 4096);

    OK(store_list(k->r, &all, &jobs, &count, &more, &err));
    assert_int_equal(count, 1);
    assert_int_equal(jobs[0]->diagnostics.errors_kept, 2);
    assert_string_equal(jobs[0]->diagnostics.errors[0].label, "here");
    assert_null(jobs[0]->diagnostics.errors[0].rendered);
    store_list_free(jobs, count);
}

static void test_finish_success(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    char id[ULID_SIZE];
    AUTO(json) cJSON *metadata = cJSON_Parse("{\"imports\":[]}");
    AUTO(json) cJSON *contract = cJSON_Parse("{\"host\":\"x\",\"verdict\":\"pass\",\"checks\":[]}");
    AUTO(json) cJSON *trial = cJSON_Parse("{\"host\":\"x\",\"verdict\":\"skipped\",\"output\":null}");
    struct artifact artifacts[] = {
        {.name = "Cargo.lock", .role = "side", .kind = "lock", .size = 9, .gzip_size = 8, .sha256 = BLOB_D},
        {.name = "a-b.wasm",
         .role = "primary",
         .kind = "wasm",
         .size = 100,
         .gzip_size = 50,
         .sha256 = BLOB_C,
         .metadata = metadata,
         .contract = contract,
         .trial = trial},
    };
    struct job_phase phases[] = {
        {.name = "fetch", .seconds = 0.5},
        {.name = "build", .seconds = 2, .cpu_seconds = 1.5, .peak_memory_bytes = 77, .bytes_written = 4}};
    char *warnings[] = {"first", "second", "first"};
    struct job result = {.state = JOB_SUCCEEDED,
                         .error = {.kind = ERR_LINK, .message = "ignored"},
                         .cpu_seconds = 1.5,
                         .peak_memory_bytes = 77,
                         .bytes_written = 5,
                         .phases = phases,
                         .phases_count = 2,
                         .warnings = warnings,
                         .warnings_count = 3,
                         .artifacts = artifacts,
                         .artifacts_count = 2,
                         .provenance = {.sha256 = BLOB_E, .size = 3000},
                         .sbom = {.sha256 = BLOB_F, .size = 400}};
    bool referenced;

    kit_new(k, "wasm", id);
    int attempt = kit_claim(k, id);
    OK(store_add_warning(k->s, id, attempt, "zeroth", &err));
    OK(store_finish(k->s, id, attempt, &result, &err));
    assert_int_equal(store_finish(k->s, id, attempt, &result, &err), STORE_STALE);
    assert_int_equal(store_add_warning(k->s, id, attempt, "late", &err), STORE_STALE);
    assert_int_equal(store_set_state(k->s, id, attempt, JOB_LINKING, &err), STORE_STALE);
    assert_int_equal(store_set_facts(k->s, id, attempt, &(struct job_facts){.lock = "none"}, &err), STORE_STALE);
    assert_int_equal(store_requeue(k->s, id, attempt, "late", 0, true, &result, &err), STORE_STALE);
    assert_int_equal(store_cancel(k->s, id, &err), STORE_FINISHED);

    AUTO(job) struct job *j = kit_get(k, id);
    assert_int_equal(j->state, JOB_SUCCEEDED);
    assert_true(j->started_at > 0 && j->finished_at >= j->started_at);
    assert_int_equal(j->error.kind, ERR_NONE);
    assert_null(j->error.message);
    assert_true(j->cpu_seconds == 1.5);
    assert_int_equal(j->peak_memory_bytes, 77);
    assert_int_equal(j->bytes_written, 5);
    assert_int_equal(j->phases_count, 2);
    assert_string_equal(j->phases[1].name, "build");
    assert_int_equal(j->phases[1].attempt, 1);
    assert_true(j->phases[1].seconds == 2 && j->phases[1].cpu_seconds == 1.5);
    assert_int_equal(j->phases[1].peak_memory_bytes, 77);
    assert_int_equal(j->phases[1].bytes_written, 4);
    assert_false(j->diagnostics.known);
    assert_int_equal(j->warnings_count, 3);
    assert_string_equal(j->warnings[0], "zeroth");
    assert_string_equal(j->warnings[2], "second");
    assert_int_equal(j->artifacts_count, 2);
    assert_string_equal(j->artifacts[0].name, "a-b.wasm"); /* the primary is first */
    assert_string_equal(j->artifacts[0].sha256, BLOB_C);
    assert_true(cJSON_Compare(j->artifacts[0].metadata, metadata, true));
    assert_true(cJSON_Compare(j->artifacts[0].contract, contract, true));
    assert_true(cJSON_Compare(j->artifacts[0].trial, trial, true));
    assert_null(j->artifacts[1].metadata);
    assert_int_equal(j->artifacts[1].gzip_size, 8);
    OK(store_referenced(k->r, BLOB_C, &referenced, &err));
    assert_true(referenced);
    assert_string_equal(j->provenance.sha256, BLOB_E);
    assert_int_equal(j->provenance.size, 3000);
    assert_string_equal(j->sbom.sha256, BLOB_F);
    OK(store_referenced(k->r, BLOB_E, &referenced, &err));
    assert_true(referenced);
    OK(store_referenced(k->r, BLOB_F, &referenced, &err));
    assert_true(referenced);

    struct job **jobs;
    size_t count;
    bool more;
    OK(store_list(k->r, &(struct job_filter){.state = JOB_SUCCEEDED, .limit = 1}, &jobs, &count, &more, &err));
    assert_int_equal(jobs[0]->artifacts_count, 2);
    assert_null(jobs[0]->artifacts[0].metadata);
    assert_null(jobs[0]->artifacts[0].contract);
    assert_null(jobs[0]->artifacts[0].trial);
    store_list_free(jobs, count);
}

static void test_finish_failure_is_whole_or_nothing(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    char id[ULID_SIZE];
    struct artifact twins[] = {{.name = "x", .role = "primary", .kind = "wasm", .sha256 = BLOB_C},
                               {.name = "x", .role = "side", .kind = "wasm", .sha256 = BLOB_D}};
    struct job result = {.state = JOB_SUCCEEDED, .artifacts = twins, .artifacts_count = 2};
    AUTO(json) cJSON *totals = NULL;
    bool referenced;

    kit_new(k, "wasm", id);
    int attempt = kit_claim(k, id);
    assert_true(store_finish(k->s, id, attempt, &result, &err) < 0);
    assert_int_equal(err.kind, ERR_INTERNAL);
    assert_int_equal(kit_state(k, id), JOB_FETCHING);
    OK(store_referenced(k->r, BLOB_C, &referenced, &err));
    assert_false(referenced);
    OK(store_totals(k->r, &totals, &err));
    assert_int_equal(cJSON_GetArraySize(totals), 0);
    result.state = JOB_LINKING;
    assert_true(store_finish(k->s, id, attempt, &result, &err) < 0);
    kit_finish(k, id, attempt, JOB_FAILED); /* still the running attempt; a failure without a word is ours */
    AUTO(job) struct job *j = kit_get(k, id);
    assert_int_equal(j->error.kind, ERR_INTERNAL);
}

static char *repeat(const char *unit, size_t times)
{
    struct buf b = {0};

    for (size_t i = 0; i < times; i++)
        buf_puts(&b, unit);
    return buf_steal(&b);
}

static void test_texts_are_cut_at_characters(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    char id[ULID_SIZE];
    AUTO(char_p) char *long_text = repeat("ab€", 8000); /* 5 bytes a time */
    AUTO(char_p) char *not_text = repeat("\x80", 5000);
    struct job result = {
        .state = JOB_FAILED,
        .error = {.kind = ERR_COMPILE, .message = long_text, .hint = not_text, .log_excerpt = long_text}};

    kit_new(k, "wasm", id);
    int attempt = kit_claim(k, id);
    OK(store_add_warning(k->s, id, attempt, long_text, &err));
    for (int i = 0; i < 250; i++) {
        AUTO(char_p) char *w = mem_printf("warning %d", i);
        OK(store_add_warning(k->s, id, attempt, w, &err));
    }
    OK(store_finish(k->s, id, attempt, &result, &err));
    AUTO(job) struct job *j = kit_get(k, id);
    assert_int_equal(j->error.kind, ERR_COMPILE);
    assert_int_equal(strlen(j->error.message), 2047); /* 409 whole units and "ab": the sign would end at 2050 */
    assert_true(strlen(j->error.hint) <= 2048 && strlen(j->error.hint) > 2040);
    assert_int_equal(strlen(j->error.log_excerpt), 16382); /* 3276 units and "ab" */
    assert_int_equal(strlen(j->warnings[0]), 1022);        /* 204 units and "ab" */
    assert_int_equal(j->warnings_count, 200);
    assert_string_equal(j->warnings[198], "warning 197");
    assert_string_equal(j->warnings[199], "more warnings were left out");
}

static void test_requeue(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    char id[ULID_SIZE];
    struct job_phase phase = {.name = "fetch", .seconds = 1};
    struct job part = {.phases = &phase, .phases_count = 1, .cpu_seconds = 2, .peak_memory_bytes = 9};
    struct job end = {
        .state = JOB_SUCCEEDED, .phases = &phase, .phases_count = 1, .cpu_seconds = 3, .peak_memory_bytes = 4};
    struct job *none = NULL;
    int64_t later = clock_now_ms() + 3600000, wakeup;

    kit_new(k, "wasm", id);
    OK(store_next_wakeup(k->r, &wakeup, &err));
    assert_int_equal(wakeup, 0);
    assert_int_equal(kit_claim(k, id), 1);
    OK(store_requeue(k->s, id, 1, "the Docker Engine does not answer", later, true, &part, &err));
    assert_int_equal(store_claim(k->s, &none, &err), STORE_NONE); /* not before */
    OK(store_next_wakeup(k->r, &wakeup, &err));
    assert_int_equal(wakeup, later);
    AUTO(job) struct job *waits = kit_get(k, id);
    assert_int_equal(waits->state, JOB_QUEUED);
    assert_string_equal(waits->wait_reason, "the Docker Engine does not answer");
    assert_int_equal(waits->not_before, later);
    assert_int_equal(waits->attempt, 1);
    assert_int_equal(waits->uncounted_attempts, 0);
    assert_int_equal(waits->started_at, 0);

    kit_sql(k, "UPDATE jobs SET not_before = 1");
    assert_int_equal(kit_claim(k, id), 2);
    /* The first attempt is still about, and believes that the job is its own. */
    assert_int_equal(store_set_state(k->s, id, 1, JOB_BUILDING, &err), STORE_STALE);
    assert_int_equal(store_add_warning(k->s, id, 1, "old", &err), STORE_STALE);
    assert_int_equal(store_requeue(k->s, id, 1, "old", 0, true, NULL, &err), STORE_STALE);
    assert_int_equal(store_finish(k->s, id, 1, &end, &err), STORE_STALE);
    OK(store_requeue(k->s, id, 2, "shutdown", 0, false, NULL, &err));
    assert_int_equal(kit_claim(k, id), 3);
    OK(store_finish(k->s, id, 3, &end, &err));

    AUTO(job) struct job *j = kit_get(k, id);
    assert_int_equal(j->state, JOB_SUCCEEDED);
    assert_null(j->wait_reason);
    assert_int_equal(j->attempt, 3);
    assert_int_equal(j->uncounted_attempts, 1);
    assert_int_equal(j->phases_count, 2);
    assert_int_equal(j->phases[0].attempt, 1);
    assert_int_equal(j->phases[1].attempt, 3);
    assert_true(j->cpu_seconds == 5);
    assert_int_equal(j->peak_memory_bytes, 9);
    assert_int_equal(j->warnings_count, 0);
}

static void test_cancel(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    char waits[ULID_SIZE], wins[ULID_SIZE], obeys[ULID_SIZE], back[ULID_SIZE];

    assert_int_equal(store_cancel(k->s, "01ARZ3NDEKTSV4RRFFQ69G5FAV", &err), STORE_NONE);
    kit_new(k, "wasm", waits);
    OK(store_cancel(k->s, waits, &err));
    assert_int_equal(store_cancel(k->s, waits, &err), STORE_FINISHED);
    AUTO(job) struct job *j = kit_get(k, waits);
    assert_int_equal(j->state, JOB_CANCELED);
    assert_int_equal(j->error.kind, ERR_CANCELED);
    assert_true(j->finished_at > 0);

    kit_new(k, "wasm", wins);
    kit_claim(k, wins);
    for (enum job_state s = JOB_FETCHING; s <= JOB_CHECKING; s++) {
        OK(store_set_state(k->s, wins, 1, s, &err));
        assert_int_equal(store_cancel(k->s, wins, &err), STORE_STALE);
        AUTO(job) struct job *running = kit_get(k, wins);
        assert_int_equal(running->state, s);
        assert_true(running->cancel_requested);
    }
    kit_finish(k, wins, 1, JOB_SUCCEEDED); /* too late to cancel */
    assert_int_equal(kit_state(k, wins), JOB_SUCCEEDED);
    assert_int_equal(store_cancel(k->s, wins, &err), STORE_FINISHED);

    kit_new(k, "wasm", obeys);
    kit_claim(k, obeys);
    assert_int_equal(store_cancel(k->s, obeys, &err), STORE_STALE);
    kit_finish(k, obeys, 1, JOB_CANCELED);
    AUTO(job) struct job *o = kit_get(k, obeys);
    assert_int_equal(o->state, JOB_CANCELED);
    assert_int_equal(o->error.kind, ERR_CANCELED);

    kit_new(k, "wasm", back);
    kit_claim(k, back);
    assert_int_equal(store_cancel(k->s, back, &err), STORE_STALE);
    OK(store_requeue(k->s, back, 1, "engine", 0, true, NULL, &err));
    AUTO(job) struct job *b = kit_get(k, back);
    assert_int_equal(b->state, JOB_CANCELED);
    assert_int_equal(b->error.kind, ERR_CANCELED);
    assert_true(b->started_at > 0 && b->finished_at >= b->started_at);
    struct job *none;
    assert_int_equal(store_claim(k->s, &none, &err), STORE_NONE);

    AUTO(json) cJSON *totals = NULL;
    OK(store_totals(k->r, &totals, &err));
    assert_int_equal(cJSON_GetArraySize(totals), 2);
    assert_string_equal(json_str(cJSON_GetArrayItem(totals, 0), "state", ""), "canceled");
    assert_string_equal(json_str(cJSON_GetArrayItem(totals, 0), "error_kind", ""), "canceled");
    assert_int_equal(json_int(cJSON_GetArrayItem(totals, 0), "count", 0), 3);
}

static void test_recover(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    char id[6][ULID_SIZE];
    int64_t count = -1;

    for (int i = 0; i < 6; i++)
        kit_new(k, "wasm", id[i]);
    for (int i = 0; i < 5; i++) {
        kit_claim(k, id[i]);
        if (i < 4)
            OK(store_set_state(k->s, id[i], 1, (enum job_state)(JOB_FETCHING + i), &err));
    }
    assert_int_equal(store_cancel(k->s, id[1], &err), STORE_STALE);
    kit_finish(k, id[4], 1, JOB_SUCCEEDED);

    kit_close(k);
    kit_open(k);
    OK(store_recover(k->s, &count, &err));
    assert_int_equal(count, 3);
    assert_int_equal(kit_state(k, id[1]), JOB_CANCELED);
    assert_int_equal(kit_state(k, id[4]), JOB_SUCCEEDED);
    assert_int_equal(store_finish(k->s, id[0], 1, &(struct job){.state = JOB_SUCCEEDED}, &err), STORE_STALE);
    assert_int_equal(kit_claim(k, id[0]), 2);
    AUTO(job) struct job *j = kit_get(k, id[0]);
    assert_int_equal(j->uncounted_attempts, 1);
    assert_int_equal(kit_claim(k, id[2]), 2);
    assert_int_equal(kit_claim(k, id[3]), 2);
    assert_int_equal(kit_claim(k, id[5]), 1);
}

/* --- keeping house --- */

static void test_expire(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct job_new n[4] = {kit_job("wasm"), kit_job("wasm"), kit_job("wasm"), kit_job("wasm")};
    struct artifact a = {.name = "x.wasm", .role = "primary", .kind = "wasm", .sha256 = BLOB_C};
    struct job result = {.state = JOB_SUCCEEDED, .artifacts = &a, .artifacts_count = 1};
    AUTO(json) cJSON *labels = cJSON_Parse("{\"a\":\"b\"}");
    int64_t size = 0;
    bool referenced;
    struct job *none;
    char **ids;

    n[1].source_sha256 = SOURCE_B;
    for (int i = 0; i < 4; i++) {
        n[i].labels = labels;
        kit_add(k, &n[i]);
        if (i == 3)
            break; /* this one waits, for years */
        assert_int_equal(kit_claim(k, n[i].id), 1);
        a.sha256[0] = i == 1 ? 'e' : 'c';
        OK(store_finish(k->s, n[i].id, 1, &result, &err));
    }
    kit_sql(k, "UPDATE jobs SET created_at = 1000");
    for (int i = 0; i < 3; i++) {
        AUTO(char_p) char *sql = mem_printf("UPDATE jobs SET finished_at = %d WHERE id = '%s'", 2000 + i, n[i].id);
        kit_sql(k, sql);
    }
    AUTO(json) cJSON *before = NULL;
    OK(store_totals(k->r, &before, &err));

    OK(store_expire(k->s, 2000, 100, &ids, &err)); /* older than, not as old as */
    assert_null(ids[0]);
    store_ids_free(ids);
    OK(store_expire(k->s, 2002, 1, &ids, &err)); /* the oldest first */
    assert_string_equal(ids[0], n[0].id);
    assert_null(ids[1]);
    store_ids_free(ids);
    OK(store_referenced(k->r, BLOB_C, &referenced, &err)); /* by the third */
    assert_true(referenced);
    OK(store_expire(k->s, 2002, 100, &ids, &err));
    assert_string_equal(ids[0], n[1].id);
    assert_null(ids[1]);
    store_ids_free(ids);

    assert_int_equal(store_get(k->r, n[1].id, &none, &err), STORE_NONE);
    OK(store_source(k->r, SOURCE_A, &size, &err));
    assert_int_equal(size, 1234);
    assert_int_equal(store_source(k->r, SOURCE_B, &size, &err), STORE_NONE);
    OK(store_referenced(k->r, SOURCE_B, &referenced, &err));
    assert_false(referenced);
    OK(store_expire(k->s, INT64_MAX, 100, &ids, &err));
    store_ids_free(ids);
    OK(store_referenced(k->r, BLOB_C, &referenced, &err));
    assert_false(referenced);
    OK(store_referenced(k->r, SOURCE_A, &referenced, &err)); /* by the one that waits */
    assert_true(referenced);
    assert_int_equal(kit_state(k, n[3].id), JOB_QUEUED);
    AUTO(json) cJSON *after = NULL;
    OK(store_totals(k->r, &after, &err));
    assert_true(cJSON_Compare(before, after, true));
    assert_int_equal(json_int(cJSON_GetArrayItem(after, 0), "count", 0), 3);
    store_ids_free(NULL);
}

/* The jobs of a group go when the last of them has been finished for long enough, and not before. */
static void test_expire_group(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct job_new two[2] = {kit_job("wasm"), kit_job("musl")};
    const struct job result = {.state = JOB_SUCCEEDED};
    char alone[ULID_SIZE];
    char **ids;

    OK(store_add(k->s, two, 2, "01ARZ3NDEKTSV4RRFFQ69G5FAV", NULL, 9, NULL, NULL, &err));
    assert_int_equal(kit_claim(k, two[0].id), 1);
    OK(store_finish(k->s, two[0].id, 1, &result, &err));
    OK(store_expire(k->s, INT64_MAX, 100, &ids, &err)); /* the other one waits */
    assert_null(ids[0]);
    store_ids_free(ids);
    assert_int_equal(kit_claim(k, two[1].id), 1);
    OK(store_finish(k->s, two[1].id, 1, &result, &err));
    kit_new(k, "wasm", alone);
    kit_claim(k, alone);
    OK(store_finish(k->s, alone, 1, &result, &err));
    kit_sql(k, "UPDATE jobs SET created_at = 1, finished_at = iif(profile = 'musl', 2000, 1000)");
    OK(store_expire(k->s, 1500, 100, &ids, &err));
    assert_string_equal(ids[0], alone);
    assert_null(ids[1]);
    store_ids_free(ids);
    OK(store_expire(k->s, 2000, 100, &ids, &err));
    assert_null(ids[0]);
    store_ids_free(ids);
    OK(store_expire(k->s, 2001, 100, &ids, &err));
    assert_string_equal(ids[0], two[0].id);
    assert_string_equal(ids[1], two[1].id);
    assert_null(ids[2]);
    store_ids_free(ids);
}

/* --- reading --- */

static void pages(struct kit *k, struct job_filter f, size_t expect)
{
    struct err err = ERR_INIT;
    char last[ULID_SIZE] = "";
    size_t total = 0;
    bool more = true;

    while (more) {
        struct job **jobs;
        size_t count;
        f.before_id = last[0] ? last : NULL;
        OK(store_list(k->r, &f, &jobs, &count, &more, &err));
        assert_true(count <= (size_t)f.limit);
        assert_true(!more || count == (size_t)f.limit);
        for (size_t i = 0; i < count; i++) {
            assert_true(!last[0] || strcmp(jobs[i]->id, last) < 0);
            memcpy(last, jobs[i]->id, ULID_SIZE);
        }
        store_list_free(jobs, count);
        total += count;
    }
    assert_int_equal(total, expect);
}

static void test_list_pages(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    AUTO(json) cJSON *even = cJSON_Parse("{\"parity\":\"even\",\"all\":\"a=b\"}");
    AUTO(json) cJSON *odd = cJSON_Parse("{\"parity\":\"odd\",\"all\":\"a=b\"}");
    struct job_new n[250];

    for (int i = 0; i < 250; i++) {
        n[i] = kit_job(i % 5 ? "wasm" : "musl");
        n[i].labels = i % 2 ? odd : even;
    }
    OK(store_add(k->s, n, 250, NULL, NULL, 250, NULL, NULL, &err));
    for (int i = 0; i < 30; i++) {
        int attempt = kit_claim(k, n[i].id);
        OK(store_set_facts(k->s, n[i].id, attempt, &(struct job_facts){.crate_name = i % 3 ? "x" : "y"}, &err));
        if (i < 20)
            kit_finish(k, n[i].id, attempt, JOB_SUCCEEDED);
    }
    static const int limits[] = {1, 7, 50, 249, 250, 1000};
    for (size_t i = 0; i < COUNT(limits); i++)
        pages(k, (struct job_filter){.state = -1, .limit = limits[i]}, 250);
    const char *const evens[] = {"parity=even", NULL}, *const both[] = {"parity=even", "all=a=b", NULL};
    const char *const nobody[] = {"parity=even", "parity=odd", NULL}, *const empty[] = {NULL};
    pages(k, (struct job_filter){.state = JOB_QUEUED, .limit = 50}, 220);
    pages(k, (struct job_filter){.state = JOB_SUCCEEDED, .limit = 3}, 20);
    pages(k, (struct job_filter){.state = JOB_FAILED, .limit = 3}, 0);
    pages(k, (struct job_filter){.state = -1, .profile = "musl", .limit = 9}, 50);
    pages(k, (struct job_filter){.state = -1, .profile = "nothing", .limit = 9}, 0);
    pages(k, (struct job_filter){.state = -1, .crate = "y", .limit = 4}, 10);
    pages(k, (struct job_filter){.state = -1, .labels = evens, .limit = 30}, 125);
    pages(k, (struct job_filter){.state = -1, .labels = both, .limit = 30}, 125);
    pages(k, (struct job_filter){.state = -1, .labels = nobody, .limit = 30}, 0);
    pages(k, (struct job_filter){.state = -1, .labels = empty, .limit = 30}, 250);
    pages(k, (struct job_filter){.state = JOB_QUEUED, .profile = "musl", .labels = evens, .limit = 4}, 22);
    pages(k, (struct job_filter){.state = JOB_SUCCEEDED, .profile = "wasm", .crate = "x", .labels = both, .limit = 2},
          5);

    struct job **jobs;
    size_t count;
    bool more;
    const char *const wrong[] = {"parity", NULL};
    assert_true(store_list(k->r, &(struct job_filter){.state = -1, .labels = wrong}, &jobs, &count, &more, &err) < 0);
    assert_int_equal(err.kind, ERR_BAD_REQUEST);
    OK(store_list(k->r, &(struct job_filter){.state = -1, .limit = -3}, &jobs, &count, &more, &err));
    assert_int_equal(count, 1);
    assert_true(more);
    store_list_free(jobs, count);
}

/* More of them than a connection keeps prepared. */
static void test_statements_of_many_shapes(void **state)
{
    struct kit *k = *state;
    const char *labels[61] = {NULL};

    for (size_t n = 0; n < 60; n++) {
        labels[n] = "a=b";
        pages(k, (struct job_filter){.state = -1, .labels = labels, .limit = 1}, 0);
        pages(k, (struct job_filter){.state = JOB_FAILED, .labels = labels, .limit = 1}, 0);
        pages(k, (struct job_filter){.state = -1, .profile = "wasm", .labels = labels, .limit = 1}, 0);
    }
    pages(k, (struct job_filter){.state = -1, .limit = 1}, 0);
}

static void test_queue_place(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    char id[5][ULID_SIZE], run[ULID_SIZE];
    struct queue_place p = {.position = 99};

    kit_new(k, "wasm", run);
    kit_claim(k, run);
    assert_int_equal(store_queue_place(k->r, run, 1, &p, &err), STORE_NONE);
    assert_int_equal(p.position, 99);
    for (int i = 0; i < 5; i++)
        kit_new(k, i == 4 ? "musl" : "wasm", id[i]);
    OK(store_queue_place(k->r, id[2], 2, &p, &err));
    assert_int_equal(p.position, 3);
    assert_int_equal(p.running, 1);
    assert_true(p.eta_seconds < 0); /* nothing is known */

    /* 25 jobs of 1, 2 ... 25 s; the last 20 are 6 to 25 s: 15.5. A failure says nothing. */
    kit_sql(
        k,
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 26) INSERT INTO jobs (id, state, "
        "profile, options, source_sha256, submitted_by, priority, created_at, started_at, finished_at, error_kind) "
        "SELECT printf('%026d', i), iif(i = 26, 'failed', 'succeeded'), 'wasm', '{}', '" SOURCE_A "', 't', 0, 1, "
        "i * 1000000, i * 1000000 + iif(i = 26, 999, i) * 1000, iif(i = 26, 'link', NULL) FROM n");
    OK(store_queue_place(k->r, id[2], 2, &p, &err));
    assert_true(p.eta_seconds == 31); /* in the second round of two slots */
    OK(store_queue_place(k->r, id[0], 4, &p, &err));
    assert_true(p.eta_seconds == 15.5);
    OK(store_queue_place(k->r, id[4], 5, &p, &err)); /* no musl job ever: all profiles */
    assert_true(p.eta_seconds == 15.5);
    OK(store_queue_place(k->r, id[4], 0, &p, &err));
    assert_true(p.eta_seconds == 5 * 15.5);
}

static void test_counts(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct store_counts c;
    char id[4][ULID_SIZE];

    OK(store_counts(k->r, &c, &err));
    assert_int_equal(c.oldest_queued_at, 0);
    for (int i = 0; i < 4; i++)
        kit_new(k, "wasm", id[i]);
    kit_claim(k, id[0]);
    kit_claim(k, id[1]);
    kit_finish(k, id[1], 1, JOB_FAILED);
    OK(store_counts(k->r, &c, &err));
    static const int64_t want[JOB_STATES] = {[JOB_QUEUED] = 2, [JOB_FETCHING] = 1, [JOB_FAILED] = 1};
    assert_memory_equal(c.by_state, want, sizeof want);
    AUTO(job) struct job *j = kit_get(k, id[2]);
    assert_int_equal(c.oldest_queued_at, j->created_at);
}

/* --- what else is known of a job --- */

static void test_packages(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    AUTO(json) cJSON *first = cJSON_Parse("{\"packages\":[{\"name\":\"itoa\"}]}");
    AUTO(json) cJSON *second = cJSON_Parse("{\"packages\":[]}");
    const struct job_facts facts = {.packages = first}, later = {.packages = second}, none = {.lock = "resolved"};
    AUTO(json) cJSON *got = NULL;
    AUTO(json) cJSON *again = NULL;
    cJSON *untouched = (cJSON *)k;
    char id[ULID_SIZE];

    kit_new(k, "wasm", id);
    int attempt = kit_claim(k, id);
    assert_int_equal(store_packages(k->r, id, &untouched, &err), STORE_NONE);
    assert_ptr_equal(untouched, k);
    OK(store_set_facts(k->s, id, attempt, &facts, &err));
    OK(store_set_facts(k->s, id, attempt, &none, &err)); /* what is not told stays */
    OK(store_packages(k->r, id, &got, &err));
    assert_true(cJSON_Compare(got, first, true));
    assert_int_equal(store_set_facts(k->s, id, attempt + 1, &later, &err), STORE_STALE);
    OK(store_set_facts(k->s, id, attempt, &later, &err));
    OK(store_packages(k->r, id, &again, &err));
    assert_true(cJSON_Compare(again, second, true));

    /* They go with their job. */
    char **ids = NULL;
    kit_finish(k, id, attempt, JOB_FAILED);
    OK(store_expire(k->s, clock_now_ms() + 1000, 10, &ids, &err));
    store_ids_free(ids);
    assert_int_equal(store_packages(k->r, id, &untouched, &err), STORE_NONE);
}

/* Finish it with artifacts of these digests. */
static void make(struct kit *k, const char *id, const char *const *digests, size_t count)
{
    struct artifact made[4] = {0};
    char names[4][24];
    struct job result = {.state = JOB_SUCCEEDED, .artifacts = made, .artifacts_count = count};
    struct err err = ERR_INIT;

    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "a%zu", i);
        made[i] = (struct artifact){.name = names[i], .role = i ? "side" : "primary", .kind = "wasm", .size = 7};
        memcpy(made[i].sha256, digests[i], SHA256_HEX_SIZE);
    }
    OK(store_finish(k->s, id, kit_claim(k, id), &result, &err));
}

static void test_made(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    static const char *const digests[3][3] = {{BLOB_C, BLOB_D, BLOB_C}, {BLOB_D}, {BLOB_C}};
    static const size_t counts[3] = {3, 1, 1};
    char id[3][ULID_SIZE];
    struct job **jobs;
    size_t count;
    bool more;

    for (int i = 0; i < 3; i++) {
        kit_new(k, "wasm", id[i]);
        make(k, id[i], digests[i], counts[i]);
    }
    /* Newest first; a job that made them twice is there once. */
    struct job_filter f = {.state = -1, .sha256 = BLOB_C, .limit = 10};
    OK(store_list(k->r, &f, &jobs, &count, &more, &err));
    assert_int_equal(count, 2);
    assert_false(more);
    assert_string_equal(jobs[0]->id, id[2]);
    assert_string_equal(jobs[1]->id, id[0]);
    store_list_free(jobs, count);
    f.limit = 1;
    OK(store_list(k->r, &f, &jobs, &count, &more, &err));
    assert_true(count == 1 && more);
    store_list_free(jobs, count);
    f.before_id = id[2];
    OK(store_list(k->r, &f, &jobs, &count, &more, &err));
    assert_true(count == 1 && !more);
    assert_string_equal(jobs[0]->id, id[0]);
    store_list_free(jobs, count);
    f = (struct job_filter){.state = -1, .sha256 = SOURCE_A, .limit = 10};
    OK(store_list(k->r, &f, &jobs, &count, &more, &err));
    assert_int_equal(count, 0);
    store_list_free(jobs, count);
}

static void test_names(void **state)
{
    (void)state;
    for (int s = 0; s < JOB_STATES; s++) {
        assert_int_equal(job_state_from_name(job_state_name((enum job_state)s)), s);
        assert_int_equal(job_finished((enum job_state)s), s >= JOB_SUCCEEDED);
    }
    assert_int_equal(job_state_from_name("done"), -1);
    assert_int_equal(job_state_from_name(""), -1);
    job_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_add_and_get),
        TEST(test_get_nothing),
        TEST(test_add_refuses_whole),
        TEST(test_group),
        TEST(test_queue_full),
        TEST(test_idempotency),
        TEST(test_key_of_a_refused_request_is_free),
        TEST(test_claim_order),
        TEST(test_states_and_facts),
        TEST(test_finish_success),
        TEST(test_diagnostics),
        TEST(test_finish_failure_is_whole_or_nothing),
        TEST(test_texts_are_cut_at_characters),
        TEST(test_requeue),
        TEST(test_cancel),
        TEST(test_recover),
        TEST(test_expire),
        TEST(test_expire_group),
        TEST(test_list_pages),
        TEST(test_statements_of_many_shapes),
        TEST(test_queue_place),
        TEST(test_counts),
        TEST(test_packages),
        TEST(test_made),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
