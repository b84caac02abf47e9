/* job.c - see job.h. The steps stand in the order in which they happen; job_run, at the end, is the summary. */
#include "workers/job.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "workers/blame.h"
#include "workers/finish.h"
#include "workers/link.h"
#include "workers/old.h"
#include "workers/packages.h"
#include "workers/paths.h"
#include "workers/settings.h"
#include "workers/step.h"
#include "workers/strs.h"
#include "workers/unpack.h"
#include "workers/verify.h"
#include "workers/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PREPARE = 16 << 20, MAX_METADATA = 64 << 20, MAX_LOCK = 64 << 20, PREPARE_SECONDS = 120 };

/* --- what every step needs --- */

static void warn(struct attempt *a, const char *text)
{
    struct job *r = &a->result;

    if (a->again)
        return; /* the first build said so */
    joblog_say(a->log, "warning: %s", text);
    r->warnings = mem_resize(r->warnings, (r->warnings_count + 1) * sizeof *r->warnings);
    r->warnings[r->warnings_count++] = mem_strdup(text);
}

static void warn_all(struct attempt *a, char *const *texts)
{
    for (size_t i = 0; texts && texts[i]; i++)
        warn(a, texts[i]);
}

/* What the store says to news of this attempt: that it is not the running one any more ends it. */
static int ours(int r, struct err *err)
{
    return r == STORE_STALE ? err_set(err, ERR_CANCELED, "another attempt of this job has begun") : r;
}

static int enter(struct attempt *a, enum job_state state, struct err *err)
{
    if (a->again)
        return 0; /* to the client the second build is a part of the checking */
    return ours(store_set_state(a->store, a->job->id, a->job->attempt, state, err), err);
}

static int tell(struct attempt *a, const struct job_facts *known, struct err *err)
{
    return ours(store_set_facts(a->store, a->job->id, a->job->attempt, known, err), err);
}

/* --- 1. a place to work in, the crate unpacked, a container that holds it --- */

/* What unpacking found that cargo will not see. */
static void warn_ignored(struct attempt *a, const cJSON *facts)
{
    const char *toolchain_file = json_str(facts, "toolchain_file", NULL);
    const cJSON *ignored;

    if (toolchain_file) {
        AUTO(char_p)
        char *text = mem_printf("%.100s is ignored: the profile pins %s (%s)", toolchain_file, a->profile->toolchain,
                                a->image.rustc);
        warn(a, text);
    }
    cJSON_ArrayForEach(ignored, json_arr(facts, "ignored_configs"))
    {
        AUTO(char_p)
        char *text =
            mem_printf("%.200s is ignored: only the root's cargo configuration is read", cJSON_GetStringValue(ignored));
        warn(a, text);
    }
}

