/* files.c - standard input, output and error are the host's; the rest is here, in memory: some files, and the folder
 * /kit with an ingot and a pile in it from the start. What stat says of them differs in every field. */
#include "kit.h"

enum { CALL_READ = 0, CALL_WRITE = 1, CALL_WRITEV = 20, FILES = 16, OPEN = 16, NAME = 64, ROOM = 4096, FIRST_FD = 3 };

static struct file {
    char path[NAME];
    mode_t mode; /* 0: there is none */
    size_t size;
    char data[ROOM];
} files[FILES] = {
    {"/kit", S_IFDIR | 0755, 0, ""},
    {"/kit/ingot", S_IFREG | 0640, 5, "iron\n"},
    {"/kit/pile", S_IFDIR | 0700, 0, ""},
};

static struct open_file {
    struct file *file;
    size_t at;
    int flags;
} opened[OPEN];

struct dir {
    struct file *folder;
    size_t next;
    int fd;
    struct dirent entry;
};

static int lock;

/* What open() was last called with, for a test that asks. */
int kit_open_flags;

static int is_dir(const struct file *f)
{
    return (f->mode & S_IFDIR) && !(f->mode & S_IFREG);
}

static struct file *find(const char *path)
{
    for (size_t i = 0; i < FILES; i++)
        if (files[i].mode && strcmp(files[i].path, path) == 0)
            return &files[i];
    return NULL;
}

/* Is f an entry of the folder at path? "/kit/ingot" of "/kit". Its name, or NULL. */
static const char *entry_of(const struct file *f, const char *path)
{
    size_t n = strlen(path);

    if (!f->mode || strncmp(f->path, path, n) != 0 || f->path[n] != '/')
        return NULL;
    for (const char *p = f->path + n + 1; *p; p++)
        if (*p == '/')
            return NULL;
    return f->path + n + 1;
}

static struct file *make(const char *path, mode_t mode)
{
    for (size_t i = 0; i < FILES && strlen(path) < NAME; i++)
        if (!files[i].mode) {
            memcpy(files[i].path, path, strlen(path) + 1);
            files[i].mode = mode;
            files[i].size = 0;
            return &files[i];
        }
    kit_fail(ENOSPC);
    return NULL;
}

static struct open_file *of_fd(int fd)
{
    if (fd >= FIRST_FD && fd < FIRST_FD + OPEN && opened[fd - FIRST_FD].file)
        return &opened[fd - FIRST_FD];
    kit_fail(EBADF);
    return NULL;
}

static int open_locked(const char *path, int flags, mode_t mode)
{
    struct file *f = find(path);

    if (f && (flags & O_CREAT) && (flags & O_EXCL))
        return kit_fail(EEXIST);
    if (!f && !(flags & O_CREAT))
        return kit_fail(ENOENT);
    if (f && is_dir(f) && (flags & O_ACCMODE))
        return kit_fail(EISDIR);
    if (f && !is_dir(f) && (flags & O_DIRECTORY))
        return kit_fail(ENOTDIR);
    if (!f && !(f = make(path, S_IFREG | (mode & 0777))))
        return -1;
    for (int i = 0; i < OPEN; i++)
        if (!opened[i].file) {
            if (flags & O_TRUNC)
                f->size = 0;
            opened[i] = (struct open_file){.file = f, .flags = flags};
            return FIRST_FD + i;
        }
    return kit_fail(EMFILE);
}

int open(const char *path, int flags, ...)
{
    __builtin_va_list more;
    mode_t mode = 0;

    if (flags & O_CREAT) {
        __builtin_va_start(more, flags);
        mode = __builtin_va_arg(more, mode_t);
        __builtin_va_end(more);
    }
    kit_lock(&lock);
    kit_open_flags = flags;
    int fd = open_locked(path, flags, mode);
    kit_unlock(&lock);
    return fd;
}

/* path beneath an open folder, whole in `into`; NULL: there is no such folder. */
static const char *beneath(int folder, const char *path, char into[2 * NAME])
{
    if (folder == AT_FDCWD || *path == '/')
        return path;
    struct open_file *o = of_fd(folder);
    if (!o || strlen(path) >= NAME)
        return NULL;
    size_t n = strlen(o->file->path);
    memcpy(into, o->file->path, n);
    into[n] = '/';
    memcpy(into + n + 1, path, strlen(path) + 1);
    return into;
}

