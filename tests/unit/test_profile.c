/* test_profile.c - profiles load whole or not at all; options are typed, bounded and canonical. */
#include "tests/unit/profile_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- loading --- */

static void test_set(void **state)
{
    struct profiles *set = *state;

    assert_int_equal(profiles_count(set), 9);
    assert_string_equal(profiles_at(set, 0)->name, "archive");
    assert_string_equal(profiles_at(set, 8)->name, "web");
    assert_null(profiles_find(set, "nope"));
    const struct profile *web = profiles_find(set, "web");
    assert_int_equal(web->limits.job_wall_seconds, 77);
    assert_int_equal(web->limits.job_pids, 1024);
    assert_int_equal(web->dir[0], '/');
    profiles_unref(profiles_ref(set));
    profiles_unref(NULL);
}

static void test_shipped_profiles(void **state)
{
    static const struct limits limits = LIMITS_DEFAULT;
    const char *const dirs[] = {"workers/profiles", NULL};
    struct profiles *set = NULL;
    struct err err = ERR_INIT;

    (void)state;
    if (profiles_load(dirs, &limits, &set, &err) < 0)
        fail_msg("%s", err.msg);
    assert_non_null(profiles_find(set, "wasm"));
    assert_non_null(profiles_find(set, "wasi"));
    assert_non_null(profiles_find(set, "musl"));
    profiles_unref(set);
}

static void test_defined_twice(void **state)
{
    static const struct limits limits = LIMITS_DEFAULT;
    const char *const dirs[] = {"tests/unit/data/profiles", "tests/unit/data/profiles", NULL};
    struct profiles *set = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(profiles_load(dirs, &limits, &set, &err), -1);
    assert_null(set);
    assert_non_null(strstr(err.msg, "already defined"));
}

/* Loads a profile of that text, into err. */
static int load_text(const char *name, const char *text, bool dockerfile, struct err *err)
{
    static const struct limits limits = LIMITS_DEFAULT;
    char dir[] = "/tmp/test_profile.XXXXXX";
    struct profiles *set = NULL;
    struct err ignored = ERR_INIT;

    assert_non_null(mkdtemp(dir));
    AUTO(char_p) char *folder = mem_printf("%s/%s", dir, name);
    AUTO(char_p) char *file = mem_printf("%s/profile.json", folder);
    AUTO(char_p) char *docker = mem_printf("%s/Dockerfile", folder);
    assert_int_equal(mkdir(folder, 0755), 0);
    assert_int_equal(fs_write(file, text, strlen(text), 0644, &ignored), 0);
    if (dockerfile)
        assert_int_equal(fs_write(docker, "", 0, 0644, &ignored), 0);
    const char *const dirs[] = {dir, NULL};
    int r = profiles_load(dirs, &limits, &set, err);
    profiles_unref(set);
    fs_remove_tree(dir, &ignored);
    return r;
}

/* Loads one of the profiles after `old` was replaced by `new`, into err. */
static int load_changed(const char *name, const char *old, const char *new, bool dockerfile, struct err *err)
{
    AUTO(char_p) char *file = mem_printf("%s/profile.json", name);
    AUTO(buf) struct buf text = kit_read("profiles", file), changed = {0};
    const char *at = strstr(text.p, old);

    assert_non_null(at);
    buf_put(&changed, text.p, (size_t)(at - text.p));
    buf_puts(&changed, new);
    buf_puts(&changed, at + strlen(old));
    return load_text(name, changed.p, dockerfile, err);
}

static void refuses(const char *name, const char *old, const char *new, const char *message)
{
    struct err err = ERR_INIT;

    assert_int_equal(load_changed(name, old, new, true, &err), -1);
    if (!strstr(err.msg, message) || !strstr(err.msg, "profile.json"))
        fail_msg("%s: expected %s", err.msg, message);
}

