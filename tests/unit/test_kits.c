/* test_kits.c - kit.json as its schema has it; archives checked, unpacked, replaced and removed. Run from the repository's
 * root; bloomery-unpack lies two folders above the test. */
#include "base/fs.h"
#include "base/json.h"
#include "base/tar.h"
#include "tests/unit/profile_kit.h"
#include "workers/kits.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { UID = 1879047000 /* somebody who has nothing here */ };

struct here {
    char dir[64];
    char *helpers, *state, *archive;
    char sha256[SHA256_HEX_SIZE];
    struct limits limits;
};

static int setup(void **state)
{
    static const struct limits limits = LIMITS_DEFAULT;
    struct here *h = mem_alloc(sizeof *h);
    AUTO(char_p) char *own = NULL;
    struct err err = ERR_INIT;

    snprintf(h->dir, sizeof h->dir, "/tmp/test-kits-XXXXXX");
    if (!mkdtemp(h->dir) || fs_exe_dir(&own, &err) < 0)
        return -1;
    h->helpers = mem_printf("%s/../..", own);
    h->state = mem_printf("%s/state", h->dir);
    h->archive = mem_printf("%s/kit.tar.gz", h->dir);
    h->limits = limits;
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    struct here *h = *state;
    struct err err = ERR_INIT;
    int r = fs_remove_tree(h->dir, &err);

    mem_free(h->helpers);
    mem_free(h->state);
    mem_free(h->archive);
    mem_free(h);
    return r;
}

/* --- archives --- */

struct entry {
    const char *name;
    const char *data;   /* or NULL */
    const char *target; /* of a link */
    mode_t mode;
};

