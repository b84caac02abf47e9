/*
 * profile_options.c - the options of a request: one table says what the common
 * ones are called, how they are checked and how they are described; a profile
 * declares its own in the same terms. Pure, any thread. See profile.h.
 */
#include "workers/profile.h"

#include "base/buf.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT 256 /* bytes of a value, where the table says nothing else */
#define MAX_ITEMS 64 /* of a list */
#define MAX_ENV_VALUE 4096
#define MAX_ENV 64
#define MAX_NUMBER INT64_C(9007199254740991) /* what JSON keeps exactly */

enum option_type { OPT_STRING, OPT_LIST, OPT_BOOL, OPT_INT, OPT_ENUM };

static const char *const type_names[] = {"string", "list", "bool", "int", "enum"};

struct option {
    const char *name;
    enum option_type type;
    bool (*valid)(const char *s); /* of a string, or of each item of a list; NULL: any printable text */
    const char *allowed;          /* completes "... must be" */
    int64_t min, max;
    const char *text_default; /* or NULL */
    bool bool_default;
    bool sorted;         /* a list in which order means nothing */
    const cJSON *values; /* of an enum */
    const cJSON *number_default;
    const char *doc;
};

static bool all_of(const char *s, const char *more)
{
    if (!*s || *s == '-')
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr(more, *s))
            return false;
    return true;
}

static bool valid_package(const char *s)
{
    return all_of(s, "_-@.+") && *s != '.' && *s != '@';
}

static bool valid_bin(const char *s)
{
    return all_of(s, "_-.+") && *s != '.';
}

static bool valid_feature(const char *s)
{
    return all_of(s, "_-.+/?") && *s != '/';
}

bool profile_options_cargo_profile(const char *s)
{
    static const char *const refused[] = {"test", "bench", "debug", "doc", "build"};

    for (size_t i = 0; i < COUNT(refused); i++)
        if (strcmp(s, refused[i]) == 0)
            return false;
    return strlen(s) <= 64 && all_of(s, "_-");
}

static bool valid_manifest(const char *s)
{
    static const char file[] = "Cargo.toml";
    size_t len = strlen(s), tail = sizeof(file) - 1;

    if (len < tail || strcmp(s + len - tail, file) != 0 || (len > tail && s[len - tail - 1] != '/') || *s == '/' ||
        *s == '-')
        return false;
    for (const char *part = s; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
        size_t n = strcspn(part, "/");
        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
            return false;
    }
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f || *s == '\\')
            return false;
    return true;
}

/* name or name="value": nothing that rustc's command line could read as another flag. */
static bool valid_cfg(const char *s)
{
    if (!isalpha((unsigned char)*s) && *s != '_')
        return false;
    while (isalnum((unsigned char)*s) || *s == '_')
        s++;
    if (!*s)
        return true;
    if (s[0] != '=' || s[1] != '"')
        return false;
    for (s += 2; *s && *s != '"'; s++)
        if (!isalnum((unsigned char)*s) && !strchr("_-.+:/,", *s))
            return false;
    return s[0] == '"' && s[1] == '\0';
}

