/*
 * show.h - results for people: tables on standard output. Everything that
 * comes from the server is printed without control characters. Main thread.
 */
#pragma once

#include "base/buf.h"
#include "base/json.h"

void show_artifact(const cJSON *artifact, const char *saved_as); /* of /artifacts; saved_as may be NULL */
void show_warnings(const cJSON *job);                            /* on standard error, as the next one */
void show_failure(const cJSON *job); /* kind, message, hint, the compiler's errors, what was used, the log's excerpt */
void show_job(const cJSON *job);     /* status ID */
void show_group(const cJSON *group); /* a line for each job, after the group's own */
void show_jobs(const cJSON *list);   /* status */
void show_profiles(const cJSON *list);
void show_profile(const cJSON *profile);
void show_keys(const cJSON *keys);
void show_text(const struct buf *text);
void show_json(const cJSON *value); /* a line */
void show_log(const char *text, size_t len);

/* "queued at position 3 (the image is being made)"; empty if it is not queued. The caller owns it. */
char *show_queue(const cJSON *job);
