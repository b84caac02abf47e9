/*
 * http.c - see http.h. The one include of microhttpd.h.
 *
 * A request's phases: NEW -> HEADERS -> BODY -> HANDLING -> SENDING, or DRAINING
 * once an answer went out before the body was complete. libmicrohttpd calls
 * on_request() again after each resume; settle() decides what it is told. All
 * on the loop's thread.
 */
#include "daemon/http.h"

#include "base/clock.h"
#include "base/log.h"
#include "daemon/app.h"
#include "daemon/follow.h"
#include "daemon/groups.h"
#include "daemon/problem.h"
#include "daemon/routes.h"
#include "daemon/submit.h"
#include "daemon/upload.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    POOL_BYTES = 32 << 10,  /* per connection, cleared at each keep-alive: small, yet with room for 256 parameters */
    DRAIN_BYTES = 32 << 20, /* thrown away after an early answer, so that the client gets to read it */
    DRAIN_MS = 10000,
    STREAM_BLOCK = 1024, /* libmicrohttpd uses its connection's memory for chunks, so this only has to be there */
};

struct http_server {
    struct app *app;
    struct MHD_Daemon *mhd;
    uv_poll_t poll;
    uv_timer_t timer;
    struct request *requests; /* all that are under way */
    struct http_counts counts;
    int working; /* pool threads that work for a request */
    bool stopping;
    bool again; /* a connection was resumed: libmicrohttpd must run, and its descriptor does not say so */
};

static void on_timer(uv_timer_t *t);

/* --- answers --- */

static void add_headers(struct MHD_Response *response, const char *lines)
{
    char name[64], value[2048];

    for (const char *p = lines; p && *p;) {
        size_t len = strcspn(p, "\n"), colon = strcspn(p, ":");
        if (colon < sizeof name && len > colon + 2 && len - colon - 2 < sizeof value) {
            memcpy(name, p, colon);
            name[colon] = '\0';
            memcpy(value, p + colon + 2, len - colon - 2);
            value[len - colon - 2] = '\0';
            MHD_add_response_header(response, name, value);
        }
        p += len + (p[len] == '\n');
    }
}

static void add_common(struct answer *a)
{
    answer_header(a, "X-Content-Type-Options", "nosniff");
    answer_header(a, "Content-Security-Policy", "default-src 'none'; sandbox");
    if (!a->headers.p || !strcasestr(a->headers.p, "Cache-Control:"))
        answer_header(a, "Cache-Control", "no-store");
}

static void count(struct request *r, int status)
{
    r->server->counts.requests[status >= 100 && status < 600 ? status / 100 : 0]++;
}

static ssize_t on_stream(void *cls, uint64_t pos, char *out, size_t max)
{
    struct request *r = cls;

    (void)pos;
    if (r->server->stopping)
        return MHD_CONTENT_READER_END_OF_STREAM;
    ssize_t n = follow_read(r->follower, out, max);
    if (n == FOLLOW_NOTHING_YET) {
        r->suspended = true;
        MHD_suspend_connection(r->conn);
        return 0;
    }
    if (n == FOLLOW_END)
        return MHD_CONTENT_READER_END_OF_STREAM;
    return n < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : n;
}

static enum MHD_Result send_answer(struct request *r)
{
    struct answer *a = &r->answer;
    struct MHD_Response *response;

    add_common(a);
    if (a->stream) {
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_stream, r, NULL);
    } else if (a->fd >= 0) {
        response = MHD_create_response_from_fd_at_offset64((uint64_t)a->size, a->fd, (uint64_t)a->offset);
        if (response)
            a->fd = -1;
    } else {
        size_t len = a->body.len;
        char *body = buf_steal(&a->body);
        response = MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE);
        if (!response)
            mem_free(body);
    }
    if (!response)
        return MHD_NO;
    add_headers(response, a->headers.p);
    enum MHD_Result ok = MHD_queue_response(r->conn, (unsigned)a->status, response);
    MHD_destroy_response(response);
    count(r, a->status);
    r->phase = PHASE_SENDING;
    answer_clear(a);
    return ok;
}

