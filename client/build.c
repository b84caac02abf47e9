/* build.c - see build.h. */
#include "client/build.h"

#include "base/clock.h"
#include "base/json.h"
#include "client/api.h"
#include "client/attach.h"
#include "client/download.h"
#include "client/note.h"
#include "client/pack.h"
#include "client/show.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const struct err *err)
{
    note_error(err);
    return api_exit_code(err);
}

/* --- pack and submit --- */

static void say_packed(const struct pack *p)
{
    AUTO(char_p) char *size = note_size(p->size);
    AUTO(char_p) char *bytes = note_size(p->bytes);

    if (p->secrets.len > 0) {
        note_line("left out, because they look like credentials (--include PATTERN takes them in):");
        for (size_t i = 0; i < p->secrets.len && i < 20; i++)
            note_line("  %s", p->secrets.names[i]);
        if (p->secrets.len > 20)
            note_line("  and %zu more", p->secrets.len - 20);
    }
    if (p->root)
        note_line("packed %zu files of %s (%s, %s compressed)%s", p->files, p->root, bytes, size,
                  p->git ? "" : "; no git here, so all but target/");
}

/* The server's answer: a job, or a group. */
static int submit(struct call *c, const struct pack *p, cJSON **ret, struct err *err)
{
    AUTO(char_p) char *profiles = http_escape(c->profiles);
    AUTO(char_p) char *manifest = p->manifest && !c->manifest_given ? http_escape(p->manifest) : NULL;
    AUTO(char_p)
    char *path = mem_printf("/v1/jobs?profile=%s%s%s%s", profiles, c->query.len ? c->query.p : "",
                            manifest ? "&manifest_path=" : "", manifest ? manifest : "");
    char key[ULID_SIZE];

    ulid_new(key);
    const struct api_call call = {.method = "POST",
                                  .path = path,
                                  .key = key,
                                  .body_fd = p->fd,
                                  .body_len = p->size,
                                  .deadline_ms = c->deadline_ms};
    cJSON *answer = NULL;
    if (api_call(c->http, &call, &answer, err) < 0)
        return -1;
    if (!json_str(answer, "id", NULL)) {
        cJSON_Delete(answer);
        return err_set(err, ERR_UNAVAILABLE, "the server's answer is not a job");
    }
    *ret = answer;
    return 0;
}

/* 0, or the exit code. *ret_answer and *p are the caller's. */
static int pack_and_submit(struct call *c, struct pack *p, cJSON **ret_answer)
{
    struct err err = ERR_INIT;
    const char *path = c->arg_count > 0 ? c->args[0] : ".";

    if (!c->profiles) {
        err_set(&err, ERR_BAD_REQUEST, "which profile? Say --profile NAME");
        err_hint(&err, "bloomery profiles lists them");
        return fail(&err);
    }
    if (pack_make(path, (const char *const *)c->keep.names, p, &err) < 0) {
        note_error(&err);
        return EXIT_BAD_CALL;
    }
    if (!c->json)
        say_packed(p);
    if (submit(c, p, ret_answer, &err) < 0)
        return fail(&err);
    return 0;
}

/* The jobs of an answer: itself, or a group's. */
static size_t job_count(const cJSON *answer)
{
    const cJSON *jobs = json_arr(answer, "jobs");

    return jobs ? (size_t)cJSON_GetArraySize(jobs) : 1;
}

static const cJSON *job_at(const cJSON *answer, size_t i)
{
    const cJSON *jobs = json_arr(answer, "jobs");

    return jobs ? cJSON_GetArrayItem(jobs, (int)i) : answer;
}

int build_submit(struct call *c)
{
    struct pack p = PACK_INIT;
    AUTO(json) cJSON *answer = NULL;
    int code = pack_and_submit(c, &p, &answer);

    pack_clear(&p);
    if (code != 0)
        return code;
    if (c->json)
        show_json(answer);
    for (size_t i = 0; !c->json && i < job_count(answer); i++)
        printf("%s\n", json_str(job_at(answer, i), "id", "?"));
    return EXIT_BUILT;
}

/* --- follow and download --- */

static char *default_folder(const struct pack *p, const char *profile)
{
    return p->root ? mem_printf("%s/target/bloomery/%s", p->root, profile) : mem_printf("bloomery-out/%s", profile);
}

/* One finished job: its artifacts, or why there are none. Replaces *job by what the server knows now. */
static int finish(struct call *c, const char *folder, cJSON **job)
{
    struct err err = ERR_INIT;
    AUTO(char_p) char *path = mem_printf("/v1/jobs/%s", json_str(*job, "id", ""));
    cJSON *now = NULL;

    if (api_get(c->http, path, &now, &err) < 0)
        return fail(&err);
    cJSON_Delete(*job);
    *job = now;
    bool built = strcmp(json_str(now, "state", ""), "succeeded") == 0;
    const cJSON *warning;
    cJSON_ArrayForEach(warning, json_arr(now, "warnings"))
    {
        if (!c->json && cJSON_IsString(warning))
            note_line("warning: %s", warning->valuestring);
    }
    if (!c->json && json_str(now, "cached_from", NULL))
        note_line("built before, by job %s", json_str(now, "cached_from", ""));
    if (!built && !c->json)
        show_failure(now);
    /* A failed job may have some too: what its contract says is in them. */
    if (built && download_all(c->http, now, folder, NULL, c->json, &err) < 0)
        return fail(&err);
    if (built)
        return EXIT_BUILT;
    return strcmp(json_str(json_obj(now, "error"), "kind", ""), "engine") == 0 ||
                   strcmp(json_str(json_obj(now, "error"), "kind", ""), "internal") == 0
               ? EXIT_SERVER
               : EXIT_FAILED;
}

