/*
 * contract.c - one function a rule. A rule that cannot be checked, because its
 * fact is not there, is broken: nothing passes that was not looked at. See contract.h.
 */
#include "workers/contract.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#define MAX_NAMED 10
#define MAX_SYMBOL 120 /* bytes of one name in a sentence */

struct checking {
    const struct contract *what;
    const cJSON *rules, *facts;
    const struct kit *kit; /* or NULL */
    const char *kit_name;  /* what the profile calls its kit */
    cJSON *checks;
    char *first, *hint; /* of the first broken rule */
    char *unchecked;    /* of the first that was not looked at */
};

/* A list of symbols for a sentence: at most MAX_NAMED of them. */
struct names {
    struct buf text;
    size_t count;
};

static void name_add(struct names *n, const char *name)
{
    AUTO(char_p) char *clean = json_utf8(name, strnlen(name, MAX_SYMBOL));

    for (char *p = clean; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    if (n->count++ < MAX_NAMED)
        buf_printf(&n->text, "%s%s", n->text.len ? ", " : "", *clean ? clean : "\"\"");
}

/* The caller owns it; *n is empty after. */
static char *name_list(struct names *n)
{
    if (n->count > MAX_NAMED)
        buf_printf(&n->text, " and %zu more", n->count - MAX_NAMED);
    n->count = 0;
    return buf_steal(&n->text);
}

/* Takes detail. hint may be NULL. */
static void record(struct checking *c, const char *name, bool ok, char *detail, const char *hint)
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

/* Takes why. */
static void not_checked(struct checking *c, const char *name, char *why)
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

static void no_fact(struct checking *c, const char *name, const char *fact)
{
    record(c, name, false, mem_printf("the inspector says nothing of %s", fact), NULL);
}

/* What a rule allows, ready to be asked often: a kit may list a hundred thousand symbols, a hostile artifact as many. */
struct allowed {
    const char **names; /* sorted; whole names */
    size_t count;
    const char **prefixes; /* "wasi_snapshot_preview1.*" */
    size_t prefix_count;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct allowed allow(const cJSON *patterns)
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

/* The same of names in which a * is nothing special. */
static struct allowed whole(const cJSON *names)
{
    struct allowed a = {.names = mem_alloc((size_t)cJSON_GetArraySize(names) * sizeof *a.names)};
    const cJSON *v;

    cJSON_ArrayForEach(v, names) if (cJSON_IsString(v)) a.names[a.count++] = v->valuestring;
    qsort(a.names, a.count, sizeof *a.names, by_name);
    return a;
}

static bool allows(const struct allowed *a, const char *name)
{
    if (bsearch(&name, a->names, a->count, sizeof *a->names, by_name))
        return true;
    for (size_t i = 0; i < a->prefix_count; i++)
        if (strncmp(a->prefixes[i], name, strcspn(a->prefixes[i], "*")) == 0)
            return true;
    return false;
}

static void auto_allowed(struct allowed *a)
{
    mem_free(a->names);
    mem_free(a->prefixes);
}

static bool is_function(const cJSON *v)
{
    return strcmp(json_str(v, "kind", ""), "function") == 0;
}

/* What others can call by name: of an archive, what its members define. */
static const cJSON *exports_of(const struct checking *c)
{
    const cJSON *exports = json_arr(c->facts, "exports");

    return exports ? exports : json_arr(c->facts, "defined");
}

static const cJSON *find_export(const struct checking *c, const char *name)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, exports_of(c)) /* {"name"} of a module, a text of the others */
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
        no_fact(c, "valid", "the file");
    else if (error)
        record(c, "valid", false, mem_printf("it is not a valid %s: %.300s", what, error),
               json_bool(c->facts, "component", false) ? "it is a component; the host loads core modules" : NULL);
    else if (strcmp(found, kind) != 0)
        record(c, "valid", false, mem_printf("it is no %s but %.40s", what, found), NULL);
    else
        record(c, "valid", true, mem_printf("it is a valid %s", what), NULL);
}

/* --- wasm --- */