/* The work folder with the crate in it, and the container that holds it. */
static int settle(struct attempt *a, struct err *err)
{
    AUTO(char_p) char *source = path_source(a->cfg->state_dir, a->job->source_sha256);
    AUTO(char_p) char *dir = path_work(a->cfg->state_dir, a->job->id, a->job->attempt);
    AUTO(json) cJSON *facts = NULL;

    if (work_make(dir, a->work_mode, a->limits.work_bytes, a->limits.work_inodes, a->build_uid, &a->work, err) < 0)
        return -1;
    AUTO(fd) int tarball = open(source, O_RDONLY | O_CLOEXEC);
    if (tarball < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot open the source of the job");
    AUTO(fd) int fs = work_open(&a->work, err);
    if (fs < 0)
        return -1;
    if (unpack_run(a->cfg->helper_dir, tarball, fs, &a->limits, json_str(a->job->options, "manifest_path", NULL),
                   a->build_uid, &facts, err) < 0) {
        struct work_use disk;
        work_usage(&a->work, &disk);
        return disk.full ? blame_disk(a, "the unpacked crate", err) : -1;
    }
    warn_ignored(a, facts);
    mem_free(a->root);
    a->root = mem_strdup(json_str(facts, "root", ""));
    a->unpacked_bytes = json_int(facts, "bytes", 0);
    return step_hold(a, err);
}

static int begin(struct attempt *a, struct err *err)
{
    AUTO(char_p) char *log_path = path_log(a->cfg->state_dir, a->job->id);

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
    return replay_begin(a, err) < 0 ? -1 : settle(a, err);
}

/* --- 2. what it is and what will be built; its dependencies --- */

/* A file of ours in the work folder, where nothing of the project's has run yet. `how`: O_EXCL, or O_TRUNC for one that the
 * tarball may hold. */
static int put_text(struct attempt *a, const char *file, int how, const char *text, size_t len, struct err *err)
{
    AUTO(fd) int root = work_open(&a->work, err);

    if (root < 0)
        return -1;
    int fd = fs_open_beneath(root, file, O_WRONLY | O_CREAT | how | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_sys(err, ERR_INTERNAL, -fd, "cannot write %s", file);
    int r = fs_write_all(fd, text, len, err);
    mem_close(fd);
    return r;
}

/* Cargo's own configuration: what is kept of the crate's, and the server's mirror. */
static char *config_text(const struct attempt *a, const struct cargo_config *kept)
{
    AUTO(buf) struct buf toml = {0};

    buf_puts(&toml, kept->toml ? kept->toml : "");
    if (a->cfg->crates_mirror && !kept->replaces_registry)
        buf_printf(&toml,
                   "\n[source.crates-io]\nreplace-with = \"bloomery-mirror\"\n\n[source.bloomery-mirror]\n"
                   "registry = \"%s\"\n",
                   a->cfg->crates_mirror);
    return buf_steal(&toml);
}

static int write_config(struct attempt *a, struct err *err)
{
    return put_text(a, "cargo/config.toml", O_EXCL, a->cargo_toml, strlen(a->cargo_toml), err);
}

/* Hash of the lock file of the workspace; "" if it has none. */
static int hash_lock(struct attempt *a, char ret[SHA256_HEX_SIZE], struct err *err)
{
    AUTO(fd) int root = work_open(&a->work, err);

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

/* One line of JSON; *text moves on to the next one. */
static int read_line(const char **text, const char *what, cJSON **ret, struct err *err)
{
    const char *newline = strchr(*text, '\n');

    if (!newline)
        return err_set(err, ERR_INTERNAL, "cargo's answer about the crate is not complete");
    if (json_parse(*text, (size_t)(newline - *text), what, ret, err) < 0) {
        err->kind = ERR_INTERNAL;
        return -1;
    }
    *text = newline + 1;
    return 0;
}

/* What Cargo.toml says of the cargo profile and the host does not want. */
static void warn_overridden(struct attempt *a, const cJSON *manifest)
{
    AUTO(json) cJSON *settings = settings_cargo_profile(a->profile, a->job->options);
    AUTO(strs) struct strs warnings = {0};

    settings_overridden(settings, a->plan.cargo_profile, json_obj(manifest, "profile"), &warnings);
    warn_all(a, warnings.p);
}

/* The three lines that steps/prepare.sh prints. */
static int read_prepared(struct attempt *a, const struct buf *out, struct err *err)
{
    const char *text = out->p ? out->p : "";
    AUTO(json) cJSON *config = NULL;
    AUTO(json) cJSON *metadata = NULL;
    AUTO(json) cJSON *manifest = NULL;
    struct cargo_config kept = {0};

    if (read_line(&text, "cargo's configuration", &config, err) < 0 ||
        read_line(&text, "cargo's metadata", &metadata, err) < 0 ||
        read_line(&text, "the manifest's profiles", &manifest, err) < 0)
        return -1;
    const char *root = json_str(metadata, "workspace_root", "");
    if (strcmp(root, "/work/src") != 0 && strncmp(root, "/work/src/", 10) != 0)
        return err_set(err, ERR_BAD_SOURCE, "the workspace's root lies outside the tarball");
    a->lock_file = mem_printf("%s/Cargo.lock", root + strlen("/work/"));
    a->workspace_lock = mem_strdup(a->lock_file);

    cargo_config_filter(a->profile, config, &kept);
    warn_all(a, kept.warnings);
    int r = plan_make(a->profile, a->image.pinned, a->job->options, metadata, &kept, &a->plan, err);
    a->lock = has_locked_dependencies(metadata) ? "resolved" : "none";
    if (r == 0) {
        warn_all(a, a->plan.warnings);
        warn_overridden(a, manifest);
        a->cargo_toml = config_text(a, &kept);
        r = write_config(a, err);
    }
    cargo_config_clear(&kept);
    return r;
}

/* What the crate names must be there: the link step would say so only after the whole build. */
static int check_files(const struct attempt *a, struct err *err)
{
    AUTO(fd) int root = work_open(&a->work, err);

    if (root < 0)
        return -1;
    for (char *const *f = a->plan.files; f && *f; f++) {
        const char *path = *f + strlen("/work/");
        int fd = fs_open_beneath(root, path, O_PATH | O_CLOEXEC, 0);
        if (fd >= 0)
            close(fd);
        else if (fd == -ENOENT || fd == -ENOTDIR)
            return err_set(err, ERR_BAD_SOURCE,
                           "Cargo.toml's package.metadata.bloomery names %.200s, which is not there",
                           path + strlen("src/"));
    }
    return 0;
}

static int prepare(struct attempt *a, struct err *err)
{
    const char *manifest = json_str(a->job->options, "manifest_path", "Cargo.toml");
    AUTO(json) cJSON *settings = settings_cargo_profile(a->profile, a->job->options);
    const char *const command[] = {"/bin/sh", "/bloomery/steps/prepare.sh", manifest,
                                   settings->child ? "profiles" : NULL, NULL};
    const char *const env[] = {"CARGO_HOME=/work/cargo", "HOME=/work/home", "CARGO_TERM_COLOR=never", NULL};
    AUTO(buf) struct buf out = {0};
    struct step step = {.name = "cargo metadata",
                        .command = command,
                        .env = env,
                        .uid = a->build_uid,
                        .seconds = PREPARE_SECONDS,
                        .limit_seconds = PREPARE_SECONDS,
                        .out = &out,
                        .out_max = MAX_PREPARE,
                        .aside = true};
    struct step_result res;
    int64_t from = joblog_size(a->log);

    if (step_exec(a, &step, &res, err) < 0)
        return -1;
    if (res.end != STEP_EXITED || res.exit_code != 0)
        return blame_step(a, &step, &res, from, ERR_BAD_SOURCE, err);
    if (read_prepared(a, &out, err) < 0 || check_files(a, err) < 0 || hash_lock(a, a->lock_hash, err) < 0)
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
    static const char offline[] = "CARGO_NET_OFFLINE=";

    for (char *const *e = a->plan.env; *e; e++)
        if (strncmp(*e, offline, sizeof offline - 1) != 0)
            strs_printf(env, "%s", *e);
    strs_printf(env, "CARGO_HTTP_CAINFO=/etc/ssl/certs/ca-certificates.crt");
    strs_proxies(env);
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
    struct step step = {.name = "fetch",
                        .command = command,
                        .uid = a->build_uid,
                        .seconds = a->limits.fetch_seconds,
                        .limit = "fetch_seconds",
                        .limit_seconds = a->limits.fetch_seconds};
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
    }
    return 0;
}

/* Did cargo have to bring the lock up to date, or to make it? */
static int settle_lock(struct attempt *a, struct err *err)
{
    char now[SHA256_HEX_SIZE];

    if (strcmp(a->lock, "none") == 0)
        return 0;
    if (hash_lock(a, now, err) < 0)
        return -1;
    if (strcmp(now, a->lock_hash) == 0)
        return 0;
    if (a->again)
        return err_set(err, ERR_DEPENDENCY, "the Cargo.lock of the first build was not kept by the second");
    if (old_pin(a->image.pinned)) {
        AUTO(char_p)
        char *given = old_job(a->profile, &a->plan, a->image.pinned, json_bool(a->job->options, "locked", false), true);
        replay_last_argument(a, given);
    }
    if (a->lock_hash[0])
        warn(a, "the uploaded Cargo.lock did not fit the manifests and was brought up to date; the one used is an "
                "artifact");
    a->lock = "resolved";
    return 0;
}

/* Which packages the build is made of: known before any code of the project runs, which could tell anything. A job whose
 * packages cannot be listed goes on: whatever is wrong with it, the build says it better. */
static int list_packages(struct attempt *a, struct err *err)
{
    /* Manifests that an old cargo can read do not fit the lock of the modern one: steps/old.py has held the crate's own to it. */
    bool locked = json_bool(a->job->options, "locked", false) && !old_pin(a->image.pinned);
    AUTO(strs) struct strs command = {0};
    AUTO(buf) struct buf out = {0};
    struct step_result res;
    int64_t from = joblog_size(a->log);

    packages_command(a->profile, &a->plan, a->lock_file, locked, &command);
    const struct step step = {.name = "packages",
                              .command = (const char *const *)command.p,
                              .env = (const char *const *)a->plan.env,
                              .uid = a->build_uid,
                              .seconds = PREPARE_SECONDS,
                              .limit_seconds = PREPARE_SECONDS,
                              .out = &out,
                              .out_max = PACKAGES_TOLD,
                              .aside = true};
    if (step_exec(a, &step, &res, err) < 0)
        return -1;
    if (res.end != STEP_EXITED)
        return blame_step(a, &step, &res, from, ERR_DEPENDENCY, err);
    a->packages = res.exit_code == 0 ? packages_read(&out, a->plan.manifest) : NULL;
    if (!json_bool(a->packages, "resolved", false))
        joblog_say(a->log, "which packages this build is made of is not known: cargo could not resolve them");
    if (settle_lock(a, err) < 0)
        return -1;
    const struct job_facts known = {.lock = a->lock, .packages = a->packages};
    return tell(a, &known, err);
}

/* --- 3. the build: project code runs, without network --- */

/* As the plan has it, and with the compiler's words as JSON, in one stream with cargo's own: so they keep their order. */
static void read_by_machine(char *const *command, struct strs *argv)
{
    static const char *const wrapped[] = {"/bin/sh", "-c", "exec \"$@\" 2>&1", "sh"};

    for (size_t i = 0; i < COUNT(wrapped); i++)
        strs_printf(argv, "%s", wrapped[i]);
    for (; *command; command++)
        strs_printf(argv, "%s", *command);
    strs_printf(argv, "--message-format=json");
}

static int build_one(struct attempt *a, char *const *command, char *const *env, int64_t seconds, struct err *err)
{
    struct step step = {.name = "cargo",
                        .env = (const char *const *)env,
                        .uid = a->build_uid,
                        .seconds = seconds,
                        .limit = "job_wall_seconds",
                        .limit_seconds = a->limits.job_wall_seconds,
                        .cpu_seconds = a->limits.job_cpu_seconds,
                        .messages = a->messages};
    AUTO(buf) struct buf line = {0};
    AUTO(strs) struct strs argv = {0};
    struct step_result res;

    for (size_t i = 0; command[i]; i++)
        buf_printf(&line, "%s%s", i ? " " : "", command[i]);
    joblog_say(a->log, "%.900s", line.p);
    read_by_machine(command, &argv);
    step.command = (const char *const *)argv.p;
    int64_t from = joblog_size(a->log);
    if (step_exec(a, &step, &res, err) < 0)
        return -1;
    if (res.end != STEP_EXITED || res.exit_code != 0)
        return blame_step(a, &step, &res, from, ERR_COMPILE, err);
    joblog_flush(a->log);
    return 0;
}

/* cargo tells them itself only where it writes for people. */
static void say_counts(struct attempt *a)
{
    const struct job_diagnostics *d = &a->result.diagnostics;
    const char *errors = d->errors_count == 1 ? "error" : "errors";
    const char *warnings = d->warnings_count == 1 ? "warning" : "warnings";

    if (d->errors_count > 0)
        joblog_say(a->log, "the compiler gave %lld %s and %lld %s", (long long)d->errors_count, errors,
                   (long long)d->warnings_count, warnings);
    else if (d->warnings_count > 0)
        joblog_say(a->log, "the compiler gave %lld %s", (long long)d->warnings_count, warnings);
}

/* For each target, one after the other; the wall time is that of all. */
static int build(struct attempt *a, struct err *err)
{
    int64_t began = clock_monotonic_ms();

    messages_free(a->messages);
    a->messages = messages_new(a->again ? &a->said_again : &a->result.diagnostics);
    int r = build_one(a, a->plan.cargo, a->plan.env, a->limits.job_wall_seconds, err);

    for (size_t i = 0; r == 0 && i < a->plan.further_count; i++) {
        const struct plan_run *run = &a->plan.further[i];
        int64_t left = a->limits.job_wall_seconds - (clock_monotonic_ms() - began) / 1000;
        r = build_one(a, run->cargo, run->env, left > 1 ? left : 1, err);
        if (r == 0)
            continue;
        err_wrap(err, "for %s", run->target);
        AUTO(char_p) char *message = STEAL(a->result.error.message);
        a->result.error.message = message ? mem_printf("for %s: %s", run->target, message) : NULL;
    }
    say_counts(a);
    return r;
}

/* --- 4. the link step, where the profile has one: link.c. What is made, and made again --- */

static int make(struct attempt *a, struct err *err)
{
    int r = enter(a, JOB_BUILDING, err);
    if (r == 0) {
        usage_begin(a, a->again ? "verify-build" : "build");
        r = build(a, err);
        usage_end(a);
    }

    bool linked = r == 0 && link_wanted(a);
    if (linked)
        r = enter(a, JOB_LINKING, err);
    if (linked && r == 0) {
        usage_begin(a, a->again ? "verify-link" : "link");
        r = link_run(a, err);
        usage_end(a);
    }
    return r;
}

/* --- 5. collect, check and keep: finish.c --- */

void job_drop_artifacts(struct job *r)
{
    for (size_t i = 0; i < r->artifacts_count; i++)
        artifact_clear(&r->artifacts[i]);
    r->artifacts_count = 0;
    r->provenance = r->sbom = (struct document){0};
}

/* --- 6. the same again, where the caller asked for that: verify.c compares --- */

/* All that the first build left goes before the second begins: neither sees the other, and one work folder's room is enough
 * for both. The paths are the same. */
static int clear_first(struct attempt *a, struct err *err)
{
    struct cgroup_usage use;

    step_clear(a);
    cgroup_read(&a->cgroup, &use);
    a->cpu_before = use.cpu_seconds;
    a->bytes_there = 0;
    a->again = true;
    joblog_say(a->log, "building a second time, to compare");
    return work_remove(&a->work, err);
}

/* The registry may have changed since: the second build gets the lock that the first one resolved. */
static int put_lock(struct attempt *a, const struct finish *first, struct err *err)
{
    AUTO(buf) struct buf text = {0};

    if (fs_read(first->lock, MAX_LOCK, &text, err) < 0)
        return -1;
    memcpy(a->lock_hash, first->lock_sha256, sizeof a->lock_hash);
    if (put_text(a, a->workspace_lock, O_TRUNC, text.p ? text.p : "", text.len, err) == 0)
        return 0;
    err->kind = ERR_BAD_SOURCE; /* the tarball has something else there */
    return -1;
}

/* By the first build's plan and configuration. */
static int settle_again(struct attempt *a, const struct finish *first, struct err *err)
{
    if (settle(a, err) < 0 || write_config(a, err) < 0)
        return -1;
    if (first->lock && strcmp(a->lock, "resolved") == 0 && put_lock(a, first, err) < 0)
        return -1;
    return fetch(a, err) < 0 ? -1 : settle_lock(a, err);
}

static int build_again(struct attempt *a, const struct finish *first, struct err *err)
{
    usage_begin(a, "verify-fetch");

    int r = settle_again(a, first, err);
    usage_end(a);
    if (r == 0)
        r = make(a, err);
    if (r == 0)
        r = step_release(a, err);
    if (r == 0) {
        usage_begin(a, "verify-check");
        r = verify_compare(a, first, err);
        usage_end(a);
    }
    return r;
}

static int verify(struct attempt *a, const struct finish *first, struct err *err)
{
    if (clear_first(a, err) < 0)
        return -1;
    if (build_again(a, first, err) < 0 && verify_failed(a, err) < 0)
        return -1;
    a->again = false;
    AUTO(char_p) char *said = verify_sentence(a->result.verification);
    if (strcmp(json_str(a->result.verification, "verdict", ""), "reproducible") != 0)
        warn(a, said);
    else
        joblog_say(a->log, "%s", said);
    return 0;
}

/* --- the whole life --- */

static void say_failed(struct attempt *a, const struct err *err)
{
    const struct job_phase *last = &a->result.phases[a->result.phases_count - 1];
    AUTO(char_p) char *used = usage_text(last);

    joblog_say(a->log, "%s: %s%s%s", err_name(err->kind), err->msg, err->hint[0] ? " - " : "", err->hint);
    joblog_say(a->log, "phase %s used %s", last->name, used);
}

int job_run(struct attempt *a, int *ret_hold, struct err *err)
{
    struct finish made = {0};

    usage_begin(a, "fetch");
    int r = begin(a, err);
    if (r == 0)
        r = prepare(a, err);
    if (r == 0)
        r = fetch(a, err);
    if (r == 0)
        r = list_packages(a, err);
    usage_end(a);

    if (r == 0)
        r = make(a, err);

    if (r == 0)
        r = enter(a, JOB_CHECKING, err);
    if (r == 0)
        r = step_release(a, err);
    if (r == 0) {
        usage_begin(a, "check");
        r = finish_collect(a, &made, err);
        usage_end(a);
    }
    if (r == 0 && json_bool(a->job->options, "verify", false))
        r = verify(a, &made, err);
    r = finish_keep(a, &made, r, ret_hold, err);
    finish_clear(&made);

    if (!a->log)
        return r;
    if (r == 0)
        joblog_say(a->log, "succeeded: %s, %lld bytes", a->result.artifacts[0].name,
                   (long long)a->result.artifacts[0].size);
    else
        say_failed(a, err);
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
    messages_free(a->messages);
    job_diagnostics_clear(&a->said_again);
    joblog_free(a->log);
    replay_clear(a);
    mem_free(a->root);
    mem_free(a->cargo_toml);
    mem_free(a->workspace_lock);
    mem_free(a->lock_file);
    cJSON_Delete(a->packages);
}
