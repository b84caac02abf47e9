/* groups.c - see groups.h. */
#include "daemon/groups.h"

#include "base/clock.h"
#include "base/log.h"
#include "daemon/artifacts.h"
#include "daemon/follow.h"
#include "daemon/job_json.h"
#include "daemon/jobs.h"

#include <string.h>

enum { WAIT_MAX = 300 };

void groups_free(struct group *g)
{
    if (!g)
        return;
    store_list_free(g->jobs, g->count);
    mem_free(g);
}

/* The first member that is not finished, or NULL. */
static const struct job *unfinished(const struct group *g)
{
    for (size_t i = 0; i < g->count; i++)
        if (!job_finished(g->jobs[i]->state))
            return g->jobs[i];
    return NULL;
}

const char *groups_state(const struct group *g)
{
    size_t by_state[JOB_STATES] = {0};

    for (size_t i = 0; i < g->count; i++)
        by_state[g->jobs[i]->state]++;
    if (by_state[JOB_QUEUED] == g->count)
        return job_state_name(JOB_QUEUED);
    if (unfinished(g))
        return "running";
    return job_state_name(by_state[JOB_FAILED] ? JOB_FAILED : by_state[JOB_CANCELED] ? JOB_CANCELED : JOB_SUCCEEDED);
}

static cJSON *summary_of(const struct job *j)
{
    cJSON *o = cJSON_CreateObject(), *error = job_json_error(&j->error);

    json_put_str(o, "profile", j->profile);
    json_put_str(o, "state", job_state_name(j->state));
    cJSON_DeleteItemFromObjectCaseSensitive(error, "log_excerpt"); /* holds times, and is for people */
    cJSON_AddItemToObject(o, "error", error);
    cJSON *list = cJSON_AddArrayToObject(o, "artifacts");
    for (size_t i = 0; i < j->artifacts_count; i++) {
        const struct artifact *a = &j->artifacts[i];
        cJSON *item = cJSON_CreateObject();
        AUTO(char_p) char *path = mem_printf("%s/%s", j->profile, a->name);
        json_put_str(item, "path", path);
        json_put_str(item, "role", a->role);
        json_put_str(item, "kind", a->kind);
        json_put_int(item, "size", a->size);
        json_put_str(item, "sha256", a->sha256);
        cJSON_AddItemToArray(list, item);
    }
    return o;
}

char *groups_summary(const struct group *g)
{
    AUTO(json) cJSON *o = cJSON_CreateObject();

    json_put_str(o, "state", groups_state(g));
    cJSON *list = cJSON_AddArrayToObject(o, "jobs");
    for (size_t i = 0; i < g->count; i++)
        cJSON_AddItemToArray(list, summary_of(g->jobs[i]));
    AUTO(char_p) char *text = json_text(o);
    return mem_printf("%s\n", text);
}

cJSON *groups_describe(struct app *app, const struct group *g)
{
    cJSON *o = cJSON_CreateObject();

    json_put_str(o, "id", g->id);
    json_put_str(o, "state", groups_state(g));
    json_put_time(o, "created_at", g->jobs[0]->created_at);
    cJSON *list = cJSON_AddArrayToObject(o, "jobs");
    for (size_t i = 0; i < g->count; i++)
        cJSON_AddItemToArray(list, jobs_describe(app, g->jobs[i]));
    return o;
}

bool groups_load(struct request *r)
{
    struct err err = ERR_INIT;
    struct job **jobs = NULL;
    size_t count = 0;
    int rc = store_group(r->app->reader, r->id, &jobs, &count, &err);

    if (rc == 0) {
        struct group *g = mem_alloc(sizeof *g);
        snprintf(g->id, sizeof g->id, "%s", r->id);
        g->jobs = jobs;
        g->count = count;
        g->until = r->group ? r->group->until : 0;
        groups_free(r->group);
        r->group = g;
        return true;
    }
    if (rc > 0) {
        err_set(&err, ERR_NOT_FOUND, "there is no group %.32s", r->id);
        err_hint(&err, "groups are kept for %lld days after their last job finishes; one profile alone makes no group",
                 (long long)r->app->config->limits.keep_days);
    }
    http_fail(r, &err);
    return false;
}

