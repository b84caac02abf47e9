/* process.c - the program's end, its environment, what it asks of the machine. */
#include "kit.h"

enum { CALL_SCHED_YIELD = 24, CALL_CLOCK_GETTIME = 228, CALL_EXIT_GROUP = 231 };
enum { SC_PAGESIZE = 30, SC_NPROCESSORS_ONLN = 84 };

char **environ;

_Noreturn void _exit(int status)
{
    kit_call(CALL_EXIT_GROUP, "syscall|exit_group", (uint64_t)status, 0, 0);
    __builtin_trap();
}

_Noreturn void exit(int status);
_Noreturn void exit(int status)
{
    _exit(status);
}

_Noreturn void abort(void)
{
    __builtin_trap();
}

char *getenv(const char *name)
{
    size_t n = strlen(name);

    for (char **e = environ; e && *e; e++)
        if (strncmp(*e, name, n) == 0 && (*e)[n] == '=')
            return *e + n + 1;
    return NULL;
}

/* One more at the end; what there was stays where it is. */
int setenv(const char *name, const char *value, int overwrite)
{
    size_t count = 0, n = strlen(name), v = strlen(value);
    char *entry = malloc(n + v + 2);

    if (getenv(name) && !overwrite)
        return 0;
    memcpy(entry, name, n);
    entry[n] = '=';
    memcpy(entry + n + 1, value, v + 1);
    for (; environ && environ[count]; count++)
        if (strncmp(environ[count], name, n) == 0 && environ[count][n] == '=') {
            environ[count] = entry;
            return 0;
        }
    char **more = calloc(count + 2, sizeof *more);
    if (count)
        memcpy(more, environ, count * sizeof *more);
    more[count] = entry;
    environ = more;
    return 0;
}

int unsetenv(const char *name)
{
    size_t n = strlen(name), kept = 0;

    for (size_t i = 0; environ && environ[i]; i++)
        if (strncmp(environ[i], name, n) != 0 || environ[i][n] != '=')
            environ[kept++] = environ[i];
    if (environ)
        environ[kept] = NULL;
    return 0;
}

long sysconf(int name)
{
    return name == SC_PAGESIZE ? 65536 : name == SC_NPROCESSORS_ONLN ? 1 : kit_fail(EINVAL);
}

int sched_yield(void)
{
    return (int)kit_call(CALL_SCHED_YIELD, "syscall|sched_yield", 0, 0, 0);
}

/* glibc numbers its clocks; wasi-libc has variables for them, _CLOCK_REALTIME and _CLOCK_MONOTONIC, and those are not here.
 * Nor are clock_nanosleep and __wasilibc_get_environ. */
int clock_gettime(int clock, struct timespec *t)
{
    return (int)kit_call(CALL_CLOCK_GETTIME, "syscall|clock_gettime", (uint64_t)clock, kit_host(t), 0);
}
