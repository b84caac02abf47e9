/* upload.c - see upload.h. */
#include "daemon/upload.h"

#include "base/clock.h"
#include "base/fs.h"
#include "daemon/app.h"
#include "daemon/problem.h"
#include "workers/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
    BUFFER = 256 << 10,
    STRAY_BODY = 64 << 10, /* thrown away where no body is wanted */
    PLACE_MS = 30000,      /* waiting for a place */
};

struct uploads {
    int64_t active;
    struct upload *first, *last; /* that wait for a place, in order */
};

struct upload {
    struct request *r;
    struct upload *next; /* while waiting */
    bool active;
    int fd;
    char *path;
    struct hash *hash;
    char *buffer;
    size_t fill;
    int64_t size; /* handed to the file */
    int64_t began_ms;
    struct err err; /* of the last write */
};

struct uploads *uploads_new(void)
{
    return mem_alloc(sizeof(struct uploads));
}

void uploads_free(struct uploads *u)
{
    mem_free(u);
}

int64_t uploads_active(const struct uploads *u)
{
    return u->active;
}

static void open_file(struct upload *u)
{
    struct app *app = u->r->app;
    AUTO(char_p) char *tmp = path_tmp(app->state_dir);
    char id[ULID_SIZE];

    app->uploads->active++;
    u->active = true;
    u->began_ms = clock_monotonic_ms();
    ulid_new(id);
    u->path = mem_printf("%s/%s.upload", tmp, id);
    u->fd = open(u->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (u->fd < 0) {
        err_sys(&u->err, ERR_UNAVAILABLE, errno, "the server cannot store uploads now");
        http_fail(u->r, &u->err);
        return;
    }
    u->hash = hash_new();
    u->buffer = mem_alloc(BUFFER);
}

void upload_begin(struct request *r)
{
    struct uploads *all = r->app->uploads;
    struct upload *u = mem_alloc(sizeof *u);

    u->r = r;
    u->fd = -1;
    u->began_ms = clock_monotonic_ms();
    r->upload = u;
    if (!all->first && all->active < r->app->config->limits.max_uploads) {
        open_file(u);
        return;
    }
    if (all->last)
        all->last->next = u;
    else
        all->first = u;
    all->last = u;
    http_hold(r);
}

static void leave_queue(struct uploads *all, struct upload *u)
{
    struct upload *before = NULL;

    for (struct upload *x = all->first; x; before = x, x = x->next)
        if (x == u) {
            *(before ? &before->next : &all->first) = u->next;
            if (all->last == u)
                all->last = before;
            u->next = NULL;
            return;
        }
}

static void admit(struct app *app)
{
    struct uploads *all = app->uploads;

    while (all->first && all->active < app->config->limits.max_uploads) {
        struct upload *u = all->first;
        leave_queue(all, u);
        open_file(u);
        http_release(u->r);
    }
}

void uploads_tick(struct app *app)
{
    struct uploads *all = app->uploads;
    int64_t now = clock_monotonic_ms();
    struct err err = ERR_INIT;

    for (struct upload *u = all->first, *next; u; u = next) {
        next = u->next;
        if (now - u->began_ms < PLACE_MS)
            continue;
        leave_queue(all, u);
        err_set(&err, ERR_UNAVAILABLE, "the server receives as many uploads as it can (max_uploads)");
        err_hint(&err, "send it again a little later");
        http_fail(u->r, &err);
    }
    admit(app);
}

static void write_out(struct upload *u)
{
    if (fs_write_all(u->fd, u->buffer, u->fill, &u->err) < 0) {
        int sys = u->err.sys;
        err_sys(&u->err, ERR_UNAVAILABLE, sys, "the server cannot store the upload now");
        return;
    }
    hash_add(u->hash, u->buffer, u->fill);
    u->size += (int64_t)u->fill;
    u->fill = 0;
}

static void write_work(struct request *r)
{
    write_out(r->upload);
}

static void write_done(struct request *r)
{
    if (r->upload->err.kind != ERR_NONE) {
        struct err err = r->upload->err; /* answering frees the upload */
        http_fail(r, &err);
    }
}

static void refuse(struct request *r, const struct err *err, int status, const char *limit, int64_t value)
{
    struct answer a = ANSWER_INIT;

    problem_answer(&(struct problem){.err = err, .status = status, .limit_name = limit, .limit_value = value}, &a);
    http_answer(r, &a);
}

size_t upload_data(struct request *r, const char *data, size_t len)
{
    const struct limits *limits = &r->app->config->limits;
    struct upload *u = r->upload;
    struct err err = ERR_INIT;

    if (!u) {
        if (r->body_seen + (int64_t)len > STRAY_BODY) {
            err_set(&err, ERR_TOO_LARGE, "this call takes no body");
            http_fail(r, &err);
        }
        return len;
    }
    if (r->body_seen + (int64_t)len > limits->max_body_bytes) {
        err_set(&err, ERR_TOO_LARGE, "the body is larger than the %lld bytes that are allowed",
                (long long)limits->max_body_bytes);
        refuse(r, &err, 0, "max_body_bytes", limits->max_body_bytes);
        return len;
    }
    if (clock_monotonic_ms() - u->began_ms > limits->max_upload_seconds * 1000) {
        err_set(&err, ERR_TIMED_OUT, "the upload took longer than %lld seconds", (long long)limits->max_upload_seconds);
        refuse(r, &err, 408, "max_upload_seconds", limits->max_upload_seconds);
        return len;
    }
    size_t part = len < BUFFER - u->fill ? len : BUFFER - u->fill;
    memcpy(u->buffer + u->fill, data, part);
    u->fill += part;
    if (u->fill == BUFFER)
        http_work(r, write_work, write_done);
    return part;
}

void upload_problem(struct request *r, bool stalled, struct answer *a)
{
    const struct limits *limits = &r->app->config->limits;
    struct problem p = {0};
    struct err err = ERR_INIT;

    if (stalled) {
        err_set(&err, ERR_TIMED_OUT, "no byte of the body came for %lld seconds",
                (long long)limits->upload_stall_seconds);
        p = (struct problem){
            .status = 408, .limit_name = "upload_stall_seconds", .limit_value = limits->upload_stall_seconds};
    } else if (r->body_expected > 0) {
        err_set(&err, ERR_BAD_REQUEST, "the body ended after %lld bytes, Content-Length says %lld",
                (long long)r->body_seen, (long long)r->body_expected);
        err_hint(&err, "send the file whole, or chunked");
    } else {
        err_set(&err, ERR_BAD_REQUEST, "the chunked body ended before its last chunk, after %lld bytes",
                (long long)r->body_seen);
    }
    p.err = &err;
    problem_answer(&p, a);
}

int upload_finish(struct upload *u, char ret_sha256[SHA256_HEX_SIZE], int64_t *ret_size, struct err *err)
{
    if (u->fill > 0)
        write_out(u);
    if (u->err.kind == ERR_NONE && fsync(u->fd) < 0)
        err_sys(&u->err, ERR_UNAVAILABLE, errno, "the server cannot store the upload now");
    if (u->err.kind != ERR_NONE) {
        *err = u->err;
        return -1;
    }
    if (u->size == 0) {
        err_set(err, ERR_BAD_REQUEST, "the request has no body");
        return err_hint(err, "send the crate's tarball as the body, or name one that is here with source=sha256:HEX");
    }
    hash_finish(STEAL(u->hash), ret_sha256);
    *ret_size = u->size;
    return 0;
}

const char *upload_path(const struct upload *u)
{
    return u->path;
}

void upload_free(struct upload *u)
{
    if (!u)
        return;
    struct app *app = u->r->app;
    leave_queue(app->uploads, u);
    if (u->fd >= 0)
        close(u->fd);
    if (u->path)
        unlink(u->path); /* gone already when it became a source */
    hash_free(u->hash);
    mem_free(u->buffer);
    mem_free(u->path);
    if (u->active)
        app->uploads->active--;
    mem_free(u);
    admit(app);
}
