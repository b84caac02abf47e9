/* test_sizes.c - sums by name beyond what is told apart, the order of the largest, and how large gzip makes a file. */
#include "inspect/sizes.h"

#include "inspect/gzip.h"
#include "tests/unit/inspect_kit.h"

#include <stdio.h>

static void test_many_names(void **state)
{
    enum { NAMES = 3 * SIZES_MAX_NAMES };
    char(*names)[12] = mem_alloc(NAMES * sizeof *names);
    AUTO(json) cJSON *root = cJSON_CreateObject();
    struct sizes_table t = {0};

    (void)state;
    for (int turn = 0; turn < 2; turn++)
        for (int i = 0; i < NAMES; i++) {
            snprintf(names[i], sizeof names[i], "crate%d", i);
            sizes_add(&t, names[i], strlen(names[i]), i == 5 ? 1000 : 1, 1);
        }
    assert_true(t.used <= SIZES_MAX_NAMES);
    assert_int_equal(t.bytes, 2 * (NAMES + 999));
    sizes_put_table(&t, root, "list", "crate", "functions");
    const cJSON *list = json_arr(root, "list");
    assert_int_equal(cJSON_GetArraySize(list), SIZES_SHOWN + 1);
    assert_int_equal(inspect_sum(list), 2 * (NAMES + 999));
    assert_string_equal(json_str(list->child, "crate", ""), "crate5");
    assert_int_equal(json_int(list->child, "bytes", 0), 2000);
    assert_int_equal(json_int(list->child, "functions", 0), 2);
    assert_string_equal(json_str(cJSON_GetArrayItem(list, SIZES_SHOWN), "crate", ""), "(others)");
    sizes_table_free(&t);
    free(names);
}

static void test_empty(void **state)
{
    AUTO(json) cJSON *root = cJSON_CreateObject();
    struct report report = {.root = root};
    struct sizes s = {.code_bytes = 0};

    (void)state;
    sizes_put(&s, 0, true, &report);
    assert_json(root, "sizes", "{\"by_section\":[],\"code_bytes\":0,\"by_crate\":[]}");
    sizes_free(&s);
}

/* The most bytes first, then by name, then by index; what has no name comes last. */
static void test_top(void **state)
{
    static const struct sizes_piece pieces[] = {{"b", 1, 5, 0}, {NULL, 0, 5, 2}, {"a", 1, 5, 1},
                                                {"c", 1, 9, 3}, {NULL, 0, 5, 1}, {"ab", 2, 5, 4}};
    AUTO(json) cJSON *root = cJSON_CreateObject();
    struct sizes_top t = {.len = 0};

    (void)state;
    for (size_t i = 0; i < COUNT(pieces); i++)
        sizes_top_add(&t, &pieces[i]);
    sizes_put_top(&t, false, root, "top");
    assert_json(root, "top",
                "[{\"name\":\"c\",\"crate\":null,\"bytes\":9},{\"name\":\"a\",\"crate\":null,\"bytes\":5},"
                "{\"name\":\"ab\",\"crate\":null,\"bytes\":5},{\"name\":\"b\",\"crate\":null,\"bytes\":5},"
                "{\"name\":null,\"crate\":null,\"bytes\":5},{\"name\":null,\"crate\":null,\"bytes\":5}]");
    assert_int_equal(t.at[4].index, 1);
    for (uint64_t i = 0; i < 1000; i++) {
        const struct sizes_piece piece = {"z", 1, i, i};
        sizes_top_add(&t, &piece);
    }
    assert_int_equal(t.len, SIZES_TOP);
    assert_int_equal(t.at[0].bytes, 999);
    assert_int_equal(t.at[SIZES_TOP - 1].bytes, 980);
}

static void test_gzip(void **state)
{
    size_t len = GZIP_BEST_BYTES + 3 * 1000;
    AUTO(char_p) char *zeros = mem_alloc(len);

    (void)state;
    assert_int_equal(gzip_size((const uint8_t *)"", 0), 20); /* as `gzip -9n </dev/null | wc -c` */
    assert_int_equal(gzip_size((const uint8_t *)"hello", 5), 25);
    assert_int_equal(gzip_level(GZIP_BEST_BYTES), 9);
    assert_int_equal(gzip_level(GZIP_BEST_BYTES + 1), 1);
    /* Nine blocks and a rest: some thousandth of the zeros, and at least a head each. */
    int64_t size = gzip_size((const uint8_t *)zeros, len);
    assert_in_range(size, 9 * 20, len / 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_top),
        cmocka_unit_test(test_gzip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