static void rule_imports(struct checking *c, const cJSON *allowed)
{
    const cJSON *imports = json_arr(c->facts, "imports"), *v;
    AUTO(allowed) struct allowed host = allow(allowed);
    struct names foreign = {0};

    if (!imports)
        return no_fact(c, "imports", "imports");
    cJSON_ArrayForEach(v, imports)
    {
        AUTO(char_p) char *name = mem_printf("%s.%s", json_str(v, "module", ""), json_str(v, "name", ""));
        if (!allows(&host, name))
            name_add(&foreign, name);
    }
    if (json_bool(c->facts, "truncated", false) && foreign.count == 0)
        return record(c, "imports", false, mem_strdup("it has too many imports and exports to look at all of them"),
                      NULL);
    if (foreign.count == 0)
        return record(c, "imports", true, mem_printf("the host has all %d imports", cJSON_GetArraySize(imports)), NULL);
    AUTO(char_p) char *list = name_list(&foreign);
    record(c, "imports", false, mem_printf("it imports what the host does not have: %s", list),
           "an import is a function that is declared in an extern block and that nothing defines; "
           "remove the code or the dependency that calls it");
}

static void missing_exports(struct checking *c, const char *check, struct names *missing, int wanted, const char *hint)
{
    if (missing->count == 0)
        return record(c, check, true, mem_printf("all %d are exported", wanted), NULL);
    AUTO(char_p) char *list = name_list(missing);
    record(c, check, false, mem_printf("it does not export %s", list), hint);
}

static void rule_exports(struct checking *c, const cJSON *wanted)
{
    const cJSON *v;
    struct names missing = {0};

    if (!exports_of(c))
        return no_fact(c, "exports", "exports");
    cJSON_ArrayForEach(v, wanted) if (!find_export(c, v->valuestring)) name_add(&missing, v->valuestring);
    missing_exports(c, "exports", &missing, cJSON_GetArraySize(wanted), NULL);
}

static void crate_exports(struct checking *c, char *const *wanted)
{
    struct names missing = {0};
    int count = 0;

    if (!wanted || !*wanted || json_bool(c->rules, "executable", false)) /* a program has its entry point */
        return;
    if (!exports_of(c))
        return no_fact(c, "crate_exports", "exports");
    for (; *wanted; wanted++, count++)
        if (!find_export(c, *wanted))
            name_add(&missing, *wanted);
    missing_exports(c, "crate_exports", &missing, count,
                    "package.metadata.bloomery exports names it: define it as #[no_mangle] pub extern \"C\" fn");
}

static void rule_exports_any(struct checking *c, const cJSON *wanted)
{
    const cJSON *v;
    struct names all = {0};

    if (!exports_of(c))
        return no_fact(c, "exports_any", "exports");
    cJSON_ArrayForEach(v, wanted)
    {
        if (find_export(c, v->valuestring)) {
            buf_free(&all.text);
            return record(c, "exports_any", true, mem_printf("it exports %s", v->valuestring), NULL);
        }
        name_add(&all, v->valuestring);
    }
    AUTO(char_p) char *list = name_list(&all);
    record(c, "exports_any", false, mem_printf("it exports none of %s", list), NULL);
}

