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
#include <sys/mman.h>
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

#define ORIGIN(kind, image, more) "{\"origin\":\"" kind "\",\"image\":\"" image "\"," more "}"
#define PINS(version, hash, note)                                                                                            \
    "{\"toolchains\":[{\"name\":\"new\",\"origins\":[" ORIGIN("dist", "toolchain-dist", "\"path\":\"" hash "\"") "," ORIGIN( \
        "debian", "toolchain-debian",                                                                                        \
        "\"args\":{\"V\":\"" version "\"},\"note\":\"" note                                                                  \
        "\"") "]},"                                                                                                          \
              "{\"name\":\"1.43.1\",\"resolver\":\"new\",\"origins\":[" ORIGIN(                                              \
                  "dist", "toolchain-dist",                                                                                  \
                  "\"path\":\"old\"") "," ORIGIN("debian", "toolchain-debian",                                               \
                                                 "\"args\":{\"V\":\"1.48\"}") "]},"                                          \
                                                                              "{\"name\":\"nowhere\",\"origins\":"           \
                                                                              "[" ORIGIN(                                    \
                                                                                  "dist", "toolchain-dist",                  \
                                                                                  "\"path\":\"x\"") "]},"                    \
                                                                                                    "{\"name\":"             \
                                                                                                    "\"bad\","               \
                                                                                                    "\"origins\":"           \
                                                                                                    "[" ORIGIN(              \
                                                                                                        "debian",            \
                                                                                                        "../base",           \
                                                                                                        "\"path\":"          \
                                                                                                        "\"x\"") "]}]"       \
                                                                                                                 "}"

static struct images_config cfg = {
    .share_dir = root, .state_dir = root, .origins = "debian", .dist_server = "https://example.org", .dist_mirror = ""};

static int set_up(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/test_parts.XXXXXX");
    assert_non_null(mkdtemp(root));
    put("docker/images/base/build", "base");
    put("docker/images/tools/Dockerfile", "FROM base");
    put("docker/images/toolchain-debian/Dockerfile", "FROM tools");
    put("docker/images/toolchain-dist/Dockerfile", "FROM tools, too");
    put("docker/images/trial-x/Dockerfile", "FROM base");
    put("docker/toolchains.json", PINS("1.0", "a", "n"));
    put("profiles/p/Dockerfile", "FROM toolchain");
    put("profiles/p/link/a.c", "int a;");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return fs_remove_tree(root, &err);
}

static int get(const char *pin, const char *trial, unsigned alternative, const char *json_text_of, struct parts **ret)
{
    AUTO(json) cJSON *json = NULL;
    AUTO(char_p) char *dir = mem_printf("%s/profiles/p", root);

    assert_int_equal(json_parse(json_text_of, strlen(json_text_of), "test", &json, &err), 0);
    struct profile p = {.name = "p", .toolchain = pin, .dir = dir, .json = json};
    cJSON_AddStringToObject(cJSON_AddObjectToObject(json, "trial"), "image", trial);
    return parts_of_profile(&cfg, &p, alternative, ret, &err);
}

/* The first letters of the parts and 16 digits of their inputs: "b0123... t... t... p... t...". The caller owns it. */
static char *inputs(const char *pin, const char *trial, int *ret)
{
    AUTO(parts) struct parts *parts = NULL;
    AUTO(buf) struct buf b = {0};

    *ret = get(pin, trial, 0, "{}", &parts);
    if (*ret != 0)
        return NULL;
    for (size_t i = 0; i < parts->count; i++)
        buf_printf(&b, "%.16s ", parts->part[i].inputs);
    return buf_steal(&b);
}

