/* verify.c - see verify.h. */
#include "workers/verify.h"

#include "workers/blobs.h"
#include "workers/diagnose.h"
#include "workers/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 64 << 10 };

/* --- where two files differ --- */

struct pair {
    int fd[2];
    int64_t size[2];
};

static int read_at(int fd, char *into, size_t len, int64_t offset, struct err *err)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n = pread(fd, into + got, len - got, offset + (int64_t)got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_sys(err, ERR_ENGINE, n < 0 ? errno : EIO, "cannot read an artifact's copy");
        got += (size_t)n;
    }
    return 0;
}

/* *ret: how many bytes of the two ranges are equal from their starts, at most len. */
static int equal_bytes(const struct pair *p, int64_t first, int64_t second, int64_t len, int64_t *ret, struct err *err)
{
    AUTO(char_p) char *a = mem_alloc(BLOCK);
    AUTO(char_p) char *b = mem_alloc(BLOCK);

    for (int64_t at = 0; at < len;) {
        size_t n = len - at < BLOCK ? (size_t)(len - at) : BLOCK;
        if (read_at(p->fd[0], a, n, first + at, err) < 0 || read_at(p->fd[1], b, n, second + at, err) < 0)
            return -1;
        for (size_t i = 0; i < n; i++)
            if (a[i] != b[i]) {
                *ret = at + (int64_t)i;
                return 0;
            }
        at += (int64_t)n;
    }
    *ret = len;
    return 0;
}

/* A part of a file as bloomery-inspect names it, held to the file. */
struct part_of {
    const char *name;
    int64_t offset, size;
};

static bool read_part(const cJSON *o, int64_t file_size, struct part_of *ret)
{
    *ret = (struct part_of){json_str(o, "name", ""), json_int(o, "offset", -1), json_int(o, "size", -1)};
    return o && ret->offset >= 0 && ret->size >= 0 && ret->offset <= file_size && ret->size <= file_size - ret->offset;
}

/* The build id is a hash of the others, and relocations say where they lie: they are to be named only where nothing else
 * differs. */
static bool follows_from_others(const char *name)
{
    const char *blank = strrchr(name, ' '), *section = blank ? blank + 1 : name;

    return strcmp(section, ".note.gnu.build-id") == 0 || strncmp(section, ".rel", 4) == 0;
}

/* Part for part, in the file's order. 1: one that differs was found. */
static int find_part(const struct pair *p, cJSON *const parts[2], bool all, const char **ret_name, int64_t *ret_offset,
                     struct err *err)
{
    struct part_of x, y;

    const cJSON *one = parts[0]->child, *two = parts[1]->child;
    for (; read_part(one, p->size[0], &x); one = one->next, two = two ? two->next : NULL) {
        bool partner = read_part(two, p->size[1], &y) && strcmp(x.name, y.name) == 0;
        int64_t common = partner ? (x.size < y.size ? x.size : y.size) : 0, same = 0;
        if (follows_from_others(x.name) != all)
            continue;
        if (equal_bytes(p, x.offset, partner ? y.offset : 0, common, &same, err) < 0)
            return -1;
        if (partner && same == x.size && same == y.size)
            continue;
        *ret_name = x.name;
        *ret_offset = x.offset + same;
        return 1;
    }
    return 0;
}

static int find_difference(struct attempt *a, const char *kind, const char *const paths[2], const struct pair *p,
                           cJSON *into, struct err *err)
{
    cJSON *parts[2] = {NULL, NULL};
    const char *section = NULL;
    int64_t offset = 0;
    int r = 0;

    for (int i = 0; i < 2; i++) {
        struct err why = ERR_INIT;
        if (check_parts(a, kind, paths[i], &parts[i], &why) == 0)
            continue;
        joblog_say(a->log, "what differs has no name: %s", why.msg);
        parts[i] = cJSON_CreateArray();
    }
    for (int all = 0; r == 0 && all < 2; all++)
        r = find_part(p, parts, all, &section, &offset, err);
    if (r == 0) {
        /* Nothing that has a name: headers, padding, or a file that has no parts. */
        int64_t common = p->size[0] < p->size[1] ? p->size[0] : p->size[1];
        r = equal_bytes(p, 0, 0, common, &offset, err);
    }
    if (r >= 0) {
        json_put_str(into, "section", section);
        json_put_int(into, "offset", offset);
    }
    cJSON_Delete(parts[0]);
    cJSON_Delete(parts[1]);
    return r < 0 ? -1 : 0;
}

/* --- the artifacts --- */

