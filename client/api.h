/*
 * api.h - calls to the server: JSON answers, problem+json turned into errors,
 * and patience with a server that is busy. Main thread.
 */
#pragma once

#include "base/err.h"
#include "base/http.h"
#include "base/json.h"

#include <stdint.h>

struct api_call {
    const char *method;
    const char *path;
    const char *key; /* Idempotency-Key, or NULL; with it a cut connection is tried again whatever the method */
    int body_fd;     /* > 0: sent from its start; a regular file */
    int64_t body_len;
    int answer_fd;       /* > 0: a file that takes the body of a 2xx answer instead of JSON */
    int64_t deadline_ms; /* on the monotonic clock; 0 is none. Past it: ERR_TIMED_OUT */
};

/* 2xx: *ret is the JSON (owned by the caller; NULL where there is none, or with answer_fd). Else an error of the kind
 * that the server named. 429 and 503 are waited for as they ask, for some minutes; a cut connection is tried again. */
int api_call(struct http *h, const struct api_call *call, cJSON **ret, struct err *err);

/* GET path. */
int api_get(struct http *h, const char *path, cJSON **ret, struct err *err);

/* GET or DELETE what has this id: a job, or a group of several ("jobs"). ERR_NOT_FOUND: neither. *ret as in api_call. */
int api_by_id(struct http *h, const char *method, const char *id, cJSON **ret, struct err *err);

/* What an answer is about: the job that it is, or the jobs of the group. Borrowed from it. */
size_t api_job_count(const cJSON *answer);
cJSON *api_job_at(const cJSON *answer, size_t i); /* NULL: there are fewer */

/* The path of the job or group that an answer shows. The caller owns it. */
char *api_path(const cJSON *answer);

/* Fill *err from an answer that is no success. Returns -1. */
int api_problem(int status, const char *body, size_t len, struct err *err);

/* The program's exit code for a call that failed. */
enum { EXIT_BUILT = 0, EXIT_FAILED = 1, EXIT_BAD_CALL = 2, EXIT_SERVER = 3, EXIT_TIMEOUT = 4 };
int api_exit_code(const struct err *err);
