/*
 * kits.c - the store of kits, STATE/kits; see kits.h. A kit comes and goes by one rename, so that who lists them without
 * the lock sees it whole or not at all. Keeps no state.
 */
#include "workers/kits.h"

#include "base/fs.h"
#include "workers/paths.h"
#include "workers/unpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 256 << 10, MAX_DEPTH = 64 /* of folders: bloomery-unpack refuses more */, MIN_PREFIX = 4 };

static const char tmp_prefix[] = "tmp-";

void kit_clear(struct kit *k)
{
    mem_free(k->dir);
    cJSON_Delete(k->json);
    *k = (struct kit){0};
}

void kit_list_clear(struct kit_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        kit_clear(&l->p[i]);
    mem_free(l->p);
    *l = (struct kit_list){0};
}

bool kit_serves(const struct kit *k, const char *profile)
{
    const cJSON *v, *served = cJSON_GetObjectItemCaseSensitive(k->json, "profile");

    if (cJSON_IsString(served))
        return strcmp(served->valuestring, profile) == 0;
    cJSON_ArrayForEach(v, served)
    {
        if (strcmp(v->valuestring, profile) == 0)
            return true;
    }
    return false;
}

char *kit_profiles(const struct kit *k)
{
    const cJSON *v, *served = cJSON_GetObjectItemCaseSensitive(k->json, "profile");
    struct buf b = {0};

    if (cJSON_IsString(served))
        return mem_strdup(served->valuestring);
    cJSON_ArrayForEach(v, served) buf_printf(&b, "%s%s", b.len ? ", " : "", v->valuestring);
    return buf_steal(&b);
}

/* Is there a profile that both serve? */
static bool share_profile(const struct kit *a, const struct kit *b)
{
    const cJSON *v, *served = cJSON_GetObjectItemCaseSensitive(a->json, "profile");

    if (cJSON_IsString(served))
        return kit_serves(b, served->valuestring);
    cJSON_ArrayForEach(v, served)
    {
        if (kit_serves(b, v->valuestring))
            return true;
    }
    return false;
}

/* --- reading --- */

/* 1: it is not there (any more). */
static int load_one(const char *root, const char *sha256, struct kit *ret, struct err *err)
{
    AUTO(char_p) char *dir = mem_printf("%s/%s", root, sha256);
    struct stat st;

    if (stat(dir, &st) < 0)
        return errno == ENOENT ? 1 : err_sys(err, ERR_INTERNAL, errno, "cannot read the kit %s", dir);
    if (kit_json_load(dir, ret, err) < 0) {
        if (access(dir, F_OK) < 0)
            return 1;
        err->kind = ERR_INTERNAL;
        err_wrap(err, "the kit in kits/%.12s", sha256);
        return err_hint(err, "somebody changed it: remove the folder %.150s and install the kit again", dir);
    }
    memcpy(ret->sha256, sha256, SHA256_HEX_SIZE);
    ret->installed_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct kit *x = a, *y = b;
    int r = strcmp(x->name, y->name);

    if (r == 0)
        r = strcmp(x->version, y->version);
    return r ? r : strcmp(x->sha256, y->sha256);
}

static int list_root(const char *root, struct kit_list *ret, struct err *err)
{
    AUTO(kit_list) struct kit_list l = {0};
    DIR *d = opendir(root);
    const struct dirent *e;
    int r = 0;

    if (!d && errno != ENOENT)
        return err_sys(err, ERR_INTERNAL, errno, "cannot read %s", root);
    while (d && r >= 0 && (e = readdir(d))) {
        struct kit k = {0};
        if (!hash_valid(e->d_name) || (r = load_one(root, e->d_name, &k, err)) != 0)
            continue;
        l.p = mem_resize(l.p, (l.count + 1) * sizeof *l.p);
        l.p[l.count++] = k;
    }
    if (d)
        closedir(d);
    if (r < 0)
        return -1;
    if (l.count > 1)
        qsort(l.p, l.count, sizeof *l.p, by_name);
    *ret = l;
    l = (struct kit_list){0};
    return 0;
}

int kits_list(const char *state_dir, struct kit_list *ret, struct err *err)
{
    AUTO(char_p) char *root = path_kits(state_dir);

    return list_root(root, ret, err);
}

