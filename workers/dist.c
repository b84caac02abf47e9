/*
 * dist.c - see dist.h: archives are fetched and verified. Keeps no state but the files of keep_dir: NAME.tar.xz, whole and
 * verified; NAME.tar.xz.part, begun; NAME.tar.xz.from, of which archive that is a part, and what the server called its version.
 */
#include "workers/dist_priv.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/http.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    TRIES = 5,      /* for one file: cuts, stalls and errors of the server's own */
    PAUSE_MS = 250, /* after the first of them; then twice as long each time */
    NOTE_MAX = 1024,
    VERSION_MAX = 256,
    CHUNK = 256 << 10,
    SAY_MS = 1000,
};

/* What a source made of a file; below 0 nobody else is to be asked. */
enum outcome {
    GOT,     /* it is in place */
    NOWHERE, /* this server or folder is out of reach */
    ABSENT,  /* it has no file of that name */
    WRONG,   /* it has another file */
    AGAIN,   /* cut, stalled, busy: the next try may bring the rest */
    WHOLE,   /* the part has all bytes, and is yet to be verified */
};

struct download {
    const struct dist *d;
    struct http *http;         /* NULL: a folder */
    bool heard;                /* the server has answered once */
    const char *name, *sha256; /* of the component */
    char *place, *part, *note; /* the three files */
    int fd;                    /* of the part; -1: not open */
    int64_t size;              /* of the part */
    char version[VERSION_MAX]; /* ETag or Last-Modified of what the part is a part of, or "" */
    bool pieced;               /* it was put together from several answers */
    int64_t said_ms;
};

bool dist_name_fits(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len < 200 && name[0] != '.' &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+") == len;
}

char *dist_archive(const struct dist *d, const char *name)
{
    return mem_printf("%s/%s.tar.xz", d->keep_dir, name);
}

void dist_say(const struct dist *d, const char *fmt, ...)
{
    char line[256];
    va_list ap;

    if (!d->progress)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    d->progress(line);
}

static bool is_url(const char *from)
{
    return strncasecmp(from, "http://", 7) == 0 || strncasecmp(from, "https://", 8) == 0;
}

/* --- the part --- */

