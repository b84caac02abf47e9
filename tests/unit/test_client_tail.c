/* test_client_tail.c - the event stream's grammar; the log, calls and downloads against a small server that cuts,
 * is busy and lies. */
#include "client/api.h"
#include "client/attach.h"
#include "client/download.h"
#include "client/tail.h"
#include "client/sse.h"

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- a server: one connection after the other, each gets the next of its answers --- */

struct script {
    const char *const *answers; /* raw; NULL-terminated */
    int listener;
    pthread_t thread;
    char *url;
    struct buf requests; /* their heads, one after the other */
};

static void *serve(void *cookie)
{
    struct script *s = cookie;

    for (size_t i = 0; s->answers[i]; i++) {
        char head[8192];
        size_t n = 0;
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        while (n < sizeof(head) - 1) {
            ssize_t got = read(fd, head + n, sizeof(head) - 1 - n);
            if (got <= 0)
                break;
            n += (size_t)got;
            head[n] = '\0';
            if (strstr(head, "\r\n\r\n"))
                break;
        }
        buf_put(&s->requests, head, n);
        size_t len = strlen(s->answers[i]);
        for (size_t sent = 0; sent < len;) {
            ssize_t put = send(fd, s->answers[i] + sent, len - sent, MSG_NOSIGNAL);
            if (put <= 0)
                break;
            sent += (size_t)put;
        }
        shutdown(fd, SHUT_WR);
        char rest[4096];
        while (read(fd, rest, sizeof(rest)) > 0)
            ;
        close(fd);
    }
    return NULL;
}

static void start(struct script *s, const char *const *answers)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);

    *s = (struct script){.answers = answers, .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &len), 0);
    s->url = mem_printf("http://127.0.0.1:%d", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct script *s)
{
    pthread_join(s->thread, NULL);
    close(s->listener);
    mem_free(s->url);
    buf_free(&s->requests);
}

#define HEAD(status) "HTTP/1.1 " status "\r\nConnection: close\r\n"
#define SSE HEAD("200 OK") "Content-Type: text/event-stream\r\n\r\n"

/* --- the grammar --- */

static void test_sse(void **state)
{
    (void)state;
    static const char stream[] =
        ": heartbeat\n\ndata: one\nid: 4\n\ndata:two\r\ndata: three\r\nid: 9\r\n\r\n\n\nevent: end\n"
        "data: {}\nid: 9\n\ndata: unfinished";
    /* The same however it is cut. */
    for (size_t step = 1; step <= sizeof(stream); step++) {
        struct sse s = {0};
        struct err err = ERR_INIT;
        AUTO(buf) struct buf got = {0};
        const char *event;
        const struct buf *data;
        for (size_t i = 0; i < sizeof(stream) - 1; i += step) {
            size_t n = sizeof(stream) - 1 - i < step ? sizeof(stream) - 1 - i : step;
            assert_int_equal(sse_feed(&s, stream + i, n, &err), 0);
            while (sse_next(&s, &event, &data, &err) == 0)
                buf_printf(&got, "[%s|%s|%s]", event, data->p, s.id.p);
        }
        assert_string_equal(got.p, "[|one|4][|two\nthree|9][end|{}|9]");
        sse_restart(&s);
        assert_string_equal(s.id.p, "9");
        assert_int_equal(sse_feed(&s, "\n", 1, &err), 0);
        assert_int_equal(sse_next(&s, &event, &data, &err), SSE_MORE);
        sse_free(&s);
    }
    struct sse s = {0};
    struct err err = ERR_INIT;
    AUTO(char_p) char *huge = mem_alloc(SSE_MAX_LINE);
    memset(huge, 'x', SSE_MAX_LINE);
    int rc = 0;
    for (int i = 0; i < 4 && rc == 0; i++)
        rc = sse_feed(&s, huge, SSE_MAX_LINE, &err);
    assert_int_equal(rc, -1);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    sse_free(&s);
}

