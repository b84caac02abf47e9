/*
 * http.c - see http.h. The one place that includes curl.
 *
 * struct http keeps one easy handle for its whole exchanges, so that they
 * share a connection; each pulled answer has an easy handle and a multi handle
 * of its own, because many of them are open beside whole exchanges.
 */
#include "base/http.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)64 << 20)
#define HEADERS_MAX ((size_t)64 << 10)
#define PENDING_MAX ((size_t)256 << 10) /* a pulled answer's bytes held for the reader, before its sender is paused */
#define CONNECT_MS 30000L
#define REDIRECTS_MAX 10L
#define KEEP_SECONDS 86400L /* idle connections; curl's own two minutes would look like the server's doing */

struct http {
    char *socket_path; /* NULL: TCP */
    char *base;
    char *ca_bundle; /* NULL: the system's */
    bool direct;     /* never through a proxy */
    CURL *easy;
    bool kept;     /* the last exchange left a connection open */
    unsigned lost; /* how often a kept one was gone at the next exchange */
};

/* One request on its way: what curl's callbacks need. */
struct exchange {
    CURL *easy;
    struct curl_slist *headers;
    int body_fd; /* -1: none */
    off_t body_start;
    int64_t sent, total;
    void (*progress)(int64_t sent, int64_t total);
    int64_t idle_ms;     /* 0: no limit */
    int64_t last_ms;     /* when a byte last moved */
    int64_t deadline_ms; /* for the headers of a pulled answer; 0: none */
    int status;
    bool headers_done;
    struct buf head;
    struct buf body;
    size_t body_max;
    bool follow; /* a redirect is not the answer */
    bool pulled; /* a full body pauses the sender; else it is an error */
    bool paused;
    int answer_fd;     /* -1: none */
    struct err failed; /* what a callback found, before it made curl give up */
    char curl_says[CURL_ERROR_SIZE];
};

