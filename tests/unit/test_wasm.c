/* test_wasm.c - the wasm inspector: the corpus' modules, and hostile numbers. */
#include "inspect/wasm.h"

#include "inspect/cursor.h"
#include "tests/unit/inspect_kit.h"

#define HEADER "\0asm\1\0\0\0"

static void leb(struct buf *b, size_t n)
{
    do {
        char byte = (char)((n & 127) | (n > 127 ? 128 : 0));
        buf_put(b, &byte, 1);
        n >>= 7;
    } while (n);
}

static void test_mvp(void **state)
{
    AUTO(json) cJSON *r = inspect_file(wasm_inspect, "wasm/mvp.wasm");

    (void)state;
    assert_json(r, "imports",
                "[{\"module\":\"env\",\"name\":\"f\",\"kind\":\"function\",\"type\":\"(i32, i64) -> f32\"},"
                "{\"module\":\"env\",\"name\":\"table\",\"kind\":\"table\"},"
                "{\"module\":\"env\",\"name\":\"g\",\"kind\":\"global\",\"type\":\"mut i64\"}]");
    assert_json(r, "exports",
                "[{\"name\":\"memory\",\"kind\":\"memory\"},{\"name\":\"answer\",\"kind\":\"global\"},"
                "{\"name\":\"x\",\"kind\":\"function\",\"type\":\"(f64) -> i32\"}]");
    assert_json(r, "memories",
                "[{\"min\":1,\"max\":2,\"shared\":false,\"memory64\":false,\"imported\":false,\"exported\":true}]");
    assert_json(r, "tables", "[{\"min\":2,\"max\":10,\"type\":\"funcref\",\"imported\":true,\"exported\":false}]");
    assert_json(r, "functions", "{\"imported\":1,\"defined\":2}");
    assert_json(r, "globals", "{\"imported\":1,\"defined\":1}");
    assert_json(r, "data", "{\"segments\":2,\"bytes\":15}");
    assert_json(r, "tags", "{\"imported\":0,\"defined\":0}");
    assert_json(r, "elements", "{\"segments\":1,\"entries\":2}");
    assert_json(r, "start", "true");
    assert_json(r, "names", "true");
    assert_json(r, "relocatable", "false");
    assert_json(r, "component", "false");
}

static void test_modern(void **state)
{
    AUTO(json) cJSON *r = inspect_file(wasm_inspect, "wasm/modern.wasm");

    (void)state;
    assert_json(r, "imports",
                "[{\"module\":\"env\",\"name\":\"memory\",\"kind\":\"memory\"},"
                "{\"module\":\"env\",\"name\":\"tag\",\"kind\":\"tag\",\"type\":\"(i32) -> ()\"}]");
    assert_json(r, "memories",
                "[{\"min\":17,\"max\":1024,\"shared\":true,\"memory64\":false,\"imported\":true,\"exported\":false},"
                "{\"min\":3,\"max\":null,\"shared\":false,\"memory64\":true,\"imported\":false,\"exported\":true}]");
    assert_json(r, "tables", "[{\"min\":1,\"max\":null,\"type\":\"externref\",\"imported\":false,\"exported\":true}]");
    assert_json(r, "data", "{\"segments\":1,\"bytes\":7}");
    assert_json(r, "tags", "{\"imported\":1,\"defined\":1}");
    assert_json(r, "elements", "{\"segments\":2,\"entries\":3}");
    AUTO(char_p) char *sections = json_text(json_arr(r, "sections"));
    assert_non_null(strstr(sections, "{\"id\":13,\"name\":\"tag\",\"size\":3}"));
    assert_non_null(strstr(sections, "{\"id\":12,\"name\":\"data_count\",\"size\":1}"));
}

static void test_metadata(void **state)
{
    AUTO(json) cJSON *r = inspect_file(wasm_inspect, "wasm/producers.wasm");
    AUTO(json) cJSON *linked = inspect_file(wasm_inspect, "wasm/linked.wasm");
    AUTO(json) cJSON *object = inspect_file(wasm_inspect, "wasm/object.wasm");

    (void)state;
    assert_json(r, "features", "[\"+bulk-memory\",\"-atomics\"]");
    assert_json(r, "producers",
                "{\"language\":[{\"name\":\"Rust\",\"version\":\"\"}],"
                "\"processed-by\":[{\"name\":\"rustc\",\"version\":\"1.98.0-nightly\"}]}");
    assert_json(linked, "features", "[\"+atomics\"]");
    assert_json(object, "relocatable", "true");
    assert_json(object, "build_id", "null");
}

