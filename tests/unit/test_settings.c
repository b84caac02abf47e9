/* test_settings.c - what a profile and its options change of a build, as cargo and the link step get it; the keys of
 * [package.metadata.bloomery] that a profile declares. Profile `packed` has all of it. */
#include "tests/unit/profile_kit.h"
#include "workers/plan.h"
#include "workers/settings.h"

#include <string.h>

/* --- the cargo profile --- */

/* The warnings of a manifest's [profile], one a line. The caller owns it. */
static char *overridden(const char *settings, const char *cargo_profile, const char *manifest)
{
    AUTO(json) cJSON *wanted = kit_quoted(settings);
    AUTO(json) cJSON *profiles = manifest ? kit_quoted(manifest) : NULL;
    AUTO(strs) struct strs warnings = {0};
    struct buf all = {0};

    settings_overridden(wanted, cargo_profile, profiles, &warnings);
    for (size_t i = 0; i < warnings.count; i++)
        buf_printf(&all, "%s\n", warnings.p[i]);
    return buf_steal(&all);
}

static void test_overridden(void **state)
{
    static const struct {
        const char *settings, *profile, *manifest, *warnings;
    } cases[] = {
        {"{'panic':'abort'}", "release", "{'release':{'panic':'unwind'}}",
         "profile.release sets panic = \"unwind\"; the host needs abort: overridden\n"},
        {"{'panic':'abort'}", "release", "{'release':{'panic':'abort'}}", ""},
        {"{'panic':'abort'}", "release", "{'dev':{'panic':'unwind'}}", ""},
        {"{'panic':'abort'}", "release", "{'release':{}}", ""},
        {"{'panic':'abort'}", "release", NULL, ""},
        {"{}", "release", "{'release':{'panic':'unwind'}}", ""},
        {"{'opt-level':'z','lto':true,'codegen-units':1}", "release",
         "{'release':{'opt-level':3,'lto':'thin','codegen-units':16}}",
         "profile.release sets opt-level = 3; the host needs z: overridden\n"
         "profile.release sets lto = \"thin\"; the host needs true: overridden\n"
         "profile.release sets codegen-units = 16; the host needs 1: overridden\n"},
        {"{'lto':true,'strip':'none','debug':2}", "release", "{'release':{'lto':'fat','strip':false,'debug':true}}",
         ""},
        {"{'lto':'off'}", "release", "{'release':{'lto':false}}",
         "profile.release sets lto = false; the host needs off: overridden\n"},
        /* What a profile does not say itself it has from another one. */
        {"{'panic':'abort'}", "dist", "{'dist':{'inherits':'slow'},'slow':{'inherits':'release','panic':'unwind'}}",
         "profile.slow sets panic = \"unwind\"; the host needs abort: overridden\n"},
        {"{'panic':'abort'}", "dist", "{'dist':{'inherits':'dist'}}", ""},
        {"{'panic':'abort'}", "dist", "{'dist':{'inherits':7,'panic':{'x':1}}}", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(char_p) char *got = overridden(cases[i].settings, cases[i].profile, cases[i].manifest);
        assert_string_equal(got, cases[i].warnings);
    }
}

/* --- in a plan --- */

struct made {
    struct plan plan;
    struct cargo_config config;
    struct err err;
    int r;
};

/* own: what the crate's [package.metadata.bloomery] says. */
static struct made make(void **state, const char *pinned, const char *options, const char *own)
{
    const struct profile *p = kit_profile(state, "packed");
    AUTO(json) cJSON *metadata = kit_json("metadata", "hello.json"), *opts = kit_quoted(options);
    cJSON *package = json_arr(metadata, "packages")->child;
    struct made m = {.err = ERR_INIT};

    cJSON_ReplaceItemInObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(package, "metadata"), "bloomery",
                                           kit_quoted(own));
    cargo_config_filter(p, NULL, &m.config);
    m.r = plan_make(p, pinned, opts, metadata, &m.config, &m.plan, &m.err);
    return m;
}

static struct made make_new(void **state, const char *options, const char *own)
{
    return make(state, "1.97.0", options, own);
}

static void clear(struct made *m)
{
    plan_clear(&m->plan);
    cargo_config_clear(&m->config);
}

/* Is there a line that begins with `start`, and which is it? */
static const char *find(char *const *list, const char *start)
{
    const char *found = NULL;

    for (; list && *list; list++)
        if (strncmp(*list, start, strlen(start)) == 0)
            found = *list;
    return found ? found : "";
}

static bool has(char *const *list, const char *whole)
{
    return strcmp(find(list, whole), whole) == 0;
}

/* The flags until the first of the server's own. */
static void expect_flags(char *const *env, const char *flags)
{
    const char *all = find(env, "CARGO_ENCODED_RUSTFLAGS=");

    assert_true(strlen(all) > 24);
    all += 24;
    AUTO(char_p) char *own = mem_strndup(all, (size_t)(strstr(all, "\x1f--remap") - all));
    for (char *s = own; *s; s++)
        *s = *s == '\x1f' ? ' ' : *s;
    assert_string_equal(own, flags);
}

