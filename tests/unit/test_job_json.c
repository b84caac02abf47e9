/* test_job_json.c - see daemon/job_json.h. */
#include "daemon/job_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static void a_new_job(void **state)
{
    struct job j = {.id = "01ARZ3NDEKTSV4RRFFQ69G5FAV", .profile = "wasm", .created_at = 1000, .source_sha256 = "ab"};
    struct job_queue q = {.position = 2, .eta_seconds = -1, .reason = "it waits"};
    AUTO(json) cJSON *o = job_json(&j, &q);

    (void)state;
    assert_string_equal(json_str(o, "state", ""), "queued");
    assert_string_equal(json_str(o, "created_at", ""), "1970-01-01T00:00:01.000Z");
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(o, "started_at")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(o, "cached_from")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(o, "diagnostics"))); /* no compiler has run */
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(o, "crate")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(o, "error")));
    assert_true(cJSON_IsObject(cJSON_GetObjectItem(o, "options")));
    assert_string_equal(json_str(o, "lock", ""), "none");
    assert_int_equal(json_int(json_obj(o, "queue"), "position", 0), 2);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(json_obj(o, "queue"), "eta_seconds")));
    assert_string_equal(json_str(json_obj(o, "queue"), "reason", ""), "it waits");
}

static void a_finished_job(void **state)
{
    struct artifact a = {.name = "\xc3\xa4 b%.wasm", .role = "primary", .kind = "wasm", .size = INT64_C(1) << 40};
    struct job_phase p = {.name = "build", .attempt = 1, .seconds = 1.23456, .bytes_written = 12};
    struct job_diagnostic said[] = {{.file = "a.rs", .line = 2, .column = 3, .code = "E1", .text = "bad \xff"},
                                    {.text = "b"}};
    char *warnings[] = {"bad \xff byte"};
    struct job j = {.id = "01ARZ3NDEKTSV4RRFFQ69G5FAV",
                    .profile = "wasm",
                    .state = JOB_FAILED,
                    .crate_name = "c",
                    .error = {.kind = ERR_COMPILE, .message = "no"},
                    .phases = &p,
                    .phases_count = 1,
                    .diagnostics = {.known = true, .errors_count = 2, .errors = said, .errors_kept = 2},
                    .warnings = warnings,
                    .warnings_count = 1,
                    .artifacts = &a,
                    .artifacts_count = 1,
                    .sbom = {.sha256 = "ab", .size = 7}};
    AUTO(json) cJSON *o = job_json(&j, NULL);
    const cJSON *art = cJSON_GetArrayItem(json_arr(o, "artifacts"), 0);

    (void)state;
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(o, "queue")));
    assert_string_equal(json_str(json_obj(o, "error"), "kind", ""), "compile");
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(json_obj(o, "error"), "hint")));
    assert_string_equal(cJSON_GetArrayItem(json_arr(o, "warnings"), 0)->valuestring, "bad \xef\xbf\xbd byte");
    assert_string_equal(json_str(art, "url", ""), "/v1/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV/artifacts/%C3%A4%20b%25.wasm");
    assert_null(cJSON_GetObjectItem(art, "metadata"));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(o, "provenance")));
    assert_string_equal(json_str(json_obj(o, "sbom"), "url", ""), "/v1/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV/sbom");
    AUTO(char_p) char *text = json_text(o);
    assert_non_null(strstr(text, "\"size\":1099511627776"));
    assert_non_null(strstr(text, "\"seconds\":1.235"));
    assert_non_null(strstr(text, "\"bytes_written\":12}"));
    assert_non_null(strstr(text,
                           "\"diagnostics\":{\"errors\":[{\"file\":\"a.rs\",\"line\":2,\"column\":3,\"code\":\"E1\","
                           "\"text\":\"bad \xef\xbf\xbd\",\"label\":null,\"rendered\":null},{\"file\":null,"
                           "\"line\":null,\"column\":null,\"code\":null,\"text\":\"b\",\"label\":null,"
                           "\"rendered\":null}],\"errors_count\":2,\"warnings_count\":0,\"truncated\":false}"));
    AUTO(json) cJSON *full = job_json_artifact(j.id, &a, true);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(full, "metadata")));
    assert_true(cJSON_HasObjectItem(full, "contract") && cJSON_HasObjectItem(full, "trial"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_new_job), cmocka_unit_test(a_finished_job)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
