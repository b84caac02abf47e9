/* check.c - see check.h. */
#include "workers/check.h"

#include "base/fs.h"
#include "base/proc.h"
#include "workers/contract.h"
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
    INSPECT_MEMORY = 2047 << 20, /* of address space: the artifact is mapped */
    TRIAL_MEMORY = 2047 << 20,
    TRIAL_PIDS = 256,
};

/* --- inspection --- */

static int inspect(struct attempt *a, const char *kind, const char *path, cJSON **ret, struct err *err)
{
    AUTO(char_p) char *program = mem_printf("%s/bloomery-inspect", a->cfg->helper_dir);
    const char *const argv[] = {program, kind, NULL};
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

static int trial(struct attempt *a, const char *path, struct artifact *art, struct err *err)
{
    const cJSON *spec_json = json_obj(a->profile->json, "trial");
    const char *host = json_str(spec_json, "host", "");
    const cJSON *command = json_arr(spec_json, "command");
    AUTO(buf) struct buf output = {0};
    struct image image = {0};
    struct step_result res;

    if (!spec_json || !json_bool(a->job->options, "trial", true)) {
        art->trial = verdict(host, "skipped", spec_json ? "the caller asked for trial=off" : "the profile has no trial",
                             &output);
        return 0;
    }
    int r = images_trial(a->engine, a->cfg->images, json_str(spec_json, "image", ""), &image, err);
    if (r > 0) {
        /* Not a pass that was not run: the server lacks a part, and says so. */
        return err_set(err, ERR_TOOLCHAIN_MISSING,
                       "the trial's image is not there: build it with bloomeryd images build %s", a->profile->name);
    }
    if (r < 0)
        return -1;

    size_t n = (size_t)cJSON_GetArraySize(command);
    const char **argv = mem_alloc((n + 1) * sizeof *argv);
    for (size_t i = 0; i < n; i++)
        argv[i] = cJSON_GetStringValue(cJSON_GetArrayItem(command, (int)i));
    const struct engine_mount mounts[] = {
        {path, "/bloomery/artifact", true},
        {a->profile->dir, "/bloomery/profile", true},
    };
    struct engine_spec spec = {
        .image = image.id, .mounts = mounts, .mounts_count = COUNT(mounts), .tmpfs_bytes = 64 << 20};
    struct step step = {
        .name = "trial", .command = argv, .uid = a->other_uid, .out = &output, .out_max = MAX_TRIAL_LOG};
    step.out_errors = true; /* a panic and the init's own words are there */
    step.seconds = json_int(spec_json, "seconds", a->limits.trial_seconds);
    bool script = n == 0 || strcmp(argv[0], "/bloomery/artifact") != 0;
    joblog_say(a->log, "trial of %s in %s", art->name, host);
    r = step_run(a, &step, &spec, &res, err);
    mem_free(argv);
    if (r < 0)
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

int check_look(struct attempt *a, const char *path, struct artifact *art, struct err *err)
{
    AUTO(json) cJSON *facts = NULL;

    if (inspect(a, art->kind, path, &facts, err) < 0)
        return -1;
    art->gzip_size = json_int(facts, "gzip_size", 0);
    cJSON_DeleteItemFromObjectCaseSensitive(facts, "gzip_size"); /* these stand in the artifact's row */
    cJSON_DeleteItemFromObjectCaseSensitive(facts, "size");
    art->metadata = STEAL(facts);
    return 0;
}

int check_artifact(struct attempt *a, const char *path, struct artifact *art, struct err *err)
{
    if (check_look(a, path, art, err) < 0)
        return -1;
    int r = contract_check(a->profile, &a->plan, a->has_kit ? &a->kit : NULL, art->metadata, &art->contract, err);
    if (r < 0)
        return -1;
    joblog_say(a->log, "host contract of %s: %s", art->name, json_str(art->contract, "verdict", "?"));
    if (r > 0) {
        struct buf none = {0};
        art->trial = verdict(json_str(json_obj(a->profile->json, "trial"), "host", ""), "skipped",
                             "the host contract is broken", &none);
        return -1;
    }
    return trial(a, path, art, err);
}
