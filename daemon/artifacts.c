/* artifacts.c - see artifacts.h. */
#include "daemon/artifacts.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/tar.h"
#include "daemon/app.h"
#include "daemon/groups.h"
#include "daemon/header.h"
#include "daemon/job_json.h"
#include "daemon/jobs.h"
#include "daemon/problem.h"
#include "workers/paths.h"
#include "workers/sbom.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROVENANCE ".intoto.json"
#define SBOM ".cdx.json"

struct download {
    const char *path; /* of the file */
    const char *name; /* that the client saves it as */
    const char *sha256;
    const char *type; /* Content-Type */
};

static const char *media_type(const char *kind, const char *name)
{
    size_t len = strlen(name);

    if (strcmp(kind, "wasm") == 0)
        return "application/wasm";
    if (strcmp(kind, "json") == 0)
        return "application/json";
    if (strcmp(kind, "tar") == 0 || (len > 4 && strcmp(name + len - 4, ".tar") == 0))
        return "application/x-tar";
    if (strcmp(kind, "text") == 0 || strcmp(kind, "lock") == 0)
        return "text/plain; charset=utf-8";
    return "application/octet-stream";
}

/* Conditions and ranges only where they make sense: not for the answer to a build. */
static void send_file(struct request *r, const struct download *d, bool plain)
{
    struct answer a = ANSWER_INIT;
    struct err err = ERR_INIT;
    struct stat st;
    int64_t first = 0, len = 0;
    int rc = RANGE_WHOLE;
    char digest[45];
    AUTO(fd) int fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 || fstat(fd, &st) < 0) {
        int sys = errno;
        log_error(r->job->id, "the file of %s is not there: %s", d->name, strerror(sys));
        err_sys(&err, ERR_INTERNAL, sys, "the file cannot be read");
        http_fail(r, &err);
        return;
    }
    answer_header(&a, "ETag", "\"%s\"", d->sha256);
    if (!plain)
        answer_header(&a, "Cache-Control", "private, max-age=86400, immutable");
    const char *if_range = http_header(r, "If-Range");
    if (!plain) {
        if (header_etag_match(http_header(r, "If-None-Match"), d->sha256)) {
            a.status = 304;
            http_answer(r, &a);
            return;
        }
        /* If-Range takes a strong tag only; whatever else it holds, the whole file is right. */
        if (!if_range || (if_range[0] == '"' && header_etag_match(if_range, d->sha256)))
            rc = header_range(http_header(r, "Range"), st.st_size, &first, &len);
    }
    if (rc == RANGE_UNSATISFIABLE) {
        answer_clear(&a);
        err_set(&err, ERR_BAD_REQUEST, "the file has %lld bytes", (long long)st.st_size);
        problem_answer(&(struct problem){.err = &err, .status = 416}, &a);
        answer_header(&a, "Content-Range", "bytes */%lld", (long long)st.st_size);
        http_answer(r, &a);
        return;
    }
    if (rc == 0) {
        a.status = 206;
        answer_header(&a, "Content-Range", "bytes %lld-%lld/%lld", (long long)first, (long long)(first + len - 1),
                      (long long)st.st_size);
    } else {
        a.status = 200;
        first = 0;
        len = st.st_size;
        hash_base64(d->sha256, digest); /* Content-Digest is of the bytes that are sent: of the whole only */
        answer_header(&a, "Content-Digest", "sha-256=:%s:", digest);
    }
    hash_base64(d->sha256, digest);
    answer_header(&a, "Repr-Digest", "sha-256=:%s:", digest);
    AUTO(char_p) char *disposition = header_attachment(d->name);
    answer_header(&a, "Content-Disposition", "%s", disposition);
    answer_header(&a, "Content-Type", "%s", d->type);
    answer_header(&a, "Accept-Ranges", "bytes");
    if (plain) {
        answer_header(&a, "Location", "/v1/jobs/%s", r->job->id);
    }
    if (len > 0) {
        a.fd = fd;
        a.offset = first;
        a.size = len;
        fd = -1;
    }
    http_answer(r, &a);
}

static void send_artifact(struct request *r, const struct artifact *x, bool plain)
{
    AUTO(char_p) char *path = path_blob(r->app->state_dir, x->sha256);

    send_file(r, &(struct download){path, x->name, x->sha256, media_type(x->kind, x->name)}, plain);
}

