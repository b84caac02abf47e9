/* test_query.c - see daemon/query.h. */
#include "daemon/header.h"
#include "daemon/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static void decodes(void **state)
{
    struct query q = {0};
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(query_parse("a=1&b=%C3%A4+x&&c&d=%2B%26%3d", &q, &err), 0);
    assert_int_equal(q.count, 4);
    assert_string_equal(query_get(&q, "a"), "1");
    assert_string_equal(query_get(&q, "b"), "\xc3\xa4 x");
    assert_string_equal(query_get(&q, "c"), "");
    assert_string_equal(query_get(&q, "d"), "+&=");
    assert_null(query_get(&q, "e"));
    query_free(&q);
    assert_int_equal(query_parse(NULL, &q, &err), 0);
    assert_int_equal(q.count, 0);
    assert_int_equal(query_parse("", &q, &err), 0);
    assert_int_equal(q.count, 0);
}

static void refuses(void **state)
{
    static const char *const bad[] = {"a=%", "a=%4", "a=%4g", "a=%00", "%00=a", "a=%ff", "a=%c3", "=x", "a=%ed%a0%80"};
    char many[2 * (QUERY_MAX_PARAMS + 2) + 1] = "";

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct query q = {0};
        struct err err = ERR_INIT;
        assert_int_equal(query_parse(bad[i], &q, &err), -1);
        assert_int_equal(err.kind, ERR_BAD_REQUEST);
        assert_null(q.params);
    }
    for (size_t i = 0; i <= QUERY_MAX_PARAMS; i++)
        memcpy(many + 2 * i, "a&", 3);
    struct query q = {0};
    struct err err = ERR_INIT;
    assert_int_equal(query_parse(many, &q, &err), -1);
}

static void knows_its_parameters(void **state)
{
    static const char *const known[] = {"limit", "state", "label.", NULL};
    static const struct {
        const char *query;
        int rc;
        const char *hint;
    } cases[] = {
        {"limit=1&state=x&label.a=1&label.b=2", 0, ""},
        {"limt=1", -1, "'limit'"},
        {"label.=1", -1, "'label.'"},
        {"zzzzzzzzz=1", -1, "known here: limit, state, label."},
        {"limit=1&limit=1", -1, ""},
        {"label.a=1&label.a=1", -1, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct query q = {0};
        struct err err = ERR_INIT;
        assert_int_equal(query_parse(cases[i].query, &q, &err), 0);
        assert_int_equal(query_check(&q, known, &err), cases[i].rc);
        assert_non_null(strstr(err.hint, cases[i].hint));
        query_free(&q);
    }
}

static void reads_numbers(void **state)
{
    static const char *const bad[] = {"n=",   "n=a", "n=-1", "n=+1", "n=11", "n=1.5", "n=9999999999999999999999",
                                      "n=0x1"};
    struct query q = {0};
    struct err err = ERR_INIT;
    int64_t v = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(query_parse(bad[i], &q, &err), 0);
        assert_int_equal(query_int(&q, "n", 0, 10, 7, &v, &err), -1);
        assert_int_equal(v, 0);
        query_free(&q);
    }
    assert_int_equal(query_parse("n=10", &q, &err), 0);
    assert_int_equal(query_int(&q, "n", 0, 10, 7, &v, &err), 0);
    assert_int_equal(v, 10);
    assert_int_equal(query_int(&q, "m", 0, 10, 7, &v, &err), 0);
    assert_int_equal(v, 7);
    query_free(&q);
}

static char *canonical(const char *raw)
{
    struct query q = {0};
    struct err err = ERR_INIT;

    assert_int_equal(query_parse(raw, &q, &err), 0);
    char *s = query_canonical(&q);
    query_free(&q);
    return s;
}

static void canonical_forms(void **state)
{
    AUTO(char_p) char *a = canonical("b=2&a=1&a=0");
    AUTO(char_p) char *b = canonical("a=0&a=%31&b=2");
    AUTO(char_p) char *c = canonical("a=0&a=1%262&b");
    AUTO(char_p) char *d = canonical("a=0&a=1&2=&b=");

    (void)state;
    assert_string_equal(a, b);
    assert_string_not_equal(c, d);
}

