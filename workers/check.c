/* check.c - see check.h. */
#include "workers/check.h"

#include "base/fs.h"
#include "base/proc.h"
#include "workers/contract.h"
#include "workers/settings.h"
#include "workers/step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_METADATA = 32 << 20,
    MAX_TRIAL_LOG = 256 << 10,
    KEEP_TRIAL_OUTPUT = 4 << 10,
    TRIAL_TMP = 64 << 20,
    MAX_TEXT = 4 << 20, /* of a side that is read here */
};

/* --- inspection --- */

/* word: what is wanted besides the whole, or NULL. */
static int inspect(struct attempt *a, const char *word, const char *kind, const char *path, cJSON **ret,
                   struct err *err)
{
    AUTO(char_p) char *program = mem_printf("%s/bloomery-inspect", a->cfg->helper_dir);
    const char *const argv[] = {program, word ? word : kind, word ? kind : NULL, NULL};
    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO(buf) struct buf out = {0};
    AUTO(buf) struct buf errors = {0};
    struct proc p = PROC_INIT;
    int status;

    if (fd < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot open the artifact");
    p.argv = argv;
    p.stdin_fd = fd;
    p.out = &out;
    p.out_max = MAX_METADATA;
    p.errors = &errors;
    p.uid = a->other_uid;
    p.gid = a->other_uid;
    p.seconds = a->limits.inspect_seconds * 4;
    p.cpu_seconds = a->limits.inspect_seconds;
    int r = proc_run(&p, &status, err);
    if (r < 0)
        return -1;
    if (r > 0 || (status != 0 && status != 3))
        return err_set(err, ERR_INTERNAL, "bloomery-inspect failed on the artifact (%d): %.120s", status,
                       errors.p ? errors.p : "");
    if (json_parse(out.p ? out.p : "", out.len, "bloomery-inspect's answer", ret, err) < 0) {
        err->kind = ERR_INTERNAL;
        return -1;
    }
    return 0;
}

/* Small texts that the link step wrote are read here. */
static cJSON *look_at_json(const char *path)
{
    AUTO(buf) struct buf text = {0};
    AUTO(json) cJSON *json = NULL;
    struct err err = ERR_INIT;
    cJSON *facts = cJSON_CreateObject();

    json_put_str(facts, "kind", "json");
    if (fs_read(path, MAX_TEXT, &text, &err) < 0 || json_parse(text.p ? text.p : "", text.len, "it", &json, &err) < 0)
        json_put_str(facts, "error", err.msg);
    return facts;
}

static bool has_inspector(const char *kind)
{
    return strcmp(kind, "wasm") == 0 || strcmp(kind, "elf") == 0 || strcmp(kind, "ar") == 0;
}

int check_look(struct attempt *a, const char *path, struct artifact *art, struct err *err)
{
    AUTO(json) cJSON *facts = NULL;

    if (strcmp(art->kind, "json") == 0) {
        art->metadata = look_at_json(path);
        return 0;
    }
    if (!has_inspector(art->kind)) {
        art->metadata = cJSON_CreateObject();
        json_put_str(art->metadata, "kind", art->kind);
        return 0;
    }
    if (inspect(a, NULL, art->kind, path, &facts, err) < 0)
        return -1;
    art->gzip_size = json_int(facts, "gzip_size", 0);
    cJSON_DeleteItemFromObjectCaseSensitive(facts, "gzip_size"); /* these stand in the artifact's row */
    cJSON_DeleteItemFromObjectCaseSensitive(facts, "size");
    art->metadata = STEAL(facts);
    return 0;
}

int check_parts(struct attempt *a, const char *kind, const char *path, cJSON **ret, struct err *err)
{
    AUTO(json) cJSON *answer = NULL;

    if (!has_inspector(kind) && strcmp(kind, "tar") != 0) {
        *ret = cJSON_CreateArray();
        return 0;
    }
    if (inspect(a, "parts", kind, path, &answer, err) < 0)
        return -1;
    cJSON *parts = cJSON_DetachItemFromObjectCaseSensitive(answer, "parts");
    *ret = parts ? parts : cJSON_CreateArray();
    return 0;
}

/* --- contract --- */

/* The lines of a text among the output's sides, as a list; NULL: it is not there or too long. The caller owns it. */
static cJSON *read_listed(const struct attempt *a, const struct check_file *files, size_t count,
                          const struct plan_output *out, const char *pattern)
{
    AUTO(char_p) char *name = plan_file(out, pattern);
    AUTO(buf) struct buf text = {0};
    struct err ignored = ERR_INIT;
    cJSON *list = NULL;
    size_t i = 0;

    while (i < count && (files[i].output != out || strcmp(a->result.artifacts[i].name, name) != 0))
        i++;
    if (i == count || fs_read(files[i].path, MAX_TEXT, &text, &ignored) < 0)
        return NULL;
    list = cJSON_CreateArray();
    for (const char *line = text.p ? text.p : ""; *line;) {
        size_t n = strcspn(line, "\n");
        AUTO(char_p) char *clean = json_utf8(line, n);
        if (*clean)
            cJSON_AddItemToArray(list, cJSON_CreateString(clean));
        line += n + (line[n] == '\n');
    }
    return list;
}

/* The verdict over the sides of an output. */
static int check_sides_of(struct attempt *a, const struct check_file *files, size_t count, size_t of, struct err *err)
{
    AUTO(json) cJSON *sides = cJSON_CreateArray();

    for (size_t i = 0; i < count; i++) {
        const struct artifact *art = &a->result.artifacts[i];
        if (files[i].output != files[of].output || !files[i].side || !json_obj(files[i].side, "contract"))
            continue;
        cJSON *side = cJSON_CreateObject();
        json_put_str(side, "name", art->name);
        cJSON_AddItemToObject(side, "contract", cJSON_Duplicate(art->contract, true));
        cJSON_AddItemToArray(sides, side);
    }
    return contract_of_sides(a->profile, sides, &a->result.artifacts[of].contract, err);
}

/* 1: broken. */
static int check_one(struct attempt *a, const struct check_file *files, size_t count, size_t i, struct err *err)
{
    const struct check_file *f = &files[i];
    struct artifact *art = &a->result.artifacts[i];
    AUTO(json) cJSON *of_primary = settings_contract(a->profile, a->job->options);
    const cJSON *rules = f->side ? json_obj(f->side, "contract") : of_primary;
    const char *list = json_str(rules, "exports_listed", NULL);
    AUTO(json) cJSON *listed = list ? read_listed(a, files, count, f->output, list) : NULL;
    int r;

    if (check_look(a, f->path, art, err) < 0)
        return -1;
    const struct contract what = {.profile = a->profile,
                                  .output = f->output,
                                  .kind = art->kind,
                                  .rules = rules,
                                  .facts = art->metadata,
                                  .listed = listed,
                                  .exports = f->side ? NULL : a->plan.exports,
                                  .kit = a->has_kit ? &a->kit : NULL,
                                  .side = f->side != NULL};
    if (has_inspector(art->kind) || strcmp(art->kind, "json") == 0)
        r = contract_check(&what, &art->contract, err);
    else if (!f->side)
        r = check_sides_of(a, files, count, i, err);
    else
        return 0; /* a text or a tar beside: there is nothing to look at */
    if (r >= 0)
        joblog_say(a->log, "host contract of %s: %s", art->name, json_str(art->contract, "verdict", "?"));
    return r;
}

/* --- trial --- */

static cJSON *verdict(const char *host, const char *word, const char *reason, const struct buf *output)
{
    cJSON *t = cJSON_CreateObject();
    size_t skip = output->len > KEEP_TRIAL_OUTPUT ? output->len - KEEP_TRIAL_OUTPUT : 0;
    AUTO(char_p) char *text = json_utf8(output->p ? output->p + skip : "", output->len - skip);

    json_put_str(t, "host", host);
    json_put_str(t, "verdict", word);
    if (reason)
        json_put_str(t, "reason", reason);
    json_put_str(t, "output", text);
    return t;
}

/* The last line that is not empty: a trial script says its reason there. */
static char *last_line(const struct buf *b)
{
    size_t end = b->len;

    while (end > 0 && (b->p[end - 1] == '\n' || b->p[end - 1] == '\r'))
        end--;
    size_t start = end;
    while (start > 0 && b->p[start - 1] != '\n')
        start--;
    if (end - start > 400)
        end = start + 400;
    return json_utf8(b->p ? b->p + start : "", end - start);
}

/* What a program's own exit means when it is run as it is. Sets *ret_word. */
static char *judge_exit(int code, const struct buf *output, const char **ret_word)
{
    const char *text = output->p ? output->p : "";

    *ret_word = "pass";
    if (code == 0)
        return mem_strdup("it ran and ended with exit code 0");
    if ((code == 126 || code == 127) && strstr(text, "[FATAL ")) {
        *ret_word = "fail"; /* the container's init could not execute it */
        return mem_strdup("it could not be executed");
    }
    if ((code == 139 || code == 132 || code == 135) && output->len == 0) {
        *ret_word = "fail";
        return mem_printf("it died of signal %d before it wrote anything", code - 128);
    }
    if (code > 128)
        return mem_printf("it started, and ended by signal %d", code - 128);
    return mem_printf("it ran and ended with exit code %d", code);
}

/* A trial script's contract: 0 pass, 1 fail, 77 skipped; the last line says why. */
static char *judge_script(int code, const struct buf *output, const char **ret_word)
{
    *ret_word = code == 0 ? "pass" : code == 77 ? "skipped" : "fail";
    if (code == 0 || code == 1 || code == 77)
        return last_line(output);
    return mem_printf("the host ended with exit code %d", code);
}

/* The artifact that is tried, the others, and the profile's folder. The caller frees list and paths. */
static struct engine_mount *trial_mounts(const struct attempt *a, const struct check_file *files, size_t count,
                                         size_t i, struct strs *paths, size_t *ret_count)
{
    struct engine_mount *mounts = mem_alloc((count + 2) * sizeof *mounts);
    size_t n = 0;

    mounts[n++] = (struct engine_mount){files[i].path, "/bloomery/artifact", true};
    mounts[n++] = (struct engine_mount){a->profile->dir, "/bloomery/profile", true};
    for (size_t k = 0; k < count; k++)
        if (files[k].output) {
            strs_printf(paths, "/bloomery/artifacts/%s", a->result.artifacts[k].name);
            mounts[n++] = (struct engine_mount){files[k].path, paths->p[paths->count - 1], true};
        }
    *ret_count = n;
    return mounts;
}

static void trial_env(const struct attempt *a, const struct plan_output *out, struct strs *env)
{
    settings_options(a->profile, a->job->options, env);
    strs_printf(env, "BLOOMERY_TARGET=%s", a->profile->target);
    strs_printf(env, "BLOOMERY_NAME=%.*s", (int)out->stem, out->name);
    strs_printf(env, "BLOOMERY_LIB=%s", out->lib);
    strs_printf(env, "BLOOMERY_CRATE=%s", a->plan.crate_name);
}

/* Run it; *res and *output are what came of it. */
static int run_trial(struct attempt *a, const struct check_file *files, size_t count, size_t i, const char *image,
                     struct step *step, struct step_result *res, struct err *err)
{
    const cJSON *spec_json = json_obj(a->profile->json, "trial"), *v;
    AUTO(strs) struct strs argv = {0};
    AUTO(strs) struct strs env = {0};
    AUTO(strs) struct strs paths = {0};
    struct engine_spec spec = {.image = image, .tmpfs_bytes = json_int(spec_json, "tmp_bytes", TRIAL_TMP)};

