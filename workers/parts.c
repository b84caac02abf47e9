/* parts.c - see parts.h. */
#include "workers/parts.h"

#include "base/fs.h"
#include "workers/strs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Part of every digest: raise it when images must be built again although none of their files changed. */
#define RECIPE "bloomery image 2"

#define MAX_FILE_BYTES (INT64_C(64) << 20)
#define MAX_DEPTH 8
#define MAX_KIT_DEPTH 64
#define MAX_PINS (1 << 20)

/* --- a folder's files --- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The paths of all files beneath dir, relative to it; links only where they are wanted (in a kit). */
static int list_files(const char *dir, const char *below, int depth, bool links, struct strs *files, struct err *err)
{
    AUTO(char_p) char *path = mem_printf("%s%s%s", dir, below[0] ? "/" : "", below);
    if (depth > (links ? MAX_KIT_DEPTH : MAX_DEPTH))
        return err_set(err, ERR_INTERNAL, "%s: folders too deep", path);
    DIR *d = opendir(path);
    if (!d)
        return err_sys(err, ERR_TOOLCHAIN_MISSING, errno, "cannot read %s", path);
    int r = 0;
    struct dirent *entry;
    while (r == 0 && (entry = readdir(d))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        AUTO(char_p) char *name = mem_printf("%s%s%s", below, below[0] ? "/" : "", entry->d_name);
        struct stat st;
        if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            r = err_sys(err, ERR_INTERNAL, errno, "cannot read %s/%s", dir, name);
        else if (S_ISDIR(st.st_mode))
            r = list_files(dir, name, depth + 1, links, files, err);
        else if (links ? S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)
                       : S_ISREG(st.st_mode) && st.st_size <= MAX_FILE_BYTES)
            strs_add(files, STEAL(name));
        else
            r = err_set(err, ERR_INTERNAL, "%s/%s: only files and folders, below 64 MiB each, can make an image", dir,
                        name);
    }
    closedir(d);
    return r;
}

static int folder_files(const char *dir, bool links, struct strs *files, struct err *err)
{
    if (list_files(dir, "", 0, links, files, err) < 0)
        return -1;
    if (files->count > 1)
        qsort(files->p, files->count, sizeof *files->p, by_name);
    return 0;
}

static int open_file(const char *dir, const char *name, mode_t *ret_mode, int64_t *ret_size, struct err *err)
{
    AUTO(char_p) char *path = mem_printf("%s/%s", dir, name);
    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot read %s", path);
    /* Of the mode only what matters in an image: it must not depend on the umask of a checkout. */
    *ret_mode = st.st_mode & 0111 ? 0755 : 0644;
    *ret_size = st.st_size;
    int got = fd;
    fd = -1;
    return got;
}

static void add_text(struct hash *h, const char *text)
{
    hash_add(h, text, strlen(text) + 1); /* with its NUL: "ab" "c" is not "a" "bc" */
}

static int add_folder(struct hash *h, const char *dir, struct err *err)
{
    AUTO(strs) struct strs files = {0};
    if (folder_files(dir, false, &files, err) < 0)
        return -1;
    for (size_t i = 0; i < files.count; i++) {
        mode_t mode;
        int64_t size;
        char hex[SHA256_HEX_SIZE];
        AUTO(fd) int fd = open_file(dir, files.p[i], &mode, &size, err);
        if (fd < 0 || hash_fd(fd, hex, err) < 0)
            return -1;
        add_text(h, files.p[i]);
        add_text(h, mode & 0111 ? "755" : "644");
        add_text(h, hex);
    }
    return 0;
}

static int put_folder(struct tar_writer *w, const char *dir, const char *prefix, bool links, struct err *err)
{
    AUTO(strs) struct strs files = {0};

    if (folder_files(dir, links, &files, err) < 0)
        return -1;
    for (size_t i = 0; i < files.count; i++) {
        AUTO(char_p) char *name = mem_printf("%s%s", prefix, files.p[i]);
        AUTO(char_p) char *path = mem_printf("%s/%s", dir, files.p[i]);
        char target[PATH_MAX];
        mode_t mode;
        int64_t size;
        ssize_t n = links ? readlink(path, target, sizeof target - 1) : -1;
        if (n >= 0) {
            target[n] = '\0';
            if (tar_put_link(w, name, target, err) < 0)
                return -1;
            continue;
        }
        AUTO(fd) int fd = open_file(dir, files.p[i], &mode, &size, err);
        if (fd < 0 || tar_put_fd(w, name, mode, fd, size, err) < 0)
            return -1;
    }
    return 0;
}

