/*
 * store_run.c - a running attempt: its state, what becomes known, its end.
 *
 * The functions named *_work run on the writer thread, inside the request's
 * savepoint. Every change names (id, attempt) and touches a row only while
 * that attempt is the running one; no row is STORE_STALE.
 */
#include "schema/store_priv.h"

#include "base/mem.h"

#define HINT_MAX 2048
#define LOG_EXCERPT_MAX (16 * 1024)
#define WARNING_MAX 1024
#define WARNINGS_MAX 200
#define DIAGNOSTIC_MAX 4096

#define THIS_RUN "id = ?1 AND attempt = ?2 AND state IN ('fetching', 'building', 'linking', 'checking')"

static int start(struct store_query *q, struct store_db *db, const char *sql, const char *id, int attempt,
                 struct err *err)
{
    if (store_db_prepare(q, db, sql, err) < 0)
        return -1;
    store_db_text(q, id);
    store_db_int(q, attempt);
    return 0;
}

/* Run an UPDATE of THIS_RUN. */
static int change(struct store_query *q, struct err *err)
{
    if (store_db_run(q, err) < 0)
        return -1;
    return store_db_changes(q->db) == 0 ? STORE_STALE : 0;
}

/* --- on its way --- */

static int state_work(struct store_db *db, struct store_request *r, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (start(&q, db, "UPDATE jobs SET state = ?3 WHERE " THIS_RUN, r->run.id, r->run.attempt, err) < 0)
        return -1;
    store_db_text(&q, job_state_name(r->run.state));
    return change(&q, err);
}

int store_set_state(struct store *s, const char *id, int attempt, enum job_state state, struct err *err)
{
    struct store_request r = {.work = state_work, .run = {.id = id, .attempt = attempt, .state = state}};

    if (state == JOB_QUEUED || job_finished(state))
        return err_set(err, ERR_INTERNAL, "a running job does not become %s by store_set_state", job_state_name(state));
    return store_writer_submit(s, &r, err);
}

static int put_packages(struct store_db *db, const char *id, const cJSON *packages, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    /* A second attempt may have resolved otherwise. */
    if (store_db_prepare(&q, db, "INSERT OR REPLACE INTO packages (job_id, list) VALUES (?1, ?2)", err) < 0)
        return -1;
    store_db_text(&q, id);
    store_db_json(&q, packages);
    return store_db_run(&q, err);
}

static int facts_work(struct store_db *db, struct store_request *r, struct err *err)
{
    static const struct job_toolchain unknown;
    const struct job_facts *f = r->run.facts;
    const struct job_toolchain *t = f->toolchain ? f->toolchain : &unknown;
    AUTO(query) struct store_query q = {0};

    if (start(&q, db,
              "UPDATE jobs SET crate_name = coalesce(?3, crate_name), crate_version = coalesce(?4, crate_version), "
              "lock = coalesce(?5, lock), toolchain_name = coalesce(?6, toolchain_name), "
              "toolchain_rustc = coalesce(?7, toolchain_rustc), toolchain_image = coalesce(?8, toolchain_image), "
              "toolchain_origin = coalesce(?9, toolchain_origin) WHERE " THIS_RUN,
              r->run.id, r->run.attempt, err) < 0)
        return -1;
    const char *const texts[] = {f->crate_name, f->crate_version, f->lock, t->name, t->rustc, t->image, t->origin};
    for (size_t i = 0; i < COUNT(texts); i++)
        store_db_text(&q, texts[i]);
    int changed = change(&q, err);
    return changed == 0 && f->packages ? put_packages(db, r->run.id, f->packages, err) : changed;
}

int store_set_facts(struct store *s, const char *id, int attempt, const struct job_facts *facts, struct err *err)
{
    struct store_request r = {.work = facts_work, .run = {.id = id, .attempt = attempt, .facts = facts}};

    return store_writer_submit(s, &r, err);
}

/* One row more, unless it is there already (a second attempt warns of the same things); the last that fits says that
 * there were others. */
static int put_warning(struct store_db *db, const char *id, const char *text, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (store_db_prepare(&q, db,
                         "INSERT INTO warnings (job_id, seq, text) "
                         "SELECT ?1, n, iif(n = ?3 - 1, 'more warnings were left out', ?2) "
                         "FROM (SELECT count(*) AS n FROM warnings WHERE job_id = ?1) "
                         "WHERE n < ?3 AND NOT EXISTS (SELECT 1 FROM warnings WHERE job_id = ?1 AND text = ?2)",
                         err) < 0)
        return -1;
    store_db_text(&q, id);
    store_db_clipped(&q, text, WARNING_MAX);
    store_db_int(&q, WARNINGS_MAX);
    return store_db_run(&q, err);
}

