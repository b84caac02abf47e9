/*
 * profile.c - loads profiles and holds every field of profile.json to
 * schema/profile.schema.json, so that a broken one fails at start and not in a
 * job. A set is read-only once loaded; its count is atomic. See profile.h.
 */
#include "workers/profile.h"

#include "base/buf.h"
#include "base/fs.h"
#include "workers/fields.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_FILE (1 << 20)
#define MAX_PROFILES 256

struct profiles {
    atomic_int refs;
    struct profile **list; /* sorted by name */
    size_t count;
};

/* --- one profile.json --- */

static const struct field profile_fields[] = {
    {"name", FIELD_TEXT, true},       {"title", FIELD_TEXT, true},       {"target", FIELD_TEXT, true},
    {"toolchain", FIELD_TEXT, true},  {"prefer", FIELD_TEXTS, true},     {"outputs", FIELD_TEXT_MAP, true},
    {"artifact", FIELD_OBJECT, true}, {"rustflags", FIELD_TEXTS, false}, {"env", FIELD_TEXT_MAP, false},
    {"features", FIELD_TEXTS, false}, {"options", FIELD_OBJECT, false},  {"limits", FIELD_OBJECT, false},
    {"link", FIELD_OBJECT, false},    {"kit", FIELD_OBJECT, false},      {"contract", FIELD_OBJECT, true},
    {"trial", FIELD_OBJECT, false},   {"hints", FIELD_OBJECTS, false},   {"$schema", FIELD_TEXT, false},
};

static const struct field artifact_fields[] = {{"kind", FIELD_TEXT, true}, {"suffix", FIELD_TEXT, false}};

static const struct field link_fields[] = {
    {"command", FIELD_TEXTS, true}, {"output", FIELD_TEXT, true}, {"seconds", FIELD_NUMBER, false}};

static const struct field kit_fields[] = {
    {"name", FIELD_TEXT, true}, {"required", FIELD_BOOL, true}, {"doc", FIELD_TEXT, true}};

static const struct field contract_fields[] = {
    {"host", FIELD_TEXT, true},
    {"imports", FIELD_TEXT_OR_TEXTS, false},
    {"exports", FIELD_TEXT_OR_TEXTS, false},
    {"exports_any", FIELD_TEXTS, false},
    {"exports_function", FIELD_BOOL, false},
    {"memory", FIELD_OBJECT, false},
    {"type", FIELD_TEXTS, false},
    {"interp", FIELD_BOOL, false},
    {"needed", FIELD_TEXTS, false},
    {"executable", FIELD_BOOL, false},
    {"undefined", FIELD_TEXT_OR_TEXTS, false},
};

static const struct field memory_fields[] = {{"exported", FIELD_BOOL, false}, {"imported", FIELD_BOOL, false}};

static const struct field trial_fields[] = {
    {"host", FIELD_TEXT, true},
    {"image", FIELD_TEXT, true},
    {"command", FIELD_TEXTS, true},
    {"seconds", FIELD_NUMBER, false},
};

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
    static const char *const kinds[] = {"wasm", "elf", "ar"};
    const cJSON *v, *outputs = json_obj(json, "outputs"), *prefer = json_arr(json, "prefer");
    const cJSON *artifact = json_obj(json, "artifact");

    if (fields_check(artifact, "artifact.", artifact_fields, COUNT(artifact_fields), err) < 0)
        return -1;
    if (!one_of(json_str(artifact, "kind", ""), kinds, COUNT(kinds)))
        return err_set(err, ERR_BAD_REQUEST, "artifact.kind must be wasm, elf or ar");
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

