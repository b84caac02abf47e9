/*
 * images_part.c - see images_part.h: how one part is made.
 *
 * Every part is built under a name that nobody uses, looked at, and only then labelled and named, as the last act
 * of the Engine's: a builder that is killed leaves layers that the next one takes up, never a broken image under a good
 * name.
 */
#include "base/fs.h"
#include "base/hash.h"
#include "base/proc.h"
#include "base/tar.h"
#include "workers/dist.h"
#include "workers/images_part.h"
#include "workers/images_progress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define FACTS_MAX 4096
#define AUTHORITIES_MAX (16 << 20)

struct facts {
    char rustc[128]; /* the compiler's own line; "none" without one */
    char packages[SHA256_HEX_SIZE];
};

/* What is really in an image. */
static int read_facts(const struct making *m, const char *tag, struct facts *ret, struct err *err)
{
    static const char *const command[] = {"/bin/sh", "-c",
                                          "{ rustc -vV 2>/dev/null || echo none; } | head -n 1 && dpkg-query -W -f "
                                          "'${Package} ${Version} ${Architecture}\\n' | LC_ALL=C sort | "
                                          "sha256sum | cut -c -64",
                                          NULL};
    AUTO(char_p) char *label = mem_printf(IMAGES_FACTS_LABEL "=%s", m->maker);
    const char *const labels[] = {label, NULL};
    const struct engine_spec spec = {
        .image = tag,
        .command = command,
        .user = "65534:65534",
        .labels = labels,
        .memory_bytes = INT64_C(1) << 30,
        .pids = 64,
    };
    AUTO(char_p) char *name = mem_printf("bloomery-images-facts-%ld-%u", (long)getpid(), m->slot);
    AUTO(buf) struct buf out = {0};
    char id[ENGINE_ID_SIZE];
    struct engine_stream *stream = NULL;
    int code = -1;

    int r = engine_create(m->e, name, &spec, id, err);
    if (r != 0)
        return -1;
    r = engine_start(m->e, id, &stream, err);
    while (r == 0) {
        struct engine_chunk chunk;
        int got = engine_read(stream, 1000, &chunk, err);
        if (got < 0)
            r = -1;
        else if (got == ENGINE_END)
            break;
        else if (got == 0 && out.len + chunk.len <= FACTS_MAX)
            buf_put(&out, chunk.data, chunk.len);
    }
    engine_stream_free(stream);
    if (r == 0 && engine_wait(m->e, id, 60, &code, err) < 0)
        r = -1;
    struct err ignored = ERR_INIT;
    engine_remove(m->e, id, &ignored);
    if (r < 0)
        return -1;

    char *rustc = out.p ? out.p : "", *end = strchr(rustc, '\n');
    if (code != 0 || !end || strlen(end + 1) < 64)
        return err_set(err, ERR_TOOLCHAIN_MISSING, "nothing runs in it: exit code %d, %.100s", code, rustc);
    *end = '\0';
    end[1 + 64] = '\0';
    if (!hash_valid(end + 1))
        return err_set(err, ERR_TOOLCHAIN_MISSING, "its package list cannot be read: %.100s", end + 1);
    snprintf(ret->rustc, sizeof ret->rustc, "%s", rustc);
    memcpy(ret->packages, end + 1, SHA256_HEX_SIZE);
    return 0;
}

/* --- contexts --- */

