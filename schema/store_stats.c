/*
 * store_stats.c - reading about jobs: the queue, counts, totals, references.
 *
 * On a reader's own connection; each answer comes from one statement, or from
 * several whose answers need not agree to the moment.
 */
#include "schema/store_priv.h"

#include "base/mem.h"

#include <stdlib.h>

#define RECENT 20 /* jobs whose median makes an ETA */

/* The first row's first column of a statement with at most one text to bind. STORE_NONE: no row. */
static int ask(struct store_db *db, const char *sql, const char *text, int64_t *ret, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (store_db_prepare(&q, db, sql, err) < 0)
        return -1;
    if (text)
        store_db_text(&q, text);
    int step = store_db_step(&q, err);
    if (step != 0)
        return step < 0 ? -1 : STORE_NONE;
    *ret = store_db_get_int(&q, 0);
    return 0;
}

/* --- the queue --- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The median of the run seconds of the last jobs that succeeded; profile NULL: any. -1: none did. */
static int median(struct store_db *db, const char *profile, double *ret, struct err *err)
{
    AUTO(query) struct store_query q = {0};
    double seconds[RECENT];
    size_t n = 0;
    int step;

    if (store_db_prepare(&q, db,
                         profile ? "SELECT (finished_at - started_at) / 1000.0 FROM jobs WHERE state = 'succeeded' AND "
                                   "started_at > 0 AND profile = ?2 ORDER BY finished_at DESC LIMIT ?1"
                                 : "SELECT (finished_at - started_at) / 1000.0 FROM jobs INDEXED BY jobs_finished "
                                   "WHERE finished_at > 0 AND "
                                   "state = 'succeeded' AND started_at > 0 ORDER BY finished_at DESC LIMIT ?1",
                         err) < 0)
        return -1;
    store_db_int(&q, RECENT);
    if (profile)
        store_db_text(&q, profile);
    while ((step = store_db_step(&q, err)) == 0 && n < RECENT)
        seconds[n++] = store_db_get_real(&q, 0);
    if (step < 0)
        return -1;
    if (n == 0) {
        *ret = -1;
        return 0;
    }
    qsort(seconds, n, sizeof seconds[0], by_value);
    double middle = n % 2 ? seconds[n / 2] : (seconds[n / 2 - 1] + seconds[n / 2]) / 2;
    *ret = middle < 0 ? 0 : middle; /* the clock may have been set back */
    return 0;
}

/* *ret_profile is the caller's to free. */
static int place(struct store_db *db, const char *id, int64_t *ret_position, char **ret_profile, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (store_db_prepare(
            &q, db,
            "SELECT j.profile, 1 + (SELECT count(*) FROM jobs a INDEXED BY jobs_queue WHERE a.state = 'queued' AND "
            "(a.priority > j.priority OR (a.priority = j.priority AND a.id < j.id))) "
            "FROM jobs j WHERE j.id = ?1 AND j.state = 'queued'",
            err) < 0)
        return -1;
    store_db_text(&q, id);
    int step = store_db_step(&q, err);
    if (step != 0)
        return step < 0 ? -1 : STORE_NONE;
    *ret_profile = store_db_get_copy(&q, 0);
    *ret_position = store_db_get_int(&q, 1);
    return 0;
}

int store_queue_place(struct store_reader *r, const char *id, int slots, struct queue_place *ret, struct err *err)
{
    AUTO(char_p) char *profile = NULL;
    struct queue_place p = {0};
    double each;
    int found = place(r->db, id, &p.position, &profile, err);

    if (found != 0)
        return found;
    if (ask(r->db, "SELECT count(*) FROM jobs WHERE state IN ('fetching', 'building', 'linking', 'checking')", NULL,
            &p.running, err) < 0)
        return -1;
    if (median(r->db, profile, &each, err) < 0 || (each < 0 && median(r->db, NULL, &each, err) < 0))
        return -1;
    if (slots < 1)
        slots = 1;
    p.eta_seconds = each < 0 ? -1 : each * (double)((p.position + slots - 1) / slots);
    *ret = p;
    return 0;
}

int store_next_wakeup(struct store_reader *r, int64_t *ret_ms, struct err *err)
{
    int64_t at = 0;

    if (ask(r->db,
            "SELECT coalesce(min(not_before), 0) FROM jobs INDEXED BY jobs_waiting WHERE state = 'queued' AND "
            "not_before > 0",
            NULL, &at, err) < 0)
        return -1;
    *ret_ms = at;
    return 0;
}

/* --- counts --- */

int store_counts(struct store_reader *r, struct store_counts *ret, struct err *err)
{
    AUTO(query) struct store_query q = {0};
    struct store_counts counts = {0};
    int step;

    if (store_db_prepare(&q, r->db, "SELECT state, count(*) FROM jobs GROUP BY state", err) < 0)
        return -1;
    while ((step = store_db_step(&q, err)) == 0) {
        int state = job_state_from_name(store_db_get_text(&q, 0));
        if (state >= 0)
            counts.by_state[state] = store_db_get_int(&q, 1);
    }
    if (step < 0 || ask(r->db, "SELECT coalesce(min(created_at), 0) FROM jobs WHERE state = 'queued'", NULL,
                        &counts.oldest_queued_at, err) < 0)
        return -1;
    *ret = counts;
    return 0;
}

int store_totals(struct store_reader *r, cJSON **ret, struct err *err)
{
    AUTO(query) struct store_query q = {0};
    AUTO(json) cJSON *rows = cJSON_CreateArray();
    int step;

    if (store_db_prepare(&q, r->db,
                         "SELECT profile, state, nullif(error_kind, ''), count, seconds FROM totals "
                         "ORDER BY profile, state, error_kind",
                         err) < 0)
        return -1;
    while ((step = store_db_step(&q, err)) == 0) {
        cJSON *row = cJSON_CreateObject();
        json_put_str(row, "profile", store_db_get_text(&q, 0));
        json_put_str(row, "state", store_db_get_text(&q, 1));
        json_put_str(row, "error_kind", store_db_get_text(&q, 2));
        json_put_int(row, "count", store_db_get_int(&q, 3));
        cJSON_AddNumberToObject(row, "seconds", store_db_get_real(&q, 4));
        cJSON_AddItemToArray(rows, row);
    }
    if (step < 0)
        return -1;
    *ret = STEAL(rows);
    return 0;
}

/* --- references --- */

int store_source(struct store_reader *r, const char *sha256, int64_t *ret_size, struct err *err)
{
    return ask(r->db, "SELECT size FROM sources WHERE sha256 = ?1", sha256, ret_size, err);
}

int store_referenced(struct store_reader *r, const char *sha256, bool *ret, struct err *err)
{
    int64_t there;

    if (ask(r->db,
            "SELECT EXISTS (SELECT 1 FROM sources WHERE sha256 = ?1) OR "
            "EXISTS (SELECT 1 FROM artifacts WHERE sha256 = ?1) OR "
            "EXISTS (SELECT 1 FROM replays WHERE lock_sha256 = ?1) OR "
            "EXISTS (SELECT 1 FROM replays WHERE mounts_sha256 = ?1) OR "
            "EXISTS (SELECT 1 FROM documents WHERE sha256 = ?1)",
            sha256, &there, err) < 0)
        return -1;
    *ret = there != 0;
    return 0;
}