static int check_build(const cJSON *json, struct err *err)
{
    const cJSON *v;

    cJSON_ArrayForEach(
        v,
        json_arr(
            json,
            "rustflags")) if (!*v->valuestring ||
                              strchr(
                                  v->valuestring,
                                  '\x1f')) return err_set(err, ERR_BAD_REQUEST,
                                                          "rustflags has an empty flag or one with a unit separator");
    cJSON_ArrayForEach(v, json_arr(json, "features")) if (!word_ok(v->valuestring)) return err_set(
        err, ERR_BAD_REQUEST, "features: %s is not the name of a target feature", v->valuestring);
    cJSON_ArrayForEach(v, json_obj(json, "env"))
    {
        size_t n = strspn(v->string, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
        if (n == 0 || v->string[n] || isdigit((unsigned char)v->string[0]))
            return err_set(err, ERR_BAD_REQUEST, "env.%s is not the name of a variable", v->string);
    }
    cJSON_ArrayForEach(v, json_obj(json, "options"))
    {
        if (strspn(v->string, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(v->string) || !*v->string ||
            strlen(v->string) > 32)
            return err_set(err, ERR_BAD_REQUEST, "options.%s: a name has a-z, 0-9 and _, at most 32", v->string);
        if (profile_options_reserved(v->string))
            return err_set(err, ERR_BAD_REQUEST, "options.%s is the name of a common option", v->string);
        if (!cJSON_IsObject(v))
            return err_set(err, ERR_BAD_REQUEST, "options.%s must be an object", v->string);
        if (profile_options_declared(v->string, v, err) < 0)
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
static int check_patterns(const cJSON *contract, const char *rule, struct err *err)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_arr(contract, rule))
    {
        if (!fields_is_pattern(v->valuestring))
            return err_set(err, ERR_BAD_REQUEST, "contract.%s: %s must have its * at the end", rule, v->valuestring);
    }
    return 0;
}

static int check_contract(const cJSON *json, struct err *err)
{
    static const char *const wasm_only[] = {"imports", "exports_function", "memory"};
    static const char *const elf_only[] = {"type", "interp", "needed", "executable"};
    static const char *const elf_types[] = {"exec", "dyn", "rel"};
    const cJSON *v, *c = json_obj(json, "contract");
    const char *kind = json_str(json_obj(json, "artifact"), "kind", "");

    if (fields_check(c, "contract.", contract_fields, COUNT(contract_fields), err) < 0)
        return -1;
    cJSON_ArrayForEach(v, c)
    {
        if (strcmp(kind, "wasm") != 0 && one_of(v->string, wasm_only, COUNT(wasm_only)))
            return err_set(err, ERR_BAD_REQUEST, "contract.%s is a rule for wasm, not for %s", v->string, kind);
        if (strcmp(kind, "elf") != 0 && one_of(v->string, elf_only, COUNT(elf_only)))
            return err_set(err, ERR_BAD_REQUEST, "contract.%s is a rule for elf, not for %s", v->string, kind);
        if (strcmp(kind, "wasm") == 0 && strcmp(v->string, "undefined") == 0)
            return err_set(err, ERR_BAD_REQUEST, "contract.undefined is a rule for elf and ar, not for wasm");
        if (!cJSON_IsString(v) || strcmp(v->string, "host") == 0)
            continue;
        if (strcmp(v->valuestring, "kit") != 0)
            return err_set(err, ERR_BAD_REQUEST, "contract.%s must be a list of texts or \"kit\"", v->string);
        if (!json_obj(json, "kit"))
            return err_set(err, ERR_BAD_REQUEST, "contract.%s is \"kit\", but the profile names no kit", v->string);
    }
    if (check_patterns(c, "imports", err) < 0 || check_patterns(c, "undefined", err) < 0)
        return -1;
    cJSON_ArrayForEach(v, json_arr(c, "type")) if (!one_of(v->valuestring, elf_types, COUNT(elf_types))) return err_set(
        err, ERR_BAD_REQUEST, "contract.type: %s is not exec, dyn or rel", v->valuestring);
    return fields_check(json_obj(c, "memory"), "contract.memory.", memory_fields, COUNT(memory_fields), err);
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

static int check(struct profile *p, const char *folder, struct err *err)
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
        check_contract(p->json, err) < 0)
        return -1;
    return check_limits(p->json, &p->limits, err) < 0 || check_rest(p->json, err) < 0 ? -1 : 0;
}

/* --- sets --- */

static void profile_free(struct profile *p)
{
    mem_free(p->dir);
    cJSON_Delete(p->json);
    mem_free(p);
}

static int load_one(const char *dir, const char *folder, const struct limits *limits, struct profile **ret,
                    struct err *err)
{
    AUTO(char_p) char *real = realpath(dir, NULL);
    AUTO(char_p) char *file = mem_printf("%s/%s/profile.json", dir, folder);
    AUTO(char_p) char *docker = mem_printf("%s/%s/Dockerfile", dir, folder);
    AUTO(buf) struct buf text = {0};
    struct stat st;

    if (!real)
        return err_sys(err, ERR_BAD_REQUEST, errno, "%s", dir);
    if (fs_read(file, MAX_FILE, &text, err) < 0)
        return -1;
    struct profile *p = mem_alloc(sizeof(*p));
    p->limits = *limits;
    p->dir = mem_printf("%s/%s", real, folder);
    hash_bytes(text.p ? text.p : "", text.len, p->json_sha256);
    if (json_parse(text.p ? text.p : "", text.len, "it", &p->json, err) < 0 || check(p, folder, err) < 0) {
        err_wrap(err, "%s", file);
        goto bad;
    }
    if (stat(docker, &st) < 0 || !S_ISREG(st.st_mode)) {
        err_set(err, ERR_BAD_REQUEST, "%s is missing", docker);
        goto bad;
    }
    *ret = p;
    return 0;
bad:
    profile_free(p);
    return -1;
}

static int add(struct profiles *set, struct profile *p, struct err *err)
{
    const struct profile *there = profiles_find(set, p->name);

    if (there) {
        err_set(err, ERR_BAD_REQUEST, "profile %s of %s is already defined by %s", p->name, p->dir, there->dir);
        profile_free(p);
        return -1;
    }
    if (set->count >= MAX_PROFILES) {
        profile_free(p);
        return err_set(err, ERR_BAD_REQUEST, "there are more than %d profiles", MAX_PROFILES);
    }
    set->list = mem_resize(set->list, (set->count + 1) * sizeof(struct profile *));
    set->list[set->count++] = p;
    return 0;
}

static int load_dir(struct profiles *set, const char *dir, const struct limits *limits, struct err *err)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    int r = 0;

    if (!d)
        return err_sys(err, ERR_BAD_REQUEST, errno, "profiles in %s", dir);
    while (r == 0 && (e = readdir(d))) {
        AUTO(char_p) char *file = mem_printf("%s/%s/profile.json", dir, e->d_name);
        struct profile *p = NULL;
        struct stat st;
        if (e->d_name[0] == '.' || stat(file, &st) < 0)
            continue;
        r = load_one(dir, e->d_name, limits, &p, err);
        if (r == 0)
            r = add(set, p, err);
    }
    closedir(d);
    return r;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct profile *const *)a)->name, (*(struct profile *const *)b)->name);
}

