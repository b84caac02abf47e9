/*
 * store_queue.c - jobs that wait: accepting, claiming, putting back, canceling.
 *
 * The functions named *_work run on the writer thread, inside the request's
 * savepoint; the public ones fill a request and wait.
 */
#include "schema/store_priv.h"

#include "base/buf.h"
#include "base/mem.h"

#include <string.h>

#define IDEMPOTENCY_WINDOW_MS (24 * INT64_C(3600000))

#define RUNNING "state IN ('fetching', 'building', 'linking', 'checking')"

/* --- accepting --- */

/* STORE_REPLAY, STORE_MISMATCH, or 0 if the key is new, or too old to count. */
static int find_key(struct store_db *db, struct store_add_request *a, int64_t now, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (store_db_prepare(&q, db,
                         "SELECT fingerprint, ids, group_id FROM idempotency_keys WHERE key = ?1 AND created_at > ?2",
                         err) < 0)
        return -1;
    store_db_text(&q, a->idem->key);
    store_db_int(&q, now - IDEMPOTENCY_WINDOW_MS);
    int r = store_db_step(&q, err);
    if (r != 0)
        return r < 0 ? -1 : 0;
    if (strcmp(store_db_get_text(&q, 0), a->idem->fingerprint) != 0)
        return STORE_MISMATCH;
    a->ids = store_db_get_copy(&q, 1);
    a->group = store_db_get_copy(&q, 2);
    return STORE_REPLAY;
}

static int keep_key(struct store_db *db, const struct store_add_request *a, int64_t now, struct err *err)
{
    AUTO(query) struct store_query q = {0};
    AUTO(buf) struct buf ids = {0};

    for (size_t i = 0; i < a->count; i++)
        buf_printf(&ids, "%s%s", i ? "," : "", a->jobs[i].id);
    if (store_db_prepare(&q, db,
                         "INSERT OR REPLACE INTO idempotency_keys (key, fingerprint, ids, group_id, created_at) "
                         "VALUES (?1, ?2, ?3, ?4, ?5)",
                         err) < 0)
        return -1;
    store_db_text(&q, a->idem->key);
    store_db_text(&q, a->idem->fingerprint);
    store_db_text(&q, ids.p);
    store_db_text(&q, a->group_id);
    store_db_int(&q, now);
    return store_db_run(&q, err);
}

static int check_room(struct store_db *db, const struct store_add_request *a, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (store_db_prepare(&q, db, "SELECT count(*) FROM jobs INDEXED BY jobs_queue WHERE state = 'queued'", err) < 0 ||
        store_db_step(&q, err) < 0)
        return -1;
    return store_db_get_int(&q, 0) + (int64_t)a->count > a->max_queue ? STORE_QUEUE_FULL : 0;
}

static int add_source(struct store_db *db, const struct job_new *j, int64_t now, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (store_db_prepare(&q, db,
                         "INSERT INTO sources (sha256, size, created_at) VALUES (?1, ?2, ?3) "
                         "ON CONFLICT (sha256) DO NOTHING",
                         err) < 0)
        return -1;
    store_db_text(&q, j->source_sha256);
    store_db_int(&q, j->source_size);
    store_db_int(&q, now);
    return store_db_run(&q, err);
}

static int add_labels(struct store_db *db, const struct job_new *j, struct err *err)
{
    const cJSON *label;

    cJSON_ArrayForEach(label, j->labels)
    {
        AUTO(query) struct store_query q = {0};
        if (!label->string || !cJSON_IsString(label))
            return err_set(err, ERR_INTERNAL, "a label that is not a text");
        if (store_db_prepare(&q, db, "INSERT INTO job_labels (key, value, job_id) VALUES (?1, ?2, ?3)", err) < 0)
            return -1;
        store_db_text(&q, label->string);
        store_db_text(&q, label->valuestring);
        store_db_text(&q, j->id);
        if (store_db_run(&q, err) < 0)
            return -1;
    }
    return 0;
}

