/* test_plan.c - what is built, from real `cargo metadata` and `cargo config` output (tests/unit/data, cargo 1.96). */
#include "tests/unit/profile_kit.h"
#include "workers/plan.h"

#include <string.h>

struct made {
    struct plan plan;
    struct cargo_config config;
    struct err err;
    int r;
};

/* config: a file of data/config or NULL. */
static struct made make_pinned(void **state, const char *profile, const char *pinned, const char *options,
                               const cJSON *metadata, const char *config)
{
    const struct profile *p = kit_profile(state, profile);
    AUTO(json) cJSON *opts = kit_quoted(options);
    AUTO(json) cJSON *conf = config ? kit_json("config", config) : NULL;
    struct made m = {.err = ERR_INIT};

    cargo_config_filter(p, conf, &m.config);
    m.r = plan_make(p, pinned, opts, metadata, &m.config, &m.plan, &m.err);
    return m;
}

static struct made make(void **state, const char *profile, const char *options, const cJSON *metadata,
                        const char *config)
{
    return make_pinned(state, profile, "1.97.0-nightly", options, metadata, config);
}

static struct made make_from(void **state, const char *profile, const char *options, const char *file)
{
    AUTO(json) cJSON *metadata = kit_json("metadata", file);

    return make(state, profile, options, metadata, NULL);
}

static void clear(struct made *m)
{
    plan_clear(&m->plan);
    cargo_config_clear(&m->config);
}

static bool in_list(char *const *list, const char *s)
{
    for (; list && *list; list++)
        if (strcmp(*list, s) == 0)
            return true;
    return false;
}

static void expect_in(char *const *list, const char *s)
{
    if (!in_list(list, s)) {
        for (; list && *list; list++)
            print_message("has: %s\n", *list);
        fail_msg("%s is not there", s);
    }
}

/* One plan that must fail, its kind, and a part of message and hint. */
static void fails(void **state, const char *profile, const char *options, const char *file, enum err_kind kind,
                  const char *message, const char *hint)
{
    struct made m = make_from(state, profile, options, file);

    assert_int_equal(m.r, -1);
    if (m.err.kind != kind || !strstr(m.err.msg, message) || !strstr(m.err.hint, hint))
        fail_msg("%s | %s", m.err.msg, m.err.hint);
    assert_null(m.plan.cargo);
    clear(&m);
}

/* --- what is built --- */

static void test_bin(void **state)
{
    struct made m = make_from(state, "wasi", "{}", "hello.json");

    assert_int_equal(m.r, 0);
    assert_string_equal(m.plan.crate_name, "hello-world");
    assert_string_equal(m.plan.crate_version, "0.1.0");
    assert_string_equal(m.plan.manifest, "/work/src/Cargo.toml");
    assert_int_equal(m.plan.outputs_count, 1);
    assert_string_equal(m.plan.outputs[0].name, "hello-world.wasm");
    assert_string_equal(m.plan.outputs[0].file, "wasm32-wasip1/release/hello-world.wasm");
    assert_string_equal(m.plan.outputs[0].kind, "wasm");
    assert_true(m.plan.outputs[0].is_bin);
    assert_true(m.plan.needs_fetch);
    assert_string_equal(m.plan.cargo[0], "cargo");
    assert_string_equal(m.plan.cargo[1], "build");
    expect_in(m.plan.cargo, "--manifest-path=/work/src/Cargo.toml");
    expect_in(m.plan.cargo, "--package=hello-world@0.1.0");
    expect_in(m.plan.cargo, "--target=wasm32-wasip1");
    expect_in(m.plan.cargo, "--profile=release");
    expect_in(m.plan.cargo, "--offline");
    expect_in(m.plan.cargo, "--bin=hello-world");
    assert_false(in_list(m.plan.cargo, "--locked"));
    assert_null(m.plan.exports[0]); /* they are the library's */
    clear(&m);
}

