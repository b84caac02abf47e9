/* contract_elf.c - the rules for ELF files and archives. See contract_rules.h. */
#include "workers/contract_rules.h"

#include <stdlib.h>

/* --- ELF --- */

void contract_type(struct checking *c, const cJSON *allowed)
{
    const char *type = json_str(c->facts, "type", NULL);
    const cJSON *v;

    if (!type)
        return contract_no_fact(c, "type", "the type");
    cJSON_ArrayForEach(v, allowed) if (strcmp(v->valuestring, type) == 0) return contract_record(
        c, "type", true, mem_printf("its type is %s", v->valuestring), NULL);
    contract_record(c, "type", false, mem_printf("its type is %.40s, which the host does not load", type), NULL);
}

/* wanted: true, false, or which one. */
void contract_interp(struct checking *c, const cJSON *wanted)
{
    const cJSON *interp = cJSON_GetObjectItemCaseSensitive(c->facts, "interp");
    const char *which = cJSON_GetStringValue(wanted);

    if (!interp || !(cJSON_IsNull(interp) || cJSON_IsString(interp)))
        return contract_no_fact(c, "interp", "the interpreter");
    const char *loader = cJSON_IsString(interp) && *interp->valuestring ? interp->valuestring : NULL;
    AUTO(char_p) char *name = json_utf8(loader ? loader : "", loader ? strnlen(loader, CONTRACT_MAX_SYMBOL) : 0);
    if (which && loader && strcmp(which, loader) != 0)
        return contract_record(c, "interp", false,
                               mem_printf("it needs the dynamic loader %s; the host's is %s", name, which), NULL);
    if ((loader != NULL) == (which || cJSON_IsTrue(wanted)))
        return contract_record(
            c, "interp", true,
            loader ? mem_printf("it is loaded by %s", name) : mem_strdup("it needs no dynamic loader"), NULL);
    contract_record(c, "interp", false,
                    loader ? mem_printf("it needs the dynamic loader %s", name)
                           : mem_strdup("it names no dynamic loader"),
                    loader ? "a build script or a flag asked for dynamic linking: take it out" : NULL);
}

void contract_needed(struct checking *c, const cJSON *allowed)
{
    const cJSON *needed = json_arr(c->facts, "needed"), *v;
    AUTO(allowed) struct allowed host = contract_allow(allowed);
    struct names foreign = {0};

    if (!needed)
        return contract_no_fact(c, "needed", "needed libraries");
    cJSON_ArrayForEach(v, needed)
    {
        const char *name = cJSON_IsString(v) ? v->valuestring : "?";
        if (!contract_allows(&host, name))
            contract_name(&foreign, name);
    }
    if (foreign.count == 0)
        return contract_record(c, "needed", true,
                               cJSON_GetArraySize(needed) ? mem_strdup("the host has every library that it needs")
                                                          : mem_strdup("it needs no shared library"),
                               NULL);
    AUTO(char_p) char *list = contract_names(&foreign);
    contract_record(c, "needed", false, mem_printf("it needs shared libraries that the host does not have: %s", list),
                    "link it statically: a crate's `vendored`, `bundled` or `static` feature, or a crate in Rust");
}

/* A program that can be started, not a shared library or an object file. */
void contract_executable(struct checking *c, const cJSON *rule)
{
    bool wanted = cJSON_IsTrue(rule);
    const char *type = json_str(c->facts, "type", NULL);
    const cJSON *pie = cJSON_GetObjectItemCaseSensitive(c->facts, "pie");
    bool is = type && strcmp(type, "exec") == 0;

    if (!type || (!is && !cJSON_IsBool(pie)))
        return contract_no_fact(c, "executable", "whether it is a program");
    is = is || cJSON_IsTrue(pie);
    if (is && wanted && !cJSON_HasObjectItem(c->facts, "entry"))
        return contract_no_fact(c, "executable", "the entry point");
    if (is && wanted && !json_str(c->facts, "entry", NULL))
        return contract_record(
            c, "executable", false, mem_strdup("it has no entry point"),
            "the symbol that the linker or its script takes as the entry is not defined by the crate");
    contract_record(c, "executable", is == wanted,
                    mem_strdup(is ? "it is a program" : "it is no program but a library"), NULL);
}

