/*
 * test_http.c - the HTTP client against a server of this program's own: a
 * thread that answers each connection as the test says, byte for byte.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct server {
    int fd;
    char path[64]; /* of the Unix socket, or empty */
    char url[64];
    pthread_t thread;
    void (*serve)(struct server *s, int fd);
    atomic_int accepted;
    atomic_llong written;
    struct buf got; /* the last request; read it when the client is done */
    struct http *http;
};

static void nap(int ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

static void *server_run(void *arg)
{
    struct server *s = arg;
    for (;;) {
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        atomic_fetch_add(&s->accepted, 1);
        s->serve(s, fd);
        close(fd);
    }
}

static struct server *server_start(bool tcp, void (*serve)(struct server *, int))
{
    struct server *s = mem_alloc(sizeof *s);
    s->serve = serve;
    if (tcp) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof in;
        s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(s->fd, (struct sockaddr *)&in, sizeof in), 0);
        assert_int_equal(getsockname(s->fd, (struct sockaddr *)&in, &len), 0);
        snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/", ntohs(in.sin_port));
    } else {
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        snprintf(s->path, sizeof s->path, "/tmp/bloomery-test-http-%d", (int)getpid());
        unlink(s->path);
        memcpy(un.sun_path, s->path, sizeof s->path);
        s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(s->fd, (struct sockaddr *)&un, sizeof un), 0);
        snprintf(s->url, sizeof s->url, "http://docker");
    }
    assert_int_equal(listen(s->fd, 8), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, server_run, s), 0);
    s->http = http_new(tcp ? NULL : s->path, s->url);
    return s;
}

static void server_stop(struct server *s)
{
    http_free(s->http);
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    if (s->path[0])
        unlink(s->path);
    buf_free(&s->got);
    mem_free(s);
}

static void put(struct server *s, int fd, const void *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = send(fd, (const char *)data + at, len - at, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        at += (size_t)n;
        atomic_fetch_add(&s->written, n);
    }
}

static void say(struct server *s, int fd, const char *text)
{
    put(s, fd, text, strlen(text));
}

/* Reads until `end` stands at the end of what came, or the client leaves (false). */
static bool hear(struct server *s, int fd, const char *end)
{
    for (bool first = true;; first = false) {
        char part[4096];
        ssize_t n = recv(fd, part, sizeof part, 0);
        if (n <= 0)
            return false;
        if (first)
            buf_clear(&s->got);
        buf_put(&s->got, part, (size_t)n);
        size_t len = strlen(end);
        if (s->got.len >= len && memcmp(s->got.p + s->got.len - len, end, len) == 0)
            return true;
    }
}

static const struct http_request get = {.method = "GET", .path = "/x?y=1"};

/* --- whole exchanges --- */

static void serve_two(struct server *s, int fd)
{
    while (hear(s, fd, "\r\n\r\n"))
        say(s, fd, "HTTP/1.1 404 Not Found\r\nX-Kind:  not there \r\nContent-Length: 5\r\n\r\nsorry");
}

static void test_answer_and_reuse(void **state)
{
    (void)state;
    struct server *s = server_start(false, serve_two);
    struct err err = ERR_INIT;
    static const char *const headers[] = {"X-Mine: 1", NULL};
    struct http_request req = get;
    req.headers = headers;
    for (int i = 0; i < 2; i++) {
        struct http_answer a = {0};
        assert_int_equal(http_call(s->http, &req, &a, &err), 0);
        assert_int_equal(a.status, 404);
        assert_string_equal(a.body.p, "sorry");
        AUTO(char_p) char *kind = http_answer_header(&a, "x-kind");
        assert_string_equal(kind, "not there");
        assert_null(http_answer_header(&a, "x-kin"));
        http_answer_free(&a);
    }
    assert_int_equal(atomic_load(&s->accepted), 1);
    assert_int_equal(memcmp(s->got.p, "GET /x?y=1 HTTP/1.1\r\n", 21), 0);
    assert_non_null(strstr(s->got.p, "\r\nX-Mine: 1\r\n"));
    server_stop(s);
}

