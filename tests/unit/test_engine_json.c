/*
 * test_engine_json.c - what we make of the Engine's answers, of whatever
 * version, and what we ask it for.
 */
#include "docker/engine_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(s) (s), strlen(s)

static struct err err;

static int version(const char *api, const char *least, struct engine_info *ret)
{
    AUTO(char_p)
    char *text = mem_printf("{\"Version\":\"V\",\"ApiVersion\":\"%s\",\"MinAPIVersion\":\"%s\"}", api, least);
    return engine_json_version(text, strlen(text), ret, &err);
}

static void test_version_is_the_lower(void **state)
{
    (void)state;
    static const char *const good[][3] = {
        {"1.40", "1.12", "1.40"}, {"1.41", "1.12", "1.41"}, {"1.44", "1.24", "1.44"}, {"1.52", "1.44", "1.44"}};
    for (size_t i = 0; i < COUNT(good); i++) {
        struct engine_info info = {0};
        assert_int_equal(version(good[i][0], good[i][1], &info), 0);
        assert_string_equal(info.api, good[i][2]);
        assert_string_equal(info.version, "V");
    }
    static const char *const bad[][2] = {{"1.39", "1.12"}, {"1.60", "1.50"}, {"2.0", "1.0"},
                                         {"1.", "1.0"},    {"1.41x", "1.0"}, {"", ""}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct engine_info info = {0};
        assert_int_equal(version(bad[i][0], bad[i][1], &info), -1);
        assert_int_equal(err.kind, ERR_ENGINE);
        assert_string_equal(info.api, "");
    }
    struct engine_info info = {0};
    assert_int_equal(engine_json_version(TEXT("<html>"), &info, &err), -1);
    assert_int_equal(engine_json_version(TEXT("[]"), &info, &err), -1);
}

static void test_info(void **state)
{
    (void)state;
    struct engine_info info = {0};
    assert_int_equal(engine_json_info(TEXT("{}"), &info, &err), 0);
    assert_int_equal(info.cgroup_version, 1); /* 20.10 with cgroups v1 says so; 19.03 says nothing */
    assert_false(info.rootless || info.userns);
    assert_false(info.limits_memory || info.limits_swap || info.limits_pids || info.limits_cpu || info.seccomp);
    assert_string_equal(info.storage_driver, "");
    const char *text = "{\"CgroupDriver\":\"systemd\",\"CgroupVersion\":\"2\",\"NCPU\":4,\"MemTotal\":1024,"
                       "\"SecurityOptions\":[\"name=seccomp,profile=default\",\"name=rootless\",\"name=usernsx\",7]}";
    assert_int_equal(engine_json_info(TEXT(text), &info, &err), 0);
    assert_int_equal(info.cgroup_version, 2);
    assert_string_equal(info.cgroup_driver, "systemd");
    assert_true(info.rootless);
    assert_false(info.userns);
    assert_int_equal(info.cpus, 4);
    assert_int_equal(info.memory_bytes, 1024);
}

static void test_info_of_what_can_be_held(void **state)
{
    (void)state;
    struct engine_info info = {0};
    const char *text =
        "{\"Driver\":\"overlay2\",\"DockerRootDir\":\"/d\",\"DriverStatus\":[[\"Supports d_type\",\"false\"]],"
        "\"MemoryLimit\":true,\"SwapLimit\":true,\"PidsLimit\":true,\"CpuCfsQuota\":true,"
        "\"CpuCfsPeriod\":true,\"SecurityOptions\":[\"name=seccomp,profile=default\"]}";
    assert_int_equal(engine_json_info(TEXT(text), &info, &err), 0);
    assert_true(info.limits_memory && info.limits_swap && info.limits_pids && info.limits_cpu);
    assert_true(info.seccomp && info.no_d_type);
    assert_string_equal(info.storage_driver, "overlay2");
    assert_string_equal(info.root_dir, "/d");
    text = "{\"DriverStatus\":[7,[],[\"Supports d_type\"],[\"Supports d_type\",\"true\"]],\"CpuCfsQuota\":true,"
           "\"SecurityOptions\":[\"name=seccomp,profile=unconfined\"],\"MemoryLimit\":\"yes\"}";
    assert_int_equal(engine_json_info(TEXT(text), &info, &err), 0);
    assert_false(info.seccomp || info.no_d_type || info.limits_cpu || info.limits_memory);
}