static void test_sizes(void **state)
{
    AUTO(json) cJSON *r = inspect_file(wasm_inspect, "wasm/rust.wasm");
    const cJSON *sizes = json_obj(r, "sizes");

    (void)state;
    assert_json(r, "module_name", "\"smelter\"");
    assert_json(r, "named_functions", "6");
    assert_json(r, "build_id", "\"01ab\"");
    assert_json(r, "source_map_url", "\"rust.map\"");
    assert_json(r, "debug_info", "true");
    assert_json(sizes, "code_bytes", "37");
    assert_json(
        sizes, "by_crate",
        "[{\"crate\":\"core\",\"bytes\":10,\"functions\":1},{\"crate\":\"smelter\",\"bytes\":10,\"functions\":2},"
        "{\"crate\":\"(none)\",\"bytes\":7,\"functions\":0},"
        "{\"crate\":\"(C symbols)\",\"bytes\":5,\"functions\":1},"
        "{\"crate\":\"(C++)\",\"bytes\":3,\"functions\":1},{\"crate\":\"(unnamed)\",\"bytes\":2,\"functions\":1}]");
    assert_json(sizes, "largest_functions",
                "[{\"name\":\"core::fmt::Formatter::pad\",\"crate\":\"core\",\"bytes\":10},"
                "{\"name\":\"smelter::ore::melt\",\"crate\":\"smelter\",\"bytes\":6},"
                "{\"name\":\"memcpy\",\"crate\":\"(C symbols)\",\"bytes\":5},"
                "{\"name\":\"<smelter::Ore as core::fmt::Display>::fmt\",\"crate\":\"smelter\",\"bytes\":4},"
                "{\"name\":\"_ZN9libunwind5Thing3runEv\",\"crate\":\"(C++)\",\"bytes\":3},"
                "{\"name\":null,\"crate\":\"(unnamed)\",\"bytes\":2}]");
    assert_json(sizes, "data_segments",
                "[{\"index\":1,\"name\":\".data\",\"bytes\":10},{\"index\":0,\"name\":\".rodata\",\"bytes\":5}]");
    inspect_sums(r, 431);
}

/* Without names nothing is said of crates; the largest functions are known, and what exports call them. */
static void test_sizes_without_names(void **state)
{
    AUTO(json) cJSON *r = inspect_file(wasm_inspect, "wasm/object.wasm");
    const cJSON *sizes = json_obj(r, "sizes");

    (void)state;
    assert_json(r, "named_functions", "0");
    assert_json(r, "module_name", "null");
    assert_json(sizes, "by_crate", "null");
    assert_json(sizes, "largest_functions", "[{\"name\":\"run\",\"crate\":null,\"bytes\":55}]");
    inspect_sums(r, 825);
}

