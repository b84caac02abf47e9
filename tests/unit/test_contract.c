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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_web),         cmocka_unit_test(test_missing_facts), cmocka_unit_test(test_wasi),
        cmocka_unit_test(test_many_names),  cmocka_unit_test(test_elf),           cmocka_unit_test(test_undefined),
        cmocka_unit_test(test_without_kit), cmocka_unit_test(test_with_kit),
    };

    return cmocka_run_group_tests_name("contract", tests, kit_setup, kit_teardown);
}
