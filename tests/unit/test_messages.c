/* test_messages.c - real output of cargo 1.96 (tests/unit/data/messages), and what a build may write in its place. */
#include "tests/unit/profile_kit.h"
#include "workers/diagnose.h"
#include "workers/messages.h"

#include <stdio.h>
#include <string.h>

struct heard {
    struct job_diagnostics found;
    struct messages *m;
    struct buf text;
};

static int setup(void **state)
{
    struct heard *h = mem_alloc(sizeof *h);

    h->m = messages_new(&h->found);
    messages_begin(h->m);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    struct heard *h = *state;

    messages_free(h->m);
    job_diagnostics_clear(&h->found);
    buf_free(&h->text);
    mem_free(h);
    return 0;
}

/* In pieces of `piece` bytes, to the end. */
static void hear(struct heard *h, const char *data, size_t len, size_t piece)
{
    for (size_t i = 0; i < len; i += piece)
        messages_read(h->m, data + i, len - i < piece ? len - i : piece, &h->text);
    messages_end(h->m, &h->text);
}

static void say(struct heard *h, const char *line)
{
    hear(h, line, strlen(line), SIZE_MAX / 2);
}

/* A compiler-message with these members of its `message`. */
static void message(struct heard *h, const char *members)
{
    AUTO(char_p)
    char *line = mem_printf("{\"reason\":\"compiler-message\",\"package_id\":\"x\",\"message\":{%s}}\n", members);

    say(h, line);
}

static const char two_bins[] =
    "   Compiling exp v0.1.0 (/work/src)\n"
    "warning: unused variable: `unused`\n"
    " --> src/shared.rs:1:18\n"
    "  |\n"
    "1 | pub fn f() { let unused = 2; println!(\"x\"); }\n"
    "  |                  ^^^^^^ help: if this is intentional, prefix it with an underscore: `_unused`\n"
    "  |\n"
    "  = note: `#[warn(unused_variables)]` (part of `#[warn(unused)]`) on by default\n"
    "\n"
    "error[E0308]: mismatched types\n"
    " --> src/a.rs:2:50\n"
    "  |\n"
    "2 | fn main() { let x = 1; shared::f(); let y: i32 = \"s\"; }\n"
    "  |                                            ---   ^^^ expected `i32`, found `&str`\n"
    "  |                                            |\n"
    "  |                                            expected due to this\n"
    "\n"
    "For more information about this error, try `rustc --explain E0308`.\n"
    "error: could not compile `exp` (bin \"a\") due to 1 previous error; 1 warning emitted\n";

/* A module of two bins: what is wrong with it is said twice. */
static void test_a_build(void **state)
{
    static const size_t pieces[] = {1, 7, 1 << 20};
    struct heard *h = *state;
    AUTO(buf) struct buf out = kit_read("messages", "two-bins.out");

    for (size_t i = 0; i < COUNT(pieces); i++) {
        teardown(state);
        setup(state);
        h = *state;
        hear(h, out.p, out.len, pieces[i]);
        assert_string_equal(h->text.p, two_bins);
        assert_true(h->found.known);
        assert_false(h->found.cut);
        assert_int_equal(h->found.warnings_count, 1);
        assert_int_equal(h->found.errors_count, 1);
        assert_int_equal(h->found.errors_kept, 1);
        const struct job_diagnostic *e = &h->found.errors[0];
        assert_string_equal(e->file, "src/a.rs");
        assert_int_equal(e->line, 2);
        assert_int_equal(e->column, 50);
        assert_string_equal(e->code, "E0308");
        assert_string_equal(e->text, "mismatched types");
        assert_string_equal(e->label, "expected `i32`, found `&str`");
        assert_ptr_equal(strstr(e->rendered, "error[E0308]: mismatched types\n --> src/a.rs:2:50\n"), e->rendered);
    }

    /* For the next target all of it is said again, and nothing is counted again. */
    buf_clear(&h->text);
    messages_begin(h->m);
    hear(h, out.p, out.len, out.len);
    assert_string_equal(h->text.p, two_bins);
    assert_int_equal(h->found.warnings_count, 1);
    assert_int_equal(h->found.errors_count, 1);
}

static void test_a_failed_link(void **state)
{
    struct heard *h = *state;
    AUTO(buf) struct buf out = kit_read("messages", "link.out");
    AUTO(json) cJSON *json = cJSON_CreateObject();
    const struct profile p = {.name = "x", .json = json};
    struct job_error e = {0};

    hear(h, out.p, out.len, out.len);
    assert_int_equal(h->found.errors_count, 1);
    assert_null(h->found.errors[0].file);
    assert_int_equal(h->found.errors[0].line, 0);
    assert_string_equal(h->found.errors[0].text, "linking with `cc` failed: exit status: 1");
    diagnose(&p, h->text.p, h->text.len, &h->found.errors[0], ERR_COMPILE, &e);
    assert_int_equal(e.kind, ERR_LINK);
    assert_string_equal(e.message, "linking failed: undefined symbol: missing_one (and 1 more)");
    job_error_clear(&e);
}

