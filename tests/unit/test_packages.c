/* test_packages.c - what cargo says of a crate's dependencies, as one list. */
#include "tests/unit/profile_kit.h"
#include "workers/packages.h"

#include "base/buf.h"

#include <string.h>

#define MANIFEST "/work/src/Cargo.toml"
#define REGISTRY "'registry+https://github.com/rust-lang/crates.io-index'"
#define SUM "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'"

/* A package of `cargo metadata`: its id is its name. */
#define PACKAGE(name, version, source, kind)                                                                           \
    "{'name':'" name "','version':'" version "','source':" source ",'id':'" name "','license':'MIT'"                   \
    ",'manifest_path':'/somewhere/" name "/Cargo.toml','targets':[{'kind':['" kind "']}]}"
#define ROOT                                                                                                           \
    "{'name':'app','version':'1.0.0','source':null,'id':'app','license':null,'manifest_path':'" MANIFEST               \
    "','targets':[{'kind':['bin']}]}"
#define NODE(name, deps, features) "{'id':'" name "','deps':[" deps "],'features':[" features "]}"
#define DEP(name, kind) "{'pkg':'" name "','dep_kinds':[{'kind':" kind ",'target':null}]}"
#define METADATA(packages, nodes) "{'packages':[" packages "],'resolve':{'nodes':[" nodes "]}}"

/* One line a package: name, version, what it is for, features, dependencies. */
static char *shown(const cJSON *list)
{
    const cJSON *packages = json_arr(list, "packages"), *p, *v;
    struct buf b = {0};

    buf_puts(&b, "");
    cJSON_ArrayForEach(p, packages)
    {
        buf_printf(&b, "%s %s %s", json_str(p, "name", "?"), json_str(p, "version", "?"), json_str(p, "for", "-"));
        cJSON_ArrayForEach(v, json_arr(p, "features")) buf_printf(&b, " +%s", v->valuestring);
        cJSON_ArrayForEach(v, json_arr(p, "dependencies"))
            buf_printf(&b, " %s", json_str(cJSON_GetArrayItem(packages, v->valueint), "name", "?"));
        buf_puts(&b, "\n");
    }
    return buf_steal(&b);
}

static cJSON *listed(const char *target, const char *host, const char *lock)
{
    AUTO(json) cJSON *t = target ? kit_quoted(target) : NULL;
    AUTO(json) cJSON *h = host ? kit_quoted(host) : NULL;
    AUTO(json) cJSON *l = lock ? kit_quoted(lock) : NULL;

    return packages_list(&(struct packages_told){t, h, l}, MANIFEST);
}

/* app uses getrandom, a macro and a build script's crate; getrandom uses libc where there is one: on the host. */
#define PACKAGES                                                                                                       \
    ROOT "," PACKAGE("getrandom", "0.2.1", REGISTRY, "lib") "," PACKAGE(                                               \
        "derive", "1.0.0", REGISTRY,                                                                                   \
        "proc-macro") "," PACKAGE("quote", "1.0.0", REGISTRY, "lib") "," PACKAGE("cc", "1.1.0", REGISTRY,              \
                                                                                 "lib") "," PACKAGE("tester", "3.0.0", \
                                                                                                    REGISTRY, "lib")
#define NODES                                                                                                          \
    NODE("app",                                                                                                        \
         DEP("getrandom", "null") "," DEP("derive", "null") "," DEP("cc", "'build'") "," DEP("tester", "'dev'"),       \
         "'default','std'")                                                                                            \
    "," NODE("derive", DEP("quote", "null"), "") "," NODE("quote", "", "'proc-macro'") "," NODE(                       \
        "cc", DEP("getrandom", "null"), "") "," NODE("tester", "", "'default'")
static const char target[] = METADATA(PACKAGES, NODES "," NODE("getrandom", "", "'js'"));
static const char host[] =
    METADATA(PACKAGES "," PACKAGE("libc", "0.2.9", REGISTRY, "lib"),
             NODES "," NODE("getrandom", DEP("libc", "null"), "'js','rdrand'") "," NODE("libc", "", ""));
