/*
 * packages.c - see packages.h. What is told comes from manifests and a lock that anybody may have written: everything is
 * sorted and searched, nothing is looked up by walking, and what is listed has limits.
 */
#include "workers/packages.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 256 /* of a name, a version, a license, a feature */
#define SOURCE_MAX_BYTES 1024

enum { ON_TARGET, ON_HOST, SIDES };

/* Borrowed from what was told. */
struct package {
    const char *name, *version;
    const char *source; /* NULL: a path */
    const char *checksum, *license;
    const char *id[SIDES];    /* cargo's, in the answer for the targets and in that for the host */
    const cJSON *node[SIDES]; /* what it resolved to there */
    bool macro;               /* it is compiled for the host, whoever uses it */
    bool root, used[SIDES];   /* used: in the part of the build that is for the target, for the host */
};

struct listing {
    struct package *all;
    size_t count;
    struct package **by_id[SIDES];
    size_t known[SIDES];
    bool truncated;
};

/* --- gathering --- */

/* Not long, and what will be listed is what was sorted: UTF-8. */
static const char *bounded(const cJSON *o, const char *key, size_t max)
{
    const char *s = json_str(o, key, NULL);

    if (!s || !*s || strnlen(s, max + 1) > max)
        return NULL;
    AUTO(char_p) char *clean = json_utf8(s, strlen(s));
    return strcmp(clean, s) == 0 ? s : NULL;
}

static bool is_macro(const cJSON *package)
{
    const cJSON *target, *kind;

    cJSON_ArrayForEach(target, json_arr(package, "targets"))
    {
        cJSON_ArrayForEach(kind,
                           json_arr(target, "kind")) if (cJSON_IsString(kind) &&
                                                         strcmp(kind->valuestring, "proc-macro") == 0) return true;
    }
    return false;
}

/* What cannot be named is none: cargo would have refused it. */
static struct package *add(struct listing *l, const cJSON *from)
{
    struct package p = {
        .name = bounded(from, "name", NAME_MAX_BYTES),
        .version = bounded(from, "version", NAME_MAX_BYTES),
        .source = bounded(from, "source", SOURCE_MAX_BYTES),
        .checksum = json_str(from, "checksum", NULL),
        .license = bounded(from, "license", NAME_MAX_BYTES),
    };

    if (!p.name || !p.version)
        return NULL;
    if (p.checksum && !hash_valid(p.checksum))
        p.checksum = NULL;
    l->all[l->count] = p;
    return &l->all[l->count++];
}

static void gather(struct listing *l, const struct packages_told *told, const char *manifest)
{
    const cJSON *from[SIDES] = {json_arr(told->target, "packages"), json_arr(told->host, "packages")};
    const cJSON *locked = json_arr(told->lock, "package"), *v;
    int most = cJSON_GetArraySize(from[ON_TARGET]) + cJSON_GetArraySize(from[ON_HOST]) + cJSON_GetArraySize(locked);

    l->all = mem_alloc((size_t)most * sizeof *l->all);
    for (int side = 0; side < SIDES; side++)
        cJSON_ArrayForEach(v, from[side])
        {
            struct package *p = add(l, v);
            if (!p)
                continue;
            p->id[side] = json_str(v, "id", NULL);
            p->macro = is_macro(v);
            p->root = strcmp(json_str(v, "manifest_path", ""), manifest) == 0;
        }
    cJSON_ArrayForEach(v, locked) add(l, v);
}

/* --- sorting: each package once --- */

