/* jobs.c - see jobs.h. */
#include "daemon/header.h"
#include "daemon/jobs.h"

#include "base/clock.h"
#include "base/http.h"
#include "base/log.h"
#include "daemon/follow.h"
#include "daemon/job_json.h"
#include "daemon/problem.h"
#include "workers/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIST_DEFAULT = 50, LIST_MAX = 200, WAIT_MAX = 300, MAX_LABELS = 32 };

/* Why a queued job does not run yet: the first cause in the order in which they would have to go away. */
static void say_why(struct app *app, const struct job *job, const struct queue_place *place, struct job_queue *q)
{
    struct pool_status status = {0};
    struct image image;
    AUTO(char_p) char *why = NULL;
    int64_t now = clock_now_ms();

    pool_status(app->pool, &status);
    if (app->draining)
        snprintf(q->reason, sizeof q->reason, "the server is shutting down; the job runs after its restart");
    else if (!status.engine_ok)
        snprintf(q->reason, sizeof q->reason, "the job waits for the Docker Engine%s%s",
                 status.engine_error[0] ? ": " : "", status.engine_error);
    else if (!status.reaped)
        snprintf(q->reason, sizeof q->reason, "the server still clears away what an earlier run of it left behind");
    else if (job->not_before > now)
        snprintf(q->reason, sizeof q->reason, "%s%sit is tried again in %lld s",
                 job->wait_reason ? job->wait_reason : "the last attempt failed through the server's fault", "; ",
                 (long long)((job->not_before - now + 999) / 1000));
    else if (pool_profile_available(app->pool, job->profile, &image, &why) != 0)
        snprintf(q->reason, sizeof q->reason, "the image of profile %s is not there: %s", job->profile,
                 why ? why : "it has not been built");
    else if (place->running >= status.slots || place->position > 1)
        snprintf(q->reason, sizeof q->reason, "it waits for a free slot: %lld of %d are taken, %lld jobs are before it",
                 (long long)place->running, status.slots, (long long)(place->position > 0 ? place->position - 1 : 0));
    else
        snprintf(q->reason, sizeof q->reason, "it is about to start");
}

cJSON *jobs_describe(struct app *app, const struct job *job)
{
    struct queue_place place = {.eta_seconds = -1};
    struct job_queue queue = {.eta_seconds = -1};
    struct err err = ERR_INIT;

    if (job->state != JOB_QUEUED)
        return job_json(job, NULL);
    if (store_queue_place(app->reader, job->id, (int)app->config->slots, &place, &err) == 0) {
        queue.position = place.position;
        queue.eta_seconds = place.eta_seconds;
    }
    say_why(app, job, &place, &queue);
    return job_json(job, &queue);
}

bool jobs_load(struct request *r)
{
    struct err err = ERR_INIT;
    struct job *job = NULL;
    int rc = store_get(r->app->reader, r->id, &job, &err);

    if (rc == 0) {
        job_free(r->job);
        r->job = job;
        return true;
    }
    if (rc > 0) {
        err_set(&err, ERR_NOT_FOUND, "there is no job %.32s", r->id);
        err_hint(&err, "jobs are kept for %lld days after they finish; GET /v1/jobs lists those that are here",
                 (long long)r->app->config->limits.keep_days);
    }
    http_fail(r, &err);
    return false;
}

static void answer_job(struct request *r, int status)
{
    struct answer a = ANSWER_INIT;

    answer_json(&a, status, "application/json", jobs_describe(r->app, r->job));
    answer_header(&a, "Content-Location", "/v1/jobs/%s", r->job->id);
    http_answer(r, &a);
}

static void get_ready(struct request *r)
{
    if (jobs_load(r))
        answer_job(r, 200);
}

void jobs_get(struct request *r)
{
    struct err err = ERR_INIT;
    int64_t wait = 0;

    if (query_int(&r->query, "wait", 0, WAIT_MAX, 0, &wait, &err) < 0) {
        http_fail(r, &err);
        return;
    }
    if (!jobs_load(r))
        return;
    if (wait == 0 || job_finished(r->job->state) || r->app->draining)
        answer_job(r, 200);
    else
        follow_wait(r, r->id, wait, get_ready);
}

/* --- the list --- */

static void put_param(struct buf *b, const char *key, const char *value)
{
    AUTO(char_p) char *k = http_escape(key);
    AUTO(char_p) char *v = http_escape(value);

    buf_printf(b, "%s%s=%s", b->len ? "&" : "", k, v);
}

