/* parts.c - see parts.h. */
#include "workers/parts.h"

#include "base/fs.h"
#include "base/tar.h"
#include "workers/strs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Part of every digest: raise it when images must be built again although none of their files changed. */
#define RECIPE "bloomery image 1"

#define MAX_FILE_BYTES (INT64_C(64) << 20)
#define MAX_DEPTH 8

/* --- a folder's files --- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The paths of all regular files beneath dir, relative to it. */
static int list_files(const char *dir, const char *below, int depth, struct strs *files, struct err *err)
{
    AUTO(char_p) char *path = mem_printf("%s%s%s", dir, below[0] ? "/" : "", below);
    if (depth > MAX_DEPTH)
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
            r = list_files(dir, name, depth + 1, files, err);
        else if (S_ISREG(st.st_mode) && st.st_size <= MAX_FILE_BYTES)
            strs_add(files, STEAL(name));
        else
            r = err_set(err, ERR_INTERNAL, "%s/%s: only files and folders, below 64 MiB each, can make an image", dir,
                        name);
    }
    closedir(d);
    return r;
}

static int folder_files(const char *dir, struct strs *files, struct err *err)
{
    if (list_files(dir, "", 0, files, err) < 0)
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
    if (folder_files(dir, &files, err) < 0)
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

int parts_context(const struct part *p, struct err *err)
{
    AUTO(strs) struct strs files = {0};
    AUTO(fd) int out = memfd_create("image", MFD_CLOEXEC);
    struct tar_writer *w = NULL;

    if (out < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot make a file in memory");
    if ((p->dir && folder_files(p->dir, &files, err) < 0) || tar_writer_open(out, TAR_PLAIN, &w, err) < 0)
        return -1;
    int r = 0;
    for (size_t i = 0; i < files.count && r == 0; i++) {
        mode_t mode;
        int64_t size;
        AUTO(fd) int fd = open_file(p->dir, files.p[i], &mode, &size, err);
        r = fd < 0 ? -1 : tar_put_fd(w, files.p[i], mode, fd, size, err);
    }
    if (r == 0)
        r = tar_writer_finish(w, err);
    tar_writer_free(w);
    if (r < 0)
        return -1;
    if (lseek(out, 0, SEEK_SET) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot rewind a file in memory");
    int got = out;
    out = -1;
    return got;
}

/* --- toolchains.json --- */

/* The origin that is used of a pin; it borrows from file. */
static int find_origin(const cJSON *file, const char *name, const cJSON **ret_origin, struct err *err)
{
    const cJSON *pin = NULL, *entry;
    cJSON_ArrayForEach(entry, json_arr(file, "toolchains"))
    {
        if (strcmp(json_str(entry, "name", ""), name) == 0)
            pin = entry;
    }
    if (!pin) {
        err_set(err, ERR_TOOLCHAIN_MISSING, "toolchain %s is not in docker/toolchains.json", name);
        return err_hint(err, "pin it there, or name one that is in the profile");
    }
    cJSON_ArrayForEach(entry, json_arr(pin, "origins"))
    {
        if (json_bool(entry, "implemented", false)) {
            *ret_origin = entry;
            return 0;
        }
    }
    err_set(err, ERR_TOOLCHAIN_MISSING, "toolchain %s has no origin that this version can install from", name);
    return err_hint(err, "docker/toolchains.json lists its origins; those marked implemented can be used");
}

/* --- parts --- */

static void part_free(struct part *p)
{
    mem_free(p->name);
    mem_free(p->repo);
    mem_free(p->tag);
    mem_free(p->dir);
}

void parts_free(struct parts *p)
{
    part_free(&p->base);
    part_free(&p->toolchain);
    part_free(&p->profile);
    part_free(&p->trial);
    mem_free(p->origin);
    mem_free(p->version);
    memset(p, 0, sizeof *p);
}

/* dir may be NULL, parent too; extra is what else makes it. */
static int make_part(struct part *part, const char *name, const char *dir, const struct part *parent, const char *extra,
                     struct err *err)
{
    struct hash *h = hash_new();

    add_text(h, RECIPE);
    add_text(h, name);
    add_text(h, parent ? parent->inputs : "");
    add_text(h, extra ? extra : "");
    if (dir && add_folder(h, dir, err) < 0) {
        hash_free(h);
        return -1;
    }
    hash_finish(h, part->inputs);
    part->name = mem_strdup(name);
    part->dir = mem_strdup(dir);
    part->repo = mem_printf("bloomery/%s", name);
    part->tag = mem_printf("%s:%.12s", part->repo, part->inputs);
    return 0;
}

static int make_base(const char *share_dir, struct parts *parts, struct err *err)
{
    AUTO(char_p) char *dir = mem_printf("%s/docker/images/base", share_dir);

    return make_part(&parts->base, "base", dir, NULL, NULL, err);
}

/* A name from profile.json becomes a path and a reference. */
static bool name_ok(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= 64 && name[0] != '-' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static int make_trial(const char *share_dir, const char *name, struct parts *parts, struct err *err)
{
    if (!name_ok(name))
        return err_set(err, ERR_TOOLCHAIN_MISSING, "'%.64s' is not the name of a trial's image", name);
    if (strcmp(name, "empty") == 0)
        return make_part(&parts->trial, name, NULL, NULL, NULL, err);
    AUTO(char_p) char *dir = mem_printf("%s/docker/images/%s", share_dir, name);
    return make_part(&parts->trial, name, dir, &parts->base, NULL, err);
}

static int make_toolchain(const char *share_dir, const struct profile *p, struct parts *parts, struct err *err)
{
    AUTO(char_p) char *dir = mem_printf("%s/docker/images/toolchain", share_dir);
    AUTO(char_p) char *path = mem_printf("%s/docker/toolchains.json", share_dir);
    AUTO(buf) struct buf text = {0};
    AUTO(json) cJSON *file = NULL;
    const cJSON *origin = NULL;

    if (fs_read(path, 1 << 20, &text, err) < 0 ||
        json_parse(text.p ? text.p : "", text.len, "docker/toolchains.json", &file, err) < 0) {
        if (err)
            err->kind = ERR_TOOLCHAIN_MISSING;
        return -1;
    }
    if (find_origin(file, p->toolchain, &origin, err) < 0)
        return -1;
    parts->origin = mem_strdup(json_str(origin, "origin", ""));
    parts->version = mem_strdup(json_str(origin, "version", ""));
    /* Of the pin only the origin that is used: an entry for another one is no reason to compile again. */
    AUTO(char_p) char *origin_text = json_text(origin);
    AUTO(char_p) char *extra = mem_printf("%s %s", p->toolchain, origin_text);
    return make_part(&parts->toolchain, "toolchain", dir, &parts->base, extra, err);
}

static int make_profile(const struct profile *p, struct parts *parts, struct err *err)
{
    AUTO(char_p) char *name = mem_printf("profile-%s", p->name);

    return make_part(&parts->profile, name, p->dir, &parts->toolchain, NULL, err);
}

int parts_of_profile(const char *share_dir, const struct profile *p, struct parts *ret, struct err *err)
{
    struct parts parts = {0};
    const char *trial = json_str(json_obj(p->json, "trial"), "image", NULL);

    if (make_base(share_dir, &parts, err) < 0 || make_toolchain(share_dir, p, &parts, err) < 0 ||
        make_profile(p, &parts, err) < 0 || (trial && make_trial(share_dir, trial, &parts, err) < 0)) {
        parts_free(&parts);
        return err_wrap(err, "profile %s", p->name);
    }
    *ret = parts;
    return 0;
}

int parts_of_trial(const char *share_dir, const char *name, struct parts *ret, struct err *err)
{
    struct parts parts = {0};

    if (make_base(share_dir, &parts, err) < 0 || make_trial(share_dir, name, &parts, err) < 0) {
        parts_free(&parts);
        return -1;
    }
    *ret = parts;
    return 0;
}