/* JSON is written with ' for ". */
static void pack(struct here *h, const struct entry *entries)
{
    AUTO(fd) int fd = open(h->archive, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    struct tar_writer *w = NULL;
    struct err err = ERR_INIT;

    assert_true(fd >= 0);
    assert_int_equal(tar_writer_open(fd, TAR_GZIP, &w, &err), 0);
    for (; entries->name; entries++) {
        AUTO(char_p) char *data = mem_strdup(entries->data ? entries->data : "");
        for (char *p = data; *p; p++)
            *p = *p == '\'' ? '"' : *p;
        if (entries->target)
            assert_int_equal(tar_put_link(w, entries->name, entries->target, &err), 0);
        else
            assert_int_equal(
                tar_put_bytes(w, entries->name, entries->mode ? entries->mode : 0644, data, strlen(data), &err), 0);
    }
    assert_int_equal(tar_writer_finish(w, &err), 0);
    tar_writer_free(w);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(hash_fd(fd, h->sha256, &err), 0);
}

static int install(struct here *h, struct kit *ret, struct err *err)
{
    return kits_install(h->state, h->helpers, h->archive, h->sha256, &h->limits, UID, ret, err);
}

static void must_install(struct here *h, struct kit *ret)
{
    struct err err = ERR_INIT;

    if (install(h, ret, &err) != 0)
        fail_msg("%s", err.msg);
}

/* A kit of kit.json alone, put in place. */
static void install_json(struct here *h, const char *json, struct kit *ret)
{
    const struct entry entries[] = {{.name = "kit.json", .data = json}, {.name = NULL}};

    pack(h, entries);
    must_install(h, ret);
}

static size_t installed(const struct here *h)
{
    AUTO(kit_list) struct kit_list l = {0};
    struct err err = ERR_INIT;

    assert_int_equal(kits_list(h->state, &l, &err), 0);
    return l.count;
}

/* Refused, with these words; nothing is left of it. */
static void refused(struct here *h, enum err_kind kind, const char *words)
{
    AUTO(kit) struct kit k = {0};
    struct err err = ERR_INIT;
    AUTO(char_p) char *kits = mem_printf("%s/kits", h->state);
    int64_t bytes, entries;
    size_t before = installed(h);

    assert_int_equal(install(h, &k, &err), -1);
    if (!strstr(err.msg, words))
        fail_msg("'%s' is not in '%s'", words, err.msg);
    assert_string_equal(err_name(err.kind), err_name(kind));
    assert_null(k.json);
    assert_int_equal(installed(h), before);
    if (before == 0 && access(kits, F_OK) == 0) {
        assert_int_equal(fs_usage(kits, &bytes, &entries, &err), 0);
        assert_in_range(entries, 0, 1); /* the lock */
    }
}

static void pack_and_refuse(struct here *h, const struct entry *entries, const char *words)
{
    pack(h, entries);
    refused(h, ERR_BAD_REQUEST, words);
}

static mode_t mode_of(const struct kit *k, const char *name, uid_t *ret_uid)
{
    AUTO(char_p) char *path = mem_printf("%s/%s", k->dir, name);
    struct stat st;

    assert_int_equal(lstat(path, &st), 0);
    *ret_uid = st.st_uid;
    return S_ISLNK(st.st_mode) ? 0 : st.st_mode & 07777;
}

#define JSON_OF(name, version, profile) "{'name':'" name "','version':'" version "','profile':" profile "}"

/* --- kit.json and the schema --- */

static void test_cases(void **state)
{
    AUTO(json) cJSON *cases = kit_json("kits", "cases.json");
    const cJSON *c;
    int valid = 0, broken = 0;

    (void)state;
    cJSON_ArrayForEach(c, cases)
    {
        AUTO(char_p) char *text = json_text(cJSON_GetObjectItemCaseSensitive(c, "kit"));
        struct err err = ERR_INIT;
        int r = kit_json_check(cJSON_GetObjectItemCaseSensitive(c, "kit"), &err);
        bool wanted = json_bool(c, "valid", false);
        if ((r == 0) != wanted)
            fail_msg("%s: %s", text, r == 0 ? "accepted" : err.msg);
        const char *field = json_str(c, "field", "");
        if (r < 0 && strncmp(err.msg, field, strlen(field)) != 0)
            fail_msg("%s: %s", text, err.msg);
        valid += wanted;
        broken += !wanted;
    }
    assert_true(valid >= 3 && broken >= 30);
}

/* A field of the schema that C does not know, or one too many, and a required one that is not. */
static void test_schema_has_the_same_fields(void **state)
{
    AUTO(buf) struct buf text = {0};
    AUTO(json) cJSON *schema = NULL;
    const cJSON *v;
    struct err err = ERR_INIT;
    int fields = 0;

    (void)state;
    assert_int_equal(fs_read("schema/kit.schema.json", 1 << 20, &text, &err), 0);
    assert_int_equal(json_parse(text.p, text.len, "schema", &schema, &err), 0);
    assert_false(json_bool(schema, "additionalProperties", true));
    cJSON_ArrayForEach(v, json_obj(schema, "properties"))
    {
        AUTO(json) cJSON *kit = kit_quoted(JSON_OF("a", "1", "'x'"));
        cJSON_DeleteItemFromObjectCaseSensitive(kit, v->string);
        cJSON_AddNumberToObject(kit, v->string, 1);
        assert_int_equal(kit_json_check(kit, &err), -1);
        if (!strstr(err.msg, "must be"))
            fail_msg("%s: %s", v->string, err.msg);
        assert_non_null(json_str(v, "description", NULL));
        fields++;
    }
    cJSON_ArrayForEach(v, json_arr(schema, "required"))
    {
        AUTO(json) cJSON *kit = kit_quoted(JSON_OF("a", "1", "'x'"));
        cJSON_DeleteItemFromObjectCaseSensitive(kit, v->valuestring);
        assert_int_equal(kit_json_check(kit, &err), -1);
        assert_non_null(strstr(err.msg, "is missing"));
    }
    assert_int_equal(fields, 10);
    AUTO(json) cJSON *twice = kit_quoted("{'name':'a','name':'a','version':'1','profile':'x'}");
    assert_int_equal(kit_json_check(twice, &err), -1);
    assert_non_null(strstr(err.msg, "twice"));
}

static void test_lists_are_bounded(void **state)
{
    AUTO(json) cJSON *kit = kit_quoted(JSON_OF("a", "1", "'x'"));
    cJSON *list = cJSON_AddArrayToObject(kit, "wanted_exports");
    struct err err = ERR_INIT;

    (void)state;
    for (int i = 0; i < 100000; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString("f"));
    assert_int_equal(kit_json_check(kit, &err), 0);
    cJSON_AddItemToArray(list, cJSON_CreateString("f"));
    assert_int_equal(kit_json_check(kit, &err), -1);
    assert_non_null(strstr(err.msg, "more than 100000"));
    AUTO(char_p) char *title = mem_alloc(202);
    memset(title, 'x', 201);
    AUTO(json) cJSON *titled = kit_quoted(JSON_OF("a", "1", "'x'"));
    cJSON_AddStringToObject(titled, "title", title);
    assert_int_equal(kit_json_check(titled, &err), -1);
    title[200] = '\0';
    cJSON_ReplaceItemInObjectCaseSensitive(titled, "title", cJSON_CreateString(title));
    assert_int_equal(kit_json_check(titled, &err), 0);
}

/* --- installing --- */

static void test_all_of_it(void **state)
{
    struct here *h = *state;
    static const struct entry entries[] = {
        {.name = "top/kit.json",
         .data = "{'name':'whole','version':'1.0','profile':['p','q'],'title':'All','link':'bin/link',"
                 "'allowed_undefined':['a_*'],'allowed_undefined_files':['abi/one','abi/two']}"},
        {.name = "top/bin/link", .data = "#!/bin/sh\n", .mode = 0755},
        {.name = "top/abi/one", .data = "# of us\n\nmalloc T\nenviron B 8\n  free\tT\r\n"},
        {.name = "top/abi/two", .target = "../lib/two"},
        {.name = "top/lib/two", .data = "sin"},
        {.name = "top/.cargo/config.toml", .data = "[build]\n"},
        {.name = "top/target/CACHEDIR.TAG", .data = "not cargo's\n"},
        {.name = NULL},
    };
    AUTO(kit) struct kit k = {0};
    struct err err = ERR_INIT;
    uid_t uid;

    pack(h, entries);
    must_install(h, &k);
    assert_string_equal(k.name, "whole");
    assert_string_equal(k.version, "1.0");
    assert_string_equal(k.link, "bin/link");
    assert_string_equal(k.sha256, h->sha256);
    AUTO(char_p) char *dir = mem_printf("%s/kits/%s", h->state, h->sha256), *profiles = kit_profiles(&k);
    assert_string_equal(k.dir, dir);
    assert_string_equal(profiles, "p, q");
    assert_true(kit_serves(&k, "p") && kit_serves(&k, "q") && !kit_serves(&k, "p, q"));
    /* The files' symbols have joined the list. */
    AUTO(char_p) char *list = json_text(json_arr(k.json, "allowed_undefined"));
    assert_string_equal(list, "[\"a_*\",\"malloc\",\"environ\",\"free\",\"sin\"]");
    /* Read-only, ours, executables kept, links kept; nothing of it is cargo's. */
    assert_int_equal(mode_of(&k, "", &uid), 0555);
    assert_int_equal(uid, geteuid());
    assert_int_equal(mode_of(&k, "bin", &uid), 0555);
    assert_int_equal(uid, geteuid());
    assert_int_equal(mode_of(&k, "bin/link", &uid), 0555);
    assert_int_equal(uid, geteuid());
    assert_int_equal(mode_of(&k, "abi/one", &uid), 0444);
    assert_int_equal(mode_of(&k, "abi/two", &uid), 0);
    assert_int_equal(uid, geteuid());
    assert_int_equal(mode_of(&k, ".cargo/config.toml", &uid), 0444);
    assert_int_equal(mode_of(&k, "target/CACHEDIR.TAG", &uid), 0444);
    /* It is found for both of its profiles, and for no other. */
    AUTO(kit) struct kit p = {0};
    AUTO(kit) struct kit q = {0};
    AUTO(kit) struct kit none = {0};
    assert_int_equal(kits_find(h->state, "p", &p, &err), 0);
    assert_int_equal(kits_find(h->state, "q", &q, &err), 0);
    assert_string_equal(q.sha256, h->sha256);
    assert_int_equal(kits_find(h->state, "r", &none, &err), 1);
    assert_null(none.json);
    /* Once more is no harm. */
    AUTO(kit) struct kit again = {0};
    assert_int_equal(install(h, &again, &err), KITS_THERE);
    assert_string_equal(again.name, "whole");
    assert_int_equal(installed(h), 1);
}

static void test_no_state_yet(void **state)
{
    struct here *h = *state;
    AUTO(kit) struct kit k = {0};
    struct err err = ERR_INIT;

    assert_int_equal(installed(h), 0);
    assert_int_equal(kits_find(h->state, "p", &k, &err), 1);
    assert_int_equal(kits_remove(h->state, "p", &k, &err), 1);
    assert_int_equal(access(h->state, F_OK), -1);
}

static void test_wrong_hash(void **state)
{
    struct here *h = *state;
    static const struct entry entries[] = {{.name = "kit.json", .data = JSON_OF("a", "1", "'x'")}, {.name = NULL}};
    char right[SHA256_HEX_SIZE];

    pack(h, entries);
    memcpy(right, h->sha256, sizeof right);
    h->sha256[5] = h->sha256[5] == '0' ? '1' : '0';
    AUTO(char_p) char *words = mem_printf("kit.tar.gz has sha256 %s, expected %s", right, h->sha256);
    refused(h, ERR_BAD_REQUEST, words);
    h->sha256[63] = '\0';
    refused(h, ERR_BAD_REQUEST, "64 digits");
    /* Cut on its way. */
    memcpy(h->sha256, right, sizeof right);
    assert_int_equal(truncate(h->archive, 40), 0);
    refused(h, ERR_BAD_REQUEST, "expected");
    assert_int_equal(unlink(h->archive), 0);
    refused(h, ERR_BAD_REQUEST, "cannot open");
    assert_int_equal(mkfifo(h->archive, 0644), 0);
    refused(h, ERR_BAD_REQUEST, "not a file");
}

static void test_not_a_kit(void **state)
{
    struct here *h = *state;
    static const struct entry none[] = {{.name = "readme", .data = "x"}, {.name = NULL}};
    static const struct entry deep[] = {{.name = "a/b/kit.json", .data = "{}"}, {.name = NULL}};
    static const struct entry two[] = {
        {.name = "a/kit.json", .data = "{}"}, {.name = "b/file", .data = "x"}, {.name = NULL}};
    static const struct entry link[] = {
        {.name = "k", .data = "{}"}, {.name = "kit.json", .target = "k"}, {.name = NULL}};
    static const struct entry text[] = {{.name = "kit.json", .data = "name = a"}, {.name = NULL}};
    static const struct entry nul[] = {{.name = "kit.json", .data = JSON_OF("a\\u0000b", "1", "'x'")}, {.name = NULL}};
    static const struct entry latin[] = {
        {.name = "kit.json", .data = "{'title':'\xe4','name':'a','version':'1','profile':'x'}"}, {.name = NULL}};
    static const struct entry field[] = {
        {.name = "kit.json", .data = "{'name':'a','version':'1','profile':'x','lnk':'b'}"}, {.name = NULL}};
    struct err err = ERR_INIT;

    pack_and_refuse(h, none, "no kit.json at the root");
    pack_and_refuse(h, deep, "no kit.json at the root");
    pack_and_refuse(h, two, "no kit.json at the root");
    pack_and_refuse(h, link, "no kit.json at the root");
    pack_and_refuse(h, text, "not JSON");
    pack_and_refuse(h, nul, "NUL");
    pack_and_refuse(h, latin, "not UTF-8");
    pack_and_refuse(h, field, "kit.json: lnk is not known");
    assert_int_equal(fs_write(h->archive, "no archive", 10, 0644, &err), 0);
    hash_bytes("no archive", 10, h->sha256);
    refused(h, ERR_BAD_REQUEST, "");
}

static void test_files_that_kit_json_names(void **state)
{
    struct here *h = *state;
    static const char link_json[] = "{'name':'a','version':'1','profile':'x','link':'bin/link'}";
    static const char abi_json[] = "{'name':'a','version':'1','profile':'x','allowed_undefined_files':['abi']}";
    static const struct entry no_link[] = {{.name = "kit.json", .data = link_json}, {.name = NULL}};
    static const struct entry folder[] = {
        {.name = "kit.json", .data = link_json}, {.name = "bin/link/x", .data = "x"}, {.name = NULL}};
    static const struct entry not_executable[] = {
        {.name = "kit.json", .data = link_json}, {.name = "bin/link", .data = "x"}, {.name = NULL}};
    static const struct entry no_abi[] = {{.name = "kit.json", .data = abi_json}, {.name = NULL}};
    static const struct entry empty_abi[] = {
        {.name = "kit.json", .data = abi_json}, {.name = "abi", .data = "# none\n\n"}, {.name = NULL}};
    static const struct entry broken_abi[] = {
        {.name = "kit.json", .data = abi_json}, {.name = "abi", .data = "a\nb\na*b T\n"}, {.name = NULL}};

    pack_and_refuse(h, no_link, "there is no file bin/link in the kit");
    pack_and_refuse(h, folder, "there is no file bin/link in the kit");
    pack_and_refuse(h, not_executable, "bin/link is not executable");
    pack_and_refuse(h, no_abi, "there is no file abi in the kit");
    pack_and_refuse(h, empty_abi, "abi names no symbol");
    pack_and_refuse(h, broken_abi, "abi, line 3 is not a symbol");
}

static void test_paths_outside(void **state)
{
    struct here *h = *state;
    static const char json[] = JSON_OF("a", "1", "'x'");
    static const struct entry up[] = {
        {.name = "kit.json", .data = json}, {.name = "../evil", .data = "x"}, {.name = NULL}};
    static const struct entry absolute[] = {
        {.name = "kit.json", .data = json}, {.name = "sysroot", .target = "/usr"}, {.name = NULL}};
    static const struct entry leaving[] = {
        {.name = "kit.json", .data = json}, {.name = "lib/up", .target = "../../x"}, {.name = NULL}};
    static const struct entry through[] = {{.name = "kit.json", .data = json},
                                           {.name = "lib", .target = "bin"},
                                           {.name = "lib/x", .data = "x"},
                                           {.name = NULL}};

    pack_and_refuse(h, up, "'..'");
    pack_and_refuse(h, absolute, "absolute");
    pack_and_refuse(h, leaving, "symbolic link that leaves");
    pack_and_refuse(h, through, "beneath a symbolic link");
}

static void test_limits(void **state)
{
    struct here *h = *state;
    static const struct entry entries[] = {{.name = "kit.json", .data = JSON_OF("a", "1", "'x'")},
                                           {.name = "b", .data = "0123456789"},
                                           {.name = "c", .data = "0123456789"},
                                           {.name = NULL}};
    AUTO(kit) struct kit k = {0};

    pack(h, entries);
    h->limits.max_files = 2;
    refused(h, ERR_TOO_LARGE, "max_files");
    h->limits.max_files = 3;
    h->limits.max_unpacked_bytes = 15;
    refused(h, ERR_TOO_LARGE, "max_unpacked_bytes");
    h->limits.max_unpacked_bytes = 1 << 20;
    h->limits.max_body_bytes = 20;
    refused(h, ERR_TOO_LARGE, "max_body_bytes");
    h->limits.max_body_bytes = 1 << 20;
    must_install(h, &k);
}

/* --- replacing, removing, leftovers --- */

static void test_replacing(void **state)
{
    struct here *h = *state;
    AUTO(kit) struct kit one = {0};
    AUTO(kit) struct kit other = {0};
    AUTO(kit) struct kit two = {0};
    AUTO(kit) struct kit found = {0};
    struct err err = ERR_INIT;

    install_json(h, JSON_OF("one", "1", "['p','q']"), &one);
    install_json(h, JSON_OF("other", "1", "'r'"), &other);
    /* A kit that cannot be installed takes no place. */
    static const struct entry broken[] = {{.name = "kit.json", .data = "{'name':'two','profile':'p'}"}, {.name = NULL}};
    pack_and_refuse(h, broken, "version is missing");
    assert_int_equal(access(one.dir, F_OK), 0);
    install_json(h, JSON_OF("two", "2", "'p'"), &two);
    assert_int_equal(access(one.dir, F_OK), -1);
    assert_int_equal(installed(h), 2);
    assert_int_equal(kits_find(h->state, "p", &found, &err), 0);
    assert_string_equal(found.name, "two");
    AUTO(kit) struct kit none = {0};
    assert_int_equal(kits_find(h->state, "q", &none, &err), 1);
}

/* Killed between the new one's coming and the old one's going, with a clock that went back. */
static void test_two_for_one_profile(void **state)
{
    struct here *h = *state;
    const struct timespec early[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    AUTO(kit) struct kit one = {0};
    AUTO(kit) struct kit two = {0};
    AUTO(kit) struct kit found = {0};
    AUTO(kit) struct kit again = {0};
    struct err err = ERR_INIT;

    install_json(h, JSON_OF("one", "1", "'p'"), &one);
    AUTO(char_p) char *saved = mem_printf("%s/saved", h->dir), *json = mem_printf("%s/kit.json", saved);
    assert_int_equal(mkdir(saved, 0755), 0);
    AUTO(char_p) char *from = mem_printf("%s/kit.json", one.dir);
    assert_int_equal(link(from, json), 0);
    install_json(h, JSON_OF("two", "1", "'p'"), &two);
    assert_int_equal(rename(saved, one.dir), 0);
    assert_int_equal(utimensat(AT_FDCWD, one.dir, early, 0), 0);
    assert_int_equal(installed(h), 2);
    assert_int_equal(kits_find(h->state, "p", &found, &err), 0);
    assert_string_equal(found.name, "two");
    /* The one before goes when that install is done again. */
    assert_int_equal(install(h, &again, &err), KITS_THERE);
    assert_int_equal(installed(h), 1);
    /* A kit from the future does not outlive the next one. */
    const struct timespec late[2] = {{.tv_sec = 4000000000}, {.tv_sec = 4000000000}};
    assert_int_equal(utimensat(AT_FDCWD, two.dir, late, 0), 0);
    AUTO(kit) struct kit three = {0};
    install_json(h, JSON_OF("three", "1", "'p'"), &three);
    assert_int_equal(installed(h), 1);
    assert_int_equal(access(three.dir, F_OK), 0);
}

static void test_removing(void **state)
{
    struct here *h = *state;
    AUTO(kit) struct kit one = {0};
    AUTO(kit) struct kit two = {0};
    AUTO(kit) struct kit gone = {0};
    AUTO(kit) struct kit last = {0};
    struct err err = ERR_INIT;

    install_json(h, JSON_OF("same", "1", "'p'"), &one);
    install_json(h, JSON_OF("same", "2", "'q'"), &two);
    assert_int_equal(kits_remove(h->state, "nope", &gone, &err), 1);
    assert_non_null(strstr(err.msg, "no kit 'nope'"));
    assert_non_null(strstr(err.hint, "same ("));
    assert_int_equal(kits_remove(h->state, "same", &gone, &err), -1);
    assert_non_null(strstr(err.msg, "2 kits"));
    AUTO(char_p) char *digits = mem_strndup(one.sha256, 12), *few = mem_strndup(one.sha256, 3);
    assert_int_equal(kits_remove(h->state, few, &gone, &err), 1);
    assert_int_equal(kits_remove(h->state, digits, &gone, &err), 0);
    assert_string_equal(gone.version, "1");
    assert_int_equal(access(one.dir, F_OK), -1);
    assert_int_equal(kits_remove(h->state, "same", &last, &err), 0);
    assert_string_equal(last.version, "2");
    assert_int_equal(installed(h), 0);
}

static void test_leftovers(void **state)
{
    struct here *h = *state;
    AUTO(char_p) char *left = mem_printf("%s/kits/tmp-abcdef/src/sysroot", h->state);
    AUTO(char_p) char *top = mem_printf("%s/kits/tmp-abcdef", h->state);
    AUTO(kit) struct kit k = {0};
    struct err err = ERR_INIT;

    assert_int_equal(fs_mkdirs(left, 0755, &err), 0);
    assert_int_equal(chmod(left, 0555), 0);
    assert_int_equal(installed(h), 0);
    install_json(h, JSON_OF("a", "1", "'x'"), &k);
    assert_int_equal(access(top, F_OK), -1);
    assert_int_equal(installed(h), 1);
}

static void test_somebody_changed_it(void **state)
{
    struct here *h = *state;
    AUTO(kit) struct kit k = {0};
    AUTO(kit) struct kit found = {0};
    struct err err = ERR_INIT;

    install_json(h, JSON_OF("a", "1", "'x'"), &k);
    AUTO(char_p) char *json = mem_printf("%s/kit.json", k.dir);
    assert_int_equal(chmod(k.dir, 0755), 0);
    assert_int_equal(fs_write(json, "{}", 2, 0644, &err), 0);
    assert_int_equal(kits_find(h->state, "x", &found, &err), -1);
    assert_int_equal(err.kind, ERR_INTERNAL);
    assert_non_null(strstr(err.msg, "name is missing"));
    assert_non_null(strstr(err.hint, k.dir));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_schema_has_the_same_fields),
        cmocka_unit_test(test_lists_are_bounded),
        cmocka_unit_test_setup_teardown(test_all_of_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_state_yet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_hash, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_a_kit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_that_kit_json_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_paths_outside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replacing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_for_one_profile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leftovers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_somebody_changed_it, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
