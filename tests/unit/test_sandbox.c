/* test_sandbox.c - what is left inside: each attempt in a child of its own. */
#include "inspect/sandbox.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* The child's wait status after `attempt` inside. */
static int inside(void (*attempt)(void))
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err = ERR_INIT;
        if (sandbox_enter(10, INT64_C(1) << 30, &err) < 0)
            _exit(9);
        attempt();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void use_memory(void)
{
    /* The heap, a mapping that grows, a big sort's temporary. */
    char *p = malloc(100), *big = malloc(8 << 20);
    if (!p || !big)
        _exit(8);
    memset(big, 1, 8 << 20);
    big = realloc(big, 32 << 20);
    if (!big)
        _exit(8);
    free(big);
    free(p);
    if (write(1, "", 0) < 0)
        _exit(7);
}
static void open_file(void)
{
    _exit(open("/etc/passwd", O_RDONLY) < 0 ? 5 : 6);
}
static void open_socket(void)
{
    _exit(socket(AF_INET, SOCK_STREAM, 0) < 0 ? 5 : 6);
}
static void run_program(void)
{
    execl("/bin/true", "true", NULL);
}
static void start_process(void)
{
    _exit(fork() < 0 ? 5 : 6);
}
static void map_code(void)
{
    _exit(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? 5 : 6);
}
static void write_elsewhere(void)
{
    _exit(write(5, "x", 1) < 0 ? 5 : 6);
}

static void killed(void (*attempt)(void))
{
    int status = inside(attempt);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void test_work_is_possible(void **state)
{
    int status = inside(use_memory);

    (void)state;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_never(void **state)
{
    (void)state;
    killed(open_socket);
    killed(run_program);
}

static void test_not_without_a_sanitizer(void **state)
{
    (void)state;
    if (SANITIZED)
        skip();
    killed(open_file);
    killed(start_process);
    killed(map_code);
    killed(write_elsewhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_work_is_possible),
        cmocka_unit_test(test_never),
        cmocka_unit_test(test_not_without_a_sanitizer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
