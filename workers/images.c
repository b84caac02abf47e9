/*
 * images.c - see images.h.
 *
 * A part gets its name (parts.h) only when it is complete, as the last act of
 * the Engine's own build or import: a builder that is killed leaves layers that
 * the next one takes up, never a broken image under a good name. `current` is
 * for people; nothing here relies on it.
 *
 * Labels: bloomery.inputs (see parts.h), bloomery.packages (a digest of the Debian packages that
 * it really holds), bloomery.digest (both), bloomery.toolchain, .rustc, .origin, .profile. A child
 * image inherits its parent's.
 */
#include "workers/images.h"

#include "base/fs.h"
#include "base/hash.h"
#include "base/proc.h"
#include "base/tar.h"
#include "workers/parts.h"
#include "workers/strs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define FACTS_LABEL "bloomery.images=facts"
#define FACTS_MAX 4096

/* --- progress --- */

/* The Engine's callback has no argument of ours: one build a thread. */
#define TAIL 12
static _Thread_local struct {
    const char *part;
    char tail[TAIL][160]; /* the latest lines: what a failure shows */
    unsigned count;
    time_t shown;
} progress;

static void show(const char *line)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K    %s: %.90s", progress.part, line);
    else
        fprintf(stderr, "    %s: %.150s\n", progress.part, line);
}

/* One line of a tool, its colours taken out. Elsewhere than on a terminal a line every few seconds is enough to
 * see that it lives. */
static void on_line(const char *line)
{
    char *text = progress.tail[progress.count % TAIL];
    size_t n = 0;

    for (; *line && n + 1 < sizeof progress.tail[0]; line++) {
        if (*line == '\033' && line[1] == '[') {
            line += 2 + strspn(line + 2, "0123456789;");
            if (!*line)
                break;
        } else if ((unsigned char)*line >= 32) {
            text[n++] = *line;
        }
    }
    text[n] = '\0';
    if (n == 0 || strspn(text, " ") == n)
        return;
    progress.count++;
    time_t now = time(NULL);
    if (isatty(STDERR_FILENO) || now - progress.shown >= 3) {
        progress.shown = now;
        show(text);
    }
}

static void begin_part(const char *name, const char *what)
{
    memset(&progress, 0, sizeof progress);
    progress.part = name;
    progress.shown = time(NULL);
    fprintf(stderr, "==> image %s: %s\n", name, what);
}

static void end_part(time_t since)
{
    fprintf(stderr, "%s    %s: done in %ld s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", progress.part,
            (long)(time(NULL) - since));
}

/* The first of the latest lines that tells an error, else the last one that is not the builder's own; "" without any. */
static const char *telling(void)
{
    static const char *const signs[] = {"E: ", "error", "fatal"};
    unsigned from = progress.count > TAIL ? progress.count - TAIL : 0;
    const char *last = "";

    for (unsigned i = from; i < progress.count; i++) {
        const char *line = progress.tail[i % TAIL];
        for (size_t s = 0; s < COUNT(signs); s++) {
            if (strncmp(line, signs[s], strlen(signs[s])) == 0)
                return line;
        }
        if (strncmp(line, "Removing ", 9) != 0 && strncmp(line, " ---> ", 6) != 0)
            last = line;
    }
    return last;
}

/* What went wrong, and what to do about it, from the tools' own words. */
static int failed(struct err *err)
{
    static const struct {
        const char *word, *hint;
    } causes[] = {
        {"No space left on device", "the disk of the Engine or of the state folder is full: free some 5 GB"},
        {"was not found", "a package's pinned version is gone from the mirror: pin the new one in "
                          "docker/toolchains.json, and look at what changed"},
        {"NO_PUBKEY", "the host's archive keys are too old: upgrade debian-archive-keyring"},
        {"esolv", "there is no way to deb.debian.org: give this machine, and containers on Docker's bridge, "
                  "DNS and HTTP (http_proxy is passed on)"},
        {"nable to connect", "there is no way to deb.debian.org: give this machine, and containers on Docker's "
                             "bridge, HTTP (http_proxy is passed on)"},
        {"ailed to fetch", "the Debian mirror did not give all packages: try again"},
        {"network bridge", "the Engine's default network is broken: restart the Docker Engine"},
        {"mmdebstrap is missing", "apt-get install mmdebstrap"},
    };
    unsigned from = progress.count > TAIL ? progress.count - TAIL : 0;

    fprintf(stderr, "%s", isatty(STDERR_FILENO) ? "\r\033[K" : "");
    for (unsigned i = from; i < progress.count; i++)
        fprintf(stderr, "    %s: %s\n", progress.part, progress.tail[i % TAIL]);
    /* The builder says which of its commands failed; that is the whole of an apt-get line and no reason. */
    if (strstr(err->msg, "The command '") && telling()[0])
        err_set(err, ERR_TOOLCHAIN_MISSING, "%s", telling());
    for (size_t c = 0; c < COUNT(causes) && !err->hint[0]; c++) {
        if (strstr(err->msg, causes[c].word))
            err_hint(err, "%s", causes[c].hint);
        for (unsigned i = from; i < progress.count && !err->hint[0]; i++) {
            if (strstr(progress.tail[i % TAIL], causes[c].word))
                err_hint(err, "%s", causes[c].hint);
        }
    }
    return err_wrap(err, "image %s", progress.part);
}