int parts_folder(struct tar_writer *w, const char *dir, const char *prefix, struct err *err)
{
    return put_folder(w, dir, prefix, false, err);
}

static bool wants_kit(const struct profile *p)
{
    return json_obj(p->json, "kit") != NULL;
}

int parts_context(const struct parts *parts, const struct part *p, struct tar_writer *into, struct err *err)
{
    if (p->dir && put_folder(into, p->dir, "", false, err) < 0)
        return -1;
    if (p->kind != PART_PROFILE || !parts->wants_kit)
        return 0;
    return parts->has_kit ? put_folder(into, parts->kit.dir, "kit/", true, err)
                          : tar_put_bytes(into, "kit/.none", 0644, "", 0, err);
}

/* --- toolchains.json --- */

int parts_pins(const char *share_dir, cJSON **ret, struct err *err)
{
    AUTO(char_p) char *path = mem_printf("%s/docker/toolchains.json", share_dir);
    AUTO(buf) struct buf text = {0};

    if (fs_read(path, MAX_PINS, &text, err) < 0 ||
        json_parse(text.p ? text.p : "", text.len, "docker/toolchains.json", ret, err) < 0) {
        if (err)
            err->kind = ERR_TOOLCHAIN_MISSING;
        return -1;
    }
    return 0;
}

bool parts_next_word(const char **at, size_t *ret_len)
{
    *at += strspn(*at, ", ");
    *ret_len = strcspn(*at, ", ");
    return *ret_len > 0;
}

bool parts_word(const char *list, const char *word)
{
    size_t len;

    for (const char *w = list; parts_next_word(&w, &len); w += len)
        if (len == strlen(word) && memcmp(w, word, len) == 0)
            return true;
    return false;
}

static const cJSON *find_pin(const cJSON *pins, const char *name, struct err *err)
{
    const cJSON *pin;

    cJSON_ArrayForEach(pin, json_arr(pins, "toolchains"))
    {
        if (strcmp(json_str(pin, "name", ""), name) == 0)
            return pin;
    }
    err_set(err, ERR_TOOLCHAIN_MISSING, "toolchain %s is not in docker/toolchains.json", name);
    err_hint(err, "pin it there, or name one that is in the profile");
    return NULL;
}

/* The n-th origin of a pin that the setting allows, in the setting's order; NULL: there are not so many. The dist server
 * and a mirror give the same bytes: they are one. */
static const cJSON *pick_origin(const struct images_config *cfg, const cJSON *pin, unsigned n)
{
    bool archives = false;
    size_t len;

    for (const char *w = cfg->origins; parts_next_word(&w, &len); w += len) {
        AUTO(char_p) char *word = mem_strndup(w, len);
        bool dist = strcmp(word, "dist") == 0 || strcmp(word, "mirror") == 0;
        const char *place = strcmp(word, "dist") == 0 ? cfg->dist_server : cfg->dist_mirror;
        const cJSON *origin;
        if (dist && (archives || !place[0]))
            continue;
        archives |= dist;
        cJSON_ArrayForEach(origin, json_arr(pin, "origins"))
        {
            if (strcmp(json_str(origin, "origin", ""), dist ? "dist" : word) == 0 && n-- == 0)
                return origin;
        }
    }
    return NULL;
}

static unsigned count_origins(const struct images_config *cfg, const cJSON *pin)
{
    unsigned n = 0;

    while (pick_origin(cfg, pin, n))
        n++;
    return n;
}

/* --- parts --- */

void parts_free(struct parts *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++) {
        mem_free(p->part[i].name);
        mem_free(p->part[i].repo);
        mem_free(p->part[i].dir);
    }
    if (p->has_kit)
        kit_clear(&p->kit);
    cJSON_Delete(p->pins);
    mem_free(p);
}

