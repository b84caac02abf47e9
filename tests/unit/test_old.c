/* test_old.c - what steps/old.py is told, and what it says. */
#include "tests/unit/profile_kit.h"
#include "workers/old.h"
#include "workers/strs.h"

#include <string.h>

static void test_versions(void **state)
{
    (void)state;
    assert_int_equal(old_minor("1.43.1"), 43);
    assert_int_equal(old_minor("1.97.0-nightly"), 97);
    assert_int_equal(old_minor("1.63"), 63);
    assert_int_equal(old_minor(""), OLD_SINCE_NEWEST);
    assert_int_equal(old_minor("1."), OLD_SINCE_NEWEST);
    assert_int_equal(old_minor("1.-3"), OLD_SINCE_NEWEST);
    assert_int_equal(old_minor("1.99999999999999999999"), OLD_SINCE_NEWEST);
    assert_int_equal(old_minor(NULL), OLD_SINCE_NEWEST);
    assert_true(old_pin("1.43.1"));
    assert_true(old_pin("1.63.0"));
    assert_false(old_pin("1.64.0"));
    assert_false(old_pin("1.97.0-nightly"));
    assert_false(old_pin(""));
}

static void test_job(void **state)
{
    char *cargo[] = {"cargo", "build", "--features=a,b", "--no-default-features", "--offline", NULL};
    struct plan_output out = {.file_kind = "ar"};
    struct plan plan = {
        .cargo = cargo, .manifest = "/work/src/a/Cargo.toml", .outputs = &out, .outputs_count = 1, .needs_fetch = true};
    AUTO(char_p) char *job = old_job(kit_profile(state, "static"), &plan, "1.43.1", true, false);

    assert_string_equal(job, "{\"flags\":[\"--features=a,b\",\"--no-default-features\"],\"pin\":\"1.43.1\","
                             "\"manifest\":\"/work/src/a/Cargo.toml\",\"target\":\"x86_64-unknown-linux-musl\","
                             "\"crate_type\":\"staticlib\",\"locked\":true,\"uploaded\":false,\"network\":true}");
    out.is_bin = true;
    plan.needs_fetch = false;
    AUTO(char_p) char *bin = old_job(kit_profile(state, "static"), &plan, "1.43.1", false, true);
    assert_non_null(strstr(bin, "\"crate_type\":null,\"locked\":false,\"uploaded\":true,\"network\":false"));
}

static int report(const char *text, char ***ret, struct err *err)
{
    struct buf b = {.p = (char *)text, .len = strlen(text)};

    *err = (struct err)ERR_INIT;
    return old_report(&b, ret, err);
}

static void test_report(void **state)
{
    char **warnings = NULL;
    struct err err;

    (void)state;
    assert_int_equal(report("{\"warnings\": [\"one\", 2, \"three\"]}\n", &warnings, &err), 0);
    assert_int_equal(strs_list_count(warnings), 2);
    assert_string_equal(warnings[1], "three");
    strs_list_free(warnings);
    warnings = NULL;

    assert_int_equal(report("{\"error\": {\"kind\": \"dependency\", \"message\": \"too new\", \"hint\": \"older\"}}",
                            &warnings, &err),
                     -1);
    assert_int_equal(err.kind, ERR_DEPENDENCY);
    assert_string_equal(err.msg, "too new");
    assert_string_equal(err.hint, "older");
    assert_int_equal(
        report("{\"error\": {\"kind\": \"bad_source\", \"message\": \"x\", \"hint\": null}}", &warnings, &err), -1);
    assert_int_equal(err.kind, ERR_BAD_SOURCE);
    /* Nothing else is for it to say. */
    assert_int_equal(report("{\"error\": {\"kind\": \"engine\"}}", &warnings, &err), -1);
    assert_int_equal(err.kind, ERR_INTERNAL);
    assert_int_equal(report("", &warnings, &err), -1);
    assert_int_equal(err.kind, ERR_INTERNAL);
    assert_int_equal(report("Traceback", &warnings, &err), -1);
    assert_null(warnings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_job),
        cmocka_unit_test(test_report),
    };

    return cmocka_run_group_tests_name("old", tests, kit_setup, kit_teardown);
}
