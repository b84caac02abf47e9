/* fs.c - see fs.h. */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Folders of a walk that stay open; those nearer to the root are closed and found again through "..". */
#define OPEN_FRAMES 64

/* How often a folder that is not empty after its removal is read again. */
#define MAX_REREADS 3

/* An existing folder is fine, also where making one would be refused for another reason (EROFS, EACCES). */
static int make_folder(const char *path, mode_t mode, struct err *err)
{
    struct stat st;

    if (mkdir(path, mode) == 0)
        return 0;
    int sys = errno;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    return err_sys(err, ERR_INTERNAL, sys == EEXIST ? ENOTDIR : sys, "cannot make folder %s", path);
}

int fs_mkdirs(const char *path, mode_t mode, struct err *err)
{
    AUTO(char_p) char *p = mem_strdup(path);

    for (char *s = p + 1; *p && *s; s++) {
        if (*s != '/' || s[-1] == '/')
            continue;
        *s = '\0';
        if (make_folder(p, mode, err) < 0)
            return -1;
        *s = '/';
    }
    return make_folder(p, mode, err);
}

int fs_read(const char *path, size_t max, struct buf *ret, struct err *err)
{
    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    AUTO(buf) struct buf b = {0};
    AUTO(char_p) char *block = NULL;

    if (fd < 0)
        return err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_INTERNAL, errno, "cannot open %s", path);
    block = mem_alloc(64 << 10);
    for (;;) {
        ssize_t n = read(fd, block, 64 << 10);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, ERR_INTERNAL, errno, "cannot read %s", path);
        if (n == 0)
            break;
        if ((size_t)n > max - b.len)
            return err_set(err, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, max);
        buf_put(&b, block, (size_t)n);
    }
    buf_put(&b, "", 0);
    buf_free(ret);
    *ret = b;
    b = (struct buf){0};
    return 0;
}

int fs_write_all(int fd, const void *data, size_t len, struct err *err)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, ERR_INTERNAL, errno, "cannot write");
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return mem_strdup(".");
    return mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

int fs_write(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
    AUTO(char_p) char *tmp = mem_printf("%s.XXXXXX", path), *dir = parent_of(path);
    AUTO(fd) int fd = mkostemp(tmp, O_CLOEXEC);
    int r = -1;

    if (fd < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot make a file beside %s", path);
    if (fs_write_all(fd, data, len, err) < 0)
        err_wrap(err, "%s", path);
    else if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
        err_sys(err, ERR_INTERNAL, errno, "cannot write %s", path);
    else if (rename(tmp, path) < 0)
        err_sys(err, ERR_INTERNAL, errno, "cannot replace %s", path);
    else
        r = 0;
    if (r < 0) {
        unlink(tmp);
        return r;
    }
    return fs_sync_dir(dir, err);
}

int fs_sync_dir(const char *path, struct err *err)
{
    AUTO(fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot sync folder %s", path);
    return 0;
}

static int open_how(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? mode & 07777 : 0,
        .resolve = resolve,
    };
    int fd = -1;

    /* The kernel answers EAGAIN where something is renamed during the look-up and it cannot vouch for the result. */
    for (int i = 0; i < 32; i++) {
        fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return fd >= 0 ? fd : -errno;
}

/* Without openat2 (Linux before 5.6, valgrind): one component after the other, and ".." is not taken at all. */
static int open_stepwise(int dirfd, const char *path, int flags, mode_t mode)
{
    AUTO(fd) int held = -1;
    struct stat st;

    if (*path == '/')
        return -EXDEV;
    for (int at = dirfd;;) {
        path += strspn(path, "/");
        size_t n = strcspn(path, "/");
        AUTO(char_p) char *name = n ? mem_strndup(path, n) : mem_strdup(".");
        path += n;
        if (strcmp(name, "..") == 0)
            return -EXDEV;
        bool last = path[strspn(path, "/")] == '\0';
        int fd = openat(at, name, (last ? flags : O_PATH) | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd < 0)
            return -errno;
        if (held >= 0)
            close(held);
        held = fd;
        if (fstat(fd, &st) < 0)
            return -errno;
        if (S_ISLNK(st.st_mode))
            return -ELOOP;
        if (last) {
            held = -1;
            return fd;
        }
        at = fd;
    }
}

int fs_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
    int fd = open_how(dirfd, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);

    return fd == -ENOSYS ? open_stepwise(dirfd, path, flags, mode) : fd;
}

/* --- walks ---
 * A stack of folders. Entering one reads it to the end and keeps the names of its subfolders; so a walk needs no
 * position in a folder, and no more than OPEN_FRAMES descriptors however deep the tree is. */
struct frame {
    char *name; /* owned; in its parent; NULL for the root */
    int fd;     /* -1: closed for now */
    dev_t dev;
    ino_t ino;
    struct buf subdirs; /* names, each with its NUL, taken from the end */
    int rereads;
};

struct walk {
    struct frame *frames;
    size_t depth, cap;
    bool removing;
    int64_t bytes, entries; /* where not removing */
};

static void frame_clear(struct frame *f)
{
    free(f->name);
    if (f->fd >= 0)
        close(f->fd);
    buf_free(&f->subdirs);
}

static void walk_clear(struct walk *w)
{
    while (w->depth > 0)
        frame_clear(&w->frames[--w->depth]);
    free(w->frames);
}

/* open_how for one name; without openat2 a mount of the same device goes unseen. */
static int open_entry(int dirfd, const char *name, int flags, dev_t dev)
{
    int fd = open_how(dirfd, name, flags, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
    struct stat st;

    if (fd != -ENOSYS)
        return fd;
    fd = open_stepwise(dirfd, name, flags, 0);
    if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_dev != dev)) {
        close(fd);
        return -EXDEV;
    }
    return fd;
}

