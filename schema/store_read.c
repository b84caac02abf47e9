/*
 * store_read.c - reading jobs: one, and lists of them.
 *
 * On a reader's own connection, or on the writer's inside its transaction. A
 * job comes from several tables: a read holds one snapshot over all of them.
 */
#include "schema/store_priv.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define LIST_MAX 1000

/* In the order in which take_row reads them. */
#define COLUMNS                                                                                                        \
    "j.id, j.group_id, j.state, j.profile, j.options, j.crate_name, j.crate_version, j.source_sha256, "                \
    "(SELECT size FROM sources s WHERE s.sha256 = j.source_sha256), j.lock, j.submitted_by, j.retry_of, j.priority, "  \
    "j.created_at, j.started_at, j.finished_at, j.not_before, j.attempt, j.uncounted_attempts, j.cancel_requested, "   \
    "j.wait_reason, j.toolchain_name, j.toolchain_rustc, j.toolchain_image, j.toolchain_origin, j.cpu_seconds, "       \
    "j.peak_memory_bytes, j.bytes_written, j.error_kind, j.error_message, j.error_hint, j.error_log_excerpt, "         \
    "j.warnings_count IS NOT NULL, j.errors_count, j.warnings_count, j.diagnostics_cut, "                              \
    "j.verification"

static void take_id(struct store_query *q, int column, char *to, size_t size)
{
    const char *s = store_db_get_text(q, column);

    snprintf(to, size, "%s", s ? s : "");
}

static int take_row(struct store_query *q, struct job *j, struct err *err)
{
    int c = 0;

    take_id(q, c++, j->id, sizeof j->id);
    j->group = store_db_get_copy(q, c++);
    j->state = (enum job_state)job_state_from_name(store_db_get_text(q, c++));
    j->profile = store_db_get_copy(q, c++);
    if (store_db_get_json(q, c++, &j->options, err) < 0)
        return -1;
    j->crate_name = store_db_get_copy(q, c++);
    j->crate_version = store_db_get_copy(q, c++);
    take_id(q, c++, j->source_sha256, sizeof j->source_sha256);
    j->source_size = store_db_get_int(q, c++);
    j->lock = store_db_get_copy(q, c++);
    j->submitted_by = store_db_get_copy(q, c++);
    j->retry_of = store_db_get_copy(q, c++);
    j->priority = (int)store_db_get_int(q, c++);
    j->created_at = store_db_get_int(q, c++);
    j->started_at = store_db_get_int(q, c++);
    j->finished_at = store_db_get_int(q, c++);
    j->not_before = store_db_get_int(q, c++);
    j->attempt = (int)store_db_get_int(q, c++);
    j->uncounted_attempts = (int)store_db_get_int(q, c++);
    j->cancel_requested = store_db_get_int(q, c++) != 0;
    j->wait_reason = store_db_get_copy(q, c++);
    j->toolchain.name = store_db_get_copy(q, c++);
    j->toolchain.rustc = store_db_get_copy(q, c++);
    j->toolchain.image = store_db_get_copy(q, c++);
    j->toolchain.origin = store_db_get_copy(q, c++);
    j->cpu_seconds = store_db_get_real(q, c++);
    j->peak_memory_bytes = store_db_get_int(q, c++);
    j->bytes_written = store_db_get_int(q, c++);
    const char *kind = store_db_get_text(q, c++);
    if (kind) {
        enum err_kind known = err_from_name(kind);
        j->error.kind = known == ERR_NONE ? ERR_INTERNAL : known;
    }
    j->error.message = store_db_get_copy(q, c++);
    j->error.hint = store_db_get_copy(q, c++);
    j->error.log_excerpt = store_db_get_copy(q, c++);
    j->diagnostics.known = store_db_get_int(q, c++) != 0;
    j->diagnostics.errors_count = store_db_get_int(q, c++);
    j->diagnostics.warnings_count = store_db_get_int(q, c++);
    j->diagnostics.cut = store_db_get_int(q, c++) != 0;
    return store_db_get_json(q, c++, &j->verification, err);
}

/* --- what hangs on a job --- */

static int start(struct store_query *q, struct store_db *db, const char *sql, const char *id, struct err *err)
{
    if (store_db_prepare(q, db, sql, err) < 0)
        return -1;
    store_db_text(q, id);
    return 0;
}

