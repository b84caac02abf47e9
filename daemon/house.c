/* house.c - see house.h. */
#include "daemon/house.h"

#include "base/fs.h"
#include "workers/paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    EXPIRE_AT_ONCE = 200,
    YOUNG_MS = 3600 * 1000,     /* a file this young may belong to what is just being stored */
    KEYS_MS = 24 * 3600 * 1000, /* of Idempotency-Keys */
};

int house_empty_tmp(const char *state_dir, struct err *err)
{
    AUTO(char_p) char *tmp = path_tmp(state_dir);

    if (fs_remove_tree(tmp, err) < 0)
        return -1;
    return fs_mkdirs(tmp, 0700, err);
}

static bool old_enough(int dir, const char *name, int64_t now)
{
    struct stat st;

    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           now - (int64_t)st.st_mtim.tv_sec * 1000 > YOUNG_MS;
}

/* `dir` holds files named by sha256: remove those that no job refers to. */
static void sweep_folder(struct store_reader *reader, const char *path, uv_rwlock_t *lock, int64_t *count,
                         struct err *err)
{
    DIR *d = opendir(path);
    int64_t now = clock_now_ms();

    for (struct dirent *e; d && (e = readdir(d));) {
        bool referenced = true;
        if (!hash_valid(e->d_name) || !old_enough(dirfd(d), e->d_name, now))
            continue;
        uv_rwlock_wrlock(lock);
        if (store_referenced(reader, e->d_name, &referenced, err) == 0 && !referenced &&
            unlinkat(dirfd(d), e->d_name, 0) == 0)
            ++*count;
        uv_rwlock_wrunlock(lock);
    }
    if (d)
        closedir(d);
}

static void sweep(struct store_reader *reader, const char *state_dir, const char *kind, uv_rwlock_t *lock,
                  int64_t *count, struct err *err)
{
    AUTO(char_p) char *path = mem_printf("%s/%s", state_dir, kind);
    DIR *d = opendir(path);

    for (struct dirent *e; d && (e = readdir(d));) {
        if (strlen(e->d_name) != 2 || e->d_name[0] == '.')
            continue;
        AUTO(char_p) char *sub = mem_printf("%s/%s", path, e->d_name);
        sweep_folder(reader, sub, lock, count, err);
    }
    if (d)
        closedir(d);
}

/* Logs whose job is not in the store: expiry was cut short by a crash. */
static void sweep_logs(struct store_reader *reader, const char *state_dir, int64_t *count, struct err *err)
{
    AUTO(char_p) char *path = mem_printf("%s/logs", state_dir);
    DIR *d = opendir(path);
    int64_t now = clock_now_ms();

    for (struct dirent *e; d && (e = readdir(d));) {
        char id[ULID_SIZE] = "";
        if (strlen(e->d_name) < ULID_SIZE || e->d_name[ULID_SIZE - 1] != '.')
            continue;
        memcpy(id, e->d_name, ULID_SIZE - 1);
        if (!ulid_valid(id) || !old_enough(dirfd(d), e->d_name, now))
            continue;
        AUTO(job) struct job *job = NULL;
        if (store_get(reader, id, &job, err) == STORE_NONE && unlinkat(dirfd(d), e->d_name, 0) == 0)
            ++*count;
    }
    if (d)
        closedir(d);
}

static int expire(struct store *store, const char *state_dir, int64_t keep_days, struct house_result *result,
                  struct err *err)
{
    int64_t before = clock_now_ms() - keep_days * 24 * 3600 * 1000;

    for (size_t n = EXPIRE_AT_ONCE; n == EXPIRE_AT_ONCE;) {
        char **ids = NULL;
        if (store_expire(store, before, EXPIRE_AT_ONCE, &ids, err) < 0)
            return -1;
        for (n = 0; ids && ids[n]; n++) {
            AUTO(char_p) char *log = path_log(state_dir, ids[n]);
            if (unlink(log) == 0)
                result->logs++;
            result->jobs++;
        }
        store_ids_free(ids);
    }
    return 0;
}

static void note(struct err *first, const struct err *e)
{
    if (first->kind == ERR_NONE)
        *first = *e;
}

int house_keep(struct store *store, const char *state_dir, int64_t keep_days, uv_rwlock_t *sources,
               struct house_result *ret, struct err *err)
{
    struct house_result result = {0};
    struct store_reader *reader = NULL;
    struct err first = ERR_INIT, e = ERR_INIT;

    if (keep_days > 0)
        expire(store, state_dir, keep_days, &result, &first);
    if (store_forget_keys(store, clock_now_ms() - KEYS_MS, &e) < 0)
        note(&first, &e);
    if (store_reader_open(store, &reader, &e) == 0) {
        sweep(reader, state_dir, "sources", sources, &result.sources, &e);
        sweep(reader, state_dir, "blobs", sources, &result.blobs, &e);
        sweep_logs(reader, state_dir, &result.logs, &e);
        store_reader_free(reader);
    }
    note(&first, &e);
    *ret = result;
    if (first.kind == ERR_NONE)
        return 0;
    *err = first;
    return -1;
}