/* A name from a file becomes a path and a reference. */
static bool name_ok(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= 64 && name[0] != '-' && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == len && !strstr(name, "..");
}

/* The next part. dir and parent may be NULL; extra is what else makes it. */
static struct part *add_part(struct parts *parts, enum part_kind kind, const char *name, const char *dir,
                             const struct part *parent, const char *extra, struct err *err)
{
    struct part *part = &parts->part[parts->count];
    struct hash *h = hash_new();

    add_text(h, RECIPE);
    add_text(h, name);
    add_text(h, parent ? parent->inputs : "");
    add_text(h, extra ? extra : "");
    int r = dir ? add_folder(h, dir, err) : 0;
    if (r < 0) {
        hash_free(h);
        return NULL;
    }
    hash_finish(h, part->inputs);
    part->kind = kind;
    part->name = mem_strdup(name);
    part->dir = mem_strdup(dir);
    part->repo = mem_printf("bloomery/%s", name);
    part->parent = parent;
    parts->count++;
    return part;
}

static struct part *add_base(const struct images_config *cfg, struct parts *parts, struct err *err)
{
    AUTO(char_p) char *dir = mem_printf("%s/docker/images/base", cfg->share_dir);

    return add_part(parts, PART_BASE, "base", dir, NULL, NULL, err);
}

static int add_trial(const struct images_config *cfg, const char *name, const struct part *base, struct parts *parts,
                     struct err *err)
{
    AUTO(char_p) char *dir = mem_printf("%s/docker/images/%s", cfg->share_dir, name);
    bool empty = strcmp(name, "empty") == 0;

    if (!name_ok(name))
        return err_set(err, ERR_TOOLCHAIN_MISSING, "'%.64s' is not the name of a trial's image", name);
    parts->trial = add_part(parts, PART_TRIAL, name, empty ? NULL : dir, empty ? NULL : base, NULL, err);
    return parts->trial ? 0 : -1;
}

static struct part *add_toolchain(const struct images_config *cfg, const cJSON *pin, const cJSON *origin,
                                  const struct part *parent, struct parts *parts, struct err *err)
{
    const char *pin_name = json_str(pin, "name", ""), *image = json_str(origin, "image", "");
    AUTO(char_p) char *name = mem_printf("toolchain-%s", pin_name);
    AUTO(char_p) char *dir = mem_printf("%s/docker/images/%s", cfg->share_dir, image);
    AUTO(json) cJSON *counts = cJSON_Duplicate(origin, true);

    if (!name_ok(pin_name) || !name_ok(image)) {
        err_set(err, ERR_TOOLCHAIN_MISSING,
                "toolchain '%.64s': its name and its origin's image must be names of small letters and digits",
                pin_name);
        return NULL;
    }
    /* Of the pin only the origin that is used: an entry for another one is no reason to compile again. */
    cJSON_DeleteItemFromObjectCaseSensitive(counts, "note");
    AUTO(char_p) char *origin_text = json_text(counts);
    AUTO(char_p) char *extra = mem_printf("%s %s", pin_name, origin_text);
    struct part *part = add_part(parts, PART_TOOLCHAIN, name, dir, parent, extra, err);
    if (part) {
        part->pin = pin;
        part->origin = origin;
    }
    return part;
}

static int no_origin(const struct images_config *cfg, const cJSON *pin, struct err *err)
{
    err_set(err, ERR_TOOLCHAIN_MISSING, "toolchain %s has no origin that toolchain_origins (%s) allows",
            json_str(pin, "name", ""), cfg->origins);
    return err_hint(err, "docs/toolchains.md lists its origins; dist and mirror also need dist_server or dist_mirror");
}

