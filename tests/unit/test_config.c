/* test_config.c - see daemon/config.h. */
#include "daemon/config.h"

#include "base/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the first above */
#include <cmocka.h>

static int load(struct config **ret, struct err *err, char *const *environment, const char *const *flags)
{
    char *argv[16];
    int argc = 0, rest;

    for (; flags && flags[argc]; argc++)
        argv[argc] = (char *)flags[argc];
    return config_load(argc, argv, environment, ret, &rest, err);
}

static void order_of_sources(void **state)
{
    char path[] = "/tmp/test_config_XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "# a comment\n\n  slots = 3\nmax_queue=5\r\njob_pids = 7\nlisten = [::1]:1\n";
    struct config *c = NULL;
    struct err err = ERR_INIT;
    char *environment[] = {"BLOOMERY_MAX_QUEUE=6", "BLOOMERY_JOB_PIDS=8", "BLOOMERY_URL=x", "HOME=/h", NULL};
    const char *flags[] = {"--job-pids=9", "--config", path, NULL};

    (void)state;
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    assert_int_equal(load(&c, &err, environment, flags), 0);
    assert_int_equal(c->slots, 3);
    assert_int_equal(c->limits.max_queue, 6);
    assert_int_equal(c->limits.job_pids, 9);
    assert_string_equal(c->listen, "[::1]:1");
    assert_int_equal(c->limits.max_files, 200000);
    config_free(c);
    unlink(path);
}

static void bad_files(void **state)
{
    static const struct {
        const char *text, *word;
    } cases[] = {{"slots = 1\nslotz = 2\n", ":2: there is no setting 'slotz'"},
                 {"slots\n", ":1: 'key = value' expected"},
                 {"\n\nslots = many", ":3: slots must be a whole number"},
                 {"slots = 0", ":1: slots must be from 1"}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[] = "/tmp/test_config_XXXXXX";
        int fd = mkstemp(path);
        struct config *c = NULL;
        struct err err = ERR_INIT;
        const char *flags[] = {"--config", path, NULL};
        assert_int_equal(write(fd, cases[i].text, strlen(cases[i].text)), strlen(cases[i].text));
        close(fd);
        assert_int_equal(load(&c, &err, NULL, flags), -1);
        assert_non_null(strstr(err.msg, cases[i].word));
        assert_null(c);
        unlink(path);
    }
}

static void units(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0}, {"8k", 8192}, {"2M", 2 << 20}, {"3GiB", INT64_C(3) << 30}, {"1Tb", INT64_C(1) << 40}};
    static const char *const bad[] = {"", "-1", "1x", "1kk", "k", "1.5G", "9999999T", "99999999999999999999"};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct config *c = NULL;
        struct err err = ERR_INIT;
        const char *flags[] = {"--max-body-bytes", good[i].text, NULL};
        assert_int_equal(load(&c, &err, NULL, flags), 0);
        assert_int_equal(c->limits.max_body_bytes, good[i].value);
        config_free(c);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct config *c = NULL;
        struct err err = ERR_INIT;
        const char *flags[] = {"--max-body-bytes", bad[i], NULL};
        assert_int_equal(load(&c, &err, NULL, flags), -1);
    }
}

static void bad_flags(void **state)
{
    static const char *const cases[][3] = {
        {"--slotz", "1", NULL},          {"--slots", NULL},           {"--work-mode=fast", NULL},
        {"--log-level", "loud", NULL},   {"--state=", NULL},          {"--max-queue=0", NULL},
        {"--config=/nonexistent", NULL}, {"--builder-id=", NULL},     {"--builder-id=host", NULL},
        {"--builder-id=https:", NULL},   {"--builder-id=x:a b", NULL}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config *c = NULL;
        struct err err = ERR_INIT;
        assert_int_equal(load(&c, &err, NULL, cases[i]), -1);
        assert_int_not_equal(err.msg[0], '\0');
    }
}

static void words_come_first(void **state)
{
    char *argv[] = {"--slots", "2", "images", "--state=/s", "build", "wasm"};
    struct config *c = NULL;
    struct err err = ERR_INIT;
    int rest = 0;

    (void)state;
    assert_int_equal(config_load(6, argv, NULL, &c, &rest, &err), 0);
    assert_int_equal(rest, 3);
    assert_string_equal(argv[0], "images");
    assert_string_equal(argv[1], "build");
    assert_string_equal(argv[2], "wasm");
    assert_string_equal(c->state, "/s");
    config_free(c);
}

static void loopback_only(void **state)
{
    static const struct {
        const char *listen, *address; /* NULL: refused */
        int port;
    } cases[] = {{"127.0.0.1:7070", "127.0.0.1", 7070},
                 {"localhost:0", "127.0.0.1", 0},
                 {"[::1]:80", "::1", 80},
                 {"0.0.0.0:80", NULL, 0},
                 {"192.168.1.1:80", NULL, 0},
                 {"[::]:80", NULL, 0},
                 {"127.0.0.1", NULL, 0},
                 {"example.org:80", NULL, 0},
                 {"", NULL, 0}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config c = {.listen = (char *)cases[i].listen};
        struct err err = ERR_INIT;
        char address[64] = "";
        int port = -1;
        assert_int_equal(config_listen(&c, address, &port, &err), cases[i].address ? 0 : -1);
        if (cases[i].address) {
            assert_string_equal(address, cases[i].address);
            assert_int_equal(port, cases[i].port);
        }
    }
}

static void docker_host(void **state)
{
    char *environment[] = {"DOCKER_HOST=unix:///run/d.sock", NULL};
    char *remote[] = {"DOCKER_HOST=tcp://1.2.3.4:5", NULL};
    struct config *c = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(load(&c, &err, environment, NULL), 0);
    assert_string_equal(c->engine_socket, "/run/d.sock");
    config_free(c);
    assert_int_equal(load(&c, &err, remote, NULL), 0);
    assert_string_equal(c->engine_socket, "/var/run/docker.sock");
    config_free(c);
}

static void every_limit_is_printed(void **state)
{
    AUTO(buf) struct buf help = {0};
    AUTO(buf) struct buf table = {0};

    (void)state;
    config_help(&help);
    config_markdown(&table);
#define X(name, value, what)                                                                                           \
    assert_non_null(strstr(table.p, "| `" #name "` |"));                                                               \
    assert_non_null(strstr(help.p, what));
    LIMITS(X)
#undef X
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_sources),
        cmocka_unit_test(bad_files),
        cmocka_unit_test(units),
        cmocka_unit_test(bad_flags),
        cmocka_unit_test(words_come_first),
        cmocka_unit_test(loopback_only),
        cmocka_unit_test(docker_host),
        cmocka_unit_test(every_limit_is_printed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