static void test_broken(void **state)
{
    static const struct {
        const char *old, *new, *message;
    } cases[] = {
        {"\"title\": \"Modules for tests\",", "", "title is missing"},
        {"\"title\": \"Modules for tests\"", "\"title\": 7", "title must be a text"},
        {"\"title\"", "\"tytle\"", "tytle is not known"},
        {"\"name\": \"web\"", "\"name\": \"Web\"", "name must be"},
        {"\"name\": \"web\"", "\"name\": \"webb\"", "its folder"},
        {"\"name\": \"web\"", "\"name\": \"web\", \"name\": \"web\"", "twice"},
        {"{name}.wasm", "../{name}", "outputs.bin"},
        {"\"prefer\": [\"cdylib\", \"bin\"]", "\"prefer\": [\"staticlib\"]", "prefer names staticlib"},
        {"\"prefer\": [\"cdylib\", \"bin\"]", "\"prefer\": []", "prefer is empty"},
        {"\"kind\": \"wasm\"", "\"kind\": \"exe\"", "artifact.kind"},
        {"\"suffix\": \".wasm\"", "\"suffix\": \"/x\"", "artifact.suffix"},
        {"\"memory\": {\"type\"", "\"package\": {\"type\"", "options.package is the name of a common option"},
        {"\"default\": \"md\"", "\"default\": \"xx\"", "options.memory.default"},
        {"\"default\": 3", "\"default\": 30", "options.depth.default"},
        {"\"type\": \"int\"", "\"type\": \"float\"", "options.depth.type"},
        {"\"doc\": \"how deep\"", "\"dock\": \"how deep\"", "options.depth.dock"},
        {"job_wall_seconds", "job_wall_second", "limits.job_wall_second is not known"},
        {": 77", ": -1", "limits.job_wall_seconds must be"},
        {"\"exports_function\"", "\"export_function\"", "contract.export_function is not known"},
        {"\"exports_function\": true", "\"interp\": false", "contract.interp is a rule for elf"},
        {"env.*", "e*v", "contract.imports"},
        {"\"match\"", "\"mach\"", "hints.mach"},
        {"{\n", "[\n", "is not JSON"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        refuses("web", cases[i].old, cases[i].new, cases[i].message);
    struct err err = ERR_INIT;
    assert_int_equal(load_changed("web", "Modules", "Modules", false, &err), -1);
    assert_non_null(strstr(err.msg, "Dockerfile is missing"));
}

static void test_broken_link(void **state)
{
    (void)state;
    refuses("linked", "\"command\": [\"/bloomery/profile/link.sh\", \"-v\"], ", "", "link.command is missing");
    refuses("linked", "[\"/bloomery/profile/link.sh\", \"-v\"]", "[]", "link.command is empty");
    refuses("linked", "\"-v\"", "\"\"", "link.command has an empty argument");
    refuses("linked", "{lib}.out", "out", "link.output must be");
    refuses("linked", "{lib}.out", "../{lib}", "link.output must be");
    refuses("linked", "\"seconds\": 60", "\"seconds\": 0", "link.seconds must be");
    refuses("linked", "\"seconds\"", "\"minutes\"", "link.minutes is not known");
    refuses("linked", "\"staticlib\", \"bin\"", "\"rlib\", \"bin\"", "prefer names rlib");
    refuses("linked", "\"test-host\"", "\"Test Host\"", "kit.name must be");
    refuses("linked", "\"required\": true, ", "", "kit.required is missing");
    refuses("linked", "the host's tree: docs/kits.md", "", "kit.doc is empty");
    refuses("kitted", "\"required\": false", "\"required\": true", "kit.required without link");
    refuses("linked", "\"host_*\"", "\"*_host\"", "contract.undefined: *_host must have its * at the end");
    refuses("linked", "[\"host_*\", \"puts\"]", "\"profile\"", "contract.undefined must be a list");
    refuses("kitted", "\"exports\": \"kit\"", "\"undefined\": \"kit\"", "a rule for elf and ar, not for wasm");
    refuses("web", "[\"env.*\", \"host.log\"]", "\"kit\"", "contract.imports is \"kit\", but the profile names no kit");
}

static void test_broken_packed(void **state)
{
    static const struct {
        const char *old, *new, *message;
    } cases[] = {
        {"\"targets\": [\"x86_64-unknown-linux-musl\"", "\"targets\": [\"x86_64-unknown-linux-gnu\"",
         "targets must be target triples, each once"},
        {"\"targets\": [\"x86_64-unknown-linux-musl\"", "\"targets\": [\"aarch64-unknown-linux-gnu\"",
         "targets must be target triples, each once"},
        {"\"targets\": [\"x86_64-unknown-linux-musl\"", "\"targets\": [\"--x\"", "targets must be target triples"},
        {"\"targets\": [\"x86_64-unknown-linux-musl\", \"aarch64-unknown-linux-gnu\"]",
         "\"targets\": [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]", "targets has more than 8"},
        {"\"x86_64-unknown-linux-musl\": [\"staticlib\"]", "\"armv7\": [\"staticlib\"]",
         "crate_types.armv7 is none of target and targets"},
        {"linux-musl\": [\"staticlib\"]", "linux-musl\": [\"bin\"]", "bin is not cdylib or staticlib"},
        {"linux-musl\": [\"staticlib\"]", "linux-musl\": []", "crate_types.x86_64-unknown-linux-musl must be"},
        {"[\"-Cgnu\"]", "[\"\"]", "target_rustflags.x86_64-unknown-linux-gnu has an empty flag"},
        {"[\"-Cgnu\"]", "7", "target_rustflags.x86_64-unknown-linux-gnu must be"},
        {"\"aarch64-unknown-linux-gnu\": [\"-Carm", "\"riscv\": [\"-Carm", "target_rustflags.riscv is none"},
        {"{\"panic\": \"unwind\", \"opt-level\": 2", "{\"panic\": \"maybe\", \"opt-level\": 2",
         "cargo_profile.panic is no"},
        {"\"opt-level\": 2", "\"opt-level\": 4", "cargo_profile.opt-level is no"},
        {"\"opt-level\": 2", "\"opt-level\": 1.5", "cargo_profile.opt-level is no"},
        {"\"lto\": true", "\"rpath\": true", "cargo_profile.rpath is no"},
        {"\"entry\": \"name\"", "\"exports\": \"name\"", "metadata.exports cannot be"},
        {"\"entry\": \"name\"", "\"target_dir\": \"name\"", "metadata.target_dir cannot be"},
        {"\"entry\": \"name\"", "\"option_panic\": \"name\"", "metadata.option_panic cannot be"},
        {"\"entry\": \"name\"", "\"Entry\": \"name\"", "metadata.Entry cannot be"},
        {"\"entry\": \"name\"", "\"entry\": \"list\"", "metadata.entry must be name, file, files or text"},
        {"\"abort\": {\"rustflags\"", "\"halt\": {\"rustflags\"", "options.panic.sets.halt is not a value"},
        {"\"sets\": {\"true\"", "\"sets\": {\"yes\"", "options.fast.sets.yes is not a value"},
        {"\"type\": \"bool\"", "\"type\": \"string\"", "options.fast.sets must be an object, of an enum or a bool"},
        {"\"env\": {\"MODE\": \"aborting\"}", "\"env\": {\"1\": \"aborting\"}",
         "options.panic.sets.abort.env.1 is not the name"},
        {"\"env\": {\"MODE\": \"aborting\"}", "\"evn\": {}", "options.panic.sets.abort.evn is not known"},
        {"\"cargo_profile\": {\"panic\": \"abort\"}", "\"cargo_profile\": {\"panic\": 1}",
         "options.panic.sets.abort.cargo_profile.panic is no"},
        {"\"cargo_profile\": {\"panic\": \"abort\"}", "\"contract\": {\"type\": [\"dyn\"]}",
         "options.panic.sets.abort.contract.type is a rule for elf, not for tar"},
        {"{\"host\": \"a packer\"},", "{\"host\": \"a packer\", \"exports\": []},",
         "contract.exports is a rule for wasm, elf and ar, not for tar"},
        {"\"lib{lib}.a\"", "\"lib{lib}.so\"", "link.sides.file: lib{lib}.so is there twice"},
        {"\"lib{lib}.a\"", "\"{name}.tar\"", "link.sides.file: {name}.tar is there twice"},
        {"\"lib{lib}.a\"", "\"../{lib}\"", "link.sides.file must be"},
        {"\"tags.json\"", "\"a/b\"", "link.sides.file must be"},
        {"\"kind\": \"json\"", "\"kind\": \"yaml\"", "link.sides.kind must be"},
        {"\"optional\": true, \"contract\"", "\"maybe\": true, \"contract\"", "link.sides.maybe is not known"},
        {"\"machine\": \"x86_64\", \"panic\"", "\"soname\": \"{lib}\", \"panic\"",
         "link.sides.contract.soname is a rule for elf, not for ar"},
        {"\"panic\": \"unwind\"}}", "\"panic\": \"abort\"}}", "link.sides.contract.panic must be unwind"},
        {"\"libc_floor\": \"2.36\"", "\"libc_floor\": \"new\"", "libc_floor must be a version"},
        {"\"exports_listed\": \"{name}.symbols\"", "\"exports_listed\": \"tags.json\"",
         "exports_listed must be the file of a text"},
        {"\"soname\": \"lib{lib}.so\"", "\"soname\": \"libx.so\"", "soname must be a file name with"},
        {"{\"file\": \"tags.json\", \"kind\": \"json\"}",
         "{\"file\": \"tags.json\", \"kind\": \"json\", \"contract\": {\"exports\": []}}",
         "link.sides.contract.exports is a rule for wasm, elf and ar, not for json"},
        {"\"optional\": true\n", "\"optional\": 1\n", "trial.optional must be"},
        {"\"tmp_bytes\": 1000000", "\"tmp_bytes\": 0", "trial.tmp_bytes must be"},
        {"\"outputs\": {\"cdylib\"", "\"outputs\": {\"bin\": \"{name}\", \"cdylib\"", "link.sides.file must be"},
    };
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(load_changed("packed", "Packages", "Packages", true, &err), 0);
    for (size_t i = 0; i < COUNT(cases); i++)
        refuses("packed", cases[i].old, cases[i].new, cases[i].message);
    refuses("static", "\"kind\": \"elf\"", "\"kind\": \"tar\"", "artifact.kind is tar, but there is no link step");
    refuses("web", "\"exports_function\": true", "\"memory\": {\"min_pages\": 0}", "contract.memory.min_pages must be");
    refuses("component", "\"tls\": false", "\"tls\": true", "contract.tls must be false");
    refuses("component", "\"fs\": false", "\"fs\": true", "contract.fs must be false");
    refuses("component", "\"interp\": \"ld.lib.so\"", "\"interp\": 7", "contract.interp must be true, false or a text");
    refuses("threaded", "\"instrumented\": true", "\"tls\": false", "contract.tls is a rule for elf, not for wasm");
    refuses("archive", "\"local-exec\", ", "\"static\", ", "tls_model: static is not");
    refuses("archive", "\"uk_*\"", "\"u*k\"", "not_defined: u*k must have its * at the end");
    refuses("archive", "\"main\", \"@libc.symbols\"", "\"@absent.symbols\"",
            "contract: not_defined: there is no file absent.symbols in the profile's folder");
    refuses("archive", "\"main\", \"@libc.symbols\"", "\"@../static/profile.json\"", "there is no file ../static");
}

/* schema/profile.schema.json, which people's editors read, has the fields that profile.c knows: each property of the
 * schema, put into a profile with a value of no use, is refused for another reason than being unknown. The other way
 * round every key of a profile that loads is a property of the schema. */
static cJSON *schema(void)
{
    AUTO(buf) struct buf text = {0};
    struct err err = ERR_INIT;
    cJSON *json = NULL;

    if (fs_read("schema/profile.schema.json", 1 << 20, &text, &err) < 0 ||
        json_parse(text.p, text.len, "the schema", &json, &err) < 0)
        fail_msg("%s", err.msg);
    return json;
}

static void try_property(const char *object, const char *key)
{
    AUTO(json) cJSON *json = kit_json("profiles", "linked/profile.json");
    cJSON *into = object ? cJSON_GetObjectItemCaseSensitive(json, object) : json;
    struct err err = ERR_INIT;

    if (!into)
        cJSON_AddItemToObject(json, object, into = cJSON_CreateObject());
    cJSON_DeleteItemFromObjectCaseSensitive(into, key);
    cJSON_AddItemToObject(into, key, cJSON_CreateNull());
    AUTO(char_p) char *text = json_text(json);
    assert_int_equal(load_text("linked", text, true, &err), -1);
    if (!strstr(err.msg, "must be") || !strstr(err.msg, key))
        fail_msg("%s.%s of the schema: %s", object ? object : "", key, err.msg);
}

static void test_schema(void **state)
{
    static const char *const objects[] = {NULL, "artifact", "link", "kit", "contract", "trial"};
    static const char *const names[] = {"web", "wasi", "static", "linked", "kitted", "packed"};
    AUTO(json) cJSON *json = schema();
    const cJSON *all = json_obj(json, "properties"), *v;

    (void)state;
    for (size_t i = 0; i < COUNT(objects); i++) {
        const cJSON *properties = objects[i] ? json_obj(json_obj(all, objects[i]), "properties") : all;
        if (objects[i] && strcmp(objects[i], "contract") == 0)
            properties = json_obj(json_obj(json_obj(json, "$defs"), "host_rules"), "properties");
        assert_non_null(properties);
        cJSON_ArrayForEach(v, properties) try_property(objects[i], v->string);
        for (size_t n = 0; n < COUNT(names); n++) {
            AUTO(char_p) char *file = mem_printf("%s/profile.json", names[n]);
            AUTO(json) cJSON *profile = kit_json("profiles", file);
            const cJSON *object = objects[i] ? json_obj(profile, objects[i]) : profile;
            cJSON_ArrayForEach(v, object)
            {
                if (!cJSON_GetObjectItemCaseSensitive(properties, v->string))
                    fail_msg("the schema lacks %s.%s", objects[i] ? objects[i] : "", v->string);
            }
        }
    }
    /* The kinds of outputs. */
    cJSON_ArrayForEach(v, json_arr(json_obj(json_obj(json, "$defs"), "output"), "enum"))
    {
        AUTO(char_p) char *outputs = mem_printf("\"%s\": \"{name}\"", v->valuestring);
        AUTO(char_p) char *prefer = mem_printf("\"prefer\": [\"%s\"], \"outputs\": {%s}", v->valuestring, outputs);
        struct err err = ERR_INIT;
        if (load_changed("static", "\"prefer\": [\"bin\"], \"outputs\": {\"bin\": \"{name}\"}", prefer, true, &err) < 0)
            fail_msg("%s", err.msg);
    }
}

/* --- options --- */

/* "key=value&key=value" to parameters, then to the canonical text or the error's. The caller owns it. */
static char *options_in(void **state, const char *profile, bool in_group, const char *query)
{
    AUTO(char_p) char *copy = mem_strdup(query);
    struct param params[80];
    size_t count = 0;
    char *rest = copy;
    cJSON *obj = NULL;
    struct err err = ERR_INIT;

    for (char *part; *query && (part = strsep(&rest, "&"));) {
        char *eq = strchr(part, '=');
        if (eq)
            *eq = '\0';
        params[count++] = (struct param){part, eq ? eq + 1 : ""};
    }
    if (profile_options(kit_profile(state, profile), params, count, in_group, &obj, &err) < 0) {
        assert_null(obj);
        assert_int_equal(err.kind, ERR_BAD_REQUEST);
        return mem_printf("%s | %s", err.msg, err.hint);
    }
    char *text = json_text(obj);
    cJSON_Delete(obj);
    return text;
}

static void is(void **state, const char *query, const char *expected)
{
    AUTO(char_p) char *got = options_in(state, "web", false, query);

    assert_string_equal(got, expected);
}

static void refused(void **state, const char *query, const char *part)
{
    AUTO(char_p) char *got = options_in(state, "web", false, query);

    if (!strstr(got, part))
        fail_msg("%s: %s lacks %s", query, got, part);
}

static void test_canonical(void **state)
{
    is(state, "", "{}");
    is(state, "cargo_profile=release&priority=0&trial=on&locked=0&toolchain=pinned-1&memory=md&depth=3&verify=no",
       "{}");
    is(state, "locked&debug=yes&no_default_features=on&bypass_cache=1",
       "{\"bypass_cache\":true,\"debug\":true,\"locked\":true,\"no_default_features\":true}");
    is(state, "trial=off", "{\"trial\":false}");
    is(state, "features=b,a&features=c b", "{\"features\":[\"a\",\"b\",\"c\"]}");
    is(state, "features=", "{}");
    is(state, "bin=z,a&bin=z", "{\"bin\":[\"z\",\"a\"]}");
    is(state, "package=x&manifest_path=crates/x/Cargo.toml",
       "{\"manifest_path\":\"crates/x/Cargo.toml\",\"package\":\"x\"}");
    is(state, "env.B=2&env.A=1", "{\"env\":{\"A\":\"1\",\"B\":\"2\"}}");
    is(state, "max_size=100&priority=-100&depth=9", "{\"depth\":9,\"max_size\":100,\"priority\":-100}");
    is(state, "memory=lg&fancy", "{\"fancy\":true,\"memory\":\"lg\"}");
}

static void test_cfg(void **state)
{
    AUTO(char_p) char *got = options_in(state, "web", false, "cfg=a,b&cfg=x=\"1,2\"");

    assert_string_equal(got, "{\"cfg\":[\"a\",\"b\",\"x=\\\"1,2\\\"\"]}");
    refused(state, "cfg=-Clinker", "cfg must be");
    refused(state, "cfg=a=b", "cfg must be");
    refused(state, "cfg=a=\"b", "cfg must be");
    refused(state, "cfg=a=\"b\"c", "cfg must be");
    refused(state, "cfg=@file", "cfg must be");
    refused(state, "cfg=a\x1f-Clinker=x", "cfg must be");
}

static void test_refused(void **state)
{
    refused(state, "nope=1", "unknown parameter nope");
    refused(state, "nope=1", "profile web takes memory, depth, fancy, package");
    refused(state, "locked=maybe", "true or false");
    refused(state, "locked=1&locked=1", "given twice");
    refused(state, "package=a&package=b", "given twice");
    refused(state, "package=", "parameter package=");
    refused(state, "package=-p", "parameter package=-p");
    refused(state, "priority=101", "from -100 to 100");
    refused(state, "priority=1e1", "whole number");
    refused(state, "max_size=0", "whole number");
    refused(state, "max_size=99999999999999999999", "whole number");
    refused(state, "max_size= 1", "whole number");
    refused(state, "cargo_profile=test", "not debug, test, bench");
    refused(state, "cargo_profile=debug", "release, dev");
    refused(state, "cargo_profile=a/b", "cargo_profile");
    refused(state, "toolchain=nightly", "pinned-1");
    refused(state, "verify=twice", "true or false");
    refused(state, "memory=xl", "one of sm, md, lg");
    refused(state, "depth=10", "from 1 to 9");
    refused(state, "manifest_path=/etc/Cargo.toml", "relative path");
    refused(state, "manifest_path=a/../Cargo.toml", "relative path");
    refused(state, "manifest_path=../Cargo.toml", "relative path");
    refused(state, "manifest_path=a//Cargo.toml", "relative path");
    refused(state, "manifest_path=myCargo.toml", "relative path");
    refused(state, "manifest_path=Cargo.lock", "relative path");
    refused(state, "features=a;b", "names of features");
    refused(state, "package=a\nb", "package=a?b");
    refused(state, "wasi.package=a", "unknown parameter wasi.package");
}

static void test_env(void **state)
{
    static const char *const names[] = {"CARGO_HOME", "RUSTFLAGS", "LD_PRELOAD",    "CC",      "CC_x",     "CXX",
                                        "AR",         "PATH",      "HOME",          "TMPDIR",  "a",        "A-B",
                                        "",           "1A",        "RUSTC_WRAPPER", "HOST_CC", "TARGET_CC"};
    AUTO(buf) struct buf long_value = {0};

    for (size_t i = 0; i < COUNT(names); i++) {
        AUTO(char_p) char *query = mem_printf("env.%s=1", names[i]);
        refused(state, query, "is not accepted");
    }
    buf_puts(&long_value, "env.A=");
    for (int i = 0; i < 4096; i++)
        buf_puts(&long_value, "x");
    AUTO(char_p) char *got = options_in(state, "web", false, long_value.p);
    assert_int_equal(got[0], '{');
    buf_puts(&long_value, "x");
    refused(state, long_value.p, "4096");
    refused(state, "env.A=1&env.A=2", "given twice");
    refused(state, "env.A=x\ny", "printable");
    is(state, "env.GIT_SHA=abc", "{\"env\":{\"GIT_SHA\":\"abc\"}}");
    is(state, "env.A=", "{\"env\":{\"A\":\"\"}}");
}

static void test_group(void **state)
{
    AUTO(char_p) char *mine = options_in(state, "web", true, "web.memory=sm&wasi.package=x&debug");
    AUTO(char_p) char *other = options_in(state, "wasi", true, "web.memory=sm&wasi.package=x&debug");
    AUTO(char_p)
    char *wins = options_in(state, "web", true, "bin=a,b&web.bin=c&env.A=1&env.B=1&web.env.A=2&priority=3");
    AUTO(char_p) char *bare = options_in(state, "wasi", true, "memory=sm");

    assert_string_equal(mine, "{\"debug\":true,\"memory\":\"sm\"}");
    assert_string_equal(other, "{\"debug\":true,\"package\":\"x\"}");
    assert_string_equal(wins, "{\"bin\":[\"c\"],\"env\":{\"A\":\"2\",\"B\":\"1\"},\"priority\":3}");
    assert_non_null(strstr(bare, "unknown parameter memory"));
    is(state, "web.memory=sm", "{\"memory\":\"sm\"}");
}

static void test_bounds(void **state)
{
    AUTO(buf) struct buf q = {0};

    for (int i = 0; i < 65; i++)
        buf_printf(&q, "%sf%d", i ? "," : "features=", i);
    refused(state, q.p, "more than 64");
    buf_clear(&q);
    for (int i = 0; i < 65; i++)
        buf_printf(&q, "%senv.A%d=1", i ? "&" : "", i);
    refused(state, q.p, "more than 64");
}

static void test_describe(void **state)
{
    AUTO(json) cJSON *d = profile_describe(kit_profile(state, "web"));
    const cJSON *options = json_obj(d, "options");

    assert_string_equal(json_str(d, "host", ""), "a test host");
    assert_string_equal(json_str(json_obj(options, "memory"), "default", ""), "md");
    assert_string_equal(json_str(json_obj(options, "memory"), "scope", ""), "profile");
    assert_string_equal(json_str(json_obj(options, "cargo_profile"), "default", ""), "release");
    assert_string_equal(json_str(json_obj(options, "toolchain"), "default", ""), "pinned-1");
    assert_true(json_bool(json_obj(options, "trial"), "default", false));
    assert_non_null(json_obj(options, "env.NAME"));
    assert_int_equal(json_int(json_obj(d, "limits"), "job_wall_seconds", 0), 77);
    assert_string_equal(json_str(json_obj(json_obj(d, "artifacts"), "primary"), "kind", ""), "wasm");
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(d, "kit")));
    AUTO(json) cJSON *linked = profile_describe(kit_profile(state, "linked"));
    assert_string_equal(json_str(json_obj(linked, "kit"), "name", ""), "test-host");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),           cmocka_unit_test(test_shipped_profiles),
        cmocka_unit_test(test_defined_twice), cmocka_unit_test(test_broken),
        cmocka_unit_test(test_broken_link),   cmocka_unit_test(test_broken_packed),
        cmocka_unit_test(test_schema),        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_cfg),           cmocka_unit_test(test_refused),
        cmocka_unit_test(test_env),           cmocka_unit_test(test_group),
        cmocka_unit_test(test_bounds),        cmocka_unit_test(test_describe),
    };

    return cmocka_run_group_tests_name("profile", tests, kit_setup, kit_teardown);
}