    cJSON_ArrayForEach(v, json_arr(spec_json, "command")) strs_printf(&argv, "%s", v->valuestring);
    trial_env(a, files[i].output, &env);
    struct engine_mount *mounts = trial_mounts(a, files, count, i, &paths, &spec.mounts_count);
    spec.mounts = mounts;
    step->command = (const char *const *)argv.p;
    step->env = (const char *const *)env.p;
    int r = step_run(a, step, &spec, res, err);
    step->command = step->env = NULL;
    mem_free(mounts);
    return r;
}

static int trial(struct attempt *a, const struct check_file *files, size_t count, size_t i, struct err *err)
{
    const cJSON *spec = json_obj(a->profile->json, "trial");
    const char *host = json_str(spec, "host", "");
    struct artifact *art = &a->result.artifacts[i];
    AUTO(buf) struct buf output = {0};
    struct image image = {0};
    struct step_result res;

    if (!spec || !json_bool(a->job->options, "trial", true)) {
        art->trial =
            verdict(host, "skipped", spec ? "the caller asked for trial=off" : "the profile has no trial", &output);
        return 0;
    }
    int r = images_trial(a->engine, a->cfg->images, json_str(spec, "image", ""), &image, err);
    if (r > 0 && json_bool(spec, "optional", false)) {
        AUTO(char_p)
        char *why = mem_printf("the trial's image is not there: bloomeryd images build %s", a->profile->name);
        joblog_say(a->log, "trial: skipped: %s", why);
        art->trial = verdict(host, "skipped", why, &output);
        return 0;
    }
    if (r > 0) {
        /* Not a pass that was not run: the server lacks a part, and says so. */
        return err_set(err, ERR_TOOLCHAIN_MISSING,
                       "the trial's image is not there: build it with bloomeryd images build %s", a->profile->name);
    }
    if (r < 0)
        return -1;

    struct step step = {.name = "trial", .uid = a->other_uid, .out = &output, .out_max = MAX_TRIAL_LOG, .aside = true};
    step.out_errors = true; /* a panic and the init's own words are there */
    step.seconds = json_int(spec, "seconds", a->limits.trial_seconds);
    const char *program = cJSON_GetStringValue(cJSON_GetArrayItem(json_arr(spec, "command"), 0));
    bool script = !program || strcmp(program, "/bloomery/artifact") != 0;
    joblog_say(a->log, "trial of %s in %s", art->name, host);
    if (run_trial(a, files, count, i, image.id, &step, &res, err) < 0)
        return -1;
    joblog_write(a->log, output.p ? output.p : "", output.len);
    joblog_flush(a->log);

    const char *word = "pass";
    AUTO(char_p) char *reason = NULL;
    switch (res.end) {
    case STEP_CANCELED:
    case STEP_INTERRUPTED:
        return err_set(err, ERR_CANCELED, "canceled during the trial");
    case STEP_TIMED_OUT:
        /* A script ends by itself when the artifact's own code runs long: what hangs is the loading. */
        word = script ? "fail" : "pass";
        reason = mem_printf(script ? "the host had not loaded it after %lld s" : "it was still running after %lld s",
                            (long long)step.seconds);
        break;
    case STEP_TOO_MUCH_OUTPUT:
        reason = mem_strdup("it started, and was stopped for printing too much");
        break;
    case STEP_CPU_LIMIT:
    case STEP_DISK_LIMIT:
        reason = mem_strdup("it started, and was stopped at a limit");
        break;
    case STEP_EXITED:
        if (res.oom_kills > 0)
            reason = mem_strdup("it started, and was stopped at the trial's memory limit");
        else
            reason = script ? judge_script(res.exit_code, &output, &word) : judge_exit(res.exit_code, &output, &word);
        break;
    }
    joblog_say(a->log, "trial: %s: %s", word, reason ? reason : "");
    art->trial = verdict(host, word, reason, &output);
    if (strcmp(word, "fail") == 0) {
        err_set(err, ERR_TRIAL, "%s does not start in %s: %s", art->name, host, reason ? reason : "");
        return err_hint(err, "the trial's output is in the job's log; trial=off leaves the trial out");
    }
    return 0;
}

/* --- all --- */

int check_contracts(struct attempt *a, const struct check_file *files, size_t count, struct err *err)
{
    int broken = 0;

    /* The sides first: a tar's verdict is theirs. */
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < count; i++) {
            struct err one = ERR_INIT;
            if (!files[i].output || (files[i].side == NULL) != (pass == 1))
                continue;
            int r = check_one(a, files, count, i, &one);
            if (r != 0 && !broken)
                *err = one;
            if (r < 0) {
                *err = one;
                return -1;
            }
            broken |= r;
        }
    for (size_t i = 0; broken && i < count; i++) {
        struct buf none = {0};
        if (files[i].output && !files[i].side)
            a->result.artifacts[i].trial = verdict(json_str(json_obj(a->profile->json, "trial"), "host", ""), "skipped",
                                                   "the host contract is broken", &none);
    }
    return broken ? -1 : 0;
}

int check_trials(struct attempt *a, const struct check_file *files, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (files[i].output && !files[i].side && trial(a, files, count, i, err) < 0)
            return -1;
    return 0;
}
