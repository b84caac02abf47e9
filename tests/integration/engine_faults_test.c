/*
 * engine_faults_test.c - what docker/ makes of an Engine that fails: only the
 * fake (ENGINE_SOCKET, tests/fakes/dockerd.py) does that when it is told to.
 */
#include "base/clock.h"
#include "base/http.h"
#include "docker/engine.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct engine *engine;
static struct http *control;
static struct err err;

static void script(const char *json)
{
    struct http_answer a = {0};
    const struct http_request req = {
        .method = "POST", .path = "/_fake", .body = json, .body_len = strlen(json), .seconds = 20};
    assert_int_equal(http_call(control, &req, &a, &err), 0);
    assert_int_equal(a.status, 200);
    http_answer_free(&a);
}

/* How often the fake was called so. */
static int calls(const char *method, const char *tail)
{
    struct http_answer a = {0};
    const struct http_request req = {.method = "GET", .path = "/_fake", .seconds = 20};
    assert_int_equal(http_call(control, &req, &a, &err), 0);
    AUTO(json) cJSON *v = NULL;
    assert_int_equal(json_parse(a.body.p, a.body.len, "the fake's state", &v, &err), 0);
    http_answer_free(&a);
    int n = 0;
    const cJSON *c;
    cJSON_ArrayForEach(c, json_arr(v, "calls"))
    {
        const char *path = json_str(c, "path", "");
        size_t len = strlen(path), want = strlen(tail);
        n += strcmp(json_str(c, "method", ""), method) == 0 && len >= want && strcmp(path + len - want, tail) == 0;
    }
    return n;
}

static void assert_engine_failed(int r, const char *part)
{
    assert_int_equal(r, -1);
    assert_int_equal(err.kind, ERR_ENGINE);
    if (!strstr(err.msg, part))
        fail_msg("'%s' is not in: %s", part, err.msg);
}

static void create(const char *name, char ret_id[ENGINE_ID_SIZE])
{
    const char *const command[] = {"sleep", "infinity", NULL};
    const struct engine_spec spec = {.image = "faults:1", .command = command, .user = "1:1"};
    int r = engine_create(engine, name, &spec, ret_id, &err);
    if (r != 0)
        fail_msg("create: %d %s", r, err.msg);
}

static struct engine_stream *exec(const char *id, const char *what)
{
    const char *const command[] = {what, NULL};
    struct engine_stream *s = NULL;
    if (engine_exec(engine, id, command, NULL, "1:1", NULL, &s, &err) != 0)
        fail_msg("exec: %s", err.msg);
    return s;
}

/* Until something other than output or AGAIN; -2 after ten seconds. */
static int read_on(struct engine_stream *s, size_t *ret_bytes)
{
    struct engine_chunk c;
    int64_t until = clock_monotonic_ms() + 10000;
    *ret_bytes = 0;
    while (clock_monotonic_ms() < until) {
        int r = engine_read(s, 200, &c, &err);
        if (r < 0 || r == ENGINE_END)
            return r;
        if (r == 0)
            *ret_bytes += c.len;
    }
    return -2;
}

static void test_500(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE] = "untouched";
    const char *const command[] = {"true", NULL};
    const struct engine_spec spec = {.image = "faults:1", .command = command};
    script(
        "{\"faults\":[{\"path\":\"/containers/create\",\"do\":\"status\",\"message\":\"no space left on device\"}]}");
    assert_engine_failed(engine_create(engine, "a500", &spec, id, &err), "(500): no space left on device");
    assert_string_equal(id, "untouched");
    create("a500", id);
    assert_int_equal(engine_remove(engine, id, &err), 0);
}

