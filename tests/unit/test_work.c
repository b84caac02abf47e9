/* test_work.c - a work folder's parts are made anew, whatever the build put in their place. */
#include "base/fs.h"
#include "workers/work.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char dir[32]; /* holds the work folder, and a file of somebody else's */
    struct work work;
};

static char *in(const struct place *p, const char *path)
{
    return mem_printf("%s/%s", p->dir, path);
}

static void put_file(const struct place *p, const char *path)
{
    AUTO(char_p) char *file = in(p, path);
    struct err err = ERR_INIT;

    if (fs_write(file, "x", 1, 0644, &err) < 0)
        fail_msg("%s", err.msg);
}

/* What it is, links not followed; 0: nothing. */
static mode_t kind(const struct place *p, const char *path)
{
    AUTO(char_p) char *file = in(p, path);
    struct stat st;

    return lstat(file, &st) < 0 ? 0 : st.st_mode & S_IFMT;
}

static int setup(void **state)
{
    struct place *p = mem_alloc(sizeof *p);
    struct err err = ERR_INIT;

    memcpy(p->dir, "/tmp/test_work.XXXXXX", sizeof "/tmp/test_work.XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    AUTO(char_p) char *dir = in(p, "work");
    if (work_make(dir, WORK_PLAIN, 1 << 20, 1000, getuid(), &p->work, &err) < 0)
        fail_msg("%s", err.msg);
    put_file(p, "other");
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    struct err err = ERR_INIT;

    assert_int_equal(work_remove(&p->work, &err), 0);
    assert_int_equal(fs_remove_tree(p->dir, &err), 0);
    mem_free(p);
    return 0;
}

static void fresh(struct place *p, const char *folder)
{
    AUTO(char_p) char *path = mem_printf("work/fs/%s", folder);
    AUTO(char_p) char *full = in(p, path);
    struct err err = ERR_INIT;
    struct stat st;

    if (work_fresh(&p->work, folder, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(kind(p, path), S_IFDIR);
    assert_int_equal(stat(full, &st), 0);
    assert_int_equal(st.st_uid, getuid());
    assert_int_equal(rmdir(full), 0); /* it is empty */
    assert_int_equal(mkdir(full, 0755), 0);
}

static void test_fresh(void **state)
{
    struct place *p = *state;
    AUTO(char_p) char *tmp = in(p, "work/fs/tmp"), *home = in(p, "work/fs/home"), *other = in(p, "other");
    AUTO(char_p) char *deep = in(p, "work/fs/out/a");

    fresh(p, "out"); /* it was not there */
    assert_int_equal(mkdir(deep, 0700), 0);
    put_file(p, "work/fs/out/a/b");
    fresh(p, "out");

    /* A link in its place would be followed by the Engine, as root, when it mounts the folder. */
    assert_int_equal(rmdir(tmp), 0);
    assert_int_equal(symlink(p->dir, tmp), 0);
    fresh(p, "tmp");
    assert_int_equal(rmdir(home), 0);
    assert_int_equal(symlink(other, home), 0);
    fresh(p, "home");
    assert_int_equal(kind(p, "other"), S_IFREG);

    assert_int_equal(rmdir(home), 0);
    put_file(p, "work/fs/home");
    fresh(p, "home");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_fresh, setup, teardown)};

    return cmocka_run_group_tests_name("work", tests, NULL, NULL);
}