/* Names that lie: for functions that are not there, twice for one, in a section that ends early. */
static void test_hostile_names(void **state)
{
    static const char one_function[] = HEADER "\1\4\1\x60\0\0\3\2\1\0\x0a\4\1\2\0\x0b";
    static const struct {
        const char *section;
        size_t len;
        const char *by_crate;
        int named;
    } cases[] = {
#define CASE(bytes, by_crate, named)                                                                                   \
    {                                                                                                                  \
        bytes, sizeof bytes - 1, by_crate, named                                                                       \
    }
#define NONE ",{\"crate\":\"(none)\",\"bytes\":2,\"functions\":0}]"
        /* functions 0 and 7 of 1 */
        CASE("\0\x0e\4name\1\7\2\0\1f\7\1g", "[{\"crate\":\"(C symbols)\",\"bytes\":2,\"functions\":1}" NONE, 2),
        /* function 0 twice: the second name ends the names */
        CASE("\0\x0e\4name\1\7\2\0\1f\0\1g", "[{\"crate\":\"(C symbols)\",\"bytes\":2,\"functions\":1}" NONE, 1),
        /* a name that is longer than the section */
        CASE("\0\x0b\4name\1\4\1\0\x7f"
             "f",
             "null", 0),
        /* a subsection that is longer than the section */
        CASE("\0\x0b\4name\1\x7f\1\0\1f", "null", 0),
        /* an empty name */
        CASE("\0\x0a\4name\1\3\1\0\0",
             "[{\"crate\":\"(none)\",\"bytes\":2,\"functions\":0},"
             "{\"crate\":\"(unnamed)\",\"bytes\":2,\"functions\":1}]",
             1),
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf) struct buf b = {0};
        struct err err = ERR_INIT;
        buf_put(&b, one_function, sizeof one_function - 1);
        buf_put(&b, cases[i].section, cases[i].len);
        AUTO(json) cJSON *r = inspect_bytes(wasm_inspect, b.p, b.len, &err);
        if (!r)
            fail_msg("case %zu: %s", i, err.msg);
        assert_json(json_obj(r, "sizes"), "by_crate", cases[i].by_crate);
        assert_int_equal(json_int(r, "named_functions", -1), cases[i].named);
        inspect_sums(r, b.len);
    }
}

/* A thousand crates: a hundred are shown, the rest is summed. */
static void test_many_crates(void **state)
{
    enum { FUNCTIONS = 1000 };
    AUTO(buf) struct buf names = {0}, code = {0}, module = {0};
    struct err err = ERR_INIT;

    (void)state;
    leb(&names, FUNCTIONS);
    leb(&code, FUNCTIONS);
    for (int i = 0; i < FUNCTIONS; i++) {
        AUTO(char_p) char *name = mem_printf("_RNvC8crate%03d3fun", i);
        leb(&names, (size_t)i);
        leb(&names, strlen(name));
        buf_put(&names, name, strlen(name));
        size_t nops = (size_t)(i < 3 ? 5 : 0);
        leb(&code, 2 + nops);
        buf_put(&code, "\0\1\1\1\1\1", 1 + nops);
        buf_put(&code, "\x0b", 1);
    }
    buf_put(&module, HEADER "\1\4\1\x60\0\0\3", 15);
    leb(&module, FUNCTIONS + 2);
    leb(&module, FUNCTIONS);
    for (int i = 0; i < FUNCTIONS; i++)
        buf_put(&module, "\0", 1);
    buf_put(&module, "\x0a", 1);
    leb(&module, code.len);
    buf_put(&module, code.p, code.len);
    AUTO(buf) struct buf sub = {0};
    buf_put(&sub, "\4name\1", 6);
    leb(&sub, names.len);
    buf_put(&sub, names.p, names.len);
    buf_put(&module, "\0", 1);
    leb(&module, sub.len);
    buf_put(&module, sub.p, sub.len);
    AUTO(json) cJSON *r = inspect_bytes(wasm_inspect, module.p, module.len, &err);
    if (!r)
        fail_msg("%s", err.msg);
    const cJSON *crates = json_arr(json_obj(r, "sizes"), "by_crate");
    assert_int_equal(cJSON_GetArraySize(crates), 101);
    assert_string_equal(json_str(cJSON_GetArrayItem(crates, 0), "crate", ""), "(none)");
    assert_string_equal(json_str(cJSON_GetArrayItem(crates, 1), "crate", ""), "crate000");
    assert_string_equal(json_str(cJSON_GetArrayItem(crates, 100), "crate", ""), "(others)");
    assert_int_equal(cJSON_GetArraySize(json_arr(json_obj(r, "sizes"), "largest_functions")), 20);
    inspect_sums(r, module.len);
}

static void refused(const void *data, size_t len, const char *message)
{
    struct err err = ERR_INIT;
    AUTO(json) cJSON *r = inspect_bytes(wasm_inspect, data, len, &err);

    assert_null(r);
    assert_int_equal(err.kind, ERR_CONTRACT);
    assert_string_equal(err.msg, message);
}

#define REFUSED(bytes, message) refused(bytes, sizeof bytes - 1, message)