static const struct option common[] = {
    {.name = "package",
     .type = OPT_STRING,
     .valid = valid_package,
     .allowed = "a package's name, or name@version",
     .doc = "the workspace member to build"},
    {.name = "manifest_path",
     .type = OPT_STRING,
     .valid = valid_manifest,
     .allowed = "a relative path without `..` that ends in Cargo.toml",
     .max = 1024,
     .doc = "the manifest to build, from the tarball's root"},
    {.name = "bin",
     .type = OPT_LIST,
     .valid = valid_bin,
     .allowed = "names of bin targets",
     .doc = "the bins to build, the first is the primary artifact; none: all bins"},
    {.name = "features",
     .type = OPT_LIST,
     .valid = valid_feature,
     .allowed = "names of features",
     .sorted = true,
     .doc = "features to enable"},
    {.name = "no_default_features", .type = OPT_BOOL, .doc = "leave the default features out"},
    {.name = "cargo_profile",
     .type = OPT_STRING,
     .valid = profile_options_cargo_profile,
     .allowed = "release, dev, or another cargo profile that Cargo.toml defines (not debug, test, bench)",
     .text_default = "release",
     .doc = "the cargo profile to build with"},
    {.name = "locked", .type = OPT_BOOL, .doc = "fail if Cargo.lock is missing or would change"},
    {.name = "debug", .type = OPT_BOOL, .doc = "keep debug information in the artifact"},
    {.name = "cfg",
     .type = OPT_LIST,
     .valid = valid_cfg,
     .allowed = "of the form name or name=\"value\"",
     .doc = "rustc --cfg flags"},
    {.name = "toolchain", .type = OPT_STRING, .doc = "the toolchain to build with: the profile's own pin"},
    {.name = "max_size",
     .type = OPT_INT,
     .min = 1,
     .max = MAX_NUMBER,
     .doc = "fail if the primary artifact is larger, in bytes"},
    {.name = "priority", .type = OPT_INT, .min = -100, .max = 100, .doc = "higher runs first"},
    {.name = "trial",
     .type = OPT_BOOL,
     .bool_default = true,
     .doc = "start the artifact in its host; off leaves it out"},
    {.name = "verify",
     .type = OPT_BOOL,
     .doc = "build twice, in fresh containers, and say whether the bytes are the same"},
    {.name = "bypass_cache", .type = OPT_BOOL, .doc = "build even if the same was built before"},
};

static const char env_doc[] = "an environment variable of the build, env.NAME=value (not CARGO*, RUST*, LD*, CC*, AR*)";

/* What would choose another compiler, linker or place, or belongs to the server. */
static const char *const env_refused[] = {"CARGO",        "RUST",      "LD",         "CC",
                                          "CXX",          "AR",        "HOST_",      "TARGET_",
                                          "GCC",          "CPATH",     "BLOOMERY",   "COMPILER_PATH",
                                          "LIBRARY_PATH", "C_INCLUDE", "CPLUS_",     "RANLIB",
                                          "PKG_CONFIG",   "BASH_",     "GCONV_PATH", "SOURCE_DATE_EPOCH"};
static const char *const env_refused_whole[] = {"PATH", "HOME", "TMPDIR", "TMP",  "TEMP", "USER",    "LOGNAME", "SHELL",
                                                "PWD",  "ENV",  "IFS",    "TERM", "NM",   "OBJCOPY", "STRIP",   "LANG"};

static bool valid_env_name(const char *s)
{
    size_t len = strlen(s);

    if (len == 0 || len > 64 || (!isupper((unsigned char)*s) && *s != '_'))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isupper((unsigned char)s[i]) && !isdigit((unsigned char)s[i]) && s[i] != '_')
            return false;
    for (size_t i = 0; i < COUNT(env_refused); i++)
        if (strncmp(s, env_refused[i], strlen(env_refused[i])) == 0)
            return false;
    for (size_t i = 0; i < COUNT(env_refused_whole); i++)
        if (strcmp(s, env_refused_whole[i]) == 0)
            return false;
    return true;
}

bool profile_options_reserved(const char *name)
{
    for (size_t i = 0; i < COUNT(common); i++)
        if (strcmp(name, common[i].name) == 0)
            return true;
    return strcmp(name, "profile") == 0 || strcmp(name, "source") == 0 || strcmp(name, "wait") == 0 ||
           strcmp(name, "label") == 0 || strcmp(name, "env") == 0;
}

/* --- values --- */

static int parse_bool(const char *s, bool *ret)
{
    static const char *const yes[] = {"", "true", "1", "yes", "on"};
    static const char *const no[] = {"false", "0", "no", "off"};

    for (size_t i = 0; i < COUNT(yes); i++)
        if (strcmp(s, yes[i]) == 0) {
            *ret = true;
            return 0;
        }
    for (size_t i = 0; i < COUNT(no); i++)
        if (strcmp(s, no[i]) == 0) {
            *ret = false;
            return 0;
        }
    return -1;
}

static int parse_int(const char *s, int64_t *ret)
{
    char *end;

    if (!isdigit((unsigned char)*s) && !(*s == '-' && isdigit((unsigned char)s[1])))
        return -1;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (errno || *end)
        return -1;
    *ret = v;
    return 0;
}

