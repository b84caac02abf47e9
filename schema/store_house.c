/*
 * store_house.c - keeping house: old jobs and old keys go.
 *
 * The functions named *_work run on the writer thread, inside the request's
 * savepoint.
 */
#include "schema/store_priv.h"

#include "base/mem.h"

/* A source whose last job went. */
static int drop_source(struct store_db *db, const char *sha256, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (store_db_prepare(&q, db,
                         "DELETE FROM sources WHERE sha256 = ?1 AND "
                         "NOT EXISTS (SELECT 1 FROM jobs WHERE source_sha256 = ?1)",
                         err) < 0)
        return -1;
    store_db_text(&q, sha256);
    return store_db_run(&q, err);
}

static int expire_work(struct store_db *db, struct store_request *r, struct err *err)
{
    AUTO(query) struct store_query q = {0};
    size_t count = 0;
    int step;

    r->expire.ids = mem_alloc(sizeof *r->expire.ids);
    if (store_db_prepare(&q, db,
                         "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs j WHERE finished_at > 0 AND "
                         "finished_at < ?1 AND (group_id IS NULL OR NOT EXISTS (SELECT 1 FROM jobs m WHERE "
                         "m.group_id = j.group_id AND (m.finished_at = 0 OR m.finished_at >= ?1))) "
                         "ORDER BY finished_at LIMIT ?2) RETURNING id, source_sha256",
                         err) < 0)
        return -1;
    store_db_int(&q, r->expire.before);
    store_db_int(&q, r->expire.max > 0 ? r->expire.max : 0);
    /* All rows are gone before the first one is returned. */
    while ((step = store_db_step(&q, err)) == 0) {
        r->expire.ids = mem_resize(r->expire.ids, (count + 2) * sizeof *r->expire.ids);
        r->expire.ids[count++] = store_db_get_copy(&q, 0);
        r->expire.ids[count] = NULL;
        if (drop_source(db, store_db_get_text(&q, 1), err) < 0)
            return -1;
    }
    return step < 0 ? -1 : 0;
}

int store_expire(struct store *s, int64_t before, int max, char ***ret_ids, struct err *err)
{
    struct store_request r = {.work = expire_work, .expire = {.before = before, .max = max}};
    int outcome = store_writer_submit(s, &r, err);

    if (outcome == 0)
        *ret_ids = r.expire.ids;
    else
        store_ids_free(r.expire.ids);
    return outcome;
}

void store_ids_free(char **ids)
{
    for (size_t i = 0; ids && ids[i]; i++)
        mem_free(ids[i]);
    mem_free(ids);
}

static int forget_work(struct store_db *db, struct store_request *r, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (store_db_prepare(&q, db, "DELETE FROM idempotency_keys WHERE created_at < ?1", err) < 0)
        return -1;
    store_db_int(&q, r->expire.before);
    return store_db_run(&q, err);
}

int store_forget_keys(struct store *s, int64_t before, struct err *err)
{
    struct store_request r = {.work = forget_work, .expire = {.before = before}};

    return store_writer_submit(s, &r, err);
}
