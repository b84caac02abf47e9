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

static struct checked check(void **state, const char *profile, const char *facts, const char *export)
{
    AUTO(json) cJSON *metadata = kit_quoted(facts);
    char *exports[] = {(char *)(uintptr_t) export, NULL};
    struct plan plan = {.exports = exports};
    struct checked c = {.err = ERR_INIT};

    c.r = contract_check(kit_profile(state, profile), &plan, metadata, &c.contract, &c.err);
    assert_string_equal(json_str(c.contract, "verdict", ""), c.r ? "fail" : "pass");
    assert_int_equal(c.err.kind, c.r ? ERR_CONTRACT : ERR_NONE);
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
    passes(state, "static", "{'type':'exec','interp':null,'needed':[],'pie':false}");
    passes(state, "static", "{'type':'dyn','interp':'','needed':[],'pie':true}");
    passes(state, "static", "{'type':'dyn','interp':null,'needed':[],'pie':true}");
    breaks(state, "static", "{'type':'dyn','interp':'/lib/ld-musl-x86_64.so.1','needed':['libc.so'],'pie':true}",
           "interp", "needs the dynamic loader /lib/ld-musl-x86_64.so.1", "dynamic linking");
    breaks(state, "static", "{'type':'dyn','interp':null,'needed':['libc.so','libssl.so.3'],'pie':true}", "needed",
           "libc.so, libssl.so.3", "vendored");
    breaks(state, "static", "{'type':'rel','interp':null,'needed':[],'pie':true}", "type", "its type is rel", "");
    breaks(state, "static", "{'type':'dyn','interp':null,'needed':[],'pie':false}", "executable",
           "no program but a library", "");
    breaks(state, "static", "{'type':'dyn','interp':7,'needed':[7],'pie':true}", "interp", "says nothing", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_web),        cmocka_unit_test(test_missing_facts), cmocka_unit_test(test_wasi),
        cmocka_unit_test(test_many_names), cmocka_unit_test(test_elf),
    };

    return cmocka_run_group_tests_name("contract", tests, kit_setup, kit_teardown);
}