/* A tar in an empty file that nobody else sees; in the state folder, as a toolchain is larger than memory should hold. */
static int begin_context(const struct images_config *cfg, struct tar_writer **ret, struct err *err)
{
    int fd = open(cfg->state_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        fd = memfd_create("image", MFD_CLOEXEC);
    if (fd < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot make a temporary file in %s", cfg->state_dir);
    if (tar_writer_open(fd, TAR_PLAIN, ret, err) == 0)
        return fd;
    close(fd);
    return -1;
}

static struct dist dist_of(const struct making *m, const char *word, const char *keep_dir)
{
    const struct images_config *cfg = m->cfg;

    return (struct dist){.from = strcmp(word, "dist") == 0 ? cfg->dist_server : cfg->dist_mirror,
                         .keep_dir = keep_dir,
                         .ca_bundle = cfg->ca_bundle[0] ? cfg->ca_bundle : NULL,
                         .max_bytes = cfg->max_archive_bytes,
                         .stall_seconds = cfg->stall_seconds,
                         .progress = images_line};
}

/* The archives of a toolchain, from the first place that has them. */
static int fetch_archives(struct making *m, const struct part *p, const char *keep_dir, struct err *err)
{
    static const char *const places[] = {"dist", "mirror"};
    const char *list = m->cfg->origins;
    size_t len;
    int r = IMAGES_ELSEWHERE;

    if (fs_mkdirs(keep_dir, 0755, err) < 0)
        return -1;
    for (const char *w = list; r == IMAGES_ELSEWHERE && parts_next_word(&w, &len); w += len) {
        for (size_t i = 0; i < COUNT(places) && r == IMAGES_ELSEWHERE; i++) {
            if (strlen(places[i]) != len || memcmp(places[i], w, len) != 0)
                continue;
            struct dist d = dist_of(m, places[i], keep_dir);
            if (!d.from[0])
                continue;
            r = dist_fetch(&d, p->origin, err);
            if (r == DIST_ELSEWHERE)
                fprintf(stderr, "    %s: not from %s: %s\n", p->name, places[i], err->msg);
            snprintf(m->origin, sizeof m->origin, "%s", places[i]);
        }
    }
    return r;
}

/* A toolchain's image is there: its archives, and what another origin left half-fetched, are not needed any more. */
static void forget_archives(const struct making *m, const cJSON *pin, const char *keep_dir)
{
    struct dist d = dist_of(m, "dist", keep_dir);
    const cJSON *origin;

    cJSON_ArrayForEach(origin, json_arr(pin, "origins"))
    {
        if (strcmp(json_str(origin, "origin", ""), "dist") == 0)
            dist_forget(&d, origin);
    }
}

static bool from_archives(const struct part *p)
{
    return p->kind == PART_TOOLCHAIN && strcmp(json_str(p->origin, "origin", ""), "dist") == 0;
}

/* ca.pem, for a host of trials that comes from a registry: the authorities that this server trusts. No part of the digest:
 * what is downloaded is held to hashes of its own. */
static int put_authorities(const struct images_config *cfg, struct tar_writer *w, struct err *err)
{
    AUTO(buf) struct buf text = {0};

    if (!cfg->ca_bundle[0])
        return 0;
    if (fs_read(cfg->ca_bundle, AUTHORITIES_MAX, &text, err) < 0)
        return err_wrap(err, "ca_bundle");
    return tar_put_bytes(w, "ca.pem", 0644, text.p ? text.p : "", text.len, err);
}

/* The tar that was begun in `out` is complete, if r is 0: what make_context gives, else -1. */
static int end_context(int out, struct tar_writer *w, int r, struct err *err)
{
    if (r == 0)
        r = tar_writer_finish(w, err);
    tar_writer_free(w);
    if (r == 0 && lseek(out, 0, SEEK_SET) < 0)
        r = err_sys(err, ERR_INTERNAL, errno, "cannot rewind a temporary file");
    if (r == 0)
        return out;
    close(out);
    return -1;
}

/* What the Engine builds a part from: a descriptor at its start, which the caller closes, or -1. */
static int make_context(struct making *m, const struct part *p, const char *keep_dir, struct err *err)
{
    struct tar_writer *w = NULL;
    int out = begin_context(m->cfg, &w, err);

    if (out < 0)
        return -1;
    int r = parts_context(m->parts, p, w, err);
    if (r == 0 && p->kind == PART_TRIAL && p->dir)
        r = put_authorities(m->cfg, w, err);
    if (r == 0 && from_archives(p)) {
        struct dist d = dist_of(m, m->origin, keep_dir);
        images_line("taking the archives apart");
        r = dist_unpack(&d, p->origin, w, "rust", err);
    }
    return end_context(out, w, r, err);
}

/* A context that changes nothing of the image it stands on. */
static int label_context(const struct images_config *cfg, struct err *err)
{
    static const char dockerfile[] = "ARG BLOOMERY_FROM\nFROM $BLOOMERY_FROM\n";
    struct tar_writer *w = NULL;
    int out = begin_context(cfg, &w, err);

    if (out < 0)
        return -1;
    int r = tar_put_bytes(w, "Dockerfile", 0644, dockerfile, sizeof dockerfile - 1, err);
    return end_context(out, w, r, err);
}

/* --- one part --- */

static int build(struct making *m, int context, const char *tag, const struct strs *labels, const struct strs *args,
                 struct err *err)
{
    const struct engine_build spec = {
        .tag = tag,
        .dockerfile = "Dockerfile",
        .labels = (const char *const *)labels->p,
        .build_args = (const char *const *)args->p,
        .progress = images_line,
    };

    return engine_image_build(m->e, context, &spec, err);
}

/* docker/images/base/build makes a tar of a whole Debian; it prints as it goes. */
static int make_base(struct making *m, const struct part *p, const char *tag, struct err *err)
{
    AUTO(char_p) char *script = mem_printf("%s/build", p->dir);
    AUTO(char_p) char *tar = mem_printf("%s/base.tar", m->cfg->state_dir);
    AUTO(buf) struct buf errors = {0};
    AUTO(strs) struct strs env = {0};
    const char *const argv[] = {script, tar, NULL};
    struct proc proc = PROC_INIT;
    int status = 0;

    strs_proxies(&env);
    strs_printf(&env, "BLOOMERY_DEBIAN_MIRROR=%s", m->cfg->debian_mirror);
    proc.argv = argv;
    proc.env = (const char *const *)env.p;
    proc.stdout_fd = STDERR_FILENO;
    proc.errors = &errors;
    proc.seconds = 30 * 60;
    int r = proc_run(&proc, &status, err);
    if (r == PROC_TIMED_OUT)
        r = err_set(err, ERR_INTERNAL, "mmdebstrap was stopped after 30 minutes");
    if (r == 0 && status != 0) {
        char *line = errors.p ? errors.p : "";
        for (char *next; (next = strchr(line, '\n')); line = next + 1) {
            *next = '\0';
            images_line(line);
        }
        images_line(line);
        r = err_set(err, ERR_INTERNAL, "mmdebstrap failed (exit code %d): %s", status, images_telling());
    }
    if (r == 0) {
        AUTO(fd) int fd = open(tar, O_RDONLY | O_CLOEXEC);
        r = fd < 0 ? err_sys(err, ERR_INTERNAL, errno, "cannot read %s", tar)
                   : engine_image_import(m->e, fd, p->repo, tag, NULL, err);
    }
    unlink(tar);
    return r;
}

/* An image that holds nothing: no command runs in it, so there are no packages to look at. */
static int make_empty(struct making *m, const struct part *p, const struct strs *labels, const char *tag,
                      struct err *err)
{
    AUTO(fd) int context = make_context(m, p, NULL, err);
    AUTO(strs) struct strs changes = {0};

    for (size_t i = 0; i < labels->count; i++)
        strs_printf(&changes, "LABEL %s", labels->p[i]);
    return context < 0 ? -1 : engine_image_import(m->e, context, p->repo, tag, (const char *const *)changes.p, err);
}

/* The arguments of a part's Dockerfile. */
static void add_args(const struct making *m, const struct part *p, struct strs *args)
{
    const cJSON *arg;

    strs_printf(args, "BLOOMERY_FROM=%s", m->from);
    strs_proxies(args); /* as arguments they stay out of the image */
    if (p->kind == PART_TOOLCHAIN) {
        strs_printf(args, "DEBIAN_MIRROR=%s", m->cfg->debian_mirror);
        cJSON_ArrayForEach(arg, json_obj(p->origin, "args"))
        {
            if (cJSON_IsString(arg))
                strs_printf(args, "%s=%s", arg->string, arg->valuestring);
        }
    }
    if (p->kind == PART_PROFILE) {
        /* std is compiled here. A change of anything else in profile.json finds the compiled layer in the Engine's cache. */
        AUTO(buf) struct buf flags = {0};
        cJSON_ArrayForEach(arg, json_arr(m->profile->json, "rustflags"))
        {
            buf_printf(&flags, "%s%s", flags.len ? "\x1f" : "", cJSON_GetStringValue(arg));
        }
        strs_printf(args, "BLOOMERY_TARGET=%s", m->profile->target);
        strs_printf(args, "BLOOMERY_RUSTFLAGS=%s", flags.p ? flags.p : "");
    }
}

/* "rustc 1.96.0 (...)" is of version 1.96.0. */
static bool is_version(const char *rustc, const char *version)
{
    size_t n = strlen(version);

    return n > 0 && strncmp(rustc, "rustc ", 6) == 0 && strncmp(rustc + 6, version, n) == 0 &&
           (rustc[6 + n] == ' ' || rustc[6 + n] == '\0');
}

/* What a job has to say of its compiler; "" if it is what was pinned. ERR_TOOLCHAIN_MISSING: archives that verified
 * hold another compiler than the pin says. */
static int judge(const struct part *p, const char *rustc, char *ret, size_t size, struct err *err)
{
    const char *pin = json_str(p->pin, "name", ""), *version = json_str(p->pin, "rustc", "");
    const char *stands_in = json_str(p->origin, "stands_in", NULL), *own = json_str(p->origin, "rustc", version);
    const char *commit = json_str(p->pin, "commit", "");
    int brief = (int)strcspn(rustc, "("); /* without commit and date */

    while (brief > 0 && rustc[brief - 1] == ' ')
        brief--;
    *ret = '\0';
    if (strncmp(rustc, "rustc ", 6) != 0)
        return err_set(err, ERR_TOOLCHAIN_MISSING, "no compiler runs in it");
    if (from_archives(p) && (!is_version(rustc, version) || !strstr(rustc, commit))) {
        err_set(err, ERR_TOOLCHAIN_MISSING, "toolchain %s is rustc %s (%s), but its archives hold %s", pin, version,
                commit, rustc);
        return err_hint(err, "correct rustc and commit, or the archives' hashes, in docker/toolchains.json");
    }
    if (stands_in)
        snprintf(ret, size, "toolchain %s is not to be had here: %.*s (%s) stands in for it", pin, brief, rustc,
                 stands_in);
    else if (!is_version(rustc, own))
        snprintf(ret, size, "Debian has moved on from rustc %s, which stands for toolchain %s: compiled by %.*s", own,
                 pin, brief, rustc);
    return 0;
}

static int add_labels(const struct making *m, const struct part *p, const struct facts *facts, struct strs *labels,
                      char ret_digest[SHA256_HEX_SIZE], struct err *err)
{
    AUTO(char_p) char *all = mem_printf("%s %s", p->inputs, facts->packages);
    char warning[256];

    hash_bytes(all, strlen(all), ret_digest);
    strs_printf(labels, "bloomery.inputs=%s", p->inputs);
    strs_printf(labels, "bloomery.packages=%s", facts->packages);
    strs_printf(labels, "bloomery.digest=%s", ret_digest);
    strs_printf(labels, "bloomery.by=%s", m->maker);
    if (p->kind == PART_TOOLCHAIN) {
        if (judge(p, facts->rustc, warning, sizeof warning, err) < 0)
            return -1;
        strs_printf(labels, "bloomery.toolchain=%s", json_str(p->pin, "name", ""));
        strs_printf(labels, "bloomery.pinned=%s", json_str(p->pin, "rustc", ""));
        strs_printf(labels, "bloomery.rustc=%s", facts->rustc);
        strs_printf(labels, "bloomery.origin=%s", m->origin);
        strs_printf(labels, "bloomery.warning=%s", warning);
        if (warning[0])
            fprintf(stderr, "    %s: warning: %s\n", p->name, warning);
    }
    if (p->kind == PART_PROFILE) {
        strs_printf(labels, "bloomery.profile=%s", m->profile->name);
        if (m->parts->has_kit)
            strs_printf(labels, "bloomery.kit=%s %s %s", m->parts->kit.name, m->parts->kit.version,
                        m->parts->kit.sha256);
    }
    return 0;
}

/* The bare image of a part, under its unfinished name. IMAGES_ELSEWHERE: its origin has it no more. */
static int make_bare(struct making *m, const struct part *p, const char *unfinished, struct err *err)
{
    AUTO(char_p) char *keep_dir = mem_printf("%s/downloads", m->cfg->state_dir);
    AUTO(strs) struct strs none = {0}, args = {0};
    int r = 0;

    snprintf(m->origin, sizeof m->origin, "%s", p->kind == PART_TOOLCHAIN ? json_str(p->origin, "origin", "") : "");
    if (p->kind == PART_BASE)
        return make_base(m, p, unfinished + strlen(p->repo) + 1, err);
    if (from_archives(p) && (r = fetch_archives(m, p, keep_dir, err)) != 0)
        return r;
    AUTO(fd) int context = make_context(m, p, keep_dir, err);
    if (context < 0)
        return -1;
    add_args(m, p, &args);
    if (build(m, context, unfinished, &none, &args, err) < 0)
        return images_saw("E: the mirror has no suite") ? IMAGES_ELSEWHERE : -1;
    if (p->kind == PART_TOOLCHAIN)
        forget_archives(m, p->pin, keep_dir);
    return 0;
}

int images_make(struct making *m, const struct part *p, struct err *err)
{
    AUTO(char_p) char *unfinished = mem_printf("%s:" IMAGES_UNFINISHED "-%s", p->repo, m->maker);
    AUTO(strs) struct strs labels = {0}, from = {0};
    struct facts facts = {0};
    char digest[SHA256_HEX_SIZE];

    if (!p->dir) {
        if (add_labels(m, p, &facts, &labels, digest, err) < 0)
            return -1;
        digest[12] = '\0';
        return make_empty(m, p, &labels, digest, err);
    }
    int r = make_bare(m, p, unfinished, err);
    if (r != 0)
        return r;
    AUTO(fd) int context = label_context(m->cfg, err);
    if (context < 0 || read_facts(m, unfinished, &facts, err) < 0 || add_labels(m, p, &facts, &labels, digest, err) < 0)
        return -1;
    AUTO(char_p) char *tag = mem_printf("%s:%.12s", p->repo, digest);
    AUTO(json) cJSON *replaced = NULL;
    struct err ignored = ERR_INIT;
    strs_printf(&from, "BLOOMERY_FROM=%s", unfinished);
    if (engine_image(m->e, tag, &replaced, err) < 0 || build(m, context, tag, &labels, &from, err) < 0)
        return -1;
    engine_image_remove(m->e, unfinished, &ignored); /* the name only: the image is the other one's parent */
    /* Made anew with the same result: the former one has lost its name, and goes unless something stands on it. */
    if (replaced) {
        if (engine_image_tag(m->e, tag, p->repo, "current", err) < 0)
            return -1;
        engine_image_remove(m->e, json_str(replaced, "Id", ""), &ignored);
    }
    return 0;
}
