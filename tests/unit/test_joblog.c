/* test_joblog.c - what is kept of a log: all of it, or head and tail, with offsets that never change. */
#include "base/fs.h"
#include "workers/joblog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

struct here {
    char path[64];
};

static int setup(void **state)
{
    struct here *h = mem_alloc(sizeof *h);

    snprintf(h->path, sizeof h->path, "/tmp/test-joblog-XXXXXX");
    int fd = mkstemp(h->path);
    close(fd);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    struct here *h = *state;

    unlink(h->path);
    mem_free(h);
    return 0;
}

static char *contents(const struct here *h)
{
    struct buf b = {0};
    struct err err = ERR_INIT;

    assert_int_equal(fs_read(h->path, 1 << 20, &b, &err), 0);
    return buf_steal(&b);
}

static void test_short_log_is_whole(void **state)
{
    struct here *h = *state;
    struct joblog *l = NULL;
    struct err err = ERR_INIT;
    uint64_t told = 0;
    int event = eventfd(0, EFD_NONBLOCK);

    assert_int_equal(joblog_open(h->path, 1024, event, &l, &err), 0);
    joblog_say(l, "begin %d", 1);
    joblog_write(l, "no newline", 10);
    joblog_say(l, "end");
    assert_int_equal(read(event, &told, sizeof told), sizeof told);
    assert_true(told >= 3);
    joblog_free(l);
    AUTO(char_p) char *text = contents(h);
    assert_string_equal(text, "==> begin 1\nno newline\n==> end\n");
    close(event);
}

static void test_head_and_tail_are_kept(void **state)
{
    struct here *h = *state;
    struct joblog *l = NULL;
    struct err err = ERR_INIT;
    char line[32];

    assert_int_equal(joblog_open(h->path, 1024, -1, &l, &err), 0);
    for (int i = 0; i < 1000; i++) {
        int n = snprintf(line, sizeof line, "line %04d\n", i);
        joblog_write(l, line, (size_t)n);
    }
    /* Nothing of the tail is in the file before the phase ends: what followers have seen stays where it is. */
    int64_t before = joblog_size(l);
    assert_int_equal(before, 512);
    joblog_flush(l);
    joblog_say(l, "next");
    joblog_free(l);

    AUTO(char_p) char *text = contents(h);
    assert_true(strlen(text) < 1024);
    assert_memory_equal(text, "line 0000\nline 0001\n", 20);
    assert_non_null(strstr(text, "bytes of output were cut here (max_log_bytes)\n"));
    assert_non_null(strstr(text, "line 0999\n==> next\n"));
    assert_null(strstr(text, "line 0500"));
    /* 10,000 bytes came; the head of 512 and a tail of 128 are kept. */
    assert_non_null(strstr(text, "==> 9360 bytes"));
}

static void test_a_block_larger_than_all(void **state)
{
    struct here *h = *state;
    struct joblog *l = NULL;
    struct err err = ERR_INIT;
    AUTO(char_p) char *big = mem_alloc(100000);

    memset(big, 'x', 100000);
    memcpy(big, "first", 5);
    memcpy(big + 100000 - 6, "last!\n", 6);
    assert_int_equal(joblog_open(h->path, 1024, -1, &l, &err), 0);
    joblog_write(l, big, 100000);
    joblog_write(l, big, 100000);
    joblog_free(l); /* flushes */
    AUTO(char_p) char *text = contents(h);
    assert_memory_equal(text, "first", 5);
    assert_true(strlen(text) < 1024);
    assert_string_equal(text + strlen(text) - 6, "last!\n");
}

static void test_nothing_is_cut_that_fits(void **state)
{
    struct here *h = *state;
    struct joblog *l = NULL;
    struct err err = ERR_INIT;
    char block[600];

    memset(block, 'y', sizeof block);
    block[599] = '\n';
    assert_int_equal(joblog_open(h->path, 1024, -1, &l, &err), 0);
    joblog_write(l, block, sizeof block); /* 512 of head, 88 held: less than the ring */
    joblog_flush(l);
    joblog_free(l);
    AUTO(char_p) char *text = contents(h);
    assert_int_equal(strlen(text), 600);
    assert_null(strstr(text, "cut here"));
}

static void test_read_back_and_a_second_attempt(void **state)
{
    struct here *h = *state;
    struct joblog *l = NULL;
    struct err err = ERR_INIT;
    AUTO(buf) struct buf b = {0};

    assert_int_equal(joblog_open(h->path, 1024, -1, &l, &err), 0);
    joblog_say(l, "one");
    joblog_free(l);
    assert_int_equal(joblog_open(h->path, 1024, -1, &l, &err), 0);
    int64_t from = joblog_size(l);
    assert_int_equal(from, 8);
    joblog_write(l, "abcdef\n", 7);
    assert_int_equal(joblog_since(l, from, 100, &b, &err), 0);
    assert_string_equal(b.p, "abcdef\n");
    buf_clear(&b);
    assert_int_equal(joblog_since(l, from, 3, &b, &err), 0); /* of the end */
    assert_string_equal(b.p, "ef\n");
    joblog_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_short_log_is_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_head_and_tail_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_block_larger_than_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_cut_that_fits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_back_and_a_second_attempt, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