struct http_pull {
    struct http *http;
    CURLM *multi;
    struct exchange x;
    int64_t left_ms; /* when the reader last went away */
    bool done;
    CURLcode result;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_start(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* No name that only begins like one of this machine's: "localhost.example", "127.example". */
static bool is_loopback(const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    if (memchr(host, '@', strcspn(host, "/")))
        host = strchr(host, '@') + 1;
    size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    return (len == 9 && strncasecmp(host, "localhost", 9) == 0) || (len == 5 && memcmp(host, "[::1]", 5) == 0) ||
           (len > 4 && memcmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") >= len);
}

struct http *http_new(const char *socket_path, const char *base_url)
{
    pthread_once(&curl_once, curl_start);
    struct http *h = mem_alloc(sizeof *h);
    h->socket_path = mem_strdup(socket_path);
    h->base = mem_strdup(base_url);
    size_t len = strlen(h->base);
    while (len > 0 && h->base[len - 1] == '/')
        h->base[--len] = '\0';
    h->direct = socket_path != NULL || is_loopback(base_url);
    return h;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    if (h->easy)
        curl_easy_cleanup(h->easy);
    mem_free(h->socket_path);
    mem_free(h->base);
    mem_free(h->ca_bundle);
    mem_free(h);
}

void http_trust(struct http *h, const char *ca_bundle)
{
    mem_free(h->ca_bundle);
    h->ca_bundle = mem_strdup(ca_bundle);
}

/* --- curl's callbacks --- */

static size_t on_header(char *data, size_t size, size_t n, void *cookie)
{
    struct exchange *x = cookie;
    size_t len = size * n;
    x->last_ms = clock_monotonic_ms();
    if (len >= 5 && memcmp(data, "HTTP/", 5) == 0) { /* also after a 100 Continue, and behind a redirect */
        buf_clear(&x->head);
        long status = 0;
        curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
        x->status = (int)status;
        return len;
    }
    bool last = len == 2 && data[0] == '\r';
    if (last || (len == 1 && data[0] == '\n')) {
        bool elsewhere = x->follow && x->status / 100 == 3 && x->status != 304;
        x->headers_done = x->status >= 200 && !elsewhere;
        return len;
    }
    if (x->head.len + len > HEADERS_MAX) {
        err_set(&x->failed, ERR_TOO_LARGE, "the answer's headers are longer than %zu bytes", HEADERS_MAX);
        return 0;
    }
    buf_put(&x->head, data, len);
    return len;
}

static size_t on_body(char *data, size_t size, size_t n, void *cookie)
{
    struct exchange *x = cookie;
    size_t len = size * n;
    x->last_ms = clock_monotonic_ms();
    if (x->answer_fd >= 0 && x->status / 100 == 2) {
        if (fs_write_all(x->answer_fd, data, len, &x->failed) < 0)
            return CURL_WRITEFUNC_ERROR;
        return len;
    }
    if (x->body.len + len > x->body_max) {
        if (x->pulled) {
            x->paused = true;
            return CURL_WRITEFUNC_PAUSE;
        }
        err_set(&x->failed, ERR_TOO_LARGE, "the answer is longer than %zu bytes", x->body_max);
        return CURL_WRITEFUNC_ERROR;
    }
    buf_put(&x->body, data, len);
    return len;
}

static size_t on_upload(char *into, size_t size, size_t n, void *cookie)
{
    struct exchange *x = cookie;
    ssize_t got;
    do
        got = read(x->body_fd, into, size * n);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        err_sys(&x->failed, ERR_INTERNAL, errno, "cannot read what is to be sent");
        return CURL_READFUNC_ABORT;
    }
    x->last_ms = clock_monotonic_ms();
    x->sent += got;
    if (x->progress)
        x->progress(x->sent, x->total);
    return (size_t)got;
}

static int on_seek(void *cookie, curl_off_t offset, int origin)
{
    struct exchange *x = cookie;
    if (origin != SEEK_SET || x->body_start < 0 || lseek(x->body_fd, x->body_start + offset, SEEK_SET) < 0)
        return CURL_SEEKFUNC_CANTSEEK;
    x->sent = offset;
    return CURL_SEEKFUNC_OK;
}

/* Called about every second, also when nothing moves: the watch over silence. */
static int on_tick(void *cookie, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    (void)down_total, (void)down, (void)up_total, (void)up;
    struct exchange *x = cookie;
    int64_t now = clock_monotonic_ms();
    if (x->idle_ms > 0 && now - x->last_ms > x->idle_ms) {
        err_set(&x->failed, ERR_TIMED_OUT, "nothing was heard for %lld seconds", (long long)(x->idle_ms / 1000));
        return 1;
    }
    if (x->deadline_ms > 0 && !x->headers_done && now > x->deadline_ms) {
        err_set(&x->failed, ERR_TIMED_OUT, "no answer within the time");
        return 1;
    }
    return 0;
}

/* --- making a request --- */

static bool has_header(const char *const *headers, const char *name)
{
    size_t len = strlen(name);
    for (; headers && *headers; headers++)
        if (strncasecmp(*headers, name, len) == 0 && (*headers)[len] == ':')
            return true;
    return false;
}

static void add_header(struct exchange *x, const char *line)
{
    struct curl_slist *more = curl_slist_append(x->headers, line);
    if (more)
        x->headers = more;
}

static void set_headers(struct exchange *x, const struct http *h, const struct http_request *req)
{
    for (const char *const *p = req->headers; p && *p; p++)
        add_header(x, *p);
    if (!has_header(req->headers, "Content-Type"))
        add_header(x, "Content-Type:"); /* curl would call it a form */
    if (h->socket_path && !has_header(req->headers, "Expect"))
        add_header(x, "Expect:"); /* nobody on this machine needs to be asked first */
    curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
}

static void set_body(struct exchange *x, const struct http_request *req)
{
    CURL *c = x->easy;
    if (req->body_fd > 0) {
        x->body_fd = req->body_fd;
        x->body_start = lseek(req->body_fd, 0, SEEK_CUR);
        x->total = req->body_len > 0 ? (int64_t)req->body_len : -1;
        x->progress = req->progress;
        curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(c, CURLOPT_READFUNCTION, on_upload);
        curl_easy_setopt(c, CURLOPT_READDATA, x);
        curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(c, CURLOPT_SEEKDATA, x);
        curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->total);
        curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
        /* On a connection that died of old age curl would send again, and a pipe cannot be read again. */
        curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
    } else if (req->body || (strcmp(req->method, "GET") != 0 && strcmp(req->method, "HEAD") != 0 &&
                             strcmp(req->method, "DELETE") != 0)) {
        curl_easy_setopt(c, CURLOPT_POST, 1L);
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(req->body ? req->body_len : 0));
        curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, req->body ? req->body : "");
    }
    if (strcmp(req->method, "HEAD") == 0)
        curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, req->method);
}

