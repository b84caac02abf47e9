/*
 * cargo_config.c - what is kept of the crate's own cargo configuration: a list
 * of what is harmless, never a list of what is not. Pure, any thread. See plan.h.
 */
#include "workers/plan.h"

#include "base/buf.h"
#include "workers/strs.h"

#include <ctype.h>
#include <string.h>

#define ROOT "/work/src"
#define MAX_WARNINGS 64
#define MAX_FLAGS 64
#define MAX_FLAG 256
#define MAX_SOURCES 64
#define MAX_PATCHES 512

struct filter {
    const struct profile *p;
    const cJSON *config;
    struct buf toml;
    struct strs flags, warnings, replaced;
    size_t more_warnings;
    bool replaces_registry;
};

/* Names come from the tarball: one line, no control characters, not long. */
static char *clean(const char *s)
{
    char *c = json_utf8(s, strnlen(s, 100));

    for (char *p = c; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    return c;
}

static void warn(struct filter *f, const char *key, const char *why)
{
    AUTO(char_p) char *name = clean(key);

    if (f->warnings.count >= MAX_WARNINGS)
        f->more_warnings++;
    else
        strs_printf(&f->warnings, ".cargo/config.toml: %s is not used: %s", name, why);
}

static void warn_at(struct filter *f, const char *table, const char *key, const char *why)
{
    AUTO(char_p) char *name = mem_printf("%.60s.%.200s", table, key);

    warn(f, name, why);
}

static bool plain(const char *s, size_t max)
{
    size_t n = strnlen(s, max + 1);

    if (n == 0 || n > max)
        return false;
    AUTO(char_p) char *utf8 = json_utf8(s, n);
    if (strcmp(utf8, s) != 0)
        return false;
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

static void put_string(struct buf *b, const char *s)
{
    buf_puts(b, "\"");
    for (; *s; s++)
        if (*s == '"' || *s == '\\')
            buf_printf(b, "\\%c", *s);
        else if ((unsigned char)*s < 0x20 || *s == 0x7f)
            buf_printf(b, "\\u%04x", (unsigned)*s);
        else
            buf_put(b, s, 1);
    buf_puts(b, "\"");
}

/* The absolute path within the container, or NULL if it leaves the tarball. */
static char *inside(const char *path)
{
    AUTO(buf) struct buf b = {0};

    if (!plain(path, 1024))
        return NULL;
    if (*path == '/') {
        size_t n = strlen(ROOT);
        if (strncmp(path, ROOT, n) != 0 || (path[n] != '/' && path[n] != '\0'))
            return NULL;
        path += n;
    }
    buf_puts(&b, ROOT);
    while (*path) {
        size_t n = strcspn(path, "/");
        if (n == 2 && path[0] == '.' && path[1] == '.') {
            char *slash = strrchr(b.p, '/');
            if (b.len <= strlen(ROOT))
                return NULL;
            b.len = (size_t)(slash - b.p);
            *slash = '\0';
        } else if (n > 0 && !(n == 1 && path[0] == '.')) {
            buf_puts(&b, "/");
            buf_put(&b, path, n);
        }
        path += n;
        path += *path == '/';
    }
    return buf_steal(&b);
}

/* --- [source] --- */

/* A folder of crates inside the tarball, absolute; NULL if this source is not one. *ret_key: which kind it is. */
static char *source_folder(const cJSON *source, const char **ret_key)
{
    static const char *const keys[] = {"directory", "local-registry"};

    for (size_t i = 0; i < COUNT(keys); i++) {
        const char *path = json_str(source, keys[i], NULL);
        if (path) {
            *ret_key = keys[i];
            return inside(path);
        }
    }
    return NULL;
}

/* Does the chain of replacements from here end in the tarball? */
static bool source_kept(const struct filter *f, const cJSON *source)
{
    const cJSON *all = json_obj(f->config, "source");

    for (int step = 0; step < MAX_SOURCES && source; step++) {
        const char *key, *next = json_str(source, "replace-with", NULL);
        AUTO(char_p) char *folder = source_folder(source, &key);
        if (!next)
            return folder != NULL;
        source = json_obj(all, next);
    }
    return false;
}

/* As `cargo metadata` writes the source of a dependency. */
static char *source_id(const cJSON *source)
{
    static const char *const refs[] = {"branch", "tag", "rev"};
    const char *git = json_str(source, "git", NULL), *registry = json_str(source, "registry", NULL);

    if (registry)
        return strncmp(registry, "sparse+", 7) == 0 ? mem_strdup(registry) : mem_printf("registry+%s", registry);
    if (!git)
        return NULL;
    for (size_t i = 0; i < COUNT(refs); i++) {
        const char *ref = json_str(source, refs[i], NULL);
        if (ref)
            return mem_printf("git+%s?%s=%s", git, refs[i], ref);
    }
    return mem_printf("git+%s", git);
}

static void keep_source(struct filter *f, const cJSON *source)
{
    static const char *const same[] = {"git", "branch", "tag", "rev", "registry", "replace-with"};
    const char *key = NULL;
    AUTO(char_p) char *folder = source_folder(source, &key);
    AUTO(char_p) char *id = source_id(source);

    buf_puts(&f->toml, "[source.");
    put_string(&f->toml, source->string);
    buf_puts(&f->toml, "]\n");
    if (folder) {
        buf_printf(&f->toml, "%s = ", key);
        put_string(&f->toml, folder);
        buf_puts(&f->toml, "\n");
    }
    for (size_t i = 0; i < COUNT(same); i++) {
        const char *v = json_str(source, same[i], NULL);
        if (!v)
            continue;
        buf_printf(&f->toml, "%s = ", same[i]);
        put_string(&f->toml, v);
        buf_puts(&f->toml, "\n");
    }
    if (!json_str(source, "replace-with", NULL))
        return;
    if (strcmp(source->string, "crates-io") == 0)
        f->replaces_registry = true;
    else if (id)
        strs_add(&f->replaced, STEAL(id));
}

static void sources(struct filter *f)
{
    const cJSON *s;
    int n = 0;

    cJSON_ArrayForEach(s, json_obj(f->config, "source"))
    {
        if (!plain(s->string, MAX_FLAG) || !source_kept(f, s) || ++n > MAX_SOURCES)
            warn_at(f, "source", s->string, "it does not lead to a folder inside the tarball");
        else
            keep_source(f, s);
    }
}

/* --- [patch] --- */

static bool keep_patch(struct filter *f, const cJSON *patch)
{
    static const char *const same[] = {"version", "package"};
    const char *path = json_str(patch, "path", NULL);
    AUTO(char_p) char *folder = path ? inside(path) : NULL;

    if (!folder || !plain(patch->string, MAX_FLAG))
        return false;
    put_string(&f->toml, patch->string);
    buf_puts(&f->toml, " = { path = ");
    put_string(&f->toml, folder);
    for (size_t i = 0; i < COUNT(same); i++) {
        const char *v = json_str(patch, same[i], NULL);
        if (!v)
            continue;
        buf_printf(&f->toml, ", %s = ", same[i]);
        put_string(&f->toml, v);
    }
    buf_puts(&f->toml, " }\n");
    return true;
}

static void patches(struct filter *f)
{
    const cJSON *registry, *patch;
    int n = 0;

    cJSON_ArrayForEach(registry, json_obj(f->config, "patch"))
    {
        if (!cJSON_IsObject(registry) || !plain(registry->string, MAX_FLAG)) {
            warn_at(f, "patch", registry->string, "it is not a table");
            continue;
        }
        buf_puts(&f->toml, "[patch.");
        put_string(&f->toml, registry->string);
        buf_puts(&f->toml, "]\n");
        cJSON_ArrayForEach(patch, registry) if (++n > MAX_PATCHES || !keep_patch(f, patch))
        {
            AUTO(char_p) char *name = mem_printf("%.60s.%.100s", registry->string, patch->string);
            warn_at(f, "patch", name, "its path is not inside the tarball");
        }
    }
}

/* --- rustflags --- */

static bool allowed_feature(const struct filter *f, const char *name, size_t len)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_arr(f->p->json, "features")) if (strlen(v->valuestring) == len &&
                                                                strncmp(v->valuestring, name, len) == 0) return true;
    return false;
}

