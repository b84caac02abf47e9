/* test_contract.c - every rule kept, broken, and without its fact. */
#include "tests/unit/profile_kit.h"
#include "workers/contract.h"

#include <string.h>

#define WEB                                                                                                            \
    "'imports':[{'module':'env','name':'now'},{'module':'host','name':'log'}],"                                        \
    "'exports':[{'name':'memory','kind':'memory'},{'name':'run','kind':'function'}]"

struct checked {
    cJSON *contract;
    struct err err;
    int r;
};

/* kit: its kit.json, NULL: none is installed. */
static struct checked check_with(void **state, const char *profile, const char *kit, const char *facts,
                                 const char *export)
{
    AUTO(json) cJSON *metadata = kit_quoted(facts);
    AUTO(json) cJSON *json = kit ? kit_quoted(kit) : NULL;
    struct kit installed = {.json = json, .name = "k", .version = "7"};
    char *exports[] = {(char *)(uintptr_t) export, NULL};
    const struct profile *p = kit_profile(state, profile);
    const struct contract what = {.profile = p,
                                  .kind = json_str(json_obj(p->json, "artifact"), "kind", ""),
                                  .rules = json_obj(p->json, "contract"),
                                  .facts = metadata,
                                  .exports = exports,
                                  .kit = kit ? &installed : NULL};
    struct checked c = {.err = ERR_INIT};

    c.r = contract_check(&what, &c.contract, &c.err);
    assert_int_equal(c.err.kind, c.r ? ERR_CONTRACT : ERR_NONE);
    return c;
}

static struct checked check(void **state, const char *profile, const char *facts, const char *export)
{
    struct checked c = check_with(state, profile, NULL, facts, export);

    assert_string_equal(json_str(c.contract, "verdict", ""), c.r ? "fail" : "pass");
    return c;
}

static void passes(void **state, const char *profile, const char *facts)
{
    struct checked c = check(state, profile, facts, NULL);
    const cJSON *v;

    if (c.r != 0)
        fail_msg("%s: %s", facts, c.err.msg);
    cJSON_ArrayForEach(v, json_arr(c.contract, "checks"))
    {
        assert_true(json_bool(v, "ok", false));
        assert_true(*json_str(v, "detail", "") != '\0');
    }
    cJSON_Delete(c.contract);
}

/* The first broken check is `name`; message and hint have these parts. */
static void breaks(void **state, const char *profile, const char *facts, const char *name, const char *message,
                   const char *hint)
{
    struct checked c = check(state, profile, facts, NULL);
    const cJSON *v, *first = NULL;

    assert_int_equal(c.r, 1);
    cJSON_ArrayForEach(v, json_arr(c.contract, "checks")) if (!first && !json_bool(v, "ok", true)) first = v;
    if (strcmp(json_str(first, "name", ""), name) != 0 || !strstr(c.err.msg, message) || !strstr(c.err.hint, hint))
        fail_msg("%s: %s | %s", json_str(first, "name", ""), c.err.msg, c.err.hint);
    cJSON_Delete(c.contract);
}

static void test_web(void **state)
{
    struct checked c = check(state, "web", "{" WEB "}", "run");

    assert_int_equal(c.r, 0);
    assert_string_equal(json_str(c.contract, "host", ""), "a test host");
    assert_int_equal(cJSON_GetArraySize(json_arr(c.contract, "checks")),
                     5); /* valid, three rules, the crate's export */
    cJSON_Delete(c.contract);

    c = check(state, "web", "{" WEB "}", "walk");
    assert_int_equal(c.r, 1);
    assert_string_equal(c.err.msg, "a test host does not load this: it does not export walk");
    assert_non_null(strstr(c.err.hint, "#[no_mangle]"));
    cJSON_Delete(c.contract);

    breaks(state, "web", "{'imports':[],'exports':[{'name':'memory','kind':'memory'}]}", "exports_function",
           "the module exports no function", "#[no_mangle] pub extern \"C\" fn");
    breaks(state, "web",
           "{'imports':[],'exports':[{'name':'memory','kind':'memory'},{'name':'_initialize','kind':'function'}]}",
           "exports_function", "exports no function", "");
    breaks(state, "web", "{'imports':[],'exports':[{'name':'run','kind':'function'}]}", "exports",
           "does not export memory", "");
    breaks(state, "web",
           "{'imports':[{'module':'host','name':'logs'},{'module':'environ','name':'x'}],"
           "'exports':[{'name':'memory'},{'name':'f','kind':'function'}]}",
           "imports", "host.logs, environ.x", "extern");
}

