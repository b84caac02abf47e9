/*
 * profile.c - loads profiles, and tells of one what clients see. A set is read-only once loaded; its count is atomic. What
 * profile.json may hold is profile_check.c. See profile.h.
 */
#include "workers/profile.h"

#include "base/buf.h"
#include "base/fs.h"

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
    if (json_parse(text.p ? text.p : "", text.len, "it", &p->json, err) < 0 || profile_check(p, folder, err) < 0 ||
        profile_lists(p, err) < 0) {
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
    const cJSON *v;

    json_put_str(primary, "kind", json_str(artifact, "kind", ""));
    json_put_str(primary, "suffix", json_str(artifact, "suffix", ""));
    cJSON_AddItemToObject(primary, "from", cJSON_Duplicate(json_arr(p->json, "prefer"), 1));
    cJSON_ArrayForEach(v, json_arr(json_obj(p->json, "link"), "sides"))
    {
        cJSON *one = cJSON_CreateObject();
        json_put_str(one, "name", json_str(v, "file", ""));
        json_put_str(one, "when",
                     json_bool(v, "optional", false) ? "the link step makes it" : "always, beside the primary");
        cJSON_AddItemToArray(side, one);
    }
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
