/* sandbox_unpack.c - see sandbox_unpack.h. */
#include "inspect/sandbox_unpack.h"

#include "base/mem.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { CPU_SECONDS = 600, OPEN_FILES = 32 };

static const int reading[] = {
    SCMP_SYS(read),       SCMP_SYS(lseek),        SCMP_SYS(fstat),          SCMP_SYS(newfstatat),    SCMP_SYS(write),
    SCMP_SYS(close),      SCMP_SYS(brk),          SCMP_SYS(mmap),           SCMP_SYS(munmap),        SCMP_SYS(mremap),
    SCMP_SYS(madvise),    SCMP_SYS(mprotect),     SCMP_SYS(futex),          SCMP_SYS(getrandom),     SCMP_SYS(exit),
    SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(clock_gettime),
};

static const int writing[] = {
    SCMP_SYS(openat2),   SCMP_SYS(mkdirat), SCMP_SYS(unlinkat),  SCMP_SYS(linkat), SCMP_SYS(symlinkat),
    SCMP_SYS(utimensat), SCMP_SYS(fchmod),  SCMP_SYS(ftruncate), SCMP_SYS(fcntl),
};

/* Refused with an error where the C library asks in passing; anything else that is not listed ends the process. */
static const int denied[] = {SCMP_SYS(open),
                             SCMP_SYS(openat),
                             SCMP_SYS(access),
                             SCMP_SYS(faccessat),
                             SCMP_SYS(stat),
                             SCMP_SYS(lstat),
                             SCMP_SYS(ioctl),
                             SCMP_SYS(readlink),
                             SCMP_SYS(sysinfo),
                             SCMP_SYS(prlimit64),
                             SCMP_SYS(sched_getaffinity)};

static int set_limit(int what, int64_t value, struct err *err)
{
    const struct rlimit limit = {.rlim_cur = (rlim_t)value, .rlim_max = (rlim_t)value};
    struct rlimit now;

    /* A lower limit from outside stays. */
    if (getrlimit((__rlimit_resource_t)what, &now) == 0 && now.rlim_max < limit.rlim_max)
        return 0;
    if (setrlimit((__rlimit_resource_t)what, &limit) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot limit the process");
    return 0;
}

static int allow(scmp_filter_ctx f, uint32_t action, const int *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int rc = seccomp_rule_add(f, action, calls[i], 0);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int load_filter(bool writes, struct err *err)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int rc = f ? 0 : -ENOMEM;

    if (rc == 0)
        rc = allow(f, SCMP_ACT_ALLOW, reading, COUNT(reading));
    if (rc == 0 && writes)
        rc = allow(f, SCMP_ACT_ALLOW, writing, COUNT(writing));
    if (rc == 0)
        rc = allow(f, SCMP_ACT_ERRNO(EPERM), denied, COUNT(denied));
    if (rc == 0)
        rc = seccomp_load(f);
    seccomp_release(f);
    return rc < 0 ? err_sys(err, ERR_INTERNAL, -rc, "cannot set up the system call filter") : 0;
}

int sandbox_unpack(bool writes, int64_t memory_bytes, int64_t file_bytes, struct err *err)
{
    if (set_limit(RLIMIT_CORE, 0, err) < 0 || set_limit(RLIMIT_CPU, CPU_SECONDS, err) < 0 ||
        set_limit(RLIMIT_NOFILE, OPEN_FILES, err) < 0 || set_limit(RLIMIT_FSIZE, file_bytes, err) < 0)
        return -1;
    if (!SANITIZED && set_limit(RLIMIT_AS, memory_bytes, err) < 0)
        return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot give up new privileges");
    return SANITIZED ? 0 : load_filter(writes, err);
}