static void test_start_fails_with_its_stream(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE];
    struct engine_stream *s = NULL;
    create("start", id);
    script("{\"faults\":[{\"path\":\"/start$\",\"do\":\"status\",\"status\":400,\"message\":\"OCI runtime\"}]}");
    assert_engine_failed(engine_start(engine, id, &s, &err), "(400): OCI runtime");
    assert_null(s);
    script("{\"faults\":[{\"path\":\"/attach$\",\"do\":\"status\"}]}");
    assert_engine_failed(engine_start(engine, id, &s, &err), "attach");
    assert_null(s);
    assert_int_equal(engine_remove(engine, id, &err), 0);
}

static void test_hang_up_and_garbage(void **state)
{
    (void)state;
    struct engine_info info = {0};
    static const char *const paths[] = {"/version", "/info"};
    for (size_t i = 0; i < COUNT(paths); i++) {
        AUTO(char_p)
        char *hangup = mem_printf("{\"faults\":[{\"path\":\"%s\",\"times\":3,\"do\":\"hangup\"}]}", paths[i]);
        script(hangup);
        assert_engine_failed(engine_info(engine, &info, &err), "cut");
        script("{\"clear\":[\"faults\"]}");
        AUTO(char_p) char *garbage = mem_printf("{\"faults\":[{\"path\":\"%s\",\"do\":\"garbage\"}]}", paths[i]);
        script(garbage);
        assert_engine_failed(engine_info(engine, &info, &err), "is not JSON");
    }
    assert_string_equal(info.version, "");
    assert_int_equal(engine_info(engine, &info, &err), 0);
}

static void test_create_whose_answer_is_lost(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE] = "";
    const char *const command[] = {"true", NULL};
    const struct engine_spec spec = {.image = "faults:1", .command = command};
    script("{\"faults\":[{\"path\":\"/containers/create\",\"do\":\"lose_answer\"}]}");
    int r = engine_create(engine, "lost", &spec, id, &err);
    /* On a connection that was in use before, curl asks again by itself; it may have been closed for its age. */
    assert_true(r == -1 || r == ENGINE_NAME_TAKEN);
    assert_int_equal(engine_create(engine, "lost", &spec, id, &err), ENGINE_NAME_TAKEN);
    assert_int_equal(engine_remove(engine, "lost", &err), 0);
}

static void test_cut_streams(void **state)
{
    (void)state;
    static const int cuts[] = {4, 12}; /* in a header, in a body */
    char id[ENGINE_ID_SIZE];
    size_t bytes = 0;
    create("cut", id);
    assert_int_equal(engine_start(engine, id, NULL, &err), 0);
    for (size_t i = 0; i < COUNT(cuts); i++) {
        AUTO(char_p)
        char *cut = mem_printf("{\"faults\":[{\"path\":\"/exec/.*/start\",\"do\":\"cut\",\"bytes\":%d}]}", cuts[i]);
        script(cut);
        struct engine_stream *s = exec(id, "speak");
        assert_engine_failed(read_on(s, &bytes), "middle of a frame");
        engine_stream_free(s);
    }
    assert_int_equal(engine_remove(engine, id, &err), 0);
}

static void test_end_that_cannot_be_asked_for(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE];
    size_t bytes = 0;
    create("ask", id);
    assert_int_equal(engine_start(engine, id, NULL, &err), 0);
    script("{\"faults\":[{\"path\":\"/exec/.*/json\",\"do\":\"status\"}]}");
    struct engine_stream *s = exec(id, "speak");
    assert_engine_failed(read_on(s, &bytes), "(500)");
    assert_int_equal(bytes, 7);
    engine_stream_free(s);
    assert_int_equal(engine_remove(engine, id, &err), 0);
}

/* Wait for the restarted fake. By a new connection, because one that stops still answers on the old. */
static void back_again(void)
{
    struct engine_info info = {0};
    int64_t until = clock_monotonic_ms() + 10000;
    for (int r = -1; r < 0 && clock_monotonic_ms() < until;) {
        struct engine *fresh = NULL;
        const struct timespec t = {.tv_nsec = 100 * 1000000L};
        nanosleep(&t, NULL);
        assert_int_equal(engine_open(getenv("ENGINE_SOCKET"), &fresh, &err), 0);
        r = engine_info(fresh, &info, &err);
        engine_free(fresh);
    }
}