static int compare_texts(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int by_key(const void *a, const void *b)
{
    const struct package *x = a, *y = b;
    int r = strcmp(x->name, y->name);

    if (r == 0)
        r = strcmp(x->version, y->version);
    return r ? r : compare_texts(x->source, y->source);
}

static void merge_into(struct package *to, const struct package *from)
{
    to->checksum = to->checksum ? to->checksum : from->checksum;
    to->license = to->license ? to->license : from->license;
    to->macro |= from->macro;
    to->root |= from->root;
    for (int side = 0; side < SIDES; side++)
        to->id[side] = to->id[side] ? to->id[side] : from->id[side];
}

static size_t text_of(const struct package *p)
{
    const char *const texts[] = {p->name, p->version, p->source, p->checksum, p->license};
    size_t n = 0;

    for (size_t i = 0; i < COUNT(texts); i++)
        n += texts[i] ? strlen(texts[i]) : 0;
    return n;
}

/* In one list, each once, and no more than fit. */
static void settle(struct listing *l)
{
    size_t kept = 0, bytes = 0;

    qsort(l->all, l->count, sizeof *l->all, by_key);
    for (size_t i = 0; i < l->count; i++)
        if (kept > 0 && by_key(&l->all[kept - 1], &l->all[i]) == 0)
            merge_into(&l->all[kept - 1], &l->all[i]);
        else
            l->all[kept++] = l->all[i];
    l->count = 0;
    while (l->count < kept && l->count < PACKAGES_MAX && (bytes += text_of(&l->all[l->count])) <= PACKAGES_BYTES)
        l->count++;
    l->truncated = l->count < kept;
}

static int by_id_on(const void *a, const void *b, int side)
{
    return strcmp((*(struct package *const *)a)->id[side], (*(struct package *const *)b)->id[side]);
}

static int by_target_id(const void *a, const void *b)
{
    return by_id_on(a, b, ON_TARGET);
}

static int by_host_id(const void *a, const void *b)
{
    return by_id_on(a, b, ON_HOST);
}

static struct package *find(const struct listing *l, int side, const char *id)
{
    struct package key = {.id = {id, id}}, *wanted = &key;
    struct package **found = bsearch(&wanted, l->by_id[side], l->known[side], sizeof *l->by_id[side],
                                     side == ON_TARGET ? by_target_id : by_host_id);

    return found ? *found : NULL;
}

/* --- what is used --- */

/* What a package resolved to on one side. */
static void resolve(struct listing *l, int side, const cJSON *metadata)
{
    const cJSON *node;

    l->by_id[side] = mem_alloc(l->count * sizeof *l->by_id[side]);
    for (size_t i = 0; i < l->count; i++)
        if (l->all[i].id[side])
            l->by_id[side][l->known[side]++] = &l->all[i];
    qsort(l->by_id[side], l->known[side], sizeof *l->by_id[side], side == ON_TARGET ? by_target_id : by_host_id);
    cJSON_ArrayForEach(node, json_arr(json_obj(metadata, "resolve"), "nodes"))
    {
        struct package *p = find(l, side, json_str(node, "id", ""));
        if (p)
            p->node[side] = node;
    }
}

/* Is it used by the package itself, by its build script? Neither: by its tests. */
static void kinds_of(const cJSON *dep, bool *ret_itself, bool *ret_script)
{
    const cJSON *kind;

    *ret_itself = *ret_script = false;
    cJSON_ArrayForEach(kind, json_arr(dep, "dep_kinds"))
    {
        const char *name = json_str(kind, "kind", NULL);
        *ret_itself |= name == NULL;
        *ret_script |= name && strcmp(name, "build") == 0;
    }
}

struct visit {
    struct package *p;
    int side;
};

/* From the root along what is compiled. Each package is visited once a side at most, so each edge is walked twice. */
static void walk(struct listing *l, struct package *root)
{
    struct visit *todo = mem_alloc(l->count * SIDES * sizeof *todo);
    size_t count = 0;

    root->used[root->macro ? ON_HOST : ON_TARGET] = true;
    todo[count++] = (struct visit){root, root->macro ? ON_HOST : ON_TARGET};
    while (count > 0) {
        struct visit v = todo[--count];
        const cJSON *dep;
        cJSON_ArrayForEach(dep, json_arr(v.p->node[v.side], "deps"))
        {
            struct package *to = find(l, v.side, json_str(dep, "pkg", ""));
            bool itself, script;
            kinds_of(dep, &itself, &script);
            if (!to || (!itself && !script))
                continue;
            const bool wanted[SIDES] = {itself && v.side == ON_TARGET && !to->macro,
                                        script || v.side == ON_HOST || to->macro};
            for (int side = 0; side < SIDES; side++)
                if (wanted[side] && !to->used[side]) {
                    to->used[side] = true;
                    todo[count++] = (struct visit){to, side};
                }
        }
    }
    mem_free(todo);
}

/* --- as JSON --- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int by_number(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;

    return (x > y) - (x < y);
}

/* A list of what it resolved to on a side where it is used; else NULL. */
static const cJSON *list_on(const struct package *p, int side, const char *key)
{
    return p->used[side] ? json_arr(p->node[side], key) : NULL;
}

static size_t size_on(const struct package *p, const char *key)
{
    return (size_t)cJSON_GetArraySize(list_on(p, ON_TARGET, key)) +
           (size_t)cJSON_GetArraySize(list_on(p, ON_HOST, key));
}

static bool spend(struct listing *l, size_t *left, size_t bytes)
{
    bool enough = bytes <= *left;

    l->truncated |= !enough;
    *left -= enough ? bytes : *left;
    return enough;
}

static cJSON *features_of(struct listing *l, const struct package *p, size_t *left)
{
    const char **names = mem_alloc(size_on(p, "features") * sizeof *names);
    cJSON *list = cJSON_CreateArray();
    const cJSON *v;
    size_t n = 0;

    for (int side = 0; side < SIDES; side++)
        cJSON_ArrayForEach(v, list_on(p, side, "features")) if (cJSON_IsString(v)) names[n++] = v->valuestring;
    qsort(names, n, sizeof *names, by_text);
    for (size_t i = 0; i < n; i++)
        if ((i == 0 || strcmp(names[i - 1], names[i]) != 0) && spend(l, left, strlen(names[i]) + 3)) {
            AUTO(char_p) char *clean = json_utf8(names[i], strlen(names[i]));
            cJSON_AddItemToArray(list, cJSON_CreateString(clean));
        }
    mem_free(names);
    return list;
}

static cJSON *dependencies_of(struct listing *l, const struct package *p, size_t *left)
{
    size_t *indexes = mem_alloc(size_on(p, "deps") * sizeof *indexes), n = 0;
    cJSON *list = cJSON_CreateArray();
    const cJSON *dep;

    for (int side = 0; side < SIDES; side++)
        cJSON_ArrayForEach(dep, list_on(p, side, "deps"))
        {
            const struct package *to = find(l, side, json_str(dep, "pkg", ""));
            bool itself, script;
            kinds_of(dep, &itself, &script);
            if (to && (itself || script))
                indexes[n++] = (size_t)(to - l->all);
        }
    qsort(indexes, n, sizeof *indexes, by_number);
    for (size_t i = 0; i < n; i++)
        if ((i == 0 || indexes[i - 1] != indexes[i]) && spend(l, left, 5))
            cJSON_AddItemToArray(list, cJSON_CreateNumber((double)indexes[i]));
    mem_free(indexes);
    return list;
}

static cJSON *package_json(struct listing *l, const struct package *p, size_t *left)
{
    cJSON *o = cJSON_CreateObject();

    json_put_str(o, "name", p->name);
    json_put_str(o, "version", p->version);
    json_put_str(o, "source", p->source);
    json_put_str(o, "checksum", p->checksum);
    json_put_str(o, "license", p->license);
    json_put_str(o, "for", p->used[ON_TARGET] ? "target" : p->used[ON_HOST] ? "host" : NULL);
    cJSON_AddItemToObject(o, "features", features_of(l, p, left));
    cJSON_AddItemToObject(o, "dependencies", dependencies_of(l, p, left));
    return o;
}

cJSON *packages_list(const struct packages_told *told, const char *manifest)
{
    struct listing l = {0};
    struct package *root = NULL;
    size_t left = PACKAGES_BYTES;

    if (!told->target && !told->host && !told->lock)
        return NULL;
    gather(&l, told, manifest);
    settle(&l);
    bool resolved = told->target && told->host;
    resolve(&l, ON_TARGET, resolved ? told->target : NULL);
    resolve(&l, ON_HOST, resolved ? told->host : NULL);
    for (size_t i = 0; i < l.count; i++)
        root = l.all[i].root ? &l.all[i] : root;
    if (resolved && root)
        walk(&l, root);

    cJSON *o = cJSON_CreateObject();
    if (root)
        json_put_int(o, "root", root - l.all);
    else
        cJSON_AddNullToObject(o, "root");
    cJSON_AddBoolToObject(o, "resolved", resolved && root);
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < l.count; i++)
        cJSON_AddItemToArray(list, package_json(&l, &l.all[i], &left));
    cJSON_AddBoolToObject(o, "truncated", l.truncated);
    cJSON_AddItemToObject(o, "packages", list);
    for (int side = 0; side < SIDES; side++)
        mem_free(l.by_id[side]);
    mem_free(l.all);
    return o;
}