/* The text is shown in an error: short and without control characters. */
static char *shown(const char *s)
{
    AUTO(char_p) char *clean = json_utf8(s, strlen(s));

    for (char *p = clean; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    return strlen(clean) > 60 ? mem_printf("%.57s...", clean) : STEAL(clean);
}

static int refuse(const char *key, const char *value, const char *allowed, struct err *err)
{
    AUTO(char_p) char *v = shown(value);

    err_set(err, ERR_BAD_REQUEST, "parameter %s=%s is not accepted", key, v);
    return err_hint(err, "%s must be %s", key, allowed);
}

static bool printable(const char *s)
{
    AUTO(char_p) char *clean = json_utf8(s, strlen(s));

    if (strcmp(clean, s) != 0)
        return false;
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

static bool text_ok(const struct option *o, const char *s)
{
    return *s && strlen(s) <= (size_t)(o->max ? o->max : MAX_TEXT) && printable(s) && (!o->valid || o->valid(s));
}

static int by_text(const void *a, const void *b)
{
    return strcmp((*(cJSON *const *)a)->valuestring, (*(cJSON *const *)b)->valuestring);
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(cJSON *const *)a)->string, (*(cJSON *const *)b)->string);
}

/* The children of an array or object, in order. */
static void sort_children(cJSON *parent, int (*order)(const void *, const void *))
{
    int n = cJSON_GetArraySize(parent);
    cJSON **items = mem_alloc((size_t)n * sizeof(*items));

    for (int i = 0; i < n; i++)
        items[i] = cJSON_DetachItemFromArray(parent, 0);
    qsort(items, (size_t)n, sizeof(*items), order);
    for (int i = 0; i < n; i++)
        cJSON_AddItemToArray(parent, items[i]);
    mem_free(items);
}

static bool has_text(const cJSON *array, const char *s)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, array) if (strcmp(v->valuestring, s) == 0) return true;
    return false;
}

/* Items between commas (spaces too, as cargo allows), but not between quotes. */
static int parse_list(const struct option *o, const char *key, const char *value, cJSON *list, struct err *err)
{
    for (const char *s = value;;) {
        bool quoted = false;
        size_t n = 0;
        for (; s[n] && (quoted || (s[n] != ',' && s[n] != ' ')); n++)
            if (s[n] == '"')
                quoted = !quoted;
        if (n > 0) {
            AUTO(char_p) char *item = mem_strndup(s, n);
            if (!text_ok(o, item))
                return refuse(key, item, o->allowed, err);
            if (cJSON_GetArraySize(list) >= MAX_ITEMS)
                return err_set(err, ERR_BAD_REQUEST, "parameter %s has more than %d items", key, MAX_ITEMS);
            if (!has_text(list, item))
                cJSON_AddItemToArray(list, cJSON_CreateString(item));
        }
        if (!s[n])
            return 0;
        s += n + 1;
    }
}

static char *joined(const cJSON *values)
{
    struct buf b = {0};
    const cJSON *v;

    cJSON_ArrayForEach(v, values) buf_printf(&b, "%s%s", b.len ? ", " : "one of ", v->valuestring);
    return buf_steal(&b);
}

/* Put the value into obj; what was there is replaced, a list grows. */
static int put_value(const struct profile *p, const struct option *o, const char *key, const char *value, cJSON *obj,
                     struct err *err)
{
    cJSON *made = NULL;
    bool flag;
    int64_t number;

    switch (o->type) {
    case OPT_BOOL:
        if (parse_bool(value, &flag) < 0)
            return refuse(key, value, "true or false (1, 0, yes, no, on, off)", err);
        made = cJSON_CreateBool(flag);
        break;
    case OPT_INT:
        if (parse_int(value, &number) < 0 || number < o->min || number > o->max) {
            AUTO(char_p)
            char *range = mem_printf("a whole number from %lld to %lld", (long long)o->min, (long long)o->max);
            return refuse(key, value, range, err);
        }
        made = cJSON_CreateNumber((double)number);
        break;
    case OPT_ENUM:
        if (!has_text(o->values, value)) {
            AUTO(char_p) char *values = joined(o->values);
            return refuse(key, value, values, err);
        }
        made = cJSON_CreateString(value);
        break;
    case OPT_STRING:
        if (!text_ok(o, value))
            return refuse(key, value, o->allowed ? o->allowed : "a short printable text", err);
        if (strcmp(o->name, "toolchain") == 0 && strcmp(value, p->toolchain) != 0) {
            AUTO(char_p) char *only = mem_printf("%s, the one that profile %s pins", p->toolchain, p->name);
            return refuse(key, value, only, err);
        }
        made = cJSON_CreateString(value);
        break;
    case OPT_LIST:
        if (!cJSON_HasObjectItem(obj, o->name))
            cJSON_AddItemToObject(obj, o->name, cJSON_CreateArray());
        return parse_list(o, key, value, cJSON_GetObjectItemCaseSensitive(obj, o->name), err);
    }
    if (cJSON_HasObjectItem(obj, o->name)) {
        cJSON_Delete(made);
        return err_set(err, ERR_BAD_REQUEST, "parameter %s is given twice", key);
    }
    cJSON_AddItemToObject(obj, o->name, made);
    return 0;
}