/* Which of the five differ: base, tools, toolchain (c), profile, trial (x). */
static void test_change(const char *name, const char *text, const char *expect)
{
    char got[8] = "";
    int r, n = 0;
    AUTO(char_p) char *before = inputs("new", "trial-x", &r);
    if (text) {
        put(name, text);
    } else {
        AUTO(char_p) char *path = mem_printf("%s/%s", root, name);
        assert_int_equal(chmod(path, 0755), 0);
    }
    AUTO(char_p) char *after = inputs("new", "trial-x", &r);
    assert_int_equal(strlen(before), 5 * 17);
    assert_int_equal(strlen(after), 5 * 17);
    for (int i = 0; i < 5; i++)
        if (memcmp(before + 17 * i, after + 17 * i, 16) != 0)
            got[n++] = "btcpx"[i];
    assert_string_equal(got, expect);
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
    test_change("docker/images/tools/build-std", "new", "tcp");
    test_change("docker/images/toolchain-debian/Dockerfile", "new", "cp");
    test_change("docker/images/toolchain-dist/Dockerfile", "new", ""); /* an origin that is not used */
    test_change("docker/toolchains.json", PINS("1.1", "a", "n"), "cp");
    test_change("docker/toolchains.json", PINS("1.1", "b", "other words"), "");
    test_change("docker/images/base/build", "base 2", "btcpx");
}

/* The order of the setting decides; what it does not name is not there. */
static void test_alternatives(void **state)
{
    (void)state;
    static const struct {
        const char *origins, *pin, *expect;
    } cases[] = {
        {"dist,mirror,debian", "new", "dist debian"},
        {"debian, dist", "new", "debian dist"},
        {"debian", "new", "debian"},
        {"mirror,debian", "new", "debian"}, /* no mirror is set */
        {"dist,debian", "1.43.1", "dist/dist dist/debian debian/dist debian/debian"},
        {"dist,debian", "nowhere", "dist"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf) struct buf b = {0};
        cfg.origins = cases[i].origins;
        for (unsigned n = 0;; n++) {
            AUTO(parts) struct parts *parts = NULL;
            int r = get(cases[i].pin, "trial-x", n, "{}", &parts);
            if (r == PARTS_NO_MORE)
                break;
            assert_int_equal(r, 0);
            const struct part *own = parts->profile->parent, *below = own->parent;
            buf_printf(&b, "%s%s", n ? " " : "", json_str(own->origin, "origin", ""));
            if (below->kind == PART_TOOLCHAIN)
                buf_printf(&b, "/%s", json_str(below->origin, "origin", ""));
        }
        assert_string_equal(b.p, cases[i].expect);
    }
    cfg.origins = "debian";
}

/* The image is made of profile.json as it is, a job of what was read of it: another file is not the same profile. */
static void test_read_before(void **state)
{
    (void)state;
    AUTO(char_p) char *dir = mem_printf("%s/profiles", root);
    AUTO(parts) struct parts *parts = NULL, *again = NULL;
    const char *dirs[] = {dir, NULL};
    struct limits limits = LIMITS_DEFAULT;
    struct profiles *set = NULL;
    static const char text[] =
        "{\"name\":\"p\",\"title\":\"t\",\"target\":\"x\",\"toolchain\":\"new\",\"prefer\":[\"bin\"],"
        "\"outputs\":{\"bin\":\"{name}\"},\"artifact\":{\"kind\":\"elf\"},\"contract\":{\"host\":\"h\"}}";

    put("profiles/p/profile.json", text);
    assert_int_equal(profiles_load(dirs, &limits, &set, &err), 0);
    assert_int_equal(parts_of_profile(&cfg, profiles_find(set, "p"), 0, &parts, &err), 0);
    put("profiles/p/profile.json", "{}");
    assert_int_equal(parts_of_profile(&cfg, profiles_find(set, "p"), 0, &again, &err), -1);
    assert_int_equal(err.kind, ERR_TOOLCHAIN_MISSING);
    assert_non_null(strstr(err.hint, "kill -HUP"));
    profiles_unref(set);
}

