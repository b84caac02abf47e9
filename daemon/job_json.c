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
        json_put_int(item, "bytes_written", p->bytes_written);
        cJSON_AddItemToArray(list, item);
    }
}

/* 0 is null. */
static void put_place(cJSON *o, const char *key, int64_t n)
{
    if (n > 0)
        json_put_int(o, key, n);
    else
        cJSON_AddNullToObject(o, key);
}

static void put_diagnostics(cJSON *o, const struct job_diagnostics *d)
{
    if (!d->known) {
        cJSON_AddNullToObject(o, "diagnostics");
        return;
    }
    cJSON *to = cJSON_AddObjectToObject(o, "diagnostics"), *list = cJSON_AddArrayToObject(to, "errors");
    for (size_t i = 0; i < d->errors_kept; i++) {
        const struct job_diagnostic *e = &d->errors[i];
        cJSON *item = cJSON_CreateObject();
        json_put_str(item, "file", e->file);
        put_place(item, "line", e->line);
        put_place(item, "column", e->column);
        json_put_str(item, "code", e->code);
        json_put_str(item, "text", e->text);
        json_put_str(item, "label", e->label);
        json_put_str(item, "rendered", e->rendered);
        cJSON_AddItemToArray(list, item);
    }
    json_put_int(to, "errors_count", d->errors_count);
    json_put_int(to, "warnings_count", d->warnings_count);
    cJSON_AddBoolToObject(to, "truncated", d->cut);
}

void job_json_put_causes(cJSON *o, const struct job *j)
{
    put_diagnostics(o, &j->diagnostics);
    put_phases(o, j);
    cJSON *resources = cJSON_AddObjectToObject(o, "resources");
    put_seconds(resources, "cpu_seconds", j->cpu_seconds);
    json_put_int(resources, "peak_memory_bytes", j->peak_memory_bytes);
    json_put_int(resources, "bytes_written", j->bytes_written);
}

static void put_document(cJSON *o, const char *name, const struct job *j, const struct document *d)
{
    AUTO(char_p) char *url = mem_printf("/v1/jobs/%s/%s", j->id, name);

    if (!d->sha256[0]) {
        cJSON_AddNullToObject(o, name);
        return;
    }
    cJSON *item = cJSON_AddObjectToObject(o, name);
    json_put_int(item, "size", d->size);
    json_put_str(item, "sha256", d->sha256);
    json_put_str(item, "url", url);
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
    job_json_put_causes(o, j);
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
    put_copy(o, "verification", j->verification, false);
    cJSON_AddItemToObject(o, "error", job_json_error(&j->error));
    cJSON *artifacts = cJSON_AddArrayToObject(o, "artifacts");
    for (size_t i = 0; i < j->artifacts_count; i++)
        cJSON_AddItemToArray(artifacts, job_json_artifact(j->id, &j->artifacts[i], false));
    put_document(o, "provenance", j, &j->provenance);
    put_document(o, "sbom", j, &j->sbom);
    return o;
}