/* A folder of the same mount, not a link. -errno on failure; -EXDEV: something is mounted there. */
static int open_folder(int dirfd, const char *name, dev_t dev, bool removing)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = open_entry(dirfd, name, flags, dev);

    if (fd == -EACCES && removing && geteuid() != 0) {
        /* Its owner may not read it: O_PATH and /proc, because chmod by name would follow a link put there. */
        char proc[64];
        int path_fd = open_entry(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, dev);
        if (path_fd < 0)
            return path_fd;
        snprintf(proc, sizeof proc, "/proc/self/fd/%d", path_fd);
        int r = chmod(proc, 0700) < 0 ? -errno : 0;
        close(path_fd);
        if (r < 0)
            return r;
        fd = open_entry(dirfd, name, flags, dev);
    }
    return fd;
}

/* Reads a folder to its end: what is not a folder is removed or counted, subfolders go to f->subdirs. 0 or errno. */
static int read_folder(struct walk *w, struct frame *f)
{
    int fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct stat st;

    if (!d) {
        r = errno;
        if (fd >= 0)
            close(fd);
        return r;
    }
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (!e) {
            r = errno;
            break;
        }
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        bool is_dir = e->d_type == DT_DIR;
        if (w->removing) {
            if (!is_dir && unlinkat(f->fd, e->d_name, 0) < 0) {
                if (errno == EISDIR) {
                    is_dir = true;
                } else if (errno != ENOENT) {
                    r = errno;
                    break;
                }
            }
        } else {
            if (fstatat(f->fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                continue;
            is_dir = S_ISDIR(st.st_mode);
            /* Each of the names of one file carries its share: cargo links most of what it makes twice. */
            w->bytes += (int64_t)st.st_blocks * 512 / (int64_t)(is_dir || st.st_nlink == 0 ? 1 : st.st_nlink);
            w->entries++;
        }
        if (is_dir)
            buf_put(&f->subdirs, e->d_name, strlen(e->d_name) + 1);
    }
    closedir(d);
    return r;
}

/* Takes fd and name over. 0 or errno. */
static int push(struct walk *w, char *name, int fd)
{
    struct stat st;

    if (w->depth == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 16;
        w->frames = mem_resize(w->frames, w->cap * sizeof *w->frames);
    }
    struct frame *f = &w->frames[w->depth++];
    *f = (struct frame){.name = name, .fd = fd};
    if (fstat(fd, &st) < 0)
        return errno;
    f->dev = st.st_dev;
    f->ino = st.st_ino;
    if (w->removing && geteuid() != 0 && (st.st_mode & 0700) != 0700)
        (void)fchmod(fd, 0700); /* if it fails, so does the removal, which says so */
    if (w->depth > OPEN_FRAMES + 1) {
        struct frame *old = &w->frames[w->depth - 1 - OPEN_FRAMES];
        if (old->fd >= 0)
            close(old->fd);
        old->fd = -1;
    }
    return read_folder(w, f);
}

/* Leaves the innermost folder, and makes sure that its parent is open. 0 or errno; ESTALE: the parent is not where
 * it was. */
static int pop(struct walk *w)
{
    struct frame *f = &w->frames[w->depth - 1], *up = f - 1;
    struct stat st;
    int r = 0;

    if (w->depth == 1) {
        frame_clear(f);
        w->depth = 0;
        return 0;
    }
    if (up->fd < 0) {
        up->fd = openat(f->fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (up->fd < 0 || fstat(up->fd, &st) < 0)
            return errno;
        if (st.st_dev != up->dev || st.st_ino != up->ino)
            return ESTALE;
    }
    if (w->removing && unlinkat(up->fd, f->name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
        if (errno != ENOTEMPTY || f->rereads++ >= MAX_REREADS)
            return errno;
        r = read_folder(w, f);
        return r;
    }
    frame_clear(f);
    w->depth--;
    return 0;
}

/* The name that follows in the innermost folder, taken out; NULL if none is left. */
static char *next_subdir(struct frame *f)
{
    size_t start;

    if (f->subdirs.len == 0)
        return NULL;
    for (start = f->subdirs.len - 1; start > 0 && f->subdirs.p[start - 1]; start--)
        ;
    f->subdirs.len = start;
    return mem_strdup(f->subdirs.p + start);
}

/* 0 or errno. */
static int walk_all(struct walk *w, int root_fd)
{
    int r = push(w, NULL, root_fd);

    while (w->depth > 0) {
        struct frame *f = &w->frames[w->depth - 1];
        if (r == 0) {
            AUTO(char_p) char *name = next_subdir(f);
            if (!name) {
                r = pop(w);
            } else {
                int fd = open_folder(f->fd, name, f->dev, w->removing);
                if (fd >= 0)
                    r = push(w, STEAL(name), fd);
                else if (fd == -ENOENT)
                    continue;
                else
                    r = -fd;
            }
        }
        if (r != 0 && w->removing)
            return r;
        if (r == ESTALE)
            /* Counting a tree in use: give up the branch that moved, down to a folder that is open (the root is). */
            do
                frame_clear(&w->frames[--w->depth]);
            while (w->depth > 0 && w->frames[w->depth - 1].fd < 0);
        r = 0;
    }
    return 0;
}

int fs_remove_tree(const char *path, struct err *err)
{
    struct walk w = {.removing = true};
    AUTO(char_p) char *top = mem_strdup(path);

    for (size_t n = strlen(top); n > 1 && top[n - 1] == '/'; n--)
        top[n - 1] = '\0';
    if (unlink(top) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR)
        return err_sys(err, ERR_INTERNAL, errno, "cannot remove %s", top);
    int fd = open(top, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EACCES && chmod(top, 0700) == 0)
        fd = open(top, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot remove %s", top);
    int r = walk_all(&w, fd);
    if (r != 0) {
        const char *in = w.depth > 1 ? w.frames[w.depth - 1].name : NULL;
        err_sys(err, ERR_INTERNAL, r, "cannot empty %s%s%s", top, in ? " below " : "", in ? in : "");
        walk_clear(&w);
        return -1;
    }
    walk_clear(&w);
    if (rmdir(top) < 0 && errno != ENOENT)
        return err_sys(err, ERR_INTERNAL, errno, "cannot remove %s", top);
    return 0;
}

int fs_usage(const char *path, int64_t *ret_bytes, int64_t *ret_entries, struct err *err)
{
    struct walk w = {0};
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot open folder %s", path);
    walk_all(&w, fd);
    walk_clear(&w);
    *ret_bytes = w.bytes;
    *ret_entries = w.entries;
    return 0;
}

int fs_free_bytes(const char *path, int64_t *ret, struct err *err)
{
    struct statvfs st;

    if (statvfs(path, &st) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot ask for the free space of %s", path);
    *ret = (int64_t)st.f_bavail * (int64_t)st.f_frsize;
    return 0;
}

int fs_exe_dir(char **ret, struct err *err)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot read /proc/self/exe");
    path[n] = '\0';
    *ret = parent_of(path);
    return 0;
}
