/* api.c - see api.h. */
#include "client/api.h"

#include "base/clock.h"
#include "client/note.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SILENCE_SECONDS = 300, CUTS = 4, BUSY_SECONDS = 600, BUSY_STEP_MAX = 60, BUSY_STEP_DEFAULT = 5 };

static void sleep_ms(int64_t ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};

    nanosleep(&t, NULL); /* a signal may shorten it */
}

int api_problem(int status, const char *body, size_t len, struct err *err)
{
    AUTO(json) cJSON *o = NULL;
    struct err ignored = ERR_INIT;

    if (len == 0 || json_parse(body, len, "answer", &o, &ignored) < 0)
        o = NULL;
    enum err_kind kind = err_from_name(json_str(o, "error_kind", ""));
    if (kind == ERR_NONE) {
        kind = status == 404                   ? ERR_NOT_FOUND
               : status == 401                 ? ERR_UNAUTHORIZED
               : status == 403                 ? ERR_FORBIDDEN
               : status == 409                 ? ERR_CONFLICT
               : status == 413                 ? ERR_TOO_LARGE
               : status == 429                 ? ERR_QUEUE_FULL
               : status >= 500 || status < 400 ? ERR_UNAVAILABLE
                                               : ERR_BAD_REQUEST;
    }
    const char *detail = json_str(o, "detail", NULL);
    if (detail)
        err_set(err, kind, "%s", detail);
    else
        err_set(err, kind, "the server answered with HTTP status %d", status);
    const char *hint = json_str(o, "hint", NULL);
    return hint ? err_hint(err, "%s", hint) : -1;
}

static int64_t retry_after(const struct http_answer *a)
{
    AUTO(char_p) char *text = http_answer_header(a, "Retry-After");
    char *end;
    long v = text ? strtol(text, &end, 10) : 0;

    if (!text || end == text || v < 1)
        return BUSY_STEP_DEFAULT;
    return v < BUSY_STEP_MAX ? v : BUSY_STEP_MAX;
}

