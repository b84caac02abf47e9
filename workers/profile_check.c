/*
 * profile_check.c - holds every field of profile.json to schema/profile.schema.json, so that a broken one fails at start and
 * not in a job. Pure; any thread. See profile.h.
 */
#include "workers/profile.h"

#include "base/buf.h"
#include "workers/fields.h"

#include <ctype.h>
#include <string.h>

#define MAX_TARGETS 8
#define MAX_SIDES 16

static const struct field profile_fields[] = {
    {"name", FIELD_TEXT, true},
    {"title", FIELD_TEXT, true},
    {"target", FIELD_TEXT, true},
    {"toolchain", FIELD_TEXT, true},
    {"prefer", FIELD_TEXTS, true},
    {"outputs", FIELD_TEXT_MAP, true},
    {"artifact", FIELD_OBJECT, true},
    {"rustflags", FIELD_TEXTS, false},
    {"env", FIELD_TEXT_MAP, false},
    {"features", FIELD_TEXTS, false},
    {"options", FIELD_OBJECT, false},
    {"limits", FIELD_OBJECT, false},
    {"link", FIELD_OBJECT, false},
    {"kit", FIELD_OBJECT, false},
    {"contract", FIELD_OBJECT, true},
    {"trial", FIELD_OBJECT, false},
    {"hints", FIELD_OBJECTS, false},
    {"$schema", FIELD_TEXT, false},
    {"targets", FIELD_TEXTS, false},
    {"crate_types", FIELD_OBJECT, false},
    {"target_rustflags", FIELD_OBJECT, false},
    {"metadata", FIELD_TEXT_MAP, false},
    {"cargo_profile", FIELD_OBJECT, false},
};

static const struct field artifact_fields[] = {{"kind", FIELD_TEXT, true}, {"suffix", FIELD_TEXT, false}};

static const struct field link_fields[] = {{"command", FIELD_TEXTS, true},
                                           {"output", FIELD_TEXT, true},
                                           {"seconds", FIELD_NUMBER, false},
                                           {"sides", FIELD_OBJECTS, false}};

static const struct field side_fields[] = {{"file", FIELD_TEXT, true},
                                           {"kind", FIELD_TEXT, true},
                                           {"optional", FIELD_BOOL, false},
                                           {"contract", FIELD_OBJECT, false}};

static const struct field kit_fields[] = {
    {"name", FIELD_TEXT, true}, {"required", FIELD_BOOL, true}, {"doc", FIELD_TEXT, true}};

/* host comes first: a side may say nothing of it. */
static const struct field contract_fields[] = {
    {"host", FIELD_TEXT, true},
    {"imports", FIELD_TEXT_OR_TEXTS, false},
    {"exports", FIELD_TEXT_OR_TEXTS, false},
    {"exports_any", FIELD_TEXTS, false},
    {"exports_function", FIELD_BOOL, false},
    {"memory", FIELD_OBJECT, false},
    {"type", FIELD_TEXTS, false},
    {"interp", FIELD_BOOL_OR_TEXT, false},
    {"needed", FIELD_TEXTS, false},
    {"executable", FIELD_BOOL, false},
    {"undefined", FIELD_TEXT_OR_TEXTS, false},
    {"machine", FIELD_TEXT, false},
    {"soname", FIELD_TEXT, false},
    {"libc_floor", FIELD_TEXT, false},
    {"exports_listed", FIELD_TEXT, false},
    {"panic", FIELD_TEXT, false},
    {"features", FIELD_TEXTS, false},
    {"instrumented", FIELD_BOOL, false},
    {"tls", FIELD_BOOL, false},
    {"fs", FIELD_BOOL, false},
    {"undefined_all", FIELD_TEXTS, false},
    {"tls_model", FIELD_TEXTS, false},
    {"not_defined", FIELD_TEXTS, false},
};

