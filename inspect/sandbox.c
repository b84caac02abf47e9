/* sandbox.c - see sandbox.h. */
#include "inspect/sandbox.h"

#include "base/mem.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

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

/* Where standard output is a file (somebody's shell): the JSON's bound, not the artifact's. */
#define MAX_OUTPUT_FILE (INT64_C(512) << 20)

/* sysinfo: the C library asks for the memory there is before it sorts much. */
static const int plain[] = {SCMP_SYS(brk),          SCMP_SYS(munmap),        SCMP_SYS(mremap),
                            SCMP_SYS(madvise),      SCMP_SYS(getrandom),     SCMP_SYS(exit_group),
                            SCMP_SYS(rt_sigreturn), SCMP_SYS(clock_gettime), SCMP_SYS(sysinfo)};

/* What a sanitizer build is killed for; a sanitizer itself has to open files and make a thread at its end. */
static const int never[] = {SCMP_SYS(socket),   SCMP_SYS(connect), SCMP_SYS(bind),     SCMP_SYS(execve),
                            SCMP_SYS(execveat), SCMP_SYS(unlink),  SCMP_SYS(unlinkat), SCMP_SYS(mkdir),
                            SCMP_SYS(mkdirat),  SCMP_SYS(rename),  SCMP_SYS(mount),    SCMP_SYS(chmod),
                            SCMP_SYS(fchmodat), SCMP_SYS(setuid),  SCMP_SYS(openat2)};

static int set_limit(__rlimit_resource_t what, int64_t value, struct err *err)
{
    const struct rlimit limit = {.rlim_cur = (rlim_t)value, .rlim_max = (rlim_t)value};
    struct rlimit now;

    if (getrlimit(what, &now) == 0 && now.rlim_max < limit.rlim_max)
        return 0; /* a lower limit from outside stays */
    if (setrlimit(what, &limit) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot limit the process");
    return 0;
}

static int set_limits(int64_t cpu_seconds, int64_t memory_bytes, struct err *err)
{
    struct stat st;
    int64_t file = fstat(1, &st) == 0 && S_ISREG(st.st_mode) ? MAX_OUTPUT_FILE : 0;

    if (set_limit(RLIMIT_CORE, 0, err) < 0 || set_limit(RLIMIT_CPU, cpu_seconds, err) < 0 ||
        set_limit(RLIMIT_FSIZE, file, err) < 0)
        return -1;
    if (SANITIZED)
        return 0;
    if (set_limit(RLIMIT_AS, memory_bytes, err) < 0 || set_limit(RLIMIT_NOFILE, 0, err) < 0 ||
        set_limit(RLIMIT_NPROC, 0, err) < 0)
        return -1;
    return 0;
}

static int add_all(scmp_filter_ctx f, uint32_t action, const int *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int rc = seccomp_rule_add(f, action, calls[i], 0);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int add_memory(scmp_filter_ctx f)
{
    int rc = add_all(f, SCMP_ACT_ALLOW, plain, COUNT(plain));

    if (rc == 0) /* anonymous, and never to be executed */
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                              SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
    return rc;
}

static int add_rules(scmp_filter_ctx f)
{
    int rc = add_memory(f);

    for (unsigned fd = 1; fd <= 2 && rc == 0; fd++)
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, SCMP_A0(SCMP_CMP_EQ, fd));
    return rc;
}

static int load_filter(struct err *err)
{
    scmp_filter_ctx f = seccomp_init(SANITIZED ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS);
    int rc = -ENOMEM;

    if (f)
        rc = SANITIZED ? add_all(f, SCMP_ACT_KILL_PROCESS, never, COUNT(never)) : add_rules(f);
    if (rc == 0)
        rc = seccomp_load(f);
    seccomp_release(f);
    return rc < 0 ? err_sys(err, ERR_INTERNAL, -rc, "cannot set up the system call filter") : 0;
}

int sandbox_enter(int64_t cpu_seconds, int64_t memory_bytes, struct err *err)
{
    if (set_limits(cpu_seconds, memory_bytes, err) < 0)
        return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot give up new privileges");
    return load_filter(err);
}

/* --- bloomery-unpack --- */

enum { UNPACK_OPEN_FILES = 32 };

static const int reading[] = {SCMP_SYS(read), SCMP_SYS(lseek), SCMP_SYS(fstat), SCMP_SYS(write), SCMP_SYS(close)};

static const int writing[] = {SCMP_SYS(openat2), SCMP_SYS(mkdirat),   SCMP_SYS(unlinkat),
                              SCMP_SYS(linkat),  SCMP_SYS(symlinkat), SCMP_SYS(utimensat),
                              SCMP_SYS(fchmod),  SCMP_SYS(ftruncate), SCMP_SYS(fcntl)};

/* Refused with an error where the C library asks in passing: the look-up of a character set, the size of a buffer. */
static const int denied[] = {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(access), SCMP_SYS(ioctl)};

static int add_unpack(scmp_filter_ctx f, bool writes)
{
    int rc = add_memory(f);

    if (rc == 0)
        rc = add_all(f, SCMP_ACT_ALLOW, reading, COUNT(reading));
    if (rc == 0) /* fstat, as newer C libraries do it */
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 0);
    if (rc == 0 && writes)
        rc = add_all(f, SCMP_ACT_ALLOW, writing, COUNT(writing));
    return rc < 0 ? rc : add_all(f, SCMP_ACT_ERRNO(EPERM), denied, COUNT(denied));
}

int sandbox_enter_unpack(bool writes, int64_t cpu_seconds, int64_t memory_bytes, int64_t file_bytes, struct err *err)
{
    if (set_limit(RLIMIT_CORE, 0, err) < 0 || set_limit(RLIMIT_CPU, cpu_seconds, err) < 0 ||
        set_limit(RLIMIT_NOFILE, UNPACK_OPEN_FILES, err) < 0 || set_limit(RLIMIT_FSIZE, file_bytes, err) < 0)
        return -1;
    if (!SANITIZED && set_limit(RLIMIT_AS, memory_bytes, err) < 0)
        return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot give up new privileges");
    if (SANITIZED)
        return 0;
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int rc = f ? add_unpack(f, writes) : -ENOMEM;
    if (rc == 0)
        rc = seccomp_load(f);
    seccomp_release(f);
    return rc < 0 ? err_sys(err, ERR_INTERNAL, -rc, "cannot set up the system call filter") : 0;
}
