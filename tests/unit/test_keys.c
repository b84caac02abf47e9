/* test_keys.c - see workers/keys.h: in a folder of its own. */
#include "base/fs.h"
#include "workers/keys.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants the first above */
#include <cmocka.h>

static char state_dir[64];

static int setup(void **state)
{
    (void)state;
    snprintf(state_dir, sizeof state_dir, "/tmp/test-keys-XXXXXX");
    return mkdtemp(state_dir) ? 0 : -1;
}

static int teardown(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    return fs_remove_tree(state_dir, &err);
}

static char *path_of(const char *name)
{
    return mem_printf("%s/keys/%s", state_dir, name);
}

static int count_private(void)
{
    AUTO(char_p) char *dir = path_of("");
    DIR *d = opendir(dir);
    int n = 0;

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += strstr(e->d_name, ".pem") != NULL;
    closedir(d);
    return n;
}

/* The id of the key that signs, and that what it signs is good by what is published. */
static void current_id(char ret[SHA256_HEX_SIZE])
{
    AUTO(sign_key) struct sign_key *k = NULL;
    AUTO(json) cJSON *keys = NULL;
    unsigned char signature[SIGN_SIZE];
    struct sign_public p;
    struct err err = ERR_INIT;
    const cJSON *first;

    assert_int_equal(keys_current(state_dir, &k, &err), 0);
    assert_int_equal(keys_published(state_dir, &keys, &err), 0);
    first = cJSON_GetArrayItem(json_arr(keys, "keys"), 0);
    assert_true(json_bool(first, "current", false));
    const char *pem = json_str(first, "pem", "");
    assert_int_equal(sign_public_from_pem(pem, strlen(pem), &p, &err), 0);
    assert_string_equal(p.id, json_str(first, "kid", ""));
    assert_string_equal(p.id, sign_public(k)->id);
    sign_make(k, "x", 1, signature);
    assert_true(sign_holds(&p, "x", 1, signature));
    memcpy(ret, p.id, SHA256_HEX_SIZE);
}

static void the_first_key(void **state)
{
    char id[SHA256_HEX_SIZE], again[SHA256_HEX_SIZE];
    struct err err = ERR_INIT;
    struct stat st;
    bool made = false;

    (void)state;
    assert_int_equal(keys_prepare(state_dir, &made, &err), 0);
    assert_true(made);
    current_id(id);
    AUTO(char_p) char *dir = path_of("."), *name = mem_printf("%s.pem", id), *file = path_of(name);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    /* The next start has the same. */
    assert_int_equal(keys_prepare(state_dir, &made, &err), 0);
    assert_false(made);
    current_id(again);
    assert_string_equal(id, again);
    assert_int_equal(count_private(), 1);
}

static void a_rotation(void **state)
{
    char first[SHA256_HEX_SIZE], second[SHA256_HEX_SIZE];
    AUTO(json) cJSON *keys = NULL;
    struct err err = ERR_INIT;
    bool made;

    (void)state;
    assert_int_equal(keys_prepare(state_dir, &made, &err), 0);
    current_id(first);
    assert_int_equal(keys_rotate(state_dir, &err), 0);
    current_id(second);
    assert_string_not_equal(first, second);
    assert_int_equal(count_private(), 1);
    assert_int_equal(keys_published(state_dir, &keys, &err), 0);
    const cJSON *list = json_arr(keys, "keys"), *old = cJSON_GetArrayItem(list, 1);
    assert_int_equal(cJSON_GetArraySize(list), 2);
    assert_string_equal(json_str(old, "kid", ""), first);
    assert_false(json_bool(old, "current", true));
    assert_string_equal(json_str(old, "retired_at", ""), json_str(cJSON_GetArrayItem(list, 0), "created_at", "-"));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 0), "retired_at")));
    assert_int_equal(keys_prepare(state_dir, &made, &err), 0);
    assert_false(made);
}

/* Killed after the private half was written and before the list that names it was. */
static void a_rotation_that_was_cut_short(void **state)
{
    char id[SHA256_HEX_SIZE], after[SHA256_HEX_SIZE];
    AUTO(char_p)
    char *stray = path_of("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.pem");
    AUTO(char_p) char *mine = path_of("my-copy.pem");
    struct err err = ERR_INIT;
    bool made;

    (void)state;
    assert_int_equal(keys_prepare(state_dir, &made, &err), 0);
    current_id(id);
    assert_int_equal(fs_write(stray, "x", 1, 0600, &err), 0);
    assert_int_equal(fs_write(mine, "x", 1, 0600, &err), 0);
    current_id(after);
    assert_string_equal(id, after);
    assert_int_equal(keys_prepare(state_dir, &made, &err), 0);
    assert_false(made);
    assert_int_equal(access(stray, F_OK), -1);
    assert_int_equal(access(mine, F_OK), 0); /* the operator's own */
}