static void test_missing_facts(void **state)
{
    breaks(state, "web", "{}", "exports_function", "says nothing of exports", "");
    breaks(state, "web", "{'exports':[{'name':'memory'},{'name':'f','kind':'function'}]}", "imports",
           "says nothing of imports", "");
    breaks(state, "web", "null", "valid", "says nothing of the file", "");
    breaks(state, "web", "{'error':'bad magic number'}", "valid", "not a valid WebAssembly module: bad magic number",
           "");
    breaks(state, "web", "{'kind':'elf'}", "valid", "no WebAssembly module but elf", "");
    breaks(state, "web", "{" WEB ",'truncated':true}", "imports", "too many", "");
    breaks(state, "wasi", "{'imports':[],'exports':[{'name':'_start'}]}", "memory", "says nothing of memories", "");
    breaks(state, "wasi", "{'imports':[],'exports':[{'name':'_start'}],'memories':[{}]}", "memory",
           "says nothing of exported", "");
    breaks(state, "static", "{'type':'dyn','interp':null,'needed':[]}", "executable",
           "says nothing of whether it is a program", "");
    breaks(state, "static", "{'type':'exec','needed':[],'pie':true}", "interp", "says nothing of the interpreter", "");
    breaks(state, "static", "{'type':'exec','interp':null,'pie':true}", "needed", "says nothing of needed libraries",
           "");
    breaks(state, "static", "{'interp':null,'needed':[],'pie':true}", "type", "says nothing of the type", "");
}

static void test_wasi(void **state)
{
    passes(state, "wasi",
           "{'imports':[{'module':'wasi_snapshot_preview1','name':'fd_write'}],'exports':[{'name':'_start','kind':'"
           "function'}],"
           "'memories':[{'imported':false,'exported':true}]}");
    passes(state, "wasi", "{'imports':[],'exports':[{'name':'_initialize'}],'memories':[{'exported':true}]}");
    breaks(state, "wasi", "{'imports':[],'exports':[{'name':'main'}],'memories':[{'exported':true}]}", "exports_any",
           "none of _start, _initialize", "");
    breaks(state, "wasi", "{'imports':[],'exports':[{'name':'_start'}],'memories':[{'exported':false}]}", "memory",
           "not exported", "");
    breaks(state, "wasi", "{'imports':[],'exports':[{'name':'_start'}],'memories':[]}", "memory", "not exported", "");
}

static void test_many_names(void **state)
{
    AUTO(buf) struct buf facts = {0};

    buf_puts(&facts, "{'exports':[{'name':'_start'}],'memories':[{'exported':true}],'imports':[");
    for (int i = 0; i < 14; i++)
        buf_printf(&facts, "%s{'module':'env','name':'f%d\\u0007'}", i ? "," : "", i);
    buf_puts(&facts, "]}");
    struct checked c = check(state, "wasi", facts.p, NULL);
    const char *detail = json_str(cJSON_GetArrayItem(json_arr(c.contract, "checks"), 1), "detail", "");
    assert_non_null(strstr(detail, "env.f9? and 4 more"));
    cJSON_Delete(c.contract);
}