static void test_not_modules(void **state)
{
    (void)state;
    REFUSED("", "byte 0: not a wasm module: it does not start with \\0asm and a version");
    REFUSED("\0asm\1\0\0", "byte 0: not a wasm module: it does not start with \\0asm and a version");
    REFUSED("\0asm\x0d\0\1\0", "byte 6: a wasm component (layer 1), not a module");
    REFUSED("\0asm\2\0\0\0", "byte 4: wasm version 2, layer 0; only version 1 is known");
}

static void test_broken_structure(void **state)
{
    (void)state;
    REFUSED(HEADER "\x0e\0", "byte 8: a section of the unknown id 14");
    REFUSED(HEADER "\1", "byte 9: a section's size is cut off");
    REFUSED(HEADER "\1\5\0", "byte 10: a section of 5 bytes goes beyond its end at 11");
    REFUSED(HEADER "\1\2\0\0", "byte 11: 1 bytes too many in the type section");
    REFUSED(HEADER "\1\1\0\1\1\0", "byte 11: the type section is out of order or there twice");
    REFUSED(HEADER "\2\1\0\1\1\0", "byte 11: the type section is out of order or there twice");
    REFUSED(HEADER "\1\1\5", "byte 10: a section's count 5 is more than what follows can hold");
    REFUSED(HEADER "\1\2\1\x61", "byte 11: a type of the unknown form 0x61");
    REFUSED(HEADER "\1\4\1\x60\0\0\3\2\1\0", "byte 18: 1 functions, but 0 function bodies");
    REFUSED(HEADER "\1\4\1\x60\0\0\3\2\1\0\x0a\3\1\1\0", "byte 23: a function body does not end with `end`");
    REFUSED(HEADER "\1\4\1\x60\0\0\3\2\1\0\x0a\5\1\2\0\x0b\0", "byte 24: 1 bytes too many in the code section");
    REFUSED(HEADER "\7\5\1\1a\3\0", "byte 15: an export of global 0, of 0");
    REFUSED(HEADER "\x0c\1\2", "byte 11: 2 data segments are announced, 0 are there");
    REFUSED(HEADER "\x08\1\0", "byte 11: the start function is 0, of 0");
    REFUSED(HEADER "\x0b\7\1\0\x41\0\x0b\1x", "byte 12: a data segment for memory 0, of 0");
    REFUSED(HEADER "\5\4\1\1\2\1", "byte 11: a memory's limits: the maximum 1 is below the minimum 2");
    REFUSED(HEADER "\5\3\1\2\1", "byte 11: a memory's limits: what is shared needs a maximum");
    REFUSED(HEADER "\5\5\1\0\x81\x80\4", "byte 11: a memory of more pages than it can address");
    REFUSED(HEADER "\5\3\1\x10\1", "byte 11: a memory's limits have the unknown flags 0x10");
    REFUSED(HEADER "\6\5\1\x7f\0\x10\x0b", "byte 13: a global's initial value is not constant: operation 0x10");
}

static void test_exports_are_unique(void **state)
{
    (void)state;
    REFUSED(HEADER "\5\3\1\0\1\7\x0d\2\3dup\2\0\3dup\2\0", "byte 28: \"dup\" is exported twice");
}

