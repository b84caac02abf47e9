/* images.c - see images.h: what is there. images_build.c makes it. */
#include "workers/images.h"

#include "base/fs.h"
#include "workers/images_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { NAMELESS_SECONDS = 24 * 3600 };

void images_maker(const char *state_dir, char ret[13])
{
    char *real = realpath(state_dir, NULL), hex[SHA256_HEX_SIZE];
    const char *path = real ? real : state_dir;

    hash_bytes(path, strlen(path), hex);
    memcpy(ret, hex, 12);
    ret[12] = '\0';
    free(real);
}

int images_lock(const char *state_dir, bool wait, struct err *err)
{
    AUTO(char_p) char *path = mem_printf("%s/images.lock", state_dir);

    if (fs_mkdirs(state_dir, 0755, err) < 0)
        return -1;
    AUTO(fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot open %s", path);
    int r = flock(fd, LOCK_EX | LOCK_NB);
    if (r < 0 && errno == EWOULDBLOCK) {
        if (!wait)
            return -2;
        fprintf(stderr, "==> another builder of images is at work: waiting for it\n");
        while ((r = flock(fd, LOCK_EX)) < 0 && errno == EINTR)
            ;
    }
    if (r < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot lock %s", path);
    int got = fd;
    fd = -1;
    return got;
}

int images_all(struct engine *e, cJSON **ret, struct err *err)
{
    return engine_images(e, "bloomery.inputs", ret, err);
}

/* The image's name in a repository; NULL: it has none there. `current` counts only where any name will do. */
static const char *tag_in(const cJSON *image, const char *repo, bool any)
{
    size_t len = strlen(repo);
    const cJSON *tag;

    cJSON_ArrayForEach(tag, json_arr(image, "RepoTags"))
    {
        const char *text = cJSON_GetStringValue(tag);
        if (text && strncmp(text, repo, len) == 0 && text[len] == ':' &&
            (any || (strcmp(text + len + 1, "current") != 0 &&
                     strncmp(text + len + 1, IMAGES_UNFINISHED, strlen(IMAGES_UNFINISHED)) != 0)))
            return text;
    }
    return NULL;
}

const cJSON *images_of_part(const cJSON *all, const struct part *p, const char **ret_tag)
{
    const cJSON *image, *best = NULL;

    cJSON_ArrayForEach(image, all)
    {
        const cJSON *labels = json_obj(image, "Labels");
        const char *tag = tag_in(image, p->repo, false);
        /* Who can name an image can also name another one so: the label is what was built. */
        if (!tag || strcmp(json_str(labels, "bloomery.inputs", ""), p->inputs) != 0 ||
            !hash_valid(json_str(labels, "bloomery.digest", "")))
            continue;
        if (best && json_int(best, "Created", 0) >= json_int(image, "Created", 0))
            continue;
        best = image;
        if (ret_tag)
            *ret_tag = tag;
    }
    return best;
}

static void describe(const cJSON *image, struct image *ret)
{
    const cJSON *labels = json_obj(image, "Labels");
    struct image found = {0};

    snprintf(found.id, sizeof found.id, "%s", json_str(image, "Id", ""));
    snprintf(found.rustc, sizeof found.rustc, "%s", json_str(labels, "bloomery.rustc", ""));
    snprintf(found.origin, sizeof found.origin, "%s", json_str(labels, "bloomery.origin", ""));
    snprintf(found.pinned, sizeof found.pinned, "%s", json_str(labels, "bloomery.pinned", ""));
    snprintf(found.digest, sizeof found.digest, "%s", json_str(labels, "bloomery.digest", ""));
    snprintf(found.warning, sizeof found.warning, "%s", json_str(labels, "bloomery.warning", ""));
    *ret = found;
}

/* Why a part's image cannot be used. Always 1. */
static int missing(const cJSON *all, const char *repo, const char *build_name, struct err *err)
{
    bool stale = false;
    const cJSON *image;

    cJSON_ArrayForEach(image, all)
    {
        stale |= tag_in(image, repo, true) != NULL;
    }
    err_set(err, ERR_TOOLCHAIN_MISSING,
            stale ? "the image %s is older than the files that it is made of" : "the image %s is not built", repo);
    err_hint(err, "bloomeryd images build%s%s", build_name ? " " : "", build_name ? build_name : "");
    return 1;
}

int images_current(struct engine *e, const struct images_config *cfg, const struct profile *p, struct image *ret,
                   struct err *err)
{
    AUTO(json) cJSON *all = NULL;
    AUTO(char_p) char *repo = mem_printf("bloomery/profile-%s", p->name);

    if (images_all(e, &all, err) < 0)
        return -1;
    for (unsigned n = 0;; n++) {
        AUTO(parts) struct parts *parts = NULL;
        int r = parts_of_profile(cfg, p, n, &parts, err);
        if (r < 0)
            return err && err->kind == ERR_TOOLCHAIN_MISSING ? 1 : -1;
        if (r == PARTS_NO_MORE)
            return missing(all, repo, p->name, err);
        const cJSON *image = images_of_part(all, parts->profile, NULL);
        if (image) {
            describe(image, ret);
            return 0;
        }
    }
}

int images_trial(struct engine *e, const struct images_config *cfg, const char *name, struct image *ret,
                 struct err *err)
{
    AUTO(json) cJSON *all = NULL;
    AUTO(parts) struct parts *parts = NULL;

    if (parts_of_trial(cfg, name, &parts, err) < 0)
        return err && err->kind == ERR_TOOLCHAIN_MISSING ? 1 : -1;
    if (images_all(e, &all, err) < 0)
        return -1;
    const cJSON *image = images_of_part(all, parts->trial, NULL);
    if (!image)
        return missing(all, parts->trial->repo, NULL, err);
    describe(image, ret);
    return 0;
}

int images_trial_ready(struct engine *e, const struct images_config *cfg, const struct profile *p, struct err *err)
{
    const cJSON *trial = json_obj(p->json, "trial");
    struct image image;

    int r = trial ? images_trial(e, cfg, json_str(trial, "image", ""), &image, err) : 0;
    if (r != 1)
        return r;
    err_wrap(err, json_bool(trial, "optional", false) ? "its trials are skipped" : "its jobs fail at the trial");
    err_hint(err, "bloomeryd images build %s", p->name);
    return 1;
}

/* --- what nothing needs any more --- */

static void mark(const cJSON *all, const struct part *p, struct strs *needed)
{
    const cJSON *image = images_of_part(all, p, NULL);

    if (image)
        strs_printf(needed, "%s", json_str(image, "Id", ""));
}

/* The ids of what the profiles build with, and of what their images would be built on. */
static int mark_needed(const struct images_config *cfg, const struct profiles *profiles, const cJSON *all,
                       struct strs *needed, struct err *err)
{
    for (size_t i = 0; i < profiles_count(profiles); i++) {
        for (unsigned n = 0;; n++) {
            AUTO(parts) struct parts *parts = NULL;
            int r = parts_of_profile(cfg, profiles_at(profiles, i), n, &parts, err);
            if (r < 0 && err && err->kind == ERR_TOOLCHAIN_MISSING)
                break; /* it has no image */
            if (r < 0)
                return -1;
            if (r == PARTS_NO_MORE)
                break;
            for (size_t k = 0; k < parts->count; k++)
                mark(all, &parts->part[k], needed);
            if (images_of_part(all, parts->profile, NULL))
                break; /* other origins are not asked */
        }
    }
    return 0;
}

/* The image's name beneath bloomery/, `current` only if it has no other; NULL: it has none. */
static const char *own_name(const cJSON *image)
{
    const cJSON *tag;
    const char *any = NULL;

    cJSON_ArrayForEach(tag, json_arr(image, "RepoTags"))
    {
        const char *text = cJSON_GetStringValue(tag), *colon = text ? strrchr(text, ':') : NULL;
        if (!colon || strncmp(text, "bloomery/", 9) != 0)
            continue;
        if (strcmp(colon, ":current") != 0)
            return text;
        any = text;
    }
    return any;
}

/* Labels are inherited: what others built on an image of ours has them, too. Ours has a name beneath bloomery/, or lost
 * it to a newer one; what has no name and is young may be a build of somebody's under way. */
static bool is_ours(const cJSON *image)
{
    const cJSON *tag;

    if (own_name(image))
        return true;
    cJSON_ArrayForEach(tag, json_arr(image, "RepoTags"))
    {
        const char *text = cJSON_GetStringValue(tag);
        if (text && text[0] != '<') /* <none>:<none> */
            return false;
    }
    return time(NULL) - json_int(image, "Created", 0) >= NAMELESS_SECONDS;
}

/* Since when: since the one that took its place was made, else since it was made itself. */
static int64_t unneeded_since(const cJSON *all, const cJSON *image, const struct strs *needed)
{
    const char *name = own_name(image);
    AUTO(char_p) char *repo = mem_strndup(name ? name : "", name ? (size_t)(strrchr(name, ':') - name) : 0);
    int64_t own = json_int(image, "Created", 0), since = 0;
    const cJSON *other;

    cJSON_ArrayForEach(other, all)
    {
        int64_t created = json_int(other, "Created", 0);
        if (repo[0] && strs_has(needed, json_str(other, "Id", "")) && tag_in(other, repo, true) && created > own &&
            (since == 0 || created < since))
            since = created;
    }
    return since > 0 ? since : own;
}

static bool made_by(const cJSON *image, const char *maker)
{
    return strcmp(json_str(json_obj(image, "Labels"), "bloomery.by", ""), maker) == 0;
}

static int newest_first(const void *a, const void *b)
{
    const struct images_entry *x = a, *y = b;

    return (x->created < y->created) - (x->created > y->created);
}

static const char *name_of(const cJSON *image)
{
    const char *name = own_name(image);

    return name ? name : json_str(image, "Id", "");
}

int images_list(struct engine *e, const struct images_config *cfg, const struct profiles *profiles,
                struct images_list *ret, struct err *err)
{
    AUTO(json) cJSON *all = NULL;
    AUTO(strs) struct strs needed = {0};
    struct images_list list = {0};
    char maker[13];
    const cJSON *image;

    if (images_all(e, &all, err) < 0 || mark_needed(cfg, profiles, all, &needed, err) < 0)
        return -1;
    images_maker(cfg->state_dir, maker);
    list.p = mem_alloc(((size_t)cJSON_GetArraySize(all) + 1) * sizeof *list.p);
    cJSON_ArrayForEach(image, all)
    {
        if (!is_ours(image))
            continue;
        struct images_entry *entry = &list.p[list.count++];
        *entry = (struct images_entry){
            .tag = mem_strdup(name_of(image)),
            .bytes = json_int(image, "Size", 0),
            .created = json_int(image, "Created", 0),
            .needed = strs_has(&needed, json_str(image, "Id", "")),
        };
        entry->others = !made_by(image, maker);
        entry->unneeded_since = entry->needed ? 0 : unneeded_since(all, image, &needed);
    }
    if (list.count > 1)
        qsort(list.p, list.count, sizeof *list.p, newest_first);
    *ret = list;
    return 0;
}

void images_list_clear(struct images_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        mem_free(l->p[i].tag);
    mem_free(l->p);
    *l = (struct images_list){0};
}

/* All names of one image; its layers go with the last, unless another image stands on them. */
static int remove_one(struct engine *e, const cJSON *image, struct images_removal *ret, struct err *err)
{
    const char *name = name_of(image);
    const cJSON *tag;
    bool named = false;
    int r = 0;

    cJSON_ArrayForEach(tag, json_arr(image, "RepoTags"))
    {
        const char *text = cJSON_GetStringValue(tag);
        if (!text || text[0] == '<' || r != 0)
            continue;
        named = true;
        r = engine_image_remove(e, text, err);
    }
    if (!named)
        r = engine_image_remove(e, name, err);
    if (r < 0)
        return -1;
    strs_printf(r == ENGINE_IN_USE ? &ret->in_use : &ret->removed, "%s", name);
    return 0;
}

int images_remove(struct engine *e, const struct images_config *cfg, const struct profiles *profiles,
                  enum images_which which, const char *profile, int64_t keep_seconds, struct images_removal *ret,
                  struct err *err)
{
    AUTO(json) cJSON *all = NULL;
    AUTO(strs) struct strs needed = {0};
    AUTO(char_p) char *repo = mem_printf("bloomery/profile-%s", profile ? profile : "");
    int64_t now = time(NULL);
    char maker[13];
    const cJSON *image;

    *ret = (struct images_removal){0};
    int got = images_lock(cfg->state_dir, which != IMAGES_UNNEEDED, err);
    if (got < 0)
        return got == -2 ? 1 : -1;
    AUTO(fd) int lock = got;
    (void)lock; /* held to the end of this */
    if (images_all(e, &all, err) < 0 || (which == IMAGES_UNNEEDED && mark_needed(cfg, profiles, all, &needed, err) < 0))
        return -1;
    images_maker(cfg->state_dir, maker);
    /* The Engine gives the newest first: a child goes before what it stands on. */
    cJSON_ArrayForEach(image, all)
    {
        bool go = which == IMAGES_ALL;
        if (which == IMAGES_OF_PROFILE)
            go = tag_in(image, repo, true) != NULL;
        if (which == IMAGES_UNNEEDED)
            go = !strs_has(&needed, json_str(image, "Id", "")) && made_by(image, maker) &&
                 now - unneeded_since(all, image, &needed) >= keep_seconds;
        if (go && is_ours(image) && remove_one(e, image, ret, err) < 0)
            return -1;
    }
    return 0;
}

void images_removal_clear(struct images_removal *r)
{
    strs_free(&r->removed);
    strs_free(&r->in_use);
}
