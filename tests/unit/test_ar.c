/* test_ar.c - the archive inspector: GNU and BSD archives, hostile headers. */
#include "inspect/ar.h"

#include "tests/unit/inspect_kit.h"

static void test_gnu(void **state)
{
    AUTO(json) cJSON *r = inspect_file(ar_inspect, "ar/gnu.a");
    AUTO(json) cJSON *longer = inspect_file(ar_inspect, "ar/long.a");

    (void)state;
    assert_json(r, "members", "[{\"name\":\"tls.o\",\"size\":1296},{\"name\":\"two.o\",\"size\":928}]");
    assert_json(r, "members_count", "2");
    assert_json(r, "kinds", "{\"elf\":2,\"wasm\":0,\"bitcode\":0,\"rmeta\":0,\"other\":0}");
    assert_json(r, "machines", "[\"x86_64\"]");
    assert_json(r, "defined", "[\"common_name\",\"elsewhere\",\"local_tls\",\"weak_one\"]");
    assert_json(r, "undefined", "[\"_GLOBAL_OFFSET_TABLE_\",\"far_tls\"]");
    assert_json(r, "duplicates", "[\"common_name\"]"); /* weak_one may be there twice */
    assert_json(r, "tls", "{\"R_X86_64_GOTTPOFF\":1,\"R_X86_64_TPOFF32\":1}");
    assert_json(r, "tls_model", "[\"local-exec\",\"initial-exec\"]");
    assert_json(longer, "members", "[{\"name\":\"a-member-with-a-long-name.o\",\"size\":1296}]");
}

static void test_bsd(void **state)
{
    AUTO(json) cJSON *r = inspect_file(ar_inspect, "ar/bsd.a");

    (void)state;
    assert_json(r, "members", "[{\"name\":\"a name of the BSD kind.o\",\"size\":928},{\"name\":\"odd\",\"size\":1}]");
    assert_json(r, "defined", "[\"common_name\",\"elsewhere\",\"weak_one\"]");
}

static void test_other_members(void **state)
{
    AUTO(json) cJSON *r = inspect_file(ar_inspect, "ar/mixed.a");
    AUTO(json) cJSON *empty = inspect_file(ar_inspect, "ar/empty.a");

    (void)state;
    assert_json(r, "kinds", "{\"elf\":0,\"wasm\":1,\"bitcode\":0,\"rmeta\":1,\"other\":0}");
    assert_json(r, "defined", "[]");
    assert_json(empty, "members_count", "0");
}

static void test_sizes(void **state)
{
    AUTO(json) cJSON *r = inspect_file(ar_inspect, "ar/crates.a");
    AUTO(json) cJSON *mixed = inspect_file(ar_inspect, "ar/mixed.a");
    const cJSON *sizes = json_obj(r, "sizes");

    (void)state;
    assert_json(sizes, "by_member",
                "[{\"crate\":\"smelter\",\"bytes\":2688,\"members\":2},"
                "{\"crate\":\"(compiler)\",\"bytes\":928,\"members\":1},"
                "{\"crate\":\"(other objects)\",\"bytes\":928,\"members\":1},"
                "{\"crate\":\"(metadata)\",\"bytes\":5,\"members\":1}]");
    assert_json(sizes, "code_bytes", "151");
    assert_json(
        sizes, "by_crate",
        "[{\"crate\":\"(C symbols)\",\"bytes\":55,\"functions\":10},"
        "{\"crate\":\"core\",\"bytes\":40,\"functions\":1},{\"crate\":\"smelter\",\"bytes\":30,\"functions\":1},"
        "{\"crate\":\"(C++)\",\"bytes\":20,\"functions\":1},{\"crate\":\"(none)\",\"bytes\":6,\"functions\":0}]");
    inspect_sums(r, 5024);
    assert_json(json_obj(mixed, "sizes"), "by_crate", "null"); /* no ELF member */
    inspect_sums(mixed, 960);
}

static void refused(const char *text, const char *message)
{
    struct err err = ERR_INIT;
    AUTO(json) cJSON *r = inspect_bytes(ar_inspect, text, strlen(text), &err);

    assert_null(r);
    assert_int_equal(err.kind, ERR_CONTRACT);
    assert_string_equal(err.msg, message);
}

#define FIELDS "0           0     0     644     "

static void test_refusals(void **state)
{
    AUTO(buf) struct buf thin = {0};
    struct err err = ERR_INIT;

    (void)state;
    inspect_load("ar/thin.a", &thin);
    assert_null(inspect_bytes(ar_inspect, thin.p, thin.len, &err));
    assert_string_equal(err.msg, "byte 0: a thin archive: its members are not in it");
    refused("", "byte 0: not an archive: it does not start with !<arch>");
    refused("!<arch>\nx", "byte 8: a member's header of 60 bytes goes beyond its end at 9");
    refused("!<arch>\na.o/            " FIELDS "4         XX\x01\x02\x03\x04",
            "byte 66: a member's header does not end with `\\n");
    refused("!<arch>\na.o/            " FIELDS "5         `\n1234",
            "byte 68: a member of 5 bytes goes beyond its end at 72");
    refused("!<arch>\na.o/            " FIELDS "-4        `\n1234",
            "byte 56: a member's header has a field that is not a number");
    refused("!<arch>\n/7              " FIELDS "4         `\n1234",
            "byte 8: a member's name is at 7 of a table of 0 bytes");
    refused("!<arch>\n#1/9            " FIELDS "4         `\n1234",
            "byte 8: a member's name of 9 bytes is longer than the member");
    refused("!<arch>\na.o/            " FIELDS "4         `\n\177ELF",
            "byte 68: member a.o: byte 0: not an ELF file: it does not start with \\177ELF");
}

static void test_mutations(void **state)
{
    (void)state;
    inspect_mutations(ar_inspect, "ar/gnu.a");
    inspect_mutations(ar_inspect, "ar/bsd.a");
    inspect_mutations(ar_inspect, "ar/crates.a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gnu),   cmocka_unit_test(test_bsd),      cmocka_unit_test(test_other_members),
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_refusals), cmocka_unit_test(test_mutations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