static int read_filter(struct request *r, struct job_filter *f, const char **labels, char **texts, struct err *err)
{
    int64_t limit = 0;
    size_t n = 0;

    if (query_int(&r->query, "limit", 1, LIST_MAX, LIST_DEFAULT, &limit, err) < 0)
        return -1;
    f->limit = (int)limit;
    f->state = -1;
    for (size_t i = 0; i < r->query.count; i++) {
        const char *key = r->query.params[i].key, *value = r->query.params[i].value;
        if (strcmp(key, "state") == 0) {
            f->state = job_state_from_name(value);
            if (f->state < 0) {
                err_set(err, ERR_BAD_REQUEST, "there is no state '%.32s'", value);
                return err_hint(err, "queued, fetching, building, linking, checking, succeeded, failed or canceled");
            }
        } else if (strcmp(key, "profile") == 0) {
            f->profile = value;
        } else if (strcmp(key, "crate") == 0) {
            f->crate = value;
        } else if (strcmp(key, "group") == 0) {
            f->group = value;
        } else if (strcmp(key, "cursor") == 0) {
            if (!ulid_valid(value))
                return err_set(err, ERR_BAD_REQUEST, "cursor is not one that this server gave");
            f->before_id = value;
        } else if (strncmp(key, "label.", 6) == 0) {
            if (n == MAX_LABELS)
                return err_set(err, ERR_BAD_REQUEST, "more than %d labels", MAX_LABELS);
            texts[n] = mem_printf("%s=%s", key + 6, value);
            labels[n] = texts[n];
            n++;
        }
    }
    f->labels = n ? labels : NULL;
    return 0;
}

/* A page, added to what `o` says; takes both. */
static void send_list(struct request *r, cJSON *o, struct job **jobs, size_t count, bool more)
{
    struct answer a = ANSWER_INIT;
    cJSON *list = cJSON_AddArrayToObject(o, "jobs");

    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, jobs_describe(r->app, jobs[i]));
    json_put_str(o, "next", more && count ? jobs[count - 1]->id : NULL);
    answer_json(&a, 200, "application/json", o);
    if (more && count) {
        AUTO(buf) struct buf q = {0};
        for (size_t i = 0; i < r->query.count; i++)
            if (strcmp(r->query.params[i].key, "cursor") != 0)
                put_param(&q, r->query.params[i].key, r->query.params[i].value);
        put_param(&q, "cursor", jobs[count - 1]->id);
        answer_header(&a, "Link", "<%s?%s>; rel=\"next\"", r->path, q.p);
    }
    store_list_free(jobs, count);
    http_answer(r, &a);
}

void jobs_list(struct request *r)
{
    const char *labels[MAX_LABELS + 1] = {NULL};
    char *texts[MAX_LABELS + 1] = {NULL};
    struct job_filter f = {0};
    struct job **jobs = NULL;
    size_t count = 0;
    bool more = false;
    struct err err = ERR_INIT;

    if (read_filter(r, &f, labels, texts, &err) < 0 || store_list(r->app->reader, &f, &jobs, &count, &more, &err) < 0)
        http_fail(r, &err);
    else
        send_list(r, cJSON_CreateObject(), jobs, count, more);
    for (size_t i = 0; texts[i]; i++)
        mem_free(texts[i]);
}

/* Of an artifact of a job that made it. */
static int64_t size_of(const struct job *j, const char *sha256)
{
    for (size_t i = 0; i < j->artifacts_count; i++)
        if (strcmp(j->artifacts[i].sha256, sha256) == 0)
            return j->artifacts[i].size;
    return -1;
}

static int find_makers(struct request *r, struct job ***ret, size_t *ret_count, bool *ret_more, struct err *err)
{
    struct job_filter f = {0};
    bool known;

    if (!hash_valid(r->name)) {
        err_set(err, ERR_BAD_REQUEST, "'%.80s' is no digest of an artifact", r->name);
        return err_hint(err, "the sha256 of its bytes: 64 digits, 0 to 9 and a to f");
    }
    /* The route takes no labels. */
    if (read_filter(r, &f, NULL, NULL, err) < 0 || store_referenced(r->app->reader, r->name, &known, err) < 0)
        return -1;
    f.sha256 = r->name;
    if (store_list(r->app->reader, &f, ret, ret_count, ret_more, err) < 0)
        return -1;
    if (*ret_count > 0 || (known && f.before_id))
        return 0;
    store_list_free(*ret, *ret_count);
    err_set(err, ERR_NOT_FOUND, "no job that is kept here made these bytes");
    return err_hint(err, "jobs and their artifacts are kept for %lld days after they finish",
                    (long long)r->app->config->limits.keep_days);
}

