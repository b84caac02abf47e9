/*
 * engine.c - see engine.h: the connection, the API version, refusals, info.
 */
#include "docker/engine_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int engine_open(const char *socket_path, struct engine **ret, struct err *err)
{
    if (!socket_path || socket_path[0] != '/')
        return err_set(err, ERR_BAD_REQUEST, "the Docker Engine's socket must be an absolute path");
    struct engine *e = mem_alloc(sizeof *e);
    e->socket_path = mem_strdup(socket_path);
    e->http = http_new(socket_path, "http://docker");
    *ret = e;
    return 0;
}

int engine_another(const struct engine *e, struct engine **ret, struct err *err)
{
    return engine_open(e->socket_path, ret, err);
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    http_free(e->http);
    mem_free(e->socket_path);
    mem_free(e);
}

bool engine_name_valid(const char *s)
{
    size_t len = s ? strlen(s) : 0;
    if (len == 0 || len > 300 || strstr(s, ".."))
        return false;
    return strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/:@-") == len;
}

/* --- failures --- */

int engine_unreachable(struct engine *e, struct err *err)
{
    e->api[0] = '\0'; /* who answers next may be another Engine */
    if (!err)
        return -1;
    struct err why = *err;
    int sys = why.sys;
    switch (why.kind) {
    case ERR_UNAVAILABLE:
        if (sys == EACCES || sys == EPERM) {
            err_sys(err, ERR_ENGINE, sys, "the Docker Engine's socket %s may not be opened", e->socket_path);
            return err_hint(err, "run as root, or put this user into the group docker");
        }
        if (sys == ENOENT || sys == ECONNREFUSED) {
            err_sys(err, ERR_ENGINE, sys, "the Docker Engine does not answer on %s", e->socket_path);
            return err_hint(err, "start it (systemctl start docker) or set engine_socket");
        }
        err_set(err, ERR_ENGINE, "the Docker Engine's answer was cut: %s", why.msg);
        err->sys = sys;
        return -1;
    case ERR_TIMED_OUT:
        err_set(err, ERR_ENGINE, "the Docker Engine has not answered in time: %s", why.msg);
        err->sys = ETIMEDOUT;
        return err_hint(err, "is it overloaded? systemctl status docker");
    case ERR_TOO_LARGE:
        return err_set(err, ERR_ENGINE, "the Docker Engine's answer is too long: %s", why.msg);
    default:
        return -1; /* our own reading or memory */
    }
}

int engine_refused(const char *what, int status, const struct buf *body, struct err *err)
{
    char said[ENGINE_MESSAGE_SIZE];
    engine_json_message(body->p ? body->p : "", body->len, said);
    return err_set(err, ERR_ENGINE, "the Docker Engine refuses to %s (%d): %s", what, status, said);
}

int engine_refused_pull(struct http_pull *p, const char *what, int status, struct err *err)
{
    AUTO(buf) struct buf body = {0};
    for (int turns = 0; turns < 100 && body.len < ((size_t)64 << 10); turns++) {
        int r = http_read(p, 100, &body, NULL);
        if (r < 0 || r == HTTP_END)
            break;
    }
    return engine_refused(what, status, &body, err);
}

int engine_alive(struct engine *e, struct err *err)
{
    AUTO(http_answer) struct http_answer a = {0};
    const struct http_request req = {.method = "GET", .path = "/_ping", .seconds = ENGINE_TIMEOUT};
    struct http *fresh = http_new(e->socket_path, "http://docker");
    int r = http_call(fresh, &req, &a, err);
    http_free(fresh);
    return r < 0 ? engine_unreachable(e, err) : 0;
}

/* --- the API's version --- */

static int negotiate(struct engine *e, struct engine_info *info, struct err *err)
{
    AUTO(http_answer) struct http_answer a = {0};
    const struct http_request req = {
        .method = "GET", .path = "/version", .seconds = ENGINE_HELLO, .max_answer = ENGINE_ANSWER_MAX};
    if (http_call(e->http, &req, &a, err) < 0)
        return engine_unreachable(e, err);
    if (a.status != 200)
        return engine_refused("tell its version", a.status, &a.body, err);
    if (engine_json_version(a.body.p ? a.body.p : "", a.body.len, info, err) < 0)
        return -1;
    snprintf(e->api, sizeof e->api, "%s", info->api);
    return 0;
}