static void test_lib(void **state)
{
    struct made m = make_from(state, "web", "{}", "hello.json");

    assert_int_equal(m.r, 0);
    assert_string_equal(m.plan.cargo[1], "rustc");
    expect_in(m.plan.cargo, "--lib");
    expect_in(m.plan.cargo, "--crate-type=cdylib");
    assert_string_equal(m.plan.outputs[0].name, "hello-world.wasm");
    assert_string_equal(m.plan.outputs[0].file, "wasm32-unknown-unknown/release/hello_world.wasm");
    assert_false(m.plan.outputs[0].is_bin);
    assert_string_equal(m.plan.exports[0], "greet");
    assert_null(m.plan.exports[1]);
    clear(&m);
    m = make_from(state, "web", "{'bin':['hello-world']}", "hello.json");
    assert_int_equal(m.r, 0);
    assert_true(m.plan.outputs[0].is_bin);
    assert_string_equal(m.plan.outputs[0].file, "wasm32-unknown-unknown/release/hello-world.wasm");
    clear(&m);
}

static void test_elf(void **state)
{
    struct made m = make_from(state, "static", "{'cargo_profile':'dev'}", "hello.json");

    assert_int_equal(m.r, 0);
    assert_string_equal(m.plan.outputs[0].name, "hello-world");
    assert_string_equal(m.plan.outputs[0].file, "x86_64-unknown-linux-musl/debug/hello-world");
    assert_string_equal(m.plan.outputs[0].kind, "elf");
    clear(&m);
    m = make_from(state, "static", "{'cargo_profile':'my-dist'}", "hello.json");
    assert_string_equal(m.plan.outputs[0].file, "x86_64-unknown-linux-musl/my-dist/hello-world");
    clear(&m);
    fails(state, "static", "{}", "plain.json", ERR_BAD_SOURCE, "has no bin", "src/main.rs");
    fails(state, "static", "{'cargo_profile':'debug'}", "hello.json", ERR_BAD_SOURCE, "cargo_profile debug", "dev");
}

static void test_linked(void **state)
{
    struct made m = make_from(state, "linked", "{}", "hello.json");

    assert_int_equal(m.r, 0);
    assert_string_equal(m.plan.cargo[1], "rustc");
    expect_in(m.plan.cargo, "--lib");
    expect_in(m.plan.cargo, "--crate-type=staticlib");
    assert_int_equal(m.plan.outputs_count, 1);
    assert_string_equal(m.plan.outputs[0].name, "hello-world.img");
    assert_int_equal(m.plan.outputs[0].stem, strlen("hello-world"));
    assert_string_equal(m.plan.outputs[0].file, "x86_64-unknown-linux-musl/release/libhello_world.a");
    assert_string_equal(m.plan.outputs[0].file_kind, "ar");
    assert_string_equal(m.plan.outputs[0].kind, "elf");
    assert_string_equal(m.plan.outputs[0].linked, "hello_world.out");
    assert_false(m.plan.outputs[0].is_bin);
    expect_in(m.plan.link_env, "BLOOMERY_TARGET=x86_64-unknown-linux-musl");
    expect_in(m.plan.link_env, "CC=musl-gcc");
    expect_in(m.plan.link_env, "HOME=/work/home");
    expect_in(m.plan.link_env, "SOURCE_DATE_EPOCH=315532800");
    expect_in(m.plan.link_env, "BLOOMERY_OPTION_MEMORY=md");
    expect_in(m.plan.env, "BLOOMERY_OPTION_MEMORY=md"); /* the crate's linker may be the profile's own script */
    expect_in(m.plan.link_env, "BLOOMERY_OPTION_DEPTH=3");
    expect_in(m.plan.link_env, "BLOOMERY_OPTION_WIDTH=");
    expect_in(m.plan.link_env, "BLOOMERY_OPTION_FANCY=false");
    expect_in(m.plan.link_env, "BLOOMERY_OPTION_GREETING=");
    clear(&m);

    AUTO(json) cJSON *metadata = kit_json("metadata", "hello.json");
    AUTO(json) cJSON *given = kit_quoted("{'memory':'sm','depth':9,'fancy':true,'greeting':'hi','env':{'A':'1'}}");
    m.r = plan_make(kit_profile(state, "linked"), "1.97.0-nightly", given, metadata, &(struct cargo_config){0}, &m.plan,
                    &m.err);
    assert_int_equal(m.r, 0);
    expect_in(m.plan.env, "A=1");
    assert_false(in_list(m.plan.link_env, "A=1")); /* the crate's, not the linker's */
    expect_in(m.plan.link_env, "BLOOMERY_OPTION_MEMORY=sm");
    expect_in(m.plan.link_env, "BLOOMERY_OPTION_DEPTH=9");
    expect_in(m.plan.link_env, "BLOOMERY_OPTION_FANCY=true");
    expect_in(m.plan.link_env, "BLOOMERY_OPTION_GREETING=hi");
    plan_clear(&m.plan);

    /* A bin goes through the same step. */
    m = make_from(state, "linked", "{'bin':['hello-world']}", "hello.json");
    assert_int_equal(m.r, 0);
    expect_in(m.plan.cargo, "--bin=hello-world");
    assert_string_equal(m.plan.outputs[0].name, "hello-world.img");
    assert_string_equal(m.plan.outputs[0].file_kind, "elf");
    assert_string_equal(m.plan.outputs[0].linked, "hello_world.out");
    clear(&m);

    m = make_from(state, "static", "{}", "hello.json"); /* no link step */
    assert_null(m.plan.outputs[0].linked);
    assert_string_equal(m.plan.outputs[0].file_kind, "elf");
    clear(&m);
}