static const struct field memory_fields[] = {{"exported", FIELD_BOOL, false},     {"imported", FIELD_BOOL, false},
                                             {"min_pages", FIELD_NUMBER, false},  {"max_pages", FIELD_NUMBER, false},
                                             {"most_pages", FIELD_NUMBER, false}, {"shared", FIELD_BOOL, false}};

static const struct field trial_fields[] = {
    {"host", FIELD_TEXT, true},       {"image", FIELD_TEXT, true},        {"command", FIELD_TEXTS, true},
    {"seconds", FIELD_NUMBER, false}, {"tmp_bytes", FIELD_NUMBER, false}, {"optional", FIELD_BOOL, false},
};

static const struct field sets_fields[] = {{"rustflags", FIELD_TEXTS, false},
                                           {"env", FIELD_TEXT_MAP, false},
                                           {"cargo_profile", FIELD_OBJECT, false},
                                           {"contract", FIELD_OBJECT, false}};

static const struct field hint_fields[] = {{"match", FIELD_TEXT, true}, {"hint", FIELD_TEXT, true}};

static bool one_of(const char *s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(s, words[i]) == 0)
            return true;
    return false;
}

static bool word_ok(const char *s)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr("_-.", s[i]))
            return false;
    return n >= 1 && n <= 64 && s[0] != '-' && s[0] != '.';
}

/* "{name}.wasm": a file name with {name} or {lib} once, and nothing that leaves the folder. */
static bool pattern_ok(const char *s)
{
    const char *mark = strchr(s, '{');

    if (!mark || (strncmp(mark, "{name}", 6) != 0 && strncmp(mark, "{lib}", 5) != 0) || strlen(s) > 64)
        return false;
    return !strchr(mark + 1, '{') && !strchr(s, '/') && !strstr(s, "..");
}

static int check_outputs(const cJSON *json, struct err *err)
{
    static const char *const types[] = {"bin", "cdylib", "staticlib"};
    static const char *const kinds[] = {"wasm", "elf", "ar", "tar"};
    const cJSON *v, *outputs = json_obj(json, "outputs"), *prefer = json_arr(json, "prefer");
    const cJSON *artifact = json_obj(json, "artifact");

    if (fields_check(artifact, "artifact.", artifact_fields, COUNT(artifact_fields), err) < 0)
        return -1;
    if (!one_of(json_str(artifact, "kind", ""), kinds, COUNT(kinds)))
        return err_set(err, ERR_BAD_REQUEST, "artifact.kind must be wasm, elf, ar or tar");
    const char *suffix = json_str(artifact, "suffix", "");
    if (*suffix && (suffix[0] != '.' || !word_ok(suffix + 1)))
        return err_set(err, ERR_BAD_REQUEST, "artifact.suffix must be empty or like .wasm");
    cJSON_ArrayForEach(v, outputs)
    {
        if (!one_of(v->string, types, COUNT(types)))
            return err_set(err, ERR_BAD_REQUEST, "outputs.%s is not known", v->string);
        if (!pattern_ok(v->valuestring))
            return err_set(err, ERR_BAD_REQUEST, "outputs.%s must be a file name with {name} or {lib}", v->string);
    }
    if (cJSON_GetArraySize(prefer) == 0)
        return err_set(err, ERR_BAD_REQUEST, "prefer is empty");
    cJSON_ArrayForEach(v, prefer) if (!json_str(outputs, v->valuestring, NULL)) return err_set(
        err, ERR_BAD_REQUEST, "prefer names %s, which outputs does not have", v->valuestring);
    return 0;
}

/* `where` is the field's whole name. */
static int check_flags(const char *where, const cJSON *flags, struct err *err)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, flags)
    {
        if (!*v->valuestring || strchr(v->valuestring, '\x1f'))
            return err_set(err, ERR_BAD_REQUEST, "%s has an empty flag or one with a unit separator", where);
    }
    return 0;
}