int openat(int folder, const char *path, int flags, ...)
{
    char whole[2 * NAME];

    path = beneath(folder, path, whole);
    return path ? open(path, flags & ~O_CREAT) : -1;
}

int close(int fd)
{
    struct open_file *o = fd < FIRST_FD ? NULL : of_fd(fd);

    if (o)
        o->file = NULL;
    return o || fd < FIRST_FD ? 0 : -1;
}

static ssize_t read_at(struct open_file *o, void *to, size_t n, size_t at)
{
    size_t left = at < o->file->size ? o->file->size - at : 0;

    if (n > left)
        n = left;
    memcpy(to, o->file->data + at, n);
    return (ssize_t)n;
}

static ssize_t write_at(struct open_file *o, const void *from, size_t n, size_t at)
{
    if (at > ROOM || n > ROOM - at)
        return kit_fail(ENOSPC);
    if (at > o->file->size)
        memset(o->file->data + o->file->size, 0, at - o->file->size);
    memcpy(o->file->data + at, from, n);
    if (at + n > o->file->size)
        o->file->size = at + n;
    return (ssize_t)n;
}

ssize_t read(int fd, void *to, size_t n)
{
    if (fd < FIRST_FD)
        return kit_call(CALL_READ, "syscall|read", (uint64_t)fd, kit_host(to), n);
    struct open_file *o = of_fd(fd);
    ssize_t got = o ? read_at(o, to, n, o->at) : -1;
    if (got > 0)
        o->at += (size_t)got;
    return got;
}

ssize_t write(int fd, const void *from, size_t n)
{
    if (fd < FIRST_FD)
        return kit_call(CALL_WRITE, "syscall|write", (uint64_t)fd, kit_host(from), n);
    struct open_file *o = of_fd(fd);
    if (!o)
        return -1;
    if (o->flags & O_APPEND)
        o->at = o->file->size;
    ssize_t put = write_at(o, from, n, o->at);
    if (put > 0)
        o->at += (size_t)put;
    return put;
}

ssize_t pread(int fd, void *to, size_t n, off_t at)
{
    struct open_file *o = of_fd(fd);

    return o ? read_at(o, to, n, (size_t)at) : -1;
}

ssize_t pwrite(int fd, const void *from, size_t n, off_t at)
{
    struct open_file *o = of_fd(fd);

    return o ? write_at(o, from, n, (size_t)at) : -1;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    ssize_t all = 0;

    for (int i = 0; i < count; i++) {
        ssize_t n = write(fd, parts[i].iov_base, parts[i].iov_len);
        if (n < 0)
            return all ? all : -1;
        all += n;
    }
    return all;
}

ssize_t readv(int fd, const struct iovec *parts, int count)
{
    ssize_t all = 0;

    for (int i = 0; i < count; i++) {
        ssize_t n = read(fd, parts[i].iov_base, parts[i].iov_len);
        if (n <= 0)
            return all ? all : n;
        all += n;
    }
    return all;
}

off_t lseek(int fd, off_t offset, int whence)
{
    struct open_file *o = fd < FIRST_FD ? NULL : of_fd(fd);

    if (!o)
        return kit_fail(fd < FIRST_FD ? ESPIPE : EBADF);
    o->at = (size_t)offset + (whence == 1 ? o->at : whence == 2 ? o->file->size : 0);
    return (off_t)o->at;
}

int ftruncate(int fd, off_t size)
{
    struct open_file *o = of_fd(fd);

    if (!o || size > ROOM)
        return o ? kit_fail(ENOSPC) : -1;
    if ((size_t)size > o->file->size)
        memset(o->file->data + o->file->size, 0, (size_t)size - o->file->size);
    o->file->size = (size_t)size;
    return 0;
}

int fsync(int fd)
{
    return of_fd(fd) ? 0 : -1;
}

int fdatasync(int fd)
{
    return fsync(fd);
}

int fcntl(int fd, int command, ...)
{
    (void)fd, (void)command;
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    (void)fd, (void)request;
    return kit_fail(ENOTTY);
}