static void answer_group(struct request *r, int status)
{
    struct answer a = ANSWER_INIT;

    answer_json(&a, status, "application/json", groups_describe(r->app, r->group));
    answer_header(&a, "Content-Location", "/v1/groups/%s", r->group->id);
    http_answer(r, &a);
}

/* Members finish in any order: the client waits for one after the other, and for those that are done not at all. */
static void answer_or_wait(struct request *r)
{
    if (!groups_load(r))
        return;
    const struct job *next = unfinished(r->group);
    int64_t left = r->group->until - clock_monotonic_ms();
    if (next && left > 0 && !r->app->draining)
        follow_wait(r, next->id, (left + 999) / 1000, answer_or_wait);
    else
        answer_group(r, 200);
}

void groups_get(struct request *r)
{
    struct err err = ERR_INIT;
    int64_t wait = 0;

    if (query_int(&r->query, "wait", 0, WAIT_MAX, 0, &wait, &err) < 0) {
        http_fail(r, &err);
        return;
    }
    if (!groups_load(r))
        return;
    r->group->until = wait > 0 ? clock_monotonic_ms() + wait * 1000 : 0;
    answer_or_wait(r);
}

/* --- cancel --- */

/* Last one first: those that run were mostly named first, and what they leave free shall not start another member. */
static void cancel_work(struct request *r)
{
    r->outcome = STORE_FINISHED;
    for (size_t i = r->group->count; i > 0; i--) {
        const char *id = r->group->jobs[i - 1]->id;
        int rc = store_cancel(r->app->store, id, &r->err);
        if (rc < 0) {
            r->outcome = rc;
            return;
        }
        if (rc == STORE_STALE)
            pool_cancel(r->app->pool, id);
        if (rc == 0 || rc == STORE_STALE)
            r->outcome = 0;
    }
}

static void cancel_done(struct request *r)
{
    bool canceled = r->outcome == 0;

    follow_poke(r->app->follow);
    if (r->outcome < 0) {
        http_fail(r, &r->err);
        return;
    }
    if (!groups_load(r))
        return;
    for (size_t i = 0; i < r->group->count; i++)
        canceled |= r->group->jobs[i]->state == JOB_CANCELED; /* earlier: asking again is no mistake */
    if (!canceled) {
        err_set(&r->err, ERR_CONFLICT, "all jobs of the group are finished, and none was canceled");
        http_fail(r, &r->err);
        return;
    }
    log_info(r->group->id, "cancel of the group was asked for");
    answer_group(r, 202);
}

void groups_cancel(struct request *r)
{
    if (groups_load(r))
        http_work(r, cancel_work, cancel_done);
}

/* --- all artifacts --- */

void groups_tar(struct request *r)
{
    struct err err = ERR_INIT;
    int64_t documents = 0;

    if (query_int(&r->query, "provenance", 0, 1, 0, &documents, &err) < 0) {
        http_fail(r, &err);
        return;
    }
    if (!groups_load(r))
        return;
    r->group->documents = documents != 0;
    for (size_t i = 0; i < r->group->count; i++)
        if (r->group->jobs[i]->artifacts_count > 0) {
            artifacts_send_tar(r);
            return;
        }
    if (unfinished(r->group)) {
        err_set(&err, ERR_CONFLICT, "no job of the group has artifacts yet: its state is %s", groups_state(r->group));
        err_hint(&err, "wait with GET /v1/groups/%s?wait=300", r->group->id);
    } else {
        err_set(&err, ERR_CONFLICT, "no job of the group has artifacts: its state is %s", groups_state(r->group));
        err_hint(&err, "GET /v1/groups/%s says why", r->group->id);
    }
    http_fail(r, &err);
}