/* A kit, and that there is none, are part of what a profile's image is; other profiles do not see it. */
static void test_kit(void **state)
{
    (void)state;
    AUTO(parts) struct parts *without = NULL, *wanting = NULL;

    assert_int_equal(get("new", "trial-x", 0, "{}", &without), 0);
    assert_int_equal(get("new", "trial-x", 0, "{\"kit\":{\"name\":\"k\"}}", &wanting), 0);
    assert_false(without->wants_kit);
    assert_true(wanting->wants_kit);
    assert_false(wanting->has_kit);
    assert_string_not_equal(without->profile->inputs, wanting->profile->inputs);
    assert_string_equal(without->profile->parent->inputs, wanting->profile->parent->inputs);
}

static void test_refusals(void **state)
{
    (void)state;
    int r;
    inputs("none", "trial-x", &r);
    assert_int_equal(r, -1);
    assert_int_equal(err.kind, ERR_TOOLCHAIN_MISSING);
    inputs("nowhere", "trial-x", &r);
    assert_int_equal(r, -1);
    assert_int_equal(err.kind, ERR_TOOLCHAIN_MISSING);
    assert_true(err.hint[0] != '\0');
    inputs("new", "../base", &r);
    assert_int_equal(r, -1);
    inputs("bad", "trial-x", &r);
    assert_int_equal(r, -1);
    assert_int_equal(err.kind, ERR_TOOLCHAIN_MISSING);
    inputs("new", "trial-y", &r);
    assert_int_equal(r, -1);

    AUTO(char_p) char *link_name = mem_printf("%s/profiles/p/passwd", root);
    assert_int_equal(symlink("/etc/passwd", link_name), 0);
    inputs("new", "trial-x", &r);
    assert_int_equal(r, -1);
    unlink(link_name);
}

/* The names in the context of a part, joined by blanks; the caller owns it. */
static char *context(const struct parts *parts, const struct part *p)
{
    AUTO(buf) struct buf b = {0};
    struct tar_writer *w = NULL;
    struct tar_reader *reader = NULL;
    struct tar_entry entry;
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_int_equal(tar_writer_open(fd, TAR_PLAIN, &w, &err), 0);
    assert_int_equal(parts_context(parts, p, w, &err), 0);
    assert_int_equal(tar_writer_finish(w, &err), 0);
    tar_writer_free(w);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(tar_reader_open(fd, &reader, &err), 0);
    while (tar_next(reader, &entry, &err) == 0)
        buf_printf(&b, "%s:%o ", entry.path, (unsigned)entry.mode & 0777);
    tar_reader_free(reader);
    close(fd);
    return b.len ? buf_steal(&b) : mem_strdup("");
}

static void test_context(void **state)
{
    (void)state;
    AUTO(parts) struct parts *trial = NULL, *wanting = NULL, *plain = NULL;

    assert_int_equal(parts_of_trial(&cfg, "trial-x", &trial, &err), 0);
    AUTO(char_p) char *names = context(trial, trial->trial);
    assert_string_equal(names, "Dockerfile:644 ");
    assert_int_equal(get("new", "trial-x", 0, "{\"kit\":{\"name\":\"k\"}}", &wanting), 0);
    AUTO(char_p) char *kit = context(wanting, wanting->profile);
    assert_string_equal(kit, "Dockerfile:644 link/a.c:644 kit/.none:644 ");
    assert_int_equal(get("new", "empty", 0, "{}", &plain), 0);
    AUTO(char_p) char *none = context(plain, plain->profile);
    assert_string_equal(none, "Dockerfile:644 link/a.c:644 ");
    assert_null(plain->trial->dir);
    assert_null(plain->trial->parent);
}

static void test_words(void **state)
{
    (void)state;
    assert_true(parts_word("dist,mirror,debian", "mirror"));
    assert_true(parts_word(" debian , dist", "dist"));
    assert_false(parts_word("dist,mirrors", "mirror"));
    assert_false(parts_word("", "dist"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_alternatives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_read_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_context, set_up, tear_down),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