/* Nothing of this request was answered yet and its body is still coming, so the socket is ours to write to. */
static void send_early(struct request *r, int status, const struct answer *a)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    AUTO(buf) struct buf b = {0};

    buf_printf(&b, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: %zu\r\n", status, problem_title(status),
               a->body.len);
    for (const char *p = a->headers.p; p && *p;) {
        size_t len = strcspn(p, "\n");
        buf_put(&b, p, len);
        buf_puts(&b, "\r\n");
        p += len + (p[len] == '\n');
    }
    buf_puts(&b, "\r\n");
    if (strcmp(r->method, "HEAD") != 0 && a->body.len)
        buf_put(&b, a->body.p, a->body.len);
    if (info) {
        ssize_t n = send(info->connect_fd, b.p, b.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)n; /* a client that is gone or does not read has no claim on an answer */
        shutdown(info->connect_fd, SHUT_WR);
    }
    count(r, status);
    r->phase = PHASE_DRAINING;
    r->drain_until = clock_monotonic_ms() + DRAIN_MS;
    MHD_set_connection_option(r->conn, MHD_CONNECTION_OPTION_TIMEOUT, 5u);
}

static void answer_early(struct request *r)
{
    add_common(&r->answer);
    send_early(r, r->answer.status, &r->answer);
    answer_clear(&r->answer);
    upload_free(STEAL(r->upload));
    submit_free(STEAL(r->submit));
}

/* --- waiting --- */

static void suspend(struct request *r)
{
    if (!r->suspended) {
        r->suspended = true;
        MHD_suspend_connection(r->conn);
    }
}

static void resume(struct request *r)
{
    if (r->suspended && !r->busy && !r->held) {
        r->suspended = false;
        MHD_resume_connection(r->conn);
        r->server->again = true;
        uv_timer_start(&r->server->timer, on_timer, 0, 0);
    }
}

void http_hold(struct request *r)
{
    r->held = true;
    suspend(r);
}

void http_release(struct request *r)
{
    r->held = false;
    resume(r);
}

void http_resume_stream(struct request *r)
{
    resume(r);
}

static void on_work(uv_work_t *w)
{
    struct request *r = w->data;

    r->work_run(r);
}

static void on_work_done(uv_work_t *w, int status)
{
    struct request *r = w->data;

    (void)status;
    r->server->working--;
    r->busy = false;
    r->work_done(r);
    resume(r);
}

void http_work(struct request *r, void (*work)(struct request *), void (*done)(struct request *))
{
    r->work_run = work;
    r->work_done = done;
    r->work.data = r;
    r->busy = true;
    suspend(r);
    r->server->working++;
    uv_queue_work(r->server->poll.loop, &r->work, on_work, on_work_done);
}

void http_answer(struct request *r, struct answer *a)
{
    if (r->answered) {
        answer_clear(a);
        return;
    }
    r->answered = true;
    r->answer = *a;
    *a = (struct answer)ANSWER_INIT;
    if (r->phase == PHASE_BODY)
        answer_early(r);
    r->held = false;
    resume(r);
}

void http_fail(struct request *r, const struct err *err)
{
    struct answer a = ANSWER_INIT;

    problem_answer(&(struct problem){.err = err}, &a);
    http_answer(r, &a);
}

bool http_gone(const struct request *r)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct pollfd p = {.fd = info ? info->connect_fd : -1, .events = POLLRDHUP};

    return !info || (poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)));
}

void http_drop(struct request *r)
{
    r->phase = PHASE_DRAINING;
    r->drain_until = 0;
    r->held = false;
    resume(r);
}

const char *http_header(const struct request *r, const char *name)
{
    return MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, name);
}

/* --- libmicrohttpd's calls --- */

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *conn)
{
    struct http_server *s = cls;
    struct request *r = mem_alloc(sizeof *r);

    r->server = s;
    r->app = s->app;
    r->conn = conn;
    r->target = mem_strdup(uri);
    r->path = mem_strndup(uri, strcspn(uri, "?#"));
    r->answer = (struct answer)ANSWER_INIT;
    r->file = -1;
    r->began_ms = clock_monotonic_ms();
    r->next = s->requests;
    if (r->next)
        r->next->prev = r;
    s->requests = r;
    return r;
}