/* The compiler's error, not the first text that looks like one; and where the log was cut, from the error itself. */
static void test_the_first_error(void **state)
{
    static const char before[] = "error: I am a build script's warning\n";
    struct heard *h = *state;
    AUTO(buf) struct buf out = kit_read("messages", "two-bins.out"), log = {0};
    AUTO(json) cJSON *json = cJSON_CreateObject();
    const struct profile p = {.name = "x", .json = json};
    struct job_error e = {0};

    hear(h, out.p, out.len, out.len);
    buf_puts(&log, before);
    buf_put(&log, h->text.p, h->text.len);
    for (int i = 0; i < 2; i++) {
        size_t len = i == 0 ? log.len : sizeof before - 1;
        diagnose(&p, log.p, len, &h->found.errors[0], ERR_COMPILE, &e);
        assert_int_equal(e.kind, ERR_COMPILE);
        assert_string_equal(e.message, "error[E0308]: mismatched types (src/a.rs:2:50)");
        assert_non_null(strstr(e.log_excerpt, "expected due to this"));
        job_error_clear(&e);
    }
}

static void test_what_is_no_message(void **state)
{
    static const char *const texts[] = {
        "   Compiling x v0.1.0\n",
        "\n",
        "{\n",
        "{\"reason\":\"compil\n",
        "{\"reason\":\"compiler-message\"\n",
        "{\"reason\":\"compiler-message\",\n",
        "{\"reason\":\"compiler-message\",}\n",
        "{\"reason\":\"compiler-message\",\"message\":[]}\n",
        "{\"reason\":\"compiler-message\",\"message\":{\"rendered\":null}}\n",
        "{\"reason\":\"compiler-message\",\"message\":{\"rendered\":\"x\"}} and more\n",
        "{\"reason\":\"something-else\",\"message\":{\"rendered\":\"x\"}}\n",
        " {\"reason\":\"compiler-message\",\"message\":{\"rendered\":\"x\"}}\n",
        "{\"reason\":\"compiler-message\",\"mess", /* cut */
        "no newline",
        "\xff\xfe\x01\n",
    };
    struct heard *h = *state;

    for (size_t i = 0; i < COUNT(texts); i++) {
        buf_clear(&h->text);
        hear(h, texts[i], strlen(texts[i]), 1 + i % 3);
        assert_string_equal(h->text.p, texts[i]);
    }
    assert_int_equal(h->found.errors_count + h->found.warnings_count, 0);
    buf_clear(&h->text);
    say(h, "{\"reason\":\"build-finished\",\"success\":false}\n{\"reason\":\"compiler-artifact\",\"x\":1}\nafter\n");
    assert_string_equal(h->text.p, "after\n");
}

static void test_levels(void **state)
{
    struct heard *h = *state;

    message(h, "\"level\":\"warning\",\"message\":\"a\",\"rendered\":\"1\\n\"");
    message(h, "\"level\":\"warning\",\"message\":\"3 warnings emitted\",\"rendered\":\"2\\n\"");
    message(h, "\"level\":\"error\",\"message\":\"aborting due to 2 previous errors\",\"rendered\":\"3\\n\"");
    message(h, "\"level\":\"warning\",\"message\":\"a warning emitted\",\"spans\":[{}],\"rendered\":\"3\\n\"");
    message(h, "\"level\":\"note\",\"message\":\"b\",\"rendered\":\"4\\n\"");
    message(h, "\"level\":\"failure-note\",\"message\":\"c\",\"rendered\":\"5\\n\"");
    message(h, "\"level\":\"error: internal compiler error\",\"message\":\"d\",\"rendered\":\"6\\n\"");
    message(h, "\"level\":7,\"message\":\"e\",\"rendered\":\"7\\n\"");
    message(h, "\"message\":\"f\",\"rendered\":\"8\\n\"");
    assert_string_equal(h->text.p, "1\n3\n4\n5\n6\n7\n8\n");
    assert_int_equal(h->found.warnings_count, 2);
    assert_int_equal(h->found.errors_count, 1);
    assert_string_equal(h->found.errors[0].text, "d");
}

