/* test_proc.c - helper programs: proc.h, with a shell as the program. */
#include "base/proc.h"

#include "base/clock.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs `script` by sh; collects its output. */
static int sh(struct proc *p, const char *script, struct buf *out, int *ret_status)
{
    struct err err = ERR_INIT;
    const char *argv[] = {"sh", "-c", script, NULL};

    p->argv = argv;
    p->out = out;
    p->out_max = p->out_max ? p->out_max : 1 << 20;
    int r = proc_run(p, ret_status, &err);
    p->argv = NULL;
    if (r < 0)
        print_message("%s\n", err.msg);
    return r;
}

static void test_output_and_status(void **state)
{
    AUTO(buf) struct buf out = {0}, errors = {0};
    struct proc p = PROC_INIT;
    int status = -1;

    (void)state;
    p.errors = &errors;
    assert_int_equal(sh(&p, "echo out; echo errors >&2; exit 7", &out, &status), 0);
    assert_int_equal(status, 7);
    assert_string_equal(out.p, "out\n");
    assert_string_equal(errors.p, "errors\n");
    assert_int_equal(sh(&p, "kill -TERM $$", &out, &status), 0);
    assert_int_equal(status, 128 + SIGTERM);
}

static void test_cannot_run(void **state)
{
    struct err err = ERR_INIT;
    const char *missing[] = {"no-such-program-anywhere", NULL}, *folder[] = {"/tmp", NULL};
    struct proc p = PROC_INIT;
    int status = 42;

    (void)state;
    p.argv = missing;
    assert_int_equal(proc_run(&p, &status, &err), -1);
    assert_int_equal(err.kind, ERR_INTERNAL);
    p.argv = folder;
    assert_int_equal(proc_run(&p, &status, &err), -1);
    assert_int_equal(err.sys, EACCES);
    assert_int_equal(status, 42);
}

static void test_descriptors(void **state)
{
    AUTO(buf) struct buf out = {0};
    struct proc p = PROC_INIT;
    int status, fds[2], stray = open("/dev/null", O_RDONLY); /* not CLOEXEC on purpose */

    (void)state;
    assert_int_equal(sh(&p, "cat; ls /proc/$$/fd; :", &out, &status), 0);
    assert_string_equal(out.p, "0\n1\n2\n");
    close(stray);

    /* stdin, a folder as 3, stdout to a descriptor; in an order where a careless dup2 would overwrite one. */
    struct err err = ERR_INIT;
    const char *argv[] = {"sh", "-c", "cat; ls -d /proc/self/fd/3/passwd | wc -l", NULL};
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    int out_pipe[2];
    assert_int_equal(pipe2(out_pipe, O_CLOEXEC), 0);
    assert_int_equal(write(fds[1], "in\n", 3), 3);
    close(fds[1]);
    struct proc q = PROC_INIT;
    q.argv = argv;
    q.stdin_fd = fds[0];
    q.dir_fd = open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    q.stdout_fd = out_pipe[1];
    assert_int_equal(proc_run(&q, &status, &err), 0);
    close(q.dir_fd);
    close(fds[0]);
    close(out_pipe[1]);
    char text[64] = "";
    assert_true(read(out_pipe[0], text, sizeof text - 1) > 0);
    close(out_pipe[0]);
    assert_string_equal(text, "in\n1\n");
}

static void test_environment(void **state)
{
    AUTO(buf) struct buf out = {0};
    const char *env[] = {"A=1", "PATH=/bin:/usr/bin", NULL};
    struct proc p = PROC_INIT;
    int status;

    (void)state;
    setenv("LEAKED", "1", 1);
    p.env = env;
    assert_int_equal(sh(&p, "echo $A-$LEAKED-$PATH; trap", &out, &status), 0);
    assert_string_equal(out.p, "1--/bin:/usr/bin\n");
}

static void test_time_limit_ends_the_whole_group(void **state)
{
    AUTO(buf) struct buf out = {0};
    struct proc p = PROC_INIT;
    int status = 42;
    int64_t start = clock_monotonic_ms();

    (void)state;
    p.seconds = 1;
    assert_int_equal(sh(&p, "sleep 100 & echo $!; wait", &out, &status), PROC_TIMED_OUT);
    assert_in_range(clock_monotonic_ms() - start, 900, 10000);
    assert_int_equal(status, 42);
    /* The grandchild is gone too, or about to be reaped by init. */
    pid_t grandchild = (pid_t)strtol(out.p, NULL, 10);
    assert_true(grandchild > 1);
    for (int i = 0; i < 100; i++) {
        AUTO(char_p) char *path = mem_printf("/proc/%d/stat", grandchild);
        AUTO(buf) struct buf st = {0};
        if (fs_read(path, 4096, &st, NULL) < 0 || strstr(st.p, ") Z "))
            return;
        usleep(20000);
    }
    fail_msg("the grandchild lives");
}