int profiles_load(const char *const *dirs, const struct limits *limits, struct profiles **ret, struct err *err)
{
    struct profiles *set = mem_alloc(sizeof(*set));

    atomic_init(&set->refs, 1);
    for (; *dirs; dirs++)
        if (load_dir(set, *dirs, limits, err) < 0) {
            profiles_unref(set);
            return -1;
        }
    if (set->count > 1)
        qsort(set->list, set->count, sizeof(struct profile *), by_name);
    *ret = set;
    return 0;
}

struct profiles *profiles_ref(struct profiles *p)
{
    atomic_fetch_add(&p->refs, 1);
    return p;
}

void profiles_unref(struct profiles *p)
{
    if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    for (size_t i = 0; i < p->count; i++)
        profile_free(p->list[i]);
    mem_free(p->list);
    mem_free(p);
}

size_t profiles_count(const struct profiles *p)
{
    return p->count;
}

const struct profile *profiles_at(const struct profiles *p, size_t i)
{
    return p->list[i];
}

const struct profile *profiles_find(const struct profiles *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->list[i]->name, name) == 0)
            return p->list[i];
    return NULL;
}

/* --- describing --- */

static cJSON *describe_artifacts(const struct profile *p)
{
    const cJSON *artifact = json_obj(p->json, "artifact");
    cJSON *all = cJSON_CreateObject(), *primary = cJSON_AddObjectToObject(all, "primary");
    cJSON *side = cJSON_AddArrayToObject(all, "side"), *lock = cJSON_CreateObject();

    json_put_str(primary, "kind", json_str(artifact, "kind", ""));
    json_put_str(primary, "suffix", json_str(artifact, "suffix", ""));
    cJSON_AddItemToObject(primary, "from", cJSON_Duplicate(json_arr(p->json, "prefer"), 1));
    json_put_str(lock, "name", "Cargo.lock");
    json_put_str(lock, "when", "the upload has none and the server resolved the dependencies");
    cJSON_AddItemToArray(side, lock);
    return all;
}

cJSON *profile_describe(const struct profile *p)
{
    const cJSON *kit = json_obj(p->json, "kit");
    cJSON *d = cJSON_CreateObject();

    json_put_str(d, "name", p->name);
    json_put_str(d, "title", p->title);
    json_put_str(d, "target", p->target);
    json_put_str(d, "toolchain", p->toolchain);
    json_put_str(d, "host", json_str(json_obj(p->json, "contract"), "host", NULL));
    cJSON_AddItemToObject(d, "kit", kit ? cJSON_Duplicate(kit, 1) : cJSON_CreateNull());
    cJSON_AddItemToObject(d, "artifacts", describe_artifacts(p));
    cJSON_AddItemToObject(d, "options", profile_options_describe(p));
    cJSON *limits = cJSON_AddObjectToObject(d, "limits");
#define X(name, value, what) json_put_int(limits, #name, p->limits.name);
    LIMITS(X)
#undef X
    return d;
}