/* Whatever stands in the members: bounded, clean, and numbers that can be lines. */
static void test_hostile_members(void **state)
{
    struct heard *h = *state;
    AUTO(char_p) char *many = mem_alloc(20001);

    memset(many, 'A', 20000);
    AUTO(char_p)
    char *members = mem_printf(
        "\"level\":\"error\",\"message\":\"a\\u001b[31m\\nb\\u0000c %s\",\"rendered\":\"r\\u0007\\n%s\","
        "\"code\":{\"code\":\"%s\"},\"spans\":[5,{\"is_primary\":false,\"file_name\":\"no\"},"
        "{\"is_primary\":true,\"file_name\":\"\xff%s\",\"line_start\":-3,\"column_start\":1e300,\"label\":{}},"
        "{\"is_primary\":true,\"file_name\":\"second\"}]",
        many, many, many, many);
    message(h, members);
    assert_int_equal(h->found.errors_kept, 1);
    const struct job_diagnostic *e = &h->found.errors[0];
    assert_string_equal(e->text, "a [31m b"); /* a NUL ends it */
    assert_int_equal(strlen(e->code), MESSAGES_MAX_CODE);
    assert_int_equal(strlen(e->rendered), MESSAGES_MAX_RENDERED);
    assert_memory_equal(e->rendered, "r \nA", 4);
    assert_memory_equal(e->file,
                        "\xef\xbf\xbd"
                        "AA",
                        5);
    assert_int_equal(e->line, 0);
    assert_int_equal(e->column, 0);
    assert_null(e->label);
    message(h, "\"level\":\"error\",\"rendered\":\"x\",\"code\":\"E1\",\"spans\":{\"is_primary\":true}");
    assert_int_equal(h->found.errors_kept, 2);
    assert_string_equal(h->found.errors[1].text, "");
    assert_null(h->found.errors[1].code);
    assert_null(h->found.errors[1].file);
}

static void test_a_character_is_not_cut(void **state)
{
    struct heard *h = *state;
    AUTO(buf) struct buf members = {0};

    buf_puts(&members, "\"level\":\"error\",\"rendered\":\"x\",\"message\":\"a");
    for (int i = 0; i < MESSAGES_MAX_TEXT; i++)
        buf_puts(&members, "\xc3\xa9");
    buf_puts(&members, "\"");
    message(h, members.p);
    assert_int_equal(strlen(h->found.errors[0].text), MESSAGES_MAX_TEXT - 1);
}

static void test_too_deep(void **state)
{
    struct heard *h = *state;
    AUTO(buf) struct buf line = {0};

    buf_puts(&line, "{\"reason\":\"compiler-message\",\"message\":");
    for (int i = 0; i < 100000; i++)
        buf_puts(&line, "[");
    buf_puts(&line, "\n");
    hear(h, line.p, line.len, line.len);
    assert_string_equal(h->text.p, line.p);
}

static void test_too_long(void **state)
{
    struct heard *h = *state;
    AUTO(buf) struct buf line = {0};

    buf_puts(&line, "{\"reason\":\"compiler-message\",\"message\":{\"level\":\"error\",\"rendered\":\"");
    while (line.len <= MESSAGES_MAX_LINE)
        buf_puts(&line, "and on and on ");
    buf_puts(&line, "\"}}\nnext\n");
    hear(h, line.p, line.len, 4096);
    assert_string_equal(h->text.p, "(a message of the compiler's is left out: it has more than 1048576 bytes)\nnext\n");
    assert_int_equal(h->found.errors_count, 0);
    assert_true(h->found.cut);
}

static void test_many(void **state)
{
    struct heard *h = *state;
    char members[128];

    for (int i = 0; i < 1000; i++) {
        snprintf(members, sizeof members, "\"level\":\"error\",\"message\":\"%d\",\"rendered\":\"error %d\"", i, i);
        message(h, members);
    }
    assert_int_equal(h->found.errors_count, 1000);
    assert_int_equal(h->found.errors_kept, MESSAGES_MAX_ERRORS);
    assert_string_equal(h->found.errors[MESSAGES_MAX_ERRORS - 1].text, "31");
    assert_true(h->found.cut);

    /* More than are remembered: then each one counts. */
    for (int i = 0; i < 60000; i++) {
        snprintf(members, sizeof members, "\"level\":\"warning\",\"rendered\":\"w%d\"", i);
        message(h, members);
    }
    assert_int_equal(h->found.warnings_count, 60000);
    message(h, "\"level\":\"warning\",\"rendered\":\"w0\"");
    assert_int_equal(h->found.warnings_count, 60000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_build),
        TEST(test_a_failed_link),
        TEST(test_the_first_error),
        TEST(test_what_is_no_message),
        TEST(test_levels),
        TEST(test_hostile_members),
        TEST(test_a_character_is_not_cut),
        TEST(test_too_deep),
        TEST(test_too_long),
        TEST(test_many),
    };

    return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}
