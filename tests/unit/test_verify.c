/* test_verify.c - the sentence that a second build comes to. What it compares is held by tests/integration/replay_test.py. */
#include "workers/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void says(const char *json, const char *wanted)
{
    AUTO(json) cJSON *v = NULL;
    struct err err = ERR_INIT;

    assert_int_equal(json_parse(json, strlen(json), "a test", &v, &err), 0);
    AUTO(char_p) char *said = verify_sentence(v);
    assert_string_equal(said, wanted);
}

static void test_sentences(void **state)
{
    (void)state;
    says("{\"verdict\":\"reproducible\"}", "reproducible: a second build gave the same bytes");
    says("{\"verdict\":\"failed\",\"reason\":\"the second build failed (compile): x\"}",
         "not reproducible: the second build failed (compile): x");
    says("{\"verdict\":\"different\",\"artifacts\":[{\"name\":\"same\",\"second_sha256\":\"a\",\"first_difference\":"
         "null},"
         "{\"name\":\"b.wasm\",\"second_sha256\":\"b\",\"first_difference\":{\"section\":\"data\",\"offset\":12}}]}",
         "not reproducible: a second build gave another b.wasm; the first difference is at byte 12, in data");
    says("{\"verdict\":\"different\",\"artifacts\":[{\"name\":\"t\",\"second_sha256\":\"b\",\"first_difference\":"
         "{\"section\":null,\"offset\":3}}]}",
         "not reproducible: a second build gave another t; the first difference is at byte 3");
    says("{\"verdict\":\"different\",\"artifacts\":[{\"name\":\"gone\",\"second_sha256\":null}]}",
         "not reproducible: the second build left no gone");
}

static void test_whose_failure(void **state)
{
    static const struct {
        enum err_kind kind;
        int wanted;
    } cases[] = {{ERR_COMPILE, 0}, {ERR_TIMED_OUT, 0}, {ERR_OUT_OF_MEMORY, 0}, {ERR_DEPENDENCY, 0},
                 {ERR_ENGINE, -1}, {ERR_INTERNAL, -1}, {ERR_CANCELED, -1},     {ERR_TOOLCHAIN_MISSING, -1}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct attempt a = {.result = {.error = {.kind = cases[i].kind, .message = mem_strdup("long words")}}};
        struct err err = ERR_INIT;
        err_set(&err, cases[i].kind, "words");
        assert_int_equal(verify_failed(&a, &err), cases[i].wanted);
        if (cases[i].wanted == 0) {
            assert_int_equal(err.kind, ERR_NONE);
            assert_null(a.result.error.message);
            assert_string_equal(json_str(a.result.verification, "verdict", ""), "failed");
            assert_non_null(strstr(json_str(a.result.verification, "reason", ""), "words"));
        } else {
            assert_int_equal(err.kind, cases[i].kind);
            assert_null(a.result.verification);
        }
        cJSON_Delete(a.result.verification);
        mem_free(a.result.error.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sentences), cmocka_unit_test(test_whose_failure)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
