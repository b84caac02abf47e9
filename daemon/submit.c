/* submit.c - see submit.h. */
#include "daemon/submit.h"

#include "base/fs.h"
#include "base/log.h"
#include "daemon/app.h"
#include "daemon/artifacts.h"
#include "daemon/follow.h"
#include "daemon/groups.h"
#include "daemon/job_json.h"
#include "daemon/jobs.h"
#include "daemon/problem.h"
#include "daemon/upload.h"
#include "workers/blobs.h"
#include "workers/paths.h"
#include "workers/receive.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_PROFILES = 16, /* of one group */
    MAX_LABELS = 32,
    MAX_LABEL_NAME = 64,
    MAX_LABEL_VALUE = 256,
    MAX_KEY = 255, /* of an Idempotency-Key */
    WAIT_DEFAULT = 1800,
    WAIT_MAX = 3600,
    RETRY_SECONDS = 30,
};

struct submit {
    struct app *app;
    bool build;
    int64_t wait;
    size_t count;
    struct job_new jobs[MAX_PROFILES];
    char *profiles[MAX_PROFILES]; /* owned names */
    cJSON *options[MAX_PROFILES];
    cJSON *labels;
    char *manifest_path; /* or NULL */
    char *retry_of;
    char source[SHA256_HEX_SIZE];
    int64_t source_size;
    char group[ULID_SIZE];
    char *canonical; /* method, path and query for the fingerprint */
    char *key;       /* Idempotency-Key or NULL */
    struct receive_config receive;
    int64_t max_queue;
    /* what came out */
    int rc;
    struct err err;
    char *ids, *ret_group;
};

/* A key whose request is under way; only touched on the loop's thread. */
struct idempotency_use {
    struct idempotency_use *next;
    const char *key; /* the submit's */
};

static void release_key(struct submit *s)
{
    for (struct idempotency_use **p = &s->app->keys_used; s->key && *p; p = &(*p)->next)
        if ((*p)->key == s->key) {
            struct idempotency_use *u = *p;
            *p = u->next;
            mem_free(u);
            return;
        }
}

void submit_free(struct submit *s)
{
    if (!s)
        return;
    release_key(s);
    for (size_t i = 0; i < s->count; i++) {
        mem_free(s->profiles[i]);
        cJSON_Delete(s->options[i]);
    }
    cJSON_Delete(s->labels);
    mem_free(s->manifest_path);
    mem_free(s->retry_of);
    mem_free(s->canonical);
    mem_free(s->key);
    mem_free(s->ids);
    mem_free(s->ret_group);
    mem_free(s);
}

static void refuse(struct request *r, const struct err *err, const char *limit, int64_t value, int retry)
{
    struct answer a = ANSWER_INIT;

    problem_answer(&(struct problem){.err = err, .limit_name = limit, .limit_value = value, .retry_after = retry}, &a);
    http_answer(r, &a);
}

/* --- what the query says --- */

static int unknown_profile(const struct profiles *all, const char *name, struct err *err)
{
    AUTO(buf) struct buf list = {0};

    for (size_t i = 0; i < profiles_count(all); i++)
        buf_printf(&list, "%s%s", i ? ", " : "", profiles_at(all, i)->name);
    if (name)
        err_set(err, ERR_BAD_REQUEST, "there is no profile '%.64s'", name);
    else
        err_set(err, ERR_BAD_REQUEST, "the query parameter 'profile' is missing");
    return err_hint(err, "profiles here: %s", list.p ? list.p : "none");
}

static bool label_name_ok(const char *s)
{
    size_t len = strlen(s);

    if (len == 0 || len > MAX_LABEL_NAME)
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("._-/", *s))
            return false;
    return true;
}

static int add_label(struct submit *s, const char *name, const char *value, struct err *err)
{
    if (!label_name_ok(name))
        return err_set(err, ERR_BAD_REQUEST,
                       "label '%.64s': a label's name has 1 to %d letters, digits, '.', '_', '-' or '/'", name,
                       MAX_LABEL_NAME);
    if (strlen(value) > MAX_LABEL_VALUE)
        return err_set(err, ERR_BAD_REQUEST, "label '%s' is longer than %d bytes", name, MAX_LABEL_VALUE);
    if (cJSON_GetObjectItemCaseSensitive(s->labels, name))
        return err_set(err, ERR_BAD_REQUEST, "query parameter 'label.%s' is given twice", name);
    if (cJSON_GetArraySize(s->labels) >= MAX_LABELS)
        return err_set(err, ERR_BAD_REQUEST, "more than %d labels", MAX_LABELS);
    json_put_str(s->labels, name, value);
    return 0;
}