static int warning_work(struct store_db *db, struct store_request *r, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (start(&q, db, "SELECT 1 FROM jobs WHERE " THIS_RUN, r->run.id, r->run.attempt, err) < 0)
        return -1;
    int step = store_db_step(&q, err);
    if (step != 0)
        return step < 0 ? -1 : STORE_STALE;
    return put_warning(db, r->run.id, r->run.text, err);
}

int store_add_warning(struct store *s, const char *id, int attempt, const char *text, struct err *err)
{
    struct store_request r = {.work = warning_work, .run = {.id = id, .attempt = attempt, .text = text}};

    return store_writer_submit(s, &r, err);
}

/* --- its end --- */

int store_run_count(struct store_db *db, const char *id, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (store_db_prepare(&q, db,
                         "INSERT INTO totals (profile, state, error_kind, count, seconds) "
                         "SELECT profile, state, coalesce(error_kind, ''), 1, "
                         "iif(started_at > 0, max(0, finished_at - started_at) / 1000.0, 0.0) FROM jobs WHERE id = ?1 "
                         "ON CONFLICT (profile, state, error_kind) DO UPDATE "
                         "SET count = count + 1, seconds = seconds + excluded.seconds",
                         err) < 0)
        return -1;
    store_db_text(&q, id);
    return store_db_run(&q, err);
}

static int put_phase(struct store_db *db, const char *id, int attempt, const struct job_phase *p, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (start(&q, db,
              "INSERT INTO phases (job_id, seq, attempt, name, seconds, cpu_seconds, peak_memory_bytes, bytes_written) "
              "VALUES (?1, (SELECT count(*) FROM phases WHERE job_id = ?1), ?2, ?3, ?4, ?5, ?6, ?7)",
              id, attempt, err) < 0)
        return -1;
    store_db_text(&q, p->name);
    store_db_real(&q, p->seconds);
    store_db_real(&q, p->cpu_seconds);
    store_db_int(&q, p->peak_memory_bytes);
    store_db_int(&q, p->bytes_written);
    return store_db_run(&q, err);
}

int store_run_keep(struct store_db *db, const char *id, int attempt, const struct job *result, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (store_db_prepare(&q, db,
                         "UPDATE jobs SET cpu_seconds = cpu_seconds + ?2, "
                         "peak_memory_bytes = max(peak_memory_bytes, ?3), bytes_written = bytes_written + ?4 "
                         "WHERE id = ?1",
                         err) < 0)
        return -1;
    store_db_text(&q, id);
    store_db_real(&q, result->cpu_seconds);
    store_db_int(&q, result->peak_memory_bytes);
    store_db_int(&q, result->bytes_written);
    if (store_db_run(&q, err) < 0)
        return -1;
    for (size_t i = 0; i < result->phases_count; i++)
        if (put_phase(db, id, attempt, &result->phases[i], err) < 0)
            return err_wrap(err, "phase %zu", i);
    return 0;
}

