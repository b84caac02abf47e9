/* test_tar.c - archives written and read back, limits, and what is refused with which words. */
#include "base/tar.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int memory_file(const void *data, size_t len)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static int pack(enum tar_filter filter)
{
    struct err err = ERR_INIT;
    struct tar_writer *w = NULL;
    int fd = memory_file("", 0);
    AUTO(fd) int file = memory_file("hello", 5);

    assert_int_equal(tar_writer_open(fd, filter, &w, &err), 0);
    assert_int_equal(tar_put_bytes(w, "Cargo.toml", 0600, "[package]", 9, &err), 0);
    assert_int_equal(tar_put_fd(w, "src/gr\xc3\xbc\xc3\x9f.sh", 0700, file, 5, &err), 0);
    assert_int_equal(tar_put_link(w, "src/link", "../Cargo.toml", &err), 0);
    char name[300];
    memset(name, 'x', sizeof(name) - 1);
    name[150] = '/';
    name[299] = '\0';
    assert_int_equal(tar_put_bytes(w, name, 0644, "", 0, &err), 0);
    assert_int_equal(tar_writer_finish(w, &err), 0);
    tar_writer_free(w);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void check_round(int fd)
{
    struct err err = ERR_INIT;
    struct tar_reader *r = NULL;
    struct tar_entry e;
    char data[64];
    size_t n;

    assert_int_equal(tar_reader_open(fd, &r, &err), 0);
    assert_int_equal(tar_next(r, &e, &err), 0);
    assert_string_equal(e.path, "Cargo.toml");
    assert_int_equal(e.type, TAR_FILE);
    assert_int_equal(e.mode, 0644);
    assert_int_equal(tar_next(r, &e, &err), 0); /* unread data is passed over */
    assert_string_equal(e.path, "src/gr\xc3\xbc\xc3\x9f.sh");
    assert_int_equal(e.mode, 0755);
    assert_int_equal(e.size, 5);
    assert_int_equal(tar_data(r, data, sizeof(data), &n, &err), 0);
    assert_int_equal(n, 5);
    assert_memory_equal(data, "hello", 5);
    assert_int_equal(tar_data(r, data, sizeof(data), &n, &err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(tar_next(r, &e, &err), 0);
    assert_int_equal(e.type, TAR_SYMLINK);
    assert_string_equal(e.target, "../Cargo.toml");
    assert_int_equal(tar_next(r, &e, &err), 0);
    assert_int_equal(strlen(e.path), 299);
    assert_int_equal(tar_next(r, &e, &err), TAR_END);
    assert_int_equal(tar_next(r, &e, &err), TAR_END);
    assert_int_equal(tar_unpacked_bytes(r) % 512, 0);
    assert_int_equal(tar_compressed_bytes(r), lseek(fd, 0, SEEK_END));
    tar_reader_free(r);
    close(fd);
}

static void test_round_trip(void **state)
{
    (void)state;
    check_round(pack(TAR_PLAIN));
    check_round(pack(TAR_GZIP));
    check_round(pack(TAR_ZSTD));
}

static void test_reproducible(void **state)
{
    (void)state;
    for (int f = TAR_PLAIN; f <= TAR_ZSTD; f++) {
        AUTO(fd) int a = pack((enum tar_filter)f);
        AUTO(fd) int b = pack((enum tar_filter)f);
        off_t len = lseek(a, 0, SEEK_END);
        assert_int_equal(len, lseek(b, 0, SEEK_END));
        void *pa = mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, a, 0);
        void *pb = mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, b, 0);
        assert_memory_equal(pa, pb, (size_t)len);
        munmap(pa, (size_t)len);
        munmap(pb, (size_t)len);
    }
}

/* Reads all; the outcome and *err are those of the call that ended it. */
static int drain(int fd, int64_t max_bytes, int64_t max_ratio, struct err *err)
{
    struct tar_reader *r = NULL;
    struct tar_entry e;
    int rc = tar_reader_open(fd, &r, err);

    if (rc == 0)
        tar_reader_limit(r, max_bytes, max_ratio);
    while (rc == 0)
        rc = tar_next(r, &e, err);
    tar_reader_free(r);
    return rc;
}

static void refuse(const void *data, size_t len, enum err_kind kind, const char *words)
{
    struct err err = ERR_INIT;
    AUTO(fd) int fd = memory_file(data, len);

    assert_int_equal(drain(fd, 0, 0, &err), -1);
    if (!strstr(err.msg, words))
        print_error("message: %s\n", err.msg);
    assert_non_null(strstr(err.msg, words));
    assert_int_equal(err.kind, kind);
}

#define TEXT(s) s, sizeof(s) - 1
static void test_not_a_tar(void **state)
{
    (void)state;
    refuse(TEXT(""), ERR_BAD_SOURCE, "empty");
    refuse(TEXT("PK\x03\x04 and more bytes of a zip"), ERR_BAD_SOURCE, "zip");
    refuse(TEXT("<!DOCTYPE html><html>not found</html>"), ERR_BAD_SOURCE, "HTML");
    refuse(TEXT("hello, world\n"), ERR_BAD_SOURCE, "text");
    refuse(TEXT("[package]\nname=\"x\"\n"), ERR_BAD_SOURCE, "Cargo.toml");
    refuse(TEXT("{\"a\":1}"), ERR_BAD_SOURCE, "JSON");
    refuse(TEXT("BZh91AY&SY"), ERR_BAD_SOURCE, "bzip2");
    refuse(TEXT("--------abc\r\nContent-Disposition: form-data"), ERR_BAD_SOURCE, "multipart");
    refuse(TEXT("\x01\x02\x03\x04"), ERR_BAD_SOURCE, "not a tar");
    /* gzip of "hi\n", and its first half */
    static const char gz[] =
        "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\xc8\xe4\x02\x00\x7a\x7a\x6f\xed\x03\x00\x00\x00";
    refuse(gz, sizeof(gz) - 1, ERR_BAD_SOURCE, "inside, it is text");
    refuse(gz, 12, ERR_BAD_SOURCE, "cut short");
}

static void test_cut_short(void **state)
{
    (void)state;
    AUTO(fd) int fd = pack(TAR_PLAIN);
    size_t len = (size_t)lseek(fd, 0, SEEK_END);
    AUTO(char_p) char *all = mem_alloc(len + 1024);

    assert_int_equal(pread(fd, all, len, 0), (ssize_t)len);
    refuse(all, 600, ERR_BAD_SOURCE, "cut short");
    refuse(all, 1024, ERR_BAD_SOURCE, "end marker");
    refuse(all, 1300, ERR_BAD_SOURCE, "cut short");
    /* a byte behind the end, at once and far away */
    all[len + 1000] = 1;
    refuse(all, len + 1001, ERR_BAD_SOURCE, "follows the end");
    all[len + 1000] = 0;
    struct err err = ERR_INIT;
    AUTO(fd) int padded = memory_file(all, len + 1024);
    assert_int_equal(drain(padded, 0, 0, &err), TAR_END);
    all[20] ^= 1;
    refuse(all, len, ERR_BAD_SOURCE, "not a tar");
}

static void test_second_archive(void **state)
{
    (void)state;
    for (int f = TAR_PLAIN; f <= TAR_ZSTD; f++) {
        AUTO(fd) int fd = pack((enum tar_filter)f);
        size_t len = (size_t)lseek(fd, 0, SEEK_END);
        AUTO(char_p) char *twice = mem_alloc(2 * len);
        assert_int_equal(pread(fd, twice, len, 0), (ssize_t)len);
        memcpy(twice + len, twice, len);
        refuse(twice, 2 * len, ERR_BAD_SOURCE, "second archive");
    }
}

static void test_behind_the_compressed(void **state)
{
    (void)state;
    for (int f = TAR_GZIP; f <= TAR_ZSTD; f++) {
        AUTO(fd) int fd = pack((enum tar_filter)f);
        size_t len = (size_t)lseek(fd, 0, SEEK_END);
        AUTO(char_p) char *more = mem_alloc(len + 200000);
        assert_int_equal(pread(fd, more, len, 0), (ssize_t)len);
        struct err err = ERR_INIT;
        AUTO(fd) int padded = memory_file(more, len + 200000);
        if (f == TAR_GZIP) /* zeros are padding to gzip, and an error to zstd */
            assert_int_equal(drain(padded, 0, 0, &err), TAR_END);
        more[len + 199999] = 'x';
        refuse(more, len + 200000, ERR_BAD_SOURCE, "");
        more[len] = 'x';
        refuse(more, len + 1, ERR_BAD_SOURCE, "");
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct tar_writer *w = NULL;
    AUTO(fd) int fd = memory_file("", 0);
    size_t size = 40 << 20;
    AUTO(char_p) char *zeros = mem_alloc(size);

    assert_int_equal(tar_writer_open(fd, TAR_GZIP, &w, &err), 0);
    assert_int_equal(tar_put_bytes(w, "zeros", 0644, zeros, size, &err), 0);
    assert_int_equal(tar_writer_finish(w, &err), 0);
    tar_writer_free(w);
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(drain(fd, 0, 0, &err), TAR_END);
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(drain(fd, 10 << 20, 0, &err), -1);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    assert_non_null(strstr(err.msg, "more than 10485760 bytes"));
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(drain(fd, 0, 200, &err), -1);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    assert_non_null(strstr(err.msg, "200 times"));
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(drain(fd, 0, 5000, &err), TAR_END);
}

/* A pax header of 8 MiB, so that names cannot fill the memory. */
static void test_headers_bounded(void **state)
{
    (void)state;
    size_t size = 8 << 20;
    AUTO(char_p) char *tar = mem_alloc(512 + size);
    unsigned sum = 0;

    snprintf(tar, 100, "x");
    snprintf(tar + 100, 8, "0000644");
    snprintf(tar + 124, 12, "%011o", (unsigned)size);
    snprintf(tar + 136, 12, "00000000000");
    memset(tar + 148, ' ', 8);
    tar[156] = 'x';
    memcpy(tar + 257,
           "ustar\0"
           "00",
           8);
    for (int i = 0; i < 512; i++)
        sum += (unsigned char)tar[i];
    snprintf(tar + 148, 8, "%06o", sum);
    memset(tar + 512, 'a', size);
    refuse(tar, 512 + size, ERR_BAD_SOURCE, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_reproducible),
        cmocka_unit_test(test_not_a_tar),      cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_second_archive), cmocka_unit_test(test_behind_the_compressed),
        cmocka_unit_test(test_limits),         cmocka_unit_test(test_headers_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