static const char lock[] = "{'package':[{'name':'libc','version':'0.2.9','source':" REGISTRY ",'checksum':" SUM "},"
                           "{'name':'winapi','version':'0.3.9','source':" REGISTRY ",'checksum':'no sum'},"
                           "{'name':'app','version':'1.0.0','dependencies':['getrandom']}]}";

static void test_joined(void **state)
{
    AUTO(json) cJSON *list = listed(target, host, lock);
    AUTO(char_p) char *text = shown(list);

    (void)state;
    assert_string_equal(text, "app 1.0.0 target +default +std cc derive getrandom\n"
                              "cc 1.1.0 host getrandom\n"
                              "derive 1.0.0 host quote\n"
                              "getrandom 0.2.1 target +js +rdrand libc\n"
                              "libc 0.2.9 host\n"
                              "quote 1.0.0 host +proc-macro\n"
                              "tester 3.0.0 -\n"
                              "winapi 0.3.9 -\n");
    assert_true(json_bool(list, "resolved", false));
    assert_false(json_bool(list, "truncated", true));
    assert_int_equal(json_int(list, "root", -1), 0);
    const cJSON *libc = cJSON_GetArrayItem(json_arr(list, "packages"), 4);
    assert_int_equal(strlen(json_str(libc, "checksum", "")), 64);
    assert_string_equal(json_str(libc, "license", ""), "MIT");
    assert_string_equal(json_str(libc, "source", ""), "registry+https://github.com/rust-lang/crates.io-index");
    const cJSON *winapi = cJSON_GetArrayItem(json_arr(list, "packages"), 7);
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(winapi, "checksum")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(winapi, "for")));
}

/* A macro's own crates are not in the artifact, whatever else they are for; a crate may be on both sides. */
static void test_macro_is_built(void **state)
{
    static const char macro[] =
        METADATA("{'name':'app','version':'1.0.0','id':'app','manifest_path':'" MANIFEST
                 "','targets':[{'kind':['proc-macro']}]}," PACKAGE("quote", "1.0.0", REGISTRY, "lib"),
                 NODE("app", DEP("quote", "null"), "") "," NODE("quote", "", ""));
    AUTO(json) cJSON *list = listed(macro, macro, NULL);
    AUTO(char_p) char *text = shown(list);

    (void)state;
    assert_string_equal(text, "app 1.0.0 host quote\nquote 1.0.0 host\n");
}

static void test_only_the_lock(void **state)
{
    AUTO(json) cJSON *list = listed(NULL, NULL, lock);
    AUTO(char_p) char *text = shown(list);
    AUTO(json) cJSON *half = listed(target, NULL, NULL);

    (void)state;
    assert_string_equal(text, "app 1.0.0 -\nlibc 0.2.9 -\nwinapi 0.3.9 -\n");
    assert_false(json_bool(list, "resolved", true));
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(list, "root")));
    assert_false(json_bool(half, "resolved", true));
    assert_int_equal(cJSON_GetArraySize(json_arr(half, "packages")), 6);
    assert_null(listed(NULL, NULL, NULL));
}

/* Versions and sources of one name are packages of their own; the same one is there once. */
static void test_same_names(void **state)
{
    AUTO(json)
    cJSON *list =
        listed(NULL, NULL,
               "{'package':[{'name':'a','version':'2.0.0','source':" REGISTRY "},{'name':'a','version':'1.0.0'},"
               "{'name':'a','version':'1.0.0','source':'git+https://x#1'},{'name':'a','version':'1.0.0'}]}");
    const cJSON *packages = json_arr(list, "packages");

    (void)state;
    assert_int_equal(cJSON_GetArraySize(packages), 3);
    assert_null(json_str(cJSON_GetArrayItem(packages, 0), "source", NULL));
    assert_string_equal(json_str(cJSON_GetArrayItem(packages, 1), "source", ""), "git+https://x#1");
    assert_string_equal(json_str(cJSON_GetArrayItem(packages, 2), "version", ""), "2.0.0");
}

