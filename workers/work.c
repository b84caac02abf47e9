/* work.c - see work.h. */
#include "workers/work.h"

#include "base/fs.h"
#include "base/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

const char *work_mode_name(enum work_mode m)
{
    static const char *const names[] = {"ext4", "tmpfs", "plain"};

    return names[m];
}

static int run(const char *const *argv, struct err *err)
{
    AUTO(buf) struct buf errors = {0};
    struct proc p = PROC_INIT;
    int status;

    p.argv = argv;
    p.errors = &errors;
    p.seconds = 60;
    int r = proc_run(&p, &status, err);
    if (r < 0)
        return -1;
    if (r > 0)
        return err_set(err, ERR_ENGINE, "%s did not end within a minute", argv[0]);
    if (status != 0)
        return err_set(err, ERR_ENGINE, "%s failed (%d): %.150s", argv[0], status, errors.p ? errors.p : "");
    return 0;
}

static int make_ext4(const struct work *w, struct err *err)
{
    AUTO(char_p) char *image = mem_printf("%s/disk.img", w->dir);
    AUTO(char_p) char *inodes = mem_printf("%lld", (long long)w->inodes);
    AUTO(fd) int fd = open(image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 || ftruncate(fd, w->bytes) < 0)
        return err_sys(err, ERR_ENGINE, errno, "cannot make the work folder's file system");
    /* No journal: a crash throws the folder away. Tables are written when first used: the file stays sparse. */
    const char *mkfs[] = {"mkfs.ext4",
                          "-q",
                          "-F",
                          "-m",
                          "0",
                          "-N",
                          inodes,
                          "-O",
                          "^has_journal,^resize_inode",
                          "-E",
                          "lazy_itable_init=1,nodiscard,root_owner=0:0",
                          image,
                          NULL};
    const char *mount_it[] = {"mount", "-o", "loop,nosuid,nodev,noatime", image, w->fs, NULL};
    if (run(mkfs, err) < 0 || run(mount_it, err) < 0)
        return -1;
    return 0;
}

static int make_tmpfs(const struct work *w, struct err *err)
{
    AUTO(char_p)
    char *options = mem_printf("size=%lld,nr_inodes=%lld,mode=0755", (long long)w->bytes, (long long)w->inodes);

    if (mount("tmpfs", w->fs, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOATIME, options) < 0)
        return err_sys(err, ERR_ENGINE, errno, "cannot mount a tmpfs for the work folder");
    return 0;
}

/* 0 or errno. */
static int add_folder(const struct work *w, const char *folder)
{
    AUTO(char_p) char *path = mem_printf("%s/%s", w->fs, folder);

    if (mkdir(path, 0755) < 0)
        return errno;
    return geteuid() == 0 && chown(path, w->uid, w->uid) < 0 ? errno : 0;
}

int work_make(const char *dir, enum work_mode mode, int64_t bytes, int64_t inodes, uid_t uid, struct work *ret,
              struct err *err)
{
    static const char *const folders[] = {"src", "config", "cargo", "target", "home", "tmp"};
    struct work w = {.mode = mode, .bytes = bytes, .inodes = inodes, .uid = uid};

    w.dir = mem_strdup(dir);
    w.fs = mem_printf("%s/fs", dir);
    if (fs_mkdirs(w.fs, 0755, err) < 0)
        goto fail;
    if (mode == WORK_EXT4 && make_ext4(&w, err) < 0)
        goto fail;
    if (mode == WORK_TMPFS && make_tmpfs(&w, err) < 0)
        goto fail;
    for (size_t i = 0; i < COUNT(folders); i++) {
        int sys = add_folder(&w, folders[i]);
        if (sys != 0) {
            err_sys(err, ERR_ENGINE, sys, "cannot lay out the work folder");
            goto fail;
        }
    }
    *ret = w;
    return 0;
fail:;
    struct err ignored = ERR_INIT;
    work_remove(&w, &ignored);
    return -1;
}

