/* job_json.h - a job as clients see it (design.md section 3). Pure; any thread. */
#pragma once

#include "schema/store.h"

struct job_queue {
    int64_t position;   /* 1 is next; 0: not known */
    double eta_seconds; /* <0: not known */
    char reason[600];   /* a sentence */
};

/* queue: NULL unless the job is queued. The caller owns the answer. */
cJSON *job_json(const struct job *j, const struct job_queue *queue);

/* One artifact; `full` adds metadata, contract and trial. */
cJSON *job_json_artifact(const char *job_id, const struct artifact *a, bool full);

/* The error object, or null. */
cJSON *job_json_error(const struct job_error *e);

/* What belongs to a failure, wherever that is told: `diagnostics` (null where no compiler has run), `phases`, `resources`. */
void job_json_put_causes(cJSON *o, const struct job *j);