static void test_targets(void **state)
{
    struct made m = make_new(state, "{}", "{}");
    static const struct {
        const char *target, *types, *flags;
    } runs[] = {
        {"--target=x86_64-unknown-linux-musl", "--crate-type=staticlib", "-Call --sysroot=/a"},
        {"--target=aarch64-unknown-linux-gnu", "--crate-type=cdylib", "-Call --sysroot=/a -Carm -Cmore"},
    };

    assert_int_equal(m.r, 0);
    assert_true(has(m.plan.cargo, "--target=x86_64-unknown-linux-gnu"));
    assert_true(has(m.plan.cargo, "--crate-type=cdylib,staticlib"));
    expect_flags(m.plan.env, "-Call --sysroot=/a -Cgnu");
    assert_int_equal(m.plan.further_count, COUNT(runs));
    for (size_t i = 0; i < COUNT(runs); i++) {
        const struct plan_run *run = &m.plan.further[i];
        assert_string_equal(run->cargo[1], "rustc");
        assert_string_equal(run->target, runs[i].target + 9);
        assert_true(has(run->cargo, runs[i].target));
        assert_true(has(run->cargo, runs[i].types));
        assert_true(has(run->cargo, "--package=hello-world@0.1.0"));
        expect_flags(run->env, runs[i].flags);
        assert_true(has(run->env, "MODE=plain"));
        assert_true(has(run->env, "CARGO_PROFILE_RELEASE_PANIC=unwind"));
    }
    assert_string_equal(m.plan.outputs[0].kind, "tar");
    assert_string_equal(m.plan.outputs[0].name, "hello-world.tar");
    assert_string_equal(m.plan.outputs[0].lib, "hello_world");
    assert_string_equal(m.plan.outputs[0].file, "x86_64-unknown-linux-gnu/release/libhello_world.so");
    assert_int_equal(m.plan.outputs[0].sides_count, 4);
    assert_string_equal(m.plan.outputs[0].sides[0], "libhello_world.so");
    assert_string_equal(m.plan.outputs[0].sides[2], "hello-world.symbols");
    assert_string_equal(m.plan.outputs[0].sides[3], "tags.json");
    clear(&m);

    /* An old cargo is told by its manifest what the lib becomes. */
    m = make(state, "1.60.0", "{}", "{}");
    assert_int_equal(m.r, 0);
    assert_string_equal(m.plan.further[1].cargo[1], "build");
    assert_string_equal(find(m.plan.further[1].cargo, "--crate-type"), "");
    clear(&m);
    m = make(state, "1.43.1", "{'cfg':['a=\\\"b c\\\"']}", "{}");
    assert_int_equal(m.r, -1);
    assert_null(m.plan.further);
    clear(&m);
}

static void test_options_set(void **state)
{
    struct made m = make_new(state, "{'panic':'abort','fast':true,'cargo_profile':'my-dist'}", "{}");

    assert_int_equal(m.r, 0);
    expect_flags(m.plan.env, "-Call --sysroot=/b -Zunstable-options -Cgnu");
    assert_true(has(m.plan.env, "MODE=aborting"));
    assert_true(has(m.plan.env, "CC=gcc"));
    assert_true(has(m.plan.env, "CARGO_PROFILE_MY_DIST_PANIC=abort"));
    assert_true(has(m.plan.env, "CARGO_PROFILE_MY_DIST_OPT_LEVEL=3"));
    assert_true(has(m.plan.env, "CARGO_PROFILE_MY_DIST_LTO=true"));
    assert_true(has(m.plan.env, "CARGO_PROFILE_MY_DIST_CODEGEN_UNITS=1"));
    assert_true(has(m.plan.env, "BLOOMERY_OPTION_PANIC=abort"));
    assert_true(has(m.plan.link_env, "MODE=aborting"));
    assert_true(has(m.plan.link_env, "BLOOMERY_OPTION_FAST=true"));
    assert_true(has(m.plan.link_env, "BLOOMERY_PROFILE_DIR=my-dist"));
    clear(&m);
    m = make_new(state, "{'fast':false}", "{}");
    assert_true(has(m.plan.env, "CARGO_PROFILE_RELEASE_OPT_LEVEL=2"));
    assert_string_equal(find(m.plan.env, "CARGO_PROFILE_RELEASE_CODEGEN_UNITS"), "");
    clear(&m);
}

static void test_debug(void **state)
{
    const struct profile *p = kit_profile(state, "packed");
    AUTO(json)
    cJSON *settings = kit_quoted("{'debug':0,'strip':'symbols','panic':'abort'}"), *options = kit_quoted("{}");
    AUTO(strs) struct strs env = {0};

    settings_cargo_env(settings, "dev", true, &env);
    assert_int_equal(env.count, 1);
    assert_string_equal(env.p[0], "CARGO_PROFILE_DEV_PANIC=abort");
    settings_cargo_env(settings, "dev", false, &env);
    assert_int_equal(env.count, 4);
    assert_true(strs_has(&env, "CARGO_PROFILE_DEV_DEBUG=0"));
    AUTO(json) cJSON *rules = settings_contract(p, options);
    assert_string_equal(json_str(rules, "host", ""), "a packer");
}