static int add_job(struct store_db *db, const struct job_new *j, const char *group_id, int64_t now, struct err *err)
{
    AUTO(json) cJSON *none = j->options ? NULL : cJSON_CreateObject();
    AUTO(query) struct store_query q = {0};

    if (add_source(db, j, now, err) < 0)
        return -1;
    if (store_db_prepare(&q, db,
                         "INSERT INTO jobs (id, group_id, state, profile, options, source_sha256, submitted_by, "
                         "retry_of, priority, created_at) VALUES (?1, ?2, 'queued', ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                         err) < 0)
        return -1;
    store_db_text(&q, j->id);
    store_db_text(&q, group_id);
    store_db_text(&q, j->profile);
    store_db_json(&q, j->options ? j->options : none);
    store_db_text(&q, j->source_sha256);
    store_db_text(&q, j->submitted_by ? j->submitted_by : "");
    store_db_text(&q, j->retry_of);
    store_db_int(&q, j->priority);
    store_db_int(&q, now);
    return store_db_run(&q, err) < 0 ? -1 : add_labels(db, j, err);
}

static int add_work(struct store_db *db, struct store_request *r, struct err *err)
{
    struct store_add_request *a = &r->add;
    bool keyed = a->idem && a->idem->key;
    int64_t now = clock_now_ms();
    int found;

    /* A repeated request finds its jobs even when the queue is full by now. */
    if (keyed && (found = find_key(db, a, now, err)) != 0)
        return found;
    if ((found = check_room(db, a, err)) != 0)
        return found;
    for (size_t i = 0; i < a->count; i++)
        if (add_job(db, &a->jobs[i], a->group_id, now, err) < 0)
            return err_wrap(err, "job %s", a->jobs[i].id);
    return keyed ? keep_key(db, a, now, err) : 0;
}

int store_add(struct store *s, const struct job_new *jobs, size_t count, const char *group_id,
              const struct idempotency *idem, int64_t max_queue, char **ret_ids, char **ret_group, struct err *err)
{
    struct store_request r = {
        .work = add_work,
        .add = {.jobs = jobs, .count = count, .group_id = group_id, .idem = idem, .max_queue = max_queue}};
    int outcome = store_writer_submit(s, &r, err);
    AUTO(char_p) char *ids = r.add.ids;
    AUTO(char_p) char *group = r.add.group;

    if (outcome == STORE_REPLAY) {
        if (ret_ids)
            *ret_ids = STEAL(ids);
        if (ret_group)
            *ret_group = STEAL(group);
    }
    return outcome;
}

/* --- claiming --- */

static int claim_work(struct store_db *db, struct store_request *r, struct err *err)
{
    AUTO(query) struct store_query q = {0};
    AUTO(char_p) char *id = NULL;

    if (store_db_prepare(&q, db,
                         "UPDATE jobs SET state = 'fetching', attempt = attempt + 1, started_at = ?1, not_before = 0, "
                         "wait_reason = NULL WHERE id = (SELECT id FROM jobs INDEXED BY jobs_queue "
                         "WHERE state = 'queued' AND "
                         "not_before <= ?1 ORDER BY priority DESC, id LIMIT 1) RETURNING id",
                         err) < 0)
        return -1;
    store_db_int(&q, clock_now_ms());
    int step = store_db_step(&q, err);
    if (step != 0)
        return step < 0 ? -1 : STORE_NONE;
    id = store_db_get_copy(&q, 0);
    if (store_db_run(&q, err) < 0)
        return -1;
    return store_read_job(db, id, &r->claim.job, err);
}

int store_claim(struct store *s, struct job **ret, struct err *err)
{
    struct store_request r = {.work = claim_work};
    int outcome = store_writer_submit(s, &r, err);

    if (outcome == 0)
        *ret = r.claim.job;
    else
        job_free(r.claim.job);
    return outcome;
}

/* --- putting back --- */

static int requeue_work(struct store_db *db, struct store_request *r, struct err *err)
{
    const struct store_run_request *run = &r->run;
    AUTO(query) struct store_query q = {0};
    int64_t now = clock_now_ms();

    if (store_db_prepare(&q, db,
                         "UPDATE jobs SET "
                         "state = iif(cancel_requested, 'canceled', 'queued'), "
                         "finished_at = iif(cancel_requested, ?3, 0), "
                         "error_kind = iif(cancel_requested, 'canceled', NULL), "
                         "error_message = iif(cancel_requested, 'canceled while it ran', NULL), "
                         "started_at = iif(cancel_requested, started_at, 0), "
                         "not_before = iif(cancel_requested, 0, ?4), "
                         "wait_reason = iif(cancel_requested, NULL, ?5), "
                         "uncounted_attempts = uncounted_attempts + ?6 "
                         "WHERE id = ?1 AND attempt = ?2 AND " RUNNING " RETURNING cancel_requested",
                         err) < 0)
        return -1;
    store_db_text(&q, run->id);
    store_db_int(&q, run->attempt);
    store_db_int(&q, now);
    store_db_int(&q, run->not_before);
    store_db_clipped(&q, run->text, STORE_MESSAGE_MAX);
    store_db_int(&q, !run->count_attempt);
    int step = store_db_step(&q, err);
    if (step != 0)
        return step < 0 ? -1 : STORE_STALE;
    bool canceled = store_db_get_int(&q, 0) != 0;
    if (store_db_run(&q, err) < 0)
        return -1;
    if (run->result && store_run_keep(db, run->id, run->attempt, run->result, err) < 0)
        return -1;
    return canceled ? store_run_count(db, run->id, err) : 0;
}

int store_requeue(struct store *s, const char *id, int attempt, const char *reason, int64_t not_before,
                  bool count_attempt, const struct job *result, struct err *err)
{
    struct store_request r = {.work = requeue_work,
                              .run = {.id = id,
                                      .attempt = attempt,
                                      .text = reason,
                                      .not_before = not_before,
                                      .count_attempt = count_attempt,
                                      .result = result}};

    return store_writer_submit(s, &r, err);
}

/* --- after a death of the daemon --- */

static int cancel_running(struct store_db *db, struct err *err)
{
    AUTO(query) struct store_query q = {0};
    int step;

    if (store_db_prepare(&q, db,
                         "UPDATE jobs SET state = 'canceled', finished_at = ?1, error_kind = 'canceled', "
                         "error_message = 'canceled while it ran' WHERE cancel_requested AND " RUNNING " RETURNING id",
                         err) < 0)
        return -1;
    store_db_int(&q, clock_now_ms());
    /* All rows are changed before the first one is returned. */
    while ((step = store_db_step(&q, err)) == 0)
        if (store_run_count(db, store_db_get_text(&q, 0), err) < 0)
            return -1;
    return step < 0 ? -1 : 0;
}

static int recover_work(struct store_db *db, struct store_request *r, struct err *err)
{
    if (cancel_running(db, err) < 0)
        return -1;
    if (store_db_run_sql(db,
                         "UPDATE jobs SET state = 'queued', started_at = 0, not_before = 0, "
                         "wait_reason = 'the server was started again', "
                         "uncounted_attempts = uncounted_attempts + 1 WHERE " RUNNING,
                         err) < 0)
        return -1;
    r->recover.count = store_db_changes(db);
    return 0;
}

int store_recover(struct store *s, int64_t *ret_count, struct err *err)
{
    struct store_request r = {.work = recover_work};
    int outcome = store_writer_submit(s, &r, err);

    if (outcome == 0 && ret_count)
        *ret_count = r.recover.count;
    return outcome;
}

/* --- canceling --- */

/* The job's state; STORE_NONE. */
static int state_of(struct store_db *db, const char *id, enum job_state *ret, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (store_db_prepare(&q, db, "SELECT state FROM jobs WHERE id = ?1", err) < 0)
        return -1;
    store_db_text(&q, id);
    int step = store_db_step(&q, err);
    if (step != 0)
        return step < 0 ? -1 : STORE_NONE;
    *ret = (enum job_state)job_state_from_name(store_db_get_text(&q, 0));
    return 0;
}

static int cancel_queued(struct store_db *db, const char *id, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (store_db_prepare(&q, db,
                         "UPDATE jobs SET state = 'canceled', finished_at = ?2, cancel_requested = 1, "
                         "wait_reason = NULL, error_kind = 'canceled', error_message = 'canceled while it waited' "
                         "WHERE id = ?1",
                         err) < 0)
        return -1;
    store_db_text(&q, id);
    store_db_int(&q, clock_now_ms());
    return store_db_run(&q, err) < 0 ? -1 : store_run_count(db, id, err);
}

static int cancel_work(struct store_db *db, struct store_request *r, struct err *err)
{
    enum job_state state;
    int found = state_of(db, r->run.id, &state, err);

    if (found != 0)
        return found;
    if (job_finished(state))
        return STORE_FINISHED;
    if (state == JOB_QUEUED)
        return cancel_queued(db, r->run.id, err);

    AUTO(query) struct store_query q = {0};
    if (store_db_prepare(&q, db, "UPDATE jobs SET cancel_requested = 1 WHERE id = ?1", err) < 0)
        return -1;
    store_db_text(&q, r->run.id);
    return store_db_run(&q, err) < 0 ? -1 : STORE_STALE;
}

int store_cancel(struct store *s, const char *id, struct err *err)
{
    struct store_request r = {.work = cancel_work, .run = {.id = id}};

    return store_writer_submit(s, &r, err);
}