/* An option of the profile's own, in the table's terms. False: there is none. */
static bool own_option(const struct profile *p, const char *name, struct option *ret)
{
    const cJSON *d = json_obj(json_obj(p->json, "options"), name);
    const char *type = json_str(d, "type", "");

    if (!d)
        return false;
    *ret = (struct option){.name = d->string,
                           .doc = json_str(d, "doc", ""),
                           .values = json_arr(d, "values"),
                           .text_default = json_str(d, "default", NULL),
                           .bool_default = json_bool(d, "default", false),
                           .number_default = cJSON_GetObjectItemCaseSensitive(d, "default")};
    for (size_t i = 0; i < COUNT(type_names); i++)
        if (strcmp(type, type_names[i]) == 0)
            ret->type = (enum option_type)i;
    if (ret->type == OPT_INT) {
        ret->min = json_int(d, "min", -MAX_NUMBER);
        ret->max = json_int(d, "max", MAX_NUMBER);
    }
    return true;
}

static bool find_option(const struct profile *p, const char *name, struct option *ret)
{
    for (size_t i = 0; i < COUNT(common); i++)
        if (strcmp(name, common[i].name) == 0) {
            *ret = common[i];
            return true;
        }
    return own_option(p, name, ret);
}

static int unknown(const struct profile *p, const char *key, struct err *err)
{
    AUTO(char_p) char *name = shown(key);
    struct buf all = {0};
    const cJSON *own;

    cJSON_ArrayForEach(own, json_obj(p->json, "options")) buf_printf(&all, "%s, ", own->string);
    for (size_t i = 0; i < COUNT(common); i++)
        buf_printf(&all, "%s, ", common[i].name);
    err_set(err, ERR_BAD_REQUEST, "unknown parameter %s", name);
    err_hint(err, "profile %s takes %senv.NAME and label.KEY", p->name, all.p);
    buf_free(&all);
    return -1;
}

static int put_env(const char *key, const char *name, const char *value, cJSON *obj, struct err *err)
{
    cJSON *env = cJSON_GetObjectItemCaseSensitive(obj, "env");

    if (!valid_env_name(name)) {
        AUTO(char_p) char *clean = shown(key);
        err_set(err, ERR_BAD_REQUEST, "parameter %s is not accepted", clean);
        return err_hint(err,
                        "a name has capital letters, digits and _ (at most 64), and is none that chooses compiler, "
                        "linker or paths: CARGO*, RUST*, LD*, CC*, CXX*, AR*, PATH, HOME, TMPDIR and the like");
    }
    if (strlen(value) > MAX_ENV_VALUE || !printable(value))
        return refuse(key, value, "a printable text of at most 4096 bytes", err);
    if (!env)
        cJSON_AddItemToObject(obj, "env", env = cJSON_CreateObject());
    if (cJSON_HasObjectItem(env, name))
        return err_set(err, ERR_BAD_REQUEST, "parameter %s is given twice", key);
    if (cJSON_GetArraySize(env) >= MAX_ENV)
        return err_set(err, ERR_BAD_REQUEST, "there are more than %d parameters env.NAME", MAX_ENV);
    cJSON_AddItemToObject(env, name, cJSON_CreateString(value));
    return 0;
}

static int put_param(const struct profile *p, const char *key, const char *name, const char *value, cJSON *obj,
                     struct err *err)
{
    struct option o;

