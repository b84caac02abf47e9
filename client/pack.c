/*
 * pack.c - see pack.h. Manifests are looked at line by line: cargo, where it is
 * installed, knows better and is asked first; where it is not, or will not
 * answer, a crate can be sent all the same.
 */
#include "client/pack.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_MANIFEST = 4 << 20, MAX_METADATA = 64 << 20, CARGO_SECONDS = 10 };

void pack_clear(struct pack *p)
{
    if (p->fd >= 0)
        close(p->fd);
    mem_free(p->root);
    mem_free(p->manifest);
    files_free(&p->secrets);
    *p = (struct pack)PACK_INIT;
}

bool pack_has_table(const char *text, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        const char *s = p + strspn(p, " \t");
        if (*s != '[')
            continue;
        s += 1 + strspn(s + 1, " \t");
        if (strncmp(s, name, n) == 0 && strchr(" \t].", s[n]) && s[n])
            return true;
    }
    return false;
}

/* How far above `inside` a relative path leads: is it outside the root? */
static bool leads_outside(const char *path, size_t len, const char *inside)
{
    long depth = inside[0] ? 1 : 0;

    for (const char *p = inside; *p; p++)
        depth += *p == '/';
    for (size_t i = 0; i < len;) {
        size_t n = 0;
        while (i + n < len && path[i + n] != '/' && path[i + n] != '\\')
            n++;
        if (n == 2 && path[i] == '.' && path[i + 1] == '.') {
            if (--depth < 0)
                return true;
        } else if (n > 0 && !(n == 1 && path[i] == '.')) {
            depth++;
        }
        i += n + 1;
    }
    return false;
}

char *pack_path_outside(const char *text, const char *inside)
{
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        size_t line = strcspn(p, "\n");
        const char *s = p + strspn(p, " \t");

        if (*s == '#')
            continue;
        for (const char *k = s; (k = memmem(k, (size_t)(p + line - k), "path", 4)); k += 4) {
            const char *v = k + 4;
            if (k > s && !strchr(" \t{,.", k[-1]))
                continue;
            v += strspn(v, " \t");
            if (*v != '=')
                continue;
            v += 1 + strspn(v + 1, " \t");
            if (*v != '"' && *v != '\'')
                continue;
            size_t n = strcspn(v + 1, *v == '"' ? "\"\n" : "'\n");
            if (n > 0 && (v[1] == '/' || leads_outside(v + 1, n, inside)))
                return mem_strndup(v + 1, n);
        }
    }
    return NULL;
}

static bool exists(const char *folder, const char *name)
{
    AUTO(char_p) char *path = mem_printf("%s/%s", folder, name);

    return access(path, F_OK) == 0;
}

/* The part of path below folder, "" for folder itself; NULL if it is not below. */
static const char *below(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    if (strncmp(path, folder, n) != 0)
        return NULL;
    if (path[n] == '\0')
        return path + n;
    return path[n] == '/' ? path + n + 1 : n > 0 && folder[n - 1] == '/' ? path + n : NULL;
}

static int outside(const char *manifest, const char *path, struct err *err)
{
    err_set(err, ERR_BAD_REQUEST, "%s needs '%s', which lies outside of the folder that is packed", manifest, path);
    return err_hint(err, "put both into one workspace and build it from there, or use a git or registry dependency");
}

/* --- cargo, where it is there --- */

