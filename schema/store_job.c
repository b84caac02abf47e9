/*
 * store_job.c - a job as data: names of its states, and freeing it.
 */
#include "schema/store.h"

#include "base/mem.h"

#include <string.h>

static const char *const names[JOB_STATES] = {
    [JOB_QUEUED] = "queued",   [JOB_FETCHING] = "fetching", [JOB_BUILDING] = "building",
    [JOB_LINKING] = "linking", [JOB_CHECKING] = "checking", [JOB_SUCCEEDED] = "succeeded",
    [JOB_FAILED] = "failed",   [JOB_CANCELED] = "canceled",
};

const char *job_state_name(enum job_state s)
{
    return (unsigned)s < JOB_STATES ? names[s] : "unknown";
}

int job_state_from_name(const char *name)
{
    for (int s = 0; s < JOB_STATES; s++)
        if (strcmp(names[s], name) == 0)
            return s;
    return -1;
}

bool job_finished(enum job_state s)
{
    return s == JOB_SUCCEEDED || s == JOB_FAILED || s == JOB_CANCELED;
}

void artifact_clear(struct artifact *a)
{
    mem_free(a->name);
    mem_free(a->role);
    mem_free(a->kind);
    cJSON_Delete(a->metadata);
    cJSON_Delete(a->contract);
    cJSON_Delete(a->trial);
    *a = (struct artifact){0};
}

void job_replay_clear(struct job_replay *r)
{
    cJSON_Delete(r->record);
    *r = (struct job_replay){0};
}

void job_diagnostics_clear(struct job_diagnostics *d)
{
    for (size_t i = 0; i < d->errors_kept; i++) {
        struct job_diagnostic *e = &d->errors[i];
        char *const texts[] = {e->file, e->code, e->text, e->label, e->rendered};
        for (size_t k = 0; k < COUNT(texts); k++)
            mem_free(texts[k]);
    }
    mem_free(d->errors);
    *d = (struct job_diagnostics){0};
}

void job_free(struct job *j)
{
    if (!j)
        return;
    for (size_t i = 0; i < j->phases_count; i++)
        mem_free(j->phases[i].name);
    for (size_t i = 0; i < j->warnings_count; i++)
        mem_free(j->warnings[i]);
    for (size_t i = 0; i < j->artifacts_count; i++)
        artifact_clear(&j->artifacts[i]);
    job_diagnostics_clear(&j->diagnostics);
    cJSON_Delete(j->options);
    cJSON_Delete(j->labels);
    cJSON_Delete(j->verification);
    job_replay_clear(&j->replay);
    char *const texts[] = {
        j->group,           j->profile,          j->crate_name,    j->crate_version,  j->lock,
        j->submitted_by,    j->retry_of,         j->wait_reason,   j->toolchain.name, j->toolchain.rustc,
        j->toolchain.image, j->toolchain.origin, j->error.message, j->error.hint,     j->error.log_excerpt,
    };
    for (size_t i = 0; i < COUNT(texts); i++)
        mem_free(texts[i]);
    mem_free(j->phases);
    mem_free(j->warnings);
    mem_free(j->artifacts);
    mem_free(j);
}