/* --- one part --- */

/* The image's labels, or ENGINE_ABSENT. *ret_image may be NULL. */
static int look(struct engine *e, const struct part *p, cJSON **ret_image, struct err *err)
{
    AUTO(json) cJSON *image = NULL;
    int r = engine_image(e, p->tag, &image, err);

    if (r == 0 && ret_image)
        *ret_image = STEAL(image);
    return r;
}

/* This machine's http_proxy and the like, for what downloads; as arguments of a build they stay out of the image. */
static void add_proxies(struct strs *list)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "no_proxy"};

    for (size_t i = 0; i < COUNT(names); i++) {
        if (getenv(names[i]))
            strs_printf(list, "%s=%s", names[i], getenv(names[i]));
    }
}

static void add_digest(struct strs *labels, const struct part *p, const char *packages)
{
    char hex[SHA256_HEX_SIZE];
    AUTO(char_p) char *all = mem_printf("%s %s", p->inputs, packages);

    hash_bytes(all, strlen(all), hex);
    strs_printf(labels, "bloomery.inputs=%s", p->inputs);
    strs_printf(labels, "bloomery.digest=%s", hex);
}

static int import(struct engine *e, const struct part *p, int tar_fd, struct err *err)
{
    AUTO(strs) struct strs labels = {0}, changes = {0};

    add_digest(&labels, p, "");
    for (size_t i = 0; i < labels.count; i++)
        strs_printf(&changes, "LABEL %s", labels.p[i]);
    AUTO(char_p) char *tag = mem_printf("%.12s", p->inputs);
    return engine_image_import(e, tar_fd, p->repo, tag, (const char *const *)changes.p, err);
}

static int make_empty(struct engine *e, const struct part *p, struct err *err)
{
    AUTO(fd) int tar = parts_context(p, err);

    return tar < 0 ? -1 : import(e, p, tar, err);
}

/* docker/images/base/build makes a tar of a whole Debian; it prints as it goes. */
static int make_base(struct engine *e, const struct part *p, const char *lock_dir, struct err *err)
{
    AUTO(char_p) char *script = mem_printf("%s/build", p->dir);
    AUTO(char_p) char *tar = mem_printf("%s/base.tar", lock_dir);
    AUTO(buf) struct buf errors = {0};
    AUTO(strs) struct strs env = {0};
    const char *const argv[] = {script, tar, NULL};
    struct proc proc = PROC_INIT;
    int status = 0;

    add_proxies(&env);
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
            on_line(line);
        }
        on_line(line);
        r = err_set(err, ERR_INTERNAL, "mmdebstrap failed (exit code %d): %s", status, telling());
    }
    if (r == 0) {
        AUTO(fd) int fd = open(tar, O_RDONLY | O_CLOEXEC);
        r = fd < 0 ? err_sys(err, ERR_INTERNAL, errno, "cannot read %s", tar) : import(e, p, fd, err);
    }
    unlink(tar);
    return r;
}

static int build(struct engine *e, int context, const char *tag, const struct strs *labels, const struct strs *args,
                 struct err *err)
{
    const struct engine_build spec = {
        .tag = tag,
        .dockerfile = "Dockerfile",
        .labels = (const char *const *)labels->p,
        .build_args = (const char *const *)args->p,
        .progress = on_line,
    };

    return engine_image_build(e, context, &spec, err);
}

static int make_trial(struct engine *e, const struct parts *parts, struct err *err)
{
    AUTO(strs) struct strs labels = {0}, args = {0};
    AUTO(fd) int context = parts_context(&parts->trial, err);

    if (context < 0)
        return -1;
    add_digest(&labels, &parts->trial, "");
    strs_printf(&args, "BLOOMERY_FROM=%s", parts->base.tag);
    add_proxies(&args);
    return build(e, context, parts->trial.tag, &labels, &args, err);
}