/* --- steps/packages.sh --- */

void packages_command(const struct profile *p, const struct plan *plan, const char *lock_file, bool locked,
                      struct strs *command)
{
    const cJSON *v;

    strs_printf(command, "/bin/sh");
    strs_printf(command, "/bloomery/steps/packages.sh");
    strs_printf(command, "/work/%s", lock_file);
    strs_printf(command, "%d", PACKAGES_ANSWER);
    strs_printf(command, "--manifest-path=%s", plan->manifest);
    for (char *const *c = plan->cargo; *c; c++)
        if (strncmp(*c, "--features=", 11) == 0 || strcmp(*c, "--no-default-features") == 0)
            strs_printf(command, "%s", *c);
    if (locked)
        strs_printf(command, "--locked");
    strs_printf(command, "--filter-platform=%s", p->target);
    cJSON_ArrayForEach(v, json_arr(p->json, "targets")) strs_printf(command, "--filter-platform=%s", v->valuestring);
}

/* The next line as an object, NULL if it is null; *text moves on. False: there is none, or it is something else. */
static bool read_answer(const char **text, cJSON **ret)
{
    const char *newline = strchr(*text, '\n');
    AUTO(json) cJSON *v = newline ? cJSON_ParseWithLength(*text, (size_t)(newline - *text)) : NULL;

    if (!cJSON_IsObject(v) && !cJSON_IsNull(v))
        return false;
    *ret = cJSON_IsObject(v) ? STEAL(v) : NULL;
    *text = newline + 1;
    return true;
}

cJSON *packages_read(const struct buf *out, const char *manifest)
{
    const char *text = out->p ? out->p : "";
    AUTO(json) cJSON *target = NULL;
    AUTO(json) cJSON *host = NULL;
    AUTO(json) cJSON *lock = NULL;

    if (!read_answer(&text, &target) || !read_answer(&text, &host) || !read_answer(&text, &lock))
        return NULL;
    return packages_list(&(struct packages_told){target, host, lock}, manifest);
}