/* The toolchain that a profile pins; where it is one of old, on top of the modern one that resolves for it. */
static int add_toolchains(const struct images_config *cfg, const char *name, unsigned alternative,
                          const struct part *tools, struct parts *parts, const struct part **ret, struct err *err)
{
    const cJSON *pin = find_pin(parts->pins, name, err), *below = NULL;
    const char *resolver = json_str(pin, "resolver", NULL);
    const struct part *parent = tools;
    unsigned ways = 1;

    if (!pin || (resolver && !(below = find_pin(parts->pins, resolver, err))))
        return -1;
    if (below && (ways = count_origins(cfg, below)) == 0)
        return no_origin(cfg, below, err);
    const cJSON *origin = pick_origin(cfg, pin, alternative / ways);
    if (!origin)
        return alternative == 0 ? no_origin(cfg, pin, err) : PARTS_NO_MORE;
    if (below && !(parent = add_toolchain(cfg, below, pick_origin(cfg, below, alternative % ways), parent, parts, err)))
        return -1;
    *ret = add_toolchain(cfg, pin, origin, parent, parts, err);
    return *ret ? 0 : -1;
}

/* The image is made of the file, the job of what was read of it: they must be the same. */
static int check_read(const struct profile *p, struct err *err)
{
    mode_t mode;
    int64_t size;
    char now[SHA256_HEX_SIZE];

    if (!p->json_sha256[0])
        return 0;
    AUTO(fd) int fd = open_file(p->dir, "profile.json", &mode, &size, err);
    if (fd < 0 || hash_fd(fd, now, err) < 0)
        return -1;
    if (strcmp(now, p->json_sha256) == 0)
        return 0;
    err_set(err, ERR_TOOLCHAIN_MISSING, "its profile.json has changed since it was read");
    return err_hint(err, "let the daemon read it again (kill -HUP), then bloomeryd images build %s", p->name);
}

static int add_profile(const struct images_config *cfg, const struct profile *p, const struct part *toolchain,
                       struct parts *parts, struct err *err)
{
    AUTO(char_p) char *name = mem_printf("profile-%s", p->name);

    if (check_read(p, err) < 0)
        return -1;
    parts->wants_kit = wants_kit(p);
    if (parts->wants_kit) {
        int r = kits_find(cfg->state_dir, p->name, &parts->kit, err);
        if (r < 0)
            return -1;
        parts->has_kit = r == 0;
    }
    parts->profile = add_part(parts, PART_PROFILE, name, p->dir, toolchain,
                              parts->has_kit     ? parts->kit.sha256
                              : parts->wants_kit ? "no kit"
                                                 : NULL,
                              err);
    return parts->profile ? 0 : -1;
}

static int fill(const struct images_config *cfg, const struct profile *p, unsigned alternative, struct parts *parts,
                struct err *err)
{
    AUTO(char_p) char *tools_dir = mem_printf("%s/docker/images/tools", cfg->share_dir);
    const char *trial = json_str(json_obj(p->json, "trial"), "image", NULL);
    const struct part *base, *tools, *toolchain = NULL;

    if (parts_pins(cfg->share_dir, &parts->pins, err) < 0 || !(base = add_base(cfg, parts, err)) ||
        !(tools = add_part(parts, PART_TOOLS, "tools", tools_dir, base, NULL, err)))
        return -1;
    int r = add_toolchains(cfg, p->toolchain, alternative, tools, parts, &toolchain, err);
    if (r == 0)
        r = add_profile(cfg, p, toolchain, parts, err);
    if (r == 0 && trial)
        r = add_trial(cfg, trial, base, parts, err);
    return r;
}

int parts_of_profile(const struct images_config *cfg, const struct profile *p, unsigned alternative, struct parts **ret,
                     struct err *err)
{
    AUTO(parts) struct parts *parts = mem_alloc(sizeof *parts);
    int r = fill(cfg, p, alternative, parts, err);

    if (r < 0)
        return err_wrap(err, "profile %s", p->name);
    if (r == 0)
        *ret = STEAL(parts);
    return r;
}

int parts_of_trial(const struct images_config *cfg, const char *name, struct parts **ret, struct err *err)
{
    AUTO(parts) struct parts *parts = mem_alloc(sizeof *parts);
    const struct part *base = add_base(cfg, parts, err);

    if (!base || add_trial(cfg, name, base, parts, err) < 0)
        return -1;
    *ret = STEAL(parts);
    return 0;
}