static int take_labels(struct store_db *db, struct job *j, struct err *err)
{
    AUTO(query) struct store_query q = {0};
    int step;

    if (start(&q, db, "SELECT key, value FROM job_labels WHERE job_id = ?1 ORDER BY key", j->id, err) < 0)
        return -1;
    j->labels = cJSON_CreateObject();
    while ((step = store_db_step(&q, err)) == 0)
        json_put_str(j->labels, store_db_get_text(&q, 0), store_db_get_text(&q, 1));
    return step < 0 ? -1 : 0;
}

static int take_phases(struct store_db *db, struct job *j, struct err *err)
{
    AUTO(query) struct store_query q = {0};
    int step;

    if (start(&q, db,
              "SELECT name, attempt, seconds, cpu_seconds, peak_memory_bytes, bytes_written FROM phases "
              "WHERE job_id = ?1 ORDER BY seq",
              j->id, err) < 0)
        return -1;
    while ((step = store_db_step(&q, err)) == 0) {
        j->phases = mem_resize(j->phases, (j->phases_count + 1) * sizeof *j->phases);
        j->phases[j->phases_count++] = (struct job_phase){
            .name = store_db_get_copy(&q, 0),
            .attempt = (int)store_db_get_int(&q, 1),
            .seconds = store_db_get_real(&q, 2),
            .cpu_seconds = store_db_get_real(&q, 3),
            .peak_memory_bytes = store_db_get_int(&q, 4),
            .bytes_written = store_db_get_int(&q, 5),
        };
    }
    return step < 0 ? -1 : 0;
}

static int take_warnings(struct store_db *db, struct job *j, struct err *err)
{
    AUTO(query) struct store_query q = {0};
    int step;

    if (start(&q, db, "SELECT text FROM warnings WHERE job_id = ?1 ORDER BY seq", j->id, err) < 0)
        return -1;
    while ((step = store_db_step(&q, err)) == 0) {
        j->warnings = mem_resize(j->warnings, (j->warnings_count + 1) * sizeof *j->warnings);
        j->warnings[j->warnings_count++] = store_db_get_copy(&q, 0);
    }
    return step < 0 ? -1 : 0;
}

static int take_diagnostics(struct store_db *db, bool whole, struct job *j, struct err *err)
{
    static const char all[] = "SELECT file, line, column, code, text, label, rendered FROM diagnostics "
                              "WHERE job_id = ?1 ORDER BY seq";
    static const char brief[] = "SELECT file, line, column, code, text, label, NULL FROM diagnostics "
                                "WHERE job_id = ?1 ORDER BY seq";
    struct job_diagnostics *d = &j->diagnostics;
    AUTO(query) struct store_query q = {0};
    int step;

    if (start(&q, db, whole ? all : brief, j->id, err) < 0)
        return -1;
    while ((step = store_db_step(&q, err)) == 0) {
        d->errors = mem_resize(d->errors, (d->errors_kept + 1) * sizeof *d->errors);
        d->errors[d->errors_kept++] = (struct job_diagnostic){
            .file = store_db_get_copy(&q, 0),
            .line = store_db_get_int(&q, 1),
            .column = store_db_get_int(&q, 2),
            .code = store_db_get_copy(&q, 3),
            .text = store_db_get_copy(&q, 4),
            .label = store_db_get_copy(&q, 5),
            .rendered = store_db_get_copy(&q, 6),
        };
    }
    return step < 0 ? -1 : 0;
}

static int take_artifacts(struct store_db *db, bool whole, struct job *j, struct err *err)
{
    static const char all[] = "SELECT name, role, kind, size, gzip_size, sha256, metadata, contract, trial "
                              "FROM artifacts WHERE job_id = ?1 ORDER BY role <> 'primary', seq";
    static const char brief[] = "SELECT name, role, kind, size, gzip_size, sha256 "
                                "FROM artifacts WHERE job_id = ?1 ORDER BY role <> 'primary', seq";
    AUTO(query) struct store_query q = {0};
    int step;

    if (start(&q, db, whole ? all : brief, j->id, err) < 0)
        return -1;
    while ((step = store_db_step(&q, err)) == 0) {
        j->artifacts = mem_resize(j->artifacts, (j->artifacts_count + 1) * sizeof *j->artifacts);
        struct artifact *a = &j->artifacts[j->artifacts_count++];
        *a = (struct artifact){
            .name = store_db_get_copy(&q, 0),
            .role = store_db_get_copy(&q, 1),
            .kind = store_db_get_copy(&q, 2),
            .size = store_db_get_int(&q, 3),
            .gzip_size = store_db_get_int(&q, 4),
        };
        take_id(&q, 5, a->sha256, sizeof a->sha256);
        if (whole && (store_db_get_json(&q, 6, &a->metadata, err) < 0 ||
                      store_db_get_json(&q, 7, &a->contract, err) < 0 || store_db_get_json(&q, 8, &a->trial, err) < 0))
            return -1;
    }
    return step < 0 ? -1 : 0;
}

