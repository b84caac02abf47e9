/*
 * engine_test.c - what docker/engine.h promises, against whatever Engine
 * ENGINE_SOCKET names: the real one or tests/fakes/dockerd.py. The assertions
 * are the same for both, so that the fake cannot drift from what it stands for.
 * ENGINE_ROOTFS is a tar with a busybox; tests/integration/engine.py makes it
 * and runs this program.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "docker/engine.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define IMAGE "bloomery-enginetest:base"
#define LABEL "org.bloomery.enginetest"

static struct engine *engine;
static struct err err;

#define assert_ok(call) assert_done((call), #call, __LINE__)

static void assert_done(int r, const char *what, int line)
{
    if (r != 0)
        fail_msg("line %d: %s is %d: %s", line, what, r, err.msg);
}

static void nap(int ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

static void name_of(const char *what, char ret_name[64])
{
    snprintf(ret_name, 64, "bloomery-enginetest-%d-%s", (int)getpid(), what);
}

static const char *const labels[] = {LABEL "=yes", LABEL ".odd=a\"b=c", NULL};

static void create(const char *what, const char *script, const struct engine_spec *more, char ret_id[ENGINE_ID_SIZE])
{
    const char *const command[] = {"sh", "-c", script, NULL};
    struct engine_spec spec = more ? *more : (struct engine_spec){0};
    spec.image = IMAGE;
    spec.command = command;
    spec.labels = labels;
    spec.user = spec.user ? spec.user : "1234:1234";
    spec.memory_bytes = spec.memory_bytes ? spec.memory_bytes : 64 << 20;
    spec.pids = 64;
    char name[64];
    name_of(what, name);
    assert_ok(engine_create(engine, name, &spec, ret_id, &err));
}

/* Reads to the end; what each channel said. */
struct said {
    struct buf out, err;
    int64_t ms; /* that it took */
};

static void drain(struct engine_stream *s, struct said *ret)
{
    int64_t from = clock_monotonic_ms();
    for (;;) {
        struct engine_chunk c;
        int r = engine_read(s, 1000, &c, &err);
        assert_true(r >= 0 || (fprintf(stderr, "%s\n", err.msg), false));
        if (r == 0)
            buf_put(c.channel == ENGINE_STDERR ? &ret->err : &ret->out, c.data, c.len);
        if (r == ENGINE_END || clock_monotonic_ms() - from > 30000)
            break;
    }
    ret->ms = clock_monotonic_ms() - from;
    assert_true(ret->ms < 30000);
    buf_put(&ret->out, "", 0);
    buf_put(&ret->err, "", 0);
}

static void said_free(struct said *s)
{
    buf_free(&s->out);
    buf_free(&s->err);
}

static int exec_script(const char *id, const char *script, const char *const *env, struct said *ret)
{
    const char *const command[] = {"sh", "-c", script, NULL};
    struct engine_stream *s = NULL;
    assert_ok(engine_exec(engine, id, command, env, "1234:1234", "/tmp", &s, &err));
    drain(s, ret);
    int code = -1;
    assert_ok(engine_exec_exit(s, &code, &err));
    engine_stream_free(s);
    return code;
}

/* --- tests --- */

static void test_info(void **state)
{
    (void)state;
    struct engine_info info = {0};
    assert_ok(engine_info(engine, &info, &err));
    assert_true(strncmp(info.api, "1.4", 3) == 0);
    assert_true(info.version[0]);
    assert_true(info.cgroup_version == 1 || info.cgroup_version == 2);
    assert_true(info.cgroup_driver[0]);
    assert_string_equal(info.os_type, "linux");
    assert_string_equal(info.architecture, "x86_64");
    assert_false(info.rootless);
    assert_false(info.userns);
    assert_true(info.cpus >= 1);
    assert_true(info.memory_bytes > 64 << 20);
}

static void test_output_and_exit_code(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE];
    struct engine_stream *s = NULL;
    struct said said = {0};
    create("output", "echo first; echo wrong >&2; exit 3", NULL, id);
    assert_ok(engine_start(engine, id, &s, &err));
    drain(s, &said);
    assert_string_equal(said.out.p, "first\n");
    assert_string_equal(said.err.p, "wrong\n");
    int code = -1;
    assert_ok(engine_wait(engine, id, 10, &code, &err));
    assert_int_equal(code, 3);
    struct engine_state st = {0};
    assert_ok(engine_state(engine, id, &st, &err));
    assert_true(st.exists);
    assert_false(st.running);
    assert_false(st.oom_killed);
    assert_int_equal(st.exit_code, 3);
    engine_stream_free(s);
    said_free(&said);
    assert_ok(engine_remove(engine, id, &err));
}