static int check_env(const char *where, const cJSON *env, struct err *err)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, env)
    {
        size_t n = strspn(v->string, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
        if (n == 0 || v->string[n] || isdigit((unsigned char)v->string[0]))
            return err_set(err, ERR_BAD_REQUEST, "%s.%s is not the name of a variable", where, v->string);
    }
    return 0;
}

/* Words and whole numbers as cargo has them for the setting. */
static bool setting_ok(const char *key, const cJSON *v)
{
    static const struct {
        const char *key;
        const char *words[4];
        double min, max; /* of a number; 1, 0: none */
        bool flag;
    } settings[] = {
        {"panic", {"abort", "unwind"}, 1, 0, false},
        {"opt-level", {"s", "z"}, 0, 3, false},
        {"lto", {"off", "thin", "fat"}, 1, 0, true},
        {"codegen-units", {NULL}, 1, 65536, false},
        {"overflow-checks", {NULL}, 1, 0, true},
        {"debug-assertions", {NULL}, 1, 0, true},
        {"debug", {NULL}, 0, 2, true},
        {"strip", {"none", "debuginfo", "symbols"}, 1, 0, true},
    };

    for (size_t i = 0; i < COUNT(settings); i++) {
        if (strcmp(settings[i].key, key) != 0)
            continue;
        if (cJSON_IsBool(v))
            return settings[i].flag;
        if (cJSON_IsNumber(v))
            return v->valuedouble >= settings[i].min && v->valuedouble <= settings[i].max &&
                   v->valuedouble == (double)v->valueint;
        for (size_t k = 0; cJSON_IsString(v) && k < COUNT(settings[i].words) && settings[i].words[k]; k++)
            if (strcmp(settings[i].words[k], v->valuestring) == 0)
                return true;
    }
    return false;
}

static int check_settings(const char *where, const cJSON *settings, struct err *err)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, settings)
    {
        if (!setting_ok(v->string, v))
            return err_set(err, ERR_BAD_REQUEST, "%s.%s is no setting of a cargo profile, or has no such value", where,
                           v->string);
    }
    return 0;
}

static bool has_target(const cJSON *json, const char *target)
{
    const cJSON *v;

    if (strcmp(json_str(json, "target", ""), target) == 0)
        return true;
    cJSON_ArrayForEach(v, json_arr(json, "targets")) if (strcmp(v->valuestring, target) == 0) return true;
    return false;
}

static int check_targets(const cJSON *json, struct err *err)
{
    static const char *const types[] = {"cdylib", "staticlib"};
    const cJSON *v, *item, *before, *targets = json_arr(json, "targets");

    if (cJSON_GetArraySize(targets) > MAX_TARGETS)
        return err_set(err, ERR_BAD_REQUEST, "targets has more than %d", MAX_TARGETS);
    cJSON_ArrayForEach(v, targets)
    {
        bool again = strcmp(v->valuestring, json_str(json, "target", "")) == 0;
        for (before = targets->child; before != v; before = before->next)
            again |= strcmp(before->valuestring, v->valuestring) == 0;
        if (!word_ok(v->valuestring) || again)
            return err_set(err, ERR_BAD_REQUEST, "targets must be target triples, each once and not target");
    }
    cJSON_ArrayForEach(v, json_obj(json, "crate_types"))
    {
        if (!has_target(json, v->string))
            return err_set(err, ERR_BAD_REQUEST, "crate_types.%s is none of target and targets", v->string);
        if (!fields_has_type(v, FIELD_TEXTS) || cJSON_GetArraySize(v) == 0)
            return err_set(err, ERR_BAD_REQUEST, "crate_types.%s must be %s", v->string, fields_word(FIELD_TEXTS));
        cJSON_ArrayForEach(item, v) if (!one_of(item->valuestring, types, COUNT(types))) return err_set(
            err, ERR_BAD_REQUEST, "crate_types.%s: %s is not cdylib or staticlib", v->string, item->valuestring);
    }
    cJSON_ArrayForEach(v, json_obj(json, "target_rustflags"))
    {
        AUTO(char_p) char *where = mem_printf("target_rustflags.%s", v->string);
        if (!has_target(json, v->string))
            return err_set(err, ERR_BAD_REQUEST, "%s is none of target and targets", where);
        if (!fields_has_type(v, FIELD_TEXTS))
            return err_set(err, ERR_BAD_REQUEST, "%s must be %s", where, fields_word(FIELD_TEXTS));
        if (check_flags(where, v, err) < 0)
            return -1;
    }
    return 0;
}