static void test_no_shape(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{'packages':7,'resolve':[]}",
        "{'packages':[7,null,{},{'name':'','version':''},{'name':'x'},{'name':7,'version':'1'}],'resolve':{'nodes':[1]}"
        "}",
        "{'package':[[],{'name':[]}],'packages':[{'name':'a','version':'1','id':7,'targets':[{'kind':7}]}]}",
        METADATA(ROOT, NODE("app", "7,{},{'pkg':'nobody','dep_kinds':7}," DEP("app", "null"), "7,null,'f','f'")),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        AUTO(json) cJSON *list = listed(texts[i], texts[i], texts[i]);
        assert_true(cJSON_GetArraySize(json_arr(list, "packages")) <= 1);
    }
    AUTO(json) cJSON *itself = listed(texts[4], texts[4], NULL);
    AUTO(char_p) char *text = shown(itself);
    assert_string_equal(text, "app 1.0.0 target +f app\n");
}

/* More than is kept: cut, and said. Every package uses every one before it, through ids of their own: nothing of this may
 * take long. */
static void test_too_many(void **state)
{
    AUTO(buf) struct buf b = {0};
    AUTO(buf) struct buf nodes = {0};

    (void)state;
    buf_puts(&b, "{'packages':[" ROOT);
    buf_puts(&nodes, NODE("app", "", ""));
    for (int i = 0; i < 3 * PACKAGES_MAX; i++) {
        buf_printf(&b, ",{'name':'p%06d','version':'1','id':'p%06d'}", i, i);
        buf_printf(&nodes, ",{'id':'p%06d','deps':[{'pkg':'p%06d','dep_kinds':[{'kind':null}]}]}", i, i / 2);
    }
    buf_printf(&b, "],'resolve':{'nodes':[%s]}}", nodes.p);
    AUTO(json) cJSON *list = listed(b.p, b.p, NULL);
    assert_int_equal(cJSON_GetArraySize(json_arr(list, "packages")), PACKAGES_MAX);
    assert_true(json_bool(list, "truncated", false));
}

/* --- what is asked, and the answer's form --- */

static void test_command(void **state)
{
    AUTO(json) cJSON *json = kit_quoted("{'targets':['x86_64-b','aarch64-c']}");
    const struct profile p = {.name = "p", .target = "x86_64-a", .json = json};
    char *cargo[] = {"cargo", "build", "--features=x,y", "--release", "--no-default-features", "--features-unlike",
                     NULL};
    const struct plan plan = {.manifest = MANIFEST, .cargo = cargo};
    AUTO(strs) struct strs command = {0};
    AUTO(buf) struct buf line = {0};

    (void)state;
    packages_command(&p, &plan, "src/Cargo.lock", true, &command);
    for (size_t i = 0; i < command.count; i++)
        buf_printf(&line, "%s ", command.p[i]);
    assert_string_equal(line.p,
                        "/bin/sh /bloomery/steps/packages.sh /work/src/Cargo.lock 16777216 --manifest-path=" MANIFEST
                        " --features=x,y --no-default-features --locked --filter-platform=x86_64-a "
                        "--filter-platform=x86_64-b --filter-platform=aarch64-c ");
}

static void test_answers(void **state)
{
    static const struct {
        const char *text;
        int packages; /* -1: nothing is known */
    } cases[] = {
        {"", -1},
        {"null\nnull\nnull\n", -1},
        {"null\nnull\n{\"package\":[{\"name\":\"a\",\"version\":\"1\"}]}\n", 1},
        {"null\nnull\n{\"package\":[]}", -1}, /* cut */
        {"null\n{\"packages\":[{\"name\":\"a\",\"version\":\"1\"}]}\nnull\nwhatever", 1},
        {"[]\nnull\nnull\n", -1},
        {"error: no\nnull\nnull\n", -1},
        {"\n\n\n", -1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf) struct buf out = {0};
        buf_puts(&out, cases[i].text);
        AUTO(json) cJSON *list = packages_read(&out, MANIFEST);
        assert_int_equal(list ? cJSON_GetArraySize(json_arr(list, "packages")) : -1, cases[i].packages);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joined),     cmocka_unit_test(test_macro_is_built), cmocka_unit_test(test_only_the_lock),
        cmocka_unit_test(test_same_names), cmocka_unit_test(test_no_shape),       cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_command),    cmocka_unit_test(test_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