static cJSON *local_bins(void)
{
    cJSON *metadata = kit_json("metadata", "bins.json");

    cJSON_DeleteItemFromObject(cJSON_GetArrayItem(cJSON_GetObjectItem(metadata, "packages"), 0), "dependencies");
    return metadata;
}

static void test_bins(void **state)
{
    AUTO(json) cJSON *metadata = local_bins();
    struct made m = make(state, "static", "{}", metadata, NULL);

    assert_int_equal(m.r, 0);
    assert_int_equal(m.plan.outputs_count, 2);
    assert_string_equal(m.plan.outputs[0].name, "second"); /* default-run */
    assert_string_equal(m.plan.outputs[1].name, "first-one");
    assert_string_equal(m.plan.warnings[0], "bin third is left out: it needs the features gui");
    assert_false(m.plan.needs_fetch);
    clear(&m);

    m = make(state, "static", "{'features':['gui']}", metadata, NULL);
    assert_int_equal(m.plan.outputs_count, 3);
    expect_in(m.plan.cargo, "--features=gui");
    clear(&m);

    m = make(state, "static", "{'bin':['first-one','second']}", metadata, NULL);
    assert_string_equal(m.plan.outputs[0].name, "first-one");
    assert_string_equal(m.plan.outputs[1].name, "second");
    clear(&m);

    m = make(state, "static", "{'bin':['third']}", metadata, NULL);
    assert_int_equal(m.r, -1);
    assert_string_equal(m.err.msg, "bin third needs features that are not enabled: gui");
    assert_string_equal(m.err.hint, "add features=gui");
    clear(&m);

    m = make(state, "static", "{'bin':['ex']}", metadata, NULL);
    assert_string_equal(m.err.hint, "its bins: first-one, second, third");
    clear(&m);

    cJSON *package = cJSON_GetArrayItem(cJSON_GetObjectItem(metadata, "packages"), 0), *t;
    cJSON_DeleteItemFromObject(package, "default_run");
    m = make(state, "static", "{}", metadata, NULL);
    assert_string_equal(m.plan.outputs[0].name, "first-one");
    clear(&m);
    cJSON_ArrayForEach(t, cJSON_GetObjectItem(package, "targets"))
    {
        cJSON_DeleteItemFromObject(t, "required-features");
        cJSON_AddItemToObject(t, "required-features", kit_quoted("['gui']"));
    }
    m = make(state, "static", "{}", metadata, NULL);
    assert_int_equal(m.r, -1);
    assert_non_null(strstr(m.err.msg, "every bin of package bins needs features that are not enabled: gui"));
    clear(&m);
}

static void test_features(void **state)
{
    struct made m = make_from(state, "wasi", "{'features':['extra','itoa/x'],'no_default_features':true,'locked':true}",
                              "hello.json");

    assert_int_equal(m.r, 0);
    expect_in(m.plan.cargo, "--features=extra,itoa/x");
    expect_in(m.plan.cargo, "--no-default-features");
    expect_in(m.plan.cargo, "--locked");
    clear(&m);
    fails(state, "wasi", "{'features':['nope']}", "hello.json", ERR_BAD_SOURCE, "no feature nope",
          "default, extra, fast");
}

