/*
 * kit_json.c - kit.json: every field held to schema/kit.schema.json, so that a broken kit fails when it is installed and
 * not in a job; and what it names in the kit's folder. Keeps no state. See kits.h.
 */
#include "workers/kits.h"

#include "base/buf.h"
#include "base/fs.h"
#include "workers/fields.h"
#include "workers/symbols.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* As in the schema. */
enum {
    MAX_FILE = 16 << 20, /* kit.json; the lists of symbols together */
    MAX_LIST = 100000,   /* entries of a list */
    MAX_PROFILES = 16,
    MAX_SYMBOL_FILES = 64,
    MAX_VERSION = 64,
    MAX_TITLE = 200,
    MAX_IMPORT = 512,
    MAX_SYMBOL = 4096,
    MAX_PATH = 1024,
};

static const struct field kit_fields[] = {
    {"name", FIELD_TEXT, true},
    {"version", FIELD_TEXT, true},
    {"profile", FIELD_TEXT_OR_TEXTS, true},
    {"title", FIELD_TEXT, false},
    {"link", FIELD_TEXT, false},
    {"allowed_imports", FIELD_TEXTS, false},
    {"wanted_exports", FIELD_TEXTS, false},
    {"allowed_undefined", FIELD_TEXTS, false},
    {"allowed_undefined_files", FIELD_TEXTS, false},
    {"$schema", FIELD_TEXT, false},
};

/* --- what a value may be --- */

static size_t characters(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* 1 to max characters, none of them a control character (C0, DEL and C1). */
static bool plain(const char *s, size_t max)
{
    size_t n = characters(s);

    for (const unsigned char *p = (const unsigned char *)s; *p; p++)
        if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
            return false;
    return n >= 1 && n <= max;
}

static bool is_version(const char *s)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+~-";
    size_t n = strspn(s, letters);

    return n >= 1 && n <= MAX_VERSION && s[n] == '\0' && !strchr("_.+~-", s[0]);
}

static bool is_import(const char *s)
{
    return fields_is_pattern(s) && plain(s, MAX_IMPORT);
}

static bool is_symbol(const char *s)
{
    return plain(s, MAX_SYMBOL) && !strchr(s, ' ');
}

static bool is_symbols(const char *s)
{
    return is_symbol(s) && fields_is_pattern(s);
}

static bool is_path(const char *s)
{
    if (!plain(s, MAX_PATH))
        return false;
    for (;; s++) {
        size_t n = strcspn(s, "/");
        if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
            return false;
        s += n;
        if (!*s)
            return true;
    }
}

/* --- kit.json --- */

static int check_list(const cJSON *json, const char *key, int max, bool (*good)(const char *), const char *what,
                      struct err *err)
{
    const cJSON *v, *list = json_arr(json, key);

    if (cJSON_GetArraySize(list) > max)
        return err_set(err, ERR_BAD_REQUEST, "%s has more than %d entries", key, max);
    cJSON_ArrayForEach(v, list)
    {
        if (!good(v->valuestring))
            return err_set(err, ERR_BAD_REQUEST, "%s: '%.80s' is not %s", key, v->valuestring, what);
    }
    return 0;
}

static int check_profiles(const cJSON *json, struct err *err)
{
    static const char what[] = "the name of a profile (a-z, 0-9, -)";
    const cJSON *v, *w, *profile = cJSON_GetObjectItemCaseSensitive(json, "profile");

    if (cJSON_IsString(profile))
        return fields_is_name(profile->valuestring)
                   ? 0
                   : err_set(err, ERR_BAD_REQUEST, "profile: '%.80s' is not %s", profile->valuestring, what);
    if (check_list(json, "profile", MAX_PROFILES, fields_is_name, what, err) < 0)
        return -1;
    if (cJSON_GetArraySize(profile) == 0)
        return err_set(err, ERR_BAD_REQUEST, "profile is empty");
    cJSON_ArrayForEach(v, profile)
    {
        for (w = v->next; w; w = w->next)
            if (strcmp(v->valuestring, w->valuestring) == 0)
                return err_set(err, ERR_BAD_REQUEST, "profile names %s twice", v->valuestring);
    }
    return 0;
}