static void test_elf(void **state)
{
    passes(state, "static", "{'type':'exec','interp':null,'needed':[],'pie':false,'entry':'0x40'}");
    passes(state, "static", "{'type':'dyn','interp':'','needed':[],'pie':true,'entry':'0x40'}");
    passes(state, "static", "{'type':'dyn','interp':null,'needed':[],'pie':true,'entry':'0x40'}");
    breaks(state, "static", "{'type':'dyn','interp':'/lib/ld-musl-x86_64.so.1','needed':['libc.so'],'pie':true}",
           "interp", "needs the dynamic loader /lib/ld-musl-x86_64.so.1", "dynamic linking");
    breaks(state, "static", "{'type':'dyn','interp':null,'needed':['libc.so','libssl.so.3'],'pie':true}", "needed",
           "libc.so, libssl.so.3", "vendored");
    breaks(state, "static", "{'type':'rel','interp':null,'needed':[],'pie':true}", "type", "its type is rel", "");
    breaks(state, "static", "{'type':'dyn','interp':null,'needed':[],'pie':false}", "executable",
           "no program but a library", "");
    breaks(state, "static", "{'type':'exec','interp':null,'needed':[],'entry':null}", "executable",
           "has no entry point", "linker");
    breaks(state, "static", "{'type':'exec','interp':null,'needed':[]}", "executable", "says nothing of the entry", "");
    breaks(state, "static", "{'type':'dyn','interp':7,'needed':[7],'pie':true}", "interp", "says nothing", "");
}

/* --- shared memory, features, instrumentation --- */

#define SHARED(memory, features)                                                                                       \
    "{'memories':[{'imported':true,'exported':true,'shared':true,'min':17,'max':1024" memory                           \
    "}],'features':[" features "]}"
#define FEATURES "'+atomics','+bulk-memory','+sign-ext'"

static void test_threaded(void **state)
{
    const struct profile *p = kit_profile(state, "threaded");
    AUTO(json) cJSON *facts = kit_quoted(SHARED("", FEATURES));
    AUTO(json) cJSON *json = kit_quoted("{}");
    struct kit kit = {.json = json, .name = "k", .version = "7", .link = "bin/instrument"};
    struct contract what = {
        .profile = p, .kind = "wasm", .rules = json_obj(p->json, "contract"), .facts = facts, .kit = &kit};
    struct err err = ERR_INIT;
    cJSON *contract;

    assert_int_equal(contract_check(&what, &contract, &err), 0);
    assert_string_equal(json_str(contract, "verdict", ""), "pass");
    cJSON_Delete(contract);
    /* Without the tool it is not instrumented, and no pass. */
    kit.link = NULL;
    assert_int_equal(contract_check(&what, &contract, &err), 0);
    assert_string_equal(json_str(contract, "verdict", ""), "skipped");
    assert_string_equal(json_str(contract, "reason", ""),
                        "uninstrumented: kit k 7 has no tool for it (`link` in kit.json)");
    cJSON_Delete(contract);
    what.kit = NULL;
    assert_int_equal(contract_check(&what, &contract, &err), 0);
    assert_non_null(strstr(json_str(contract, "reason", ""), "uninstrumented: no kit test-libc is installed"));
    cJSON_Delete(contract);

    breaks(state, "threaded", "{'memories':[{'imported':true,'exported':true,'shared':false,'max':1024}]}", "memory",
           "its memory is not shared", "");
    breaks(state, "threaded", "{'memories':[{'imported':false,'exported':true,'shared':true,'max':1024}]}", "memory",
           "its memory is not imported", "");
    breaks(state, "threaded", "{'memories':[{'imported':true,'exported':true,'shared':true,'max':1025}]}", "memory",
           "its memory's maximum is 1025 pages; the host gives 1024 at most", "");
    breaks(state, "threaded", "{'memories':[{'imported':true,'exported':true,'shared':true,'max':null}]}", "memory",
           "has no maximum; the host gives 1024", "");
    breaks(state, "threaded", "{'memories':[{'imported':true,'exported':true,'shared':true}]}", "memory",
           "says nothing of the memory's size", "");
    breaks(state, "threaded", SHARED("", "'-atomics','+bulk-memory'"), "features",
           "does not use the target features that the host wants: atomics", "another target");
    breaks(state, "threaded", SHARED("", ""), "features", "does not say that it uses", "target_features");
    breaks(state, "threaded", "{'memories':[{'imported':true,'exported':true,'shared':true,'max':9}]}", "features",
           "says nothing of target features", "");
}