static void test_much_output(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE];
    struct engine_stream *s = NULL;
    create("much", "yes 0123456789abcde | head -c 8388608", NULL, id);
    assert_ok(engine_start(engine, id, &s, &err));
    nap(500); /* the pipes fill, the process waits for us */
    struct said said = {0};
    drain(s, &said);
    assert_int_equal(said.out.len, 8388608);
    for (size_t i = 0; i < said.out.len; i += 16)
        assert_memory_equal(said.out.p + i, "0123456789abcde\n", 16);
    engine_stream_free(s);
    said_free(&said);
    assert_ok(engine_remove(engine, id, &err));
}

static void test_exec(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE];
    create("exec", "sleep 1000", &(struct engine_spec){.tmpfs_bytes = 1 << 20}, id);
    assert_ok(engine_start(engine, id, NULL, &err));
    struct said said = {0};
    const char *const env[] = {"GREETING=hello world", NULL};
    assert_int_equal(exec_script(id, "echo \"$GREETING\"; id -u; pwd; echo wrong >&2; exit 7", env, &said), 7);
    assert_string_equal(said.out.p, "hello world\n1234\n/tmp\n");
    assert_string_equal(said.err.p, "wrong\n");
    said_free(&said);

    assert_int_equal(exec_script(id, "kill -9 $$", NULL, &said), 137);
    assert_int_equal(exec_script(id, "true", NULL, &said), 0);
    assert_int_equal(said.out.len, 0);
    said_free(&said);

    const char *const absent[] = {"/no/such/program", NULL};
    struct engine_stream *s = NULL;
    int code = 0;
    assert_ok(engine_exec(engine, id, absent, NULL, "1234:1234", NULL, &s, &err));
    drain(s, &said);
    assert_ok(engine_exec_exit(s, &code, &err));
    assert_true(code == 126 || code == 127);
    engine_stream_free(s);
    said_free(&said);
    assert_ok(engine_remove(engine, id, &err));
}

static void test_exec_leaves_something_behind(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE];
    struct said said = {0};
    create("behind", "sleep 1000", NULL, id);
    assert_ok(engine_start(engine, id, NULL, &err));
    assert_int_equal(exec_script(id, "sleep 900 & echo done; exit 4", NULL, &said), 4);
    assert_string_equal(said.out.p, "done\n");
    assert_in_range(said.ms, 0, 3000);
    said_free(&said);
    /* It also ends when what was left behind never stops printing. */
    assert_int_equal(exec_script(id, "yes flood & echo done; exit 5", NULL, &said), 5);
    assert_in_range(said.ms, 0, 6000);
    said_free(&said);
    assert_ok(engine_remove(engine, id, &err));
}

static void test_exec_closes_its_output(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE];
    struct said said = {0};
    create("closes", "sleep 1000", NULL, id);
    assert_ok(engine_start(engine, id, NULL, &err));
    assert_int_equal(exec_script(id, "echo bye; exec >/dev/null 2>&1; sleep 2; exit 6", NULL, &said), 6);
    assert_string_equal(said.out.p, "bye\n");
    assert_in_range(said.ms, 1500, 6000);
    said_free(&said);
    assert_ok(engine_remove(engine, id, &err));
}

static void test_kill_ends_an_exec(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE];
    create("killed", "sleep 1000", NULL, id);
    assert_ok(engine_start(engine, id, NULL, &err));
    const char *const command[] = {"sh", "-c", "echo ready; sleep 800", NULL};
    struct engine_stream *s = NULL;
    assert_ok(engine_exec(engine, id, command, NULL, "1234:1234", NULL, &s, &err));
    struct engine_chunk c;
    int r;
    while ((r = engine_read(s, 1000, &c, &err)) == ENGINE_AGAIN)
        ;
    assert_int_equal(r, 0);
    assert_int_equal(c.len, 6);
    assert_int_equal(engine_read(s, 100, &c, &err), ENGINE_AGAIN);
    assert_ok(engine_kill(engine, id, &err));
    struct said said = {0};
    drain(s, &said);
    int code = 0;
    assert_ok(engine_exec_exit(s, &code, &err));
    assert_int_equal(code, 137);
    engine_stream_free(s);
    said_free(&said);
    assert_ok(engine_wait(engine, id, 10, &code, &err));
    assert_int_equal(code, 137);
    assert_ok(engine_kill(engine, id, &err)); /* not running: fine */
    assert_ok(engine_remove(engine, id, &err));
}