int kits_find(const char *state_dir, const char *profile, struct kit *ret, struct err *err)
{
    AUTO(kit_list) struct kit_list l = {0};
    struct kit *best = NULL;

    if (kits_list(state_dir, &l, err) < 0)
        return -1;
    for (size_t i = 0; i < l.count; i++)
        if (kit_serves(&l.p[i], profile) && (!best || l.p[i].installed_ns > best->installed_ns))
            best = &l.p[i];
    if (!best)
        return 1;
    *ret = *best;
    *best = (struct kit){0};
    return 0;
}

/* --- changing: under the lock --- */

static int lock(const char *state_dir, const char *root, int *ret_fd, struct err *err)
{
    AUTO(char_p) char *path = mem_printf("%s/lock", root);
    AUTO(fd) int fd = -1;

    if (fs_mkdirs(state_dir, 0711, err) < 0 || fs_mkdirs(root, 0700, err) < 0) /* as the daemon makes them */
        return -1;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot open %s", path);
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return err_sys(err, ERR_INTERNAL, errno, "cannot lock %s", path);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

/* Gone at once for who lists; its files after that. */
static int retire(const char *root, const struct kit *k, struct err *err)
{
    AUTO(char_p) char *tmp = mem_printf("%s/%s%s", root, tmp_prefix, k->sha256);

    if (fs_remove_tree(tmp, err) < 0)
        return -1;
    if (rename(k->dir, tmp) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot remove %s", k->dir);
    return fs_sync_dir(root, err) < 0 ? -1 : fs_remove_tree(tmp, err);
}

/* What a killed install or removal left. */
static int sweep(const char *root, struct err *err)
{
    DIR *d = opendir(root);
    const struct dirent *e;
    int r = 0;

    if (!d)
        return err_sys(err, ERR_INTERNAL, errno, "cannot read %s", root);
    while (r == 0 && (e = readdir(d))) {
        AUTO(char_p) char *path = mem_printf("%s/%s", root, e->d_name);
        if (strncmp(e->d_name, tmp_prefix, sizeof tmp_prefix - 1) == 0)
            r = fs_remove_tree(path, err);
    }
    closedir(d);
    return r;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static int open_archive(const char *file, const struct limits *limits, int *ret_fd, struct err *err)
{
    AUTO(fd) int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    if (fd < 0)
        return err_sys(err, ERR_BAD_REQUEST, errno, "cannot open %s", file);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        err_set(err, ERR_BAD_REQUEST, "%s is not a file", file);
        return err_hint(err, "a kit is installed from an archive: tar -C FOLDER -czf kit.tar.gz .");
    }
    if (st.st_size > limits->max_body_bytes) {
        err_set(err, ERR_TOO_LARGE, "%.120s has %lld bytes, more than max_body_bytes (%lld)", file,
                (long long)st.st_size, (long long)limits->max_body_bytes);
        return err_hint(err, "allow it for this call: --max-body-bytes %lld", (long long)st.st_size);
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}

/* The archive is copied while it is hashed: what is unpacked is what was hashed, whoever may write to `file`. The copy
 * has no name. */
static int copy_archive(const char *file, const char *sha256, const struct limits *limits, const char *tmp, int *ret_fd,
                        struct err *err)
{
    AUTO(char_p) char *path = mem_printf("%s/archive", tmp), *chunk = mem_alloc(CHUNK);
    AUTO(fd) int from = -1;
    AUTO(fd) int to = -1;
    char found[SHA256_HEX_SIZE];
    int64_t left = limits->max_body_bytes;
    ssize_t n;

    if (open_archive(file, limits, &from, err) < 0)
        return -1;
    to = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0 || unlink(path) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot make %s", path);
    struct hash *h = hash_new();
    while ((n = read(from, chunk, CHUNK)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            err_sys(err, ERR_INTERNAL, errno, "cannot read %s", file);
        else if (n > left)
            err_set(err, ERR_TOO_LARGE, "%.120s grew beyond max_body_bytes while it was read", file);
        if (n < 0 || n > left || fs_write_all(to, chunk, (size_t)n, err) < 0) {
            hash_free(h);
            return -1;
        }
        hash_add(h, chunk, (size_t)n);
        left -= n;
    }
    hash_finish(h, found);
    if (strcmp(found, sha256) != 0) {
        err_set(err, ERR_BAD_REQUEST, "%.60s has sha256 %s, expected %s", base_name(file), found, sha256);
        return err_hint(err,
                        "it is another archive, or was cut or changed on its way: fetch it again, and ask its maker "
                        "for the sha256; nothing was unpacked");
    }
    *ret_fd = to;
    to = -1;
    return 0;
}

/* Every file and folder below `dir` becomes the caller's own and read-only; `dir` itself stays writable. */
static int settle(int dir, int depth, struct err *err)
{
    bool root = geteuid() == 0;
    int fd = fcntl(dir, F_DUPFD_CLOEXEC, 3), r = 0;
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;
    struct stat st;

    if (!d || depth > MAX_DEPTH) {
        r = err_sys(err, ERR_INTERNAL, d ? ELOOP : errno, "cannot read a folder of the kit");
        d ? (void)closedir(d) : (void)close(fd);
        return r;
    }
    while (r == 0 && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            (root && fchownat(dir, e->d_name, 0, 0, AT_SYMLINK_NOFOLLOW) < 0)) {
            r = err_sys(err, ERR_INTERNAL, errno, "%.100s of the kit", e->d_name);
        } else if (!S_ISLNK(st.st_mode)) {
            AUTO(fd) int in = fs_open_beneath(dir, e->d_name, O_RDONLY | O_CLOEXEC, 0);
            if (in >= 0 && S_ISDIR(st.st_mode))
                r = settle(in, depth + 1, err);
            if (in < 0 || (r == 0 && fchmod(in, S_ISDIR(st.st_mode) || (st.st_mode & 0111) ? 0555 : 0444) < 0))
                r = err_sys(err, ERR_INTERNAL, in < 0 ? -in : errno, "%.100s of the kit", e->d_name);
        }
    }
    closedir(d);
    return r;
}

/* Later than that of every other kit, whatever the clock says. */
static struct timespec install_time(const struct kit_list *others)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    int64_t ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    for (size_t i = 0; i < others->count; i++)
        if (others->p[i].installed_ns >= ns)
            ns = others->p[i].installed_ns + 1000000;
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* Unpacks into TMP/src, and checks what is there. */
static int unpack(const char *helper_dir, const char *tmp, int archive, const struct limits *limits, uid_t uid,
                  struct err *err)
{
    AUTO(char_p) char *src = mem_printf("%s/src", tmp);
    AUTO(fd) int tmp_fd = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(json) cJSON *facts = NULL;
    AUTO(fd) int fd = -1;
    AUTO(kit) struct kit k = {0};
    bool root = geteuid() == 0;

    /* The program that unpacks runs as uid and has to get through tmp into src. */
    if (tmp_fd < 0 || fchmod(tmp_fd, 0711) < 0 || mkdir(src, 0755) < 0 || (root && chown(src, uid, uid) < 0))
        return err_sys(err, ERR_INTERNAL, errno, "cannot make %s", src);
    if (unpack_kit(helper_dir, archive, tmp_fd, limits, root ? uid : 0, &facts, err) < 0)
        return -1;
    fd = open(src, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || (root && fchown(fd, 0, 0) < 0) || fchmod(fd, 0755) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot open %s", src);
    if (settle(fd, 0, err) < 0 || kit_json_load(src, &k, err) < 0)
        return -1;
    return syncfs(fd) < 0 ? err_sys(err, ERR_INTERNAL, errno, "cannot sync %s", src) : 0;
}

/* TMP/src becomes the kit. */
static int place(const char *root, const char *tmp, const char *sha256, const struct kit_list *others, struct kit *ret,
                 struct err *err)
{
    AUTO(char_p) char *src = mem_printf("%s/src", tmp), *dir = mem_printf("%s/%s", root, sha256);
    const struct timespec now = install_time(others), when[2] = {now, now};

    /* Read-only after the rename: moving a folder to another one takes the right to write it. */
    if (utimensat(AT_FDCWD, src, when, 0) < 0 || rename(src, dir) < 0 || chmod(dir, 0555) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot put the kit in place");
    if (fs_sync_dir(root, err) < 0)
        return -1;
    int r = load_one(root, sha256, ret, err);
    return r > 0 ? err_set(err, ERR_INTERNAL, "the kit vanished from %.150s", root) : r;
}

/* The kits whose place this one takes. Those of an install that was killed before it came to that, too. */
static int retire_older(const char *root, const struct kit_list *others, const struct kit *k, struct err *err)
{
    for (size_t i = 0; i < others->count; i++) {
        const struct kit *o = &others->p[i];
        if (o->installed_ns < k->installed_ns && share_profile(o, k) && retire(root, o, err) < 0)
            return err_wrap(err, "the kit is installed, but %s %.20s before it is still there", o->name, o->version);
    }
    return 0;
}

/* Under the lock, with an empty folder. */
static int install(const char *root, const char *tmp, const char *helper_dir, const char *file, const char *sha256,
                   const struct limits *limits, uid_t uid, struct kit *ret, struct err *err)
{
    AUTO(kit_list) struct kit_list others = {0};
    AUTO(kit) struct kit k = {0};
    AUTO(fd) int archive = -1;

    if (copy_archive(file, sha256, limits, tmp, &archive, err) < 0 || list_root(root, &others, err) < 0)
        return -1;
    int there = load_one(root, sha256, &k, err);
    if (there < 0)
        return -1;
    if (there == 1 && unpack(helper_dir, tmp, archive, limits, uid, err) < 0)
        return err_wrap(err, "%.60s", base_name(file));
    if (there == 1 && place(root, tmp, sha256, &others, &k, err) < 0)
        return -1;
    if (retire_older(root, &others, &k, err) < 0)
        return -1;
    *ret = k;
    k = (struct kit){0};
    return there == 1 ? 0 : KITS_THERE;
}

int kits_install(const char *state_dir, const char *helper_dir, const char *file, const char *sha256,
                 const struct limits *limits, uid_t uid, struct kit *ret, struct err *err)
{
    AUTO(char_p) char *root = path_kits(state_dir), *tmp = mem_printf("%s/%sXXXXXX", root, tmp_prefix);
    AUTO(fd) int lock_fd = -1;
    struct err ignored = ERR_INIT;

    if (!hash_valid(sha256))
        return err_set(err, ERR_BAD_REQUEST, "'%.80s' is not a sha256: it has 64 digits of 0-9, a-f", sha256);
    if (lock(state_dir, root, &lock_fd, err) < 0 || sweep(root, err) < 0)
        return -1;
    if (!mkdtemp(tmp))
        return err_sys(err, ERR_INTERNAL, errno, "cannot make a folder in %s", root);
    int r = install(root, tmp, helper_dir, file, sha256, limits, uid, ret, err);
    (void)fs_remove_tree(tmp, &ignored); /* what stays is swept by the next call */
    return r;
}

static char *names(const struct kit_list *l)
{
    struct buf b = {0};

    for (size_t i = 0; i < l->count; i++)
        buf_printf(&b, "%s%s (%.12s)", i ? ", " : "", l->p[i].name, l->p[i].sha256);
    return buf_steal(&b);
}

int kits_remove(const char *state_dir, const char *name, struct kit *ret, struct err *err)
{
    AUTO(char_p) char *root = path_kits(state_dir);
    AUTO(kit_list) struct kit_list l = {0};
    AUTO(char_p) char *all = NULL;
    AUTO(fd) int lock_fd = -1;
    struct kit *found = NULL;
    size_t matches = 0;

    if (access(root, F_OK) == 0 && (lock(state_dir, root, &lock_fd, err) < 0 || sweep(root, err) < 0))
        return -1;
    if (list_root(root, &l, err) < 0)
        return -1;
    for (int by_hash = 0; by_hash <= 1 && matches == 0; by_hash++)
        for (size_t i = 0; i < l.count && (!by_hash || strlen(name) >= MIN_PREFIX); i++)
            if (by_hash ? strncmp(l.p[i].sha256, name, strlen(name)) == 0 : strcmp(l.p[i].name, name) == 0) {
                found = &l.p[i];
                matches++;
            }
    all = names(&l);
    if (matches == 0) {
        err_set(err, ERR_NOT_FOUND, "no kit '%.64s' is installed", name);
        if (l.count)
            err_hint(err, "installed: %s", all);
        return 1;
    }
    if (matches > 1) {
        err_set(err, ERR_BAD_REQUEST, "'%.64s' means %zu kits", name, matches);
        return err_hint(err, "name one by the first digits of its sha256: %s", all);
    }
    if (retire(root, found, err) < 0)
        return -1;
    *ret = *found;
    *found = (struct kit){0};
    return 0;
}