static void test_restart_while_reading(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE];
    size_t bytes = 0;
    struct engine_info info = {0};
    create("restart", id);
    assert_int_equal(engine_start(engine, id, NULL, &err), 0);
    struct engine_stream *s = exec(id, "wait");
    script("{\"restart\":{\"seconds\":2,\"containers\":\"stop\"}}");
    assert_engine_failed(read_on(s, &bytes), "the Docker Engine");
    engine_stream_free(s);
    assert_engine_failed(engine_info(engine, &info, &err), "does not answer on");
    assert_true(err.sys == ENOENT || err.sys == ECONNREFUSED);
    assert_non_null(strstr(err.hint, "systemctl start docker"));
    back_again();
    struct engine_state st = {0};
    assert_int_equal(engine_state(engine, id, &st, &err), 0);
    assert_true(st.exists);
    assert_false(st.running);
    assert_int_equal(engine_remove(engine, id, &err), 0);
}

/* The end of a container by an Engine that is stopped must not look like the end of its command. */
static void test_restarts_are_not_ends(void **state)
{
    (void)state;
    static const char *const hows[] = {"{\"restart\":{\"seconds\":1,\"containers\":\"terminate\"}}",
                                       "{\"restart\":{\"seconds\":0,\"containers\":\"stop\"}}",
                                       "{\"restart\":{\"seconds\":0,\"containers\":\"stay\"}}"};
    for (size_t i = 0; i < 2 * COUNT(hows); i++) {
        char id[ENGINE_ID_SIZE];
        size_t bytes = 0;
        struct engine_stream *s = NULL;
        AUTO(char_p) char *name = mem_printf("again-%zu", i);
        create(name, id);
        assert_int_equal(engine_start(engine, id, i % 2 ? NULL : &s, &err), 0);
        if (i % 2)
            s = exec(id, "wait");
        script(hows[i / 2]);
        assert_engine_failed(read_on(s, &bytes), "the Docker Engine");
        engine_stream_free(s);
        back_again();
        assert_int_equal(engine_remove(engine, id, &err), 0);
    }
}

static void test_another_version_after_a_failure(void **state)
{
    (void)state;
    struct engine_info info = {0};
    script("{\"engine\":{\"ApiVersion\":\"1.52\",\"MinAPIVersion\":\"1.44\"}}");
    assert_int_equal(engine_info(engine, &info, &err), 0);
    assert_string_equal(info.api, "1.44");
    struct engine_item *items = NULL;
    size_t count = 0;
    assert_int_equal(engine_list(engine, "x", &items, &count, &err), 0);
    engine_list_free(items, count);
    script("{\"engine\":{\"ApiVersion\":\"1.38\",\"MinAPIVersion\":\"1.12\"}}");
    assert_engine_failed(engine_info(engine, &info, &err), "too old");
    script("{\"engine\":{\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}}");
    assert_int_equal(engine_info(engine, &info, &err), 0);
    assert_string_equal(info.api, "1.41");
}

static void test_wait_whose_connection_is_cut(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE];
    int code = 99;
    create("waits", id);
    assert_int_equal(engine_start(engine, id, NULL, &err), 0);
    script("{\"faults\":[{\"path\":\"/wait$\",\"do\":\"hangup\",\"times\":0}]}");
    assert_int_equal(engine_wait(engine, id, 5, &code, &err), 1);
    assert_int_equal(engine_kill(engine, id, &err), 0);
    assert_int_equal(engine_wait(engine, id, 5, &code, &err), 0);
    assert_int_equal(code, 137);
    script("{\"clear\":[\"faults\"]}");
    assert_int_equal(engine_remove(engine, id, &err), 0);
}