/* What is really in an image: the compiler's own line and a digest of the package list. */
static int read_facts(struct engine *e, const char *tag, char *ret_rustc, size_t rustc_size,
                      char ret_packages[SHA256_HEX_SIZE], struct err *err)
{
    static const char *const command[] = {
        "/bin/sh", "-c",
        "rustc -vV | head -n 1 && dpkg-query -W -f '${Package} ${Version} ${Architecture}\\n' | LC_ALL=C sort | "
        "sha256sum | cut -c -64",
        NULL};
    static const char *const labels[] = {FACTS_LABEL, NULL};
    const struct engine_spec spec = {
        .image = tag,
        .command = command,
        .user = "65534:65534",
        .labels = labels,
        .memory_bytes = INT64_C(1) << 30,
        .pids = 64,
    };
    AUTO(char_p) char *name = mem_printf("bloomery-images-facts-%ld", (long)getpid());
    AUTO(buf) struct buf out = {0};
    char id[ENGINE_ID_SIZE];
    struct engine_stream *stream = NULL;
    int code = -1;

    int r = engine_create(e, name, &spec, id, err);
    if (r != 0)
        return -1;
    r = engine_start(e, id, &stream, err);
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
    if (r == 0 && engine_wait(e, id, 60, &code, err) < 0)
        r = -1;
    struct err ignored = ERR_INIT;
    engine_remove(e, id, &ignored);
    if (r < 0)
        return -1;

    char *rustc = out.p ? out.p : "", *end = strchr(rustc, '\n');
    if (code != 0 || !end || strncmp(rustc, "rustc ", 6) != 0 || strlen(end + 1) < 64)
        return err_set(err, ERR_TOOLCHAIN_MISSING, "no compiler runs in it: exit code %d, %.100s", code, rustc);
    *end = '\0';
    end[1 + 64] = '\0';
    if (!hash_valid(end + 1))
        return err_set(err, ERR_TOOLCHAIN_MISSING, "its package list cannot be read: %.100s", end + 1);
    snprintf(ret_rustc, rustc_size, "%s", rustc);
    memcpy(ret_packages, end + 1, SHA256_HEX_SIZE);
    return 0;
}

