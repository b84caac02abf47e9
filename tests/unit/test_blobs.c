/* test_blobs.c - how an artifact gets out of a hostile folder, and what the sweeper takes. */
#include "base/fs.h"
#include "workers/blobs.h"
#include "workers/paths.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct here {
    char dir[64];
    int root; /* of the work folder */
};

static void put(const struct here *h, const char *name, const char *text)
{
    AUTO(char_p) char *path = mem_printf("%s/%s", h->dir, name);
    struct err err = ERR_INIT;

    assert_int_equal(fs_write(path, text, strlen(text), 0644, &err), 0);
}

static int setup(void **state)
{
    struct here *h = mem_alloc(sizeof *h);
    struct err err = ERR_INIT;

    snprintf(h->dir, sizeof h->dir, "/tmp/test-blobs-XXXXXX");
    if (!mkdtemp(h->dir))
        return -1;
    static const char *const folders[] = {"work/target", "tmp", "logs", "blobs", "sources"};
    for (size_t i = 0; i < COUNT(folders); i++) {
        AUTO(char_p) char *path = mem_printf("%s/%s", h->dir, folders[i]);
        if (fs_mkdirs(path, 0700, &err) < 0)
            return -1;
    }
    AUTO(char_p) char *work = mem_printf("%s/work", h->dir);
    h->root = open(work, O_RDONLY | O_DIRECTORY);
    put(h, "secret", "not yours");
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    struct here *h = *state;
    struct err err = ERR_INIT;

    close(h->root);
    fs_remove_tree(h->dir, &err);
    mem_free(h);
    return 0;
}

static int stage(const struct here *h, const char *file, int64_t max, char **ret_path, struct err *err)
{
    AUTO(char_p) char *tmp = mem_printf("%s/tmp", h->dir);
    char sha[SHA256_HEX_SIZE];
    int64_t size;

    return blob_stage(h->root, file, tmp, max, ret_path, sha, &size, err);
}

static void test_a_file_is_copied_and_hashed(void **state)
{
    struct here *h = *state;
    struct err err = ERR_INIT;
    AUTO(char_p) char *tmp = mem_printf("%s/tmp", h->dir);
    AUTO(char_p) char *path = NULL;
    char sha[SHA256_HEX_SIZE], want[SHA256_HEX_SIZE];
    int64_t size;

    put(h, "work/target/app", "binary");
    assert_int_equal(blob_stage(h->root, "target/app", tmp, 100, &path, sha, &size, &err), 0);
    hash_bytes("binary", 6, want);
    assert_string_equal(sha, want);
    assert_int_equal(size, 6);
    AUTO(char_p) char *blob = path_blob(h->dir, sha);
    assert_int_equal(blob_keep(path, blob, &err), 0);
    assert_int_equal(access(blob, R_OK), 0);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_nothing_but_files_beneath(void **state)
{
    struct here *h = *state;
    struct err err = ERR_INIT;
    char *path = NULL;

    assert_int_equal(symlinkat("../../secret", h->root, "target/link"), 0);
    assert_int_equal(symlinkat("/etc", h->root, "etc"), 0);
    assert_int_equal(mkfifoat(h->root, "target/fifo", 0600), 0);
    assert_int_equal(mkdirat(h->root, "target/dir", 0700), 0);
    assert_int_equal(stage(h, "target/none", 100, &path, &err), BLOB_ABSENT);
    assert_int_equal(stage(h, "target/link", 100, &path, &err), -1);
    assert_int_equal(err.kind, ERR_BAD_SOURCE);
    assert_int_equal(stage(h, "etc/passwd", 100, &path, &err), -1);
    assert_int_equal(stage(h, "../secret", 100, &path, &err), -1);
    assert_int_equal(stage(h, "target/fifo", 100, &path, &err), -1); /* and does not hang */
    assert_int_equal(stage(h, "target/dir", 100, &path, &err), -1);
    assert_null(path);
}

static void test_the_limit_holds(void **state)
{
    struct here *h = *state;
    struct err err = ERR_INIT;
    char *path = NULL;

    put(h, "work/target/big", "0123456789");
    assert_int_equal(stage(h, "target/big", 9, &path, &err), -1);
    assert_int_equal(err.kind, ERR_OUTPUT_TOO_LARGE);
    assert_null(path);
    /* Nothing of it is left. */
    AUTO(char_p) char *tmp = mem_printf("%s/tmp", h->dir);
    assert_int_equal(rmdir(tmp), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_file_is_copied_and_hashed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_but_files_beneath, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_limit_holds, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