static void test_an_exec_is_asked_seldom(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE];
    size_t bytes = 0;
    create("seldom", id);
    assert_int_equal(engine_start(engine, id, NULL, &err), 0);
    script("{\"clear\":[\"calls\"]}");
    struct engine_stream *s = exec(id, "chatter");
    assert_int_equal(read_on(s, &bytes), ENGINE_END);
    assert_int_equal(bytes, 3 * 5);
    int code = -1;
    assert_int_equal(engine_exec_exit(s, &code, &err), 0);
    assert_int_equal(code, 2);
    engine_stream_free(s);
    assert_in_range(calls("GET", "/json"), 1, 6); /* in two seconds */
    assert_int_equal(engine_remove(engine, id, &err), 0);
}

/* The fake itself: a rule that writes a file and runs a program of the host on it, with the container's paths. */
static void test_the_fake_runs_programs(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE];
    char dir[] = "/tmp/bloomery-enginetest-XXXXXX";
    assert_non_null(mkdtemp(dir));
    const char *const command[] = {"sleep", "infinity", NULL};
    const struct engine_mount mount = {.source = dir, .target = "/work"};
    const struct engine_spec spec = {
        .image = "faults:1", .command = command, .user = "1:1", .mounts = &mount, .mounts_count = 1};
    script("{\"rules\":[{\"command\":\"work\",\"do\":[{\"file\":\"/work/out/a\",\"text\":\"made\"},"
           "{\"run\":[\"wc\",\"-c\",\"{/work/out/a}\"],\"stdin\":\"/work/out/a\"},"
           "{\"run\":[\"sh\",\"-c\",\"exit 9\"]},{\"exit\":0}]}]}");
    assert_int_equal(engine_create(engine, "runs", &spec, id, &err), 0);
    assert_int_equal(engine_start(engine, id, NULL, &err), 0);
    struct engine_stream *s = exec(id, "work");
    size_t bytes = 0;
    AUTO(char_p) char *file = mem_printf("%s/out/a", dir);
    assert_int_equal(read_on(s, &bytes), ENGINE_END);
    assert_int_equal(bytes, strlen("4 \n") + strlen(file));
    int code = -1;
    assert_int_equal(engine_exec_exit(s, &code, &err), 0);
    assert_int_equal(code, 9);
    engine_stream_free(s);
    assert_int_equal(engine_remove(engine, id, &err), 0);
    AUTO(char_p) char *out = mem_printf("%s/out", dir);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(out), 0);
    assert_int_equal(rmdir(dir), 0);
}

static int set_up(void **state)
{
    (void)state;
    const char *path = getenv("ENGINE_SOCKET");
    if (!path || engine_open(path, &engine, &err) < 0)
        return -1;
    control = http_new(path, "http://fake");
    script("{\"images\":[{\"tags\":[\"faults:1\"]}],\"rules\":["
           "{\"command\":\"speak\",\"do\":[{\"stdout\":\"spoken\\n\"}]},"
           "{\"command\":\"wait\",\"do\":[{\"until_killed\":true}]},"
           "{\"command\":\"chatter\",\"do\":[{\"stdout\":\"word\\n\"},{\"sleep\":1},{\"stderr\":\"word\\n\"},"
           "{\"sleep\":1},{\"stdout\":\"word\\n\"},{\"exit\":2}]}]}");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_free(control);
    engine_free(engine);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_500),
        cmocka_unit_test(test_start_fails_with_its_stream),
        cmocka_unit_test(test_hang_up_and_garbage),
        cmocka_unit_test(test_create_whose_answer_is_lost),
        cmocka_unit_test(test_cut_streams),
        cmocka_unit_test(test_end_that_cannot_be_asked_for),
        cmocka_unit_test(test_restart_while_reading),
        cmocka_unit_test(test_restarts_are_not_ends),
        cmocka_unit_test(test_another_version_after_a_failure),
        cmocka_unit_test(test_wait_whose_connection_is_cut),
        cmocka_unit_test(test_an_exec_is_asked_seldom),
        cmocka_unit_test(test_the_fake_runs_programs),
    };
    return cmocka_run_group_tests_name("engine_faults", tests, set_up, tear_down);
}