static void rule_exports_function(struct checking *c)
{
    /* The linker adds these whether or not the crate exports anything. */
    static const char *const always[] = {"_initialize", "__wasm_call_ctors"};
    const cJSON *exports = json_arr(c->facts, "exports"), *v;
    int count = 0;

    if (!exports)
        return no_fact(c, "exports_function", "exports");
    cJSON_ArrayForEach(v, exports)
    {
        bool own = is_function(v);
        for (size_t i = 0; i < COUNT(always); i++)
            own = own && strcmp(json_str(v, "name", ""), always[i]) != 0;
        count += own;
    }
    if (count > 0)
        record(c, "exports_function", true, mem_printf("it exports %d function%s", count, count == 1 ? "" : "s"), NULL);
    else
        record(c, "exports_function", false, mem_strdup("the module exports no function"),
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
        no_fact(c, "memory", "the memory's size");
    else if (has < 0)
        record(c, "memory", false, mem_printf("its memory has no maximum, not %lld pages", (long long)want), NULL);
    else
        record(c, "memory", false,
               mem_printf("its memory's %s is %lld pages, not %lld", fact[1] == 'i' ? "minimum" : "maximum",
                          (long long)has, (long long)want),
               NULL);
    return false;
}

static void rule_memory(struct checking *c, const cJSON *rule)
{
    static const char *const sides[] = {"exported", "imported"};
    const cJSON *memories = json_arr(c->facts, "memories"), *v;

    if (!memories)
        return no_fact(c, "memory", "memories");
    for (size_t i = 0; i < COUNT(sides); i++) {
        const cJSON *wanted = cJSON_GetObjectItemCaseSensitive(rule, sides[i]);
        bool is = false;
        if (!wanted)
            continue;
        cJSON_ArrayForEach(v, memories)
        {
            const cJSON *fact = cJSON_GetObjectItemCaseSensitive(v, sides[i]);
            if (!cJSON_IsBool(fact))
                return no_fact(c, "memory", sides[i]);
            is |= cJSON_IsTrue(fact);
        }
        if (is != cJSON_IsTrue(wanted))
            return record(c, "memory", false, mem_printf("its memory is %s%s", is ? "" : "not ", sides[i]), NULL);
    }
    if (!memory_pages(c, memories->child, rule, "min_pages", "min") ||
        !memory_pages(c, memories->child, rule, "max_pages", "max"))
        return;
    record(c, "memory", true, mem_strdup("its memory is where the host looks for it"), NULL);
}

/* --- ELF --- */

static void rule_type(struct checking *c, const cJSON *allowed)
{
    const char *type = json_str(c->facts, "type", NULL);
    const cJSON *v;

    if (!type)
        return no_fact(c, "type", "the type");
    cJSON_ArrayForEach(v, allowed) if (strcmp(v->valuestring, type) == 0) return record(
        c, "type", true, mem_printf("its type is %s", v->valuestring), NULL);
    record(c, "type", false, mem_printf("its type is %.40s, which the host does not load", type), NULL);
}

static void rule_interp(struct checking *c, bool wanted)
{
    const cJSON *interp = cJSON_GetObjectItemCaseSensitive(c->facts, "interp");

    if (!interp || !(cJSON_IsNull(interp) || cJSON_IsString(interp)))
        return no_fact(c, "interp", "the interpreter");
    bool has = cJSON_IsString(interp) && *interp->valuestring;
    AUTO(char_p)
    char *name = json_utf8(has ? interp->valuestring : "", has ? strnlen(interp->valuestring, MAX_SYMBOL) : 0);
    if (has == wanted)
        record(c, "interp", true,
               has ? mem_printf("it is loaded by %s", name) : mem_strdup("it needs no dynamic loader"), NULL);
    else
        record(c, "interp", false,
               has ? mem_printf("it needs the dynamic loader %s", name) : mem_strdup("it names no dynamic loader"),
               has ? "a build script or a flag asked for dynamic linking: take it out" : NULL);
}

static void rule_needed(struct checking *c, const cJSON *allowed)
{
    const cJSON *needed = json_arr(c->facts, "needed"), *v;
    AUTO(allowed) struct allowed host = allow(allowed);
    struct names foreign = {0};

    if (!needed)
        return no_fact(c, "needed", "needed libraries");
    cJSON_ArrayForEach(v, needed)
    {
        const char *name = cJSON_IsString(v) ? v->valuestring : "?";
        if (!allows(&host, name))
            name_add(&foreign, name);
    }
    if (foreign.count == 0)
        return record(c, "needed", true,
                      cJSON_GetArraySize(needed) ? mem_strdup("the host has every library that it needs")
                                                 : mem_strdup("it needs no shared library"),
                      NULL);
    AUTO(char_p) char *list = name_list(&foreign);
    record(c, "needed", false, mem_printf("it needs shared libraries that the host does not have: %s", list),
           "link it statically: a crate's `vendored`, `bundled` or `static` feature, or a crate in Rust");
}

/* A program that can be started, not a shared library or an object file. */
static void rule_executable(struct checking *c, bool wanted)
{
    const char *type = json_str(c->facts, "type", NULL);
    const cJSON *pie = cJSON_GetObjectItemCaseSensitive(c->facts, "pie");
    bool is = type && strcmp(type, "exec") == 0;

    if (!type || (!is && !cJSON_IsBool(pie)))
        return no_fact(c, "executable", "whether it is a program");
    is = is || cJSON_IsTrue(pie);
    if (is && wanted && !cJSON_HasObjectItem(c->facts, "entry"))
        return no_fact(c, "executable", "the entry point");
    if (is && wanted && !json_str(c->facts, "entry", NULL))
        return record(c, "executable", false, mem_strdup("it has no entry point"),
                      "the symbol that the linker or its script takes as the entry is not defined by the crate");
    record(c, "executable", is == wanted, mem_strdup(is ? "it is a program" : "it is no program but a library"), NULL);
}

/* A text that may be null: *ret_text is NULL then. False: the fact is not there. */
static bool text_fact(const struct checking *c, const char *fact, const char **ret_text)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(c->facts, fact);

    *ret_text = cJSON_IsString(v) ? v->valuestring : NULL;
    return cJSON_IsString(v) || cJSON_IsNull(v);
}