int isatty(int fd)
{
    (void)fd;
    errno = ENOTTY;
    return 0;
}

static int tell(const struct file *f, struct stat *s)
{
    *s = (struct stat){.st_dev = 0x1122334455667788,
                       .st_ino = 1000 + (ino_t)(f - files),
                       .st_mode = f->mode,
                       .st_nlink = 3,
                       .st_uid = 7,
                       .st_gid = 8,
                       .st_size = (int64_t)f->size,
                       .st_blksize = 512,
                       .st_blocks = 1,
                       .st_atim = {1500000001, 100},
                       .st_mtim = {1500000002, 200},
                       .st_ctim = {1500000003, 300}};
    return 0;
}

int stat(const char *path, struct stat *s)
{
    struct file *f = find(path);

    return f ? tell(f, s) : kit_fail(ENOENT);
}

int lstat(const char *path, struct stat *s)
{
    return stat(path, s);
}

int fstat(int fd, struct stat *s)
{
    static const struct file terminal = {.mode = S_IFCHR | 0620};
    struct open_file *o = fd < FIRST_FD ? NULL : of_fd(fd);

    if (!o && fd >= FIRST_FD)
        return -1;
    return tell(o ? o->file : &terminal, s);
}

int fstatat(int folder, const char *path, struct stat *s, int flags)
{
    char whole[2 * NAME];

    path = beneath(folder, path, whole);
    return path ? stat(path, s) : -1;
}

int mkdir(const char *path, mode_t mode)
{
    if (find(path))
        return kit_fail(EEXIST);
    return make(path, S_IFDIR | (mode & 0777)) ? 0 : -1;
}

static int drop(const char *path, int dir)
{
    struct file *f = find(path);

    if (!f)
        return kit_fail(ENOENT);
    if (is_dir(f) != dir)
        return kit_fail(dir ? ENOTDIR : EISDIR);
    for (size_t i = 0; dir && i < FILES; i++)
        if (entry_of(&files[i], path))
            return kit_fail(ENOTEMPTY);
    f->mode = 0;
    return 0;
}

int unlink(const char *path)
{
    return drop(path, 0);
}

int rmdir(const char *path)
{
    return drop(path, 1);
}

int unlinkat(int folder, const char *path, int flags)
{
    char whole[2 * NAME];

    path = beneath(folder, path, whole);
    return path ? drop(path, flags & AT_REMOVEDIR ? 1 : 0) : -1;
}

int rename(const char *from, const char *to)
{
    struct file *f = find(from), *old = find(to);

    if (!f || strlen(to) >= NAME)
        return kit_fail(f ? EINVAL : ENOENT);
    if (old)
        old->mode = 0;
    memcpy(f->path, to, strlen(to) + 1);
    return 0;
}

struct dir *opendir(const char *path)
{
    struct file *f = find(path);
    struct dir *d = f && is_dir(f) ? calloc(1, sizeof *d) : NULL;

    if (!d) {
        errno = f ? ENOTDIR : ENOENT;
        return NULL;
    }
    d->folder = f;
    d->fd = open(path, O_DIRECTORY);
    return d;
}

struct dirent *readdir(struct dir *d)
{
    while (d->next < FILES) {
        struct file *f = &files[d->next++];
        const char *name = entry_of(f, d->folder->path);
        if (!name)
            continue;
        d->entry = (struct dirent){.d_ino = 1000 + (ino_t)(f - files),
                                   .d_off = (off_t)d->next,
                                   .d_reclen = sizeof d->entry,
                                   .d_type = is_dir(f) ? DT_DIR : DT_REG};
        memcpy(d->entry.d_name, name, strlen(name) + 1);
        return &d->entry;
    }
    return NULL;
}

int closedir(struct dir *d)
{
    close(d->fd);
    free(d);
    return 0;
}

int dirfd(struct dir *d)
{
    return d->fd;
}

char *getcwd(char *to, size_t n)
{
    if (n < 2) {
        errno = ERANGE;
        return NULL;
    }
    memcpy(to, "/", 2);
    return to;
}

int chdir(const char *path)
{
    struct file *f = find(path);

    return f && is_dir(f) ? 0 : kit_fail(f ? ENOTDIR : ENOENT);
}