/* --- a host that sets up no thread-local storage --- */

#define COMPONENT "'type':'exec','undefined':['__emutls_get_address','read'],'sections':[{'name':'.text'}]"
#define NO_TLS "'tls':null,'tls_symbols':0"
#define NO_FS "'fs':{'instructions':0,'functions':[],'whole':true}"

static void test_component(void **state)
{
    passes(state, "component", "{" COMPONENT ",'interp':'ld.lib.so'," NO_TLS "," NO_FS "}");
    breaks(state, "component", "{" COMPONENT ",'interp':'/lib64/ld-linux-x86-64.so.2'," NO_TLS "," NO_FS "}", "interp",
           "it needs the dynamic loader /lib64/ld-linux-x86-64.so.2; the host's is ld.lib.so", "");
    breaks(state, "component", "{" COMPONENT ",'interp':null," NO_TLS "," NO_FS "}", "interp",
           "names no dynamic loader", "");
    breaks(state, "component",
           "{" COMPONENT ",'interp':'ld.lib.so','tls':{'size':8,'align':8},'tls_symbols':1," NO_FS "}", "tls",
           "a TLS segment of 8 bytes", "emulated");
    breaks(state, "component", "{" COMPONENT ",'interp':'ld.lib.so','tls':null,'tls_symbols':2," NO_FS "}", "tls",
           "it has 2 TLS symbols", "");
    breaks(state, "component",
           "{'undefined':['__emutls_get_address'],'sections':[{'name':'.tbss.x'}],'interp':'ld.lib.so'," NO_TLS
           "," NO_FS "}",
           "tls", "a section .tbss.x", "");
    breaks(state, "component", "{" COMPONENT ",'interp':'ld.lib.so','tls':null," NO_FS "}", "tls",
           "says nothing of thread-local storage", "");
    breaks(state, "component",
           "{" COMPONENT ",'interp':'ld.lib.so'," NO_TLS
           ",'fs':{'instructions':2,'functions':['guarded','f'],'whole':true}}",
           "fs", "2 instructions go through %fs, which the host does not set, in guarded, f", "-fno-stack-protector");
    breaks(state, "component",
           "{" COMPONENT ",'interp':'ld.lib.so'," NO_TLS ",'fs':{'instructions':1,'functions':[],'whole':true}}", "fs",
           "1 instruction goes through %fs", "");
    breaks(state, "component",
           "{" COMPONENT ",'interp':'ld.lib.so'," NO_TLS ",'fs':{'instructions':0,'functions':[],'whole':false}}", "fs",
           "too much code", "");
    breaks(state, "component", "{" COMPONENT ",'interp':'ld.lib.so'," NO_TLS ",'fs':null}", "fs",
           "says nothing of accesses through %fs", "");
    breaks(state, "component", "{'undefined':['read'],'sections':[],'interp':'ld.lib.so'," NO_TLS "," NO_FS "}",
           "undefined_all", "does not leave to the host what is the host's: __emutls_get_address", "static library");
    breaks(state, "component", "{'sections':[],'interp':'ld.lib.so'," NO_TLS "," NO_FS "}", "undefined_all",
           "says nothing of undefined symbols", "");
}

/* --- an archive for a kernel that has its own C library; the lists are in a file --- */

static void test_archive(void **state)
{
    passes(state, "archive",
           "{'defined':['rust_main'],'undefined':['malloc','_Unwind_Resume','__lib_x'],'tls_model':['local-exec']}");
    passes(state, "archive", "{'defined':[],'undefined':[],'tls_model':[]}");
    breaks(state, "archive", "{'defined':['rust_main','printf','uk_alloc','main'],'undefined':[],'tls_model':[]}",
           "not_defined", "it defines what is the host's: printf, uk_alloc, main", "rename");
    breaks(state, "archive", "{'defined':['f'],'undefined':[],'tls_model':[],'truncated':true}", "not_defined",
           "too many", "");
    breaks(state, "archive", "{'undefined':[],'tls_model':[]}", "not_defined", "says nothing of what it defines", "");
    breaks(state, "archive", "{'defined':['f'],'undefined':[],'tls_model':['initial-exec','general-dynamic']}",
           "tls_model", "in ways that the host does not know: general-dynamic", "");
    breaks(state, "archive", "{'defined':['f'],'undefined':[]}", "tls_model", "says nothing of how it reaches", "");
    breaks(state, "archive", "{'defined':['f'],'undefined':['malloc','futimens'],'tls_model':[]}", "undefined",
           "does not have: futimens", "");
}

