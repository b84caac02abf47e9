/* files.c - see files.h. */
#include "client/files.h"

#include "base/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LISTING = 64 << 20, GIT_SECONDS = 120, MAX_DEPTH = 100, MAX_FILES = 1000000 };

void files_add(struct files *f, const char *name)
{
    if (f->len + 1 >= f->cap) {
        f->cap = f->cap ? 2 * f->cap : 64;
        f->names = mem_resize(f->names, f->cap * sizeof(f->names[0]));
    }
    f->names[f->len++] = mem_strdup(name);
    f->names[f->len] = NULL;
}

void files_free(struct files *f)
{
    for (size_t i = 0; i < f->len; i++)
        mem_free(f->names[i]);
    mem_free(f->names);
    *f = (struct files){0};
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_unique(struct files *f)
{
    size_t n = 0;

    if (f->len == 0)
        return;
    qsort(f->names, f->len, sizeof(f->names[0]), compare);
    for (size_t i = 0; i < f->len; i++) {
        if (n > 0 && strcmp(f->names[n - 1], f->names[i]) == 0)
            mem_free(f->names[i]);
        else
            f->names[n++] = f->names[i];
    }
    f->len = n;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Does one of the path's folders match? */
static bool in_folder(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    for (const char *p = path; (p = strstr(p, folder)); p++)
        if ((p == path || p[-1] == '/') && p[n] == '/')
            return true;
    return false;
}

bool files_is_secret(const char *path)
{
    static const char *const names[] = {
        ".env",
        ".env.*",
        "*.pem",
        "*.key",
        "*.p12",
        "*.pfx",
        "*.jks",
        "*.keystore",
        "*.kdbx",
        "id_rsa*",
        "id_dsa*",
        "id_ecdsa*",
        "id_ed25519*",
        ".npmrc",
        ".netrc",
        "_netrc",
        ".pypirc",
        ".git-credentials",
        ".htpasswd",
        ".pgpass",
        "*.ppk",
        "credentials.json",
        ".dockercfg",
        ".vault-token",
        "*.tfstate",
        "wallet.json",
        "*-wallet.json",
        "keyfile.json",
        "service-account*.json",
    };
    static const char *const fine[] = {".env.example", ".env.sample", ".env.template", ".env.dist", "*.pub"};
    static const char *const folders[] = {".ssh", ".aws", ".gnupg", ".azure", ".kube", ".docker"};
    const char *base = base_name(path);

    for (size_t i = 0; i < COUNT(fine); i++)
        if (fnmatch(fine[i], base, 0) == 0)
            return false;
    for (size_t i = 0; i < COUNT(names); i++)
        if (fnmatch(names[i], base, 0) == 0)
            return true;
    for (size_t i = 0; i < COUNT(folders); i++)
        if (in_folder(path, folders[i]))
            return true;
    return in_folder(path, ".cargo") && strncmp(base, "credentials", 11) == 0;
}

/* Outside git: all but version control, what cargo builds, and what macOS leaves behind. */
static int walk(const char *root, const char *inside, int depth, struct files *ret, struct err *err)
{
    AUTO(char_p) char *full = inside[0] ? mem_printf("%s/%s", root, inside) : mem_strdup(root);
    DIR *d = opendir(full);
    int rc = 0;

    if (!d)
        return err_sys(err, ERR_BAD_REQUEST, errno, "cannot read %s", full);
    if (depth > MAX_DEPTH || ret->len > MAX_FILES)
        rc = err_set(err, ERR_BAD_REQUEST, "%s has too many files or folders to be a crate", root);
    for (struct dirent *e; rc == 0 && (e = readdir(d));) {
        const char *name = e->d_name;
        struct stat st;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, ".git") == 0 ||
            strcmp(name, ".hg") == 0 || strcmp(name, ".svn") == 0 || strcmp(name, ".jj") == 0 ||
            strcmp(name, ".DS_Store") == 0)
            continue;
        if (fstatat(dirfd(d), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue; /* gone since */
        AUTO(char_p) char *path = inside[0] ? mem_printf("%s/%s", inside, name) : mem_strdup(name);
        if (!S_ISDIR(st.st_mode)) {
            files_add(ret, path);
            continue;
        }
        AUTO(char_p) char *tag = mem_printf("%s/CACHEDIR.TAG", name);
        bool output = (strcmp(name, "target") == 0 && (depth == 0 || faccessat(dirfd(d), tag, F_OK, 0) == 0)) ||
                      strcmp(name, "node_modules") == 0;
        if (!output)
            rc = walk(root, path, depth + 1, ret, err);
    }
    closedir(d);
    return rc;
}

/* 1: git does not know this folder, or there is no git. */
static int ask_git(const char *root, const char *inside, int depth, struct files *ret, struct err *err)
{
    AUTO(char_p) char *full = inside[0] ? mem_printf("%s/%s", root, inside) : mem_strdup(root);
    AUTO(buf) struct buf out = {0};
    const char *home = getenv("HOME"), *xdg = getenv("XDG_CONFIG_HOME");
    AUTO(char_p) char *home_env = home ? mem_printf("HOME=%s", home) : NULL;
    AUTO(char_p) char *xdg_env = xdg ? mem_printf("XDG_CONFIG_HOME=%s", xdg) : NULL;
    const char *argv[] = {"git", "-C", full, "ls-files", "-z", "--cached", "--others", "--exclude-standard", NULL};
    const char *env[3] = {NULL};
    struct proc p = PROC_INIT;
    struct err ignored = ERR_INIT;
    size_t n = 0;
    int status = 0;

    if (home_env)
        env[n++] = home_env;
    if (xdg_env)
        env[n++] = xdg_env;
    p.argv = argv;
    p.env = env;
    p.out = &out;
    p.out_max = MAX_LISTING;
    p.seconds = GIT_SECONDS;
    int rc = proc_run(&p, &status, &ignored);
    if (rc == PROC_TOO_MUCH_OUTPUT || rc == PROC_TIMED_OUT)
        return err_set(err, ERR_BAD_REQUEST, "git lists too many files in %s", full);
    if (rc < 0 || status != 0)
        return 1;
    for (size_t i = 0; i < out.len; i += strlen(out.p + i) + 1) {
        AUTO(char_p) char *path = inside[0] ? mem_printf("%s/%s", inside, out.p + i) : mem_strdup(out.p + i);
        AUTO(char_p) char *where = mem_printf("%s/%s", root, path);
        struct stat st;
        size_t len = strlen(path);

        if (len > 0 && path[len - 1] == '/')
            path[len - 1] = '\0';
        if (lstat(where, &st) < 0)
            continue; /* known to git, but deleted here */
        if (!S_ISDIR(st.st_mode)) {
            files_add(ret, path);
            continue;
        }
        /* A submodule, or a repository in the repository: its own git knows what belongs to it. */
        AUTO(char_p) char *dot_git = mem_printf("%s/.git", where);
        if (depth >= MAX_DEPTH)
            return err_set(err, ERR_BAD_REQUEST, "%s lies too deep in nested repositories", path);
        rc = lstat(dot_git, &st) == 0 ? ask_git(root, path, depth + 1, ret, err) : 0;
        if (rc == 1)
            rc = walk(root, path, depth + 1, ret, err);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static bool kept(const char *const *keep, const char *path)
{
    for (; keep && *keep; keep++)
        if (fnmatch(*keep, path, 0) == 0 || fnmatch(*keep, base_name(path), 0) == 0)
            return true;
    return false;
}

int files_list(const char *root, const char *const *keep, struct files *ret, struct files *ret_secrets, bool *ret_git,
               struct err *err)
{
    AUTO(files) struct files all = {0};
    int rc = ask_git(root, "", 0, &all, err);
    bool git = rc == 0;

    /* A folder that git ignores as a whole (a scratch crate in a repository) is listed as empty. */
    AUTO(char_p) char *manifest = mem_printf("%s/Cargo.toml", root);
    bool has_manifest = false;
    for (size_t i = 0; git && i < all.len; i++)
        has_manifest = has_manifest || strcmp(all.names[i], "Cargo.toml") == 0;
    if (rc == 1 || (git && !has_manifest && access(manifest, F_OK) == 0)) {
        files_free(&all);
        git = false;
        rc = walk(root, "", 0, &all, err);
    }
    if (rc < 0)
        return -1;
    sort_unique(&all);
    for (size_t i = 0; i < all.len; i++)
        files_add(files_is_secret(all.names[i]) && !kept(keep, all.names[i]) ? ret_secrets : ret, all.names[i]);
    *ret_git = git;
    return 0;
}
