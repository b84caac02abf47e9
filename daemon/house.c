/* house.c - see house.h. */
#include "daemon/house.h"

#include "base/fs.h"
#include "workers/blobs.h"
#include "workers/paths.h"

#include <unistd.h>

enum {
    EXPIRE_AT_ONCE = 200,
    KEYS_MS = 24 * 3600 * 1000, /* of Idempotency-Keys */
};

int house_empty_tmp(const char *state_dir, struct err *err)
{
    AUTO(char_p) char *tmp = path_tmp(state_dir);

    if (fs_remove_tree(tmp, err) < 0)
        return -1;
    return fs_mkdirs(tmp, 0700, err);
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
            unlink(log);
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

int house_keep(struct store *store, const char *state_dir, int64_t keep_days, struct house_result *ret, struct err *err)
{
    struct house_result result = {0};
    struct store_reader *reader = NULL;
    struct err first = ERR_INIT, e = ERR_INIT;

    if (keep_days > 0)
        expire(store, state_dir, keep_days, &result, &first);
    if (store_forget_keys(store, clock_now_ms() - KEYS_MS, &e) < 0)
        note(&first, &e);
    if (store_reader_open(store, &reader, &e) == 0) {
        blobs_sweep(state_dir, reader, &result.files, &e);
        store_reader_free(reader);
    }
    note(&first, &e);
    *ret = result;
    if (first.kind == ERR_NONE)
        return 0;
    *err = first;
    return -1;
}