static void test_workspace(void **state)
{
    struct made m = make_from(state, "web", "{}", "virtual.json");

    assert_int_equal(m.r, 0); /* only my-lib says cdylib */
    assert_string_equal(m.plan.crate_name, "my-lib");
    assert_string_equal(m.plan.manifest, "/work/src/lib/Cargo.toml");
    assert_string_equal(m.plan.outputs[0].name, "my-lib.wasm");
    assert_string_equal(m.plan.outputs[0].file, "wasm32-unknown-unknown/release/my_lib.wasm");
    clear(&m);

    m = make_from(state, "wasi", "{'package':'tool@0.2.0'}", "virtual.json");
    assert_string_equal(m.plan.crate_name, "tool");
    clear(&m);
    m = make_from(state, "wasi", "{'manifest_path':'app/Cargo.toml'}", "virtual.json");
    assert_string_equal(m.plan.crate_name, "app");
    clear(&m);

    fails(state, "wasi", "{}", "virtual.json", ERR_BAD_SOURCE, "several packages that could be built: app, tool",
          "package=NAME");
    fails(state, "wasi", "{'package':'nope'}", "virtual.json", ERR_BAD_SOURCE, "no package nope",
          "app, tool, my-lib, mac");
    fails(state, "wasi", "{'package':'tool@9.0.0'}", "virtual.json", ERR_BAD_SOURCE, "no package tool@9.0.0", "app");
    fails(state, "web", "{'package':'mac'}", "virtual.json", ERR_BAD_SOURCE, "procedural macro", "my-lib");
    fails(state, "static", "{'package':'my-lib'}", "virtual.json", ERR_BAD_SOURCE, "has no bin", "app, tool");
}

static void test_hostile(void **state)
{
    static const char *const shapes[] = {"{}",
                                         "[]",
                                         "null",
                                         "{'packages':{}}",
                                         "{'packages':[1,null,'x']}",
                                         "{'packages':[{}]}",
                                         "{'packages':[{'name':7,'manifest_path':'/work/src/Cargo.toml'}]}"};

    for (size_t i = 0; i < COUNT(shapes); i++) {
        AUTO(json) cJSON *metadata = kit_quoted(shapes[i]);
        struct made m = make(state, "wasi", "{}", metadata, NULL);
        assert_int_equal(m.r, -1);
        assert_int_equal(m.err.kind, ERR_BAD_SOURCE);
        clear(&m);
    }
    AUTO(json)
    cJSON *metadata = kit_quoted(
        "{'workspace_root':'/work/src','packages':[{'name':'x','version':'1.0.0','manifest_path':'/etc/Cargo.toml'}]}");
    struct made m = make(state, "wasi", "{}", metadata, NULL);
    assert_non_null(strstr(m.err.msg, "not inside the tarball"));
    clear(&m);
    AUTO(json)
    cJSON *slash = kit_quoted("{'packages':[{'name':'x','version':'1.0.0','manifest_path':'/work/src/Cargo.toml',"
                              "'targets':[{'kind':['bin'],'name':'../../x'}]}]}");
    m = make(state, "wasi", "{}", slash, NULL);
    assert_non_null(strstr(m.err.msg, "cannot be a file's"));
    clear(&m);
}

static void test_own_metadata(void **state)
{
    AUTO(json) cJSON *metadata = local_bins();
    cJSON *package = cJSON_GetArrayItem(cJSON_GetObjectItem(metadata, "packages"), 0);

    cJSON_ReplaceItemInObject(
        package, "metadata",
        kit_quoted("{'bloomery':{'bin':['third'],'features':['gui'],'cargo_profile':'small','odd':1}}"));
    struct made m = make(state, "static", "{}", metadata, NULL);
    assert_int_equal(m.r, 0);
    assert_int_equal(m.plan.outputs_count, 1);
    assert_string_equal(m.plan.outputs[0].file, "x86_64-unknown-linux-musl/small/third");
    assert_non_null(strstr(m.plan.warnings[0], "odd is not known"));
    clear(&m);
    m = make(state, "static", "{'bin':['second'],'cargo_profile':'dev'}", metadata, NULL);
    assert_string_equal(m.plan.outputs[0].file, "x86_64-unknown-linux-musl/debug/second");
    clear(&m);
    cJSON_ReplaceItemInObject(package, "metadata", kit_quoted("{'bloomery':{'bin':'third'}}"));
    m = make(state, "static", "{}", metadata, NULL);
    assert_non_null(strstr(m.err.msg, "package.metadata.bloomery.bin must be a list of names"));
    clear(&m);
}