/* --- undefined symbols, and what a kit brings --- */

static void test_undefined(void **state)
{
    passes(state, "linked", "{'type':'exec','exports':['main'],'undefined':[]}");
    passes(state, "linked", "{'type':'rel','exports':['x','main'],'undefined':['host_','host_log','puts']}");
    breaks(state, "linked", "{'type':'exec','exports':['main'],'undefined':['puts','host','putsx','pthread_create']}",
           "undefined", "symbols that the host does not have: host, putsx, pthread_create", "C source");
    breaks(state, "linked", "{'type':'exec','exports':['main']}", "undefined", "says nothing of undefined symbols", "");
    breaks(state, "linked", "{'type':'exec','exports':['main'],'undefined':['puts'],'truncated':true}", "undefined",
           "too many symbols", "");
    breaks(state, "linked", "{'type':'exec','exports':['start'],'undefined':[]}", "exports", "does not export main",
           "");
    /* An archive exports what its members define. */
    breaks(state, "linked", "{'kind':'elf','type':'rel','defined':['x'],'undefined':[]}", "exports",
           "does not export main", "");
    passes(state, "linked", "{'kind':'elf','type':'rel','defined':['main'],'undefined':[]}");
    /* What a crate exports is its library's; a program has its entry point. */
    struct checked c =
        check(state, "static", "{'type':'exec','interp':null,'needed':[],'exports':[],'entry':'0x40'}", "greet");
    assert_int_equal(c.r, 0);
    cJSON_Delete(c.contract);
}

static const cJSON *find_check(const struct checked *c, const char *name)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_arr(c->contract, "checks")) if (strcmp(json_str(v, "name", ""), name) == 0) return v;
    fail_msg("there is no check %s", name);
    return NULL;
}

static void expect(struct checked c, const char *verdict, const char *name, const char *detail)
{
    const cJSON *v = find_check(&c, name);

    assert_string_equal(json_str(c.contract, "verdict", ""), verdict);
    if (!strstr(json_str(v, "detail", ""), detail))
        fail_msg("%s", json_str(v, "detail", ""));
    cJSON_Delete(c.contract);
}

static void test_without_kit(void **state)
{
    struct checked c = check_with(state, "kitted", NULL, "{" WEB ",'x':0}", NULL);

    assert_int_equal(c.r, 1); /* what the profile asks itself is checked all the same */
    expect(c, "fail", "exports_any", "none of _start, main");

    c = check_with(state, "kitted", NULL, "{'imports':[{'module':'env','name':'x'}],'exports':[{'name':'_start'}]}",
                   NULL);
    assert_int_equal(c.r, 0);
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(find_check(&c, "imports"), "ok")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(find_check(&c, "exports"), "ok")));
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(find_check(&c, "exports_any"), "ok")));
    assert_string_equal(json_str(c.contract, "reason", ""),
                        "not checked: no kit test-libc is installed; bloomeryd kit install");
    expect(c, "skipped", "exports", "no kit test-libc");

    /* A kit that says nothing of it is no better. */
    c = check_with(state, "kitted", "{'allowed_imports':[]}", "{'imports':[],'exports':[{'name':'main'}]}", NULL);
    assert_int_equal(c.r, 0);
    expect(c, "skipped", "exports", "not checked: kit k 7 has no wanted_exports");
}

