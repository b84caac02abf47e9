/* routes.c - see routes.h. */
#include "daemon/routes.h"

#include "base/clock.h"
#include "daemon/app.h"
#include "daemon/artifacts.h"
#include "daemon/compare_call.h"
#include "daemon/groups.h"
#include "daemon/header.h"
#include "daemon/jobs.h"
#include "daemon/meta.h"
#include "daemon/metrics.h"
#include "daemon/problem.h"
#include "daemon/replay.h"
#include "daemon/submit.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

struct route {
    const char *methods;             /* blank-separated; GET answers HEAD too */
    const char *path;                /* {id} is a job's or group's id, {another} any single part */
    void (*begin)(struct request *); /* at the headers, or NULL */
    void (*handle)(struct request *);
    bool own_query;       /* the handler judges the parameters itself */
    const char *known[8]; /* parameters; NULL-terminated */
};

static const struct route routes[] = {
    {"GET", "/v1/jobs", NULL, jobs_list, false, {"state", "profile", "crate", "group", "label.", "limit", "cursor"}},
    {"POST PUT", "/v1/jobs", submit_begin, submit_handle, true, {NULL}},
    {"POST PUT", "/v1/build", submit_build_begin, submit_handle, true, {NULL}},
    {"GET", "/v1/jobs/{id}", NULL, jobs_get, false, {"wait"}},
    {"DELETE", "/v1/jobs/{id}", NULL, jobs_cancel, false, {NULL}},
    {"POST", "/v1/jobs/{id}/retry", NULL, submit_retry, false, {NULL}},
    {"GET", "/v1/jobs/{id}/log", NULL, jobs_log, false, {"offset", "follow"}},
    {"GET", "/v1/jobs/{id}/artifacts", NULL, artifacts_list, false, {NULL}},
    {"GET", "/v1/jobs/{id}/artifacts/{name}", NULL, artifacts_get, false, {NULL}},
    {"GET", "/v1/jobs/{id}/artifact", NULL, artifacts_primary, false, {NULL}},
    {"GET", "/v1/jobs/{id}/artifacts.tar", NULL, artifacts_tar, false, {NULL}},
    {"GET", "/v1/jobs/{id}/source", NULL, artifacts_source, false, {NULL}},
    {"GET", "/v1/jobs/{id}/replay", NULL, replay_get, false, {NULL}},
    {"GET", "/v1/jobs/{id}/provenance", NULL, artifacts_provenance, false, {NULL}},
    {"GET", "/v1/jobs/{id}/sbom", NULL, artifacts_sbom, false, {NULL}},
    {"GET", "/v1/groups/{id}", NULL, groups_get, false, {"wait"}},
    {"DELETE", "/v1/groups/{id}", NULL, groups_cancel, false, {NULL}},
    {"GET", "/v1/groups/{id}/artifacts.tar", NULL, groups_tar, false, {"provenance"}},
    {"GET", "/v1/compare", NULL, compare_call_get, false, {"from", "to", "artifact"}},
    {"GET", "/v1/artifacts/{sha256}", NULL, jobs_made, false, {"limit", "cursor"}},
    {"GET", "/v1/keys", NULL, meta_keys, false, {NULL}},
    {"GET", "/v1/profiles", NULL, meta_profiles, false, {NULL}},
    {"GET", "/v1/profiles/{name}", NULL, meta_profile, false, {NULL}},
    {"GET", "/healthz", NULL, meta_health, false, {NULL}},
    {"GET", "/readyz", NULL, meta_ready, false, {NULL}},
    {"GET", "/metrics", NULL, metrics_get, false, {NULL}},
    {"GET", "/openapi.json", NULL, meta_openapi, false, {NULL}},
};

static bool has_method(const struct route *route, const char *method)
{
    size_t len = strlen(method);

    if (strcmp(method, "HEAD") == 0)
        return strcmp(route->methods, "GET") == 0;
    for (const char *p = route->methods; *p;) {
        size_t n = strcspn(p, " ");
        if (n == len && memcmp(p, method, n) == 0)
            return true;
        p += n + (p[n] == ' ');
    }
    return false;
}

/* The parts of the path against the route's; {id} and another one are left undecoded as spans. */
static bool match(const char *path, const char *pattern, const char **id, size_t *id_len, const char **name,
                  size_t *name_len)
{
    for (;;) {
        size_t n = strcspn(path, "/"), m = strcspn(pattern, "/");
        if (m == 4 && strncmp(pattern, "{id}", 4) == 0) {
            *id = path;
            *id_len = n;
        } else if (*pattern == '{') {
            *name = path;
            *name_len = n;
        } else if (n != m || strncmp(path, pattern, n) != 0) {
            return false;
        }
        if (m != 0 && n == 0)
            return false;
        path += n;
        pattern += m;
        if (!*path || !*pattern)
            return *path == *pattern;
        path++;
        pattern++;
    }
}