static void read_head(struct request *r, const char *method, const char *version)
{
    const char *length = http_header(r, "Content-Length"), *coding = http_header(r, "Transfer-Encoding");
    const char *expect = http_header(r, "Expect");

    snprintf(r->method, sizeof r->method, "%s", strlen(method) < sizeof r->method ? method : "?");
    r->body_expected = coding ? -1 : 0;
    if (!coding && length) {
        const char *digits = length + strspn(length, "0"); /* libmicrohttpd has checked that it is a number */
        if (strlen(digits) > 18)
            r->body_expected = INT64_MAX;
        else
            for (; *digits >= '0' && *digits <= '9'; digits++)
                r->body_expected = r->body_expected * 10 + (*digits - '0');
    }
    r->expects_continue = expect && strcasecmp(expect, "100-continue") == 0 && strcmp(version, "HTTP/1.1") == 0;
}

static enum MHD_Result settle(struct request *r)
{
    if (r->suspended)
        return MHD_YES;
    if (r->phase == PHASE_DRAINING)
        return clock_monotonic_ms() < r->drain_until ? MHD_YES : MHD_NO;
    if (r->answered) {
        if (r->phase == PHASE_HEADERS && r->body_expected != 0 && !r->expects_continue) {
            answer_early(r);
            return MHD_YES;
        }
        return send_answer(r);
    }
    if (r->phase == PHASE_HEADERS)
        r->phase = PHASE_BODY;
    if (r->phase == PHASE_HANDLING) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_INTERNAL, "nothing answered this request");
        http_fail(r, &err);
        return send_answer(r);
    }
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **con_cls)
{
    struct http_server *s = cls;
    struct request *r = *con_cls;

    (void)conn;
    (void)url;
    if (!r || (s->stopping && !r->answered))
        return MHD_NO;
    if (r->suspended)
        return MHD_YES; /* it goes on with the next chunk of a body all the same: not taken, it comes again */
    switch (r->phase) {
    case PHASE_NEW:
        read_head(r, method, version);
        r->phase = PHASE_HEADERS;
        routes_headers(r);
        break;
    case PHASE_BODY:
        if (*size > 0) {
            size_t taken = upload_data(r, data, *size);
            r->body_seen += (int64_t)taken;
            s->counts.body_bytes += (int64_t)taken;
            *size -= taken;
        } else {
            r->phase = PHASE_HANDLING;
            routes_handle(r);
        }
        break;
    case PHASE_DRAINING:
        if (*size == 0)
            return MHD_NO;
        r->drained += (int64_t)*size;
        *size = 0;
        if (r->drained > DRAIN_BYTES)
            return MHD_NO;
        break;
    case PHASE_HEADERS:
    case PHASE_HANDLING:
    case PHASE_SENDING:
        break;
    }
    return settle(r);
}

/* Has the client said that it sends nothing more? libmicrohttpd misses that now and then, if it comes while the
 * connection is suspended, and tells of a time-out later. */
static bool sends_no_more(struct request *r)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    char byte;

    return info && recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **con_cls, enum MHD_RequestTerminationCode why)
{
    struct http_server *s = cls;
    struct request *r = *con_cls;

    (void)conn;
    if (!r)
        return;
    *con_cls = NULL;
    if (r->phase == PHASE_BODY && !r->answered && !s->stopping) {
        /* The body ended early. Whoever shut down only its sending side, or is merely slow, can still read why. */
        struct answer a = ANSWER_INIT;
        upload_problem(r, why == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED && !sends_no_more(r), &a);
        add_common(&a);
        send_early(r, a.status, &a);
        answer_clear(&a);
    } else if (r->phase < PHASE_SENDING) {
        count(r, 0);
    }
    if (r->prev)
        r->prev->next = r->next;
    else
        s->requests = r->next;
    if (r->next)
        r->next->prev = r->prev;
    follow_free(r->follower);
    waiter_free(r->waiter);
    upload_free(r->upload);
    submit_free(r->submit);
    job_free(r->job);
    groups_free(r->group);
    cJSON_Delete(r->made);
    if (r->file >= 0)
        close(r->file);
    answer_clear(&r->answer);
    query_free(&r->query);
    mem_free(r->target);
    mem_free(r->path);
    mem_free(r->id);
    mem_free(r->name);
    mem_free(r);
}

