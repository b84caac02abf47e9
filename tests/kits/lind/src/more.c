/* more.c - what std links to and this kit has no use for: each fails with ENOSYS. */
#include "kit.h"

#define NOT_HERE(name, ...)                                                                                            \
    int name(__VA_ARGS__);                                                                                             \
    int name(__VA_ARGS__)                                                                                              \
    {                                                                                                                  \
        return kit_fail(ENOSYS);                                                                                       \
    }

NOT_HERE(mkdirat, int folder, const char *path, mode_t mode)
NOT_HERE(linkat, int a, const char *from, int b, const char *to, int flags)
NOT_HERE(link, const char *from, const char *to)
NOT_HERE(symlink, const char *to, const char *path)
NOT_HERE(symlinkat, const char *to, int folder, const char *path)
NOT_HERE(readlink, const char *path, char *to, size_t n)
NOT_HERE(readlinkat, int folder, const char *path, char *to, size_t n)
NOT_HERE(renameat, int a, const char *from, int b, const char *to)
NOT_HERE(chmod, const char *path, mode_t mode)
NOT_HERE(fchmod, int fd, mode_t mode)
NOT_HERE(futimens, int fd, const struct timespec *times)
NOT_HERE(utimensat, int folder, const char *path, const struct timespec *times, int flags)
NOT_HERE(preadv, int fd, const struct iovec *parts, int count, off_t at)
NOT_HERE(pwritev, int fd, const struct iovec *parts, int count, off_t at)
NOT_HERE(getentropy, void *to, size_t n)

char *realpath(const char *path, char *to);
char *realpath(const char *path, char *to)
{
    (void)path, (void)to;
    errno = ENOSYS;
    return NULL;
}

void *fdopendir(int fd);
void *fdopendir(int fd)
{
    (void)fd;
    errno = ENOSYS;
    return NULL;
}
