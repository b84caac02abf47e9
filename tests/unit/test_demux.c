/* test_demux.c - the Engine's stream framing, whole, in pieces and broken. */
#include "docker/demux.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Everything of a stream that arrives `step` bytes at a time, by channel. */
struct taken {
    struct buf out, err;
    bool partial;
    int r;
};

static void take(const char *data, size_t len, size_t step, struct taken *ret)
{
    struct demux d = {0};
    struct err err = ERR_INIT;
    *ret = (struct taken){0};
    for (size_t at = 0; at < len && ret->r == 0;) {
        size_t end = at + step < len ? at + step : len;
        while (at < end) {
            size_t used = 0;
            struct engine_chunk c;
            ret->r = demux_next(&d, data + at, end - at, &used, &c, &err);
            if (ret->r < 0) {
                assert_int_equal(err.kind, ERR_ENGINE);
                break;
            }
            assert_true(used > 0 && used <= end - at);
            assert_true(c.len == 0 || (c.data >= data + at && c.data + c.len == data + at + used));
            if (c.len > 0)
                buf_put(c.channel == ENGINE_STDERR ? &ret->err : &ret->out, c.data, c.len);
            at += used;
        }
    }
    ret->partial = demux_partial(&d);
}

static void taken_free(struct taken *t)
{
    buf_free(&t->out);
    buf_free(&t->err);
}

static const char both[] = "\1\0\0\0\0\0\0\5hello\2\0\0\0\0\0\0\3bad\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\1!";

static void test_both_channels_at_any_step(void **state)
{
    (void)state;
    for (size_t step = 1; step < sizeof both; step++) {
        struct taken t;
        take(both, sizeof both - 1, step, &t);
        assert_int_equal(t.r, 0);
        assert_string_equal(t.out.p, "hello!");
        assert_string_equal(t.err.p, "bad");
        assert_false(t.partial);
        taken_free(&t);
    }
}

static void test_cut_is_seen(void **state)
{
    (void)state;
    static const size_t ends[] = {0, 13, 24, 32, sizeof both - 1};
    for (size_t len = 0; len < sizeof both; len++) {
        struct taken t;
        take(both, len, 4, &t);
        bool whole = false;
        for (size_t i = 0; i < COUNT(ends); i++)
            whole = whole || ends[i] == len;
        assert_int_equal(t.r, 0);
        assert_int_equal(t.partial, !whole);
        taken_free(&t);
    }
}

static void test_not_frames(void **state)
{
    (void)state;
    static const char *const bad[] = {"HTTP/1.1 500", "\0\0\0\0\0\0\0\1x", "\4\0\0\0\0\0\0\1x", "\1\0\0\1\0\0\0\1x",
                                      "\1\1\0\0\0\0\0\1x"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct taken t;
        take(bad[i], 9, 3, &t);
        assert_int_equal(t.r, -1);
        taken_free(&t);
    }
}

static void test_largest_frame_allocates_nothing(void **state)
{
    (void)state;
    struct taken t;
    take("\2\0\0\0\377\377\377\377abc", 11, 11, &t);
    assert_int_equal(t.r, 0);
    assert_string_equal(t.err.p, "abc");
    assert_true(t.partial);
    taken_free(&t);
}

static void test_system_channel_is_an_error_text(void **state)
{
    (void)state;
    struct taken t;
    take("\3\0\0\0\0\0\0\2no", 10, 10, &t);
    assert_string_equal(t.err.p, "no");
    taken_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_channels_at_any_step),
        cmocka_unit_test(test_cut_is_seen),
        cmocka_unit_test(test_not_frames),
        cmocka_unit_test(test_largest_frame_allocates_nothing),
        cmocka_unit_test(test_system_channel_is_an_error_text),
    };
    return cmocka_run_group_tests_name("demux", tests, NULL, NULL);
}