int work_open(const struct work *w, struct err *err)
{
    int fd = open(w->fs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? err_sys(err, ERR_INTERNAL, errno, "cannot open the work folder") : fd;
}

int work_fresh(const struct work *w, const char *folder, struct err *err)
{
    AUTO(char_p) char *path = mem_printf("%s/%s", w->fs, folder);

    if (fs_remove_tree(path, err) < 0)
        return -1;
    int sys = add_folder(w, folder);
    if (sys == ENOSPC || sys == EDQUOT)
        return err_set(err, ERR_DISK_FULL, "there is no room for %s in the work folder", folder);
    return sys ? err_sys(err, ERR_ENGINE, sys, "cannot lay out the work folder") : 0;
}

void work_usage(const struct work *w, struct work_use *ret)
{
    struct err ignored = ERR_INIT;
    int64_t bytes = 0, entries = 0;
    struct statvfs v;

    *ret = (struct work_use){0};
    if (!w->fs)
        return;
    if (w->mode == WORK_PLAIN) {
        if (fs_usage(w->fs, &bytes, &entries, &ignored) == 0)
            *ret = (struct work_use){bytes, entries, bytes > w->bytes || entries > w->inodes};
        return;
    }
    if (statvfs(w->fs, &v) < 0)
        return;
    ret->bytes = (int64_t)(v.f_blocks - v.f_bfree) * (int64_t)v.f_frsize;
    ret->files = (int64_t)(v.f_files - v.f_ffree);
    /* Nearly full is full: what needs one block more than there is fails with the last one still free. */
    ret->full = v.f_bavail * v.f_frsize < 256 << 10 || v.f_favail < 4;
}

static int unmount(const char *fs, struct err *err)
{
    for (int tries = 0; tries < 100; tries++) {
        if (umount2(fs, UMOUNT_NOFOLLOW) == 0)
            continue; /* mounts may lie on each other */
        if (errno == EINVAL || errno == ENOENT || errno == EPERM)
            return 0; /* not a mount point */
        if (errno != EBUSY)
            return err_sys(err, ERR_INTERNAL, errno, "cannot unmount %s", fs);
        usleep(20000); /* the last process of a container is still being buried */
    }
    if (umount2(fs, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot unmount %s", fs);
    return 0;
}

int work_remove(struct work *w, struct err *err)
{
    int r = 0;

    if (w->dir)
        r = unmount(w->fs, err) < 0 ? -1 : fs_remove_tree(w->dir, err);
    mem_free(w->dir);
    mem_free(w->fs);
    *w = (struct work){0};
    return r;
}

int work_reap(const char *dir, struct err *err)
{
    DIR *d = opendir(dir);
    int r = 0;

    if (!d)
        return errno == ENOENT ? 0 : err_sys(err, ERR_INTERNAL, errno, "cannot read %s", dir);
    for (struct dirent *e; r == 0 && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        struct work w = {.dir = mem_printf("%s/%s", dir, e->d_name), .fs = mem_printf("%s/%s/fs", dir, e->d_name)};
        r = work_remove(&w, err);
    }
    closedir(d);
    return r;
}

int work_probe(const char *dir, const char *wanted, enum work_mode *ret, struct err *err)
{
    bool automatic = strcmp(wanted, "auto") == 0;
    enum work_mode mode = strcmp(wanted, "tmpfs") == 0   ? WORK_TMPFS
                          : strcmp(wanted, "plain") == 0 ? WORK_PLAIN
                                                         : WORK_EXT4;

    if (mode != WORK_PLAIN) {
        AUTO(char_p) char *probe = mem_printf("%s/probe", dir);
        struct work w;
        struct err why = ERR_INIT;
        if (geteuid() != 0)
            err_set(&why, ERR_INTERNAL, "only root can mount the work folder as %s", work_mode_name(mode));
        else if (work_make(probe, mode, 16 << 20, 1000, 0, &w, &why) == 0 && work_remove(&w, &why) == 0)
            why.kind = ERR_NONE;
        if (why.kind != ERR_NONE && !automatic) {
            *err = why;
            return err_wrap(err, "work_mode = %s does not work here", wanted);
        }
        if (why.kind != ERR_NONE)
            mode = WORK_PLAIN;
    }
    *ret = mode;
    return 0;
}