static void on_connection(void *cls, struct MHD_Connection *conn, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_server *s = cls;

    (void)conn;
    (void)context;
    s->counts.connections += what == MHD_CONNECTION_NOTIFY_STARTED ? 1 : -1;
}

__attribute__((format(printf, 2, 0))) static void on_log(void *cls, const char *fmt, va_list ap)
{
    char text[512];

    (void)cls;
    vsnprintf(text, sizeof text, fmt, ap);
    log_debug(NULL, "http: %s", text);
}

/* --- the loop --- */

static void turn(struct http_server *s)
{
    MHD_UNSIGNED_LONG_LONG ms = 0;

    s->again = false;
    MHD_run(s->mhd);
    if (s->again)
        uv_timer_start(&s->timer, on_timer, 0, 0);
    else if (MHD_get_timeout(s->mhd, &ms) == MHD_YES)
        uv_timer_start(&s->timer, on_timer, ms > 1000 ? 1000 : ms, 0);
    else
        uv_timer_stop(&s->timer);
}

static void on_timer(uv_timer_t *t)
{
    turn(t->data);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    (void)status;
    (void)events;
    turn(p->data);
}

int http_start(struct app *app, uv_loop_t *loop, int listen_fd, int64_t max_connections, int64_t idle_seconds,
               struct http_server **ret, struct err *err)
{
    struct http_server *s = mem_alloc(sizeof *s);

    s->app = app;
    /* TURBO also keeps libmicrohttpd from shutting the socket down before on_completed() can say why. */
    s->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | MHD_USE_TURBO, 0, NULL,
                              NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET,
                              listen_fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)max_connections,
                              MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                              (size_t)POOL_BYTES, MHD_OPTION_URI_LOG_CALLBACK, on_uri, s, MHD_OPTION_NOTIFY_COMPLETED,
                              on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
                              MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    if (!s->mhd) {
        close(listen_fd);
        mem_free(s);
        return err_set(err, ERR_INTERNAL, "libmicrohttpd did not start");
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info || uv_poll_init(loop, &s->poll, info->epoll_fd) < 0) {
        MHD_stop_daemon(s->mhd);
        mem_free(s);
        return err_set(err, ERR_INTERNAL, "libmicrohttpd has no epoll descriptor");
    }
    uv_timer_init(loop, &s->timer);
    s->poll.data = s->timer.data = s;
    uv_poll_start(&s->poll, UV_READABLE, on_poll);
    turn(s);
    *ret = s;
    return 0;
}

bool http_busy(const struct http_server *s)
{
    return s->working > 0;
}

void http_quiesce(struct http_server *s)
{
    int fd = MHD_quiesce_daemon(s->mhd);

    if (fd >= 0)
        close(fd);
}

static void on_closed(uv_handle_t *h)
{
    (void)h;
}

void http_stop(struct http_server *s)
{
    if (!s)
        return;
    s->stopping = true;
    for (struct request *r = s->requests; r; r = r->next)
        if (r->suspended) {
            r->held = false;
            resume(r);
        }
    for (int i = 0; i < 20 && s->requests; i++) { /* what is queued goes out; suspended connections may not be left */
        MHD_run(s->mhd);
        poll(NULL, 0, 5);
    }
    MHD_stop_daemon(s->mhd);
    s->mhd = NULL;
    uv_poll_stop(&s->poll);
    uv_timer_stop(&s->timer);
    uv_close((uv_handle_t *)&s->poll, on_closed);
    uv_close((uv_handle_t *)&s->timer, on_closed);
    uv_run(s->timer.loop, UV_RUN_NOWAIT);
    mem_free(s);
}

void http_counts(const struct http_server *s, struct http_counts *ret)
{
    *ret = s->counts;
}