static int read_profiles(struct submit *s, const char *list, struct err *err)
{
    const struct profiles *all = s->app->profiles;

    if (!list || !*list)
        return unknown_profile(all, NULL, err);
    for (const char *p = list;;) {
        size_t len = strcspn(p, ",");
        AUTO(char_p) char *name = mem_strndup(p, len);
        if (!profiles_find(all, name))
            return unknown_profile(all, name, err);
        for (size_t i = 0; i < s->count; i++)
            if (strcmp(s->profiles[i], name) == 0)
                return err_set(err, ERR_BAD_REQUEST, "profile '%s' is named twice", name);
        if (s->count == MAX_PROFILES)
            return err_set(err, ERR_BAD_REQUEST, "more than %d profiles in one request", MAX_PROFILES);
        s->profiles[s->count++] = STEAL(name);
        if (!p[len])
            return 0;
        p += len + 1;
    }
}

/* In a group "wasi.trial" is meant for one profile; profile_options() skips what is meant for another one, so a prefix that
 * nobody answers to must be found here. */
static int check_prefix(const struct submit *s, const char *key, struct err *err)
{
    size_t len = strcspn(key, ".");

    if (s->count < 2 || !key[len] || strncmp(key, "env.", 4) == 0)
        return 0;
    for (size_t i = 0; i < s->count; i++)
        if (strlen(s->profiles[i]) == len && strncmp(s->profiles[i], key, len) == 0)
            return 0;
    err_set(err, ERR_BAD_REQUEST, "unknown query parameter '%.80s'", key);
    return err_hint(err, "'%.*s' is none of the profiles of this request", (int)(len < 64 ? len : 64), key);
}

/* Parameters of ours are taken out; the rest are options for profile_options() to judge. */
static int read_query(struct submit *s, const struct query *q, struct err *err)
{
    static const char *const own[] = {"profile", "source", "wait"};
    struct param rest[QUERY_MAX_PARAMS];
    size_t n = 0;

    for (size_t i = 0; i < q->count; i++) {
        const char *key = q->params[i].key, *value = q->params[i].value;
        bool mine = false;
        for (size_t k = 0; k < COUNT(own); k++)
            mine |= strcmp(key, own[k]) == 0 && (k < 2 || s->build);
        for (size_t j = 0; mine && j < i; j++)
            if (strcmp(q->params[j].key, key) == 0)
                return err_set(err, ERR_BAD_REQUEST, "query parameter '%s' is given twice", key);
        if (strncmp(key, "label.", 6) == 0) {
            if (add_label(s, key + 6, value, err) < 0)
                return -1;
        } else if (strcmp(key, "wait") == 0 && !s->build) {
            err_set(err, ERR_BAD_REQUEST, "unknown query parameter 'wait'");
            return err_hint(err, "POST /v1/build waits; here, follow with GET /v1/jobs/{id}?wait=S");
        } else if (!mine) {
            if (check_prefix(s, key, err) < 0)
                return -1;
            rest[n++] = q->params[i];
        }
    }
    for (size_t i = 0; i < s->count; i++) {
        const struct profile *p = profiles_find(s->app->profiles, s->profiles[i]);
        if (profile_options(p, rest, n, s->count > 1, &s->options[i], err) < 0)
            return -1;
        const char *manifest = json_str(s->options[i], "manifest_path", NULL);
        if (manifest && !s->manifest_path)
            s->manifest_path = mem_strdup(manifest);
    }
    return 0;
}

static int read_source(struct submit *s, const char *source, struct err *err)
{
    if (!source)
        return 0;
    if (strncmp(source, "sha256:", 7) != 0 || !hash_valid(source + 7))
        return err_set(err, ERR_BAD_REQUEST, "source must be sha256: and 64 lower-case hexadecimal digits");
    int rc = store_source(s->app->reader, source + 7, &s->source_size, err);
    if (rc < 0)
        return -1;
    AUTO(char_p) char *path = path_source(s->app->state_dir, source + 7);
    if (rc == STORE_NONE || access(path, R_OK) < 0) {
        err_set(err, ERR_NOT_FOUND, "the server has no tarball %.71s", source);
        return err_hint(err, "send the tarball itself as the body");
    }
    memcpy(s->source, source + 7, sizeof s->source);
    return 0;
}