static void test_wait_runs_out(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE];
    create("wait", "sleep 1000", NULL, id);
    assert_ok(engine_start(engine, id, NULL, &err));
    int code = 99;
    assert_int_equal(engine_wait(engine, id, 1, &code, &err), 1);
    assert_int_equal(engine_wait(engine, id, 0, &code, &err), 1);
    assert_int_equal(code, 99);
    struct engine_state st = {0};
    assert_ok(engine_state(engine, id, &st, &err));
    assert_true(st.running);
    assert_ok(engine_remove(engine, id, &err)); /* by force */
    assert_ok(engine_state(engine, id, &st, &err));
    assert_false(st.exists);
    assert_ok(engine_remove(engine, id, &err)); /* gone: fine */
    assert_ok(engine_kill(engine, id, &err));
    assert_int_equal(engine_wait(engine, id, 1, &code, &err), -1);
    assert_int_equal(err.kind, ERR_ENGINE);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE];
    struct said said = {0};
    struct engine_stream *s = NULL;
    create("oom", "exec tail -c 500000000 /dev/zero", &(struct engine_spec){.memory_bytes = 16 << 20}, id);
    assert_ok(engine_start(engine, id, &s, &err));
    drain(s, &said);
    int code = 0;
    assert_ok(engine_wait(engine, id, 20, &code, &err));
    assert_int_equal(code, 137);
    struct engine_state st = {0};
    for (int i = 0; i < 20 && !st.oom_killed; i++) {
        assert_ok(engine_state(engine, id, &st, &err));
        if (!st.oom_killed)
            nap(100);
    }
    assert_true(st.oom_killed);
    engine_stream_free(s);
    said_free(&said);
    assert_ok(engine_remove(engine, id, &err));
}

static void test_names_and_images(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE], other[ENGINE_ID_SIZE] = "untouched";
    create("taken", "true", NULL, id);
    char name[64];
    name_of("taken", name);
    const char *const command[] = {"true", NULL};
    struct engine_spec spec = {.image = IMAGE, .command = command, .labels = labels};
    assert_int_equal(engine_create(engine, name, &spec, other, &err), ENGINE_NAME_TAKEN);
    spec.image = "bloomery-enginetest:absent";
    name_of("absent", name);
    assert_int_equal(engine_create(engine, name, &spec, other, &err), ENGINE_NO_IMAGE);
    assert_string_equal(other, "untouched");
    assert_true(err.msg[0]);
    assert_ok(engine_remove(engine, id, &err));
}

static void test_bind_source_must_exist(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE] = "untouched", name[64];
    const char *const command[] = {"true", NULL};
    const struct engine_mount mount = {.source = "/no/such/folder/of/bloomery", .target = "/work"};
    struct engine_spec spec = {
        .image = IMAGE, .command = command, .labels = labels, .mounts = &mount, .mounts_count = 1};
    name_of("mount", name);
    assert_int_equal(engine_create(engine, name, &spec, id, &err), -1);
    assert_int_equal(err.kind, ERR_ENGINE);
    assert_non_null(strstr(err.msg, "/no/such/folder/of/bloomery"));
    assert_int_equal(access("/no", F_OK), -1);
}

