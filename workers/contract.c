/*
 * contract.c - what all rules share, those of any file, and the verdict. A rule that cannot be checked, because its
 * fact is not there, is broken: nothing passes that was not looked at. See contract.h, contract_rules.h.
 */
#include "workers/contract_rules.h"

#include <stdlib.h>

#define MAX_NAMED 10

void contract_name(struct names *n, const char *name)
{
    AUTO(char_p) char *clean = json_utf8(name, strnlen(name, CONTRACT_MAX_SYMBOL));

    for (char *p = clean; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    if (n->count++ < MAX_NAMED)
        buf_printf(&n->text, "%s%s", n->text.len ? ", " : "", *clean ? clean : "\"\"");
}

char *contract_names(struct names *n)
{
    if (n->count > MAX_NAMED)
        buf_printf(&n->text, " and %zu more", n->count - MAX_NAMED);
    n->count = 0;
    return buf_steal(&n->text);
}

void contract_record(struct checking *c, const char *name, bool ok, char *detail, const char *hint)
{
    cJSON *check = cJSON_CreateObject();

    json_put_str(check, "name", name);
    cJSON_AddBoolToObject(check, "ok", ok);
    json_put_str(check, "detail", detail);
    cJSON_AddItemToArray(c->checks, check);
    if (!ok && !c->first) {
        c->first = detail;
        c->hint = mem_strdup(hint);
        return;
    }
    mem_free(detail);
}

void contract_not_checked(struct checking *c, const char *name, char *why)
{
    cJSON *check = cJSON_CreateObject();

    json_put_str(check, "name", name);
    cJSON_AddNullToObject(check, "ok");
    json_put_str(check, "detail", why);
    cJSON_AddItemToArray(c->checks, check);
    if (!c->unchecked)
        c->unchecked = STEAL(why);
    mem_free(why);
}

void contract_no_fact(struct checking *c, const char *name, const char *fact)
{
    contract_record(c, name, false, mem_printf("the inspector says nothing of %s", fact), NULL);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct allowed contract_allow(const cJSON *patterns)
{
    size_t n = (size_t)cJSON_GetArraySize(patterns);
    struct allowed a = {.names = mem_alloc(n * sizeof *a.names), .prefixes = mem_alloc(n * sizeof *a.prefixes)};
    const cJSON *v;

    cJSON_ArrayForEach(v, patterns)
    {
        if (strchr(v->valuestring, '*'))
            a.prefixes[a.prefix_count++] = v->valuestring;
        else
            a.names[a.count++] = v->valuestring;
    }
    qsort(a.names, a.count, sizeof *a.names, by_name);
    return a;
}

struct allowed contract_whole(const cJSON *names)
{
    struct allowed a = {.names = mem_alloc((size_t)cJSON_GetArraySize(names) * sizeof *a.names)};
    const cJSON *v;

    cJSON_ArrayForEach(v, names) if (cJSON_IsString(v)) a.names[a.count++] = v->valuestring;
    qsort(a.names, a.count, sizeof *a.names, by_name);
    return a;
}

bool contract_allows(const struct allowed *a, const char *name)
{
    if (bsearch(&name, a->names, a->count, sizeof *a->names, by_name))
        return true;
    for (size_t i = 0; i < a->prefix_count; i++)
        if (strncmp(a->prefixes[i], name, strcspn(a->prefixes[i], "*")) == 0)
            return true;
    return false;
}

bool contract_cut(struct checking *c, const char *name)
{
    if (!json_bool(c->facts, "truncated", false))
        return false;
    contract_record(c, name, false, mem_strdup("it has too many symbols to look at all of them"), NULL);
    return true;
}

const cJSON *contract_exports(const struct checking *c)
{
    const cJSON *exports = json_arr(c->facts, "exports");

    return exports ? exports : json_arr(c->facts, "defined");
}

static const cJSON *find_export(const struct checking *c, const char *name)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, contract_exports(c)) /* {"name"} of a module, a text of the others */
    {
        if (strcmp(cJSON_IsString(v) ? v->valuestring : json_str(v, "name", ""), name) == 0)
            return v;
    }
    return NULL;
}

/* --- any file --- */