    if (strncmp(name, "env.", 4) == 0)
        return put_env(key, name + 4, value, obj, err);
    if (!find_option(p, name, &o))
        return unknown(p, key, err);
    return put_value(p, &o, key, value, obj, err);
}

static bool is_default(const struct profile *p, const cJSON *v)
{
    struct option o;

    if (strcmp(v->string, "toolchain") == 0)
        return true; /* only the pin passes */
    if (strcmp(v->string, "priority") == 0)
        return v->valuedouble == 0;
    if (!find_option(p, v->string, &o))
        return false;
    if (o.type == OPT_BOOL)
        return cJSON_IsTrue(v) == o.bool_default;
    if (o.type == OPT_LIST)
        return cJSON_GetArraySize(v) == 0;
    if (o.type == OPT_INT)
        return cJSON_IsNumber(o.number_default) && o.number_default->valuedouble == v->valuedouble;
    return o.text_default && strcmp(o.text_default, v->valuestring) == 0;
}

static void canonical(const struct profile *p, cJSON *obj)
{
    for (cJSON *v = obj->child, *next; v; v = next) {
        struct option o;
        next = v->next;
        if (find_option(p, v->string, &o) && o.sorted)
            sort_children(v, by_text);
        if (strcmp(v->string, "env") == 0)
            sort_children(v, by_key);
        if (is_default(p, v))
            cJSON_Delete(cJSON_DetachItemViaPointer(obj, v));
    }
    sort_children(obj, by_key);
}

/* The part after "NAME." if key is meant for a profile by name (which `env.` and a bare key are not), else NULL. */
static const char *after_prefix(const char *key, size_t *ret_prefix)
{
    size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-");

    if (n == 0 || n > 32 || key[n] != '.' || (n == 3 && strncmp(key, "env", 3) == 0))
        return NULL;
    *ret_prefix = n;
    return key + n + 1;
}

int profile_options(const struct profile *p, const struct param *params, size_t count, bool in_group, cJSON **ret,
                    struct err *err)
{
    AUTO(json) cJSON *shared = cJSON_CreateObject();
    AUTO(json) cJSON *own = cJSON_CreateObject();

    for (size_t i = 0; i < count; i++) {
        size_t n = 0;
        const char *key = params[i].key, *value = params[i].value ? params[i].value : "";
        const char *name = after_prefix(key, &n);
        bool mine = name && strlen(p->name) == n && strncmp(key, p->name, n) == 0;
        if (name && !mine && in_group)
            continue;
        if (put_param(p, key, mine ? name : key, value, mine ? own : shared, err) < 0)
            return -1;
    }
    /* What is meant for this profile by name replaces what is meant for all. */
    while (own->child) {
        cJSON *v = cJSON_DetachItemViaPointer(own, own->child);
        cJSON *all = cJSON_GetObjectItemCaseSensitive(shared, v->string);
        if (all && strcmp(v->string, "env") == 0) {
            while (v->child) {
                cJSON *var = cJSON_DetachItemViaPointer(v, v->child);
                AUTO(char_p) char *name = mem_strdup(var->string);
                cJSON_DeleteItemFromObjectCaseSensitive(all, name);
                cJSON_AddItemToObject(all, name, var);
            }
            cJSON_Delete(v);
            continue;
        }
        AUTO(char_p) char *name = mem_strdup(v->string);
        cJSON_DeleteItemFromObjectCaseSensitive(shared, name);
        cJSON_AddItemToObject(shared, name, v);
    }
    canonical(p, shared);
    *ret = STEAL(shared);
    return 0;
}

/* --- declarations and descriptions --- */