static int locate(struct attempt *a, const struct artifact *art, const char *const paths[2], cJSON *into,
                  struct err *err)
{
    AUTO(fd) int one = open(paths[0], O_RDONLY | O_CLOEXEC);
    AUTO(fd) int two = open(paths[1], O_RDONLY | O_CLOEXEC);
    struct stat st[2];

    if (one < 0 || two < 0 || fstat(one, &st[0]) < 0 || fstat(two, &st[1]) < 0)
        return err_sys(err, ERR_ENGINE, errno, "cannot open an artifact's copy");
    const struct pair pair = {{one, two}, {st[0].st_size, st[1].st_size}};
    return find_difference(a, art->kind, paths, &pair, into, err);
}

/* 1: it differs. */
static int compare_one(struct attempt *a, int root, const struct check_file *f, const struct artifact *art, cJSON *list,
                       struct err *err)
{
    AUTO(char_p) char *tmp = path_tmp(a->cfg->state_dir);
    AUTO(char_p) char *second = NULL;
    char sha256[SHA256_HEX_SIZE] = "";
    int64_t size;

    struct err why = ERR_INIT;
    int r = blob_stage(root, f->file, tmp, a->limits.max_artifact_bytes, &second, sha256, &size, &why);
    if (r < 0 && err_retries(why.kind)) {
        *err = why;
        return -1;
    }
    cJSON *o = cJSON_CreateObject(), *where = NULL;
    cJSON_AddItemToArray(list, o);
    json_put_str(o, "name", art->name);
    json_put_str(o, "sha256", art->sha256);
    json_put_str(o, "second_sha256", r == 0 ? sha256 : NULL);
    bool differs = strcmp(sha256, art->sha256) != 0;
    if (r == 0 && differs) {
        const char *const paths[2] = {f->path, second};
        where = cJSON_CreateObject();
        r = locate(a, art, paths, where, err);
    } else {
        r = 0; /* none, or something else than a file: that says enough */
    }
    cJSON_AddItemToObject(o, "first_difference", where ? where : cJSON_CreateNull());
    if (second)
        unlink(second);
    return r < 0 ? -1 : differs;
}

int verify_compare(struct attempt *a, const struct finish *first, struct err *err)
{
    AUTO(json) cJSON *v = cJSON_CreateObject();
    AUTO(fd) int root = work_open(&a->work, err);
    bool differs = false;

    if (root < 0)
        return -1;
    cJSON *list = cJSON_CreateArray();
    cJSON_AddItemToObject(v, "artifacts", list);
    for (size_t i = 0; i < first->count; i++) {
        if (!first->p[i].output)
            continue; /* the lock: the second build was given it */
        int r = compare_one(a, root, &first->p[i], &a->result.artifacts[i], list, err);
        if (r < 0)
            return -1;
        differs |= r > 0;
    }
    json_put_str(v, "verdict", differs ? "different" : "reproducible");
    json_put_str(v, "reason", differs ? "two builds of the same source gave different bytes" : NULL);
    a->result.verification = STEAL(v);
    return 0;
}

int verify_failed(struct attempt *a, struct err *err)
{
    if (err_retries(err->kind) || err->kind == ERR_CANCELED || err->kind == ERR_TOOLCHAIN_MISSING)
        return -1;
    AUTO(char_p) char *reason = mem_printf("the second build failed (%s): %s", err_name(err->kind), err->msg);
    cJSON *v = cJSON_CreateObject();
    cJSON_AddItemToObject(v, "artifacts", cJSON_CreateArray());
    json_put_str(v, "verdict", "failed");
    json_put_str(v, "reason", reason);
    a->result.verification = v;
    job_error_clear(&a->result.error);
    *err = (struct err)ERR_INIT;
    return 0;
}

char *verify_sentence(const cJSON *v)
{
    const char *verdict = json_str(v, "verdict", "");
    const cJSON *art;

    if (strcmp(verdict, "reproducible") == 0)
        return mem_strdup("reproducible: a second build gave the same bytes");
    if (strcmp(verdict, "different") != 0)
        return mem_printf("not reproducible: %s", json_str(v, "reason", "?"));
    cJSON_ArrayForEach(art, json_arr(v, "artifacts"))
    {
        const char *name = json_str(art, "name", "?"), *second = json_str(art, "second_sha256", NULL);
        const cJSON *where = json_obj(art, "first_difference");
        if (!second)
            return mem_printf("not reproducible: the second build left no %s", name);
        if (!where)
            continue;
        const char *section = json_str(where, "section", NULL);
        return mem_printf("not reproducible: a second build gave another %s; the first difference is at byte %lld%s%s",
                          name, (long long)json_int(where, "offset", 0), section ? ", in " : "",
                          section ? section : "");
    }
    return mem_strdup("not reproducible");
}