static void test_mounts(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE];
    char dir[] = "/tmp/bloomery-enginetest-XXXXXX";
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chmod(dir, 0777), 0);
    AUTO(char_p) char *file = mem_printf("%s/made", dir);
    const struct engine_mount mount = {.source = dir, .target = "/work"};
    struct engine_stream *s = NULL;
    struct said said = {0};
    create("mounts", "echo made here >/work/made; touch /root-is-writable && exit 9; exit 0",
           &(struct engine_spec){.mounts = &mount, .mounts_count = 1}, id);
    assert_ok(engine_start(engine, id, &s, &err));
    drain(s, &said);
    int code = -1;
    assert_ok(engine_wait(engine, id, 10, &code, &err));
    assert_int_equal(code, 0);
    AUTO(buf) struct buf made = {0};
    assert_ok(fs_read(file, 4096, &made, &err));
    assert_string_equal(made.p, "made here\n");
    engine_stream_free(s);
    said_free(&said);
    assert_ok(engine_remove(engine, id, &err));
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void test_list(void **state)
{
    (void)state;
    char first[ENGINE_ID_SIZE], second[ENGINE_ID_SIZE];
    create("list-a", "sleep 1000", NULL, first);
    create("list-b", "true", NULL, second);
    assert_ok(engine_start(engine, first, NULL, &err));
    struct engine_item *items = NULL;
    size_t count = 0;
    assert_ok(engine_list(engine, LABEL "=yes", &items, &count, &err));
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        bool is_first = strcmp(items[i].id, first) == 0;
        char name[64];
        name_of(is_first ? "list-a" : "list-b", name);
        assert_string_equal(items[i].name, name);
        assert_int_equal(items[i].running, is_first);
        assert_string_equal(json_str(items[i].labels, LABEL ".odd", ""), "a\"b=c");
    }
    engine_list_free(items, count);
    assert_ok(engine_list(engine, LABEL "=no", &items, &count, &err));
    assert_int_equal(count, 0);
    engine_list_free(items, count);
    assert_ok(engine_list(engine, LABEL ".odd", &items, &count, &err));
    assert_int_equal(count, 2);
    engine_list_free(items, count);
    assert_ok(engine_remove(engine, first, &err));
    assert_ok(engine_remove(engine, second, &err));
}

static void test_images(void **state)
{
    (void)state;
    cJSON *image = NULL;
    assert_ok(engine_image(engine, IMAGE, &image, &err));
    assert_true(strncmp(json_str(image, "Id", ""), "sha256:", 7) == 0);
    assert_string_equal(json_str(json_obj(image, "labels"), LABEL, ""), "a b");
    cJSON_Delete(image);
    image = NULL;
    assert_int_equal(engine_image(engine, "bloomery-enginetest:absent", &image, &err), ENGINE_ABSENT);
    assert_null(image);

    assert_ok(engine_image_tag(engine, IMAGE, "bloomery-enginetest", "other", &err));
    cJSON *list = NULL;
    assert_ok(engine_images(engine, LABEL "=a b", &list, &err));
    assert_int_equal(cJSON_GetArraySize(list), 1);
    const cJSON *one = cJSON_GetArrayItem(list, 0);
    assert_int_equal(cJSON_GetArraySize(json_arr(one, "RepoTags")), 2);
    assert_true(json_int(one, "Created", 0) > 0);
    cJSON_Delete(list);
    assert_ok(engine_image_remove(engine, "bloomery-enginetest:other", &err));
    assert_ok(engine_image_remove(engine, "bloomery-enginetest:other", &err)); /* gone: fine */

    char id[ENGINE_ID_SIZE];
    create("uses", "true", NULL, id);
    assert_int_equal(engine_image_remove(engine, IMAGE, &err), ENGINE_IN_USE);
    assert_ok(engine_remove(engine, id, &err));
}

static struct buf progress;

static void on_progress(const char *line)
{
    buf_printf(&progress, "%s\n", line);
}