static void ranges(void **state)
{
    static const struct {
        const char *value;
        int rc;
        int64_t first, len;
    } cases[] = {
        {"bytes=0-0", 0, 0, 1},
        {"bytes=0-", 0, 0, 100},
        {"bytes=90-200", 0, 90, 10},
        {"bytes=-10", 0, 90, 10},
        {"bytes=-1000", 0, 0, 100},
        {"Bytes=99-", 0, 99, 1},
        {"bytes=100-", RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-0", RANGE_UNSATISFIABLE, 0, 0},
        {NULL, RANGE_WHOLE, 0, 0},
        {"", RANGE_WHOLE, 0, 0},
        {"lines=1-2", RANGE_WHOLE, 0, 0},
        {"bytes=1-2,4-5", RANGE_WHOLE, 0, 0},
        {"bytes=5-4", RANGE_WHOLE, 0, 0},
        {"bytes=--5", RANGE_WHOLE, 0, 0},
        {"bytes=99999999999999999999-", RANGE_WHOLE, 0, 0},
        {"bytes=0-99999999999999999999", RANGE_WHOLE, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t first = 0, len = 0;
        assert_int_equal(header_range(cases[i].value, 100, &first, &len), cases[i].rc);
        assert_int_equal(first, cases[i].first);
        assert_int_equal(len, cases[i].len);
    }
    int64_t first = 0, len = 0;
    assert_int_equal(header_range("bytes=0-", 0, &first, &len), RANGE_UNSATISFIABLE);
    assert_int_equal(header_range("bytes=-1", 0, &first, &len), RANGE_UNSATISFIABLE);
}

static void tags_and_types(void **state)
{
    (void)state;
    assert_true(header_etag_match("\"a\"", "a"));
    assert_true(header_etag_match("\"b\", W/\"a\"", "a"));
    assert_true(header_etag_match("*", "a"));
    assert_false(header_etag_match("a", "a"));
    assert_false(header_etag_match("\"a", "a"));
    assert_false(header_etag_match("\"aa\"", "a"));
    assert_false(header_etag_match(NULL, "a"));
    assert_true(header_accepts("text/event-stream", "text/event-stream"));
    assert_true(header_accepts("text/html, text/event-stream;q=0.5", "text/event-stream"));
    assert_false(header_accepts("text/event-stream;q=0", "text/event-stream"));
    assert_false(header_accepts("*/*", "text/event-stream"));
    assert_false(header_accepts("text/event-streams", "text/event-stream"));
    assert_false(header_accepts(NULL, "text/event-stream"));
}

static void hosts(void **state)
{
    static const struct {
        const char *value, *name;
        int port;
    } good[] = {{"localhost", "localhost", -1},
                {"127.0.0.1:80", "127.0.0.1", 80},
                {"[::1]:7070", "::1", 7070},
                {"[::1]", "::1", -1}};
    static const char *const bad[] = {"", ":80", "a:", "a:b", "a:70000", "[::1", "[::1]x", "a:1:2"};
    char name[32];
    int port;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(header_host(good[i].value, name, sizeof name, &port), 0);
        assert_string_equal(name, good[i].name);
        assert_int_equal(port, good[i].port);
        assert_true(header_is_loopback(name));
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(header_host(bad[i], name, sizeof name, &port), -1);
    assert_int_equal(header_host("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", name, sizeof name, &port), -1);
    assert_true(header_is_loopback("127.9.9.9"));
    assert_false(header_is_loopback("128.0.0.1"));
    assert_false(header_is_loopback("127.0.0.1.example"));
    assert_false(header_is_loopback("localhost.example"));
    assert_false(header_is_loopback("::"));
}

static void attachments(void **state)
{
    AUTO(char_p) char *plain = header_attachment("app-1.0.wasm");
    AUTO(char_p) char *odd = header_attachment("a\"\r\nX: y\xc3\xa4");

    (void)state;
    assert_string_equal(plain, "attachment; filename=\"app-1.0.wasm\"; filename*=UTF-8''app-1.0.wasm");
    assert_string_equal(odd, "attachment; filename=\"a___X_ y__\"; filename*=UTF-8''a%22%0D%0AX%3A%20y%C3%A4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes),        cmocka_unit_test(refuses),         cmocka_unit_test(knows_its_parameters),
        cmocka_unit_test(reads_numbers),  cmocka_unit_test(canonical_forms), cmocka_unit_test(ranges),
        cmocka_unit_test(tags_and_types), cmocka_unit_test(hosts),           cmocka_unit_test(attachments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