static void test_end_does_not_wait_for_strays(void **state)
{
    AUTO(buf) struct buf out = {0};
    struct proc p = PROC_INIT;
    int status;
    int64_t start = clock_monotonic_ms();

    (void)state;
    assert_int_equal(sh(&p, "sleep 100 & echo done", &out, &status), 0);
    assert_string_equal(out.p, "done\n");
    assert_in_range(clock_monotonic_ms() - start, 0, 10000);
}

static void test_output_limit(void **state)
{
    AUTO(buf) struct buf out = {0}, errors = {0};
    struct proc p = PROC_INIT;
    int status;

    (void)state;
    p.out_max = 100000;
    assert_int_equal(sh(&p, "yes", &out, &status), PROC_TOO_MUCH_OUTPUT);
    assert_in_range(out.len, 0, 100000);
    buf_clear(&out);
    assert_int_equal(sh(&p, "head -c 100000 /dev/zero", &out, &status), 0);
    assert_int_equal(out.len, 100000);
    buf_clear(&out);
    assert_int_equal(sh(&p, "head -c 100001 /dev/zero", &out, &status), PROC_TOO_MUCH_OUTPUT);
    /* Errors are cut instead. */
    buf_clear(&out);
    p.errors = &errors;
    assert_int_equal(sh(&p, "head -c 300000 /dev/zero >&2", &out, &status), 0);
    assert_int_equal(errors.len, 16 << 10);
}

static void test_limits(void **state)
{
    AUTO(buf) struct buf out = {0};
    struct proc p = PROC_INIT;
    int status;

    (void)state;
    p.cpu_seconds = 1;
    p.memory_bytes = INT64_C(1) << 30;
    assert_int_equal(sh(&p, "ulimit -v; ulimit -t; ulimit -c", &out, &status), 0);
    assert_string_equal(out.p, "1048576\n1\n0\n");
    p.seconds = 20;
    assert_int_equal(sh(&p, "while :; do :; done", &out, &status), 0);
    assert_true(status == 128 + SIGXCPU || status == 128 + SIGKILL);
}

static void test_user(void **state)
{
    AUTO(buf) struct buf out = {0};
    struct proc p = PROC_INIT;
    int status;

    (void)state;
    p.uid = 54321;
    p.gid = 54322;
    assert_int_equal(sh(&p, "id -u; id -g; id -G; grep NoNewPrivs /proc/self/status", &out, &status), 0);
    if (geteuid() == 0)
        assert_string_equal(out.p, "54321\n54322\n54322\nNoNewPrivs:\t1\n");
    else /* ignored */
        assert_int_equal(strtol(out.p, NULL, 10), (long)geteuid());
}

static void test_signals_are_the_defaults(void **state)
{
    AUTO(buf) struct buf out = {0};
    struct proc p = PROC_INIT;
    sigset_t set, old;
    int status;

    (void)state;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(sh(&p, "grep -E 'Sig(Blk|Ign)' /proc/self/status", &out, &status), 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    signal(SIGPIPE, SIG_DFL);
    unsigned long blocked = 1, ignored = 1;
    assert_int_equal(sscanf(out.p, "SigBlk: %lx SigIgn: %lx", &blocked, &ignored), 2);
    assert_int_equal(blocked, 0);
    /* 32 and 33 belong to the C library, which does not let them be set: as whoever started us left them. */
    assert_int_equal(ignored & ~(3ul << 31), 0);
}

static void *run_some(void *arg)
{
    for (int i = 0; i < 25; i++) {
        AUTO(buf) struct buf out = {0};
        struct proc p = PROC_INIT;
        int status = -1;
        if (sh(&p, "echo $PPID >/dev/null; exit 3", &out, &status) != 0 || status != 3)
            return NULL;
    }
    return arg;
}

/* Each waits for its own child only, and nobody inherits another's pipes. */
static void test_many_threads(void **state)
{
    pthread_t threads[8];
    void *ok;

    (void)state;
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_some, threads), 0);
    for (size_t i = 0; i < COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &ok), 0);
        assert_non_null(ok);
    }
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_and_status),
        cmocka_unit_test(test_cannot_run),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_time_limit_ends_the_whole_group),
        cmocka_unit_test(test_end_does_not_wait_for_strays),
        cmocka_unit_test(test_output_limit),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_user),
        cmocka_unit_test(test_signals_are_the_defaults),
        cmocka_unit_test(test_many_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