/* --- dependencies --- */

static void test_dependencies(void **state)
{
    fails(state, "static", "{}", "bins.json", ERR_DEPENDENCY,
          "dependency gitty comes from git+https://github.com/x/y?rev=abc", "cargo vendor");
    struct made m = make_from(state, "web", "{}", "plain.json");
    assert_int_equal(m.r, 0);
    assert_true(m.plan.needs_fetch); /* helper is no member: nobody knows what it needs */
    clear(&m);

    AUTO(json) cJSON *hello = kit_json("metadata", "hello.json");
    m = make(state, "wasi", "{}", hello, "mixed.json");
    assert_false(m.plan.needs_fetch);
    clear(&m);

    AUTO(json) cJSON *bins = kit_json("metadata", "bins.json");
    m = make(state, "static", "{}", bins, "mixed.json"); /* gitty is replaced there, the other registry is not */
    assert_int_equal(m.r, -1);
    assert_non_null(strstr(m.err.msg, "dependency other comes from registry+https://example.com/index"));
    clear(&m);

    cJSON *dep = cJSON_GetArrayItem(
        cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(hello, "packages"), 0), "dependencies"), 0);
    cJSON_ReplaceItemInObject(dep, "source", cJSON_CreateNull());
    cJSON_AddStringToObject(dep, "path", "/work/other");
    m = make(state, "wasi", "{}", hello, NULL);
    assert_int_equal(m.err.kind, ERR_DEPENDENCY);
    assert_non_null(strstr(m.err.msg, "outside the tarball"));
    clear(&m);
}

/* --- environment --- */

static void test_environment(void **state)
{
    AUTO(json) cJSON *metadata = kit_json("metadata", "hello.json");
    struct made m =
        make(state, "web", "{'cfg':['a','b=\\'c\\''],'env':{'GREETING':'hi there'},'debug':true}", metadata, NULL);

    clear(&m);
    AUTO(json)
    cJSON *options = cJSON_Parse("{\"cfg\":[\"a\",\"b=\\\"c\\\"\"],\"env\":{\"GREETING\":\"hi there\"},\"debug\":true,"
                                 "\"cargo_profile\":\"my-dist\"}");
    AUTO(json) cJSON *conf = kit_json("config", "mixed.json");
    const struct profile *p = kit_profile(state, "web");
    cargo_config_filter(p, conf, &m.config);
    m.r = plan_make(p, "1.97.0-nightly", options, metadata, &m.config, &m.plan, &m.err);
    assert_int_equal(m.r, 0);
    expect_in(m.plan.env, "CARGO_HOME=/work/cargo");
    expect_in(m.plan.env, "CARGO_TARGET_DIR=/work/target");
    expect_in(m.plan.env, "HOME=/work/home");
    expect_in(m.plan.env, "TMPDIR=/work/tmp");
    expect_in(m.plan.env, "CARGO_NET_OFFLINE=true");
    expect_in(m.plan.env, "CARGO_INCREMENTAL=0");
    expect_in(m.plan.env, "CC_wasm32_unknown_unknown=clang");
    expect_in(m.plan.env, "GREETING=hi there");
    expect_in(m.plan.env, "CARGO_PROFILE_MY_DIST_DEBUG=2");
    expect_in(m.plan.env, "CARGO_ENCODED_RUSTFLAGS=--sysroot=/opt/sysroot\x1f"
                          "--remap-path-prefix=/work/src=crate\x1f--remap-path-prefix=/work/target=target\x1f"
                          "--remap-path-prefix=/work/cargo=cargo\x1f"
                          "--remap-path-prefix=/work/cargo/registry/src=cargo/registry\x1f"
                          "--cfg=tokio_unstable\x1f-Ctarget-feature=+simd128\x1f--check-cfg=cfg(foo)\x1f"
                          "--cfg=a\x1f--cfg=b=\"c\"");
    clear(&m);
}

/* --- the crate's own cargo configuration --- */

