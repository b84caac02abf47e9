/* jobs.h - reading and steering jobs: list, show, cancel, log, artifacts. Loop thread only. */
#pragma once

#include "daemon/app.h"
#include "daemon/http.h"

/* The job with its place in the queue. The caller owns it. */
cJSON *jobs_describe(struct app *app, const struct job *job);

/* Job r->id from the store into r->job; false: the request was answered (404 or a failure). */
bool jobs_load(struct request *r);

void jobs_list(struct request *r);
void jobs_made(struct request *r); /* those that made the bytes with digest r->name */
void jobs_get(struct request *r);
void jobs_cancel(struct request *r);
void jobs_log(struct request *r);
