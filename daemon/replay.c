/* replay.c - see replay.h. */
#include "daemon/replay.h"

#include "base/fs.h"
#include "base/tar.h"
#include "daemon/app.h"
#include "daemon/artifacts.h"
#include "daemon/job_json.h"
#include "daemon/jobs.h"
#include "daemon/replay_script.h"
#include "workers/paths.h"
#include "workers/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_HEAD = 1 << 20 };

/* --- what it says --- */

struct packed {
    const char *compression; /* the program that undoes it, or "none" */
    const char *name;
    size_t len;
    const char *magic;
};

/* As base/tar.h reads it. */
static const struct packed *packed_how(int fd)
{
    static const struct packed ways[] = {{"gzip", "source.tar.gz", 2, "\x1f\x8b"},
                                         {"zstd", "source.tar.zst", 4, "\x28\xb5\x2f\xfd"},
                                         {"xz", "source.tar.xz", 6, "\xfd\x37zXZ\0"}};
    static const struct packed plain = {"none", "source.tar", 0, ""};
    char start[8] = {0};
    ssize_t n = pread(fd, start, sizeof start, 0);

    for (size_t i = 0; i < COUNT(ways); i++)
        if (n >= (ssize_t)ways[i].len && memcmp(start, ways[i].magic, ways[i].len) == 0)
            return &ways[i];
    return &plain;
}

static void move(cJSON *to, cJSON *from, const char *key)
{
    cJSON *v = cJSON_DetachItemFromObjectCaseSensitive(from, key);

    cJSON_AddItemToObject(to, key, v ? v : cJSON_CreateNull());
}

static const char *output_file(const cJSON *record, const char *name)
{
    const cJSON *o;

    cJSON_ArrayForEach(o, json_arr(record, "outputs")) if (strcmp(json_str(o, "name", ""), name) ==
                                                           0) return json_str(o, "file", "");
    return "";
}

/* replay.json. Takes what it needs out of the job's record. */
static cJSON *describe(const struct job *job, const struct packed *how)
{
    AUTO(json) cJSON *shown = job_json(job, NULL);
    cJSON *record = job->replay.record, *doc = cJSON_CreateObject();
    static const char *const of_job[] = {"profile", "crate", "options", "toolchain", "source"};
    static const char *const of_record[] = {"image", "root", "lock", "containers", "steps"};

    json_put_int(doc, "version", 1);
    json_put_str(doc, "job", job->id);
    for (size_t i = 0; i < COUNT(of_job); i++)
        move(doc, shown, of_job[i]);
    cJSON *source = cJSON_GetObjectItemCaseSensitive(doc, "source");
    json_put_str(source, "file", how->name);
    json_put_str(source, "compression", how->compression);
    cJSON *artifacts = cJSON_AddArrayToObject(doc, "artifacts");
    for (size_t i = 0; i < job->artifacts_count; i++) {
        const struct artifact *a = &job->artifacts[i];
        cJSON *o = cJSON_CreateObject();
        json_put_str(o, "name", a->name);
        json_put_str(o, "file", output_file(record, a->name));
        json_put_str(o, "sha256", a->sha256);
        json_put_int(o, "size", a->size);
        cJSON_AddItemToArray(artifacts, o);
    }
    for (size_t i = 0; i < COUNT(of_record); i++)
        move(doc, record, of_record[i]);
    cJSON *lock = cJSON_GetObjectItemCaseSensitive(doc, "lock");
    if (cJSON_IsObject(lock))
        json_put_str(lock, "sha256", job->replay.lock_sha256);
    return doc;
}

/* --- the tar --- */

struct bundle {
    struct request *r;
    struct tar_writer *w;
    int source; /* the tarball as it came */
};

static int put_bytes(struct bundle *b, const char *name, mode_t mode, const char *text, struct err *err)
{
    AUTO(char_p) char *path = mem_printf("replay-%s/%s", b->r->job->id, name);

    return tar_put_bytes(b->w, path, mode, text, strlen(text), err);
}

/* From its start, to its end. */
static int put_fd(struct bundle *b, const char *name, int fd, struct err *err)
{
    AUTO(char_p) char *path = mem_printf("replay-%s/%s", b->r->job->id, name);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "%s cannot be read", name);
    return tar_put_fd(b->w, path, 0644, fd, st.st_size, err);
}

static int put_blob(struct bundle *b, const char *name, const char *sha256, struct err *err)
{
    AUTO(char_p) char *path = path_blob(b->r->app->state_dir, sha256);
    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    return put_fd(b, name, fd, err);
}