/* A build context is a tar; one of a single file is small enough to be written by hand. */
static int context_of(const char *dockerfile)
{
    char head[512] = {0};
    size_t len = strlen(dockerfile);
    snprintf(head, 100, "Dockerfile");
    snprintf(head + 100, 8, "0000644");
    snprintf(head + 108, 8, "0000000");
    snprintf(head + 116, 8, "0000000");
    snprintf(head + 124, 12, "%011o", (unsigned)len);
    snprintf(head + 136, 12, "%011o", 0U);
    memset(head + 148, ' ', 8);
    head[156] = '0';
    memcpy(head + 257, "ustar\00000", 8);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof head; i++)
        sum += (unsigned char)head[i];
    snprintf(head + 148, 7, "%06o", sum);
    char path[] = "/tmp/bloomery-enginetest-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    static const char zeros[2048];
    assert_ok(fs_write_all(fd, head, sizeof head, &err));
    assert_ok(fs_write_all(fd, dockerfile, len, &err));
    assert_ok(fs_write_all(fd, zeros, 512 - len % 512 + 1024, &err));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void test_build(void **state)
{
    (void)state;
    static const char *const build_labels[] = {LABEL ".built=1", NULL};
    static const char *const args[] = {"WORD=spoken", NULL};
    struct engine_build build = {.tag = "bloomery-enginetest:built",
                                 .dockerfile = "Dockerfile",
                                 .labels = build_labels,
                                 .build_args = args,
                                 .progress = on_progress};
    AUTO(fd) int good = context_of("FROM " IMAGE "\nARG WORD\nRUN echo \"word: $WORD\"\n");
    assert_ok(engine_image_build(engine, good, &build, &err));
    assert_non_null(strstr(progress.p, "word: spoken\n"));
    buf_free(&progress);
    cJSON *image = NULL;
    assert_ok(engine_image(engine, build.tag, &image, &err));
    assert_string_equal(json_str(json_obj(image, "labels"), LABEL ".built", ""), "1");
    cJSON_Delete(image);
    assert_ok(engine_image_remove(engine, build.tag, &err));

    AUTO(fd) int bad = context_of("FROM " IMAGE "\nRUN echo before; exit 5\n");
    assert_int_equal(engine_image_build(engine, bad, &build, &err), -1);
    assert_int_equal(err.kind, ERR_ENGINE);
    assert_non_null(strstr(err.msg, "returned a non-zero code: 5"));
    buf_free(&progress);
}

static void test_import_of_garbage(void **state)
{
    (void)state;
    AUTO(fd) int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_int_equal(engine_image_import(engine, fd, "bloomery-enginetest", "garbage", NULL, &err), -1);
    assert_int_equal(err.kind, ERR_ENGINE);
    cJSON *image = NULL;
    assert_int_equal(engine_image(engine, "bloomery-enginetest:garbage", &image, &err), ENGINE_ABSENT);
}

static void test_no_engine(void **state)
{
    (void)state;
    struct engine *nobody = NULL;
    struct engine_info info = {0};
    assert_ok(engine_open("/no/such/docker.sock", &nobody, &err));
    assert_int_equal(engine_info(nobody, &info, &err), -1);
    assert_int_equal(err.kind, ERR_ENGINE);
    assert_non_null(strstr(err.msg, "the Docker Engine does not answer on /no/such/docker.sock"));
    assert_non_null(strstr(err.hint, "systemctl start docker"));
    engine_free(nobody);
}

/* --- set-up --- */

static int set_up(void **state)
{
    (void)state;
    const char *rootfs = getenv("ENGINE_ROOTFS");
    if (engine_open(getenv("ENGINE_SOCKET"), &engine, &err) < 0 || !rootfs)
        return -1;
    AUTO(fd) int fd = open(rootfs, O_RDONLY | O_CLOEXEC);
    static const char *const changes[] = {"LABEL " LABEL "=\"a b\"", "ENV PATH=/bin", NULL};
    if (fd < 0 || engine_image_import(engine, fd, "bloomery-enginetest", "base", changes, &err) < 0) {
        fprintf(stderr, "import: %s\n", err.msg);
        return -1;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    struct engine_item *items = NULL;
    size_t count = 0;
    if (engine_list(engine, LABEL "=yes", &items, &count, &err) == 0) {
        for (size_t i = 0; i < count; i++)
            engine_remove(engine, items[i].id, &err);
        engine_list_free(items, count);
    }
    int r = engine_image_remove(engine, IMAGE, &err);
    engine_free(engine);
    return r;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_output_and_exit_code),
        cmocka_unit_test(test_much_output),
        cmocka_unit_test(test_exec),
        cmocka_unit_test(test_exec_leaves_something_behind),
        cmocka_unit_test(test_exec_closes_its_output),
        cmocka_unit_test(test_kill_ends_an_exec),
        cmocka_unit_test(test_wait_runs_out),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_names_and_images),
        cmocka_unit_test(test_bind_source_must_exist),
        cmocka_unit_test(test_mounts),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_build),
        cmocka_unit_test(test_import_of_garbage),
        cmocka_unit_test(test_no_engine),
    };
    return cmocka_run_group_tests_name("engine", tests, set_up, tear_down);
}
