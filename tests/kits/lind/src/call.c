/* call.c - the way to the host, as lind-glibc's: every call goes through one import, with the cage that each argument
 * belongs to beside it. */
#include "kit.h"

#define UNUSED 0xdeadbeefdeadbeefULL

int host_call(unsigned number, uint64_t name, uint64_t self, uint64_t target, uint64_t a, uint64_t ac, uint64_t b,
              uint64_t bc, uint64_t c, uint64_t cc, uint64_t d, uint64_t dc, uint64_t e, uint64_t ec, uint64_t f,
              uint64_t fc) __attribute__((__import_module__("lind"), __import_name__("make-syscall")));
uint64_t host_memory_base(void) __attribute__((__import_module__("lind"), __import_name__("lind-get-memory-base")));
uint64_t host_cage_id(void) __attribute__((__import_module__("lind"), __import_name__("lind-get-cage-id")));

_Thread_local int errno;

int *__errno_location(void)
{
    return &errno;
}

int kit_fail(int error)
{
    errno = error;
    return -1;
}

uint64_t kit_host(const void *p)
{
    return p ? host_memory_base() + (uint64_t)(size_t)p : 0;
}

long kit_call(int number, const char *name, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t cage = host_cage_id();
    int got = host_call((unsigned)number, kit_host(name), cage, cage, a, cage, b, cage, c, cage, UNUSED, UNUSED, UNUSED,
                        UNUSED, UNUSED, UNUSED);

    return got < 0 && got > -256 ? kit_fail(-got) : got;
}

void kit_lock(int *lock)
{
    while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
        ;
}

void kit_unlock(int *lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}