static void refuse(struct request *r, const struct err *err, int status, const char *allow)
{
    struct answer a = ANSWER_INIT;

    problem_answer(&(struct problem){.err = err, .status = status, .allow = allow}, &a);
    http_answer(r, &a);
}

/* Find the route and decode the path's parts. False: answered. */
static bool find(struct request *r)
{
    const char *id = NULL, *name = NULL;
    size_t id_len = 0, name_len = 0;
    AUTO(buf) struct buf allow = {0};
    struct err err = ERR_INIT;

    for (size_t i = 0; i < COUNT(routes) && !r->route; i++) {
        if (!match(r->path, routes[i].path, &id, &id_len, &name, &name_len))
            continue;
        if (has_method(&routes[i], r->method))
            r->route = &routes[i];
        for (const char *p = routes[i].methods; *p;) {
            size_t n = strcspn(p, " ");
            buf_printf(&allow, "%s%.*s%s", allow.len ? ", " : "", (int)n, p, strncmp(p, "GET", 3) == 0 ? ", HEAD" : "");
            p += n + (p[n] == ' ');
        }
    }
    if (!r->route && allow.len) {
        err_set(&err, ERR_BAD_REQUEST, "this path does not take that method");
        err_hint(&err, "it takes %s", allow.p);
        refuse(r, &err, 405, allow.p);
        return false;
    }
    if (!r->route) {
        err_set(&err, ERR_NOT_FOUND, "there is nothing at this path");
        err_hint(&err, "GET /openapi.json lists the calls");
        refuse(r, &err, 0, NULL);
        return false;
    }
    if ((id && query_unescape(id, id_len, &r->id, &err) < 0) ||
        (name && query_unescape(name, name_len, &r->name, &err) < 0)) {
        refuse(r, &err, 0, NULL);
        return false;
    }
    if (r->id && !ulid_valid(r->id)) {
        const char *what = strncmp(r->path, "/v1/groups/", 11) == 0 ? "group" : "job";
        err_set(&err, ERR_NOT_FOUND, "there is no %s of that id", what);
        err_hint(&err, "a %s's id has 26 characters, like 01ARZ3NDEKTSV4RRFFQ69G5FAV", what);
        refuse(r, &err, 0, NULL);
        return false;
    }
    return true;
}

/*
 * A web page elsewhere must not reach us through its visitor's browser: neither
 * with a request of its own (Origin) nor under a name that it points at loopback
 * (Host). Reads accept any port: they may come through a tunnel.
 */
static int check_origin(const struct request *r, struct err *err)
{
    const char *host = http_header(r, "Host"), *origin = http_header(r, "Origin");
    bool writes = strcmp(r->method, "GET") != 0 && strcmp(r->method, "HEAD") != 0;
    char name[256];
    int port = -1;

    if (!host)
        return writes ? err_set(err, ERR_BAD_REQUEST, "the request has no Host header") : 0;
    if (header_host(host, name, sizeof name, &port) < 0)
        return err_set(err, ERR_BAD_REQUEST, "the Host header is malformed");
    if (!header_is_loopback(name) || (writes && (port < 0 ? 80 : port) != r->app->port)) {
        err_set(err, ERR_FORBIDDEN, "the Host header does not name this server");
        return err_hint(err, "use http://127.0.0.1:%d or http://localhost:%d", r->app->port, r->app->port);
    }
    if (writes && origin && (strncmp(origin, "http://", 7) != 0 || strcasecmp(origin + 7, host) != 0)) {
        err_set(err, ERR_FORBIDDEN, "the Origin header names another site");
        return err_hint(err, "requests of web pages of other sites are refused");
    }
    return 0;
}

void routes_headers(struct request *r)
{
    static const char *const none[] = {NULL};
    struct err err = ERR_INIT;

    if (check_origin(r, &err) < 0) {
        http_fail(r, &err);
        return;
    }
    if (!find(r))
        return;
    if (query_parse(r->target[strlen(r->path)] == '?' ? r->target + strlen(r->path) + 1 : NULL, &r->query, &err) < 0 ||
        (!r->route->own_query && query_check(&r->query, r->route->known[0] ? r->route->known : none, &err) < 0)) {
        http_fail(r, &err);
        return;
    }
    if (r->route->begin)
        r->route->begin(r);
}

void routes_handle(struct request *r)
{
    r->route->handle(r);
}