static void expect_warning(const struct cargo_config *c, const char *part)
{
    for (char *const *w = c->warnings; *w; w++)
        if (strstr(*w, part))
            return;
    for (char *const *w = c->warnings; *w; w++)
        print_message("has: %s\n", *w);
    fail_msg("no warning has %s", part);
}

static void test_config(void **state)
{
    static const char *const dropped[] = {
        "alias.x",           "build.target",   "build.rustc-wrapper",    "-C link-arg=-s",
        "+bulk-memory",      "env.FOO",        "net.git-fetch-with-cli", "patch.crates-io.ryu",
        "profile.release",   "source.outside", "target.cfg(target_arch", "target.wasm32-wasip1",
        "unstable.build-std"};
    AUTO(json) cJSON *conf = kit_json("config", "mixed.json");
    struct cargo_config c;

    cargo_config_filter(kit_profile(state, "web"), conf, &c);
    assert_string_equal(c.toml,
                        "[source.\"crates-io\"]\nreplace-with = \"vendored-sources\"\n"
                        "[source.\"git+https://github.com/x/y?rev=abc\"]\ngit = \"https://github.com/x/y\"\n"
                        "rev = \"abc\"\nreplace-with = \"vendored-sources\"\n"
                        "[source.\"vendored-sources\"]\ndirectory = \"/work/src/vendor\"\n"
                        "[patch.\"crates-io\"]\n\"itoa\" = { path = \"/work/src/itoa-local\", version = \"1\" }\n");
    assert_true(c.replaces_registry);
    assert_string_equal(c.replaced[0], "git+https://github.com/x/y?rev=abc");
    for (size_t i = 0; i < COUNT(dropped); i++)
        expect_warning(&c, dropped[i]);
    cargo_config_clear(&c);

    /* As cargo does it, the target's own flags hide those of [build]. */
    cargo_config_filter(kit_profile(state, "wasi"), conf, &c);
    assert_string_equal(c.rustflags[0], "--cfg=web_sys_unstable_apis");
    assert_null(c.rustflags[1]);
    expect_warning(&c, "opt-level=3");
    expect_warning(&c, "target.wasm32-wasip1.linker");
    cargo_config_clear(&c);

    cargo_config_filter(kit_profile(state, "wasi"), NULL, &c);
    assert_string_equal(c.toml, "");
    assert_null(c.rustflags[0]);
    assert_null(c.warnings[0]);
    assert_false(c.replaces_registry);
    cargo_config_clear(&c);
}

static void test_config_hostile(void **state)
{
    static const char *const texts[] = {
        "{'source':{'crates-io':{'replace-with':'a'},'a':{'replace-with':'crates-io'}}}",
        "{'source':{'crates-io':{'replace-with':'a'},'a':{'directory':'../x'}}}",
        "{'source':{'crates-io':{'replace-with':'a'},'a':{'directory':'/work/srcx'}}}",
        "{'source':{'crates-io':{'replace-with':'a'},'a':{'directory':'vendor/../../x'}}}",
        "{'source':{'crates-io':{'replace-with':'a'},'a':{'registry':'https://evil'}}}",
        "{'source':{'crates-io':7}}",
        "{'source':[1]}",
        "{'patch':{'crates-io':[]}}",
        "{'patch':7}",
        "{'build':{'rustflags':{'a':1}}}",
        "{'build':{'rustflags':[7,'--cfg']}}",
        "{'build':[]}",
        "{'target':{'wasm32-wasip1':7}}",
        "{'build':{'rustflags':['-C','linker=x','--cfg','a\\u001f-Clinker=x','@file','-Clinker=x','-O']}}",
        "[]",
        "7"};
    struct cargo_config c;

    for (size_t i = 0; i < COUNT(texts); i++) {
        AUTO(json) cJSON *conf = kit_quoted(texts[i]);
        cargo_config_filter(kit_profile(state, "wasi"), conf, &c);
        assert_false(c.replaces_registry);
        assert_null(c.rustflags[0]);
        assert_null(strstr(c.toml, "path"));
        cargo_config_clear(&c);
    }
    AUTO(json)
    cJSON *at =
        kit_quoted("{'build':{'rustflags':['--cfg','@file']},"
                   "'source':{'crates-io':{'replace-with':'a\\\"\\n[x]'},'a\\\"\\n[x]':{'directory':'/work/src'}}}");
    cargo_config_filter(kit_profile(state, "wasi"), at, &c);
    assert_string_equal(c.rustflags[0], "--cfg=@file"); /* not an argument that begins with @ */
    assert_null(strstr(c.toml, "\n[x]"));
    cargo_config_clear(&c);
}