/* What the values of an option set. */
static int check_sets(const cJSON *option, struct err *err)
{
    const cJSON *v, *value, *sets = cJSON_GetObjectItemCaseSensitive(option, "sets");
    bool is_enum = strcmp(json_str(option, "type", ""), "enum") == 0;

    if (!sets)
        return 0;
    if (!cJSON_IsObject(sets) || (!is_enum && strcmp(json_str(option, "type", ""), "bool") != 0))
        return err_set(err, ERR_BAD_REQUEST, "options.%s.sets must be an object, of an enum or a bool", option->string);
    cJSON_ArrayForEach(v, sets)
    {
        AUTO(char_p) char *where = mem_printf("options.%s.sets.%s", option->string, v->string);
        AUTO(char_p) char *dotted = mem_printf("%s.", where), *env = mem_printf("%s.env", where);
        AUTO(char_p) char *settings = mem_printf("%s.cargo_profile", where);
        bool known = !is_enum && (strcmp(v->string, "true") == 0 || strcmp(v->string, "false") == 0);
        cJSON_ArrayForEach(value, json_arr(option, "values")) known |= strcmp(value->valuestring, v->string) == 0;
        if (!known)
            return err_set(err, ERR_BAD_REQUEST, "%s is not a value of the option", where);
        if (!cJSON_IsObject(v))
            return err_set(err, ERR_BAD_REQUEST, "%s must be an object", where);
        if (fields_check(v, dotted, sets_fields, COUNT(sets_fields), err) < 0 ||
            check_flags(where, json_arr(v, "rustflags"), err) < 0 || check_env(env, json_obj(v, "env"), err) < 0 ||
            check_settings(settings, json_obj(v, "cargo_profile"), err) < 0)
            return -1;
    }
    return 0;
}

/* Keys that crates may use: none may be a common one, or a variable of the link step's. */
static int check_metadata(const cJSON *json, struct err *err)
{
    static const char *const types[] = {"name", "file", "files", "text"};
    static const char *const taken[] = {"bin",           "features",    "exports", "no_default_features",
                                        "cargo_profile", "prefer",      "input",   "output",
                                        "name",          "target",      "targets", "target_dir",
                                        "lib",           "profile_dir", "crate",   "manifest_dir",
                                        "crate_version", "kit",         "kit_link"};
    const cJSON *v;

    cJSON_ArrayForEach(v, json_obj(json, "metadata"))
    {
        size_t n = strspn(v->string, "abcdefghijklmnopqrstuvwxyz0123456789_");
        if (v->string[n] || n == 0 || n > 32 || !islower((unsigned char)v->string[0]) ||
            strncmp(v->string, "option_", 7) == 0 || one_of(v->string, taken, COUNT(taken)))
            return err_set(err, ERR_BAD_REQUEST, "metadata.%s cannot be a key of a profile's own", v->string);
        if (!one_of(v->valuestring, types, COUNT(types)))
            return err_set(err, ERR_BAD_REQUEST, "metadata.%s must be name, file, files or text", v->string);
    }
    return 0;
}