/* May this key be used now? Registers it. */
static int read_key(struct submit *s, const char *key, struct err *err)
{
    if (!key)
        return 0;
    size_t len = strlen(key);
    if (len == 0 || len > MAX_KEY)
        return err_set(err, ERR_BAD_REQUEST, "Idempotency-Key has 1 to %d characters", MAX_KEY);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)key[i] < 0x20 || (unsigned char)key[i] > 0x7e)
            return err_set(err, ERR_BAD_REQUEST, "Idempotency-Key holds characters other than printable ASCII");
    for (const struct idempotency_use *u = s->app->keys_used; u; u = u->next)
        if (strcmp(u->key, key) == 0) {
            err_set(err, ERR_CONFLICT, "a request with this Idempotency-Key is still under way");
            return err_hint(err, "wait for its answer, or use another key");
        }
    struct idempotency_use *u = mem_alloc(sizeof *u);
    s->key = mem_strdup(key);
    u->key = s->key;
    u->next = s->app->keys_used;
    s->app->keys_used = u;
    return 0;
}

/* --- may anything be accepted now? --- */

/* True: the request was answered. */
static bool overloaded(struct request *r, size_t more)
{
    struct app *app = r->app;
    const struct limits *limits = &app->config->limits;
    struct store_counts counts;
    struct err err = ERR_INIT;
    int64_t available = 0;

    if (app->draining) {
        err_set(&err, ERR_UNAVAILABLE, "the server is shutting down and accepts no new jobs");
        err_hint(&err, "send it again when the server is back");
        refuse(r, &err, NULL, 0, RETRY_SECONDS);
        return true;
    }
    if (fs_free_bytes(app->state_dir, &available, &err) == 0 && available < limits->min_free_bytes) {
        err_set(&err, ERR_UNAVAILABLE, "the server's disk is nearly full: %lld bytes are free", (long long)available);
        err_hint(&err, "its operator has to make room");
        refuse(r, &err, "min_free_bytes", limits->min_free_bytes, 2 * RETRY_SECONDS);
        return true;
    }
    if (app_counts(app, &counts, &err) < 0) {
        http_fail(r, &err);
        return true;
    }
    if (counts.by_state[JOB_QUEUED] + (int64_t)more > limits->max_queue) {
        err_set(&err, ERR_QUEUE_FULL, "the queue is full: %lld jobs wait", (long long)counts.by_state[JOB_QUEUED]);
        refuse(r, &err, "max_queue", limits->max_queue, RETRY_SECONDS);
        return true;
    }
    if (r->body_expected > limits->max_body_bytes) {
        err_set(&err, ERR_TOO_LARGE, "the body has %lld bytes, %lld are allowed", (long long)r->body_expected,
                (long long)limits->max_body_bytes);
        refuse(r, &err, "max_body_bytes", limits->max_body_bytes, 0);
        return true;
    }
    return false;
}

static struct submit *submit_new(struct request *r, bool build)
{
    struct submit *s = mem_alloc(sizeof *s);
    struct app *app = r->app;

    s->app = app;
    s->build = build;
    s->labels = cJSON_CreateObject();
    s->max_queue = app->config->limits.max_queue;
    s->receive = (struct receive_config){.state_dir = app->state_dir,
                                         .helper_dir = app->helper_dir,
                                         .uid = app->upload_uid,
                                         .limits = app->config->limits};
    AUTO(char_p) char *query = query_canonical(&r->query);
    s->canonical = mem_printf("POST %s?%s#", r->path, query); /* PUT is the same request by another name */
    r->submit = s;
    return s;
}