static void rule_soname(struct checking *c, const char *pattern)
{
    AUTO(char_p) char *wanted = plan_file(c->what->output, pattern);
    const char *soname;

    if (!text_fact(c, "soname", &soname))
        return no_fact(c, "soname", "the soname");
    if (!soname)
        return record(c, "soname", false, mem_printf("it has no soname; it must be %s", wanted), NULL);
    if (strcmp(soname, wanted) == 0)
        return record(c, "soname", true, mem_printf("its soname is %s", wanted), NULL);
    AUTO(char_p) char *clean = json_utf8(soname, strnlen(soname, MAX_SYMBOL));
    record(c, "soname", false, mem_printf("its soname is %s; it must be %s", clean, wanted), NULL);
}

/* "2.34" of "GLIBC_2.34.1" as a number that sorts; -1: it is none. */
static long version_of(const char *s)
{
    char *end;

    s += strcspn(s, "0123456789");
    long major = strtol(s, &end, 10);
    long minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
    return end == s || major < 0 || major > 1000 || minor < 0 || minor > 100000 ? -1 : major * 100001 + minor;
}

static void rule_libc_floor(struct checking *c, const char *newest)
{
    const char *floor;

    if (!text_fact(c, "libc_floor", &floor))
        return no_fact(c, "libc_floor", "the glibc that it needs");
    if (!floor)
        return record(c, "libc_floor", true, mem_strdup("it needs no version of glibc"), NULL);
    AUTO(char_p) char *clean = json_utf8(floor, strnlen(floor, MAX_SYMBOL));
    long has = version_of(floor);
    if (has >= 0 && has <= version_of(newest))
        return record(c, "libc_floor", true, mem_printf("it needs %s; the host has %s or newer", clean, newest), NULL);
    record(c, "libc_floor", false, mem_printf("it needs %s; the host's glibc may be as old as %s", clean, newest),
           NULL);
}

/* --- ELF and archives --- */

static void rule_machine(struct checking *c, const char *wanted)
{
    const cJSON *machines = json_arr(c->facts, "machines"), *v;
    const char *machine = json_str(c->facts, "machine", NULL);

    if (!machine && !machines)
        return no_fact(c, "machine", "the processor");
    cJSON_ArrayForEach(v, machines) if (!machine || strcmp(machine, wanted) == 0) machine =
        cJSON_IsString(v) ? v->valuestring : "?";
    if (!machine)
        return record(c, "machine", false, mem_strdup("it holds no object files"), NULL);
    record(c, "machine", strcmp(machine, wanted) == 0,
           strcmp(machine, wanted) == 0 ? mem_printf("it is for %s", wanted)
                                        : mem_printf("it is for %.40s, not for %s", machine, wanted),
           NULL);
}

/* Code that unwinds raises exceptions; of what only prints a backtrace and aborts, other parts of the unwinder are left. */
static void rule_panic(struct checking *c)
{
    const cJSON *undefined = json_arr(c->facts, "undefined"), *v;
    bool any = false, raises = false;

    if (!undefined)
        return no_fact(c, "panic", "undefined symbols");
    if (json_bool(c->facts, "truncated", false))
        return record(c, "panic", false, mem_strdup("it has too many symbols to look at all of them"), NULL);
    cJSON_ArrayForEach(v, undefined)
    {
        const char *name = cJSON_IsString(v) ? v->valuestring : "";
        any |= strncmp(name, "_Unwind_", 8) == 0;
        raises |= strcmp(name, "_Unwind_RaiseException") == 0;
    }
    if (any && !raises)
        return record(c, "panic", false,
                      mem_strdup("panics abort the process: it never raises an exception (_Unwind_RaiseException)"),
                      NULL);
    record(c, "panic", true, mem_strdup(any ? "panics unwind" : "it takes nothing of the host's unwinder"), NULL);
}

