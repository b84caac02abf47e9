/* contract_wasm.c - the rules for WebAssembly modules. See contract_rules.h. */
#include "workers/contract_rules.h"

void contract_imports(struct checking *c, const cJSON *allowed)
{
    const cJSON *imports = json_arr(c->facts, "imports"), *v;
    AUTO(allowed) struct allowed host = contract_allow(allowed);
    struct names foreign = {0};

    if (!imports)
        return contract_no_fact(c, "imports", "imports");
    cJSON_ArrayForEach(v, imports)
    {
        AUTO(char_p) char *name = mem_printf("%s.%s", json_str(v, "module", ""), json_str(v, "name", ""));
        if (!contract_allows(&host, name))
            contract_name(&foreign, name);
    }
    if (json_bool(c->facts, "truncated", false) && foreign.count == 0)
        return contract_record(c, "imports", false,
                               mem_strdup("it has too many imports and exports to look at all of them"), NULL);
    if (foreign.count == 0)
        return contract_record(c, "imports", true,
                               mem_printf("the host has all %d imports", cJSON_GetArraySize(imports)), NULL);
    AUTO(char_p) char *list = contract_names(&foreign);
    contract_record(c, "imports", false, mem_printf("it imports what the host does not have: %s", list),
                    "an import is a function that is declared in an extern block and that nothing defines; "
                    "remove the code or the dependency that calls it");
}

void contract_exports_function(struct checking *c, const cJSON *rule)
{
    /* The linker adds these whether or not the crate exports anything. */
    static const char *const always[] = {"_initialize", "__wasm_call_ctors"};
    const cJSON *exports = json_arr(c->facts, "exports"), *v;
    int count = 0;

    if (!cJSON_IsTrue(rule))
        return;
    if (!exports)
        return contract_no_fact(c, "exports_function", "exports");
    cJSON_ArrayForEach(v, exports)
    {
        bool own = strcmp(json_str(v, "kind", ""), "function") == 0;
        for (size_t i = 0; i < COUNT(always); i++)
            own = own && strcmp(json_str(v, "name", ""), always[i]) != 0;
        count += own;
    }
    if (count > 0)
        contract_record(c, "exports_function", true,
                        mem_printf("it exports %d function%s", count, count == 1 ? "" : "s"), NULL);
    else
        contract_record(
            c, "exports_function", false, mem_strdup("the module exports no function"),
            "mark what the host calls with #[no_mangle] pub extern \"C\" fn, in the crate's lib or in a module that "
            "the "
            "lib makes public; or build a bin with bin=NAME");
}

/* False: it has another limit than the rule wants, which is recorded. */
static bool memory_pages(struct checking *c, const cJSON *memory, const cJSON *rule, const char *wanted,
                         const char *fact)
{
    int64_t want = json_int(rule, wanted, -1), has = json_int(memory, fact, -1);

    if (want < 0 || want == has)
        return true;
    if (!memory || !cJSON_HasObjectItem(memory, fact))
        contract_no_fact(c, "memory", "the memory's size");
    else if (has < 0)
        contract_record(c, "memory", false, mem_printf("its memory has no maximum, not %lld pages", (long long)want),
                        NULL);
    else
        contract_record(c, "memory", false,
                        mem_printf("its memory's %s is %lld pages, not %lld", fact[1] == 'i' ? "minimum" : "maximum",
                                   (long long)has, (long long)want),
                        NULL);
    return false;
}

/* False: it may grow beyond what the rule allows, which is recorded. */
static bool memory_bounded(struct checking *c, const cJSON *memory, const cJSON *rule)
{
    int64_t most = json_int(rule, "most_pages", -1), has = json_int(memory, "max", -1);

    if (most < 0 || (has >= 0 && has <= most))
        return true;
    if (!memory || !cJSON_HasObjectItem(memory, "max"))
        contract_no_fact(c, "memory", "the memory's size");
    else if (has < 0)
        contract_record(c, "memory", false,
                        mem_printf("its memory has no maximum; the host gives %lld pages at most", (long long)most),
                        NULL);
    else
        contract_record(c, "memory", false,
                        mem_printf("its memory's maximum is %lld pages; the host gives %lld at most", (long long)has,
                                   (long long)most),
                        NULL);
    return false;
}

void contract_memory(struct checking *c, const cJSON *rule)
{
    static const char *const sides[] = {"exported", "imported", "shared"};
    const cJSON *memories = json_arr(c->facts, "memories"), *v;

    if (!memories)
        return contract_no_fact(c, "memory", "memories");
    for (size_t i = 0; i < COUNT(sides); i++) {
        const cJSON *wanted = cJSON_GetObjectItemCaseSensitive(rule, sides[i]);
        bool is = false;
        if (!wanted)
            continue;
        cJSON_ArrayForEach(v, memories)
        {
            const cJSON *fact = cJSON_GetObjectItemCaseSensitive(v, sides[i]);
            if (!cJSON_IsBool(fact))
                return contract_no_fact(c, "memory", sides[i]);
            is |= cJSON_IsTrue(fact);
        }
        if (is != cJSON_IsTrue(wanted))
            return contract_record(c, "memory", false, mem_printf("its memory is %s%s", is ? "" : "not ", sides[i]),
                                   NULL);
    }
    if (!memory_pages(c, memories->child, rule, "min_pages", "min") ||
        !memory_pages(c, memories->child, rule, "max_pages", "max") || !memory_bounded(c, memories->child, rule))
        return;
    contract_record(c, "memory", true, mem_strdup("its memory is where the host looks for it"), NULL);
}

/* All of these stand in target_features as used. */
void contract_features(struct checking *c, const cJSON *wanted)
{
    const cJSON *features = json_arr(c->facts, "features"), *v;
    AUTO(allowed) struct allowed has = {0};
    struct names missing = {0};

    if (!features)
        return contract_no_fact(c, "features", "target features");
    has = contract_whole(features);
    cJSON_ArrayForEach(v, wanted)
    {
        AUTO(char_p) char *used = mem_printf("+%s", v->valuestring);
        if (!contract_allows(&has, used))
            contract_name(&missing, v->valuestring);
    }
    AUTO(char_p) char *list = contract_names(&missing);
    if (list && *list)
        return contract_record(
            c, "features", false,
            mem_printf(cJSON_GetArraySize(features)
                           ? "it does not use the target features that the host wants: %s"
                           : "it does not say that it uses the target features that the host wants: %s",
                       list),
            "something was compiled for another target, or a tool has taken the section target_features out");
    contract_record(c, "features", true,
                    mem_printf("it uses all %d target features that the host wants", cJSON_GetArraySize(wanted)), NULL);
}

/* The kit's tool has worked on it: the link step runs that, and its failure is the job's. */
void contract_instrumented(struct checking *c, const cJSON *rule)
{
    if (!cJSON_IsTrue(rule))
        return;
    if (c->kit && c->kit->link)
        return contract_record(
            c, "instrumented", true,
            mem_printf("%.100s of kit %.60s %.60s has worked on it", c->kit->link, c->kit->name, c->kit->version),
            NULL);
    contract_not_checked(
        c, "instrumented",
        c->kit ? mem_printf("uninstrumented: kit %.60s %.60s has no tool for it (`link` in kit.json)", c->kit->name,
                            c->kit->version)
               : mem_printf("uninstrumented: no kit %s is installed; bloomeryd kit install", c->kit_name));
}
