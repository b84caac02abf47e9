/* test_weight.c - see workers/weight.h; metadata as bloomery-inspect writes it. */
#include "workers/weight.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static void expect(const char *metadata, const char *wanted)
{
    AUTO(json) cJSON *json = cJSON_Parse(metadata);
    AUTO(char_p) char *text = weight_text(json);

    if (wanted)
        assert_string_equal(text, wanted);
    else
        assert_null(text);
}

static void test_sections_and_crates(void **state)
{
    (void)state;
    expect("{\"sizes\":{\"by_section\":[{\"name\":\"code\",\"bytes\":831898},{\"name\":\"data\",\"bytes\":122880},"
           "{\"name\":\"name\",\"bytes\":1000},{\"name\":\"type\",\"bytes\":10}],\"by_crate\":["
           "{\"crate\":\"std\",\"bytes\":419840,\"functions\":9},{\"crate\":\"smelt\",\"bytes\":12288}]}}",
           "code 812.4 KiB, data 120.0 KiB, name 1000 B; of its code std 410.0 KiB, smelt 12.0 KiB");
}

static void test_names_that_are_not_known(void **state)
{
    (void)state;
    expect("{\"sizes\":{\"by_section\":[{\"name\":\".text\",\"bytes\":3221225472}],\"by_crate\":null}}",
           ".text 3.0 GiB");
    expect("{\"sizes\":{\"by_section\":[{\"name\":\".text\",\"bytes\":512}],\"by_crate\":[]}}", ".text 512 B");
    expect("{\"sizes\":{\"by_section\":[]}}", NULL);
    expect("{\"sizes\":[]}", NULL);
    expect("{\"kind\":\"tar\"}", NULL);
    expect("", NULL);
}

static void test_hostile_names(void **state)
{
    (void)state;
    expect("{\"sizes\":{\"by_section\":[{\"name\":\"a\\n\\u001b[31mb\",\"bytes\":1},"
           "{\"name\":\"0123456789012345678901234567890123456789012345678901234567890123456789\",\"bytes\":1},7]}}",
           "a  [31mb 1 B, 012345678901234567890123456789012345678901234567 1 B, ? 0 B");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sections_and_crates),
                                       cmocka_unit_test(test_names_that_are_not_known),
                                       cmocka_unit_test(test_hostile_names)};

    return cmocka_run_group_tests_name("weight", tests, NULL, NULL);
}