static int take_documents(struct store_db *db, struct job *j, struct err *err)
{
    AUTO(query) struct store_query q = {0};
    int step;

    if (start(&q, db, "SELECT name, sha256, size FROM documents WHERE job_id = ?1", j->id, err) < 0)
        return -1;
    while ((step = store_db_step(&q, err)) == 0) {
        struct document *d = strcmp(store_db_get_text(&q, 0), "sbom") == 0 ? &j->sbom : &j->provenance;
        take_id(&q, 1, d->sha256, sizeof d->sha256);
        d->size = store_db_get_int(&q, 2);
    }
    return step < 0 ? -1 : 0;
}

static int take_job(struct store_query *q, bool whole, struct job **ret, struct err *err)
{
    AUTO(job) struct job *j = mem_alloc(sizeof *j);

    if (take_row(q, j, err) < 0 || take_labels(q->db, j, err) < 0 || take_phases(q->db, j, err) < 0 ||
        take_warnings(q->db, j, err) < 0 || take_diagnostics(q->db, whole, j, err) < 0 ||
        take_artifacts(q->db, whole, j, err) < 0 || take_documents(q->db, j, err) < 0)
        return err_wrap(err, "job %s", j->id);
    *ret = STEAL(j);
    return 0;
}

int store_read_job(struct store_db *db, const char *id, struct job **ret, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (start(&q, db, "SELECT " COLUMNS " FROM jobs j WHERE j.id = ?1", id, err) < 0)
        return -1;
    int step = store_db_step(&q, err);
    if (step != 0)
        return step < 0 ? -1 : STORE_NONE;
    return take_job(&q, true, ret, err);
}

int store_get(struct store_reader *r, const char *id, struct job **ret, struct err *err)
{
    if (store_db_run_sql(r->db, "BEGIN", err) < 0)
        return -1;
    int found = store_read_job(r->db, id, ret, err);
    store_db_run_sql(r->db, "COMMIT", NULL);
    return found;
}

int store_packages(struct store_reader *r, const char *id, cJSON **ret, struct err *err)
{
    AUTO(query) struct store_query q = {0};

    if (start(&q, r->db, "SELECT list FROM packages WHERE job_id = ?1", id, err) < 0)
        return -1;
    int step = store_db_step(&q, err);
    if (step != 0)
        return step < 0 ? -1 : STORE_NONE;
    return store_db_get_json(&q, 0, ret, err);
}

int store_replay(struct store_reader *r, const char *id, struct job_replay *ret, struct err *err)
{
    AUTO(query) struct store_query q = {0};
    struct job_replay found = {0};

    if (start(&q, r->db, "SELECT record, lock_sha256, mounts_sha256 FROM replays WHERE job_id = ?1", id, err) < 0)
        return -1;
    int step = store_db_step(&q, err);
    if (step != 0)
        return step < 0 ? -1 : STORE_NONE;
    if (store_db_get_json(&q, 0, &found.record, err) < 0)
        return -1;
    take_id(&q, 1, found.lock_sha256, sizeof found.lock_sha256);
    take_id(&q, 2, found.mounts_sha256, sizeof found.mounts_sha256);
    *ret = found;
    return 0;
}

/* --- lists --- */

/* Where a list begins, and the column that gives its order, newest first. Of equal artifacts of a job one counts. */
static const char *list_from(const struct job_filter *f, const char **ret_id)
{
    if (f->labels && f->labels[0]) {
        *ret_id = "l.job_id";
        return "job_labels l CROSS JOIN jobs j ON j.id = l.job_id WHERE l.key = ? AND l.value = ?";
    }
    if (f->sha256) {
        *ret_id = "a.job_id";
        return "artifacts a CROSS JOIN jobs j ON j.id = a.job_id WHERE a.sha256 = ? AND NOT EXISTS "
               "(SELECT 1 FROM artifacts b WHERE b.sha256 = a.sha256 AND b.job_id = a.job_id AND b.seq < a.seq)";
    }
    *ret_id = "j.id";
    return "jobs j WHERE true";
}