/* Fills the zeroed *x and its handle. */
static void exchange_start(struct exchange *x, CURL *easy, const struct http *h, const struct http_request *req)
{
    x->easy = easy;
    x->body_fd = -1;
    x->answer_fd = -1;
    x->idle_ms = req->idle_seconds * 1000;
    x->last_ms = clock_monotonic_ms();

    AUTO(char_p) char *url = mem_printf("%s%s", h->base, req->path);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    if (h->socket_path)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, h->socket_path);
    if (h->direct)
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    if (h->ca_bundle)
        curl_easy_setopt(easy, CURLOPT_CAINFO, h->ca_bundle);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    x->follow = req->follow;
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, req->follow ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* what a proxy says first is not the answer */
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, KEEP_SECONDS);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, x->curl_says);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_tick);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, x);
    set_headers(x, h, req);
    set_body(x, req);
}

static void exchange_free(struct exchange *x)
{
    curl_slist_free_all(x->headers);
    buf_free(&x->head);
    buf_free(&x->body);
}

static int exchange_failed(const struct exchange *x, const struct http *h, CURLcode code, struct err *err)
{
    const char *where = h->socket_path ? h->socket_path : h->base;
    if (x->failed.kind != ERR_NONE) {
        if (err)
            *err = x->failed;
        return err_wrap(err, "%s", where);
    }
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, ERR_TIMED_OUT, "%s: no answer within the time", where);
    if (code == CURLE_OUT_OF_MEMORY || code == CURLE_FAILED_INIT || code == CURLE_BAD_FUNCTION_ARGUMENT)
        return err_set(err, ERR_INTERNAL, "%s: %s", where, curl_easy_strerror(code));
    long sys = 0;
    curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &sys);
    if (code == CURLE_COULDNT_CONNECT && sys != 0)
        return err_sys(err, ERR_UNAVAILABLE, (int)sys, "%s: not reached", where);
    err_set(err, ERR_UNAVAILABLE, "%s: %s", where, x->curl_says[0] ? x->curl_says : curl_easy_strerror(code));
    if (err)
        err->sys = (int)sys;
    return -1;
}

/* --- whole exchanges --- */

void http_answer_free(struct http_answer *a)
{
    buf_free(&a->body);
    buf_free(&a->headers);
    a->status = 0;
}

char *http_answer_header(const struct http_answer *a, const char *name)
{
    size_t name_len = strlen(name);
    const char *p = a->headers.p;
    const char *end = p ? p + a->headers.len : NULL;
    while (p && p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        const char *next = eol ? eol + 1 : end;
        if ((size_t)(next - p) > name_len && strncasecmp(p, name, name_len) == 0 && p[name_len] == ':') {
            const char *from = p + name_len + 1;
            const char *to = next;
            while (from < to && (*from == ' ' || *from == '\t'))
                from++;
            while (to > from && strchr(" \t\r\n", to[-1]))
                to--;
            return mem_strndup(from, (size_t)(to - from));
        }
        p = next;
    }
    return NULL;
}

/* A server that refuses an upload may answer and leave while it is still being sent. */
static bool refused_early(const struct exchange *x, CURLcode code)
{
    return (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR) && x->body_fd >= 0 && x->headers_done &&
           x->status >= 400;
}

static void note_connection(struct http *h, const struct http_request *req, const struct exchange *x, CURLcode code)
{
    long made = 0;
    curl_easy_getinfo(h->easy, CURLINFO_NUM_CONNECTS, &made);
    if (h->kept && made > 0 && req->body_fd <= 0)
        h->lost++;
    const struct http_answer a = {.headers = x->head};
    AUTO(char_p) char *connection = http_answer_header(&a, "Connection");
    h->kept = code == CURLE_OK && req->body_fd <= 0 && !(connection && strcasecmp(connection, "close") == 0);
}

unsigned http_lost(const struct http *h)
{
    return h->lost;
}

int http_call(struct http *h, const struct http_request *req, struct http_answer *ret, struct err *err)
{
    if (h->easy)
        curl_easy_reset(h->easy); /* keeps the connection */
    else if (!(h->easy = curl_easy_init()))
        return err_set(err, ERR_INTERNAL, "curl cannot be initialised");
    struct exchange x = {0};
    exchange_start(&x, h->easy, h, req);
    x.body_max = req->max_answer > 0 ? req->max_answer : ANSWER_MAX;
    x.answer_fd = req->answer_fd > 0 ? req->answer_fd : -1;
    if (req->seconds > 0)
        curl_easy_setopt(h->easy, CURLOPT_TIMEOUT_MS, (long)(req->seconds * 1000));
    CURLcode code = curl_easy_perform(h->easy);
    note_connection(h, req, &x, code);
    int r = 0;
    if (code == CURLE_OK || refused_early(&x, code)) {
        ret->status = x.status;
        buf_free(&ret->body);
        buf_free(&ret->headers);
        ret->body = x.body;
        ret->headers = x.head;
        x.body = x.head = (struct buf){0};
    } else {
        r = exchange_failed(&x, h, code, err);
    }
    curl_easy_setopt(h->easy, CURLOPT_ERRORBUFFER, NULL); /* x ends here */
    exchange_free(&x);
    return r;
}

