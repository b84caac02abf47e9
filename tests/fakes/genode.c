/*
 * genode.c - a stand-in for Genode's libraries on Linux, for tests: a component starts on it, loaded by glibc's dynamic linker
 * in place of Genode's.
 *
 * It is compiled once for each library but ld.lib.so: with -DLIBRARY_LIBC, -DLIBRARY_LIBM, -DLIBRARY_POSIX. glibc takes itself for
 * what the component names as its dynamic linker, so what ld.lib.so has is in libc.lib.so here. What FreeBSD 12 has otherwise than Linux is here as far as
 * the example goes: errno, threads and their attributes, waiting on an address, signals. As in Genode it is posix.lib.so
 * that calls the component's main.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef LIBRARY_LIBC

/* As libgcc and compiler-rt have it: the control block is the compiler's, its last word the storage's first value. */
struct control {
    size_t size, align;
    pthread_key_t *key;
    void *value;
};

void *__emutls_get_address(struct control *control);

void *__emutls_get_address(struct control *control)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    void *p;

    pthread_mutex_lock(&lock);
    if (!control->key) {
        control->key = malloc(sizeof *control->key);
        if (!control->key || pthread_key_create(control->key, NULL) != 0)
            abort();
    }
    pthread_mutex_unlock(&lock);
    p = pthread_getspecific(*control->key);
    if (!p) {
        if (posix_memalign(&p, control->align < sizeof p ? sizeof p : control->align, control->size) != 0)
            abort();
        if (control->value)
            memcpy(p, control->value, control->size);
        else
            memset(p, 0, control->size);
        pthread_setspecific(*control->key, p);
    }
    return p;
}

enum { UMTX_WAIT = 15, PAGE_SIZE_OF_FREEBSD = 47 };

/* Its beginning is all that is looked at. */
struct sigaction_of_freebsd {
    void *handler;
};

int *__error(void);
int _umtx_op(void *object, int what, unsigned long value, void *size, void *timeout);
int sysctl(void);
int sysctlbyname(void);
int pthread_attr_get_np(void);
int sigaction(int signal, const struct sigaction_of_freebsd *new, struct sigaction_of_freebsd *old);
int fake_attributes(void **attributes);

int *__error(void)
{
    return __errno_location();
}

/* Waiters may be woken for nothing, so looking again after a while is right. */
int _umtx_op(void *object, int what, unsigned long value, void *size, void *timeout)
{
    (void)size;
    (void)timeout;
    if (what == UMTX_WAIT && __atomic_load_n((unsigned *)object, __ATOMIC_SEQ_CST) == (unsigned)value)
        usleep(1000);
    return 0;
}

/* Nothing is known of the system, and nothing of a thread's stack. */
static int unknown(void)
{
    errno = ENOENT;
    return -1;
}
int sysctl(void) __attribute__((alias("unknown")));
int sysctlbyname(void) __attribute__((alias("unknown")));
int pthread_attr_get_np(void) __attribute__((alias("unknown")));

/* Somebody handles each signal already, so that std leaves them alone. */
int sigaction(int signal, const struct sigaction_of_freebsd *new, struct sigaction_of_freebsd *old)
{
    (void)signal, (void)new;
    if (old)
        old->handler = (void *)1;
    return 0;
}

long sysconf(int name)
{
    return name == PAGE_SIZE_OF_FREEBSD ? getpagesize() : -1;
}

/* A pointer is all that FreeBSD's attributes are: glibc's would not fit. */
int fake_attributes(void **attributes)
{
    *attributes = NULL;
    return 0;
}
int pthread_attr_init(pthread_attr_t *a) __attribute__((alias("fake_attributes")));
int pthread_attr_destroy(pthread_attr_t *a) __attribute__((alias("fake_attributes")));

int pthread_attr_setstacksize(pthread_attr_t *a, size_t size)
{
    (void)a, (void)size;
    return 0;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *a, void *(*start)(void *), void *argument)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

    (void)a;
    if (!real)
        real = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
    return real(thread, NULL, start, argument);
}

#elif defined LIBRARY_POSIX

extern int main(int argc, char **argv, char **envp);

__attribute__((constructor)) static void start(int argc, char **argv, char **envp)
{
    exit(main(argc, argv, envp));
}

#endif