static void check_valid(struct checking *c, const char *kind)
{
    const char *error = json_str(c->facts, "error", NULL);
    const char *found = json_str(c->facts, "kind", kind);
    const char *what = strcmp(kind, "wasm") == 0  ? "WebAssembly module"
                       : strcmp(kind, "elf") == 0 ? "ELF file"
                       : strcmp(kind, "ar") == 0  ? "archive"
                                                  : "JSON text";

    if (!cJSON_IsObject(c->facts))
        contract_no_fact(c, "valid", "the file");
    else if (error)
        contract_record(c, "valid", false, mem_printf("it is not a valid %s: %.300s", what, error),
                        json_bool(c->facts, "component", false) ? "it is a component; the host loads core modules"
                                                                : NULL);
    else if (strcmp(found, kind) != 0)
        contract_record(c, "valid", false, mem_printf("it is no %s but %.40s", what, found), NULL);
    else
        contract_record(c, "valid", true, mem_printf("it is a valid %s", what), NULL);
}

static void missing_exports(struct checking *c, const char *check, struct names *missing, int wanted, const char *hint)
{
    if (missing->count == 0)
        return contract_record(c, check, true, mem_printf("all %d are exported", wanted), NULL);
    AUTO(char_p) char *list = contract_names(missing);
    contract_record(c, check, false, mem_printf("it does not export %s", list), hint);
}

static void exports(struct checking *c, const cJSON *wanted)
{
    const cJSON *v;
    struct names missing = {0};

    if (!contract_exports(c))
        return contract_no_fact(c, "exports", "exports");
    cJSON_ArrayForEach(v, wanted) if (!find_export(c, v->valuestring)) contract_name(&missing, v->valuestring);
    missing_exports(c, "exports", &missing, cJSON_GetArraySize(wanted), NULL);
}

static void crate_exports(struct checking *c, char *const *wanted)
{
    struct names missing = {0};
    int count = 0;

    if (!wanted || !*wanted || json_bool(c->rules, "executable", false)) /* a program has its entry point */
        return;
    if (!contract_exports(c))
        return contract_no_fact(c, "crate_exports", "exports");
    for (; *wanted; wanted++, count++)
        if (!find_export(c, *wanted))
            contract_name(&missing, *wanted);
    missing_exports(c, "crate_exports", &missing, count,
                    "package.metadata.bloomery exports names it: define it as #[no_mangle] pub extern \"C\" fn");
}

static void exports_any(struct checking *c, const cJSON *wanted)
{
    const cJSON *v;
    struct names all = {0};

    if (!contract_exports(c))
        return contract_no_fact(c, "exports_any", "exports");
    cJSON_ArrayForEach(v, wanted)
    {
        if (find_export(c, v->valuestring)) {
            buf_free(&all.text);
            return contract_record(c, "exports_any", true, mem_printf("it exports %s", v->valuestring), NULL);
        }
        contract_name(&all, v->valuestring);
    }
    AUTO(char_p) char *list = contract_names(&all);
    contract_record(c, "exports_any", false, mem_printf("it exports none of %s", list), NULL);
}

/* --- all of them --- */

static const struct {
    const char *name;
    contract_rule *check;
} rules[] = {
    {"exports", exports},
    {"exports_any", exports_any},
    {"imports", contract_imports},
    {"exports_function", contract_exports_function},
    {"memory", contract_memory},
    {"features", contract_features},
    {"instrumented", contract_instrumented},
    {"type", contract_type},
    {"interp", contract_interp},
    {"needed", contract_needed},
    {"executable", contract_executable},
    {"soname", contract_soname},
    {"libc_floor", contract_libc_floor},
    {"tls", contract_tls},
    {"fs", contract_fs},
    {"machine", contract_machine},
    {"panic", contract_panic},
    {"exports_listed", contract_exports_listed},
    {"undefined", contract_undefined},
    {"undefined_all", contract_undefined_all},
    {"tls_model", contract_tls_model},
    {"not_defined", contract_not_defined},
};

static void check_rule(struct checking *c, const char *name, const cJSON *rule)
{
    for (size_t i = 0; i < COUNT(rules); i++)
        if (strcmp(rules[i].name, name) == 0)
            return rules[i].check(c, rule);
}

/* The lists of a kit and the rules whose place they take. */
static const struct {
    const char *rule, *list;
} kit_rules[] = {{"imports", "allowed_imports"}, {"exports", "wanted_exports"}, {"undefined", "allowed_undefined"}};