/* Exactly what is listed, neither less nor more. */
static void rule_exports_listed(struct checking *c)
{
    const cJSON *exports = exports_of(c), *v;
    AUTO(allowed) struct allowed listed = {0};
    AUTO(allowed) struct allowed exported = {0};
    struct names more = {0}, missing = {0};

    if (!c->what->listed)
        return record(c, "exports_listed", false, mem_strdup("the list of what it must export cannot be read"), NULL);
    if (!exports)
        return no_fact(c, "exports_listed", "exports");
    if (json_bool(c->facts, "truncated", false))
        return record(c, "exports_listed", false, mem_strdup("it has too many symbols to look at all of them"), NULL);
    listed = whole(c->what->listed);
    exported = whole(exports);
    cJSON_ArrayForEach(v, exports) if (cJSON_IsString(v) && !allows(&listed, v->valuestring))
        name_add(&more, v->valuestring);
    cJSON_ArrayForEach(v, c->what->listed) if (!allows(&exported, v->valuestring)) name_add(&missing, v->valuestring);
    size_t count = more.count + missing.count;
    AUTO(char_p) char *too_many = more.count ? name_list(&more) : NULL;
    AUTO(char_p) char *too_few = missing.count ? name_list(&missing) : NULL;
    if (count == 0)
        return record(c, "exports_listed", true,
                      mem_printf("it exports the %zu names that are listed, and no more", listed.count), NULL);
    record(c, "exports_listed", false,
           mem_printf("%s%s%s%s%s", too_few ? "it does not export " : "", too_few ? too_few : "",
                      too_few && too_many ? "; " : "", too_many ? "it exports what is not listed: " : "",
                      too_many ? too_many : ""),
           NULL);
}

static void rule_undefined(struct checking *c, const cJSON *allowed)
{
    const cJSON *undefined = json_arr(c->facts, "undefined"), *v;
    AUTO(allowed) struct allowed host = allow(allowed);
    struct names foreign = {0};

    if (!undefined)
        return no_fact(c, "undefined", "undefined symbols");
    cJSON_ArrayForEach(v, undefined)
    {
        const char *name = cJSON_IsString(v) ? v->valuestring : "?";
        if (!allows(&host, name))
            name_add(&foreign, name);
    }
    if (json_bool(c->facts, "truncated", false) && foreign.count == 0)
        return record(c, "undefined", false, mem_strdup("it has too many symbols to look at all of them"), NULL);
    if (foreign.count == 0)
        return record(c, "undefined", true,
                      cJSON_GetArraySize(undefined)
                          ? mem_printf("the host has all %d undefined symbols", cJSON_GetArraySize(undefined))
                          : mem_strdup("it has no undefined symbol"),
                      NULL);
    AUTO(char_p) char *list = name_list(&foreign);
    record(c, "undefined", false, mem_printf("it needs symbols that the host does not have: %s", list),
           "nothing that was linked defines them: remove the code or the dependency that uses them, "
           "or let the crate bring their C source");
}

/* --- all of them --- */

static void check_rule(struct checking *c, const char *name, const cJSON *rule)
{
    if (strcmp(name, "imports") == 0)
        rule_imports(c, rule);
    else if (strcmp(name, "exports") == 0)
        rule_exports(c, rule);
    else if (strcmp(name, "exports_any") == 0)
        rule_exports_any(c, rule);
    else if (strcmp(name, "exports_function") == 0 && cJSON_IsTrue(rule))
        rule_exports_function(c);
    else if (strcmp(name, "memory") == 0)
        rule_memory(c, rule);
    else if (strcmp(name, "type") == 0)
        rule_type(c, rule);
    else if (strcmp(name, "interp") == 0)
        rule_interp(c, cJSON_IsTrue(rule));
    else if (strcmp(name, "needed") == 0)
        rule_needed(c, rule);
    else if (strcmp(name, "executable") == 0)
        rule_executable(c, cJSON_IsTrue(rule));
    else if (strcmp(name, "undefined") == 0)
        rule_undefined(c, rule);
    else if (strcmp(name, "machine") == 0)
        rule_machine(c, rule->valuestring);
    else if (strcmp(name, "soname") == 0)
        rule_soname(c, rule->valuestring);
    else if (strcmp(name, "libc_floor") == 0)
        rule_libc_floor(c, rule->valuestring);
    else if (strcmp(name, "panic") == 0)
        rule_panic(c);
    else if (strcmp(name, "exports_listed") == 0)
        rule_exports_listed(c);
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
            not_checked(c, rule->string,
                        mem_printf("not checked: no kit %s is installed; bloomeryd kit install", c->kit_name));
        else
            not_checked(c, rule->string,
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
            not_checked(&c, name, mem_printf("%s: %s", name, json_str(contract, "reason", "")));
        else
            record(&c, name, strcmp(verdict, "pass") == 0,
                   detail ? mem_printf("%s: %s", name, detail) : mem_printf("%s keeps its rules", name), NULL);
    }
    if (cJSON_GetArraySize(c.checks) == 0)
        c.unchecked = mem_strdup("the profile has no rules for what is in it");
    return conclude(&c, p, ret_contract, err);
}