/* A context that changes nothing of the image it stands on. */
static int label_context(struct err *err)
{
    static const char dockerfile[] = "ARG BLOOMERY_FROM\nFROM $BLOOMERY_FROM\n";
    AUTO(fd) int out = memfd_create("labels", MFD_CLOEXEC);
    struct tar_writer *w = NULL;

    if (out < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot make a file in memory");
    int r = tar_writer_open(out, TAR_PLAIN, &w, err);
    if (r == 0)
        r = tar_put_bytes(w, "Dockerfile", 0644, dockerfile, sizeof dockerfile - 1, err);
    if (r == 0)
        r = tar_writer_finish(w, err);
    tar_writer_free(w);
    if (r == 0 && lseek(out, 0, SEEK_SET) < 0)
        r = err_sys(err, ERR_INTERNAL, errno, "cannot rewind a file in memory");
    if (r < 0)
        return -1;
    int got = out;
    out = -1;
    return got;
}

/* Built under a name that nobody uses, looked at, and only then labelled and named. */
static int make_toolchain(struct engine *e, const struct parts *parts, const char *pin, struct err *err)
{
    static const char unfinished[] = "bloomery/toolchain:unfinished";
    AUTO(strs) struct strs labels = {0}, none = {0}, args = {0}, from = {0};
    AUTO(fd) int context = parts_context(&parts->toolchain, err);
    AUTO(fd) int again = label_context(err);
    char rustc[128], packages[SHA256_HEX_SIZE];

    if (context < 0 || again < 0)
        return -1;
    strs_printf(&args, "BLOOMERY_FROM=%s", parts->base.tag);
    strs_printf(&args, "RUST_DEBIAN_VERSION=%s", parts->version);
    add_proxies(&args);
    if (build(e, context, unfinished, &none, &args, err) < 0 ||
        read_facts(e, unfinished, rustc, sizeof rustc, packages, err) < 0)
        return -1;

    add_digest(&labels, &parts->toolchain, packages);
    strs_printf(&labels, "bloomery.packages=%s", packages);
    strs_printf(&labels, "bloomery.toolchain=%s", pin);
    strs_printf(&labels, "bloomery.rustc=%s", rustc);
    strs_printf(&labels, "bloomery.origin=%s", parts->origin);
    strs_printf(&from, "BLOOMERY_FROM=%s", unfinished);
    if (build(e, again, parts->toolchain.tag, &labels, &from, err) < 0)
        return -1;
    engine_image_remove(e, unfinished, err); /* the name only: the image is the other one's parent */
    return 0;
}

/* std is compiled here. The flags are arguments of the build: a change of anything else in profile.json finds the
 * compiled layer in the Engine's cache. */
static int make_profile(struct engine *e, const struct parts *parts, const struct profile *p, struct err *err)
{
    AUTO(strs) struct strs labels = {0}, args = {0};
    AUTO(buf) struct buf flags = {0};
    AUTO(json) cJSON *toolchain = NULL;
    AUTO(fd) int context = parts_context(&parts->profile, err);
    const cJSON *flag;

    if (context < 0)
        return -1;
    int r = look(e, &parts->toolchain, &toolchain, err);
    if (r != 0)
        return r < 0 ? -1 : err_set(err, ERR_ENGINE, "the image %s is gone", parts->toolchain.tag);
    cJSON_ArrayForEach(flag, json_arr(p->json, "rustflags"))
    {
        buf_printf(&flags, "%s%s", flags.len ? "\x1f" : "", cJSON_GetStringValue(flag));
    }
    add_digest(&labels, &parts->profile, json_str(json_obj(toolchain, "labels"), "bloomery.packages", ""));
    strs_printf(&labels, "bloomery.profile=%s", p->name);
    strs_printf(&args, "BLOOMERY_FROM=%s", parts->toolchain.tag);
    strs_printf(&args, "BLOOMERY_TARGET=%s", p->target);
    strs_printf(&args, "BLOOMERY_RUSTFLAGS=%s", flags.p ? flags.p : "");
    add_proxies(&args);
    return build(e, context, parts->profile.tag, &labels, &args, err);
}

/* --- all parts --- */

struct task {
    struct engine *e;
    const struct parts *parts;
    const struct profile *profile;
    const char *lock_dir;
};

static int make(const struct task *t, const struct part *p, struct err *err)
{
    if (p == &t->parts->base)
        return make_base(t->e, p, t->lock_dir, err);
    if (p == &t->parts->toolchain)
        return make_toolchain(t->e, t->parts, t->profile->toolchain, err);
    if (p == &t->parts->profile)
        return make_profile(t->e, t->parts, t->profile, err);
    return p->dir ? make_trial(t->e, t->parts, err) : make_empty(t->e, p, err);
}

static int ensure(const struct task *t, const struct part *p, const char *what, struct err *err)
{
    AUTO(json) cJSON *image = NULL, *current = NULL;
    AUTO(char_p) char *current_tag = mem_printf("%s:current", p->repo);

    int r = look(t->e, p, &image, err);
    if (r < 0)
        return -1;
    if (r == ENGINE_ABSENT) {
        time_t since = time(NULL);
        begin_part(p->name, what);
        if (make(t, p, err) < 0)
            return failed(err);
        end_part(since);
        if (look(t->e, p, &image, err) != 0)
            return err_set(err, ERR_ENGINE, "the Engine does not show the image %s that it has built", p->tag);
    }
    r = engine_image(t->e, current_tag, &current, err);
    if (r < 0)
        return -1;
    if (r == ENGINE_ABSENT || strcmp(json_str(current, "Id", ""), json_str(image, "Id", "")) != 0)
        return engine_image_tag(t->e, p->tag, p->repo, "current", err);
    return 0;
}

static int build_profile(struct engine *e, const struct profile *p, const char *share_dir, const char *lock_dir,
                         struct err *err)
{
    AUTO(parts) struct parts parts = {0};
    const struct task task = {e, &parts, p, lock_dir};
    char what[128];

    if (parts_of_profile(share_dir, p, &parts, err) < 0)
        return -1;
    if (ensure(&task, &parts.base, "Debian, with mmdebstrap (some 30 s)", err) < 0)
        return -1;
    snprintf(what, sizeof what, "compilers of %.40s, from %.20s (330 MB to download, some 60 s)", p->toolchain,
             parts.origin);
    if (ensure(&task, &parts.toolchain, what, err) < 0)
        return -1;
    snprintf(what, sizeof what, "std for %.60s (some 60 s)", p->target);
    if (ensure(&task, &parts.profile, what, err) < 0)
        return -1;
    return parts.trial.repo ? ensure(&task, &parts.trial, "the host of trials", err) : 0;
}

/* Containers of builders that were killed. */
static int remove_strays(struct engine *e, struct err *err)
{
    struct engine_item *items = NULL;
    size_t count = 0;

    if (engine_list(e, FACTS_LABEL, &items, &count, err) < 0)
        return -1;
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        r = engine_remove(e, items[i].id, err);
    engine_list_free(items, count);
    return r;
}

/* Held until the descriptor is closed, also by a kill. */
static int take_lock(const char *lock_dir, struct err *err)
{
    AUTO(char_p) char *path = mem_printf("%s/images.lock", lock_dir);

    if (fs_mkdirs(lock_dir, 0755, err) < 0)
        return -1;
    AUTO(fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot open %s", path);
    int r = flock(fd, LOCK_EX | LOCK_NB);
    if (r < 0 && errno == EWOULDBLOCK) {
        fprintf(stderr, "==> another builder of images is at work: waiting for it\n");
        while ((r = flock(fd, LOCK_EX)) < 0 && errno == EINTR)
            ;
    }
    if (r < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot lock %s", path);
    int got = fd;
    fd = -1;
    return got;
}

int images_build(struct engine *e, const struct profiles *profiles, const char *share_dir, const char *lock_dir,
                 const char *profile, struct err *err)
{
    struct engine_info info;

    if (profile && !profiles_find(profiles, profile)) {
        err_set(err, ERR_NOT_FOUND, "there is no profile %s", profile);
        return err_hint(err, "GET /v1/profiles, or workers/profiles, has their names");
    }
    if (engine_info(e, &info, err) < 0)
        return -1;
    AUTO(fd) int lock = take_lock(lock_dir, err);
    if (lock < 0 || remove_strays(e, err) < 0)
        return -1;
    for (size_t i = 0; i < profiles_count(profiles); i++) {
        const struct profile *p = profiles_at(profiles, i);
        if ((!profile || strcmp(profile, p->name) == 0) && build_profile(e, p, share_dir, lock_dir, err) < 0)
            return -1;
    }
    return 0;
}

/* --- what is there --- */

/* Fill *ret from the image of a part; 1 if it is not there. */
static int current(struct engine *e, const struct part *p, const char *build_name, struct image *ret, struct err *err)
{
    AUTO(json) cJSON *image = NULL, *older = NULL;

    int r = look(e, p, &image, err);
    if (r < 0)
        return -1;
    if (r == ENGINE_ABSENT) {
        AUTO(char_p) char *tag = mem_printf("%s:current", p->repo);
        struct err ignored = ERR_INIT;
        bool stale = engine_image(e, tag, &older, &ignored) == 0;
        err_set(err, ERR_TOOLCHAIN_MISSING,
                stale ? "the image %s is older than the files that it is made of" : "the image %s is not built",
                p->repo);
        err_hint(err, "bloomeryd images build%s%s", build_name ? " " : "", build_name ? build_name : "");
        return 1;
    }
    const cJSON *labels = json_obj(image, "labels");
    struct image found = {0};
    snprintf(found.id, sizeof found.id, "%s", json_str(image, "Id", ""));
    snprintf(found.rustc, sizeof found.rustc, "%s", json_str(labels, "bloomery.rustc", ""));
    snprintf(found.origin, sizeof found.origin, "%s", json_str(labels, "bloomery.origin", ""));
    snprintf(found.digest, sizeof found.digest, "%s", json_str(labels, "bloomery.digest", ""));
    /* Who can name an image can also name another one so: the label is what was built. */
    if (strcmp(json_str(labels, "bloomery.inputs", ""), p->inputs) != 0 || !hash_valid(found.digest)) {
        err_set(err, ERR_TOOLCHAIN_MISSING, "the image %s was not made by bloomeryd", p->tag);
        err_hint(err, "remove it (docker image rm %s) and build it again: bloomeryd images build", p->tag);
        return 1;
    }
    *ret = found;
    return 0;
}

int images_current(struct engine *e, const struct profile *p, const char *share_dir, struct image *ret, struct err *err)
{
    AUTO(parts) struct parts parts = {0};

    if (parts_of_profile(share_dir, p, &parts, err) < 0)
        return err && err->kind == ERR_TOOLCHAIN_MISSING ? 1 : -1;
    return current(e, &parts.profile, p->name, ret, err);
}

int images_trial(struct engine *e, const char *name, const char *share_dir, struct image *ret, struct err *err)
{
    AUTO(parts) struct parts parts = {0};

    if (parts_of_trial(share_dir, name, &parts, err) < 0)
        return err && err->kind == ERR_TOOLCHAIN_MISSING ? 1 : -1;
    return current(e, &parts.trial, NULL, ret, err);
}