/* --- pulled answers --- */

/* Let curl work once, without waiting. */
static void pull_perform(struct http_pull *p)
{
    int running = 0;
    CURLMcode code = curl_multi_perform(p->multi, &running);
    if (code != CURLM_OK) {
        p->done = true;
        p->result = CURLE_OUT_OF_MEMORY;
        return;
    }
    int left = 0;
    for (CURLMsg *m; (m = curl_multi_info_read(p->multi, &left));) {
        if (m->msg == CURLMSG_DONE) {
            p->done = true;
            p->result = m->data.result;
        }
    }
}

static void pull_poll(struct http_pull *p, int64_t ms)
{
    curl_multi_poll(p->multi, NULL, 0, (int)(ms < 1000 ? ms : 1000), NULL); /* on_tick wants its second */
}

int http_open(struct http *h, const struct http_request *req, struct http_pull **ret, int *ret_status, struct err *err)
{
    struct http_pull *p = mem_alloc(sizeof *p);
    p->http = h;
    p->multi = curl_multi_init();
    CURL *easy = curl_easy_init();
    if (!p->multi || !easy) {
        if (easy)
            curl_easy_cleanup(easy);
        http_close(p);
        return err_set(err, ERR_INTERNAL, "curl cannot be initialised");
    }
    exchange_start(&p->x, easy, h, req);
    p->x.pulled = true;
    p->x.body_max = PENDING_MAX;
    if (req->seconds > 0)
        p->x.deadline_ms = clock_monotonic_ms() + req->seconds * 1000;
    curl_multi_add_handle(p->multi, easy);
    for (;;) {
        pull_perform(p);
        if (p->done || p->x.headers_done)
            break;
        pull_poll(p, 1000);
    }
    bool answered = p->x.headers_done || (p->done && p->result == CURLE_OK && p->x.status >= 300); /* leading nowhere */
    if (!answered) {
        CURLcode code = p->result == CURLE_OK ? CURLE_GOT_NOTHING : p->result;
        int r = exchange_failed(&p->x, h, code, err);
        http_close(p);
        return r;
    }
    p->left_ms = clock_monotonic_ms();
    *ret_status = p->x.status;
    *ret = p;
    return 0;
}

int http_read(struct http_pull *p, int timeout_ms, struct buf *into, struct err *err)
{
    int64_t now = clock_monotonic_ms();
    int64_t deadline = now + timeout_ms;
    p->x.last_ms += now - p->left_ms; /* the reader's own absence is not the sender's silence */
    int r;
    for (bool performed = false;; performed = true) {
        if (p->x.body.len > 0) {
            buf_put(into, p->x.body.p, p->x.body.len);
            buf_clear(&p->x.body);
            if (p->x.paused) {
                p->x.paused = false;
                curl_easy_pause(p->x.easy, CURLPAUSE_CONT);
            }
            r = 0;
            break;
        }
        if (p->done) {
            r = p->result == CURLE_OK ? HTTP_END : exchange_failed(&p->x, p->http, p->result, err);
            break;
        }
        now = clock_monotonic_ms();
        if (performed && now >= deadline) {
            r = HTTP_AGAIN;
            break;
        }
        if (performed)
            pull_poll(p, deadline - now);
        pull_perform(p);
    }
    p->left_ms = clock_monotonic_ms();
    return r;
}

char *http_pull_header(const struct http_pull *p, const char *name)
{
    const struct http_answer a = {.headers = p->x.head};
    return http_answer_header(&a, name);
}

void http_close(struct http_pull *p)
{
    if (!p)
        return;
    if (p->x.easy) {
        curl_multi_remove_handle(p->multi, p->x.easy);
        curl_easy_cleanup(p->x.easy);
    }
    if (p->multi)
        curl_multi_cleanup(p->multi);
    exchange_free(&p->x);
    mem_free(p);
}

char *http_escape(const char *s)
{
    static const char hex[] = "0123456789ABCDEF";
    struct buf b = {0};
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '_' || c == '.' || c == '~';
        char out[3] = {'%', hex[c >> 4], hex[c & 15]};
        if (plain)
            buf_put(&b, s, 1);
        else
            buf_put(&b, out, 3);
    }
    return buf_steal(&b);
}
