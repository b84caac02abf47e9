/* job_json.c - see job_json.h. */
#include "daemon/job_json.h"

#include "base/http.h"

#include <math.h>
#include <string.h>

static void put_copy(cJSON *o, const char *key, const cJSON *value, bool object)
{
    cJSON *copy = value ? cJSON_Duplicate(value, true) : NULL;

    if (!copy)
        copy = object ? cJSON_CreateObject() : cJSON_CreateNull();
    cJSON_AddItemToObject(o, key, copy);
}

/* Milliseconds are enough, and no digits that mean nothing. */
static void put_seconds(cJSON *o, const char *key, double seconds)
{
    cJSON_AddNumberToObject(o, key, round(seconds * 1000) / 1000);
}

cJSON *job_json_error(const struct job_error *e)
{
    if (e->kind == ERR_NONE)
        return cJSON_CreateNull();
    cJSON *o = cJSON_CreateObject();
    json_put_str(o, "kind", err_name(e->kind));
    json_put_str(o, "message", e->message ? e->message : "");
    json_put_str(o, "hint", e->hint && e->hint[0] ? e->hint : NULL);
    json_put_str(o, "log_excerpt", e->log_excerpt && e->log_excerpt[0] ? e->log_excerpt : NULL);
    return o;
}

cJSON *job_json_artifact(const char *job_id, const struct artifact *a, bool full)
{
    cJSON *o = cJSON_CreateObject();
    AUTO(char_p) char *name = http_escape(a->name);
    AUTO(char_p) char *url = mem_printf("/v1/jobs/%s/artifacts/%s", job_id, name);

    json_put_str(o, "name", a->name);
    json_put_str(o, "role", a->role);
    json_put_str(o, "kind", a->kind);
    json_put_int(o, "size", a->size);
    if (a->gzip_size > 0)
        json_put_int(o, "gzip_size", a->gzip_size);
    else
        cJSON_AddNullToObject(o, "gzip_size"); /* was not measured */
    json_put_str(o, "sha256", a->sha256);
    json_put_str(o, "url", url);
    if (full) {
        put_copy(o, "metadata", a->metadata, false);
        put_copy(o, "contract", a->contract, false);
        put_copy(o, "trial", a->trial, false);
    }
    return o;
}

static void put_phases(cJSON *o, const struct job *j)
{
    cJSON *list = cJSON_AddArrayToObject(o, "phases");

    for (size_t i = 0; i < j->phases_count; i++) {
        const struct job_phase *p = &j->phases[i];
        cJSON *item = cJSON_CreateObject();
        json_put_str(item, "name", p->name);
        json_put_int(item, "attempt", p->attempt);
        put_seconds(item, "seconds", p->seconds);
        put_seconds(item, "cpu_seconds", p->cpu_seconds);
        json_put_int(item, "peak_memory_bytes", p->peak_memory_bytes);
        cJSON_AddItemToArray(list, item);
    }
}

cJSON *job_json(const struct job *j, const struct job_queue *queue)
{
    cJSON *o = cJSON_CreateObject();

    json_put_str(o, "id", j->id);
    json_put_str(o, "group", j->group);
    json_put_str(o, "state", job_state_name(j->state));
    json_put_str(o, "profile", j->profile);
    put_copy(o, "options", j->options, true);
    put_copy(o, "labels", j->labels, true);
    if (j->crate_name) {
        cJSON *crate = cJSON_AddObjectToObject(o, "crate");
        json_put_str(crate, "name", j->crate_name);
        json_put_str(crate, "version", j->crate_version);
    } else {
        cJSON_AddNullToObject(o, "crate");
    }
    cJSON *source = cJSON_AddObjectToObject(o, "source");
    json_put_str(source, "sha256", j->source_sha256);
    json_put_int(source, "size", j->source_size);
    json_put_str(o, "lock", j->lock ? j->lock : "none");
    json_put_str(o, "submitted_by", j->submitted_by);
    json_put_str(o, "retry_of", j->retry_of);
    json_put_time(o, "created_at", j->created_at);
    json_put_time(o, "started_at", j->started_at);
    json_put_time(o, "finished_at", j->finished_at);
    json_put_int(o, "attempt", j->attempt);
    cJSON_AddBoolToObject(o, "cancel_requested", j->cancel_requested);
    cJSON_AddNullToObject(o, "cached_from");
    if (queue && j->state == JOB_QUEUED) {
        cJSON *q = cJSON_AddObjectToObject(o, "queue");
        if (queue->position > 0)
            json_put_int(q, "position", queue->position);
        else
            cJSON_AddNullToObject(q, "position");
        if (queue->eta_seconds >= 0)
            put_seconds(q, "eta_seconds", queue->eta_seconds);
        else
            cJSON_AddNullToObject(q, "eta_seconds");
        json_put_str(q, "reason", queue->reason);
    } else {
        cJSON_AddNullToObject(o, "queue");
    }
    put_phases(o, j);
    cJSON *warnings = cJSON_AddArrayToObject(o, "warnings");
    for (size_t i = 0; i < j->warnings_count; i++) {
        AUTO(char_p) char *text = json_utf8(j->warnings[i], strlen(j->warnings[i]));
        cJSON_AddItemToArray(warnings, cJSON_CreateString(text));
    }
    if (j->toolchain.name) {
        cJSON *t = cJSON_AddObjectToObject(o, "toolchain");
        json_put_str(t, "name", j->toolchain.name);
        json_put_str(t, "rustc", j->toolchain.rustc);
        json_put_str(t, "image", j->toolchain.image);
        json_put_str(t, "origin", j->toolchain.origin);
    } else {
        cJSON_AddNullToObject(o, "toolchain");
    }
    cJSON *resources = cJSON_AddObjectToObject(o, "resources");
    put_seconds(resources, "cpu_seconds", j->cpu_seconds);
    json_put_int(resources, "peak_memory_bytes", j->peak_memory_bytes);
    json_put_int(resources, "bytes_written", j->bytes_written);
    put_copy(o, "verification", j->verification, false);
    cJSON_AddItemToObject(o, "error", job_json_error(&j->error));
    cJSON *artifacts = cJSON_AddArrayToObject(o, "artifacts");
    for (size_t i = 0; i < j->artifacts_count; i++)
        cJSON_AddItemToArray(artifacts, job_json_artifact(j->id, &j->artifacts[i], false));
    return o;
}