static void test_follow_reconnects(void **state)
{
    (void)state;
    static const char *const answers[] = {SSE "data: a\nid: 2\n\ndata: b\nid: 4\n\ndata: half",
                                          HEAD("503 Busy") "Content-Length: 0\r\n\r\n",
                                          SSE "data: c\nid: 6\n\nevent: end\ndata: {}\n\n", NULL};
    struct script s;
    start(&s, answers);
    struct http *h = http_new(NULL, s.url);
    struct tail *f = tail_new(h, "01J/x");
    AUTO(buf) struct buf text = {0};
    struct err err = ERR_INIT;
    int rc = 0;

    for (int i = 0; i < 200 && rc == 0; i++)
        rc = tail_step(f, 50, &text, &err);
    assert_int_equal(rc, TAIL_END);
    assert_string_equal(text.p, "a\nb\nc\n");
    tail_free(f);
    http_free(h);
    pthread_join(s.thread, NULL);
    assert_non_null(strstr(s.requests.p, "GET /v1/jobs/01J%2Fx/log?follow=1 "));
    assert_non_null(strstr(s.requests.p, "Last-Event-ID: 4\r\n"));
    close(s.listener);
    mem_free(s.url);
    buf_free(&s.requests);
}

static void test_follow_refused(void **state)
{
    (void)state;
    static const char body[] = "{\"error_kind\":\"not_found\",\"detail\":\"no such job\",\"hint\":\"look\"}";
    AUTO(char_p) char *answer = mem_printf(HEAD("404 No") "Content-Length: %zu\r\n\r\n%s", sizeof(body) - 1, body);
    const char *const answers[] = {answer, NULL};
    struct script s;
    start(&s, answers);
    struct http *h = http_new(NULL, s.url);
    struct tail *f = tail_new(h, "x");
    AUTO(buf) struct buf text = {0};
    struct err err = ERR_INIT;

    assert_int_equal(tail_step(f, 50, &text, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_string_equal(err.msg, "no such job");
    assert_string_equal(err.hint, "look");
    tail_free(f);
    http_free(h);
    stop(&s);
}

/* --- calls --- */

static void test_busy_then_done(void **state)
{
    (void)state;
    static const char *const answers[] = {HEAD("503 Busy") "Retry-After: 1\r\nContent-Length: 0\r\n\r\n",
                                          "", /* cut without an answer */
                                          HEAD("201 Created") "Content-Length: 12\r\n\r\n{\"id\":\"01J\"}", NULL};
    struct script s;
    start(&s, answers);
    struct http *h = http_new(NULL, s.url);
    const struct api_call call = {.method = "POST", .path = "/v1/jobs", .key = "KEY"};
    AUTO(json) cJSON *job = NULL;
    struct err err = ERR_INIT;

    if (api_call(h, &call, &job, &err) < 0)
        fail_msg("%s", err.msg);
    assert_string_equal(json_str(job, "id", ""), "01J");
    http_free(h);
    pthread_join(s.thread, NULL);
    size_t keys = 0;
    for (const char *p = s.requests.p; (p = strstr(p, "Idempotency-Key: KEY\r\n")); p++)
        keys++;
    assert_int_equal(keys, 3);
    close(s.listener);
    mem_free(s.url);
    buf_free(&s.requests);
}

static void test_no_second_try_without_key(void **state)
{
    (void)state;
    static const char *const answers[] = {"", NULL};
    struct script s;
    start(&s, answers);
    struct http *h = http_new(NULL, s.url);
    const struct api_call call = {.method = "POST", .path = "/v1/jobs"};
    cJSON *job = NULL;
    struct err err = ERR_INIT;

    assert_int_equal(api_call(h, &call, &job, &err), -1);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    assert_int_equal(api_exit_code(&err), EXIT_SERVER);
    http_free(h);
    stop(&s);
}

static void test_problems(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum err_kind kind;
        int code;
    } cases[] = {
        {422, "{\"error_kind\":\"bad_source\",\"detail\":\"x\"}", ERR_BAD_SOURCE, EXIT_BAD_CALL},
        {400, "{\"error_kind\":\"bad_request\"}", ERR_BAD_REQUEST, EXIT_BAD_CALL},
        {502, "<html>", ERR_UNAVAILABLE, EXIT_SERVER},
        {500, "", ERR_UNAVAILABLE, EXIT_SERVER},
        {404, "[]", ERR_NOT_FOUND, EXIT_BAD_CALL},
        {302, "", ERR_UNAVAILABLE, EXIT_SERVER},
        {418, "{\"error_kind\":7,\"detail\":{}}", ERR_BAD_REQUEST, EXIT_BAD_CALL},
        {429, "{\"error_kind\":\"queue_full\"}", ERR_QUEUE_FULL, EXIT_SERVER},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err err = ERR_INIT;
        assert_int_equal(api_problem(cases[i].status, cases[i].body, strlen(cases[i].body), &err), -1);
        assert_int_equal(err.kind, cases[i].kind);
        assert_int_equal(api_exit_code(&err), cases[i].code);
        assert_true(err.msg[0] != '\0');
    }
}

/* --- downloads --- */

static int download(const char *name, const char *sha256, const char *body, char **ret_dir, struct err *err)
{
    AUTO(char_p)
    char *list = mem_printf("{\"artifacts\":[{\"name\":\"%s\",\"size\":1,\"sha256\":\"%s\"}]}", name, sha256);
    AUTO(char_p) char *first = mem_printf(HEAD("200 OK") "Content-Length: %zu\r\n\r\n%s", strlen(list), list);
    AUTO(char_p)
    char *second =
        mem_printf(HEAD("200 OK") "Content-Length: %zu\r\n\r\n%s", strlen(body ? body : ""), body ? body : "");
    const char *const answers[] = {first, body ? second : NULL, NULL};
    struct script s;
    AUTO(json) cJSON *job = cJSON_CreateObject();
    char *dir = mem_strdup("/tmp/test_download.XXXXXX");

    assert_non_null(mkdtemp(dir));
    start(&s, answers);
    json_put_str(job, "id", "01J");
    struct http *h = http_new(NULL, s.url);
    int rc = download_all(h, job, dir, NULL, true, err);
    http_free(h);
    stop(&s);
    *ret_dir = dir;
    return rc;
}

static void test_download(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char hex[SHA256_HEX_SIZE], *dir;

    hash_bytes("bytes", 5, hex);
    assert_int_equal(download("my-app.wasm", hex, "bytes", &dir, &err), 0);
    AUTO(char_p) char *file = mem_printf("%s/my-app.wasm", dir);
    AUTO(buf) struct buf got = {0};
    assert_int_equal(fs_read(file, 100, &got, &err), 0);
    assert_string_equal(got.p, "bytes");
    assert_int_equal(fs_remove_tree(dir, &err), 0);
    mem_free(dir);

    assert_int_equal(download("x", hex, "other", &dir, &err), -1);
    assert_non_null(strstr(err.msg, "damaged"));
    assert_int_equal(rmdir(dir), 0); /* nothing is left */
    mem_free(dir);

    static const char *const names[] = {"../x", "/etc/x", ".bashrc", "", "a/b"};
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(download(names[i], hex, NULL, &dir, &err), -1);
        assert_non_null(strstr(err.msg, "no name for a file"));
        assert_int_equal(rmdir(dir), 0);
        mem_free(dir);
    }
}

static void test_attach(void **state)
{
    (void)state;
    static const char *const answers[] = {SSE "event: end\ndata: {}\n\n", NULL};
    struct script s;
    start(&s, answers);
    struct http *h = http_new(NULL, s.url);
    struct err err = ERR_INIT;
    enum attach_end end = ATTACH_DETACHED;
    AUTO(json) cJSON *job = cJSON_CreateObject();

    cJSON_AddStringToObject(job, "id", "x");
    assert_int_equal(attach_run(h, job, 0, ATTACH_QUIET, &end, &err), 0);
    assert_int_equal(end, ATTACH_FINISHED);
    http_free(h);
    stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sse),
        cmocka_unit_test(test_follow_reconnects),
        cmocka_unit_test(test_follow_refused),
        cmocka_unit_test(test_busy_then_done),
        cmocka_unit_test(test_no_second_try_without_key),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_download),
        cmocka_unit_test(test_attach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
