/* blobs.c - see blobs.h. */
#include "workers/blobs.h"

#include "base/fs.h"
#include "base/mem.h"
#include "workers/paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 256 << 10 };

static int copy(int from, int to, int64_t max, char ret_sha256[SHA256_HEX_SIZE], int64_t *ret_size, struct err *err)
{
    AUTO(char_p) char *block = mem_alloc(BLOCK);
    struct hash *h = hash_new();
    int64_t size = 0;

    for (;;) {
        ssize_t n = read(from, block, BLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            hash_free(h);
            return err_sys(err, ERR_ENGINE, errno, "cannot read the artifact out of the work folder");
        }
        if (n == 0)
            break;
        size += n;
        if (size > max) {
            hash_free(h);
            return err_set(err, ERR_OUTPUT_TOO_LARGE, "the artifact grew beyond %lld bytes (max_artifact_bytes)",
                           (long long)max);
        }
        hash_add(h, block, (size_t)n);
        if (fs_write_all(to, block, (size_t)n, err) < 0) {
            hash_free(h);
            err->kind = ERR_ENGINE; /* the server's own disk */
            return err_wrap(err, "cannot keep the artifact");
        }
    }
    hash_finish(h, ret_sha256);
    *ret_size = size;
    return 0;
}

int blob_stage(int root_fd, const char *file, const char *tmp_dir, int64_t max, char **ret_path,
               char ret_sha256[SHA256_HEX_SIZE], int64_t *ret_size, struct err *err)
{
    AUTO(fd) int from = fs_open_beneath(root_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
    struct stat st;

    if (from == -ENOENT || from == -ENOTDIR) {
        from = -1;
        return BLOB_ABSENT;
    }
    if (from < 0) {
        int sys = -from;
        from = -1;
        return err_sys(err, ERR_BAD_SOURCE, sys, "the build left something else than a file at %.120s", file);
    }
    if (fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(err, ERR_BAD_SOURCE, "the build left something else than a file at %.120s", file);
    if (st.st_size > max)
        return err_set(err, ERR_OUTPUT_TOO_LARGE, "the artifact has %lld bytes, the limit is %lld (max_artifact_bytes)",
                       (long long)st.st_size, (long long)max);

    AUTO(char_p) char *path = mem_printf("%s/artifact-XXXXXX", tmp_dir);
    AUTO(fd) int to = mkostemp(path, O_CLOEXEC);
    if (to < 0)
        return err_sys(err, ERR_ENGINE, errno, "cannot write to %s", tmp_dir);
    if (copy(from, to, max, ret_sha256, ret_size, err) < 0) {
        unlink(path);
        return -1;
    }
    /* Readable and executable by the uid of the trial. */
    if (fchmod(to, 0755) < 0 || fsync(to) < 0) {
        int sys = errno;
        unlink(path);
        return err_sys(err, ERR_ENGINE, sys, "cannot sync the artifact");
    }
    *ret_path = STEAL(path);
    return 0;
}

static int lock_open(const char *state_dir, int operation, int *ret_fd, struct err *err)
{
    AUTO(char_p) char *path = mem_printf("%s/files.lock", state_dir);
    AUTO(fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_sys(err, ERR_ENGINE, errno, "cannot open %s", path);
    while (flock(fd, operation) < 0)
        if (errno != EINTR)
            return err_sys(err, ERR_ENGINE, errno, "cannot lock %s", path);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

int blobs_hold(const char *state_dir, int *ret_fd, struct err *err)
{
    return lock_open(state_dir, LOCK_SH, ret_fd, err);
}

int blob_keep(const char *from, const char *to, struct err *err)
{
    AUTO(char_p) char *dir = mem_strdup(to);

    *strrchr(dir, '/') = '\0';
    if (fs_mkdirs(dir, 0700, err) < 0)
        return -1;
    if (rename(from, to) < 0)
        return err_sys(err, ERR_ENGINE, errno, "cannot keep a file as %s", to);
    AUTO(char_p) char *above = mem_strdup(dir);
    *strrchr(above, '/') = '\0';
    /* The folder `ab` may be new: its own entry must last too. */
    return fs_sync_dir(dir, err) < 0 || fs_sync_dir(above, err) < 0 ? -1 : 0;
}

int blob_put(const char *state_dir, const void *data, size_t len, char ret_sha256[SHA256_HEX_SIZE], struct err *err)
{
    char sha256[SHA256_HEX_SIZE], name[ULID_SIZE];

    ulid_new(name);
    hash_bytes(data, len, sha256);
    AUTO(char_p) char *tmp = path_tmp(state_dir), *from = mem_printf("%s/%s", tmp, name);
    AUTO(char_p) char *to = path_blob(state_dir, sha256);
    if (fs_write(from, data, len, 0600, err) < 0 || blob_keep(from, to, err) < 0) {
        unlink(from);
        err->kind = ERR_ENGINE;
        return -1;
    }
    memcpy(ret_sha256, sha256, sizeof sha256);
    return 0;
}

static int sweep_folder(const char *dir, struct store_reader *r, int64_t *removed, struct err *err)
{
    DIR *d = opendir(dir);
    int res = 0;

    for (struct dirent *e; d && res == 0 && (e = readdir(d));) {
        bool used = true;
        if (!hash_valid(e->d_name))
            continue;
        res = store_referenced(r, e->d_name, &used, err);
        if (res == 0 && !used && unlinkat(dirfd(d), e->d_name, 0) == 0)
            (*removed)++;
    }
    if (d)
        closedir(d);
    return res;
}

static int sweep_logs(const char *state_dir, struct store_reader *r, int64_t *removed, struct err *err)
{
    AUTO(char_p) char *dir = mem_printf("%s/logs", state_dir);
    DIR *d = opendir(dir);
    int res = 0;

    for (struct dirent *e; d && res == 0 && (e = readdir(d));) {
        char id[ULID_SIZE] = "";
        struct job *job = NULL;
        if (strlen(e->d_name) != 30 || strcmp(e->d_name + 26, ".log") != 0)
            continue;
        memcpy(id, e->d_name, 26);
        int found = ulid_valid(id) ? store_get(r, id, &job, err) : 0;
        job_free(job);
        if (found < 0)
            res = -1;
        else if (found == STORE_NONE && unlinkat(dirfd(d), e->d_name, 0) == 0)
            (*removed)++;
    }
    if (d)
        closedir(d);
    return res;
}

int blobs_sweep(const char *state_dir, struct store_reader *r, int64_t *ret_removed, struct err *err)
{
    static const char *const kinds[] = {"sources", "blobs"};
    int64_t removed = 0;

    for (size_t k = 0; k < COUNT(kinds); k++)
        for (int i = 0; i < 256; i++) {
            /* One small folder at a time, so that nobody waits long for the lock. */
            AUTO(fd) int lock = -1;
            AUTO(char_p) char *dir = mem_printf("%s/%s/%02x", state_dir, kinds[k], (unsigned)i);
            if (lock_open(state_dir, LOCK_EX, &lock, err) < 0 || sweep_folder(dir, r, &removed, err) < 0)
                return -1;
        }
    if (sweep_logs(state_dir, r, &removed, err) < 0)
        return -1;
    *ret_removed = removed;
    return 0;
}