/* 1: it did not answer. */
static int ask_cargo(const char *dir, char **ret_root, struct err *err)
{
    static const char *const passed[] = {"HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "LANG"};
    AUTO(char_p) char *manifest = mem_printf("%s/Cargo.toml", dir);
    const char *argv[] = {"cargo", "metadata",        "--no-deps", "--offline", "--format-version",
                          "1",     "--manifest-path", manifest,    NULL};
    char *env[COUNT(passed) + 2] = {NULL};
    AUTO(buf) struct buf out = {0};
    AUTO(json) cJSON *meta = NULL;
    struct proc p = PROC_INIT;
    struct err ignored = ERR_INIT;
    size_t n = 0;
    int status = 0;

    for (size_t i = 0; i < COUNT(passed); i++)
        if (getenv(passed[i]))
            env[n++] = mem_printf("%s=%s", passed[i], getenv(passed[i]));
    /* A toolchain file must not start a download here. */
    env[n++] = mem_strdup("RUSTUP_AUTO_INSTALL=0");
    p.argv = argv;
    p.env = (const char *const *)env;
    p.out = &out;
    p.out_max = MAX_METADATA;
    p.seconds = CARGO_SECONDS;
    int rc = proc_run(&p, &status, &ignored);
    for (size_t i = 0; i < n; i++)
        mem_free(env[i]);
    if (rc != 0 || status != 0 || json_parse(out.p ? out.p : "", out.len, "cargo metadata", &meta, &ignored) < 0)
        return 1;
    const char *root = json_str(meta, "workspace_root", NULL);
    if (!root || !below(dir, root))
        return 1;
    const cJSON *package, *dep;
    cJSON_ArrayForEach(package, json_arr(meta, "packages"))
    {
        cJSON_ArrayForEach(dep, json_arr(package, "dependencies"))
        {
            const char *path = json_str(dep, "path", NULL);
            if (path && !below(path, root))
                return outside(json_str(package, "name", "the crate"), path, err);
        }
        const char *own = json_str(package, "manifest_path", NULL);
        if (own && !below(own, root))
            return outside("the workspace", own, err);
    }
    *ret_root = mem_strdup(root);
    return 0;
}

/* --- and where it is not --- */

static char *read_manifest(const char *folder)
{
    AUTO(char_p) char *path = mem_printf("%s/Cargo.toml", folder);
    struct buf text = {0};
    struct err ignored = ERR_INIT;

    if (fs_read(path, MAX_MANIFEST, &text, &ignored) < 0) {
        buf_free(&text);
        return NULL;
    }
    return buf_steal(&text);
}

/* The nearest folder above, or dir itself, whose manifest has [workspace]; else dir. */
static char *search_root(const char *dir)
{
    AUTO(char_p) char *up = mem_strdup(dir);

    for (;;) {
        AUTO(char_p) char *text = read_manifest(up);
        if (text && pack_has_table(text, "workspace"))
            return STEAL(up);
        char *slash = strrchr(up, '/');
        if (!slash || slash == up)
            return mem_strdup(dir);
        *slash = '\0';
    }
}

static int search_outside(const char *root, const struct files *files, struct err *err)
{
    for (size_t i = 0; i < files->len; i++) {
        const char *name = files->names[i], *slash = strrchr(name, '/');
        if (strcmp(slash ? slash + 1 : name, "Cargo.toml") != 0)
            continue;
        AUTO(char_p) char *inside = mem_strndup(name, slash ? (size_t)(slash - name) : 0);
        AUTO(char_p) char *folder = inside[0] ? mem_printf("%s/%s", root, inside) : mem_strdup(root);
        AUTO(char_p) char *text = read_manifest(folder);
        AUTO(char_p) char *path = text ? pack_path_outside(text, inside) : NULL;
        if (path)
            return outside(name, path, err);
    }
    return 0;
}

/* --- the tarball --- */

static int temporary(int *ret, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    AUTO(char_p) char *path = mem_printf("%s/bloomery.XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    int fd = mkostemp(path, O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot make %s", path);
    unlink(path);
    *ret = fd;
    return 0;
}

static int put_link(struct tar_writer *w, int root, const char *name, struct err *err)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(root, name, target, sizeof(target) - 1);
    size_t room = 0;

    if (n < 0)
        return err_sys(err, ERR_BAD_REQUEST, errno, "cannot read the link %s", name);
    target[n] = '\0';
    for (const char *p = name; *p; p++)
        room += *p == '/';
    const char *fault = tar_link_fault(target, room);
    if (fault) {
        err_set(err, ERR_BAD_REQUEST, "%s is a symbolic link %s: '%s'", name, fault, target);
        return err_hint(err, "replace it by the file itself, or have git ignore it");
    }
    return tar_put_link(w, name, target, err);
}

