/* crt1.c - where a program starts: what lind-glibc's crt1.o does, and imports. */
#include "kit.h"

int host_args_sizes_get(size_t *count, size_t *bytes)
    __attribute__((__import_module__("lind"), __import_name__("args_sizes_get")));
int host_args_get(char **argv, char *bytes) __attribute__((__import_module__("lind"), __import_name__("args_get")));
int host_environ_sizes_get(size_t *count, size_t *bytes)
    __attribute__((__import_module__("lind"), __import_name__("environ_sizes_get")));
int host_environ_get(char **envp, char *bytes)
    __attribute__((__import_module__("lind"), __import_name__("environ_get")));

_Noreturn void exit(int status);
extern char **environ;

__attribute__((__weak__)) int main(int argc, char **argv, char **envp);
__attribute__((__weak__)) int __main_argc_argv(int argc, char **argv);

__attribute__((__weak__)) int __main_argc_argv(int argc, char **argv)
{
    return main(argc, argv, environ);
}

/* Rust's programs bring their own. */
__attribute__((__weak__)) int __main_void(void);
__attribute__((__weak__)) int __main_void(void)
{
    size_t count, bytes;

    host_args_sizes_get(&count, &bytes);
    char **argv = calloc(count + 1, sizeof *argv), *text = calloc(bytes + 1, 1);
    host_args_get(argv, text);
    return __main_argc_argv((int)count, argv);
}

void _start(void);
void _start(void)
{
    size_t count, bytes;

    host_environ_sizes_get(&count, &bytes);
    char **envp = calloc(count + 1, sizeof *envp), *text = calloc(bytes + 1, 1);
    host_environ_get(envp, text);
    environ = envp;
    exit(__main_void());
}
