/* test_inspect.c - the program bloomery-inspect: exit codes, JSON, the sandbox. Skipped where it has not been built. */
#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct run {
    struct buf out, errors;
    int status;
};

static void run_clear(struct run *r)
{
    buf_free(&r->out);
    buf_free(&r->errors);
}

/* Runs it on a file, as an unprivileged user where we are root. */
static void run(struct run *ret, const char *kind, const char *path)
{
    struct err err = ERR_INIT;
    AUTO(char_p) char *dir = NULL;
    struct proc p = PROC_INIT;

    *ret = (struct run){0};
    assert_int_equal(fs_exe_dir(&dir, &err), 0);
    AUTO(char_p) char *program = mem_printf("%s/../../bloomery-inspect", dir);
    if (access(program, X_OK) < 0)
        skip();
    const char *argv[] = {program, kind, NULL};
    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    p.argv = argv;
    p.stdin_fd = fd;
    p.out = &ret->out;
    p.out_max = 64 << 20;
    p.errors = &ret->errors;
    p.uid = 54321;
    p.gid = 54321;
    p.seconds = 60;
    assert_int_equal(proc_run(&p, &ret->status, &err), 0);
    if (ret->status == 126 || ret->status == 127)
        skip(); /* the folder is closed to other users */
}

static void test_each_kind(void **state)
{
    static const struct {
        const char *path, *kind;
    } files[] = {{"tests/fuzz/corpus/wasm/mvp.wasm", "wasm"},
                 {"tests/fuzz/corpus/elf/lib.so", "elf"},
                 {"tests/fuzz/corpus/ar/gnu.a", "ar"}};

    (void)state;
    for (size_t i = 0; i < 2 * COUNT(files); i++) {
        __attribute__((cleanup(run_clear))) struct run r;
        struct err err = ERR_INIT;
        cJSON *root = NULL;
        run(&r, i % 2 ? "auto" : files[i / 2].kind, files[i / 2].path);
        assert_int_equal(r.status, 0);
        assert_int_equal(json_parse(r.out.p, r.out.len, "the report", &root, &err), 0);
        assert_string_equal(json_str(root, "kind", ""), files[i / 2].kind);
        assert_true(json_int(root, "gzip_size", 0) > 20);
        assert_false(json_bool(root, "truncated", true));
        cJSON_Delete(root);
    }
}

static void test_not_of_that_kind(void **state)
{
    __attribute__((cleanup(run_clear))) struct run r, auto_run, component;

    (void)state;
    run(&r, "elf", "tests/fuzz/corpus/wasm/mvp.wasm");
    assert_int_equal(r.status, 3);
    assert_string_equal(r.out.p, "{\"error\":\"byte 0: not an ELF file: it does not start with \\\\177ELF\"}\n");
    run(&auto_run, "auto", "Makefile");
    assert_int_equal(auto_run.status, 3);
    run(&component, "wasm", "tests/fuzz/corpus/wasm/component.wasm");
    assert_int_equal(component.status, 3);
    assert_string_equal(component.out.p,
                        "{\"error\":\"byte 6: a wasm component (layer 1), not a module\",\"component\":true}\n");
}

static void test_bad_calls(void **state)
{
    __attribute__((cleanup(run_clear))) struct run r, device;

    (void)state;
    run(&r, "pe", "Makefile");
    assert_int_equal(r.status, 2);
    run(&device, "auto", "/dev/null");
    assert_int_equal(device.status, 4);
    assert_string_equal(device.errors.p, "bloomery-inspect: standard input is not a regular file\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind),
        cmocka_unit_test(test_not_of_that_kind),
        cmocka_unit_test(test_bad_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