static int begin_anew(struct download *dl, struct err *err)
{
    if (ftruncate(dl->fd, 0) < 0 || lseek(dl->fd, 0, SEEK_SET) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot empty %s", dl->part);
    dl->size = 0;
    dl->version[0] = '\0';
    dl->pieced = false;
    return 0;
}

/* Nothing of it is worth keeping. */
static void give_up_part(struct download *dl)
{
    unlink(dl->part);
    unlink(dl->note);
    if (dl->fd >= 0)
        close(dl->fd);
    dl->fd = -1;
}

/* Of which archive the part is one, and of which version of it; a part without that is begun anew. */
static bool read_note(struct download *dl)
{
    AUTO(buf) struct buf b = {0};
    struct err ignored = ERR_INIT;

    if (fs_read(dl->note, NOTE_MAX, &b, &ignored) < 0 || b.len < SHA256_HEX_SIZE ||
        memcmp(b.p, dl->sha256, SHA256_HEX_SIZE - 1) != 0 || b.p[SHA256_HEX_SIZE - 1] != '\n')
        return false;
    const char *version = b.p + SHA256_HEX_SIZE;
    snprintf(dl->version, sizeof dl->version, "%.*s", (int)strcspn(version, "\n"), version);
    return true;
}

static int write_note(struct download *dl, struct err *err)
{
    AUTO(char_p) char *text = mem_printf("%s\n%s\n", dl->sha256, dl->version);

    return fs_write(dl->note, text, strlen(text), 0644, err);
}

static int open_part(struct download *dl, struct err *err)
{
    struct stat st;

    if (dl->fd >= 0)
        return 0;
    dl->fd = open(dl->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (dl->fd < 0 || fstat(dl->fd, &st) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot open %s", dl->part);
    dl->size = st.st_size;
    dl->pieced = st.st_size > 0;
    if (dl->size > dl->d->max_bytes || (dl->size > 0 && !read_note(dl)))
        return begin_anew(dl, err);
    if (lseek(dl->fd, 0, SEEK_END) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot read %s", dl->part);
    return 0;
}

static int too_long(struct download *dl, struct err *err)
{
    give_up_part(dl);
    err_set(err, ERR_TOOLCHAIN_MISSING, "%s.tar.xz is longer than %" PRId64 " bytes (max_archive_bytes)", dl->name,
            dl->d->max_bytes);
    return err_hint(err, "if %.150s is right about that, allow it: --max-archive-bytes", dl->d->from);
}

static int add_bytes(struct download *dl, const void *data, size_t len, struct err *err)
{
    if ((int64_t)len > dl->d->max_bytes - dl->size)
        return too_long(dl, err);
    if (fs_write_all(dl->fd, data, len, err) < 0) {
        if (err->sys == ENOSPC || err->sys == EDQUOT)
            give_up_part(dl); /* the daemon's own work needs the room more than the next try needs a start */
        return err_wrap(err, "%s", dl->part);
    }
    dl->size += (int64_t)len;
    return 0;
}

static void say_progress(struct download *dl, int64_t total)
{
    int64_t now = clock_monotonic_ms();

    if (now - dl->said_ms < SAY_MS)
        return;
    dl->said_ms = now;
    if (total > 0)
        dist_say(dl->d, "%s: %" PRId64 " of %" PRId64 " MB", dl->name, dl->size / 1000000, total / 1000000);
    else
        dist_say(dl->d, "%s: %" PRId64 " MB", dl->name, dl->size / 1000000);
}

static int hash_part(struct download *dl, char ret_found[SHA256_HEX_SIZE], struct err *err)
{
    if (lseek(dl->fd, 0, SEEK_SET) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot read %s", dl->part);
    int r = hash_fd(dl->fd, ret_found, err);
    if (lseek(dl->fd, 0, SEEK_END) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot read %s", dl->part);
    return r < 0 ? err_wrap(err, "%s", dl->part) : 0;
}

/* WRONG: it is not what the pin names; it is still there. */
static int verify(struct download *dl, struct err *err)
{
    char found[SHA256_HEX_SIZE];
    static const char magic[6] = "\xfd"
                                 "7zXZ";
    char first[sizeof magic] = "";

    if (hash_part(dl, found, err) < 0)
        return -1;
    if (strcmp(found, dl->sha256) == 0) {
        if (fsync(dl->fd) < 0 || rename(dl->part, dl->place) < 0)
            return err_sys(err, ERR_INTERNAL, errno, "cannot keep %s", dl->place);
        unlink(dl->note);
        return fs_sync_dir(dl->d->keep_dir, err) < 0 ? -1 : GOT;
    }
    err_set(err, ERR_TOOLCHAIN_MISSING, "%s.tar.xz: expected sha256 %s, found %s", dl->name, dl->sha256, found);
    bool xz = pread(dl->fd, first, sizeof first, 0) == sizeof first && memcmp(first, magic, sizeof first) == 0;
    err_hint(err, "what %.100s gave is %s; nothing of it is kept", dl->d->from,
             xz         ? "not what docker/toolchains.json pins: damaged, or of another release"
             : dl->http ? "no .tar.xz, perhaps a proxy's page"
                        : "no .tar.xz");
    return WRONG;
}

/* --- from a server --- */

/* The start and whole length of "bytes 5-9/10"; the length is -1 for "*". */
static bool read_range(const char *text, int64_t *ret_start, int64_t *ret_total)
{
    char star[2];

    if (!text)
        return false;
    if (sscanf(text, "bytes %" SCNd64 "-%*[0-9]/%" SCNd64, ret_start, ret_total) == 2)
        return *ret_total > *ret_start;
    *ret_total = -1;
    return sscanf(text, "bytes %" SCNd64 "-%*[0-9]/%1[*]", ret_start, star) == 2;
}

/* What If-Range may carry of an answer: a strong ETag, else its date. */
static void take_version(struct download *dl, const struct http_pull *p)
{
    AUTO(char_p) char *etag = http_pull_header(p, "ETag");
    AUTO(char_p) char *date = http_pull_header(p, "Last-Modified");
    const char *v = etag && etag[0] == '"' ? etag : date ? date : "";

    for (const char *c = v; *c; c++)
        if ((unsigned char)*c < 32 || (unsigned char)*c > 126)
            v = "";
    snprintf(dl->version, sizeof dl->version, "%s", strlen(v) < sizeof dl->version ? v : "");
}

static int open_answer(struct download *dl, const char *path, struct http_pull **ret, int *ret_status, struct err *err)
{
    AUTO(char_p) char *range = mem_printf("Range: bytes=%" PRId64 "-", dl->size);
    AUTO(char_p) char *if_range = mem_printf("If-Range: %s", dl->version);
    const char *headers[] = {range, dl->version[0] ? if_range : NULL, NULL};
    const struct http_request req = {.method = "GET",
                                     .path = path,
                                     .headers = dl->size > 0 ? headers : NULL,
                                     .seconds = dl->d->stall_seconds,
                                     .idle_seconds = dl->d->stall_seconds,
                                     .follow = true};

    return http_open(dl->http, &req, ret, ret_status, err);
}

/* An answer with bytes: makes the part ready for them. *ret_total: how many it will have then; -1: not known. */
static int place_answer(struct download *dl, const struct http_pull *p, int status, int64_t *ret_total, struct err *err)
{
    AUTO(char_p) char *range = http_pull_header(p, "Content-Range");
    AUTO(char_p) char *length = http_pull_header(p, "Content-Length");
    int64_t start = 0, total = -1;

    if (status == 206) {
        if (!read_range(range, &start, &total) || start != dl->size) {
            err_set(err, ERR_UNAVAILABLE, "%.100s gave other bytes than it was asked for", dl->d->from);
            return begin_anew(dl, err) < 0 ? -1 : AGAIN;
        }
        dl->pieced = dl->size > 0;
    } else {
        if (dl->size > 0)
            dist_say(dl->d, "%s: the server gives it from its start only", dl->name);
        if (begin_anew(dl, err) < 0)
            return -1;
        take_version(dl, p);
        if (write_note(dl, err) < 0)
            return -1;
        if (length && sscanf(length, "%" SCNd64, &total) != 1)
            total = -1;
    }
    if (total > dl->d->max_bytes)
        return too_long(dl, err);
    *ret_total = total;
    return 0;
}

static int read_answer(struct download *dl, struct http_pull *p, int64_t total, struct err *err)
{
    AUTO(buf) struct buf b = {0};

    for (;;) {
        int r = http_read(p, 1000, &b, err);
        if (b.len > 0 && add_bytes(dl, b.p, b.len, err) < 0)
            return -1;
        buf_clear(&b);
        if (r == HTTP_END)
            break;
        if (r < 0)
            return err->kind == ERR_INTERNAL ? -1 : AGAIN;
        say_progress(dl, total);
    }
    if (total >= 0 && dl->size < total) {
        err_set(err, ERR_UNAVAILABLE, "%.100s gave a part only", dl->d->from);
        return AGAIN;
    }
    return WHOLE;
}

static bool may_pass(int status)
{
    return status >= 500 || status == 408 || status == 425 || status == 429;
}

static int try_server(struct download *dl, const char *path, struct err *err)
{
    struct http_pull *p = NULL;
    int status = 0;
    int64_t total = -1;

    if (open_answer(dl, path, &p, &status, err) < 0) {
        if (err->kind == ERR_INTERNAL)
            return -1;
        if (strstr(err->msg, "certificate"))
            err_hint(err, "where a company's proxy answers for others, ca_bundle names the file of its authority");
        return dl->heard ? AGAIN : NOWHERE;
    }
    dl->heard = true;
    int r = AGAIN;
    if (status == 200 || (status == 206 && dl->size > 0)) {
        r = place_answer(dl, p, status, &total, err);
        if (r == 0)
            r = read_answer(dl, p, total, err);
    } else {
        size_t base = strlen(dl->d->from);
        while (base > 0 && dl->d->from[base - 1] == '/')
            base--;
        err_set(err, ERR_UNAVAILABLE, "%.*s%.120s: the server answers %d", base < 100 ? (int)base : 100, dl->d->from,
                path, status);
        if (status == 416 && dl->size > 0)
            r = begin_anew(dl, err) < 0 ? -1 : AGAIN;
        else if (!may_pass(status))
            r = ABSENT;
    }
    http_close(p);
    return r;
}

static void nap(int ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}

static int from_server(struct download *dl, const char *path, struct err *err)
{
    bool anew = false; /* a part that was pieced together was wrong */

    for (int tries = 1;; tries++) {
        int r = try_server(dl, path, err);
        if (r == WHOLE && (r = verify(dl, err)) == WRONG && dl->pieced && !anew) {
            dist_say(dl->d, "%s: the pieces do not fit together; begun anew", dl->name);
            anew = true;
            tries = 0;
            r = begin_anew(dl, err) < 0 ? -1 : AGAIN;
        } else if (r == AGAIN && tries >= TRIES) {
            err_wrap(err, "%s.tar.xz, tried %d times", dl->name, TRIES);
            if (dl->size > 0)
                err_hint(err, "the next call goes on behind the %" PRId64 " bytes that are there", dl->size);
            return NOWHERE;
        } else if (r == AGAIN) {
            dist_say(dl->d, "%s: %s; trying again from byte %" PRId64, dl->name, err->msg, dl->size);
        }
        if (r != AGAIN)
            return r;
        if (tries > 0)
            nap(PAUSE_MS << (tries - 1));
    }
}

/* --- from a folder --- */

static int from_folder(struct download *dl, const char *path, struct err *err)
{
    const char *folder = strncasecmp(dl->d->from, "file://", 7) == 0 ? dl->d->from + 7 : dl->d->from;
    AUTO(char_p) char *file = mem_printf("%s%s", folder, path), *chunk = mem_alloc(CHUNK);
    AUTO(fd) int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        bool absent = errno == ENOENT || errno == ENOTDIR;
        err_sys(err, ERR_UNAVAILABLE, errno, "%s", file);
        return absent ? ABSENT : NOWHERE;
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(err, ERR_UNAVAILABLE, "%s is not a file", file);
        return ABSENT;
    }
    if (st.st_size > dl->d->max_bytes)
        return too_long(dl, err);
    if (begin_anew(dl, err) < 0)
        return -1;
    for (;;) {
        ssize_t n = read(fd, chunk, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_sys(err, ERR_UNAVAILABLE, errno, "cannot read %s", file);
            return NOWHERE;
        }
        if (n == 0)
            return verify(dl, err);
        if (add_bytes(dl, chunk, (size_t)n, err) < 0)
            return -1;
        say_progress(dl, st.st_size);
    }
}

/* --- one component, all of them --- */

/* Is it there, whole and right? A wrong one is removed. */
static int look(struct download *dl, struct err *err)
{
    AUTO(fd) int fd = open(dl->place, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char found[SHA256_HEX_SIZE];

    if (fd >= 0) {
        if (hash_fd(fd, found, err) < 0)
            return err_wrap(err, "%s", dl->place);
        if (strcmp(found, dl->sha256) == 0)
            return GOT;
    } else if (errno == ENOENT) {
        return ABSENT;
    }
    if (unlink(dl->place) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot remove %s", dl->place);
    return ABSENT;
}

/* By one of its names. */
static int fetch_named(struct download *dl, const char *folder, const char *name, struct err *err)
{
    AUTO(char_p) char *path = mem_printf("/%s/%s.tar.xz", folder, name);

    if (!dist_name_fits(name))
        return err_set(err, ERR_TOOLCHAIN_MISSING, "'%.100s' in docker/toolchains.json is no component's name", name);
    if (open_part(dl, err) < 0)
        return -1;
    int r = dl->http ? from_server(dl, path, err) : from_folder(dl, path, err);
    if (r == WRONG)
        give_up_part(dl);
    return r;
}

/* The component's own name, then its others: whichever gives the right file. */
static int fetch_names(struct download *dl, const char *folder, const cJSON *component, struct err *err)
{
    struct err wrong = ERR_INIT;
    const cJSON *other = NULL;
    int r = fetch_named(dl, folder, dl->name, err);

    if (r == WRONG)
        wrong = *err;
    cJSON_ArrayForEach(other, json_arr(component, "also"))
    {
        if (r != ABSENT && r != WRONG)
            break;
        struct err later = ERR_INIT;
        r = fetch_named(dl, folder, cJSON_IsString(other) ? other->valuestring : "", &later);
        if (r == WRONG)
            wrong = later;
        else if (r != ABSENT)
            *err = later;
    }
    if (r != GOT && r >= 0 && wrong.kind != ERR_NONE) {
        *err = wrong;
        return WRONG;
    }
    return r;
}

static int fetch_component(struct download *dl, const char *folder, const cJSON *component, struct err *err)
{
    int r = look(dl, err);

    if (r != ABSENT)
        return r;
    if (open_part(dl, err) < 0)
        return -1;
    /* All bytes may have come before the last call was killed. */
    if (dl->size > 0 && (r = verify(dl, err)) != WRONG)
        return r;
    dist_say(dl->d, "%s: %s %s", dl->name, dl->size > 0 ? "resumed from" : "from", dl->d->from);
    return fetch_names(dl, folder, component, err);
}

static void name_files(struct download *dl)
{
    dl->fd = -1;
    dl->place = dist_archive(dl->d, dl->name);
    dl->part = mem_printf("%s.part", dl->place);
    dl->note = mem_printf("%s.from", dl->place);
}

static void close_files(struct download *dl)
{
    struct stat st;

    if (dl->fd >= 0) {
        if (fstat(dl->fd, &st) == 0 && st.st_size == 0 && st.st_nlink > 0) /* nothing was begun */
            give_up_part(dl);
        else
            close(dl->fd);
    }
    mem_free(dl->place);
    mem_free(dl->part);
    mem_free(dl->note);
}

static int fetch_all(struct download *dl, const cJSON *origin, struct err *err)
{
    const char *folder = json_str(origin, "path", "");
    const cJSON *component = NULL;

    cJSON_ArrayForEach(component, json_arr(origin, "components"))
    {
        dl->name = json_str(component, "name", "");
        dl->sha256 = json_str(component, "sha256", "");
        if (!dist_name_fits(dl->name) || !hash_valid(dl->sha256))
            return err_set(err, ERR_TOOLCHAIN_MISSING,
                           "component '%.100s' in docker/toolchains.json has no usable name or sha256", dl->name);
        name_files(dl);
        int r = fetch_component(dl, folder, component, err);
        close_files(dl);
        if (r != GOT)
            return r < 0 || r == WRONG ? -1 : DIST_ELSEWHERE;
    }
    return 0;
}

int dist_fetch(const struct dist *d, const cJSON *origin, struct err *err)
{
    struct download dl = {.d = d};
    struct err scratch = ERR_INIT;

    if (!err)
        err = &scratch;
    if (is_url(d->from)) {
        dl.http = http_new(NULL, d->from);
        http_trust(dl.http, d->ca_bundle);
    } else if (d->from[0] != '/' && strncasecmp(d->from, "file:///", 8) != 0) {
        return err_set(err, ERR_TOOLCHAIN_MISSING,
                       "'%.100s' is neither http://, https:// nor the full path of a folder", d->from);
    }
    int r = fetch_all(&dl, origin, err);
    http_free(dl.http);
    return r;
}

void dist_forget(const struct dist *d, const cJSON *origin)
{
    const cJSON *component = NULL;

    cJSON_ArrayForEach(component, json_arr(origin, "components"))
    {
        struct download dl = {.d = d, .name = json_str(component, "name", "")};
        if (!dist_name_fits(dl.name))
            continue;
        name_files(&dl);
        unlink(dl.place);
        unlink(dl.part);
        unlink(dl.note);
        close_files(&dl);
    }
}