static int check_build(const cJSON *json, struct err *err)
{
    const cJSON *v;

    if (check_flags("rustflags", json_arr(json, "rustflags"), err) < 0 ||
        check_env("env", json_obj(json, "env"), err) < 0 || check_targets(json, err) < 0 ||
        check_settings("cargo_profile", json_obj(json, "cargo_profile"), err) < 0 || check_metadata(json, err) < 0)
        return -1;
    cJSON_ArrayForEach(v, json_arr(json, "features")) if (!word_ok(v->valuestring)) return err_set(
        err, ERR_BAD_REQUEST, "features: %s is not the name of a target feature", v->valuestring);
    cJSON_ArrayForEach(v, json_obj(json, "options"))
    {
        if (strspn(v->string, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(v->string) || !*v->string ||
            strlen(v->string) > 32)
            return err_set(err, ERR_BAD_REQUEST, "options.%s: a name has a-z, 0-9 and _, at most 32", v->string);
        if (profile_options_reserved(v->string))
            return err_set(err, ERR_BAD_REQUEST, "options.%s is the name of a common option", v->string);
        if (!cJSON_IsObject(v))
            return err_set(err, ERR_BAD_REQUEST, "options.%s must be an object", v->string);
        if (profile_options_declared(v->string, v, err) < 0 || check_sets(v, err) < 0)
            return -1;
    }
    return 0;
}

static int check_limits(const cJSON *json, struct limits *limits, struct err *err)
{
    static const struct {
        const char *name;
        size_t offset;
    } known[] = {
#define X(name, value, what) {#name, offsetof(struct limits, name)},
        LIMITS(X)
#undef X
    };
    const cJSON *v;

    cJSON_ArrayForEach(v, json_obj(json, "limits"))
    {
        size_t i = 0;
        while (i < COUNT(known) && strcmp(known[i].name, v->string) != 0)
            i++;
        if (i == COUNT(known))
            return err_set(err, ERR_BAD_REQUEST, "limits.%s is not known", v->string);
        if (!fields_has_type(v, FIELD_NUMBER))
            return err_set(err, ERR_BAD_REQUEST, "limits.%s must be %s", v->string, fields_word(FIELD_NUMBER));
        *(int64_t *)(void *)((char *)limits + known[i].offset) = (int64_t)v->valuedouble;
    }
    return 0;
}

static int check_link(const cJSON *json, struct err *err)
{
    const cJSON *link = json_obj(json, "link"), *kit = json_obj(json, "kit"), *v;

    if (link && fields_check(link, "link.", link_fields, COUNT(link_fields), err) < 0)
        return -1;
    if (link && cJSON_GetArraySize(json_arr(link, "command")) == 0)
        return err_set(err, ERR_BAD_REQUEST, "link.command is empty");
    cJSON_ArrayForEach(v, json_arr(link, "command"))
    {
        if (!*v->valuestring)
            return err_set(err, ERR_BAD_REQUEST, "link.command has an empty argument");
    }
    if (!link && strcmp(json_str(json_obj(json, "artifact"), "kind", ""), "tar") == 0)
        return err_set(err, ERR_BAD_REQUEST, "artifact.kind is tar, but there is no link step that makes one");
    if (link && !pattern_ok(json_str(link, "output", "")))
        return err_set(err, ERR_BAD_REQUEST, "link.output must be a file name with {name} or {lib}");
    if (kit && fields_check(kit, "kit.", kit_fields, COUNT(kit_fields), err) < 0)
        return -1;
    if (kit && !fields_is_name(json_str(kit, "name", "")))
        return err_set(err, ERR_BAD_REQUEST, "kit.name must be the name of a kit");
    if (kit && !*json_str(kit, "doc", ""))
        return err_set(err, ERR_BAD_REQUEST, "kit.doc is empty");
    if (json_bool(kit, "required", false) && !link)
        return err_set(err, ERR_BAD_REQUEST, "kit.required without link: it is the link step that needs the kit");
    return 0;
}

/* Lists in which * may stand at the end of a name. */
static int check_patterns(const char *where, const cJSON *contract, const char *rule, struct err *err)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_arr(contract, rule))
    {
        if (!fields_is_pattern(v->valuestring))
            return err_set(err, ERR_BAD_REQUEST, "%s%s: %s must have its * at the end", where, rule, v->valuestring);
    }
    return 0;
}

