/* job.c - see job.h. The steps stand in the order in which they happen; job_run, at the end, is the summary. */
#include "workers/job.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "workers/blame.h"
#include "workers/blobs.h"
#include "workers/check.h"
#include "workers/link.h"
#include "workers/old.h"
#include "workers/paths.h"
#include "workers/step.h"
#include "workers/strs.h"
#include "workers/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PREPARE = 16 << 20, MAX_METADATA = 64 << 20, PREPARE_SECONDS = 120 };

/* --- what every step needs --- */

static void warn(struct attempt *a, const char *text)
{
    struct job *r = &a->result;

    joblog_say(a->log, "warning: %s", text);
    r->warnings = mem_resize(r->warnings, (r->warnings_count + 1) * sizeof *r->warnings);
    r->warnings[r->warnings_count++] = mem_strdup(text);
}

static void warn_all(struct attempt *a, char *const *texts)
{
    for (size_t i = 0; texts && texts[i]; i++)
        warn(a, texts[i]);
}

struct clocked {
    const char *name;
    int64_t began;
    double cpu_before;
};

static struct clocked phase_begin(struct attempt *a, const char *name)
{
    struct cgroup_usage use;

    cgroup_read(&a->cgroup, &use);
    cgroup_reset_peak(&a->cgroup);
    return (struct clocked){.name = name, .began = clock_monotonic_ms(), .cpu_before = use.cpu_seconds};
}

static void phase_end(struct attempt *a, const struct clocked *c)
{
    struct job *r = &a->result;
    struct cgroup_usage use;

    cgroup_read(&a->cgroup, &use);
    r->phases = mem_resize(r->phases, (r->phases_count + 1) * sizeof *r->phases);
    r->phases[r->phases_count++] = (struct job_phase){
        .name = mem_strdup(c->name),
        .attempt = a->job->attempt,
        .seconds = (double)(clock_monotonic_ms() - c->began) / 1000,
        .cpu_seconds = use.cpu_seconds > c->cpu_before ? use.cpu_seconds - c->cpu_before : 0,
        .peak_memory_bytes = use.peak_memory_bytes,
    };
    r->cpu_seconds = use.cpu_seconds;
    if (use.peak_memory_bytes > r->peak_memory_bytes)
        r->peak_memory_bytes = use.peak_memory_bytes;
    r->bytes_written = a->bytes_written;
}

/* What the store says to news of this attempt: that it is not the running one any more ends it. */
static int ours(int r, struct err *err)
{
    return r == STORE_STALE ? err_set(err, ERR_CANCELED, "another attempt of this job has begun") : r;
}

static int enter(struct attempt *a, enum job_state state, struct err *err)
{
    return ours(store_set_state(a->store, a->job->id, a->job->attempt, state, err), err);
}

static int tell(struct attempt *a, const struct job_facts *known, struct err *err)
{
    return ours(store_set_facts(a->store, a->job->id, a->job->attempt, known, err), err);
}