/* A text that may be null: *ret_text is NULL then. False: the fact is not there. */
static bool text_fact(const struct checking *c, const char *fact, const char **ret_text)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(c->facts, fact);

    *ret_text = cJSON_IsString(v) ? v->valuestring : NULL;
    return cJSON_IsString(v) || cJSON_IsNull(v);
}

void contract_soname(struct checking *c, const cJSON *pattern)
{
    AUTO(char_p) char *wanted = plan_file(c->what->output, pattern->valuestring);
    const char *soname;

    if (!text_fact(c, "soname", &soname))
        return contract_no_fact(c, "soname", "the soname");
    if (!soname)
        return contract_record(c, "soname", false, mem_printf("it has no soname; it must be %s", wanted), NULL);
    if (strcmp(soname, wanted) == 0)
        return contract_record(c, "soname", true, mem_printf("its soname is %s", wanted), NULL);
    AUTO(char_p) char *clean = json_utf8(soname, strnlen(soname, CONTRACT_MAX_SYMBOL));
    contract_record(c, "soname", false, mem_printf("its soname is %s; it must be %s", clean, wanted), NULL);
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

void contract_libc_floor(struct checking *c, const cJSON *rule)
{
    const char *floor, *newest = rule->valuestring;

    if (!text_fact(c, "libc_floor", &floor))
        return contract_no_fact(c, "libc_floor", "the glibc that it needs");
    if (!floor)
        return contract_record(c, "libc_floor", true, mem_strdup("it needs no version of glibc"), NULL);
    AUTO(char_p) char *clean = json_utf8(floor, strnlen(floor, CONTRACT_MAX_SYMBOL));
    long has = version_of(floor);
    if (has >= 0 && has <= version_of(newest))
        return contract_record(c, "libc_floor", true,
                               mem_printf("it needs %s; the host has %s or newer", clean, newest), NULL);
    contract_record(c, "libc_floor", false,
                    mem_printf("it needs %s; the host's glibc may be as old as %s", clean, newest), NULL);
}

/* No storage of a thread's own that the loader would have to make. */
void contract_tls(struct checking *c, const cJSON *rule)
{
    const cJSON *tls = cJSON_GetObjectItemCaseSensitive(c->facts, "tls"), *sections = json_arr(c->facts, "sections"),
                *v;
    int64_t symbols = json_int(c->facts, "tls_symbols", -1);
    const char *section = NULL;

    (void)rule; /* false; nothing else is allowed in a profile */
    if (!tls || !sections || symbols < 0)
        return contract_no_fact(c, "tls", "thread-local storage");
    cJSON_ArrayForEach(v, sections)
    {
        const char *name = json_str(v, "name", "");
        if (strncmp(name, ".tdata", 6) == 0 || strncmp(name, ".tbss", 5) == 0)
            section = name;
    }
    if (cJSON_IsNull(tls) && !section && symbols == 0)
        return contract_record(c, "tls", true, mem_strdup("it has no thread-local storage of the loader's"), NULL);
    contract_record(
        c, "tls", false,
        cJSON_IsObject(tls) ? mem_printf("it has a TLS segment of %lld bytes, which the host does not set up",
                                         (long long)json_int(tls, "size", 0))
        : section           ? mem_printf("it has a section %.20s, which the host does not set up", section)
                            : mem_printf("it has %lld TLS symbols, which the host does not set up", (long long)symbols),
        "C code with __thread or _Thread_local, or an object that was compiled for another target: thread-local "
        "storage must be emulated (-femulated-tls)");
}

/* No instruction goes through %fs, which the host does not set. */
void contract_fs(struct checking *c, const cJSON *rule)
{
    const cJSON *fs = json_obj(c->facts, "fs"), *v;
    int64_t count = json_int(fs, "instructions", -1);
    struct names functions = {0};

    (void)rule; /* false; nothing else is allowed in a profile */
    if (count < 0)
        return contract_no_fact(c, "fs", "accesses through %fs");
    if (!json_bool(fs, "whole", false))
        return contract_record(c, "fs", false, mem_strdup("it has too much code to look at all of it"), NULL);
    if (count == 0)
        return contract_record(c, "fs", true, mem_strdup("no instruction goes through %fs"), NULL);
    cJSON_ArrayForEach(v, json_arr(fs, "functions")) if (cJSON_IsString(v)) contract_name(&functions, v->valuestring);
    AUTO(char_p) char *list = contract_names(&functions);
    contract_record(
        c, "fs", false,
        mem_printf("%lld instruction%s go%s through %%fs, which the host does not set%s%s", (long long)count,
                   count == 1 ? "" : "s", count == 1 ? "es" : "", list && *list ? ", in " : "", list ? list : ""),
        "thread-local storage that is not emulated, or C code with -fstack-protector (-fno-stack-protector)");
}

/* --- ELF and archives --- */

void contract_machine(struct checking *c, const cJSON *rule)
{
    const cJSON *machines = json_arr(c->facts, "machines"), *v;
    const char *machine = json_str(c->facts, "machine", NULL), *wanted = rule->valuestring;

    if (!machine && !machines)
        return contract_no_fact(c, "machine", "the processor");
    cJSON_ArrayForEach(v, machines) if (!machine || strcmp(machine, wanted) == 0) machine =
        cJSON_IsString(v) ? v->valuestring : "?";
    if (!machine)
        return contract_record(c, "machine", false, mem_strdup("it holds no object files"), NULL);
    contract_record(c, "machine", strcmp(machine, wanted) == 0,
                    strcmp(machine, wanted) == 0 ? mem_printf("it is for %s", wanted)
                                                 : mem_printf("it is for %.40s, not for %s", machine, wanted),
                    NULL);
}

/* Code that unwinds raises exceptions; of what only prints a backtrace and aborts, other parts of the unwinder are left. */
void contract_panic(struct checking *c, const cJSON *rule)
{
    const cJSON *undefined = json_arr(c->facts, "undefined"), *v;
    bool any = false, raises = false;

    (void)rule; /* "unwind"; nothing else is allowed in a profile */
    if (!undefined)
        return contract_no_fact(c, "panic", "undefined symbols");
    if (contract_cut(c, "panic"))
        return;
    cJSON_ArrayForEach(v, undefined)
    {
        const char *name = cJSON_IsString(v) ? v->valuestring : "";
        any |= strncmp(name, "_Unwind_", 8) == 0;
        raises |= strcmp(name, "_Unwind_RaiseException") == 0;
    }
    if (any && !raises)
        return contract_record(
            c, "panic", false,
            mem_strdup("panics abort the process: it never raises an exception (_Unwind_RaiseException)"), NULL);
    contract_record(c, "panic", true, mem_strdup(any ? "panics unwind" : "it takes nothing of the host's unwinder"),
                    NULL);
}

/* Exactly what is listed, neither less nor more. */
void contract_exports_listed(struct checking *c, const cJSON *rule)
{
    const cJSON *exports = contract_exports(c), *v;
    AUTO(allowed) struct allowed listed = {0};
    AUTO(allowed) struct allowed exported = {0};
    struct names more = {0}, missing = {0};

    (void)rule; /* the text's name; its lines are c->what->listed */
    if (!c->what->listed)
        return contract_record(c, "exports_listed", false, mem_strdup("the list of what it must export cannot be read"),
                               NULL);
    if (!exports)
        return contract_no_fact(c, "exports_listed", "exports");
    if (contract_cut(c, "exports_listed"))
        return;
    listed = contract_whole(c->what->listed);
    exported = contract_whole(exports);
    cJSON_ArrayForEach(v, exports) if (cJSON_IsString(v) && !contract_allows(&listed, v->valuestring))
        contract_name(&more, v->valuestring);
    cJSON_ArrayForEach(v, c->what->listed) if (!contract_allows(&exported, v->valuestring))
        contract_name(&missing, v->valuestring);
    size_t count = more.count + missing.count;
    AUTO(char_p) char *too_many = more.count ? contract_names(&more) : NULL;
    AUTO(char_p) char *too_few = missing.count ? contract_names(&missing) : NULL;
    if (count == 0)
        return contract_record(c, "exports_listed", true,
                               mem_printf("it exports the %zu names that are listed, and no more", listed.count), NULL);
    contract_record(c, "exports_listed", false,
                    mem_printf("%s%s%s%s%s", too_few ? "it does not export " : "", too_few ? too_few : "",
                               too_few && too_many ? "; " : "", too_many ? "it exports what is not listed: " : "",
                               too_many ? too_many : ""),
                    NULL);
}

void contract_undefined(struct checking *c, const cJSON *allowed)
{
    const cJSON *undefined = json_arr(c->facts, "undefined"), *v;
    AUTO(allowed) struct allowed host = contract_allow(allowed);
    struct names foreign = {0};

    if (!undefined)
        return contract_no_fact(c, "undefined", "undefined symbols");
    cJSON_ArrayForEach(v, undefined)
    {
        const char *name = cJSON_IsString(v) ? v->valuestring : "?";
        if (!contract_allows(&host, name))
            contract_name(&foreign, name);
    }
    if (foreign.count == 0 && contract_cut(c, "undefined"))
        return;
    if (foreign.count == 0)
        return contract_record(c, "undefined", true,
                               cJSON_GetArraySize(undefined)
                                   ? mem_printf("the host has all %d undefined symbols", cJSON_GetArraySize(undefined))
                                   : mem_strdup("it has no undefined symbol"),
                               NULL);
    AUTO(char_p) char *list = contract_names(&foreign);
    contract_record(c, "undefined", false, mem_printf("it needs symbols that the host does not have: %s", list),
                    "nothing that was linked defines them: remove the code or the dependency that uses them, "
                    "or let the crate bring their C source");
}

/* What the host must provide, as the rest would be of no use otherwise. */
void contract_undefined_all(struct checking *c, const cJSON *wanted)
{
    const cJSON *undefined = json_arr(c->facts, "undefined"), *v;
    AUTO(allowed) struct allowed has = {0};
    struct names missing = {0};

    if (!undefined)
        return contract_no_fact(c, "undefined_all", "undefined symbols");
    has = contract_whole(undefined);
    cJSON_ArrayForEach(v, wanted) if (!contract_allows(&has, v->valuestring)) contract_name(&missing, v->valuestring);
    AUTO(char_p) char *list = contract_names(&missing);
    if (list && *list)
        return contract_record(c, "undefined_all", false,
                               mem_printf("it does not leave to the host what is the host's: %s", list),
                               "a static library that defines it was linked in, or nothing uses it");
    contract_record(c, "undefined_all", true,
                    mem_printf("it leaves all %d to the host that are the host's", cJSON_GetArraySize(wanted)), NULL);
}

void contract_tls_model(struct checking *c, const cJSON *allowed)
{
    const cJSON *models = json_arr(c->facts, "tls_model"), *v;
    AUTO(allowed) struct allowed host = contract_whole(allowed);
    struct names foreign = {0};

    if (!models)
        return contract_no_fact(c, "tls_model", "how it reaches thread-local storage");
    cJSON_ArrayForEach(v, models) if (cJSON_IsString(v) && !contract_allows(&host, v->valuestring))
        contract_name(&foreign, v->valuestring);
    AUTO(char_p) char *list = contract_names(&foreign);
    if (list && *list)
        return contract_record(
            c, "tls_model", false,
            mem_printf("it reaches thread-local storage in ways that the host does not know: %s", list),
            "C code with __thread that was compiled with -fPIC: -ftls-model=local-exec, or leave it out");
    contract_record(c, "tls_model", true,
                    cJSON_GetArraySize(models) ? mem_strdup("it reaches thread-local storage as the host has it")
                                               : mem_strdup("it has no thread-local storage"),
                    NULL);
}

/* What the host defines itself must not come with the artifact. */
void contract_not_defined(struct checking *c, const cJSON *forbidden)
{
    const cJSON *defined = contract_exports(c), *v;
    AUTO(allowed) struct allowed host = {0};
    struct names found = {0};

    if (!defined)
        return contract_no_fact(c, "not_defined", "what it defines");
    host = contract_allow(forbidden);
    cJSON_ArrayForEach(v, defined) if (cJSON_IsString(v) && contract_allows(&host, v->valuestring))
        contract_name(&found, v->valuestring);
    AUTO(char_p) char *list = contract_names(&found);
    if (list && *list)
        return contract_record(c, "not_defined", false, mem_printf("it defines what is the host's: %s", list),
                               "rename the function, or leave the library out that brings it");
    if (!contract_cut(c, "not_defined"))
        contract_record(c, "not_defined", true, mem_strdup("it defines nothing that is the host's"), NULL);
}