/* For which kinds of artifact a rule is; NULL: for all that are inspected. */
static const char *rule_kinds(const char *rule)
{
    static const struct {
        const char *rule, *kinds;
    } only[] = {
        {"imports", "wasm"},
        {"exports_function", "wasm"},
        {"memory", "wasm"},
        {"type", "elf"},
        {"interp", "elf"},
        {"needed", "elf"},
        {"executable", "elf"},
        {"soname", "elf"},
        {"libc_floor", "elf"},
        {"undefined", "elf and ar"},
        {"machine", "elf and ar"},
        {"exports_listed", "elf and ar"},
        {"features", "wasm"},
        {"instrumented", "wasm"},
        {"tls", "elf"},
        {"fs", "elf"},
        {"panic", "elf and ar"},
        {"undefined_all", "elf and ar"},
        {"tls_model", "elf and ar"},
        {"not_defined", "elf and ar"},
    };

    for (size_t i = 0; i < COUNT(only); i++)
        if (strcmp(only[i].rule, rule) == 0)
            return only[i].kinds;
    return NULL;
}

/* exports_listed names a text among the sides. */
static bool names_text(const cJSON *json, const char *file)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_arr(json_obj(json, "link"), "sides"))
    {
        if (strcmp(json_str(v, "file", ""), file) == 0 && strcmp(json_str(v, "kind", ""), "text") == 0)
            return true;
    }
    return false;
}

static int check_tls_rules(const char *where, const cJSON *c, struct err *err)
{
    static const char *const models[] = {"local-exec", "initial-exec", "local-dynamic", "general-dynamic"};
    static const char *const never[] = {"tls", "fs"};
    const cJSON *v;

    for (size_t i = 0; i < COUNT(never); i++)
        if (json_bool(c, never[i], false))
            return err_set(err, ERR_BAD_REQUEST, "%s%s must be false, or absent", where, never[i]);
    cJSON_ArrayForEach(v, json_arr(c, "tls_model")) if (!one_of(v->valuestring, models, COUNT(models))) return err_set(
        err, ERR_BAD_REQUEST, "%stls_model: %s is not local-exec, initial-exec, local-dynamic or general-dynamic",
        where, v->valuestring);
    return 0;
}

static int check_text_rules(const cJSON *json, const char *where, const cJSON *c, struct err *err)
{
    const char *floor = json_str(c, "libc_floor", NULL), *listed = json_str(c, "exports_listed", NULL);

    if (floor) {
        size_t major = strspn(floor, "0123456789"), minor = floor[major] ? strspn(floor + major + 1, "0123456789") : 0;
        if (major == 0 || major > 3 || floor[major] != '.' || minor == 0 || minor > 4 || floor[major + 1 + minor])
            return err_set(err, ERR_BAD_REQUEST, "%slibc_floor must be a version like 2.34", where);
    }
    if (json_str(c, "soname", NULL) && !pattern_ok(json_str(c, "soname", "")))
        return err_set(err, ERR_BAD_REQUEST, "%ssoname must be a file name with {name} or {lib}", where);
    if (json_str(c, "machine", NULL) && !word_ok(json_str(c, "machine", "")))
        return err_set(err, ERR_BAD_REQUEST, "%smachine must be a word such as x86_64", where);
    if (json_str(c, "panic", NULL) && strcmp(json_str(c, "panic", ""), "unwind") != 0)
        return err_set(err, ERR_BAD_REQUEST, "%spanic must be unwind", where);
    if (listed && !names_text(json, listed))
        return err_set(err, ERR_BAD_REQUEST, "%sexports_listed must be the file of a text among link.sides", where);
    return 0;
}

