/*
 * plan_own.c - [package.metadata.bloomery]: the keys that every profile has, and those that one declares. Pure, any thread.
 * See plan.h.
 */
#include "workers/plan_priv.h"

#include "base/buf.h"

#include <ctype.h>
#include <string.h>

#define MAX_NAMES 256
#define MAX_FILES 64
#define MAX_PATH 1024 /* bytes */

bool plan_name_ok(const char *s)
{
    size_t n = strlen(s);

    if (n == 0 || n > 128 || *s == '-' || *s == '.')
        return false;
    for (; *s; s++)
        if (*s == '/' || *s == '\\' || (unsigned char)*s <= 0x20 || *s == 0x7f || *s == '"')
            return false;
    return true;
}

static bool is_name(const cJSON *v)
{
    return cJSON_IsString(v) && plan_name_ok(v->valuestring);
}

static bool is_flag(const cJSON *v)
{
    return cJSON_IsBool(v);
}

static bool is_list(const cJSON *v, int max, bool (*each)(const cJSON *v))
{
    const cJSON *item;

    if (!cJSON_IsArray(v) || cJSON_GetArraySize(v) > max)
        return false;
    cJSON_ArrayForEach(item, v) if (!each(item)) return false;
    return true;
}

static bool is_names(const cJSON *v)
{
    return is_list(v, MAX_NAMES, is_name);
}

/* What C and Rust call an identifier. */
static bool is_identifier(const cJSON *v)
{
    const char *s = cJSON_IsString(v) ? v->valuestring : "";

    if ((!isalpha((unsigned char)*s) && *s != '_') || strlen(s) > 128)
        return false;
    while (isalnum((unsigned char)*s) || *s == '_')
        s++;
    return !*s;
}

/* One line: it becomes a variable, and several of them its lines. */
static bool is_line(const cJSON *v)
{
    const char *s = cJSON_IsString(v) ? v->valuestring : "";

    if (!*s || strlen(s) > MAX_PATH)
        return false;
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

/* A path that stays inside, as it is written: what is a link on the way is the link step's concern, which runs as nobody
 * of importance. */
static bool is_file(const cJSON *v)
{
    if (!is_line(v))
        return false;
    for (const char *part = v->valuestring; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
        size_t n = strcspn(part, "/");
        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.') || *part == '-')
            return false;
    }
    return true;
}

static bool is_files(const cJSON *v)
{
    return is_list(v, MAX_FILES, is_file);
}

struct key {
    const char *name; /* a common key, or a type that profiles declare theirs with */
    bool (*ok)(const cJSON *v);
    const char *must_be;
};

static const struct key common[] = {
    {"bin", is_names, "a list of names"},
    {"features", is_names, "a list of names"},
    {"exports", is_names, "a list of names"},
    {"cargo_profile", is_name, "a name"},
    {"prefer", is_name, "a name"},
    {"no_default_features", is_flag, "true or false"},
};

static const struct key types[] = {
    {"name", is_identifier, "an identifier, as of a function in C"},
    {"file", is_file, "a path inside the package, without `..`"},
    {"files", is_files, "a list of paths inside the package, without `..`"},
    {"text", is_line, "one line of text"},
};

static const struct key *find(const struct key *keys, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

int plan_own_read(struct making *m, struct err *err)
{
    const cJSON *declared = json_obj(m->p->json, "metadata"), *v;

    m->own = json_obj(json_obj(m->package, "metadata"), "bloomery");
    cJSON_ArrayForEach(v, m->own)
    {
        const struct key *key = find(common, COUNT(common), v->string);
        if (!key)
            key = find(types, COUNT(types), json_str(declared, v->string, ""));
        if (!key) {
            AUTO(char_p) char *clean = json_utf8(v->string, strnlen(v->string, 60));
            strs_printf(&m->warnings, "package.metadata.bloomery.%s is not known to profile %s", clean, m->p->name);
        } else if (!key->ok(v)) {
            return err_set(err, ERR_BAD_SOURCE, "package.metadata.bloomery.%s must be %s", v->string, key->must_be);
        }
    }
    return 0;
}

/* Absolute, one a line. */
static void put_file(const struct making *m, const char *file, struct buf *b, struct strs *files)
{
    const char *manifest = json_str(m->package, "manifest_path", "/");
    AUTO(char_p) char *path = mem_printf("%.*s/%s", (int)(strrchr(manifest, '/') - manifest), manifest, file);

    buf_printf(b, "%s%s", b->len ? "\n" : "", path);
    strs_add(files, STEAL(path));
}

void plan_own_env(const struct making *m, struct strs *env, struct strs *files)
{
    const cJSON *declared;

    cJSON_ArrayForEach(declared, json_obj(m->p->json, "metadata"))
    {
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(m->own, declared->string);
        AUTO(char_p) char *name = mem_strdup(declared->string);
        AUTO(buf) struct buf text = {0};
        for (char *s = name; *s; s++)
            *s = (char)toupper((unsigned char)*s);
        const cJSON *item;
        bool of_files = strncmp(declared->valuestring, "file", 4) == 0;
        if (of_files && cJSON_IsString(v))
            put_file(m, v->valuestring, &text, files);
        if (of_files)
            cJSON_ArrayForEach(item, v)
                put_file(m, item->valuestring, &text, files); /* of a list; a text has no items */
        else if (cJSON_IsString(v))
            buf_puts(&text, v->valuestring);
        strs_printf(env, "BLOOMERY_%s=%s", name, text.p ? text.p : "");
    }
}