/* --- old cargos --- */

static const char *value_in(char *const *env, const char *key)
{
    for (; *env; env++)
        if (strncmp(*env, key, strlen(key)) == 0)
            return *env + strlen(key);
    return NULL;
}

static void test_old(void **state)
{
    AUTO(json) cJSON *metadata = kit_json("metadata", "hello.json");
    struct made m =
        make_pinned(state, "static", "1.43.1", "{'locked':true,'features':[],'cfg':['a','b']}", metadata, NULL);

    assert_int_equal(m.r, 0);
    assert_string_equal(m.plan.cargo[1], "build");
    expect_in(m.plan.cargo, "--package=hello-world:0.1.0");
    expect_in(m.plan.cargo, "--release");
    expect_in(m.plan.cargo, "--bin=hello-world");
    assert_false(in_list(m.plan.cargo, "--profile=release"));
    assert_false(in_list(m.plan.cargo, "--locked")); /* steps/old.py holds to the lock */
    assert_null(value_in(m.plan.env, "CARGO_ENCODED_RUSTFLAGS="));
    const char *flags = value_in(m.plan.env, "RUSTFLAGS=");
    assert_non_null(flags);
    assert_non_null(strstr(flags, " --cfg=a --cfg=b"));
    clear(&m);

    m = make_pinned(state, "static", "1.43.1", "{'cargo_profile':'dev'}", metadata, NULL);
    assert_int_equal(m.r, 0);
    assert_false(in_list(m.plan.cargo, "--release"));
    assert_string_equal(m.plan.outputs[0].file, "x86_64-unknown-linux-musl/debug/hello-world");
    clear(&m);

    m = make_pinned(state, "linked", "1.43.1", "{}", metadata, NULL);
    assert_int_equal(m.r, 0);
    assert_string_equal(m.plan.cargo[1], "build");
    expect_in(m.plan.cargo, "--lib");
    assert_false(in_list(m.plan.cargo, "--crate-type=staticlib"));
    clear(&m);
}

static void test_old_refuses(void **state)
{
    AUTO(json) cJSON *metadata = kit_json("metadata", "hello.json");
    struct made m = make_pinned(state, "static", "1.43.1", "{'cargo_profile':'my-dist'}", metadata, NULL);

    assert_int_equal(m.r, -1);
    assert_int_equal(m.err.kind, ERR_BAD_SOURCE);
    assert_string_equal(m.err.msg,
                        "cargo_profile my-dist needs Rust 1.57 or newer; this profile's compiler is pinned at 1.43.1");
    clear(&m);
    m = make_pinned(state, "static", "1.43.1", "{'cfg':['a=b c']}", metadata, NULL);
    if (m.r == 0 || m.err.kind != ERR_BAD_SOURCE || !strstr(m.err.msg, "space"))
        fail_msg("%s", m.err.msg);
    assert_null(m.plan.cargo);
    clear(&m);
    m = make_pinned(state, "static", "1.55.0", "{'cfg':['a=b c']}", metadata, NULL);
    assert_int_equal(m.r, 0);
    assert_non_null(value_in(m.plan.env, "CARGO_ENCODED_RUSTFLAGS="));
    clear(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old),         cmocka_unit_test(test_old_refuses),  cmocka_unit_test(test_bin),
        cmocka_unit_test(test_lib),         cmocka_unit_test(test_elf),          cmocka_unit_test(test_linked),
        cmocka_unit_test(test_bins),        cmocka_unit_test(test_features),     cmocka_unit_test(test_workspace),
        cmocka_unit_test(test_hostile),     cmocka_unit_test(test_own_metadata), cmocka_unit_test(test_dependencies),
        cmocka_unit_test(test_environment), cmocka_unit_test(test_config),       cmocka_unit_test(test_config_hostile),
    };

    return cmocka_run_group_tests_name("plan", tests, kit_setup, kit_teardown);
}