static int once(struct http *h, const struct api_call *call, struct http_answer *a, struct err *err)
{
    AUTO(char_p) char *key = call->key ? mem_printf("Idempotency-Key: %s", call->key) : NULL;
    const char *headers[] = {"Accept: application/json", "User-Agent: bloomery",
                             "Content-Type: application/octet-stream", key, NULL};
    struct http_request req = {.method = call->method,
                               .path = call->path,
                               .headers = headers,
                               .body_fd = call->body_fd,
                               .body_len = (size_t)call->body_len,
                               .answer_fd = call->answer_fd,
                               .idle_seconds = SILENCE_SECONDS,
                               .progress = note_upload};

    if (call->answer_fd > 0)
        headers[0] = "Accept: */*";
    if (call->deadline_ms > 0) {
        int64_t left = call->deadline_ms - clock_monotonic_ms();
        if (left <= 0)
            return err_set(err, ERR_TIMED_OUT, "the time is up");
        req.seconds = left / 1000 + 1;
    }
    if (call->body_fd > 0 && lseek(call->body_fd, 0, SEEK_SET) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot read what is to be sent");
    if (call->answer_fd > 0 && (lseek(call->answer_fd, 0, SEEK_SET) < 0 || ftruncate(call->answer_fd, 0) < 0))
        return err_sys(err, ERR_INTERNAL, errno, "cannot write the download");
    int rc = http_call(h, &req, a, err);
    if (call->body_fd > 0)
        note_clear();
    /* Silence is the server's failing; only our own deadline is a time-out. */
    if (rc < 0 && err->kind == ERR_TIMED_OUT && (call->deadline_ms == 0 || clock_monotonic_ms() < call->deadline_ms))
        err->kind = ERR_UNAVAILABLE;
    return rc;
}

int api_call(struct http *h, const struct api_call *call, cJSON **ret, struct err *err)
{
    bool again_is_safe = call->key || strcmp(call->method, "GET") == 0 || strcmp(call->method, "DELETE") == 0;
    int64_t give_up = clock_monotonic_ms() + INT64_C(1000) * BUSY_SECONDS;
    int cuts = 0;

    for (;;) {
        struct http_answer a = {0};
        int rc = once(h, call, &a, err);

        if (rc < 0) {
            http_answer_free(&a);
            /* A refused connection is an answer: nobody is there. */
            if (err->kind != ERR_UNAVAILABLE || err->sys == ECONNREFUSED || !again_is_safe || ++cuts >= CUTS)
                return -1;
            note_line("connection lost, trying again: %s", err->msg);
            sleep_ms(500 << cuts);
            continue;
        }
        int status = a.status;
        if (status / 100 == 2) {
            if (call->answer_fd > 0 || a.body.len == 0)
                *ret = NULL;
            else if ((rc = json_parse(a.body.p, a.body.len, "the server's answer", ret, err)) < 0)
                err->kind = ERR_UNAVAILABLE;
            http_answer_free(&a);
            return rc;
        }
        api_problem(status, a.body.p, a.body.len, err);
        int64_t wait = retry_after(&a);
        http_answer_free(&a);
        bool in_flight = status == 409 && call->key && cuts > 0; /* our own first try is still being received */
        int64_t now = clock_monotonic_ms();
        if ((status != 429 && status != 503 && !in_flight) || !again_is_safe || now + 1000 * wait > give_up ||
            (call->deadline_ms > 0 && now + 1000 * wait > call->deadline_ms))
            return -1;
        note_line("the server is busy (%s); trying again in %lld s", err->msg, (long long)wait);
        sleep_ms(1000 * wait);
    }
}

int api_get(struct http *h, const char *path, cJSON **ret, struct err *err)
{
    const struct api_call call = {.method = "GET", .path = path};

    return api_call(h, &call, ret, err);
}

int api_by_id(struct http *h, const char *method, const char *id, cJSON **ret, struct err *err)
{
    AUTO(char_p) char *safe = http_escape(id);
    AUTO(char_p) char *job = mem_printf("/v1/jobs/%s", safe);
    AUTO(char_p) char *group = mem_printf("/v1/groups/%s", safe);
    struct err no_job = ERR_INIT;

    if (api_call(h, &(const struct api_call){.method = method, .path = job}, ret, &no_job) == 0)
        return 0;
    if (no_job.kind != ERR_NOT_FOUND) {
        *err = no_job;
        return -1;
    }
    if (api_call(h, &(const struct api_call){.method = method, .path = group}, ret, err) == 0)
        return 0;
    if (err->kind != ERR_NOT_FOUND)
        return -1;
    err_set(err, ERR_NOT_FOUND, "there is no job and no group %.64s", id);
    return err_hint(err, "%s", no_job.hint);
}

size_t api_job_count(const cJSON *answer)
{
    const cJSON *jobs = json_arr(answer, "jobs");

    return jobs ? (size_t)cJSON_GetArraySize(jobs) : 1;
}

cJSON *api_job_at(const cJSON *answer, size_t i)
{
    const cJSON *jobs = json_arr(answer, "jobs");

    return jobs ? cJSON_GetArrayItem(jobs, (int)i) : i == 0 ? (cJSON *)answer : NULL;
}

char *api_path(const cJSON *answer)
{
    AUTO(char_p) char *id = http_escape(json_str(answer, "id", ""));

    return mem_printf("/v1/%s/%s", json_arr(answer, "jobs") ? "groups" : "jobs", id);
}

int api_exit_code(const struct err *err)
{
    switch (err->kind) {
    case ERR_TIMED_OUT:
        return EXIT_TIMEOUT;
    case ERR_BAD_REQUEST:
    case ERR_NOT_FOUND:
    case ERR_UNAUTHORIZED:
    case ERR_FORBIDDEN:
    case ERR_CONFLICT:
    case ERR_TOO_LARGE:
    case ERR_BAD_SOURCE:
        return EXIT_BAD_CALL;
    default:
        return EXIT_SERVER;
    }
}