static int attach_code(enum attach_end end, const char *id)
{
    switch (end) {
    case ATTACH_FINISHED:
        return 0;
    case ATTACH_CANCELED:
        return EXIT_FAILED;
    case ATTACH_TIMED_OUT:
        note_line("the time is up; the job goes on. Attach again with: bloomery log %s", id);
        return EXIT_TIMEOUT;
    case ATTACH_DETACHED:
        note_line("detached; the job goes on. Attach again with: bloomery log %s", id);
        return EXIT_TIMEOUT; /* a script must not take this for built */
    }
    return EXIT_SERVER;
}

static int take_job(struct call *c, const char *folder, bool several, cJSON **job, bool *ret_stop)
{
    struct err err = ERR_INIT;
    AUTO(char_p) char *id = mem_strdup(json_str(*job, "id", ""));
    enum attach_end end;

    if (!c->json) {
        if (several)
            note_line("== %s ==", json_str(*job, "profile", "?"));
        note_line("job %s", id);
    }
    if (attach_run(c->http, id, c->deadline_ms, c->json ? ATTACH_QUIET : ATTACH_ASK, &end, &err) < 0) {
        note_line("the job goes on, if the server does. Attach again with: bloomery log %s", id);
        *ret_stop = true;
        return fail(&err);
    }
    *ret_stop = end == ATTACH_TIMED_OUT || end == ATTACH_DETACHED;
    if (*ret_stop)
        return attach_code(end, id);
    return finish(c, folder, job);
}

int build_run(struct call *c)
{
    struct pack p = PACK_INIT;
    AUTO(json) cJSON *answer = NULL;
    int code = pack_and_submit(c, &p, &answer);
    bool stop = code != 0;

    if (stop) {
        pack_clear(&p);
        return code;
    }
    size_t count = job_count(answer);
    if (c->detach) {
        for (size_t i = 0; !c->json && i < count; i++)
            printf("%s\n", json_str(job_at(answer, i), "id", "?"));
        stop = true;
    }
    for (size_t i = 0; !stop && i < count; i++) {
        AUTO(json) cJSON *job = cJSON_Duplicate(job_at(answer, i), true);
        const char *profile = json_str(job, "profile", "?");
        if (strchr(profile, '/') || profile[0] == '.')
            profile = "unknown";
        AUTO(char_p)
        char *folder = !c->out     ? default_folder(&p, profile)
                       : count > 1 ? mem_printf("%s/%s", c->out, profile)
                                   : mem_strdup(c->out);
        int one = take_job(c, folder, count > 1, &job, &stop);
        /* The worst that happened, and a failed build is worse than nothing at all. */
        if (code == 0)
            code = one;
        cJSON *jobs = cJSON_GetObjectItemCaseSensitive(answer, "jobs");
        if (jobs)
            cJSON_ReplaceItemInArray(jobs, (int)i, STEAL(job));
        else {
            cJSON_Delete(answer);
            answer = STEAL(job);
        }
    }
    pack_clear(&p);
    if (c->json)
        show_json(answer);
    return code;
}

/* --- log and get --- */

int build_log(struct call *c)
{
    struct err err = ERR_INIT;
    enum attach_end end;

    if (c->arg_count != 1) {
        err_set(&err, ERR_BAD_REQUEST, "which job? Say bloomery log ID");
        return fail(&err);
    }
    if (attach_run(c->http, c->args[0], c->deadline_ms, ATTACH_LOG, &end, &err) < 0)
        return fail(&err);
    return end == ATTACH_DETACHED ? EXIT_BUILT : attach_code(end, c->args[0]);
}

int build_get(struct call *c)
{
    struct err err = ERR_INIT;
    AUTO(json) cJSON *job = NULL;

    if (c->arg_count < 1) {
        err_set(&err, ERR_BAD_REQUEST, "which job? Say bloomery get ID [NAME...]");
        return fail(&err);
    }
    AUTO(char_p) char *id = http_escape(c->args[0]);
    AUTO(char_p) char *path = mem_printf("/v1/jobs/%s", id);
    if (api_get(c->http, path, &job, &err) < 0 ||
        download_all(c->http, job, c->out ? c->out : ".", c->args + 1, c->json, &err) < 0)
        return fail(&err);
    if (c->json)
        show_json(job);
    return EXIT_BUILT;
}