/* "+simd128,-sign-ext": those that the profile allows. */
static void target_features(struct filter *f, const char *where, const char *list)
{
    AUTO(buf) struct buf kept = {0};

    for (const char *s = list; *s;) {
        size_t n = strcspn(s, ",");
        if (n > 1 && (*s == '+' || *s == '-') && allowed_feature(f, s + 1, n - 1)) {
            buf_puts(&kept, kept.len ? "," : "");
            buf_put(&kept, s, n);
        } else if (n > 0) {
            AUTO(char_p) char *key = mem_printf("%.60s: target-feature=%.*s", where, (int)(n > 60 ? 60 : n), s);
            warn(f, key, "the profile does not allow this target feature");
        }
        s += n;
        s += *s == ',';
    }
    if (kept.len)
        strs_printf(&f->flags, "-Ctarget-feature=%s", kept.p);
}

static void drop_flag(struct filter *f, const char *where, const char *flag, const char *value)
{
    AUTO(char_p) char *key = mem_printf("%.60s: %.80s%s%.80s", where, flag, value ? " " : "", value ? value : "");

    warn(f, key, "of rustflags only --cfg, --check-cfg and allowed target features are kept");
}

/* One flag and its value. The joined form is kept: an argument that starts with @ would name a file of more flags. */
static void flag(struct filter *f, const char *where, const char *name, const char *value)
{
    if (f->flags.count >= MAX_FLAGS || !value || !plain(value, MAX_FLAG))
        drop_flag(f, where, name, value);
    else if (strcmp(name, "--cfg") == 0 || strcmp(name, "--check-cfg") == 0)
        strs_printf(&f->flags, "%s=%s", name, value);
    else if (strncmp(value, "target-feature=", 15) == 0)
        target_features(f, where, value + 15);
    else
        drop_flag(f, where, name, value);
}

