/*
 * test_parts.c - the name of an image covers all that makes it, and nothing else.
 */
#include "base/fs.h"
#include "base/tar.h"
#include "workers/parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];
static struct err err;

static void put(const char *name, const char *text)
{
    AUTO(char_p) char *path = mem_printf("%s/%s", root, name);
    AUTO(char_p) char *dir = mem_strdup(path);

    *strrchr(dir, '/') = '\0';
    assert_int_equal(fs_mkdirs(dir, 0755, &err), 0);
    assert_int_equal(fs_write(path, text, strlen(text), 0644, &err), 0);
}

#define PINS(version, other)                                                                                           \
    "{\"toolchains\":[{\"name\":\"new\",\"origins\":[{\"origin\":\"dist\",\"implemented\":false,\"path\":\"" other     \
    "\"},{\"origin\":\"debian\",\"implemented\":true,\"version\":\"" version "\"}]},"                                  \
    "{\"name\":\"old\",\"origins\":[{\"origin\":\"dist\",\"implemented\":false}]}]}"

static int set_up(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/test_parts.XXXXXX");
    assert_non_null(mkdtemp(root));
    put("docker/images/base/build", "base");
    put("docker/images/toolchain/Dockerfile", "FROM base");
    put("docker/images/trial-x/Dockerfile", "FROM base");
    put("docker/toolchains.json", PINS("1.0", "a"));
    put("profiles/p/Dockerfile", "FROM toolchain");
    put("profiles/p/link/a.c", "int a;");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return fs_remove_tree(root, &err);
}

/* "BASE TOOLCHAIN PROFILE TRIAL" as tags; the caller owns it. */
static char *tags(const char *pin, const char *trial, int *ret)
{
    AUTO(json) cJSON *json = cJSON_CreateObject();
    AUTO(char_p) char *dir = mem_printf("%s/profiles/p", root);
    struct profile p = {.name = "p", .toolchain = pin, .dir = dir, .json = json};
    struct parts parts;

    cJSON_AddStringToObject(cJSON_AddObjectToObject(json, "trial"), "image", trial);
    *ret = parts_of_profile(root, &p, &parts, &err);
    if (*ret < 0)
        return NULL;
    char *text = mem_printf("%s %s %s %s", parts.base.tag, parts.toolchain.tag, parts.profile.tag, parts.trial.tag);
    assert_string_equal(parts.origin, "debian");
    parts_free(&parts);
    return text;
}

/* Which of the four tags differ between two lists: "b", "tp", ... */
static void assert_changed(const char *before, const char *after, const char *expect)
{
    char got[8] = "", a[4][80], b[4][80];

    assert_int_equal(sscanf(before, "%79s %79s %79s %79s", a[0], a[1], a[2], a[3]), 4);
    assert_int_equal(sscanf(after, "%79s %79s %79s %79s", b[0], b[1], b[2], b[3]), 4);
    for (int i = 0, n = 0; i < 4; i++) {
        if (strcmp(a[i], b[i]) != 0)
            got[n++] = "btpx"[i];
    }
    assert_string_equal(got, expect);
}

static void test_change(const char *name, const char *text, const char *expect)
{
    int r;
    AUTO(char_p) char *before = tags("new", "trial-x", &r);
    if (text) {
        put(name, text);
    } else {
        AUTO(char_p) char *path = mem_printf("%s/%s", root, name);
        assert_int_equal(chmod(path, 0755), 0);
    }
    AUTO(char_p) char *after = tags("new", "trial-x", &r);
    assert_changed(before, after, expect);
}

static void test_names(void **state)
{
    (void)state;
    test_change("docker/images/base/build", "base", "");
    test_change("profiles/p/Dockerfile", "FROM other", "p");
    test_change("profiles/p/link/a.c", "int b;", "p");
    test_change("profiles/p/link/b.c", "", "p");
    test_change("profiles/p/link/b.c", NULL, "p"); /* it became executable */
    test_change("docker/images/trial-x/Dockerfile", "FROM base again", "x");
    test_change("docker/images/toolchain/build-std", "new", "tp");
    test_change("docker/toolchains.json", PINS("1.1", "a"), "tp");
    test_change("docker/toolchains.json", PINS("1.1", "b"), ""); /* an origin that is not used */
    test_change("docker/images/base/build", "base 2", "btpx");
}

static void test_refusals(void **state)
{
    (void)state;
    int r;
    tags("none", "trial-x", &r);
    assert_int_equal(r, -1);
    assert_int_equal(err.kind, ERR_TOOLCHAIN_MISSING);
    tags("old", "trial-x", &r);
    assert_int_equal(r, -1);
    assert_int_equal(err.kind, ERR_TOOLCHAIN_MISSING);
    assert_true(err.hint[0] != '\0');
    tags("new", "../base", &r);
    assert_int_equal(r, -1);
    tags("new", "trial-y", &r);
    assert_int_equal(r, -1);

    AUTO(char_p) char *link_name = mem_printf("%s/profiles/p/passwd", root);
    assert_int_equal(symlink("/etc/passwd", link_name), 0);
    tags("new", "trial-x", &r);
    assert_int_equal(r, -1);
    unlink(link_name);
}

static void test_context(void **state)
{
    (void)state;
    struct parts parts;
    struct tar_reader *reader = NULL;
    struct tar_entry entry;

    assert_int_equal(parts_of_trial(root, "trial-x", &parts, &err), 0);
    int fd = parts_context(&parts.trial, &err);
    assert_true(fd >= 0);
    assert_int_equal(tar_reader_open(fd, &reader, &err), 0);
    assert_int_equal(tar_next(reader, &entry, &err), 0);
    assert_string_equal(entry.path, "Dockerfile");
    assert_int_equal(entry.mode & 0777, 0644);
    assert_int_equal(tar_next(reader, &entry, &err), TAR_END);
    tar_reader_free(reader);
    close(fd);
    parts_free(&parts);

    assert_int_equal(parts_of_trial(root, "empty", &parts, &err), 0);
    assert_null(parts.trial.dir);
    fd = parts_context(&parts.trial, &err);
    assert_true(fd >= 0);
    close(fd);
    parts_free(&parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_context, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