/* Rules for an artifact of that kind. `where` ends in a dot. */
static int check_rules(const cJSON *json, const char *where, const cJSON *c, const char *kind, struct err *err)
{
    static const char *const elf_types[] = {"exec", "dyn", "rel"};
    static const char *const by_kit[] = {"imports", "exports", "undefined"};
    static const char *const inspected[] = {"wasm", "elf", "ar"};
    const cJSON *v;

    cJSON_ArrayForEach(v, c)
    {
        const char *kinds = rule_kinds(v->string);
        if (strcmp(v->string, "host") == 0)
            continue;
        if (kinds ? !strstr(kinds, kind) : !one_of(kind, inspected, COUNT(inspected)))
            return err_set(err, ERR_BAD_REQUEST, "%s%s is a rule for %s, not for %s", where, v->string,
                           kinds ? kinds : "wasm, elf and ar", kind);
        if (!cJSON_IsString(v) || !one_of(v->string, by_kit, COUNT(by_kit)))
            continue;
        if (strcmp(v->valuestring, "kit") != 0)
            return err_set(err, ERR_BAD_REQUEST, "%s%s must be a list of texts or \"kit\"", where, v->string);
        if (!json_obj(json, "kit"))
            return err_set(err, ERR_BAD_REQUEST, "%s%s is \"kit\", but the profile names no kit", where, v->string);
    }
    if (check_patterns(where, c, "imports", err) < 0 || check_patterns(where, c, "undefined", err) < 0 ||
        check_patterns(where, c, "not_defined", err) < 0 || check_text_rules(json, where, c, err) < 0 ||
        check_tls_rules(where, c, err) < 0)
        return -1;
    cJSON_ArrayForEach(v, json_arr(c, "type")) if (!one_of(v->valuestring, elf_types, COUNT(elf_types))) return err_set(
        err, ERR_BAD_REQUEST, "%stype: %s is not exec, dyn or rel", where, v->valuestring);
    AUTO(char_p) char *memory = mem_printf("%smemory.", where);
    return fields_check(json_obj(c, "memory"), memory, memory_fields, COUNT(memory_fields), err);
}

/* Rules without a host of their own are the profile's host's. `where` ends in a dot. */
static int check_more_rules(const cJSON *json, const char *where, const cJSON *rules, const char *kind, struct err *err)
{
    struct field fields[COUNT(contract_fields)];

    memcpy(fields, contract_fields, sizeof fields);
    fields[0].required = false;
    if (fields_check(rules, where, fields, COUNT(fields), err) < 0)
        return -1;
    return check_rules(json, where, rules, kind, err);
}

static int check_contract(const cJSON *json, struct err *err)
{
    const cJSON *c = json_obj(json, "contract"), *option, *value;
    const char *kind = json_str(json_obj(json, "artifact"), "kind", "");

    if (fields_check(c, "contract.", contract_fields, COUNT(contract_fields), err) < 0 ||
        check_rules(json, "contract.", c, kind, err) < 0)
        return -1;
    cJSON_ArrayForEach(option, json_obj(json, "options")) cJSON_ArrayForEach(value, json_obj(option, "sets"))
    {
        AUTO(char_p) char *where = mem_printf("options.%s.sets.%s.contract.", option->string, value->string);
        if (check_more_rules(json, where, json_obj(value, "contract"), kind, err) < 0)
            return -1;
    }
    return 0;
}

