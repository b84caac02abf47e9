/* test_fs.c - files and folders: fs.h, on a real file system. */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
    const char *base = getenv("TMPDIR");
    char *dir = mem_printf("%s/test_fs.XXXXXX", base ? base : "/tmp");

    *state = dir;
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    struct err err = ERR_INIT;
    int r = fs_remove_tree(*state, &err);

    if (r < 0)
        fprintf(stderr, "%s\n", err.msg);
    free(*state);
    return r;
}

static void put(const char *dir, const char *name)
{
    struct err err = ERR_INIT;
    AUTO(char_p) char *path = mem_printf("%s/%s", dir, name);

    assert_int_equal(fs_write(path, name, strlen(name), 0644, &err), 0);
}

static void test_mkdirs(void **state)
{
    struct err err = ERR_INIT;
    struct stat st;
    AUTO(char_p) char *path = mem_printf("%s//a/b/c/", (char *)*state);

    assert_int_equal(fs_mkdirs(path, 0755, &err), 0);
    assert_int_equal(fs_mkdirs(path, 0755, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    put(*state, "file");
    AUTO(char_p) char *below = mem_printf("%s/file/x", (char *)*state), *on = mem_printf("%s/file", (char *)*state);
    assert_int_equal(fs_mkdirs(below, 0755, &err), -1);
    assert_int_equal(err.sys, ENOTDIR);
    assert_int_equal(fs_mkdirs(on, 0755, &err), -1);
    assert_int_equal(err.sys, ENOTDIR);
}

static void test_read_write(void **state)
{
    struct err err = ERR_INIT;
    AUTO(char_p) char *path = mem_printf("%s/f", (char *)*state);
    AUTO(buf) struct buf b = {0};
    struct stat st;

    assert_int_equal(fs_read(path, 100, &b, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(fs_write(path, "first", 5, 0600, &err), 0);
    assert_int_equal(fs_write(path, "second one", 10, 0640, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(fs_read(path, 9, &b, &err), -1);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    assert_null(b.p);
    assert_int_equal(fs_read(path, 10, &b, &err), 0);
    assert_int_equal(b.len, 10);
    assert_string_equal(b.p, "second one");

    AUTO(char_p) char *missing = mem_printf("%s/no/f", (char *)*state);
    assert_int_equal(fs_write(missing, "", 0, 0600, &err), -1);
    assert_int_equal(err.sys, ENOENT);
}

static void test_remove_leaves_targets_of_links(void **state)
{
    struct err err = ERR_INIT;
    AUTO(char_p) char *keep = mem_printf("%s/keep", (char *)*state), *gone = mem_printf("%s/gone", (char *)*state);
    AUTO(char_p) char *link = mem_printf("%s/link", gone), *kept = mem_printf("%s/file", keep);
    AUTO(char_p) char *top = mem_printf("%s/top", (char *)*state), *top_slash = mem_printf("%s/", top);

    assert_int_equal(fs_mkdirs(keep, 0755, &err), 0);
    assert_int_equal(fs_mkdirs(gone, 0755, &err), 0);
    put(keep, "file");
    assert_int_equal(symlink("../keep", link), 0);
    assert_int_equal(fs_remove_tree(gone, &err), 0);
    assert_int_equal(access(gone, F_OK), -1);
    assert_int_equal(access(kept, F_OK), 0);

    /* A link as the root itself, also with a slash behind. */
    assert_int_equal(symlink("keep", top), 0);
    assert_int_equal(fs_remove_tree(top_slash, &err), 0);
    assert_int_equal(access(kept, F_OK), 0);
    assert_int_equal(access(top, F_OK), -1);

    assert_int_equal(fs_remove_tree(gone, &err), 0); /* what is not there */
    assert_int_equal(fs_remove_tree(kept, &err), 0); /* a file */
    assert_int_equal(access(kept, F_OK), -1);
}

/* Far deeper than PATH_MAX, than the descriptors that a process has, and each level with company. */
static void test_deep(void **state)
{
    enum { DEPTH = 3000 };
    struct err err = ERR_INIT;
    AUTO(char_p) char *top = mem_printf("%s/deep", (char *)*state);
    int64_t bytes, entries;
    int fd;

    assert_int_equal(mkdir(top, 0755), 0);
    fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < DEPTH; i++) {
        assert_int_equal(mkdirat(fd, "down", 0755), 0);
        assert_int_equal(mkdirat(fd, "beside", 0755), 0);
        int next = openat(fd, "down", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(fd);
        fd = next;
    }
    close(fd);
    assert_int_equal(fs_usage(top, &bytes, &entries, &err), 0);
    assert_int_equal(entries, 2 * DEPTH);
    assert_int_equal(fs_remove_tree(top, &err), 0);
    assert_int_equal(access(top, F_OK), -1);
}

static void test_wide(void **state)
{
    struct err err = ERR_INIT;
    AUTO(char_p) char *top = mem_printf("%s/wide", (char *)*state);
    int64_t bytes, entries;

    assert_int_equal(mkdir(top, 0755), 0);
    AUTO(fd) int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 3000; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d", i);
        if (i % 3 == 0) {
            assert_int_equal(mkdirat(fd, name, 0755), 0);
        } else {
            int f = openat(fd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
            assert_true(f >= 0);
            close(f);
        }
    }
    assert_int_equal(fs_usage(top, &bytes, &entries, &err), 0);
    assert_int_equal(entries, 3000);
    assert_int_equal(fs_remove_tree(top, &err), 0);
}

static void test_remove_closed_folders(void **state)
{
    struct err err = ERR_INIT;
    AUTO(char_p) char *top = mem_printf("%s/closed", (char *)*state), *sub = mem_printf("%s/sub/sub", top);
    AUTO(char_p) char *mid = mem_printf("%s/sub", top);

    assert_int_equal(fs_mkdirs(sub, 0755, &err), 0);
    put(sub, "f");
    assert_int_equal(chmod(sub, 0), 0);
    assert_int_equal(chmod(mid, 0), 0);
    assert_int_equal(chmod(top, 0), 0);
    assert_int_equal(fs_remove_tree(top, &err), 0);
    assert_int_equal(access(top, F_OK), -1);
}

/* The same device: only the mount tells them apart, and only openat2 sees that (valgrind has none). */
static bool can_tell_mounts(void)
{
    return geteuid() == 0 && (syscall(SYS_openat2, -1, "", NULL, 0) == 0 || errno != ENOSYS);
}

static void test_remove_stops_at_mounts(void **state)
{
    if (!can_tell_mounts())
        skip(); /* before anything is held: skip() jumps over cleanups */
    struct err err = ERR_INIT;
    AUTO(char_p) char *top = mem_printf("%s/m", (char *)*state), *mnt = mem_printf("%s/a/mnt", top);
    AUTO(char_p) char *keep = mem_printf("%s/other", (char *)*state), *kept = mem_printf("%s/file", keep);

    assert_int_equal(fs_mkdirs(mnt, 0755, &err), 0);
    assert_int_equal(fs_mkdirs(keep, 0755, &err), 0);
    put(keep, "file");
    if (mount(keep, mnt, "none", MS_BIND, "") < 0)
        return; /* root of a container */
    int r = fs_remove_tree(top, &err);
    int there = access(kept, F_OK);
    umount2(mnt, MNT_DETACH);
    assert_int_equal(r, -1);
    assert_int_equal(err.sys, EXDEV);
    assert_int_equal(there, 0);
    assert_int_equal(fs_remove_tree(top, &err), 0);
}

static void test_open_beneath(void **state)
{
    struct err err = ERR_INIT;
    AUTO(char_p) char *in = mem_printf("%s/in/sub", (char *)*state), *root = mem_printf("%s/in", (char *)*state);
    AUTO(char_p) char *link = mem_printf("%s/in/link", (char *)*state);

    assert_int_equal(fs_mkdirs(in, 0755, &err), 0);
    put(in, "f");
    put(*state, "outside");
    assert_int_equal(symlink("sub/f", link), 0);
    AUTO(fd) int dirfd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = fs_open_beneath(dirfd, "sub/f", O_RDONLY, 0);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);
    assert_int_equal(fs_open_beneath(dirfd, "../outside", O_RDONLY, 0), -EXDEV);
    assert_int_equal(fs_open_beneath(dirfd, "/etc/passwd", O_RDONLY, 0), -EXDEV);
    assert_int_equal(fs_open_beneath(dirfd, "link", O_RDONLY, 0), -ELOOP);
    assert_int_equal(fs_open_beneath(dirfd, "none", O_RDONLY, 0), -ENOENT);
    fd = fs_open_beneath(dirfd, "new", O_WRONLY | O_CREAT | O_EXCL, 0640);
    assert_true(fd >= 0);
    close(fd);
}

static void test_usage_shares_linked_files(void **state)
{
    struct err err = ERR_INIT;
    AUTO(char_p) char *a = mem_printf("%s/a", (char *)*state), *b = mem_printf("%s/b", (char *)*state);
    AUTO(char_p) char *data = mem_alloc(1 << 20);
    int64_t before, after, entries, free_bytes;

    memset(data, 'x', 1 << 20);
    assert_int_equal(fs_write(a, data, 1 << 20, 0644, &err), 0);
    assert_int_equal(fs_usage(*state, &before, &entries, &err), 0);
    assert_true(before >= 1 << 20);
    assert_int_equal(entries, 1);
    assert_int_equal(link(a, b), 0);
    assert_int_equal(fs_usage(*state, &after, &entries, &err), 0);
    assert_int_equal(entries, 2);
    assert_in_range(after, before - 512, before);
    assert_int_equal(fs_free_bytes(*state, &free_bytes, &err), 0);
    assert_true(free_bytes > 0);
    assert_int_equal(fs_usage(a, &before, &entries, &err), -1);
}

static void test_exe_dir(void **state)
{
    struct err err = ERR_INIT;
    AUTO(char_p) char *dir = NULL;

    (void)state;
    assert_int_equal(fs_exe_dir(&dir, &err), 0);
    assert_int_equal(dir[0], '/');
    assert_int_not_equal(dir[strlen(dir) - 1], '/');
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_mkdirs),
        TEST(test_read_write),
        TEST(test_remove_leaves_targets_of_links),
        TEST(test_deep),
        TEST(test_wide),
        TEST(test_remove_closed_folders),
        TEST(test_remove_stops_at_mounts),
        TEST(test_open_beneath),
        TEST(test_usage_shares_linked_files),
        TEST(test_exe_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