static void begin(struct request *r, bool build)
{
    struct submit *s = submit_new(r, build);
    struct err err = ERR_INIT;

    if (query_int(&r->query, "wait", 0, WAIT_MAX, WAIT_DEFAULT, &s->wait, &err) < 0 ||
        read_profiles(s, query_get(&r->query, "profile"), &err) < 0 || read_query(s, &r->query, &err) < 0 ||
        read_source(s, query_get(&r->query, "source"), &err) < 0) {
        http_fail(r, &err);
        return;
    }
    if (build && s->count > 1) {
        err_set(&err, ERR_BAD_REQUEST, "/v1/build gives one artifact back and takes one profile");
        err_hint(&err, "POST /v1/jobs takes several");
        http_fail(r, &err);
        return;
    }
    if (overloaded(r, s->count))
        return;
    if (read_key(s, http_header(r, "Idempotency-Key"), &err) < 0) {
        http_fail(r, &err);
        return;
    }
    if (!s->source[0])
        upload_begin(r);
}

void submit_begin(struct request *r)
{
    begin(r, false);
}

void submit_build_begin(struct request *r)
{
    begin(r, true);
}

/* --- accepting --- */

static int commit(struct request *r, struct submit *s)
{
    char fingerprint[SHA256_HEX_SIZE];
    struct idempotency idem = {.key = s->key, .fingerprint = fingerprint};

    if (r->upload) {
        if (upload_finish(r->upload, s->source, &s->source_size, &s->err) < 0 ||
            receive_source(&s->receive, upload_path(r->upload), s->source, s->manifest_path, &s->err) < 0)
            return -1;
    } else {
        AUTO(char_p) char *path = path_source(s->app->state_dir, s->source);
        if (access(path, R_OK) < 0)
            return err_set(&s->err, ERR_NOT_FOUND, "the server has no tarball sha256:%s any more", s->source);
    }
    AUTO(char_p) char *text = mem_printf("%s%s", s->canonical, s->source);
    hash_bytes(text, strlen(text), fingerprint);
    for (size_t i = 0; i < s->count; i++) {
        struct job_new *j = &s->jobs[i];
        ulid_new(j->id);
        j->profile = s->profiles[i];
        j->options = s->options[i];
        j->labels = s->labels;
        j->source_sha256 = s->source;
        j->source_size = s->source_size;
        j->submitted_by = "local";
        j->retry_of = s->retry_of;
        j->priority = (int)json_int(s->options[i], "priority", 0);
    }
    if (s->count > 1)
        ulid_new(s->group);
    return store_add(s->app->store, s->jobs, s->count, s->group[0] ? s->group : NULL, &idem, s->max_queue, &s->ids,
                     &s->ret_group, &s->err);
}

/* From before the source gets its place, or was found there, until the jobs that refer to it are stored. */
static void commit_work(struct request *r)
{
    struct submit *s = r->submit;
    AUTO(fd) int hold = -1;

    s->rc = -1;
    if (blobs_hold(s->app->state_dir, &hold, &s->err) == 0)
        s->rc = commit(r, s);
}

/* What the request ends up with: the first id of the list. */
static void take_id(struct request *r, const char *ids)
{
    mem_free(r->id);
    r->id = mem_strndup(ids, strcspn(ids, ","));
}

static void answer_created(struct request *r, bool replayed)
{
    struct submit *s = r->submit;
    struct answer a = ANSWER_INIT;
    const char *group = replayed ? s->ret_group : s->group[0] ? s->group : NULL;

    take_id(r, group ? group : replayed ? s->ids : s->jobs[0].id);
    if (group ? !groups_load(r) : !jobs_load(r))
        return;
    answer_header(&a, "Location", "/v1/%s/%s", group ? "groups" : "jobs", r->id);
    answer_json(&a, 201, "application/json", group ? groups_describe(r->app, r->group) : jobs_describe(r->app, r->job));
    if (replayed)
        answer_header(&a, "Idempotent-Replayed", "true");
    http_answer(r, &a);
}

/* --- /v1/build --- */

