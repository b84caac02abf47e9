/* test_groups.c - see daemon/groups.h: a group's state, and what its archive says of it. */
#include "daemon/groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

/* Of every mix of two states what the group is in: over all that a member may be. */
static const char *of_two(enum job_state a, enum job_state b)
{
    struct job one = {.state = a}, two = {.state = b};
    struct job *jobs[] = {&one, &two};
    struct group g = {.jobs = jobs, .count = 2};

    return groups_state(&g);
}

static void states(void **state)
{
    (void)state;
    for (int a = 0; a < JOB_STATES; a++)
        for (int b = 0; b < JOB_STATES; b++) {
            const char *is = of_two((enum job_state)a, (enum job_state)b);
            const char *want = a == JOB_QUEUED && b == JOB_QUEUED       ? "queued"
                               : a < JOB_SUCCEEDED || b < JOB_SUCCEEDED ? "running"
                               : a == JOB_FAILED || b == JOB_FAILED     ? "failed"
                               : a == JOB_CANCELED || b == JOB_CANCELED ? "canceled"
                                                                        : "succeeded";
            if (strcmp(is, want) != 0)
                fail_msg("%s and %s: %s instead of %s", job_state_name((enum job_state)a),
                         job_state_name((enum job_state)b), is, want);
        }
}

static void one_member(void **state)
{
    struct job one = {.state = JOB_LINKING};
    struct job *jobs[] = {&one};
    struct group g = {.jobs = jobs, .count = 1};

    (void)state;
    assert_string_equal(groups_state(&g), "running");
    one.state = JOB_CANCELED;
    assert_string_equal(groups_state(&g), "canceled");
    groups_free(NULL);
}

static void summary(void **state)
{
    struct artifact a = {.name = "x \xc3\xa4.wasm", .role = "primary", .kind = "wasm", .size = 7, .sha256 = "ab"};
    struct job built = {.id = "01ARZ3NDEKTSV4RRFFQ69G5FA1",
                        .profile = "wasm",
                        .state = JOB_SUCCEEDED,
                        .created_at = 1000,
                        .finished_at = 2000,
                        .artifacts = &a,
                        .artifacts_count = 1};
    struct job failed = {.id = "01ARZ3NDEKTSV4RRFFQ69G5FA2",
                         .profile = "musl",
                         .state = JOB_FAILED,
                         .error = {ERR_COMPILE, "it \"does\" not", NULL, "in 0.5 s"}};
    struct job *jobs[] = {&built, &failed};
    struct group g = {.id = "01ARZ3NDEKTSV4RRFFQ69G5FA0", .jobs = jobs, .count = 2};
    AUTO(char_p) char *text = groups_summary(&g);

    (void)state;
    assert_string_equal(
        text,
        "{\"state\":\"failed\",\"jobs\":["
        "{\"profile\":\"wasm\",\"state\":\"succeeded\",\"error\":null,\"artifacts\":["
        "{\"path\":\"wasm/x \xc3\xa4.wasm\",\"role\":\"primary\",\"kind\":\"wasm\",\"size\":7,\"sha256\":\"ab\"}]},"
        "{\"profile\":\"musl\",\"state\":\"failed\",\"error\":{\"kind\":\"compile\",\"message\":\"it \\\"does\\\" "
        "not\",\"hint\":null},\"artifacts\":[]}]}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(states), cmocka_unit_test(one_member),
                                       cmocka_unit_test(summary)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