static void test_with_kit(void **state)
{
    static const char lists[] = "{'allowed_imports':['env.memory','lind.*'],'wanted_exports':['_start','__tls_base']}";
    static const char module[] = "{'imports':[{'module':'lind','name':'make-syscall'}],"
                                 "'exports':[{'name':'_start'},{'name':'__tls_base'}]}";
    struct checked c = check_with(state, "kitted", lists, module, NULL);

    assert_int_equal(c.r, 0);
    assert_null(json_str(c.contract, "reason", NULL));
    expect(c, "pass", "imports", "all 1 imports");

    c = check_with(state, "kitted", lists, "{'imports':[{'module':'env','name':'time'}],'exports':[{'name':'_start'}]}",
                   NULL);
    assert_string_equal(c.err.msg, "a kit's host does not load this: it imports what the host does not have: env.time");
    assert_int_equal(cJSON_GetArraySize(json_arr(c.contract, "checks")), 4);
    expect(c, "fail", "exports", "does not export __tls_base");

    /* They take the place of the profile's own lists, and stand where it has none. */
    c = check_with(state, "linked", "{'allowed_undefined':['abort'],'wanted_exports':[]}",
                   "{'type':'exec','exports':[],'undefined':['abort','puts']}", NULL);
    assert_int_equal(c.r, 1);
    expect(c, "fail", "undefined", "does not have: puts");
    c = check_with(state, "static", "{'allowed_undefined':['abort']}",
                   "{'type':'exec','interp':null,'needed':[],'undefined':['exit']}", NULL);
    expect(c, "fail", "undefined", "does not have: exit");
}

/* --- sides of a link step --- */

static struct checked check_side(void **state, int side, const char *facts, const char *listed)
{
    const struct profile *p = kit_profile(state, "packed");
    const cJSON *declared = cJSON_GetArrayItem(json_arr(json_obj(p->json, "link"), "sides"), side);
    AUTO(json) cJSON *metadata = kit_quoted(facts);
    AUTO(json) cJSON *names = listed ? kit_quoted(listed) : NULL;
    char name[] = "iron-core.tar", lib[] = "iron_core";
    const struct plan_output out = {.name = name, .stem = 9, .lib = lib};
    const struct contract what = {.profile = p,
                                  .output = &out,
                                  .kind = json_str(declared, "kind", ""),
                                  .rules = json_obj(declared, "contract"),
                                  .facts = metadata,
                                  .listed = names,
                                  .side = true};
    struct checked c = {.err = ERR_INIT};

    c.r = contract_check(&what, &c.contract, &c.err);
    assert_int_equal(c.err.kind, c.r ? ERR_CONTRACT : ERR_NONE);
    return c;
}

/* `facts` without braces, after what keeps the other rules; name NULL: all are kept. */
static void side_is(void **state, int side, const char *facts, const char *listed, const char *name,
                    const char *message)
{
    struct checked c = check_side(state, side, facts, listed);
    const cJSON *v, *first = NULL;

    cJSON_ArrayForEach(v, json_arr(c.contract, "checks")) if (!first && !json_bool(v, "ok", true)) first = v;
    if (strcmp(json_str(first, "name", ""), name ? name : "") != 0 || !strstr(c.err.msg, message))
        fail_msg("%s: %s | %s", facts, json_str(first, "name", ""), c.err.msg);
    assert_string_equal(json_str(c.contract, "verdict", ""), name ? "fail" : "pass");
    assert_string_equal(json_str(c.contract, "host", ""), side == 0 ? "a loader" : "a packer");
    cJSON_Delete(c.contract);
}

#define LIB "'type':'dyn','machine':'x86_64'"
#define NAMES "['iron','slag']"