int kit_json_check(const cJSON *json, struct err *err)
{
    if (!cJSON_IsObject(json))
        return err_set(err, ERR_BAD_REQUEST, "it must be an object");
    if (fields_check(json, "", kit_fields, COUNT(kit_fields), err) < 0)
        return -1;
    const char *title = json_str(json, "title", NULL), *link = json_str(json, "link", NULL);
    if (!fields_is_name(json_str(json, "name", "")))
        return err_set(err, ERR_BAD_REQUEST, "name must be 1 to 32 of a-z, 0-9 and -");
    if (!is_version(json_str(json, "version", "")))
        return err_set(err, ERR_BAD_REQUEST,
                       "version must be 1 to %d of letters, digits and _ . + ~ -, and begin with a letter or digit",
                       MAX_VERSION);
    if (title && !plain(title, MAX_TITLE))
        return err_set(err, ERR_BAD_REQUEST, "title must be one line of 1 to %d characters", MAX_TITLE);
    if (link && !is_path(link))
        return err_set(err, ERR_BAD_REQUEST, "link must be the path of a file in the kit, without . and ..");
    if (check_profiles(json, err) < 0)
        return -1;
    if (check_list(json, "allowed_imports", MAX_LIST, is_import, "module.name, with * at the end only", err) < 0 ||
        check_list(json, "wanted_exports", MAX_LIST, is_symbol, "the name of an export", err) < 0 ||
        check_list(json, "allowed_undefined", MAX_LIST, is_symbols, "a symbol, with * at the end only", err) < 0)
        return -1;
    return check_list(json, "allowed_undefined_files", MAX_SYMBOL_FILES, is_path,
                      "the path of a file in the kit, without . and ..", err);
}

/* --- what it names --- */

static int check_link(const char *dir, const char *link, struct err *err)
{
    AUTO(char_p) char *path = mem_printf("%s/%s", dir, link);
    struct stat st;

    /* Links of a kit are relative and stay inside: bloomery-unpack refuses others. */
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(err, ERR_BAD_REQUEST, "link: there is no file %.100s in the kit", link);
    if (!(st.st_mode & 0111)) {
        err_set(err, ERR_BAD_REQUEST, "link: %.100s is not executable", link);
        return err_hint(err, "chmod +x it before packing");
    }
    return 0;
}

/* The symbols of the files join those of kit.json: who checks a contract looks at one list. */
static int add_symbol_files(const char *dir, cJSON *json, struct err *err)
{
    const cJSON *v, *files = json_arr(json, "allowed_undefined_files");
    cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "allowed_undefined");
    size_t left = MAX_FILE;

    if (!files)
        return 0;
    if (!list)
        list = cJSON_AddArrayToObject(json, "allowed_undefined");
    cJSON_ArrayForEach(v, files)
    {
        AUTO(char_p) char *path = mem_printf("%s/%s", dir, v->valuestring);
        int r = symbols_read(path, v->valuestring, &left, list, err);
        if (r == SYMBOLS_ABSENT)
            return err_set(err, ERR_BAD_REQUEST, "allowed_undefined_files: there is no file %.100s in the kit",
                           v->valuestring);
        if (r < 0)
            return err_wrap(err, "allowed_undefined_files");
    }
    return 0;
}

static int read_json(const char *dir, cJSON **ret, struct err *err)
{
    AUTO(char_p) char *path = mem_printf("%s/kit.json", dir);
    AUTO(buf) struct buf text = {0};
    AUTO(json) cJSON *json = NULL;

    if (fs_read(path, MAX_FILE, &text, err) < 0)
        return -1;
    AUTO(char_p) char *clean = json_utf8(text.p, text.len);
    /* cJSON ends a text at \u0000, and the rest would go unseen. */
    if (strlen(clean) != text.len || memcmp(clean, text.p, text.len) != 0 || strstr(clean, "\\u0000"))
        return err_set(err, ERR_BAD_REQUEST, "kit.json is not UTF-8, or has a NUL in it");
    if (json_parse(text.p, text.len, "it", &json, err) < 0 || kit_json_check(json, err) < 0)
        return err_wrap(err, "kit.json");
    *ret = STEAL(json);
    return 0;
}

int kit_json_load(const char *dir, struct kit *ret, struct err *err)
{
    AUTO(json) cJSON *json = NULL;

    if (read_json(dir, &json, err) < 0)
        return -1;
    const char *link = json_str(json, "link", NULL);
    if (link && check_link(dir, link, err) < 0)
        return err_wrap(err, "kit.json");
    if (add_symbol_files(dir, json, err) < 0)
        return err_wrap(err, "kit.json");
    *ret = (struct kit){.dir = mem_strdup(dir),
                        .name = json_str(json, "name", ""),
                        .version = json_str(json, "version", ""),
                        .link = link};
    ret->json = STEAL(json);
    return 0;
}