static void test_what_is_supported(void **state)
{
    (void)state;
    struct engine_info info = {.architecture = "x86_64", .os_type = "linux"};
    assert_int_equal(engine_supported(&info, &err), 0);
    info.rootless = true;
    assert_int_equal(engine_supported(&info, &err), -1);
    assert_non_null(strstr(err.msg, "rootless"));
    info = (struct engine_info){.architecture = "x86_64", .os_type = "linux", .userns = true};
    assert_int_equal(engine_supported(&info, &err), -1);
    assert_non_null(strstr(err.msg, "userns-remap"));
    info = (struct engine_info){.architecture = "aarch64", .os_type = "linux"};
    assert_int_equal(engine_supported(&info, &err), -1);
    assert_non_null(strstr(err.msg, "linux/aarch64"));
    assert_string_not_equal(err.hint, "");
}

static void test_ids(void **state)
{
    (void)state;
    char id[ENGINE_ID_SIZE] = "untouched";
    static const char *const bad[] = {"{}",
                                      "{\"Id\":\"\"}",
                                      "{\"Id\":\"a b\"}",
                                      "{\"Id\":\"../x\"}",
                                      "{\"Id\":7}",
                                      "{\"Id\":\"12345678901234567890123456789012345678901234567890123456789012345\"}"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(engine_json_id(TEXT(bad[i]), id, &err), -1);
    assert_string_equal(id, "untouched");
    assert_int_equal(engine_json_id(TEXT("{\"Id\":\"abc\"}"), id, &err), 0);
    assert_string_equal(id, "abc");
}

static void test_exec_without_its_code_still_runs(void **state)
{
    (void)state;
    bool running = false;
    int code = 0;
    assert_int_equal(engine_json_exec(TEXT("{\"Running\":false,\"ExitCode\":null}"), &running, &code, &err), 0);
    assert_true(running);
    assert_int_equal(engine_json_exec(TEXT("{\"Running\":false,\"ExitCode\":0}"), &running, &code, &err), 0);
    assert_false(running);
    assert_int_equal(code, 0);
    assert_int_equal(engine_json_exec(TEXT("{\"Running\":true,\"ExitCode\":0}"), &running, &code, &err), 0);
    assert_true(running);
}

static void test_wait(void **state)
{
    (void)state;
    int code = 99;
    assert_int_equal(engine_json_wait(TEXT("{\"StatusCode\":137,\"Error\":null}"), &code, &err), 0);
    assert_int_equal(code, 137);
    assert_int_equal(engine_json_wait(TEXT("{\"StatusCode\":0,\"Error\":{\"Message\":\"oh\"}}"), &code, &err), -1);
    assert_non_null(strstr(err.msg, "oh"));
    assert_int_equal(engine_json_wait(TEXT("{}"), &code, &err), -1);
    assert_int_equal(code, 137);
}

static void test_list(void **state)
{
    (void)state;
    struct engine_item *items = NULL;
    size_t count = 9;
    const char *text = "[{\"Id\":\"a\",\"Names\":[\"/n\"],\"State\":\"paused\",\"Labels\":{\"k\":\"v\"}},"
                       "{\"Id\":\"b\",\"Names\":null,\"Labels\":null}]";
    assert_int_equal(engine_json_list(TEXT(text), &items, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_string_equal(items[0].name, "n");
    assert_true(items[0].running);
    assert_string_equal(items[1].name, "");
    assert_false(items[1].running);
    assert_true(cJSON_IsObject(items[1].labels));
    engine_list_free(items, count);
    engine_list_free(NULL, 0);
    assert_int_equal(engine_json_list(TEXT("[{\"Id\":\"a\"},{}]"), &items, &count, &err), -1);
    assert_int_equal(engine_json_list(TEXT("{}"), &items, &count, &err), -1);
}

static void test_message(void **state)
{
    (void)state;
    char said[ENGINE_MESSAGE_SIZE];
    engine_json_message(TEXT("{\"message\":\"No such image: x\"}\n"), said);
    assert_string_equal(said, "No such image: x");
    engine_json_message(TEXT("plain\r\nsecond line"), said);
    assert_string_equal(said, "plain");
    engine_json_message("", 0, said);
    assert_string_equal(said, "");
    AUTO(char_p) char *much = mem_alloc(5000);
    memset(much, 'x', 4999);
    engine_json_message(TEXT(much), said);
    assert_int_equal(strlen(said), ENGINE_MESSAGE_SIZE - 1);
}

/* --- what we ask for --- */

static bool has_word(const cJSON *array, const char *word)
{
    const cJSON *v;
    cJSON_ArrayForEach(v, array) if (cJSON_IsString(v) && strcmp(v->valuestring, word) == 0) return true;
    return false;
}

static void test_no_spec_asks_for_less(void **state)
{
    (void)state;
    const char *const command[] = {"true", NULL};
    for (int network = 0; network < 2; network++) {
        const struct engine_spec spec = {.image = "i", .command = command, .network = network};
        AUTO(json) cJSON *c = engine_json_create(&spec);
        const cJSON *host = json_obj(c, "HostConfig");
        assert_true(json_bool(host, "ReadonlyRootfs", false));
        assert_true(has_word(json_arr(host, "CapDrop"), "ALL"));
        assert_true(has_word(json_arr(host, "SecurityOpt"), "no-new-privileges"));
        assert_int_equal(cJSON_GetArraySize(json_arr(host, "SecurityOpt")), 1); /* seccomp stays the Engine's */
        assert_false(json_bool(host, "Privileged", true));
        assert_true(json_bool(host, "Init", false));
        assert_string_equal(json_str(host, "IpcMode", ""), "private");
        assert_string_equal(json_str(json_obj(host, "LogConfig"), "Type", ""), "none");
        assert_string_equal(json_str(json_obj(host, "RestartPolicy"), "Name", ""), "no");
        assert_false(json_bool(host, "AutoRemove", true));
        assert_true(json_int(host, "OomScoreAdj", 0) > 0);
        assert_string_equal(json_str(host, "NetworkMode", ""), network ? "default" : "none");
        assert_int_equal(json_bool(c, "NetworkDisabled", !network), !network);
        assert_int_equal(cJSON_GetArraySize(json_arr(c, "Entrypoint")), 0);
        assert_non_null(json_arr(c, "Entrypoint"));
        assert_true(has_word(json_arr(json_obj(c, "Healthcheck"), "Test"), "NONE"));
        assert_null(cJSON_GetObjectItem(host, "Binds"));
        const cJSON *core = cJSON_GetArrayItem(json_arr(host, "Ulimits"), 0);
        assert_string_equal(json_str(core, "Name", ""), "core");
        assert_int_equal(json_int(core, "Hard", -1), 0);
    }
}

static void test_spec(void **state)
{
    (void)state;
    const char *const command[] = {"cargo", "build", NULL};
    const char *const env[] = {"A=b=c", NULL};
    const char *const labels[] = {"job=1", "job=2", "bare", NULL};
    const struct engine_mount mounts[] = {{"/a", "/work", false}, {"/b", "/p", true}};
    const struct engine_spec spec = {.image = "i",
                                     .command = command,
                                     .env = env,
                                     .user = "1:2",
                                     .workdir = "/work",
                                     .mounts = mounts,
                                     .mounts_count = 2,
                                     .labels = labels,
                                     .cgroup_parent = "/bloomery/x",
                                     .memory_bytes = INT64_C(4) << 30,
                                     .pids = 9,
                                     .nano_cpus = 1500000000,
                                     .tmpfs_bytes = 4096,
                                     .files = 1024};
    AUTO(json) cJSON *c = engine_json_create(&spec);
    const cJSON *host = json_obj(c, "HostConfig");
    assert_string_equal(json_str(c, "User", ""), "1:2");
    assert_string_equal(json_str(c, "WorkingDir", ""), "/work");
    assert_true(has_word(json_arr(c, "Cmd"), "build"));
    assert_true(has_word(json_arr(c, "Env"), "A=b=c"));
    assert_string_equal(json_str(json_obj(c, "Labels"), "job", ""), "2");
    assert_string_equal(json_str(json_obj(c, "Labels"), "bare", "?"), "");
    assert_int_equal(json_int(host, "Memory", 0), INT64_C(4) << 30);
    assert_int_equal(json_int(host, "MemorySwap", 0), INT64_C(4) << 30);
    assert_int_equal(json_int(host, "PidsLimit", 0), 9);
    assert_int_equal(json_int(host, "NanoCpus", 0), 1500000000);
    assert_string_equal(json_str(host, "CgroupParent", ""), "/bloomery/x");
    assert_int_equal(cJSON_GetArraySize(json_arr(host, "Ulimits")), 2);
    const cJSON *second = cJSON_GetArrayItem(json_arr(host, "Mounts"), 1);
    assert_string_equal(json_str(second, "Type", ""), "bind");
    assert_string_equal(json_str(second, "Source", ""), "/b");
    assert_true(json_bool(second, "ReadOnly", false));
    assert_non_null(strstr(json_str(json_obj(host, "Tmpfs"), "/tmp", ""), "nosuid,nodev,mode=1777,size=4096"));
    AUTO(char_p) char *filter = engine_json_label_filter("a=b \"c\"");
    assert_string_equal(filter, "%7B%22label%22%3A%5B%22a%3Db%20%5C%22c%5C%22%22%5D%7D");
}

static void test_names(void **state)
{
    (void)state;
    assert_true(engine_name_valid("bloomery-01J-1-build"));
    assert_true(engine_name_valid("docker.io/a/b:c@sha256:00"));
    static const char *const bad[] = {"", "a b", "a?x=1", "a#b", "a/../b", "a%2f", "a\nb", NULL};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(engine_name_valid(bad[i]));
}

/* --- lines of progress --- */

static struct buf told;

static void on_line(const char *line)
{
    buf_printf(&told, "[%s]", line);
}

static void test_lines_at_any_step(void **state)
{
    (void)state;
    static const char text[] = "{\"stream\":\"Step 1/2\"}\r\n{\"stream\":\"\\n\"}\n\n{\"stream\":\"a\\r\\nb\\nhalf\"}\n"
                               "{\"status\":\"Pulling\",\"id\":\"x\"}\n{\"status\":\"y\",\"progress\":\"[=>]\"}\n"
                               "{\"stream\":\" rest\"}\n{\"aux\":{\"ID\":\"z\"}}";
    for (size_t step = 1; step <= sizeof text; step++) {
        struct engine_lines l = {.progress = on_line};
        for (size_t at = 0; at < sizeof text - 1; at += step) {
            size_t n = sizeof text - 1 - at < step ? sizeof text - 1 - at : step;
            assert_int_equal(engine_lines_feed(&l, text + at, n, &err), 0);
        }
        assert_int_equal(engine_lines_end(&l, &err), 0);
        assert_string_equal(told.p, "[Step 1/2][a][b][x: Pulling][half rest]");
        engine_lines_free(&l);
        buf_free(&told);
    }
}

static void test_lines_that_fail(void **state)
{
    (void)state;
    static const char *const bad[] = {"{\"errorDetail\":{\"message\":\"first\"},\"error\":\"second\"}\n",
                                      "{\"error\":\"first\"}\n", "not JSON\n", "[]\n"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct engine_lines l = {0};
        assert_int_equal(engine_lines_feed(&l, TEXT(bad[i]), &err), -1);
        assert_int_equal(err.kind, ERR_ENGINE);
        if (i < 2)
            assert_string_equal(err.msg, "first");
        engine_lines_free(&l);
    }
    struct engine_lines l = {0}; /* one without an end */
    assert_int_equal(engine_lines_feed(&l, TEXT("{\"error\":\"cut\"}"), &err), 0);
    assert_int_equal(engine_lines_end(&l, &err), -1);
    AUTO(char_p) char *much = mem_alloc(700000);
    memset(much, ' ', 700000);
    assert_int_equal(engine_lines_feed(&l, much, 700000, &err), 0);
    assert_int_equal(engine_lines_feed(&l, much, 700000, &err), -1);
    engine_lines_free(&l);
}

static void test_output_without_lines_is_bounded(void **state)
{
    (void)state;
    struct engine_lines l = {.progress = on_line};
    for (int i = 0; i < 3000; i++)
        assert_int_equal(engine_lines_feed(&l, TEXT("{\"stream\":\"0123456789\"}\n"), &err), 0);
    assert_true(l.text.len <= 4096);
    engine_lines_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_is_the_lower),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_info_of_what_can_be_held),
        cmocka_unit_test(test_what_is_supported),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_exec_without_its_code_still_runs),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_no_spec_asks_for_less),
        cmocka_unit_test(test_spec),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_lines_at_any_step),
        cmocka_unit_test(test_lines_that_fail),
        cmocka_unit_test(test_output_without_lines_is_bounded),
    };
    return cmocka_run_group_tests_name("engine_json", tests, NULL, NULL);
}