/* A backup without the secret: what was signed before can still be checked. */
static void without_its_private_half(void **state)
{
    char first[SHA256_HEX_SIZE], second[SHA256_HEX_SIZE];
    AUTO(sign_key) struct sign_key *k = NULL;
    AUTO(json) cJSON *keys = NULL;
    struct err err = ERR_INIT;
    bool made;

    (void)state;
    assert_int_equal(keys_prepare(state_dir, &made, &err), 0);
    current_id(first);
    AUTO(char_p) char *name = mem_printf("%s.pem", first), *file = path_of(name);
    unlink(file);
    assert_int_equal(keys_current(state_dir, &k, &err), -1);
    assert_int_equal(err.kind, ERR_ENGINE);
    assert_int_equal(keys_prepare(state_dir, &made, &err), 0);
    assert_true(made);
    current_id(second);
    assert_string_not_equal(first, second);
    assert_int_equal(keys_published(state_dir, &keys, &err), 0);
    assert_string_equal(json_str(cJSON_GetArrayItem(json_arr(keys, "keys"), 1), "kid", ""), first);
}

static void what_cannot_be_used(void **state)
{
    char id[SHA256_HEX_SIZE];
    AUTO(char_p) char *list = path_of("public.json");
    AUTO(sign_key) struct sign_key *k = NULL, *other = sign_new();
    AUTO(json) cJSON *keys = NULL;
    struct buf pem = {0};
    struct err err = ERR_INIT;
    bool made;

    (void)state;
    assert_int_equal(keys_prepare(state_dir, &made, &err), 0);
    current_id(id);
    AUTO(char_p) char *name = mem_printf("%s.pem", id), *file = path_of(name);

    chmod(file, 0640);
    assert_int_equal(keys_prepare(state_dir, &made, &err), -1);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.hint, "chmod 600"));
    assert_int_equal(keys_current(state_dir, &k, &err), -1);
    chmod(file, 0600);

    sign_put_pem(other, &pem);
    assert_int_equal(fs_write(file, pem.p, pem.len, 0600, &err), 0);
    sign_wipe(&pem);
    assert_int_equal(keys_prepare(state_dir, &made, &err), -1);
    assert_non_null(strstr(err.msg, "another one"));
    assert_non_null(strstr(err.hint, "rotate"));
    assert_int_equal(fs_write(file, "no key", 6, 0600, &err), 0);
    assert_int_equal(keys_prepare(state_dir, &made, &err), -1);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    /* The way out that the hint names. */
    assert_int_equal(keys_rotate(state_dir, &err), 0);
    assert_int_equal(keys_prepare(state_dir, &made, &err), 0);

    static const char *const lists[] = {"", "{}", "{\"keys\":[]}", "{\"keys\":[{\"x\":\"AAAA\"}]}", "{\"keys\":[7]}"};
    for (size_t i = 0; i < COUNT(lists); i++) {
        assert_int_equal(fs_write(list, lists[i], strlen(lists[i]), 0600, &err), 0);
        assert_int_equal(keys_prepare(state_dir, &made, &err), -1);
        assert_int_equal(err.kind, ERR_UNAVAILABLE);
        assert_int_equal(keys_current(state_dir, &k, &err), -1);
        assert_int_equal(keys_published(state_dir, &keys, &err), -1);
        assert_int_equal(err.kind, ERR_ENGINE);
    }
}

static void before_the_first_start(void **state)
{
    AUTO(json) cJSON *keys = NULL;
    AUTO(sign_key) struct sign_key *k = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(keys_published(state_dir, &keys, &err), 0);
    assert_int_equal(cJSON_GetArraySize(json_arr(keys, "keys")), 0);
    assert_int_equal(keys_current(state_dir, &k, &err), -1);
    assert_int_equal(keys_rotate("/nonexistent/state", &err), -1);
    assert_int_equal(err.sys, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_key, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rotation_that_was_cut_short, setup, teardown),
        cmocka_unit_test_setup_teardown(without_its_private_half, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_used, setup, teardown),
        cmocka_unit_test_setup_teardown(before_the_first_start, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