void jobs_made(struct request *r)
{
    struct job **jobs = NULL;
    size_t count = 0;
    bool more = false;
    struct err err = ERR_INIT;

    if (find_makers(r, &jobs, &count, &more, &err) < 0) {
        http_fail(r, &err);
        return;
    }
    cJSON *o = cJSON_CreateObject();
    json_put_str(o, "sha256", r->name);
    if (count > 0)
        json_put_int(o, "size", size_of(jobs[0], r->name));
    else
        cJSON_AddNullToObject(o, "size"); /* a page beyond the last one */
    send_list(r, o, jobs, count, more);
}

/* --- cancel --- */

static void cancel_work(struct request *r)
{
    struct err err = ERR_INIT;
    int rc = store_cancel(r->app->store, r->id, &err);

    if (rc == STORE_STALE)
        pool_cancel(r->app->pool, r->id);
    r->outcome = rc;
    r->err = err;
}

static void cancel_done(struct request *r)
{
    follow_poke(r->app->follow);
    if (r->outcome < 0) {
        http_fail(r, &r->err);
        return;
    }
    if (!jobs_load(r))
        return;
    if (r->outcome == STORE_FINISHED && r->job->state != JOB_CANCELED) {
        err_set(&r->err, ERR_CONFLICT, "the job has already %s", job_state_name(r->job->state));
        http_fail(r, &r->err);
        return;
    }
    log_info(r->id, "cancel was asked for");
    answer_job(r, 202);
}

void jobs_cancel(struct request *r)
{
    http_work(r, cancel_work, cancel_done);
}

/* --- the log --- */

/* Where a follower that comes back goes on: what it saw last, else ?offset=. */
static int start_offset(struct request *r, bool events, int64_t *ret, struct err *err)
{
    const char *last = events ? http_header(r, "Last-Event-ID") : NULL;

    if (query_int(&r->query, "offset", 0, INT64_C(1) << 50, 0, ret, err) < 0)
        return -1;
    if (last && *last) {
        struct param p = {"Last-Event-ID", last};
        struct query q = {&p, 1};
        return query_int(&q, "Last-Event-ID", 0, INT64_C(1) << 50, 0, ret, err);
    }
    return 0;
}

void jobs_log(struct request *r)
{
    const char *follow = query_get(&r->query, "follow"), *range = http_header(r, "Range");
    bool events = header_accepts(http_header(r, "Accept"), "text/event-stream");
    int64_t offset = 0, first = 0, len = 0;
    struct err err = ERR_INIT;
    struct answer a = ANSWER_INIT;
    struct stat st = {0};

    if (follow && strcmp(follow, "0") != 0 && strcmp(follow, "1") != 0) {
        err_set(&err, ERR_BAD_REQUEST, "follow is 0 or 1");
        http_fail(r, &err);
        return;
    }
    if (follow)
        events = *follow == '1';
    if (start_offset(r, events, &offset, &err) < 0) {
        http_fail(r, &err);
        return;
    }
    if (!jobs_load(r))
        return;
    if (events && strcmp(r->method, "HEAD") != 0) {
        a.status = 200;
        a.stream = true;
        answer_header(&a, "Content-Type", "text/event-stream; charset=utf-8");
        answer_header(&a, "X-Accel-Buffering", "no");
        follow_open(r, r->id, offset);
        http_answer(r, &a);
        return;
    }
    AUTO(char_p) char *path = path_log(r->app->state_dir, r->id);
    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno != ENOENT) {
        err_sys(&err, ERR_INTERNAL, errno, "the log cannot be read");
        http_fail(r, &err);
        return;
    }
    if (fd >= 0)
        fstat(fd, &st);
    int rc = header_range(range, st.st_size, &first, &len);
    if (rc == RANGE_UNSATISFIABLE || offset > st.st_size) {
        err_set(&err, ERR_BAD_REQUEST, "the log has %lld bytes so far", (long long)st.st_size);
        problem_answer(&(struct problem){.err = &err, .status = 416}, &a);
        answer_header(&a, "Content-Range", "bytes */%lld", (long long)st.st_size);
        http_answer(r, &a);
        return;
    }
    a.status = rc == 0 ? 206 : 200;
    if (rc == 0)
        answer_header(&a, "Content-Range", "bytes %lld-%lld/%lld", (long long)first, (long long)(first + len - 1),
                      (long long)st.st_size);
    else
        first = offset, len = st.st_size - offset;
    answer_header(&a, "Content-Type", "text/plain; charset=utf-8");
    answer_header(&a, "Accept-Ranges", "bytes");
    if (fd >= 0 && len > 0) {
        a.fd = fd;
        fd = -1;
        a.offset = first;
        a.size = len;
    }
    http_answer(r, &a);
}