/* A file without a name: nothing is left behind. */
static int nameless(const struct request *r, struct err *err)
{
    AUTO(char_p) char *tmp = path_tmp(r->app->state_dir);
    int fd = open(tmp, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    return fd < 0 ? err_sys(err, ERR_UNAVAILABLE, errno, "the server cannot make the archive now") : fd;
}

static int put_tree(struct bundle *b, struct err *err)
{
    const struct app *app = b->r->app;
    const char *manifest = json_str(b->r->job->options, "manifest_path", NULL);
    AUTO(fd) int tree = nameless(b->r, err);

    if (tree < 0)
        return -1;
    if (unpack_repack(app->helper_dir, b->source, tree, &b->r->limits, manifest, app->upload_uid, err) < 0)
        return err_wrap(err, "the source");
    return put_fd(b, "tree.tar", tree, err);
}

static int put_all(struct bundle *b, struct err *err)
{
    const struct job *job = b->r->job;
    const struct packed *how = packed_how(b->source);
    AUTO(char_p) char *config = mem_strdup(json_str(job->replay.record, "cargo_config", ""));
    AUTO(json) cJSON *doc = describe(job, how);
    AUTO(char_p) char *text = cJSON_Print(doc);
    AUTO(char_p) char *head_path = mem_printf("%s/workers/replay/replay.sh", b->r->app->share_dir);
    AUTO(buf) struct buf head = {0};

    if (fs_read(head_path, MAX_HEAD, &head, err) < 0)
        return -1;
    AUTO(char_p) char *script = replay_script(head.p ? head.p : "", doc);
    if (put_bytes(b, "replay.sh", 0755, script, err) < 0 || put_bytes(b, "replay.json", 0644, text, err) < 0 ||
        put_bytes(b, "cargo-config.toml", 0644, config, err) < 0 || put_fd(b, how->name, b->source, err) < 0 ||
        put_tree(b, err) < 0 || put_blob(b, "mounts.tar", job->replay.mounts_sha256, err) < 0)
        return -1;
    return job->replay.lock_sha256[0] ? put_blob(b, "Cargo.lock", job->replay.lock_sha256, err) : 0;
}

static int write_bundle(struct request *r, int out, struct err *err)
{
    AUTO(char_p) char *path = path_source(r->app->state_dir, r->job->source_sha256);
    AUTO(fd) int source = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct bundle b = {.r = r, .source = source};

    if (source < 0)
        return err_sys(err, ERR_INTERNAL, errno, "the source cannot be read");
    int rc = tar_writer_open(out, TAR_PLAIN, &b.w, err);
    if (rc == 0)
        rc = put_all(&b, err);
    if (rc == 0)
        rc = tar_writer_finish(b.w, err);
    tar_writer_free(b.w);
    return rc;
}

static void replay_work(struct request *r)
{
    r->file = nameless(r, &r->err);
    r->outcome = r->file < 0 ? -1 : write_bundle(r, r->file, &r->err);
}

static void replay_done(struct request *r)
{
    AUTO(char_p) char *name = mem_printf("replay-%s.tar", r->job->id);

    artifacts_answer_tar(r, name);
}

/* --- may it be had? --- */

static int find(struct request *r, struct err *err)
{
    const struct job *job = r->job;

    if (!job_finished(job->state)) {
        err_set(err, ERR_CONFLICT, "there is nothing to build again yet: the job is %s", job_state_name(job->state));
        return err_hint(err, "wait with GET /v1/jobs/%s?wait=300", job->id);
    }
    if (job->state != JOB_SUCCEEDED)
        return err_set(err, ERR_CONFLICT, "there is nothing to build again: the job did not succeed (%s)",
                       job_state_name(job->state));
    int rc = store_replay(r->app->reader, job->id, &r->job->replay, err);
    if (rc < 0)
        return -1;
    if (rc == STORE_NONE) {
        err_set(err, ERR_NOT_FOUND, "how this job was built was not written down: it is older than that");
        return err_hint(err, "POST /v1/jobs/%s/retry builds the same source anew", job->id);
    }
    return 0;
}

/* The source twice, once unpacked, and that once more before it is put in. */
static int check_room(const struct request *r, struct err *err)
{
    int64_t need = r->job->source_size + 2 * json_int(r->job->replay.record, "unpacked_bytes", 0), available = 0;
    struct err ignored = ERR_INIT;

    if (fs_free_bytes(r->app->state_dir, &available, &ignored) < 0 || available >= r->limits.min_free_bytes + need)
        return 0;
    err_set(err, ERR_UNAVAILABLE, "the server's disk is too full to make the archive");
    return err_hint(err, "it takes %lld bytes; ask the operator for room", (long long)need);
}

void replay_get(struct request *r)
{
    struct err err = ERR_INIT;

    if (!jobs_load(r))
        return;
    r->limits = r->app->config->limits;
    if (find(r, &err) < 0 || check_room(r, &err) < 0)
        http_fail(r, &err);
    else
        http_work(r, replay_work, replay_done);
}