/* The work folder's root, for openings beneath it; -1 with err filled. */
static int open_work(const struct attempt *a, struct err *err)
{
    int fd = open(a->work.fs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? err_sys(err, ERR_INTERNAL, errno, "cannot open the work folder") : fd;
}

/* --- 1. a place to work in, the crate unpacked, a container that holds it --- */

static int begin(struct attempt *a, struct err *err)
{
    AUTO(char_p) char *log_path = path_log(a->cfg->state_dir, a->job->id);
    AUTO(char_p) char *source = path_source(a->cfg->state_dir, a->job->source_sha256);
    AUTO(char_p) char *dir = path_work(a->cfg->state_dir, a->job->id, a->job->attempt);
    AUTO(json) cJSON *facts = NULL;

    if (joblog_open(log_path, a->limits.max_log_bytes, a->cfg->event_fd, &a->log, err) < 0)
        return -1;
    joblog_say(a->log, "job %s, attempt %d, profile %s", a->job->id, a->job->attempt, a->profile->name);
    if (images_current(a->engine, a->cfg->images, a->profile, &a->image, err) != 0)
        return -1;
    joblog_say(a->log, "toolchain: %s (%s, origin %s)", a->image.rustc, a->profile->toolchain, a->image.origin);
    if (a->image.warning[0])
        warn(a, a->image.warning);
    if (json_obj(a->profile->json, "kit")) {
        int r = kits_find(a->cfg->state_dir, a->profile->name, &a->kit, err);
        if (r < 0)
            return -1;
        a->has_kit = r == 0;
        joblog_say(a->log, "kit: %s %s", a->has_kit ? a->kit.name : "none",
                   a->has_kit ? a->kit.version : "is installed");
    }
    struct job_toolchain tc = {(char *)a->profile->toolchain, a->image.rustc, a->image.id, a->image.origin};
    struct job_facts known = {.toolchain = &tc};
    if (tell(a, &known, err) < 0)
        return -1;

    cgroup_init(&a->info, a->cfg->instance, a->run, &a->cgroup);
    if (work_make(dir, a->work_mode, a->limits.work_bytes, a->limits.work_inodes, a->build_uid, &a->work, err) < 0)
        return -1;
    AUTO(fd) int tarball = open(source, O_RDONLY | O_CLOEXEC);
    if (tarball < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot open the source of the job");
    AUTO(fd) int fs = open_work(a, err);
    if (fs < 0)
        return -1;
    if (unpack_run(a->cfg->helper_dir, tarball, fs, &a->limits, json_str(a->job->options, "manifest_path", NULL),
                   a->build_uid, &facts, err) < 0) {
        int64_t used;
        bool full;
        work_usage(&a->work, &used, &full);
        if (full)
            return err_set(err, ERR_DISK_FULL, "the unpacked crate fills its work folder (work_bytes %lld)",
                           (long long)a->limits.work_bytes);
        return -1;
    }
    const char *toolchain_file = json_str(facts, "toolchain_file", NULL);
    if (toolchain_file) {
        AUTO(char_p)
        char *text = mem_printf("%.100s is ignored: the profile pins %s (%s)", toolchain_file, a->profile->toolchain,
                                a->image.rustc);
        warn(a, text);
    }
    const cJSON *ignored;
    cJSON_ArrayForEach(ignored, json_arr(facts, "ignored_configs"))
    {
        AUTO(char_p)
        char *text =
            mem_printf("%.200s is ignored: only the root's cargo configuration is read", cJSON_GetStringValue(ignored));
        warn(a, text);
    }
    return step_hold(a, err);
}

/* --- 2. what it is and what will be built; its dependencies --- */

/* Cargo's own configuration, written by us, where nothing of the project's has run yet. */
static int write_config(struct attempt *a, const struct cargo_config *kept, struct err *err)
{
    AUTO(fd) int root = open_work(a, err);
    AUTO(buf) struct buf toml = {0};

    buf_puts(&toml, kept->toml ? kept->toml : "");
    if (a->cfg->crates_mirror && !kept->replaces_registry)
        buf_printf(&toml,
                   "\n[source.crates-io]\nreplace-with = \"bloomery-mirror\"\n\n[source.bloomery-mirror]\n"
                   "registry = \"%s\"\n",
                   a->cfg->crates_mirror);

    if (root < 0)
        return -1;
    int fd = fs_open_beneath(root, "cargo/config.toml", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_sys(err, ERR_INTERNAL, -fd, "cannot write cargo's configuration");
    int r = fs_write_all(fd, toml.p ? toml.p : "", toml.len, err);
    mem_close(fd);
    return r;
}

/* Hash of the lock file of the workspace; "" if it has none. */
static int hash_lock(struct attempt *a, char ret[SHA256_HEX_SIZE], struct err *err)
{
    AUTO(fd) int root = open_work(a, err);

    ret[0] = '\0';
    if (root < 0)
        return -1;
    int fd = fs_open_beneath(root, a->lock_file, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    int r = hash_fd(fd, ret, err);
    mem_close(fd);
    return r;
}

/* Does any package of the workspace depend on something that a lock would pin? */
static bool has_locked_dependencies(const cJSON *metadata)
{
    const cJSON *package, *dep;

    cJSON_ArrayForEach(package, json_arr(metadata, "packages"))
    {
        cJSON_ArrayForEach(dep, json_arr(package, "dependencies"))
        {
            if (json_str(dep, "source", NULL))
                return true;
        }
    }
    return false;
}

/* The two lines that steps/prepare.sh prints. */
static int read_prepared(struct attempt *a, const struct buf *out, struct err *err)
{
    const char *text = out->p ? out->p : "", *newline = strchr(text, '\n');
    AUTO(json) cJSON *config = NULL;
    AUTO(json) cJSON *metadata = NULL;
    struct cargo_config kept = {0};

    if (!newline)
        return err_set(err, ERR_INTERNAL, "cargo's answer about the crate is not complete");
    size_t first = (size_t)(newline - text);
    if (json_parse(text, first, "cargo's configuration", &config, err) < 0 ||
        json_parse(newline + 1, out->len - first - 1, "cargo's metadata", &metadata, err) < 0) {
        err->kind = ERR_INTERNAL;
        return -1;
    }
    const char *root = json_str(metadata, "workspace_root", "");
    if (strcmp(root, "/work/src") != 0 && strncmp(root, "/work/src/", 10) != 0)
        return err_set(err, ERR_BAD_SOURCE, "the workspace's root lies outside the tarball");
    a->lock_file = mem_printf("%s/Cargo.lock", root + strlen("/work/"));

    cargo_config_filter(a->profile, config, &kept);
    warn_all(a, kept.warnings);
    int r = plan_make(a->profile, a->image.pinned, a->job->options, metadata, &kept, &a->plan, err);
    a->lock = has_locked_dependencies(metadata) ? "resolved" : "none";
    if (r == 0) {
        warn_all(a, a->plan.warnings);
        r = write_config(a, &kept, err);
    }
    cargo_config_clear(&kept);
    return r;
}

static int prepare(struct attempt *a, struct err *err)
{
    const char *manifest = json_str(a->job->options, "manifest_path", "Cargo.toml");
    const char *const command[] = {"/bin/sh", "/bloomery/steps/prepare.sh", manifest, NULL};
    const char *const env[] = {"CARGO_HOME=/work/cargo", "HOME=/work/home", "CARGO_TERM_COLOR=never", NULL};
    AUTO(buf) struct buf out = {0};
    struct step step = {.name = "cargo metadata",
                        .command = command,
                        .env = env,
                        .uid = a->build_uid,
                        .seconds = PREPARE_SECONDS,
                        .out = &out,
                        .out_max = MAX_PREPARE};
    struct step_result res;
    int64_t from = joblog_size(a->log);

    if (step_exec(a, &step, &res, err) < 0)
        return -1;
    if (res.end != STEP_EXITED || res.exit_code != 0)
        return blame_step(a, &step, &res, from, ERR_BAD_SOURCE, err);
    if (read_prepared(a, &out, err) < 0 || hash_lock(a, a->lock_hash, err) < 0)
        return -1;
    if (a->lock_hash[0])
        a->lock = "uploaded";
    struct job_facts known = {
        .crate_name = a->plan.crate_name, .crate_version = a->plan.crate_version, .lock = a->lock};
    return tell(a, &known, err);
}

/* The build's environment with the network switched on for cargo: through this machine's proxies, to its mirror. */
static void fetch_env(const struct attempt *a, struct strs *env)
{
    static const char *const proxies[] = {"http_proxy", "https_proxy", "no_proxy"};
    static const char offline[] = "CARGO_NET_OFFLINE=";

    for (char *const *e = a->plan.env; *e; e++)
        if (strncmp(*e, offline, sizeof offline - 1) != 0)
            strs_printf(env, "%s", *e);
    strs_printf(env, "CARGO_HTTP_CAINFO=/etc/ssl/certs/ca-certificates.crt");
    for (size_t i = 0; i < COUNT(proxies); i++)
        if (getenv(proxies[i]))
            strs_printf(env, "%s=%s", proxies[i], getenv(proxies[i]));
    if (a->cfg->crates_mirror)
        strs_printf(env, "BLOOMERY_INDEX=%s", a->cfg->crates_mirror + strlen("sparse+"));
}

/* The features of the form dependency/feature as a flag, NULL if there are none: cargo fetch, which resolves for all
 * features of the members, does not know of these. The caller owns it. */
static char *foreign_features(const struct attempt *a)
{
    AUTO(buf) struct buf b = {0};
    const cJSON *f;

    cJSON_ArrayForEach(f, json_arr(a->job->options, "features"))
    {
        if (cJSON_IsString(f) && strchr(f->valuestring, '/'))
            buf_printf(&b, "%s%s", b.len ? "," : "--features=", f->valuestring);
    }
    return b.len ? buf_steal(&b) : NULL;
}

/* The dependencies: cargo fetch, by the checksums of the lock, in a container with network that runs no code of the
 * project's. For an old compiler steps/old.py instead, which also makes the whole crate what that one's cargo reads; it needs
 * no network where nothing is to be fetched. */
static int fetch(struct attempt *a, struct err *err)
{
    bool old = old_pin(a->image.pinned), locked = json_bool(a->job->options, "locked", false);
    const char *command[] = {"cargo", "fetch", "--manifest-path", a->plan.manifest, NULL, NULL, NULL, NULL};
    AUTO(char_p) char *features = foreign_features(a), *old_args = NULL;
    AUTO(char_p) char *steps = mem_printf("%s/workers/steps", a->cfg->share_dir);
    AUTO(strs) struct strs env = {0};
    AUTO(buf) struct buf out = {0};
    size_t n = 4;
    struct engine_mount mounts[] = {
        {a->work.fs, "/work", false},
        {steps, "/bloomery/steps", true},
        {a->cfg->ca_bundle, "/etc/ssl/certs/ca-certificates.crt", true},
    };
    struct engine_spec spec = {.image = a->image.id,
                               .mounts = mounts,
                               .mounts_count = a->cfg->ca_bundle ? 3 : 2,
                               .network = true,
                               .workdir = "/work/src",
                               .tmpfs_bytes = 64 << 20};
    struct step step = {.name = "fetch", .command = command, .uid = a->build_uid, .seconds = a->limits.fetch_seconds};
    char after[SHA256_HEX_SIZE];
    struct step_result res;

    if (!a->plan.needs_fetch && !old)
        return 0;
    if (old) {
        old_args = old_job(a->profile, &a->plan, a->image.pinned, locked, a->lock_hash[0] != '\0');
        const char *const script[] = {"python3", "-EsB", "/bloomery/steps/old.py", old_args};
        memcpy(command, script, sizeof script);
    } else if (features) {
        command[1] = "metadata"; /* fetches too, what these features bring included */
        command[n++] = "--format-version=1";
        command[n++] = features;
    }
    if (locked && !old)
        command[n++] = "--locked";
    if (old || features) {
        step.out = &out;
        step.out_max = MAX_METADATA;
    }
    joblog_say(a->log, a->plan.needs_fetch ? "fetching dependencies" : "making the crate readable for an old cargo");
    int64_t from = joblog_size(a->log);
    fetch_env(a, &env);
    step.env = (const char *const *)(a->plan.needs_fetch ? env.p : a->plan.env);
    int r = a->plan.needs_fetch ? step_run(a, &step, &spec, &res, err) : step_exec(a, &step, &res, err);
    if (r < 0)
        return -1;
    if (res.end == STEP_EXITED && res.exit_code != 0 && blame_network(a, from)) {
        joblog_flush(a->log);
        err_set(err, ERR_ENGINE, "the server could not reach the crate registry");
        return err_hint(err, "the job's log has cargo's words; a vendored crate needs no registry");
    }
    if (res.end != STEP_EXITED || res.exit_code != 0)
        return blame_step(a, &step, &res, from, ERR_DEPENDENCY, err);
    if (old) {
        char **warnings;
        if (old_report(&out, &warnings, err) < 0)
            return -1;
        warn_all(a, warnings);
        strs_list_free(warnings);
        /* As the modern cargo wrote it: the old one leaves out what it does not need. */
        mem_free(a->lock_file);
        a->lock_file = mem_strdup("cargo/resolved/Cargo.lock");
        if (strcmp(a->lock, "none") == 0 && !a->plan.needs_fetch)
            return 0;
    }

    if (hash_lock(a, after, err) < 0)
        return -1;
    if (a->lock_hash[0] && strcmp(after, a->lock_hash) != 0)
        warn(a, "the uploaded Cargo.lock did not fit the manifests and was brought up to date; the one used is an "
                "artifact");
    if (strcmp(after, a->lock_hash) != 0) {
        a->lock = "resolved";
        struct job_facts known = {.lock = a->lock};
        if (tell(a, &known, err) < 0)
            return -1;
    }
    return 0;
}

/* --- 3. the build: project code runs, without network --- */

static int build(struct attempt *a, struct err *err)
{
    struct step step = {.name = "cargo",
                        .command = (const char *const *)a->plan.cargo,
                        .env = (const char *const *)a->plan.env,
                        .uid = a->build_uid,
                        .seconds = a->limits.job_wall_seconds,
                        .cpu_seconds = a->limits.job_cpu_seconds};
    AUTO(buf) struct buf line = {0};
    struct step_result res;

    for (size_t i = 0; a->plan.cargo[i]; i++)
        buf_printf(&line, "%s%s", i ? " " : "", a->plan.cargo[i]);
    joblog_say(a->log, "%.900s", line.p);
    int64_t from = joblog_size(a->log);
    if (step_exec(a, &step, &res, err) < 0)
        return -1;
    if (res.end != STEP_EXITED || res.exit_code != 0)
        return blame_step(a, &step, &res, from, ERR_COMPILE, err);
    joblog_flush(a->log);
    return 0;
}

/* --- 4. the link step, where the profile has one: link.c --- */

/* --- 5. collect: after the container is gone, copied out while hashing --- */

struct collected {
    char *path; /* of the copy in tmp/, NULL once it is kept */
};

static struct artifact *add_artifact(struct attempt *a, const char *name, const char *role, const char *kind)
{
    struct job *r = &a->result;

    r->artifacts = mem_resize(r->artifacts, (r->artifacts_count + 1) * sizeof *r->artifacts);
    struct artifact *art = &r->artifacts[r->artifacts_count++];
    *art = (struct artifact){.name = mem_strdup(name), .role = mem_strdup(role), .kind = mem_strdup(kind)};
    return art;
}

/* Copy one file out of the work folder: it is the next artifact then. BLOB_ABSENT: it is not there. */
static int take(struct attempt *a, int root, const char *file, struct artifact *art, char **ret_path, struct err *err)
{
    AUTO(char_p) char *tmp = path_tmp(a->cfg->state_dir);
    int r = blob_stage(root, file, tmp, a->limits.max_artifact_bytes, ret_path, art->sha256, &art->size, err);

    if (r != 0) {
        artifact_clear(art);
        a->result.artifacts_count--;
    }
    return r;
}

/* The file of an output, and the artifact that it becomes. Without the kit that the link needs it is what cargo made. */
static char *output_file(struct attempt *a, size_t i, struct artifact **ret_art)
{
    const struct plan_output *out = &a->plan.outputs[i];

    if (link_lacks_kit(a)) {
        const char *slash = strrchr(out->file, '/');
        *ret_art = add_artifact(a, slash ? slash + 1 : out->file, "side", out->file_kind);
    } else {
        *ret_art = add_artifact(a, out->name, i == 0 ? "primary" : "side", out->kind);
        if (out->linked)
            return mem_printf("out/%s", out->linked);
    }
    return mem_printf("target/%s", out->file);
}

/* Copies in tmp/, in the order of a->result.artifacts. */
static int collect(struct attempt *a, struct collected *copies, struct err *err)
{
    AUTO(fd) int root = open_work(a, err);

    if (root < 0)
        return -1;
    for (size_t i = 0; i < a->plan.outputs_count; i++) {
        const struct plan_output *out = &a->plan.outputs[i];
        struct artifact *art;
        AUTO(char_p) char *file = output_file(a, i, &art);
        int r = take(a, root, file, art, &copies[i].path, err);
        if (r == BLOB_ABSENT)
            return err_set(err, ERR_CONTRACT, "%s succeeded but left no %s: a success is never empty",
                           out->linked && !link_lacks_kit(a) ? "the link step" : "cargo", out->name);
        if (r < 0)
            return err_wrap(err, "%s", out->name);
    }
    if (strcmp(a->lock, "resolved") != 0)
        return 0;
    struct artifact *art = add_artifact(a, "Cargo.lock", "side", "lock");
    return take(a, root, a->lock_file, art, &copies[a->plan.outputs_count].path, err) < 0 ? -1 : 0;
}

/* --- 6. check: contract and trial of each --- */

/* What cargo made is of use to whoever links it: it is looked at, and kept. Always -1. */
static int check_unlinked(struct attempt *a, const struct collected *copies, struct err *err)
{
    const char *kit = json_str(json_obj(a->profile->json, "kit"), "name", "");

    for (size_t i = 0; i < a->plan.outputs_count; i++)
        if (check_look(a, copies[i].path, &a->result.artifacts[i], err) < 0)
            return -1;
    err_set(err, ERR_KIT_MISSING, "it was built but not linked: profile %s needs kit %s, which is not installed",
            a->profile->name, kit);
    return err_hint(err,
                    "bloomeryd kit install FILE --sha256 HEX, then bloomeryd images build %s; "
                    "what cargo made is among the artifacts",
                    a->profile->name);
}

static int check(struct attempt *a, const struct collected *copies, struct err *err)
{
    int64_t max_size = json_int(a->job->options, "max_size", 0);

    if (link_lacks_kit(a))
        return check_unlinked(a, copies, err);
    for (size_t i = 0; i < a->plan.outputs_count; i++)
        if (check_artifact(a, copies[i].path, &a->result.artifacts[i], err) < 0)
            return -1;
    if (max_size > 0 && a->result.artifacts[0].size > max_size)
        return err_set(err, ERR_OUTPUT_TOO_LARGE, "%.100s has %lld bytes, more than max_size=%lld",
                       a->result.artifacts[0].name, (long long)a->result.artifacts[0].size, (long long)max_size);
    return 0;
}

/* --- 7. keep: the copies become blobs; the store's commit makes them the job's --- */

static int keep(struct attempt *a, struct collected *copies, int *ret_hold, struct err *err)
{
    if (blobs_hold(a->cfg->state_dir, ret_hold, err) < 0)
        return -1;
    for (size_t i = 0; i < a->result.artifacts_count; i++) {
        AUTO(char_p) char *blob = path_blob(a->cfg->state_dir, a->result.artifacts[i].sha256);
        if (blob_keep(copies[i].path, blob, err) < 0)
            return -1;
        mem_free(STEAL(copies[i].path));
    }
    return 0;
}

void job_drop_artifacts(struct job *r)
{
    for (size_t i = 0; i < r->artifacts_count; i++)
        artifact_clear(&r->artifacts[i]);
    r->artifacts_count = 0;
}

/* Collect, check and keep. What breaks its host's contract is kept too: the user will want to look at it. */
static int finish(struct attempt *a, int *ret_hold, struct err *err)
{
    size_t n = a->plan.outputs_count + 1;
    struct collected *copies = mem_alloc(n * sizeof *copies);
    struct err later = ERR_INIT;

    int r = collect(a, copies, err);
    if (r == 0)
        r = check(a, copies, err);
    bool worth = r == 0 || (a->result.artifacts_count > 0 && !err_retries(err->kind) && err->kind != ERR_CANCELED &&
                            err->kind != ERR_TOOLCHAIN_MISSING);
    if (worth && keep(a, copies, ret_hold, &later) < 0) {
        r = -1;
        *err = later;
        worth = false;
    }
    if (!worth)
        job_drop_artifacts(&a->result);
    for (size_t i = 0; i < n; i++) {
        if (copies[i].path)
            unlink(copies[i].path);
        mem_free(copies[i].path);
    }
    mem_free(copies);
    return r;
}

/* --- the whole life --- */

int job_run(struct attempt *a, int *ret_hold, struct err *err)
{
    struct clocked phase = {.name = "fetch", .began = clock_monotonic_ms()};

    int r = begin(a, err);
    if (r == 0)
        r = prepare(a, err);
    if (r == 0)
        r = fetch(a, err);
    phase_end(a, &phase);

    if (r == 0)
        r = enter(a, JOB_BUILDING, err);
    if (r == 0) {
        phase = phase_begin(a, "build");
        r = build(a, err);
        phase_end(a, &phase);
    }

    bool linked = r == 0 && link_wanted(a);
    if (linked)
        r = enter(a, JOB_LINKING, err);
    if (linked && r == 0) {
        phase = phase_begin(a, "link");
        r = link_run(a, err);
        phase_end(a, &phase);
    }

    if (r == 0)
        r = enter(a, JOB_CHECKING, err);
    if (r == 0)
        r = step_release(a, err);
    if (r == 0) {
        phase = phase_begin(a, "check");
        r = finish(a, ret_hold, err);
        phase_end(a, &phase);
    }

    if (!a->log)
        return r;
    if (r == 0)
        joblog_say(a->log, "succeeded: %s, %lld bytes", a->result.artifacts[0].name,
                   (long long)a->result.artifacts[0].size);
    else
        joblog_say(a->log, "%s: %s%s%s", err_name(err->kind), err->msg, err->hint[0] ? " - " : "", err->hint);
    joblog_flush(a->log);
    return r;
}

void job_clear(struct attempt *a)
{
    struct err err = ERR_INIT;

    step_clear(a);
    cgroup_remove(&a->cgroup);
    if (work_remove(&a->work, &err) < 0)
        log_warn(a->job->id, "%s", err.msg);
    plan_clear(&a->plan);
    if (a->has_kit)
        kit_clear(&a->kit);
    joblog_free(a->log);
    mem_free(a->lock_file);
}
