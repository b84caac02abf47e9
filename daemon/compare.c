/* compare.c - see compare.h. compare_list.c compares the lists. */
#include "daemon/compare.h"

#include "daemon/compare_list.h"
#include "daemon/job_json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct comparing {
    const struct compare_side *from, *to;
    cJSON *warnings, *cut;
};

/* --- sentences --- */

static void warn(struct comparing *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void warn(struct comparing *c, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    AUTO(char_p) char *clean = json_utf8(text, strlen(text));
    cJSON_AddItemToArray(c->warnings, cJSON_CreateString(clean));
}

static void warn_of_jobs(struct comparing *c)
{
    const struct job *a = c->from->job, *b = c->to->job;

    if (strcmp(a->id, b->id) == 0)
        warn(c, "both are the same job");
    if (strcmp(a->profile, b->profile) != 0)
        warn(c, "the jobs are of different profiles, %.64s and %.64s: what differs may come from that alone",
             a->profile, b->profile);
    if (a->crate_name && b->crate_name && strcmp(a->crate_name, b->crate_name) != 0)
        warn(c, "the jobs are of different crates, %.64s and %.64s", a->crate_name, b->crate_name);
    for (int i = 0; i < 2; i++) {
        const struct job *j = i ? b : a;
        if (j->state != JOB_SUCCEEDED)
            warn(c, "job %s has not succeeded (%s): what it made is compared all the same", j->id,
                 err_name(j->error.kind));
    }
}

/* --- the two sides --- */

static cJSON *side_json(const struct compare_side *s)
{
    AUTO(json) cJSON *job = job_json(s->job, NULL);
    static const char *const kept[] = {"id",          "state",  "profile", "crate",    "labels",
                                       "finished_at", "source", "lock",    "toolchain"};
    cJSON *o = cJSON_CreateObject();

    for (size_t i = 0; i < COUNT(kept); i++)
        cJSON_AddItemToObject(o, kept[i], cJSON_DetachItemFromObjectCaseSensitive(job, kept[i]));
    cJSON_AddItemToObject(o, "artifact", job_json_artifact(s->job->id, s->artifact, false));
    return o;
}

/* --- sizes --- */

/* {"from","to","delta","percent"}, or null where one of them is below 0: not known. */
static void put_size(cJSON *o, const char *key, int64_t from, int64_t to)
{
    if (from < 0 || to < 0) {
        cJSON_AddNullToObject(o, key);
        return;
    }
    cJSON *size = cJSON_AddObjectToObject(o, key);
    json_put_int(size, "from", from);
    json_put_int(size, "to", to);
    json_put_int(size, "delta", to - from);
    if (from > 0)
        cJSON_AddNumberToObject(size, "percent", 100 * (double)(to - from) / (double)from);
    else
        cJSON_AddNullToObject(size, "percent");
}

static void put_list(cJSON *o, const char *key, cJSON *list)
{
    cJSON_AddItemToObject(o, key, list ? list : cJSON_CreateNull());
}

static void warn_of_sizes(struct comparing *c, const struct compare_side *s)
{
    const struct artifact *a = s->artifact;
    const cJSON *sizes = json_obj(a->metadata, "sizes");

    if (!sizes)
        warn(c, "of %.100s of job %s the sizes by section and crate are not known", a->name, s->job->id);
    else if (!json_arr(sizes, "by_crate"))
        warn(c, "%.100s of job %s has no names of functions in it: its sizes by crate are not known", a->name,
             s->job->id);
}

/* Can more than the files' sizes be compared? If not it is said why. */
static bool looked_into(struct comparing *c)
{
    static const char *const kinds[] = {"wasm", "elf", "ar"};
    const char *kind = c->from->artifact->kind, *other = c->to->artifact->kind;

    if (strcmp(kind, other) != 0) {
        warn(c, "the artifacts are of different kinds, %.32s and %.32s: only their sizes are compared", kind, other);
        return false;
    }
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    warn(c, "files of the kind %.32s are not looked into: only their sizes are compared", kind);
    return false;
}

static void put_sizes(struct comparing *c, cJSON *o, const cJSON *from, const cJSON *to)
{
    const struct artifact *a = c->from->artifact, *b = c->to->artifact;
    const cJSON *old = json_obj(from, "sizes"), *now = json_obj(to, "sizes");

    put_size(o, "size", a->size, b->size);
    /* 0 was not measured. */
    put_size(o, "gzip_size", a->gzip_size ? a->gzip_size : -1, b->gzip_size ? b->gzip_size : -1);
    put_size(o, "code_bytes", json_int(old, "code_bytes", -1), json_int(now, "code_bytes", -1));
    put_list(o, "sections",
             compare_list_sizes(json_arr(old, "by_section"), json_arr(now, "by_section"), "name", "sections", c->cut));
    put_list(o, "crates",
             compare_list_sizes(json_arr(old, "by_crate"), json_arr(now, "by_crate"), "crate", "crates", c->cut));
    put_list(o, "functions",
             compare_list_functions(json_arr(old, "largest_functions"), json_arr(now, "largest_functions")));
}

/* --- names --- */

static void put_names(struct comparing *c, cJSON *o, const cJSON *from, const cJSON *to)
{
    static const char *const lists[] = {"imports", "exports", "undefined", "needed", "defined"};

    for (size_t i = 0; i < COUNT(lists); i++)
        put_list(o, lists[i], compare_list_names(json_arr(from, lists[i]), json_arr(to, lists[i]), lists[i], c->cut));
    for (int i = 0; i < 2; i++) {
        const struct compare_side *s = i ? c->to : c->from;
        if (json_bool(i ? to : from, "truncated", false))
            warn(c,
                 "the lists of %.100s of job %s were too long to be kept whole: names may seem added or removed that "
                 "are not",
                 s->artifact->name, s->job->id);
    }
}

/* --- what it was built with --- */

static void put_dependencies(struct comparing *c, cJSON *o)
{
    const struct compare_side *const sides[] = {c->from, c->to};

    for (size_t i = 0; i < COUNT(sides); i++) {
        const cJSON *told = sides[i]->packages;
        if (!told)
            warn(c, "the packages that job %s is made of are not known", sides[i]->job->id);
        else if (!json_bool(told, "resolved", false))
            warn(c, "of job %s only the lock is known: packages that it pins count whether they are used or not",
                 sides[i]->job->id);
        if (json_bool(told, "truncated", false))
            warn(c, "job %s has more packages than are listed", sides[i]->job->id);
    }
    put_list(o, "dependencies", compare_list_packages(c->from->packages, c->to->packages, c->cut));
}

cJSON *compare_jobs(const struct compare_side *from, const struct compare_side *to)
{
    struct comparing c = {from, to, cJSON_CreateArray(), cJSON_CreateArray()};
    cJSON *o = cJSON_CreateObject();

    cJSON_AddItemToObject(o, "from", side_json(from));
    cJSON_AddItemToObject(o, "to", side_json(to));
    cJSON_AddBoolToObject(o, "identical", strcmp(from->artifact->sha256, to->artifact->sha256) == 0);
    cJSON_AddItemToObject(o, "warnings", c.warnings);
    warn_of_jobs(&c);
    bool whole = looked_into(&c);
    if (whole) {
        warn_of_sizes(&c, from);
        warn_of_sizes(&c, to);
    }
    const cJSON *old = whole ? from->artifact->metadata : NULL, *now = whole ? to->artifact->metadata : NULL;
    put_sizes(&c, o, old, now);
    put_names(&c, o, old, now);
    put_list(
        o, "toolchain",
        compare_list_settings(json_obj(json_obj(o, "from"), "toolchain"), json_obj(json_obj(o, "to"), "toolchain")));
    put_list(o, "options", compare_list_settings(from->job->options, to->job->options));
    put_dependencies(&c, o);
    cJSON_AddItemToObject(o, "truncated", c.cut);
    return o;
}