static void test_shared_library(void **state)
{
    side_is(state, 0, "{" LIB ",'soname':'libiron_core.so','libc_floor':'GLIBC_2.34','exports':['slag','iron']}", NAMES,
            NULL, "");
    side_is(state, 0, "{" LIB ",'soname':'libiron_core.so','libc_floor':null,'exports':['slag','iron']}", NAMES, NULL,
            "");
    side_is(state, 0, "{" LIB ",'soname':null,'libc_floor':null,'exports':['slag','iron']}", NAMES, "soname",
            "it has no soname; it must be libiron_core.so");
    side_is(state, 0, "{" LIB ",'soname':'libx.so','libc_floor':null,'exports':['slag','iron']}", NAMES, "soname",
            "its soname is libx.so; it must be libiron_core.so");
    side_is(state, 0, "{" LIB ",'libc_floor':null,'exports':['slag','iron']}", NAMES, "soname", "says nothing of");
    side_is(state, 0, "{" LIB ",'soname':'libiron_core.so','libc_floor':'GLIBC_2.38','exports':['slag','iron']}", NAMES,
            "libc_floor", "it needs GLIBC_2.38; the host's glibc may be as old as 2.36");
    side_is(state, 0, "{" LIB ",'soname':'libiron_core.so','libc_floor':'GLIBC_3.1','exports':['slag','iron']}", NAMES,
            "libc_floor", "GLIBC_3.1");
    side_is(state, 0, "{" LIB ",'soname':'libiron_core.so','libc_floor':'?','exports':['slag','iron']}", NAMES,
            "libc_floor", "it needs ?");
    side_is(state, 0, "{" LIB ",'soname':'libiron_core.so','exports':['slag','iron']}", NAMES, "libc_floor",
            "says nothing of the glibc");
    side_is(state, 0, "{'type':'dyn','machine':'aarch64','soname':'libiron_core.so','libc_floor':null,'exports':[]}",
            "[]", "machine", "it is for aarch64, not for x86_64");
    side_is(state, 0, "{'type':'dyn','soname':'libiron_core.so','libc_floor':null,'exports':[]}", "[]", "machine",
            "says nothing of the processor");
}

static void test_listed_exports(void **state)
{
#define GOOD LIB ",'soname':'libiron_core.so','libc_floor':null"
    side_is(state, 0, "{" GOOD ",'exports':['iron','slag','rust_begin']}", NAMES, "exports_listed",
            "it exports what is not listed: rust_begin");
    side_is(state, 0, "{" GOOD ",'exports':['iron']}", NAMES, "exports_listed", "it does not export slag");
    side_is(state, 0, "{" GOOD ",'exports':['coal']}", "['iron*']", "exports_listed",
            "it does not export iron*; it exports what is not listed: coal");
    side_is(state, 0, "{" GOOD ",'exports':['iron']}", NULL, "exports_listed", "cannot be read");
    side_is(state, 0, "{" GOOD "}", NAMES, "exports_listed", "says nothing of exports");
    side_is(state, 0, "{" GOOD ",'truncated':true,'exports':['iron','slag']}", NAMES, "exports_listed", "too many");
    side_is(state, 0, "{" GOOD ",'exports':[]}", "[]", NULL, "");
}

static void test_kernel_archive(void **state)
{
    side_is(state, 1, "{'machines':['x86_64'],'undefined':['puts']}", NULL, NULL, "");
    side_is(state, 1, "{'machines':['x86_64'],'undefined':['_Unwind_Backtrace','_Unwind_RaiseException']}", NULL, NULL,
            "");
    side_is(state, 1, "{'machines':['x86_64'],'undefined':['_Unwind_Backtrace']}", NULL, "panic",
            "panics abort the process: it never raises an exception (_Unwind_RaiseException)");
    side_is(state, 1, "{'machines':['x86_64']}", NULL, "panic", "says nothing of undefined");
    side_is(state, 1, "{'machines':['x86_64'],'undefined':[],'truncated':true}", NULL, "panic", "too many");
    side_is(state, 1, "{'machines':['x86_64','aarch64'],'undefined':[]}", NULL, "machine", "it is for aarch64");
    side_is(state, 1, "{'machines':['aarch64','x86_64'],'undefined':[]}", NULL, "machine", "it is for aarch64");
    side_is(state, 1, "{'machines':[],'undefined':[]}", NULL, "machine", "holds no object files");
}

static void test_json_text(void **state)
{
    side_is(state, 3, "{'kind':'json'}", NULL, NULL, "");
    side_is(state, 3, "{'kind':'json','error':'it ends too early'}", NULL, "valid",
            "it is not a valid JSON text: it ends too early");
}