static void serve_body(struct server *s, int fd)
{
    if (hear(s, fd, "END"))
        say(s, fd, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
}

static void test_body(void **state)
{
    (void)state;
    struct server *s = server_start(true, serve_body);
    struct err err = ERR_INIT;
    struct http_answer a = {0};
    const struct http_request req = {.method = "PUT", .path = "/b", .body = "bytes END", .body_len = 9};
    assert_int_equal(http_call(s->http, &req, &a, &err), 0);
    assert_int_equal(a.status, 201);
    assert_int_equal(memcmp(s->got.p, "PUT /b HTTP/1.1\r\n", 17), 0);
    assert_non_null(strstr(s->got.p, "Content-Length: 9\r\n"));
    assert_null(strstr(s->got.p, "urlencoded"));
    http_answer_free(&a);
    server_stop(s);
}

static int64_t progress_sent, progress_total;

static void on_progress(int64_t sent, int64_t total)
{
    assert_true(sent >= progress_sent);
    progress_sent = sent;
    progress_total = total;
}

static void test_body_of_a_file(void **state)
{
    (void)state;
    struct server *s = server_start(false, serve_body);
    struct err err = ERR_INIT;
    struct http_answer a = {0};
    char path[] = "/tmp/bloomery-test-http-XXXXXX";
    AUTO(fd) int fd = mkstemp(path);
    assert_int_equal(unlink(path), 0);
    AUTO(char_p) char *data = mem_alloc(700000);
    memset(data, 'x', 700000);
    memcpy(data + 700000 - 3, "END", 3);
    assert_int_equal(fs_write_all(fd, data, 700000, &err), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    progress_sent = 0;
    const struct http_request req = {
        .method = "POST", .path = "/b", .body_fd = fd, .body_len = 700000, .progress = on_progress};
    assert_int_equal(http_call(s->http, &req, &a, &err), 0);
    assert_int_equal(a.status, 201);
    assert_non_null(strstr(s->got.p, "Content-Length: 700000\r\n"));
    assert_int_equal(progress_sent, 700000);
    assert_int_equal(progress_total, 700000);
    http_answer_free(&a);
    server_stop(s);
}

static void serve_chunked(struct server *s, int fd)
{
    if (hear(s, fd, "\r\n0\r\n\r\n"))
        say(s, fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static void test_body_of_a_pipe(void **state)
{
    (void)state;
    struct server *s = server_start(false, serve_chunked);
    struct err err = ERR_INIT;
    struct http_answer a = {0};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "from a pipe", 11), 11);
    close(ends[1]);
    const struct http_request req = {.method = "POST", .path = "/b", .body_fd = ends[0]};
    assert_int_equal(http_call(s->http, &req, &a, &err), 0);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(s->got.p, "Transfer-Encoding: chunked\r\n"));
    assert_non_null(strstr(s->got.p, "\r\nb\r\nfrom a pipe\r\n"));
    close(ends[0]);
    http_answer_free(&a);
    server_stop(s);
}

static void serve_refusal(struct server *s, int fd)
{
    if (hear(s, fd, "\r\n\r\n")) /* it has asked with Expect, and is told no */
        say(s, fd, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig");
}

static void test_refused_before_the_body(void **state)
{
    (void)state;
    struct server *s = server_start(true, serve_refusal);
    struct err err = ERR_INIT;
    struct http_answer a = {0};
    AUTO(fd) int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    const struct http_request req = {.method = "POST", .path = "/b", .body_fd = fd, .body_len = (size_t)1 << 40};
    assert_int_equal(http_call(s->http, &req, &a, &err), 0);
    assert_int_equal(a.status, 413);
    assert_string_equal(a.body.p, "big");
    http_answer_free(&a);
    server_stop(s);
}

static void serve_ten(struct server *s, int fd)
{
    const char *status = s->path[0] ? "200 OK" : "500 No";
    if (!hear(s, fd, "\r\n\r\n"))
        return;
    AUTO(char_p) char *text = mem_printf("HTTP/1.1 %s\r\nContent-Length: 10\r\n\r\n0123456789", status);
    say(s, fd, text);
}

static void test_answer_into_a_file(void **state)
{
    (void)state;
    for (int tcp = 0; tcp < 2; tcp++) { /* where a 200 is given, and a 500 */
        struct server *s = server_start(tcp, serve_ten);
        struct err err = ERR_INIT;
        struct http_answer a = {0};
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        struct http_request req = get;
        req.answer_fd = ends[1];
        assert_int_equal(http_call(s->http, &req, &a, &err), 0);
        close(ends[1]);
        char text[16] = "";
        assert_int_equal(read(ends[0], text, sizeof text), tcp ? 0 : 10);
        assert_int_equal(a.body.len, tcp ? 10 : 0);
        close(ends[0]);
        http_answer_free(&a);
        server_stop(s);
    }
}

static void test_answer_too_long(void **state)
{
    (void)state;
    struct server *s = server_start(false, serve_ten);
    struct err err = ERR_INIT;
    struct http_answer a = {0};
    struct http_request req = get;
    req.max_answer = 9;
    assert_int_equal(http_call(s->http, &req, &a, &err), -1);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    http_answer_free(&a);
    req.max_answer = 10;
    assert_int_equal(http_call(s->http, &req, &a, &err), 0);
    http_answer_free(&a);
    server_stop(s);
}

static void serve_headers(struct server *s, int fd)
{
    if (!hear(s, fd, "\r\n\r\n"))
        return;
    say(s, fd, "HTTP/1.1 200 OK\r\n");
    AUTO(char_p) char *line = mem_printf("X-Long: %01000d\r\n", 0);
    for (int i = 0; i < 100; i++)
        say(s, fd, line);
    say(s, fd, "Content-Length: 0\r\n\r\n");
}

static void test_headers_too_long(void **state)
{
    (void)state;
    struct server *s = server_start(false, serve_headers);
    struct err err = ERR_INIT;
    struct http_answer a = {0};
    assert_int_equal(http_call(s->http, &get, &a, &err), -1);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    http_answer_free(&a);
    server_stop(s);
}

static void serve_redirect(struct server *s, int fd)
{
    if (hear(s, fd, "\r\n\r\n"))
        say(s, fd, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
}

static void test_redirects_are_not_followed(void **state)
{
    (void)state;
    struct server *s = server_start(false, serve_redirect);
    struct err err = ERR_INIT;
    struct http_answer a = {0};
    assert_int_equal(http_call(s->http, &get, &a, &err), 0);
    assert_int_equal(a.status, 302);
    http_answer_free(&a);
    server_stop(s);
}

static void serve_cut(struct server *s, int fd)
{
    if (hear(s, fd, "\r\n\r\n"))
        say(s, fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
}

static void test_cut(void **state)
{
    (void)state;
    struct server *s = server_start(false, serve_cut);
    struct err err = ERR_INIT;
    struct http_answer a = {0};
    assert_int_equal(http_call(s->http, &get, &a, &err), -1);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    http_answer_free(&a);
    server_stop(s);
}

static void test_not_reached(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct http_answer a = {0};
    struct http *h = http_new("/no/such/socket", "http://docker");
    assert_int_equal(http_call(h, &get, &a, &err), -1);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    assert_int_equal(err.sys, ENOENT);
    http_free(h);
    h = http_new(NULL, "http://127.0.0.1:1");
    assert_int_equal(http_call(h, &get, &a, &err), -1);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    assert_int_equal(err.sys, ECONNREFUSED);
    http_free(h);
    http_answer_free(&a);
}

static void serve_silence(struct server *s, int fd)
{
    if (hear(s, fd, "\r\n\r\n"))
        hear(s, fd, "never");
}

static void test_silence(void **state)
{
    (void)state;
    struct server *s = server_start(false, serve_silence);
    for (int idle = 0; idle < 2; idle++) {
        struct err err = ERR_INIT;
        struct http_answer a = {0};
        struct http_request req = get;
        req.seconds = idle ? 0 : 1;
        req.idle_seconds = idle;
        int64_t from = clock_monotonic_ms();
        assert_int_equal(http_call(s->http, &req, &a, &err), -1);
        assert_int_equal(err.kind, ERR_TIMED_OUT);
        assert_in_range(clock_monotonic_ms() - from, 900, 4000);
        http_answer_free(&a);
        struct http_pull *p = NULL;
        int status = 0;
        assert_int_equal(http_open(s->http, &req, &p, &status, &err), -1);
        assert_int_equal(err.kind, ERR_TIMED_OUT);
        assert_null(p);
    }
    server_stop(s);
}

/* --- pulled answers --- */

static void serve_pieces(struct server *s, int fd)
{
    if (!hear(s, fd, "\r\n\r\n"))
        return;
    say(s, fd, "HTTP/1.1 200 OK\r\n\r\none");
    nap(300);
    say(s, fd, "two");
}

static void test_pull(void **state)
{
    (void)state;
    struct server *s = server_start(false, serve_pieces);
    struct err err = ERR_INIT;
    struct http_pull *p = NULL;
    int status = 0;
    AUTO(buf) struct buf b = {0};
    assert_int_equal(http_open(s->http, &get, &p, &status, &err), 0);
    assert_int_equal(status, 200);
    assert_int_equal(http_read(p, 200, &b, &err), 0);
    assert_string_equal(b.p, "one");
    assert_int_equal(http_read(p, 20, &b, &err), HTTP_AGAIN);
    assert_int_equal(http_read(p, 0, &b, &err), HTTP_AGAIN);
    assert_int_equal(http_read(p, 2000, &b, &err), 0);
    assert_string_equal(b.p, "onetwo");
    assert_int_equal(http_read(p, 2000, &b, &err), HTTP_END);
    assert_int_equal(http_read(p, 0, &b, &err), HTTP_END);
    http_close(p);
    http_close(NULL);
    server_stop(s);
}

enum { MUCH = 16 << 20 };

static void serve_much(struct server *s, int fd)
{
    if (!hear(s, fd, "\r\n\r\n"))
        return;
    say(s, fd, "HTTP/1.1 200 OK\r\n\r\n");
    char part[4096];
    for (size_t i = 0; i < sizeof part; i++)
        part[i] = (char)(i % 251);
    for (int i = 0; i < MUCH / (int)sizeof part; i++)
        put(s, fd, part, sizeof part);
}

static void test_pull_holds_the_sender_back(void **state)
{
    (void)state;
    struct server *s = server_start(false, serve_much);
    struct err err = ERR_INIT;
    struct http_pull *p = NULL;
    int status = 0;
    size_t total = 0;
    AUTO(buf) struct buf b = {0};
    assert_int_equal(http_open(s->http, &get, &p, &status, &err), 0);
    nap(300);
    assert_true(atomic_load(&s->written) < 2 << 20); /* ours and the kernel's buffers */
    for (int r; (r = http_read(p, 2000, &b, &err)) != HTTP_END; buf_clear(&b)) {
        assert_int_equal(r, 0);
        assert_true(b.len <= 512 << 10);
        for (size_t i = 0; i < b.len; i++)
            assert_true(b.p[i] == (char)((total + i) % 4096 % 251));
        total += b.len;
    }
    assert_int_equal(total, MUCH);
    http_close(p);
    server_stop(s);
}

static void serve_cut_chunks(struct server *s, int fd)
{
    if (hear(s, fd, "\r\n\r\n"))
        say(s, fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nhe");
}

static void test_pull_cut(void **state)
{
    (void)state;
    struct server *s = server_start(false, serve_cut_chunks);
    struct err err = ERR_INIT;
    struct http_pull *p = NULL;
    int status = 0, r;
    AUTO(buf) struct buf b = {0};
    assert_int_equal(http_open(s->http, &get, &p, &status, &err), 0);
    while ((r = http_read(p, 1000, &b, &err)) == 0)
        ;
    assert_int_equal(r, -1);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    assert_string_equal(b.p, "hellohe");
    http_close(p);
    server_stop(s);
}

static void serve_quiet(struct server *s, int fd)
{
    if (!hear(s, fd, "\r\n\r\n"))
        return;
    say(s, fd, "HTTP/1.1 200 OK\r\n\r\none");
    hear(s, fd, "never");
}

static void test_pull_idle(void **state)
{
    (void)state;
    struct server *s = server_start(false, serve_quiet);
    struct err err = ERR_INIT;
    struct http_pull *p = NULL;
    struct http_request req = get;
    req.idle_seconds = 1;
    int status = 0, r;
    AUTO(buf) struct buf b = {0};
    assert_int_equal(http_open(s->http, &req, &p, &status, &err), 0);
    nap(1500); /* a reader that is away is no silence */
    assert_int_equal(http_read(p, 200, &b, &err), 0);
    assert_int_equal(http_read(p, 200, &b, &err), HTTP_AGAIN);
    while ((r = http_read(p, 200, &b, &err)) == HTTP_AGAIN)
        ;
    assert_int_equal(r, -1);
    assert_int_equal(err.kind, ERR_TIMED_OUT);
    http_close(p);
    server_stop(s);
}

static void test_escape(void **state)
{
    (void)state;
    AUTO(char_p) char *text = http_escape("aZ0-_.~ /%&=\xc3\xa9");
    assert_string_equal(text, "aZ0-_.~%20%2F%25%26%3D%C3%A9");
    AUTO(char_p) char *none = http_escape("");
    assert_string_equal(none, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_and_reuse),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_body_of_a_file),
        cmocka_unit_test(test_body_of_a_pipe),
        cmocka_unit_test(test_refused_before_the_body),
        cmocka_unit_test(test_answer_into_a_file),
        cmocka_unit_test(test_answer_too_long),
        cmocka_unit_test(test_headers_too_long),
        cmocka_unit_test(test_redirects_are_not_followed),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_not_reached),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_pull),
        cmocka_unit_test(test_pull_holds_the_sender_back),
        cmocka_unit_test(test_pull_cut),
        cmocka_unit_test(test_pull_idle),
        cmocka_unit_test(test_escape),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