int profile_options_declared(const char *name, const cJSON *d, struct err *err)
{
    static const char *const known[] = {"type", "values", "min", "max", "default", "doc", "sets"};
    const char *type = json_str(d, "type", "");
    const cJSON *v, *def = cJSON_GetObjectItemCaseSensitive(d, "default"), *values = json_arr(d, "values");
    const cJSON *min = cJSON_GetObjectItemCaseSensitive(d, "min"), *max = cJSON_GetObjectItemCaseSensitive(d, "max");
    bool is_int = strcmp(type, "int") == 0, is_enum = strcmp(type, "enum") == 0;

    cJSON_ArrayForEach(v, d)
    {
        bool found = false;
        for (size_t i = 0; i < COUNT(known); i++)
            found |= strcmp(v->string, known[i]) == 0;
        if (!found)
            return err_set(err, ERR_BAD_REQUEST, "options.%s.%s is not known", name, v->string);
    }
    if (!is_int && !is_enum && strcmp(type, "bool") != 0 && strcmp(type, "string") != 0)
        return err_set(err, ERR_BAD_REQUEST, "options.%s.type must be enum, bool, int or string", name);
    if (!*json_str(d, "doc", ""))
        return err_set(err, ERR_BAD_REQUEST, "options.%s.doc is missing", name);
    if (is_enum != (cJSON_GetArraySize(values) > 0) || (!is_enum && cJSON_HasObjectItem(d, "values")))
        return err_set(err, ERR_BAD_REQUEST, "options.%s.values is a list of texts, for an enum only", name);
    cJSON_ArrayForEach(v, values) if (!cJSON_IsString(v) || !*v->valuestring) return err_set(
        err, ERR_BAD_REQUEST, "options.%s.values is a list of texts, for an enum only", name);
    if ((min || max) && (!is_int || (min && !cJSON_IsNumber(min)) || (max && !cJSON_IsNumber(max))))
        return err_set(err, ERR_BAD_REQUEST, "options.%s.min and max are numbers, for an int only", name);
    if (min && max && min->valuedouble > max->valuedouble)
        return err_set(err, ERR_BAD_REQUEST, "options.%s.min is above max", name);
    if (!def)
        return is_enum ? err_set(err, ERR_BAD_REQUEST, "options.%s.default is missing", name) : 0;
    bool ok = is_int ? cJSON_IsNumber(def) && (!min || def->valuedouble >= min->valuedouble) &&
                           (!max || def->valuedouble <= max->valuedouble)
              : is_enum                   ? cJSON_IsString(def) && has_text(values, def->valuestring)
              : strcmp(type, "bool") == 0 ? cJSON_IsBool(def)
                                          : cJSON_IsString(def);
    return ok ? 0 : err_set(err, ERR_BAD_REQUEST, "options.%s.default is not a value of the option", name);
}

static cJSON *describe(const struct profile *p, const struct option *o, const char *scope)
{
    cJSON *d = cJSON_CreateObject();
    bool pin = strcmp(o->name, "toolchain") == 0;

    json_put_str(d, "type", type_names[o->type]);
    if (o->type == OPT_BOOL)
        cJSON_AddBoolToObject(d, "default", o->bool_default);
    else if (o->type == OPT_LIST)
        cJSON_AddArrayToObject(d, "default");
    else if (o->type == OPT_INT && cJSON_IsNumber(o->number_default))
        cJSON_AddItemToObject(d, "default", cJSON_Duplicate(o->number_default, 1));
    else if (strcmp(o->name, "priority") == 0)
        json_put_int(d, "default", 0);
    else
        json_put_str(d, "default", pin ? p->toolchain : o->text_default);
    if (o->values)
        cJSON_AddItemToObject(d, "values", cJSON_Duplicate(o->values, 1));
    if (o->type == OPT_INT) {
        json_put_int(d, "min", o->min);
        json_put_int(d, "max", o->max);
    }
    if (o->allowed)
        json_put_str(d, "allowed", o->allowed);
    json_put_str(d, "doc", o->doc);
    json_put_str(d, "scope", scope);
    return d;
}

cJSON *profile_options_describe(const struct profile *p)
{
    cJSON *all = cJSON_CreateObject(), *env = cJSON_CreateObject();
    const cJSON *own;
    struct option o;

    cJSON_ArrayForEach(own, json_obj(p->json, "options")) if (own_option(p, own->string, &o))
        cJSON_AddItemToObject(all, o.name, describe(p, &o, "profile"));
    for (size_t i = 0; i < COUNT(common); i++)
        cJSON_AddItemToObject(all, common[i].name, describe(p, &common[i], "common"));
    json_put_str(env, "type", "string");
    json_put_str(env, "default", NULL);
    json_put_str(env, "doc", env_doc);
    json_put_str(env, "scope", "common");
    cJSON_AddItemToObject(all, "env.NAME", env);
    return all;
}