static void not_there(struct request *r, const char *what)
{
    struct err err = ERR_INIT;

    if (job_finished(r->job->state)) {
        err_set(&err, ERR_NOT_FOUND, "the job has no %s", what);
    } else {
        err_set(&err, ERR_NOT_FOUND, "the job has no %s yet: it is %s", what, job_state_name(r->job->state));
        err_hint(&err, "wait with GET /v1/jobs/%s?wait=300", r->job->id);
    }
    http_fail(r, &err);
}

void artifacts_list(struct request *r)
{
    struct answer a = ANSWER_INIT;

    if (!jobs_load(r))
        return;
    cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "artifacts");
    for (size_t i = 0; i < r->job->artifacts_count; i++)
        cJSON_AddItemToArray(list, job_json_artifact(r->job->id, &r->job->artifacts[i], true));
    answer_json(&a, 200, "application/json", o);
    http_answer(r, &a);
}

void artifacts_get(struct request *r)
{
    if (!jobs_load(r))
        return;
    for (size_t i = 0; i < r->job->artifacts_count; i++)
        if (strcmp(r->job->artifacts[i].name, r->name) == 0) {
            send_artifact(r, &r->job->artifacts[i], false);
            return;
        }
    AUTO(char_p) char *what = mem_printf("artifact '%.100s'", r->name);
    not_there(r, what);
}

static const struct artifact *primary(const struct job *job)
{
    for (size_t i = 0; i < job->artifacts_count; i++)
        if (strcmp(job->artifacts[i].role, "primary") == 0)
            return &job->artifacts[i];
    return NULL;
}

void artifacts_primary(struct request *r)
{
    if (!jobs_load(r))
        return;
    const struct artifact *x = primary(r->job);
    if (x)
        send_artifact(r, x, false);
    else
        not_there(r, "primary artifact");
}

void artifacts_answer_primary(struct request *r)
{
    const struct artifact *x = primary(r->job);

    if (x)
        send_artifact(r, x, true);
    else
        not_there(r, "primary artifact");
}

void artifacts_source(struct request *r)
{
    if (!jobs_load(r))
        return;
    AUTO(char_p) char *path = path_source(r->app->state_dir, r->job->source_sha256);
    AUTO(char_p) char *name = mem_printf("source-%.12s", r->job->source_sha256);
    send_file(r, &(struct download){path, name, r->job->source_sha256, "application/octet-stream"}, false);
}

/* --- what is said of the job --- */

/* The file's name: that of the primary artifact, and what it is. The caller owns it. */
static char *document_name(const struct job *job, const char *suffix)
{
    const struct artifact *x = primary(job);

    return mem_printf("%s%s", x ? x->name : job->id, suffix);
}

static void send_document(struct request *r, const struct document *d, const char *what, const char *suffix,
                          const char *type)
{
    AUTO(char_p) char *path = path_blob(r->app->state_dir, d->sha256);
    AUTO(char_p) char *name = document_name(r->job, suffix);

    if (d->sha256[0])
        send_file(r, &(struct download){path, name, d->sha256, type}, false);
    else
        not_there(r, what);
}

void artifacts_provenance(struct request *r)
{
    if (jobs_load(r))
        send_document(r, &r->job->provenance, "provenance", PROVENANCE, "application/vnd.in-toto.provenance+dsse");
}

void artifacts_sbom(struct request *r)
{
    if (jobs_load(r))
        send_document(r, &r->job->sbom, "bill of materials", SBOM,
                      "application/vnd.cyclonedx+json; version=" SBOM_SPEC);
}

/* --- all as one tar --- */

/* Where an archive is written to, and what its names stand beneath: a folder with its slash, or "". */
struct archive {
    struct tar_writer *w;
    const char *state_dir, *folder;
};

static int put_blob(const struct archive *to, const char *name, mode_t mode, const char *sha256, int64_t size,
                    struct err *err)
{
    AUTO(char_p) char *path = path_blob(to->state_dir, sha256);
    AUTO(char_p) char *full = mem_printf("%s%s", to->folder, name);
    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return err_sys(err, ERR_INTERNAL, errno, "the file of %s cannot be read", full);
    return tar_put_fd(to->w, full, mode, fd, size, err);
}

static int put_document(const struct archive *to, const struct job *job, const struct document *d, const char *suffix,
                        struct err *err)
{
    AUTO(char_p) char *name = document_name(job, suffix);