static const char *kit_list_name(const char *rule)
{
    for (size_t i = 0; i < COUNT(kit_rules); i++)
        if (strcmp(kit_rules[i].rule, rule) == 0)
            return kit_rules[i].list;
    return "";
}

static void check_rules(struct checking *c, bool side)
{
    const cJSON *rule, *kit = c->kit ? c->kit->json : NULL;

    cJSON_ArrayForEach(rule, c->rules)
    {
        bool of_kit = *kit_list_name(rule->string) && cJSON_IsString(rule);
        const cJSON *list = side && !of_kit ? NULL : json_arr(kit, kit_list_name(rule->string));
        if (list || !of_kit)
            check_rule(c, rule->string, list ? list : rule);
        else if (!c->kit)
            contract_not_checked(c, rule->string,
                                 mem_printf("not checked: no kit %s is installed; bloomeryd kit install", c->kit_name));
        else
            contract_not_checked(c, rule->string,
                                 mem_printf("not checked: kit %.60s %.60s has no %s", c->kit->name, c->kit->version,
                                            kit_list_name(rule->string)));
    }
    for (size_t i = 0; i < COUNT(kit_rules); i++) {
        const cJSON *list = side ? NULL : json_arr(kit, kit_rules[i].list);
        if (list && !cJSON_GetObjectItemCaseSensitive(c->rules, kit_rules[i].rule))
            check_rule(c, kit_rules[i].rule, list);
    }
}

/* What came of it; c is spent. */
static int conclude(struct checking *c, const struct profile *p, cJSON **ret_contract, struct err *err)
{
    const char *host = json_str(c->rules, "host", json_str(json_obj(p->json, "contract"), "host", p->name));
    cJSON *contract = cJSON_CreateObject();

    json_put_str(contract, "host", host);
    json_put_str(contract, "verdict", c->first ? "fail" : c->unchecked ? "skipped" : "pass");
    if (!c->first && c->unchecked)
        json_put_str(contract, "reason", c->unchecked);
    cJSON_AddItemToObject(contract, "checks", c->checks);
    *ret_contract = contract;
    mem_free(c->unchecked);
    if (!c->first)
        return 0;
    err_set(err, ERR_CONTRACT, "%s does not load this: %s", host, c->first);
    if (c->hint)
        err_hint(err, "%s", c->hint);
    mem_free(c->first);
    mem_free(c->hint);
    return 1;
}

int contract_check(const struct contract *what, cJSON **ret_contract, struct err *err)
{
    struct checking c = {.what = what,
                         .rules = what->rules,
                         .facts = what->facts,
                         .kit = what->kit,
                         .kit_name = json_str(json_obj(what->profile->json, "kit"), "name", what->profile->name),
                         .checks = cJSON_CreateArray()};

    check_valid(&c, what->kind);
    if (!c.first) {
        check_rules(&c, what->side);
        crate_exports(&c, what->exports);
    }
    return conclude(&c, what->profile, ret_contract, err);
}

int contract_of_sides(const struct profile *p, const cJSON *sides, cJSON **ret_contract, struct err *err)
{
    struct checking c = {.checks = cJSON_CreateArray()};
    const cJSON *side, *check;

    cJSON_ArrayForEach(side, sides)
    {
        const cJSON *contract = json_obj(side, "contract");
        const char *name = json_str(side, "name", ""), *verdict = json_str(contract, "verdict", "");
        const char *detail = NULL;
        cJSON_ArrayForEach(check, json_arr(contract, "checks"))
        {
            if (!detail && cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(check, "ok")))
                detail = json_str(check, "detail", "");
        }
        if (strcmp(verdict, "skipped") == 0)
            contract_not_checked(&c, name, mem_printf("%s: %s", name, json_str(contract, "reason", "")));
        else
            contract_record(&c, name, strcmp(verdict, "pass") == 0,
                            detail ? mem_printf("%s: %s", name, detail) : mem_printf("%s keeps its rules", name), NULL);
    }
    if (cJSON_GetArraySize(c.checks) == 0)
        c.unchecked = mem_strdup("the profile has no rules for what is in it");
    return conclude(&c, p, ret_contract, err);
}