static void build_ready(struct request *r)
{
    struct answer a = ANSWER_INIT;
    struct err err = ERR_INIT;

    if (!jobs_load(r))
        return;
    if (r->job->state == JOB_SUCCEEDED) {
        artifacts_answer_primary(r);
        return;
    }
    answer_header(&a, "Location", "/v1/jobs/%s", r->job->id);
    if (!job_finished(r->job->state)) {
        answer_json(&a, 202, "application/json", jobs_describe(r->app, r->job));
        answer_header(&a, "Retry-After", "5");
        http_answer(r, &a);
        return;
    }
    const struct job_error *e = &r->job->error;
    err_set(&err,
            e->kind                         ? e->kind
            : r->job->state == JOB_CANCELED ? ERR_CANCELED
                                            : ERR_INTERNAL,
            "%s", e->message && e->message[0] ? e->message : "the job was canceled");
    cJSON *extra = cJSON_CreateObject();
    json_put_str(extra, "job", r->job->id);
    json_put_str(extra, "detail", e->message && e->message[0] ? e->message : "the job was canceled"); /* uncut */
    if (e->hint && e->hint[0])
        json_put_str(extra, "hint", e->hint);
    if (e->log_excerpt && e->log_excerpt[0])
        json_put_str(extra, "log_excerpt", e->log_excerpt);
    job_json_put_causes(extra, r->job);
    problem_answer(&(struct problem){.err = &err, .status = 422, .extra = extra}, &a);
    http_answer(r, &a);
}

static void commit_done(struct request *r)
{
    struct submit *s = r->submit;
    bool replayed = s->rc == STORE_REPLAY;
    struct app *app = r->app;

    release_key(s);
    upload_free(STEAL(r->upload));
    if (s->rc == STORE_QUEUE_FULL) {
        err_set(&s->err, ERR_QUEUE_FULL, "the queue is full");
        refuse(r, &s->err, "max_queue", s->max_queue, RETRY_SECONDS);
        return;
    }
    if (s->rc == STORE_MISMATCH) {
        struct answer a = ANSWER_INIT;
        err_set(&s->err, ERR_CONFLICT, "this Idempotency-Key was used for another body or query");
        err_hint(&s->err, "use a new key for a new request");
        problem_answer(&(struct problem){.err = &s->err, .status = 422}, &a);
        http_answer(r, &a);
        return;
    }
    if (s->rc < 0) {
        if (s->err.kind == ERR_TOO_LARGE || s->err.kind == ERR_BAD_SOURCE || s->err.kind == ERR_BAD_REQUEST)
            log_debug(NULL, "an upload was refused: %s", s->err.msg);
        else
            log_error(NULL, "an upload was not stored: %s", s->err.msg);
        http_fail(r, &s->err);
        return;
    }
    if (!replayed) {
        for (size_t i = 0; i < s->count; i++)
            log_info(s->jobs[i].id, "queued for profile %s, source %.12s, %lld bytes", s->profiles[i], s->source,
                     (long long)s->source_size);
        app->counts_at = 0;
        pool_wake(app->pool);
    }
    if (!s->build) {
        answer_created(r, replayed);
        return;
    }
    take_id(r, replayed ? s->ids : s->jobs[0].id);
    follow_wait(r, r->id, app->draining ? 0 : s->wait, build_ready);
}

void submit_handle(struct request *r)
{
    if (!r->upload && r->body_seen > 0) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_BAD_REQUEST, "a request with source= takes no body");
        http_fail(r, &err);
        return;
    }
    http_work(r, commit_work, commit_done);
}

/* --- retry --- */

void submit_retry(struct request *r)
{
    struct err err = ERR_INIT;

    if (!jobs_load(r) || overloaded(r, 1))
        return;
    if (!job_finished(r->job->state)) {
        err_set(&err, ERR_CONFLICT, "the job is %s; only a finished one can be tried again",
                job_state_name(r->job->state));
        http_fail(r, &err);
        return;
    }
    struct submit *s = submit_new(r, false);
    if (!profiles_find(r->app->profiles, r->job->profile)) {
        unknown_profile(r->app->profiles, r->job->profile, &err);
        http_fail(r, &err);
        return;
    }
    AUTO(char_p) char *source = mem_printf("sha256:%s", r->job->source_sha256);
    if (read_source(s, source, &err) < 0 || read_key(s, http_header(r, "Idempotency-Key"), &err) < 0) {
        http_fail(r, &err);
        return;
    }
    s->count = 1;
    s->profiles[0] = mem_strdup(r->job->profile);
    s->options[0] = r->job->options ? cJSON_Duplicate(r->job->options, true) : cJSON_CreateObject();
    if (r->job->labels) {
        cJSON_Delete(s->labels);
        s->labels = cJSON_Duplicate(r->job->labels, true);
    }
    s->retry_of = mem_strdup(r->job->id);
    http_work(r, commit_work, commit_done);
}
