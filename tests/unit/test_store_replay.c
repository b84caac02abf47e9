/* test_store_replay.c - what is kept of how a job was built, and of a second build; what of it keeps files alive. */
#include "tests/unit/store_kit.h"

static cJSON *parse(const char *text)
{
    struct err err = ERR_INIT;
    cJSON *v = NULL;

    OK(json_parse(text, strlen(text), "a test", &v, &err));
    return v;
}

static void finish(struct kit *k, char id[ULID_SIZE], enum job_state state)
{
    struct err err = ERR_INIT;
    struct job result = {.state = state,
                         .error = {.kind = state == JOB_SUCCEEDED ? ERR_NONE : ERR_COMPILE},
                         .verification = parse("{\"verdict\":\"reproducible\"}"),
                         .replay = {.record = parse("{\"root\":\"x-1.0\",\"steps\":[]}"),
                                    .lock_sha256 = BLOB_C,
                                    .mounts_sha256 = BLOB_D}};

    kit_new(k, "wasm", id);
    int attempt = kit_claim(k, id);
    OK(store_finish(k->s, id, attempt, &result, &err));
    cJSON_Delete(result.verification);
    job_replay_clear(&result.replay);
}

static void referenced(struct kit *k, const char *sha256, bool wanted)
{
    struct err err = ERR_INIT;
    bool there = !wanted;

    OK(store_referenced(k->r, sha256, &there, &err));
    assert_int_equal(there, wanted);
}

static void test_of_a_job_that_succeeded(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct job_replay replay = {0};
    char id[ULID_SIZE], **gone = NULL;

    finish(k, id, JOB_SUCCEEDED);
    AUTO(job) struct job *j = kit_get(k, id);
    assert_string_equal(json_str(j->verification, "verdict", ""), "reproducible");
    assert_null(j->replay.record);
    OK(store_replay(k->r, id, &replay, &err));
    assert_string_equal(json_str(replay.record, "root", ""), "x-1.0");
    assert_string_equal(replay.lock_sha256, BLOB_C);
    assert_string_equal(replay.mounts_sha256, BLOB_D);
    job_replay_clear(&replay);
    referenced(k, BLOB_C, true);
    referenced(k, BLOB_D, true);
    OK(store_expire(k->s, INT64_MAX, 10, &gone, &err));
    assert_string_equal(gone[0], id);
    store_ids_free(gone);
    assert_int_equal(store_replay(k->r, id, &replay, &err), STORE_NONE);
    referenced(k, BLOB_C, false);
    referenced(k, BLOB_D, false);
}

static void test_of_one_that_failed(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct job_replay replay = {0};
    char id[ULID_SIZE];

    finish(k, id, JOB_FAILED);
    AUTO(job) struct job *j = kit_get(k, id);
    assert_null(j->verification);
    assert_int_equal(store_replay(k->r, id, &replay, &err), STORE_NONE);
    referenced(k, BLOB_D, false);
}

static void test_without_a_lock(void **state)
{
    struct kit *k = *state;
    struct err err = ERR_INIT;
    struct job_replay replay = {0};
    struct job result = {.state = JOB_SUCCEEDED, .replay = {.record = parse("{}"), .mounts_sha256 = BLOB_D}};
    char id[ULID_SIZE];

    kit_new(k, "wasm", id);
    OK(store_finish(k->s, id, kit_claim(k, id), &result, &err));
    job_replay_clear(&result.replay);
    OK(store_replay(k->r, id, &replay, &err));
    assert_string_equal(replay.lock_sha256, "");
    job_replay_clear(&replay);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_of_a_job_that_succeeded), TEST(test_of_one_that_failed),
                                       TEST(test_without_a_lock)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