static void test_link_variables(void **state)
{
    struct made m = make_new(state, "{'cargo_profile':'dev'}",
                             "{'entry':'start_here','c_sources':['main.c','src/c/more.c'],'header':'include/x.h',"
                             "'note':'a b'}");
    static const char *const expected[] = {
        "BLOOMERY_TARGET=x86_64-unknown-linux-gnu",
        "BLOOMERY_TARGETS=x86_64-unknown-linux-gnu x86_64-unknown-linux-musl aarch64-unknown-linux-gnu",
        "BLOOMERY_TARGET_DIR=/work/target",
        "BLOOMERY_PROFILE_DIR=debug",
        "BLOOMERY_CRATE=hello-world",
        "BLOOMERY_CRATE_VERSION=0.1.0",
        "BLOOMERY_MANIFEST_DIR=/work/src",
        "BLOOMERY_ENTRY=start_here",
        "BLOOMERY_C_SOURCES=/work/src/main.c\n/work/src/src/c/more.c",
        "BLOOMERY_HEADER=/work/src/include/x.h",
        "BLOOMERY_NOTE=a b",
    };

    assert_int_equal(m.r, 0);
    assert_null(m.plan.warnings[0]);
    for (size_t i = 0; i < COUNT(expected); i++)
        assert_string_equal(find(m.plan.link_env, expected[i]), expected[i]);
    clear(&m);

    /* What the crate does not say is empty, not what an earlier one said. */
    m = make_new(state, "{}", "{'entr':'x','c_sources':[]}");
    assert_int_equal(m.r, 0);
    assert_string_equal(m.plan.warnings[0], "package.metadata.bloomery.entr is not known to profile packed");
    assert_string_equal(find(m.plan.link_env, "BLOOMERY_ENTRY="), "BLOOMERY_ENTRY=");
    assert_string_equal(find(m.plan.link_env, "BLOOMERY_C_SOURCES="), "BLOOMERY_C_SOURCES=");
    assert_string_equal(find(m.plan.link_env, "BLOOMERY_HEADER="), "BLOOMERY_HEADER=");
    clear(&m);
}

static void test_hostile_keys(void **state)
{
    static const struct {
        const char *own, *message;
    } cases[] = {
        {"{'entry':'1st'}", "entry must be an identifier"},
        {"{'entry':'a b'}", "entry must be an identifier"},
        {"{'entry':''}", "entry must be an identifier"},
        {"{'entry':'f\\nBLOOMERY_KIT=/x'}", "entry must be an identifier"},
        {"{'entry':['f']}", "entry must be an identifier"},
        {"{'c_sources':'main.c'}", "c_sources must be a list"},
        {"{'c_sources':['../main.c']}", "c_sources must be a list"},
        {"{'c_sources':['a/../../main.c']}", "c_sources must be a list"},
        {"{'c_sources':['/etc/passwd']}", "c_sources must be a list"},
        {"{'c_sources':['a//b.c']}", "c_sources must be a list"},
        {"{'c_sources':['a/']}", "c_sources must be a list"},
        {"{'c_sources':['a.c\\nb.c']}", "c_sources must be a list"},
        {"{'c_sources':['-fplugin=x']}", "c_sources must be a list"},
        {"{'c_sources':[7]}", "c_sources must be a list"},
        {"{'header':'..'}", "header must be a path"},
        {"{'header':[]}", "header must be a path"},
        {"{'note':'a\\nb'}", "note must be one line"},
        {"{'note':true}", "note must be one line"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct made m = make_new(state, "{}", cases[i].own);
        assert_int_equal(m.r, -1);
        assert_int_equal(m.err.kind, ERR_BAD_SOURCE);
        if (!strstr(m.err.msg, cases[i].message))
            fail_msg("%s: %s", cases[i].own, m.err.msg);
        clear(&m);
    }
    /* At most 128 bytes. */
    char own[200] = "{'entry':'";
    memset(own + 10, 'f', 129);
    memcpy(own + 139, "'}", 3);
    struct made m = make_new(state, "{}", own);
    assert_int_equal(m.r, -1);
    clear(&m);
    own[138] = '\'', own[139] = '}', own[140] = '\0';
    m = make_new(state, "{}", own);
    assert_int_equal(m.r, 0);
    clear(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overridden), cmocka_unit_test(test_targets),        cmocka_unit_test(test_options_set),
        cmocka_unit_test(test_debug),      cmocka_unit_test(test_link_variables), cmocka_unit_test(test_hostile_keys),
    };

    return cmocka_run_group_tests_name("settings", tests, kit_setup, kit_teardown);
}