static void flags(struct filter *f, const char *where, char *const *words)
{
    static const char *const pairs[] = {"--cfg", "--check-cfg", "--codegen", "-C"};

    for (; words && *words; words++) {
        const char *w = *words;
        size_t i = 0;
        for (; i < COUNT(pairs); i++) {
            size_t n = strlen(pairs[i]);
            if (strcmp(w, pairs[i]) == 0) {
                flag(f, where, pairs[i], words[1]);
                words += words[1] != NULL;
                break;
            }
            if (strncmp(w, pairs[i], n) == 0 && (w[n] == '=' || w[1] != '-')) {
                flag(f, where, pairs[i], w + n + (w[1] == '-'));
                break;
            }
        }
        if (i == COUNT(pairs))
            drop_flag(f, where, w, NULL);
    }
}

/* cargo takes a list, or one text with spaces. */
static void split_flags(struct filter *f, const char *where, const cJSON *value)
{
    AUTO(strs) struct strs words = {0};
    const cJSON *v;

    if (cJSON_IsString(value))
        for (const char *s = value->valuestring; *s;) {
            size_t n = strcspn(s, " \t\r\n");
            if (n > 0)
                strs_add(&words, mem_strndup(s, n));
            s += n;
            s += *s != '\0';
        }
    else
        cJSON_ArrayForEach(v, value) if (cJSON_IsString(v)) strs_add(&words, mem_strdup(v->valuestring));
    flags(f, where, words.p);
}

static void target_table(struct filter *f, const cJSON *table)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, table)
    {
        AUTO(char_p) char *where = mem_printf("target.%.60s.%.60s", table->string, v->string);
        if (strcmp(v->string, "rustflags") == 0)
            split_flags(f, where, v);
        else
            warn(f, where, "the profile chooses linker, runner and libraries");
    }
}

/* As in cargo, flags of the target hide those of [build]. */
static void rustflags(struct filter *f)
{
    const cJSON *build = json_obj(f->config, "build"), *table, *own = NULL, *v;

    cJSON_ArrayForEach(table, json_obj(f->config, "target"))
    {
        if (cJSON_IsObject(table) && strcmp(table->string, f->p->target) == 0)
            target_table(f, own = table);
        else
            warn_at(f, "target", table->string, "only the table named like the profile's target is read");
    }
    cJSON_ArrayForEach(v, build)
    {
        if (strcmp(v->string, "rustflags") != 0)
            warn_at(f, "build", v->string, "the profile chooses compiler, target and folders");
        else if (!cJSON_GetObjectItemCaseSensitive(own, "rustflags"))
            split_flags(f, "build.rustflags", v);
    }
}

static void others(struct filter *f)
{
    static const char *const seen[] = {"source", "patch", "build", "target"};
    const cJSON *top, *v;

    cJSON_ArrayForEach(top, f->config)
    {
        bool known = false;
        for (size_t i = 0; i < COUNT(seen); i++)
            known |= strcmp(top->string, seen[i]) == 0;
        const char *why = strcmp(top->string, "profile") == 0 ? "profiles belong into Cargo.toml"
                          : strcmp(top->string, "env") == 0   ? "variables are set with the parameter env.NAME"
                                                              : "the server has its own settings";
        if (known && cJSON_IsObject(top))
            continue;
        if (!cJSON_IsObject(top) || !top->child)
            warn(f, top->string, why);
        else
            cJSON_ArrayForEach(v, top) warn_at(f, top->string, v->string, why);
    }
}

void cargo_config_filter(const struct profile *p, const cJSON *config, struct cargo_config *ret)
{
    struct filter f = {.p = p, .config = config};

    if (cJSON_IsObject(config)) {
        sources(&f);
        patches(&f);
        rustflags(&f);
        others(&f);
    }
    if (f.more_warnings)
        strs_printf(&f.warnings, ".cargo/config.toml: %zu more keys are not used", f.more_warnings);
    *ret = (struct cargo_config){.toml = buf_steal(&f.toml),
                                 .rustflags = strs_steal(&f.flags),
                                 .warnings = strs_steal(&f.warnings),
                                 .replaced = strs_steal(&f.replaced),
                                 .replaces_registry = f.replaces_registry};
}

void cargo_config_clear(struct cargo_config *c)
{
    mem_free(c->toml);
    strs_list_free(c->rustflags);
    strs_list_free(c->warnings);
    strs_list_free(c->replaced);
    *c = (struct cargo_config){0};
}
