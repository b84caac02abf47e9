/*
 * compare_call.c - see compare_call.h. What bloomery-inspect says of a large artifact takes long to read, so all but the answer
 * happens on a pool thread, with a reader of its own.
 */
#include "daemon/compare_call.h"

#include "daemon/app.h"
#include "daemon/compare.h"
#include "daemon/selector.h"

#include <string.h>

/* One side on its way from the query to a job. */
struct side {
    const char *which; /* the parameter's name */
    struct selector wanted;
    struct job *job;
    cJSON *packages;
};

static void side_clear(struct side *s)
{
    selector_clear(&s->wanted);
    job_free(s->job);
    cJSON_Delete(s->packages);
}

/* --- finding the jobs --- */

static int load(struct store_reader *reader, struct side *s, const char *id, struct err *err)
{
    int r = store_get(reader, id, &s->job, err);

    if (r <= 0)
        return r;
    err_set(err, ERR_NOT_FOUND, "%s: there is no job %.32s", s->which, id);
    return err_hint(err, "GET /v1/jobs lists those that are here; or say latest:profile=P,crate=C,label.KEY=VALUE");
}

/* What a latest: leaves open is as in the other job: else it would be compared with whatever was built last. */
static void narrow(struct selector *s, const struct job *other)
{
    if (!s->profile)
        s->profile = mem_strdup(other->profile);
    if (!s->crate)
        s->crate = mem_strdup(other->crate_name);
}

/* The newest one that succeeded; the other job itself only where there is no second. */
static int load_latest(struct store_reader *reader, struct side *s, const struct job *other, struct err *err)
{
    struct job **jobs = NULL;
    size_t count = 0;
    bool more;

    if (other)
        narrow(&s->wanted, other);
    const struct job_filter f = {.state = JOB_SUCCEEDED,
                                 .profile = s->wanted.profile,
                                 .crate = s->wanted.crate,
                                 .labels = (const char *const *)s->wanted.labels,
                                 .limit = 2};
    if (store_list(reader, &f, &jobs, &count, &more, err) < 0)
        return -1;
    char id[ULID_SIZE] = "";
    if (count > 0)
        memcpy(id, jobs[count > 1 && other && strcmp(jobs[0]->id, other->id) == 0 ? 1 : 0]->id, ULID_SIZE);
    store_list_free(jobs, count);
    if (id[0])
        return load(reader, s, id, err);
    AUTO(char_p) char *words = selector_words(&s->wanted);
    err_set(err, ERR_NOT_FOUND, "%s: no job that succeeded fits: %s", s->which, words);
    return err_hint(err, "profile and crate are those of the other job where latest: does not name them");
}

/* --- finding the artifacts --- */

static int no_artifact(const struct side *s, const char *name, struct err *err)
{
    const struct job *j = s->job;
    AUTO(buf) struct buf names = {0};

    if (!job_finished(j->state)) {
        err_set(err, ERR_CONFLICT, "%s: job %s has no artifact yet: it is %s", s->which, j->id,
                job_state_name(j->state));
        return err_hint(err, "wait with GET /v1/jobs/%s?wait=300", j->id);
    }
    if (j->artifacts_count == 0) {
        err_set(err, ERR_CONFLICT, "%s: job %s has no artifact: it is %s", s->which, j->id, job_state_name(j->state));
        return j->error.message ? err_hint(err, "%s: %s", err_name(j->error.kind), j->error.message) : -1;
    }
    for (size_t i = 0; i < j->artifacts_count; i++)
        buf_printf(&names, "%s%.60s", i ? ", " : "", j->artifacts[i].name);
    if (name)
        err_set(err, ERR_NOT_FOUND, "%s: job %s has no artifact '%.100s'", s->which, j->id, name);
    else
        err_set(err, ERR_CONFLICT, "%s: job %s has no primary artifact: it is %s", s->which, j->id,
                job_state_name(j->state));
    return err_hint(err, "it has %s: choose with artifact=NAME", names.p);
}

/* name: NULL is the primary one. */
static int choose(const struct side *s, const char *name, const struct artifact **ret, struct err *err)
{
    for (size_t i = 0; i < s->job->artifacts_count; i++) {
        const struct artifact *a = &s->job->artifacts[i];
        if (name ? strcmp(a->name, name) == 0 : strcmp(a->role, "primary") == 0) {
            *ret = a;
            return 0;
        }
    }
    return no_artifact(s, name, err);
}

/* --- all --- */

static int find_both(struct request *r, struct store_reader *reader, struct side *from, struct side *to,
                     struct err *err)
{
    struct side *const sides[] = {from, to};

    for (size_t i = 0; i < COUNT(sides); i++)
        if (selector_parse(sides[i]->which, query_get(&r->query, sides[i]->which), &sides[i]->wanted, err) < 0)
            return -1;
    for (size_t i = 0; i < COUNT(sides); i++)
        if (!sides[i]->wanted.latest && load(reader, sides[i], sides[i]->wanted.id, err) < 0)
            return -1;
    /* Of two latest, `to` says what `from` leaves open. */
    if (to->wanted.latest && load_latest(reader, to, from->job, err) < 0)
        return -1;
    if (from->wanted.latest && load_latest(reader, from, to->job, err) < 0)
        return -1;
    for (size_t i = 0; i < COUNT(sides); i++)
        if (store_packages(reader, sides[i]->job->id, &sides[i]->packages, err) < 0)
            return -1;
    return 0;
}

static int compare(struct request *r, struct store_reader *reader, struct side *from, struct side *to, struct err *err)
{
    const char *name = query_get(&r->query, "artifact");
    struct compare_side a = {0}, b = {0};

    if (find_both(r, reader, from, to, err) < 0 || choose(from, name, &a.artifact, err) < 0 ||
        choose(to, name, &b.artifact, err) < 0)
        return -1;
    a.job = from->job;
    a.packages = from->packages;
    b.job = to->job;
    b.packages = to->packages;
    r->made = compare_jobs(&a, &b);
    return 0;
}

static void compare_work(struct request *r)
{
    struct side from = {.which = "from"}, to = {.which = "to"};
    struct store_reader *reader = NULL;

    r->outcome = store_reader_open(r->app->store, &reader, &r->err);
    if (r->outcome == 0)
        r->outcome = compare(r, reader, &from, &to, &r->err);
    side_clear(&from);
    side_clear(&to);
    store_reader_free(reader);
}

static void compare_done(struct request *r)
{
    struct answer a = ANSWER_INIT;

    if (r->outcome < 0) {
        http_fail(r, &r->err);
        return;
    }
    answer_json(&a, 200, "application/json", STEAL(r->made));
    http_answer(r, &a);
}

void compare_call_get(struct request *r)
{
    static const char *const wanted[] = {"from", "to"};
    struct err err = ERR_INIT;

    for (size_t i = 0; i < COUNT(wanted); i++) {
        const char *value = query_get(&r->query, wanted[i]);
        if (value && *value)
            continue;
        err_set(&err, ERR_BAD_REQUEST, "the query parameter '%s' is missing", wanted[i]);
        err_hint(&err, "a job's id, or latest:profile=P,crate=C,label.KEY=VALUE");
        http_fail(r, &err);
        return;
    }
    http_work(r, compare_work, compare_done);
}