static int versioned(struct engine *e, const char *path, char **ret, struct err *err)
{
    struct engine_info ignored = {0};
    if (e->api[0] == '\0' && negotiate(e, &ignored, err) < 0)
        return -1;
    *ret = mem_printf("/v%s%s", e->api, path);
    return 0;
}

static const char *const json_headers[] = {"Content-Type: application/json", NULL};
static const char *const tar_headers[] = {"Content-Type: application/x-tar", NULL};

int engine_call(struct engine *e, const char *method, const char *path, const cJSON *body, int64_t seconds,
                struct http_answer *ret, struct err *err)
{
    AUTO(char_p) char *full = NULL;
    if (versioned(e, path, &full, err) < 0)
        return -1;
    AUTO(char_p) char *text = body ? json_text(body) : NULL;
    const struct http_request req = {.method = method,
                                     .path = full,
                                     .headers = body ? json_headers : NULL,
                                     .body = text,
                                     .body_len = text ? strlen(text) : 0,
                                     .seconds = seconds,
                                     .max_answer = ENGINE_ANSWER_MAX};
    if (http_call(e->http, &req, ret, err) < 0)
        return engine_unreachable(e, err);
    return 0;
}

int engine_pull(struct engine *e, const char *path, const cJSON *body, int body_fd, int64_t seconds,
                int64_t idle_seconds, struct http_pull **ret, int *ret_status, struct err *err)
{
    AUTO(char_p) char *full = NULL;
    if (versioned(e, path, &full, err) < 0)
        return -1;
    AUTO(char_p) char *text = body ? json_text(body) : NULL;
    const struct http_request req = {.method = "POST",
                                     .path = full,
                                     .headers = body_fd > 0 ? tar_headers
                                                : body      ? json_headers
                                                            : NULL,
                                     .body = text,
                                     .body_len = text ? strlen(text) : 0,
                                     .body_fd = body_fd,
                                     .seconds = seconds,
                                     .idle_seconds = idle_seconds};
    if (http_open(e->http, &req, ret, ret_status, err) < 0)
        return engine_unreachable(e, err);
    return 0;
}

int engine_supported(const struct engine_info *info, struct err *err)
{
    if (info->rootless) {
        err_set(err, ERR_UNAVAILABLE,
                "the Docker Engine runs rootless, which is not supported: limits on jobs would not hold");
        return err_hint(err, "run the Engine as root (systemctl start docker) and set engine_socket to its socket");
    }
    if (info->userns) {
        err_set(err, ERR_UNAVAILABLE,
                "the Docker Engine remaps user ids (userns-remap), which is not supported: work folders would have the "
                "wrong owner");
        return err_hint(err, "take \"userns-remap\" out of /etc/docker/daemon.json, or use another Engine");
    }
    if (strcmp(info->architecture, "x86_64") != 0 || (info->os_type[0] && strcmp(info->os_type, "linux") != 0)) {
        err_set(err, ERR_UNAVAILABLE, "the Docker Engine runs on %s/%s; only linux/x86_64 is supported", info->os_type,
                info->architecture);
        return err_hint(err, "run bloomeryd on an x86_64 Linux machine with its own Engine");
    }
    return 0;
}

int engine_info(struct engine *e, struct engine_info *ret, struct err *err)
{
    struct engine_info info = {0};
    if (negotiate(e, &info, err) < 0)
        return -1;
    AUTO(http_answer) struct http_answer a = {0};
    if (engine_call(e, "GET", "/info", NULL, ENGINE_HELLO, &a, err) < 0)
        return -1;
    if (a.status != 200)
        return engine_refused("tell what it is", a.status, &a.body, err);
    if (engine_json_info(a.body.p ? a.body.p : "", a.body.len, &info, err) < 0)
        return -1;
    *ret = info;
    return 0;
}