    return d->sha256[0] ? put_blob(to, name, 0644, d->sha256, d->size, err) : 0;
}

static int put_job(const struct archive *to, const struct job *job, bool documents, struct err *err)
{
    for (size_t i = 0; i < job->artifacts_count; i++) {
        const struct artifact *x = &job->artifacts[i];
        if (put_blob(to, x->name, strcmp(x->kind, "elf") == 0 ? 0755 : 0644, x->sha256, x->size, err) < 0)
            return -1;
    }
    if (documents && put_document(to, job, &job->provenance, PROVENANCE, err) < 0)
        return -1;
    return documents ? put_document(to, job, &job->sbom, SBOM, err) : 0;
}

static int put_group(struct tar_writer *w, const char *state_dir, const struct group *g, struct err *err)
{
    AUTO(char_p) char *summary = groups_summary(g);
    int rc = tar_put_bytes(w, "group.json", 0644, summary, strlen(summary), err); /* no profile has a dot in its name */

    for (size_t i = 0; rc == 0 && i < g->count; i++) {
        AUTO(char_p) char *folder = mem_printf("%s/", g->jobs[i]->profile);
        rc = put_job(&(struct archive){w, state_dir, folder}, g->jobs[i], g->documents, err);
    }
    return rc;
}

static int write_tar(struct request *r, int out, struct err *err)
{
    struct tar_writer *w = NULL;
    int rc = tar_writer_open(out, TAR_PLAIN, &w, err);

    if (rc == 0)
        rc = r->group ? put_group(w, r->app->state_dir, r->group, err)
                      : put_job(&(struct archive){w, r->app->state_dir, ""}, r->job, true, err);
    if (rc == 0)
        rc = tar_writer_finish(w, err);
    tar_writer_free(w);
    return rc;
}

static void tar_work(struct request *r)
{
    AUTO(char_p) char *tmp = path_tmp(r->app->state_dir);
    int fd = open(tmp, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); /* it has no name: nothing is left behind */

    if (fd < 0) {
        r->outcome = err_sys(&r->err, ERR_UNAVAILABLE, errno, "the server cannot make the archive now");
        return;
    }
    r->file = fd;
    r->outcome = write_tar(r, fd, &r->err);
}

void artifacts_answer_tar(struct request *r, const char *name)
{
    struct answer a = ANSWER_INIT;
    struct stat st;

    if (r->outcome < 0 || fstat(r->file, &st) < 0) {
        if (r->err.kind == ERR_NONE)
            err_sys(&r->err, ERR_INTERNAL, errno, "the archive cannot be read");
        http_fail(r, &r->err);
        return;
    }
    AUTO(char_p) char *disposition = header_attachment(name);
    a.status = 200;
    a.fd = r->file;
    a.size = st.st_size;
    r->file = -1;
    answer_header(&a, "Content-Type", "application/x-tar");
    answer_header(&a, "Content-Disposition", "%s", disposition);
    http_answer(r, &a);
}

static void tar_done(struct request *r)
{
    AUTO(char_p) char *name = mem_printf("%s.tar", r->group ? r->group->id : r->job->id);

    artifacts_answer_tar(r, name);
}

static int64_t total_size(const struct job *job)
{
    int64_t total = job->provenance.size + job->sbom.size;

    for (size_t i = 0; i < job->artifacts_count; i++)
        total += job->artifacts[i].size;
    return total;
}

void artifacts_send_tar(struct request *r)
{
    const struct limits *limits = &r->app->config->limits;
    int64_t total = r->group ? 0 : total_size(r->job), available = 0;
    struct err err = ERR_INIT;

    for (size_t i = 0; r->group && i < r->group->count; i++)
        total += total_size(r->group->jobs[i]);
    if (fs_free_bytes(r->app->state_dir, &available, &err) == 0 && available < limits->min_free_bytes + total) {
        err_set(&err, ERR_UNAVAILABLE, "the server's disk is too full to make the archive");
        err_hint(&err, "fetch the artifacts one by one");
        http_fail(r, &err);
        return;
    }
    http_work(r, tar_work, tar_done);
}

void artifacts_tar(struct request *r)
{
    if (!jobs_load(r))
        return;
    if (r->job->artifacts_count == 0)
        not_there(r, "artifacts");
    else
        artifacts_send_tar(r);
}