static void test_of_sides(void **state)
{
    const struct profile *p = kit_profile(state, "packed");
    AUTO(json) cJSON *kept = kit_quoted("[{'name':'a','contract':{'verdict':'pass','checks':[]}}]");
    AUTO(json)
    cJSON *broken = kit_quoted(
        "[{'name':'a','contract':{'verdict':'pass','checks':[]}},{'name':'b','contract':{'verdict':'skipped',"
        "'reason':'no "
        "kit'}},{'name':'c','contract':{'verdict':'fail','checks':[{'name':'valid','ok':true,'detail':'x'},"
        "{'name':'type','ok':null,'detail':'y'},{'name':'soname','ok':false,'detail':'no soname'}]}}]");
    AUTO(json) cJSON *none = cJSON_CreateArray();
    AUTO(json) cJSON *one = NULL, *two = NULL, *three = NULL, *four = NULL;
    struct err err = ERR_INIT;

    assert_int_equal(contract_of_sides(p, kept, &one, &err), 0);
    assert_string_equal(json_str(one, "verdict", ""), "pass");
    assert_int_equal(contract_of_sides(p, broken, &two, &err), 1);
    assert_string_equal(err.msg, "a packer does not load this: c: no soname");
    assert_int_equal(cJSON_GetArraySize(json_arr(two, "checks")), 3);
    /* Nothing that was not looked at passes. */
    assert_int_equal(contract_of_sides(p, none, &three, &err), 0);
    assert_string_equal(json_str(three, "verdict", ""), "skipped");
    assert_non_null(json_str(three, "reason", NULL));
    cJSON_DeleteItemFromArray(broken, 2);
    assert_int_equal(contract_of_sides(p, broken, &four, &err), 0);
    assert_string_equal(json_str(four, "verdict", ""), "skipped");
    assert_string_equal(json_str(four, "reason", ""), "b: no kit");
}

static void test_memory_pages(void **state)
{
    AUTO(json) cJSON *rules = kit_quoted("{'memory':{'exported':true,'min_pages':16,'max_pages':32}}");
    static const struct {
        const char *memory, *message;
    } cases[] = {
        {"{'exported':true,'min':16,'max':32}", NULL},
        {"{'exported':true,'min':17,'max':32}", "its memory's minimum is 17 pages, not 16"},
        {"{'exported':true,'min':16,'max':64}", "its memory's maximum is 64 pages, not 32"},
        {"{'exported':true,'min':16,'max':null}", "its memory has no maximum, not 32 pages"},
        {"{'exported':true,'min':16}", "says nothing of the memory's size"},
        {"{'exported':false,'min':16,'max':32}", "its memory is not exported"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(char_p) char *text = mem_printf("{'memories':[%s]}", cases[i].memory);
        AUTO(json) cJSON *facts = kit_quoted(text), *contract = NULL;
        const struct contract what = {
            .profile = kit_profile(state, "web"), .kind = "wasm", .rules = rules, .facts = facts};
        struct err err = ERR_INIT;
        assert_int_equal(contract_check(&what, &contract, &err), cases[i].message ? 1 : 0);
        if (cases[i].message && !strstr(err.msg, cases[i].message))
            fail_msg("%s", err.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_web),
        cmocka_unit_test(test_missing_facts),
        cmocka_unit_test(test_wasi),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_elf),
        cmocka_unit_test(test_threaded),
        cmocka_unit_test(test_component),
        cmocka_unit_test(test_kernel_archive),
        cmocka_unit_test(test_undefined),
        cmocka_unit_test(test_without_kit),
        cmocka_unit_test(test_with_kit),
        cmocka_unit_test(test_shared_library),
        cmocka_unit_test(test_listed_exports),
        cmocka_unit_test(test_archive),
        cmocka_unit_test(test_json_text),
        cmocka_unit_test(test_of_sides),
        cmocka_unit_test(test_memory_pages),
    };

    return cmocka_run_group_tests_name("contract", tests, kit_setup, kit_teardown);
}
