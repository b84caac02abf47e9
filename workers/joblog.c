/* joblog.c - see joblog.h. */
#include "workers/joblog.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct joblog {
    int fd;
    int event_fd;
    int64_t size;      /* of the file */
    int64_t head_left; /* bytes that may still be written as they come */
    char *ring;        /* the last ring_size bytes of what was held back */
    size_t ring_size;
    int64_t held; /* bytes held back since the last flush */
    bool at_line_start;
};

/* Half of the limit is head. Each phase (there are at most four) may add a tail of an eighth. */
enum { HEAD_SHARE = 2, TAIL_SHARE = 8 };

int joblog_open(const char *path, int64_t max_bytes, int event_fd, struct joblog **ret, struct err *err)
{
    AUTO(fd) int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot open the job's log");
    struct joblog *l = mem_alloc(sizeof *l);
    l->event_fd = event_fd;
    l->size = st.st_size;
    l->head_left = max_bytes / HEAD_SHARE;
    l->ring_size = (size_t)(max_bytes / TAIL_SHARE);
    l->at_line_start = true;
    l->fd = fd;
    fd = -1;
    *ret = l;
    return 0;
}

void joblog_free(struct joblog *l)
{
    if (!l)
        return;
    joblog_flush(l);
    close(l->fd);
    mem_free(l->ring);
    mem_free(l);
}

static void append(struct joblog *l, const char *data, size_t len)
{
    struct err ignored = ERR_INIT;

    if (len == 0)
        return;
    l->at_line_start = data[len - 1] == '\n';
    if (fs_write_all(l->fd, data, len, &ignored) == 0) {
        l->size += (int64_t)len;
    } else {
        struct stat st;
        if (fstat(l->fd, &st) == 0)
            l->size = st.st_size;
    }
    if (l->event_fd >= 0) {
        uint64_t one = 1;
        ssize_t n = write(l->event_fd, &one, sizeof one);
        (void)n;
    }
}

void joblog_write(struct joblog *l, const char *data, size_t len)
{
    if (l->held == 0 && (int64_t)len <= l->head_left) {
        l->head_left -= (int64_t)len;
        append(l, data, len);
        return;
    }
    if (!l->ring)
        l->ring = mem_alloc(l->ring_size);
    if (l->held == 0 && l->head_left > 0) {
        append(l, data, (size_t)l->head_left);
        data += l->head_left;
        len -= (size_t)l->head_left;
        l->head_left = 0;
    }
    if (len > l->ring_size) {
        l->held += (int64_t)(len - l->ring_size);
        data += len - l->ring_size;
        len = l->ring_size;
    }
    size_t at = (size_t)(l->held % (int64_t)l->ring_size), first = l->ring_size - at;
    if (first > len)
        first = len;
    memcpy(l->ring + at, data, first);
    memcpy(l->ring, data + first, len - first);
    l->held += (int64_t)len;
}

void joblog_say(struct joblog *l, const char *fmt, ...)
{
    char line[1024];
    va_list ap;

    int n = snprintf(line, sizeof line, "%s==> ", l->at_line_start && l->held == 0 ? "" : "\n");
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
    va_end(ap);
    if (m < 0)
        return;
    size_t len = strlen(line);
    line[len++] = '\n';
    if (l->held) {
        joblog_write(l, line, len);
        return;
    }
    append(l, line, len); /* the server's own lines are few: they do not count */
}

void joblog_flush(struct joblog *l)
{
    if (l->held == 0)
        return;
    int64_t cut = l->held - (int64_t)l->ring_size;
    size_t len = cut > 0 ? l->ring_size : (size_t)l->held;
    size_t at = cut > 0 ? (size_t)(l->held % (int64_t)l->ring_size) : 0;

    l->held = 0;
    if (cut > 0) {
        char line[128];
        int n =
            snprintf(line, sizeof line, "\n==> %lld bytes of output were cut here (max_log_bytes)\n", (long long)cut);
        append(l, line, (size_t)n);
    }
    append(l, l->ring + at, len - at);
    append(l, l->ring, at);
}

int64_t joblog_size(const struct joblog *l)
{
    return l->size;
}

int joblog_since(const struct joblog *l, int64_t from, size_t max, struct buf *ret, struct err *err)
{
    int64_t len = l->size - from;

    if (len > (int64_t)max) {
        from += len - (int64_t)max;
        len = (int64_t)max;
    }
    AUTO(char_p) char *block = mem_alloc((size_t)len + 1);
    ssize_t n = pread(l->fd, block, (size_t)len, from);
    if (n < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot read the job's log back");
    buf_put(ret, block, (size_t)n);
    return 0;
}