static int put_all(struct tar_writer *w, int root, const struct files *files, struct pack *p, struct err *err)
{
    for (size_t i = 0; i < files->len; i++) {
        const char *name = files->names[i];
        struct stat st;

        AUTO(char_p) char *clean = json_utf8(name, strlen(name));
        if (strcmp(clean, name) != 0)
            return err_set(err, ERR_BAD_REQUEST, "the name of '%s' is not UTF-8", clean);
        if (fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return err_sys(err, ERR_BAD_REQUEST, errno, "cannot read %s", name);
        if (S_ISLNK(st.st_mode)) {
            if (put_link(w, root, name, err) < 0)
                return -1;
            p->files++;
            continue;
        }
        if (!S_ISREG(st.st_mode))
            continue; /* sockets and the like are no source */
        AUTO(fd) int fd = openat(root, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return err_sys(err, ERR_BAD_REQUEST, errno, "cannot read %s", name);
        if (tar_put_fd(w, name, st.st_mode, fd, st.st_size, err) < 0)
            return -1;
        p->files++;
        p->bytes += st.st_size;
    }
    return 0;
}

static int write_tar(const struct files *files, struct pack *p, struct err *err)
{
    AUTO(fd) int root = open(p->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct tar_writer *w = NULL;

    if (root < 0)
        return err_sys(err, ERR_BAD_REQUEST, errno, "cannot open %s", p->root);
    if (temporary(&p->fd, err) < 0 || tar_writer_open(p->fd, TAR_ZSTD, &w, err) < 0)
        return -1;
    int rc = put_all(w, root, files, p, err);
    if (rc == 0)
        rc = tar_writer_finish(w, err);
    tar_writer_free(w);
    return rc;
}

static int measure(struct pack *p, struct err *err)
{
    off_t size = lseek(p->fd, 0, SEEK_END);

    if (size < 0 || lseek(p->fd, 0, SEEK_SET) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot measure the tarball");
    p->size = size;
    return 0;
}

static int take_tarball(const char *path, struct pack *p, struct err *err)
{
    p->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (p->fd < 0)
        return err_sys(err, ERR_BAD_REQUEST, errno, "cannot open %s", path);
    return measure(p, err);
}

static int pack_folder(const char *dir, const char *const *keep, struct pack *p, struct err *err)
{
    AUTO(files) struct files files = {0};

    if (!exists(dir, "Cargo.toml")) {
        err_set(err, ERR_BAD_REQUEST, "there is no Cargo.toml in %s", dir);
        return err_hint(err, "name the folder of a crate: bloomery build path/to/crate --profile NAME");
    }
    int asked = ask_cargo(dir, &p->root, err);
    if (asked < 0)
        return -1;
    if (asked == 1)
        p->root = search_root(dir);
    const char *inside = below(dir, p->root);
    if (inside && inside[0])
        p->manifest = mem_printf("%s/Cargo.toml", inside);
    if (files_list(p->root, keep, &files, &p->secrets, &p->git, err) < 0)
        return -1;
    if (asked == 1 && search_outside(p->root, &files, err) < 0)
        return -1;
    if (write_tar(&files, p, err) < 0)
        return -1;
    return measure(p, err);
}

int pack_make(const char *path, const char *const *keep, struct pack *ret, struct err *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return err_sys(err, ERR_BAD_REQUEST, errno, "%s", path);
    AUTO(char_p) char *real = realpath(path, NULL);
    if (!real)
        return err_sys(err, ERR_BAD_REQUEST, errno, "%s", path);
    if (S_ISREG(st.st_mode)) {
        char *slash = strrchr(real, '/');
        if (strcmp(slash + 1, "Cargo.toml") != 0)
            return take_tarball(real, ret, err);
        *(slash == real ? slash + 1 : slash) = '\0';
    } else if (!S_ISDIR(st.st_mode)) {
        return err_set(err, ERR_BAD_REQUEST, "%s is neither a folder nor a tarball", path);
    }
    return pack_folder(real, keep, ret, err);
}