/* What the link step writes beside its output. */
static int check_sides(const cJSON *json, struct err *err)
{
    static const char *const kinds[] = {"json", "text", "tar", "elf", "ar", "wasm"};
    const cJSON *v, *before, *sides = json_arr(json_obj(json, "link"), "sides");

    if (cJSON_GetArraySize(sides) > MAX_SIDES)
        return err_set(err, ERR_BAD_REQUEST, "link.sides has more than %d", MAX_SIDES);
    cJSON_ArrayForEach(v, sides)
    {
        const char *file = json_str(v, "file", "");
        const cJSON *rules = json_obj(v, "contract");
        bool again = strcmp(file, json_str(json_obj(json, "link"), "output", "")) == 0;
        if (fields_check(v, "link.sides.", side_fields, COUNT(side_fields), err) < 0)
            return -1;
        /* A lib is one output of a job; bins may be several, and each has its sides. */
        if (!pattern_ok(file) && (!word_ok(file) || json_str(json_obj(json, "outputs"), "bin", NULL)))
            return err_set(err, ERR_BAD_REQUEST, "link.sides.file must be a file name with {name} or {lib}");
        for (before = sides->child; before != v; before = before->next)
            again |= strcmp(json_str(before, "file", ""), file) == 0;
        if (again)
            return err_set(err, ERR_BAD_REQUEST, "link.sides.file: %s is there twice", file);
        if (!one_of(json_str(v, "kind", ""), kinds, COUNT(kinds)))
            return err_set(err, ERR_BAD_REQUEST, "link.sides.kind must be json, text, tar, elf, ar or wasm");
        if (check_more_rules(json, "link.sides.contract.", rules, json_str(v, "kind", ""), err) < 0)
            return -1;
    }
    return 0;
}

static int check_rest(const cJSON *json, struct err *err)
{
    const cJSON *v, *trial = json_obj(json, "trial");

    if (trial && fields_check(trial, "trial.", trial_fields, COUNT(trial_fields), err) < 0)
        return -1;
    if (trial && !word_ok(json_str(trial, "image", "")))
        return err_set(err, ERR_BAD_REQUEST, "trial.image must be the name of a trial image");
    if (trial && cJSON_GetArraySize(json_arr(trial, "command")) == 0)
        return err_set(err, ERR_BAD_REQUEST, "trial.command is empty");
    cJSON_ArrayForEach(v, json_arr(json, "hints"))
    {
        if (fields_check(v, "hints.", hint_fields, COUNT(hint_fields), err) < 0)
            return -1;
        if (!*json_str(v, "match", ""))
            return err_set(err, ERR_BAD_REQUEST, "hints.match is empty");
    }
    return 0;
}

int profile_check(struct profile *p, const char *folder, struct err *err)
{
    if (!cJSON_IsObject(p->json))
        return err_set(err, ERR_BAD_REQUEST, "it must be an object");
    if (fields_check(p->json, "", profile_fields, COUNT(profile_fields), err) < 0)
        return -1;
    p->name = json_str(p->json, "name", "");
    p->title = json_str(p->json, "title", "");
    p->target = json_str(p->json, "target", "");
    p->toolchain = json_str(p->json, "toolchain", "");
    if (!fields_is_name(p->name) || strcmp(p->name, "env") == 0 || strcmp(p->name, "label") == 0)
        return err_set(err, ERR_BAD_REQUEST, "name must be 1 to 32 of a-z, 0-9 and -, and not env or label");
    if (strcmp(p->name, folder) != 0)
        return err_set(err, ERR_BAD_REQUEST, "name must be that of its folder, %s", folder);
    if (!*p->title || strlen(p->title) > 200)
        return err_set(err, ERR_BAD_REQUEST, "title must have 1 to 200 bytes");
    if (!word_ok(p->target))
        return err_set(err, ERR_BAD_REQUEST, "target must be a target triple");
    if (!word_ok(p->toolchain))
        return err_set(err, ERR_BAD_REQUEST, "toolchain must be a name of docker/toolchains.json");
    if (check_outputs(p->json, err) < 0 || check_build(p->json, err) < 0 || check_link(p->json, err) < 0 ||
        check_sides(p->json, err) < 0 || check_contract(p->json, err) < 0)
        return -1;
    return check_limits(p->json, &p->limits, err) < 0 || check_rest(p->json, err) < 0 ? -1 : 0;
}