static int put_diagnostic(struct store_db *db, const char *id, size_t seq, const struct job_diagnostic *d,
                          struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (store_db_prepare(&q, db,
                         "INSERT INTO diagnostics (job_id, seq, file, line, column, code, text, label, rendered) "
                         "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                         err) < 0)
        return -1;
    store_db_text(&q, id);
    store_db_int(&q, (int64_t)seq);
    store_db_clipped(&q, d->file, DIAGNOSTIC_MAX);
    store_db_int(&q, d->line);
    store_db_int(&q, d->column);
    store_db_clipped(&q, d->code, DIAGNOSTIC_MAX);
    store_db_clipped(&q, d->text ? d->text : "", DIAGNOSTIC_MAX);
    store_db_clipped(&q, d->label, DIAGNOSTIC_MAX);
    store_db_clipped(&q, d->rendered, DIAGNOSTIC_MAX);
    return store_db_run(&q, err);
}

static int put_diagnostics(struct store_db *db, const char *id, const struct job_diagnostics *d, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (!d->known)
        return 0;
    if (store_db_prepare(&q, db,
                         "UPDATE jobs SET errors_count = ?2, warnings_count = ?3, diagnostics_cut = ?4 WHERE id = ?1",
                         err) < 0)
        return -1;
    store_db_text(&q, id);
    store_db_int(&q, d->errors_count);
    store_db_int(&q, d->warnings_count);
    store_db_int(&q, d->cut);
    if (store_db_run(&q, err) < 0)
        return -1;
    for (size_t i = 0; i < d->errors_kept; i++)
        if (put_diagnostic(db, id, i, &d->errors[i], err) < 0)
            return err_wrap(err, "diagnostic %zu", i);
    return 0;
}

static int put_artifact(struct store_db *db, const char *id, size_t seq, const struct artifact *a, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (store_db_prepare(&q, db,
                         "INSERT INTO artifacts (job_id, seq, name, role, kind, size, gzip_size, sha256, metadata, "
                         "contract, trial) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                         err) < 0)
        return -1;
    store_db_text(&q, id);
    store_db_int(&q, (int64_t)seq);
    store_db_text(&q, a->name);
    store_db_text(&q, a->role);
    store_db_text(&q, a->kind);
    store_db_int(&q, a->size);
    store_db_int(&q, a->gzip_size);
    store_db_text(&q, a->sha256);
    store_db_json(&q, a->metadata);
    store_db_json(&q, a->contract);
    store_db_json(&q, a->trial);
    return store_db_run(&q, err);
}

static int put_replay(struct store_db *db, const char *id, const struct job_replay *p, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (store_db_prepare(&q, db,
                         "INSERT INTO replays (job_id, record, lock_sha256, mounts_sha256) VALUES (?1, ?2, ?3, ?4)",
                         err) < 0)
        return -1;
    store_db_text(&q, id);
    store_db_json(&q, p->record);
    store_db_text(&q, p->lock_sha256[0] ? p->lock_sha256 : NULL);
    store_db_text(&q, p->mounts_sha256);
    return store_db_run(&q, err);
}

static int put_document(struct store_db *db, const char *id, const char *name, const struct document *d,
                        struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (!d->sha256[0])
        return 0;
    if (store_db_prepare(&q, db, "INSERT INTO documents (job_id, name, sha256, size) VALUES (?1, ?2, ?3, ?4)", err) < 0)
        return -1;
    store_db_text(&q, id);
    store_db_text(&q, name);
    store_db_text(&q, d->sha256);
    store_db_int(&q, d->size);
    return store_db_run(&q, err);
}

/* The row's own part of the end. */
static int close_run(struct store_db *db, const struct store_run_request *run, struct err *err)
{
    const struct job *result = run->result;
    const struct job_error *e = &result->error;
    AUTO(query) struct store_query q = {0};
    enum err_kind kind = e->kind;

    /* The API says: an end that is no success has an error. */
    if (kind == ERR_NONE && result->state != JOB_SUCCEEDED)
        kind = result->state == JOB_CANCELED ? ERR_CANCELED : ERR_INTERNAL;
    bool failed = result->state != JOB_SUCCEEDED;
    if (start(&q, db,
              "UPDATE jobs SET state = ?3, finished_at = ?4, error_kind = ?5, error_message = ?6, error_hint = ?7, "
              "error_log_excerpt = ?8, verification = ?9 WHERE " THIS_RUN,
              run->id, run->attempt, err) < 0)
        return -1;
    store_db_text(&q, job_state_name(result->state));
    store_db_int(&q, clock_now_ms());
    store_db_text(&q, failed ? err_name(kind) : NULL);
    store_db_clipped(&q, failed ? e->message : NULL, STORE_MESSAGE_MAX);
    store_db_clipped(&q, failed ? e->hint : NULL, HINT_MAX);
    store_db_clipped(&q, failed ? e->log_excerpt : NULL, LOG_EXCERPT_MAX);
    store_db_json(&q, failed ? NULL : result->verification);
    return change(&q, err);
}

static int finish_work(struct store_db *db, struct store_request *r, struct err *err)
{
    const struct store_run_request *run = &r->run;
    const struct job *result = run->result;
    int closed = close_run(db, run, err);

    if (closed != 0)
        return closed;
    if (store_run_keep(db, run->id, run->attempt, result, err) < 0)
        return -1;
    for (size_t i = 0; i < result->warnings_count; i++)
        if (put_warning(db, run->id, result->warnings[i], err) < 0)
            return err_wrap(err, "warning %zu", i);
    if (put_diagnostics(db, run->id, &result->diagnostics, err) < 0)
        return -1;
    for (size_t i = 0; i < result->artifacts_count; i++)
        if (put_artifact(db, run->id, i, &result->artifacts[i], err) < 0)
            return err_wrap(err, "artifact %zu", i);
    if (result->state == JOB_SUCCEEDED && result->replay.record && put_replay(db, run->id, &result->replay, err) < 0)
        return err_wrap(err, "the replay");
    if (put_document(db, run->id, "provenance", &result->provenance, err) < 0 ||
        put_document(db, run->id, "sbom", &result->sbom, err) < 0)
        return err_wrap(err, "documents");
    return store_run_count(db, run->id, err);
}

int store_finish(struct store *s, const char *id, int attempt, const struct job *result, struct err *err)
{
    struct store_request r = {.work = finish_work, .run = {.id = id, .attempt = attempt, .result = result}};

    if (!job_finished(result->state))
        return err_set(err, ERR_INTERNAL, "%s is not the end of a job", job_state_name(result->state));
    return store_writer_submit(s, &r, err);
}