/* One statement for each shape of filter. */
static int list_query(struct store_query *q, struct store_db *db, const struct job_filter *f, int limit,
                      struct err *err)
{
    const char *const *labels = f->labels && f->labels[0] ? f->labels : NULL;
    const char *id, *from = list_from(f, &id);
    AUTO(buf) struct buf sql = {0};

    buf_printf(&sql, "SELECT " COLUMNS " FROM %s", from);
    for (size_t i = 1; labels && labels[i]; i++)
        buf_puts(&sql, " AND EXISTS (SELECT 1 FROM job_labels m WHERE m.key = ? AND m.value = ? AND m.job_id = j.id)");
    if (f->before_id)
        buf_printf(&sql, " AND %s < ?", id);
    if (f->state >= 0)
        buf_puts(&sql, " AND j.state = ?");
    if (f->profile)
        buf_puts(&sql, " AND j.profile = ?");
    if (f->crate)
        buf_puts(&sql, " AND j.crate_name = ?");
    if (f->group)
        buf_puts(&sql, " AND j.group_id = ?");
    buf_printf(&sql, " ORDER BY %s DESC LIMIT ?", id);
    if (store_db_prepare(q, db, sql.p, err) < 0)
        return -1;

    for (size_t i = 0; labels && labels[i]; i++) {
        const char *equals = strchr(labels[i], '=');
        if (!equals)
            return err_set(err, ERR_BAD_REQUEST, "a label filter is KEY=VALUE");
        AUTO(char_p) char *key = mem_strndup(labels[i], (size_t)(equals - labels[i]));
        store_db_text(q, key);
        store_db_text(q, equals + 1);
    }
    if (f->sha256 && !labels)
        store_db_text(q, f->sha256);
    if (f->before_id)
        store_db_text(q, f->before_id);
    if (f->state >= 0)
        store_db_text(q, job_state_name((enum job_state)f->state));
    if (f->profile)
        store_db_text(q, f->profile);
    if (f->crate)
        store_db_text(q, f->crate);
    if (f->group)
        store_db_text(q, f->group);
    store_db_int(q, limit + 1);
    return 0;
}

static int list(struct store_db *db, const struct job_filter *f, struct job ***ret, size_t *ret_count, bool *ret_more,
                struct err *err)
{
    int limit = f->limit < 1 ? 1 : f->limit > LIST_MAX ? LIST_MAX : f->limit;
    AUTO(query) struct store_query q = {0};
    size_t count = 0;
    int step;

    if (list_query(&q, db, f, limit, err) < 0)
        return -1;
    struct job **jobs = mem_alloc((size_t)limit * sizeof *jobs);
    while ((step = store_db_step(&q, err)) == 0 && count < (size_t)limit) {
        if (take_job(&q, false, &jobs[count], err) < 0) {
            step = -1;
            break;
        }
        count++;
    }
    if (step < 0) {
        store_list_free(jobs, count);
        return -1;
    }
    *ret = jobs;
    *ret_count = count;
    *ret_more = step == 0;
    return 0;
}

int store_list(struct store_reader *r, const struct job_filter *f, struct job ***ret, size_t *ret_count, bool *ret_more,
               struct err *err)
{
    if (store_db_run_sql(r->db, "BEGIN", err) < 0)
        return -1;
    int done = list(r->db, f, ret, ret_count, ret_more, err);
    store_db_run_sql(r->db, "COMMIT", NULL);
    return done;
}

int store_group(struct store_reader *r, const char *group_id, struct job ***ret, size_t *ret_count, struct err *err)
{
    const struct job_filter f = {.state = -1, .group = group_id, .limit = LIST_MAX};
    struct job **jobs = NULL;
    size_t count = 0;
    bool more;

    if (store_list(r, &f, &jobs, &count, &more, err) < 0)
        return -1;
    if (count == 0) {
        store_list_free(jobs, 0);
        return STORE_NONE;
    }
    for (size_t i = 0; i < count / 2; i++) { /* ids grow: the newest one was the last of its request */
        struct job *swap = jobs[i];
        jobs[i] = jobs[count - 1 - i];
        jobs[count - 1 - i] = swap;
    }
    *ret = jobs;
    *ret_count = count;
    return 0;
}

void store_list_free(struct job **jobs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        job_free(jobs[i]);
    mem_free(jobs);
}