static void test_numbers(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        int64_t value; /* -1: refused */
    } u32[] = {{"\x7f", 1, 127},
               {"\x80\x01", 2, 128},
               {"\x80\x00", 2, 0}, /* longer than needed, as linkers pad */
               {"\x80\x80\x80\x80\x00", 5, 0},
               {"\xff\xff\xff\xff\x0f", 5, UINT32_MAX},
               {"\xff\xff\xff\xff\x1f", 5, -1},
               {"\x80\x80\x80\x80\x80\x00", 6, -1},
               {"\x80", 1, -1},
               {"", 0, -1}};
    static const struct {
        const char *bytes;
        size_t len;
        int bits;
        bool ok;
        int64_t value;
    } s[] = {{"\x7f", 1, 32, true, -1},
             {"\x40", 1, 32, true, -64},
             {"\x80\x7f", 2, 32, true, -128},
             {"\xff\xff\xff\xff\x07", 5, 32, true, INT32_MAX},
             {"\x80\x80\x80\x80\x78", 5, 32, true, INT32_MIN},
             {"\x80\x80\x80\x80\x08", 5, 32, false, 0},
             {"\x80\x80\x80\x80\x70", 5, 32, false, 0},
             {"\xff\xff\xff\xff\x0f", 5, 33, true, UINT32_MAX},
             {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f", 10, 64, true, INT64_MIN},
             {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", 10, 64, true, INT64_MAX},
             {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, 64, false, 0},
             {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11, 64, false, 0}};

    (void)state;
    for (size_t i = 0; i < COUNT(u32); i++) {
        struct cursor c = {(const uint8_t *)u32[i].bytes, 0, u32[i].len};
        uint32_t v;
        int r = cursor_u32(&c, &v, "n", NULL);
        assert_int_equal(r, u32[i].value < 0 ? -1 : 0);
        if (r == 0)
            assert_true(v == (uint32_t)u32[i].value && c.pos == c.end);
    }
    for (size_t i = 0; i < COUNT(s); i++) {
        struct cursor c = {(const uint8_t *)s[i].bytes, 0, s[i].len};
        int64_t v;
        int r = cursor_signed(&c, s[i].bits, &v, "n", NULL);
        assert_int_equal(r, s[i].ok ? 0 : -1);
        if (r == 0)
            assert_true(v == s[i].value && c.pos == c.end);
    }
    struct cursor c = {(const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0, 10};
    uint64_t big;
    assert_int_equal(cursor_u64(&c, &big, "n", NULL), 0);
    assert_true(big == UINT64_MAX);
    c = (struct cursor){(const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 0, 10};
    assert_int_equal(cursor_u64(&c, &big, "n", NULL), -1);
}

/* A custom section that is broken is no fault of the module. */
static void test_broken_custom_sections(void **state)
{
    static const char module[] = HEADER "\0\x0b\tproducers\xff"
                                        "\0\x12\x0ftarget_features\2+";
    struct err err = ERR_INIT;
    AUTO(json) cJSON *r = inspect_bytes(wasm_inspect, module, sizeof module - 1, &err);

    (void)state;
    assert_non_null(r);
    assert_json(r, "features", "[]");
    assert_json(r, "producers", "{}");
}

/* Names are cut and made UTF-8, lists end; counts do not. */
static void test_bounds(void **state)
{
    enum { FUNCTIONS = REPORT_MAX_LIST + 10 };
    AUTO(buf) struct buf imports = {0}, module = {0};
    AUTO(char_p) char *name = mem_alloc(5000);
    struct err err = ERR_INIT;

    (void)state;
    memset(name, 0xff, 5000);
    leb(&imports, FUNCTIONS);
    for (int i = 0; i < FUNCTIONS; i++) {
        size_t n = i == 0 ? 5000 : 1;
        buf_put(&imports, "\1m", 2);
        leb(&imports, n);
        buf_put(&imports, name, n);
        buf_put(&imports, "\0\0", 2);
    }
    buf_put(&module, HEADER "\1\4\1\x60\0\0\2", 15);
    leb(&module, imports.len);
    buf_put(&module, imports.p, imports.len);

    AUTO(json) cJSON *root = cJSON_CreateObject();
    struct report report = {.root = root};
    assert_int_equal(wasm_inspect((uint8_t *)module.p, module.len, &report, &err), 0);
    assert_true(report.truncated);
    const cJSON *list = json_arr(root, "imports");
    assert_int_equal(cJSON_GetArraySize(list), REPORT_MAX_LIST);
    const char *first = json_str(list->child, "name", "");
    assert_int_equal(strlen(first), 3 * REPORT_MAX_NAME + 3); /* U+FFFD each, and an ellipsis */
    assert_json(root, "functions", "{\"imported\":100010,\"defined\":0}");
}

static void test_mutations(void **state)
{
    (void)state;
    inspect_mutations(wasm_inspect, "wasm/mvp.wasm");
    inspect_mutations(wasm_inspect, "wasm/modern.wasm");
    inspect_mutations(wasm_inspect, "wasm/object.wasm");
    inspect_mutations(wasm_inspect, "wasm/rust.wasm");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mvp),
        cmocka_unit_test(test_modern),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_sizes_without_names),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_many_crates),
        cmocka_unit_test(test_not_modules),
        cmocka_unit_test(test_broken_structure),
        cmocka_unit_test(test_exports_are_unique),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_broken_custom_sections),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_mutations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
