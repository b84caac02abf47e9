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

/* Commands that take an id take a group's too. */
static void print_id(const struct call *c, const cJSON *answer)
{
    if (c->json)
        show_json(answer);
    else
        printf("%s\n", json_str(answer, "id", "?"));
}

int build_submit(struct call *c)
{
    struct pack p = PACK_INIT;
    AUTO(json) cJSON *answer = NULL;
    int code = pack_and_submit(c, &p, &answer);

    pack_clear(&p);
    if (code != 0)
        return code;
    print_id(c, answer);
    return EXIT_BUILT;
}

/* --- follow and download --- */

/* A server must not choose where its bytes go. */
static const char *folder_name(const cJSON *job)
{
    const char *profile = json_str(job, "profile", "");

    return profile[0] == '.' || !profile[0] || strchr(profile, '/') ? "unknown" : profile;
}

/* root: of what was packed, or NULL. */
static char *folder_of(const struct call *c, const cJSON *answer, const cJSON *job, const char *root)
{
    const char *profile = folder_name(job);

    if (c->out)
        return json_arr(answer, "jobs") ? mem_printf("%s/%s", c->out, profile) : mem_strdup(c->out);
    return root ? mem_printf("%s/target/bloomery/%s", root, profile) : mem_printf("bloomery-out/%s", profile);
}

/* One finished job: its artifacts, or why there are none. */
static int finish(struct call *c, const char *folder, cJSON *job)
{
    struct err err = ERR_INIT;
    bool built = strcmp(json_str(job, "state", ""), "succeeded") == 0;

    if (!c->json)
        show_warnings(job);
    if (!c->json && json_str(job, "cached_from", NULL))
        note_line("built before, by job %s", json_str(job, "cached_from", ""));
    if (!c->json && strcmp(json_str(json_obj(job, "verification"), "verdict", ""), "reproducible") == 0)
        note_line("reproducible: a second build gave the same bytes"); /* else a warning says so */
    if (!built && !c->json)
        show_failure(job);
    /* A failed job may have some too: what its contract says is in them. */
    if (built && download_all(c->http, job, folder, NULL, c->json, &err) < 0)
        return fail(&err);
    if (built)
        return EXIT_BUILT;
    return strcmp(json_str(json_obj(job, "error"), "kind", ""), "engine") == 0 ||
                   strcmp(json_str(json_obj(job, "error"), "kind", ""), "internal") == 0
               ? EXIT_SERVER
               : EXIT_FAILED;
}

static int finish_all(struct call *c, const cJSON *answer, const char *root)
{
    bool group = json_arr(answer, "jobs") != NULL;
    int code = EXIT_BUILT;

    for (size_t i = 0; i < api_job_count(answer); i++) {
        cJSON *job = api_job_at(answer, i);
        AUTO(char_p) char *folder = folder_of(c, answer, job, root);
        if (group && !c->json)
            note_line("== %s ==", json_str(job, "profile", "?"));
        int one = finish(c, folder, job);
        /* A failed build is worse than nothing at all. */
        if (code == EXIT_BUILT || one == EXIT_FAILED)
            code = one;
    }
    if (group && !c->json)
        show_group(answer);
    return code;
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

/* The job or group to its end; *answer is replaced by what the server knows then. */
static int follow(struct call *c, const char *root, cJSON **answer)
{
    struct err err = ERR_INIT;
    const char *id = json_str(*answer, "id", "");
    AUTO(char_p) char *path = api_path(*answer);
    enum attach_end end;
    cJSON *now = NULL;

    if (!c->json)
        note_line("%s %s", json_arr(*answer, "jobs") ? "group" : "job", id);
    if (attach_run(c->http, *answer, c->deadline_ms, c->json ? ATTACH_QUIET : ATTACH_ASK, &end, &err) < 0) {
        note_line("the job goes on, if the server does. Attach again with: bloomery log %s", id);
        return fail(&err);
    }
    if (end == ATTACH_TIMED_OUT || end == ATTACH_DETACHED)
        return attach_code(end, id);
    if (api_get(c->http, path, &now, &err) < 0)
        return fail(&err);
    cJSON_Delete(*answer);
    *answer = now;
    return finish_all(c, now, root);
}

int build_run(struct call *c)
{
    struct pack p = PACK_INIT;
    AUTO(json) cJSON *answer = NULL;
    int code = pack_and_submit(c, &p, &answer);

    if (code == 0 && c->detach) {
        print_id(c, answer);
    } else if (code == 0) {
        code = follow(c, p.root, &answer);
        if (c->json)
            show_json(answer);
    }
    pack_clear(&p);
    return code;
}

/* --- log and get --- */

int build_log(struct call *c)
{
    struct err err = ERR_INIT;
    AUTO(json) cJSON *answer = NULL;
    enum attach_end end;

    if (c->arg_count != 1) {
        err_set(&err, ERR_BAD_REQUEST, "which job? Say bloomery log ID");
        return fail(&err);
    }
    if (api_by_id(c->http, "GET", c->args[0], &answer, &err) < 0 ||
        attach_run(c->http, answer, c->deadline_ms, ATTACH_LOG, &end, &err) < 0)
        return fail(&err);
    return end == ATTACH_DETACHED ? EXIT_BUILT : attach_code(end, c->args[0]);
}

int build_get(struct call *c)
{
    struct err err = ERR_INIT;
    AUTO(json) cJSON *answer = NULL;
    int code = EXIT_BUILT;

    if (c->arg_count < 1) {
        err_set(&err, ERR_BAD_REQUEST, "which job? Say bloomery get ID [NAME...]");
        return fail(&err);
    }
    if (api_by_id(c->http, "GET", c->args[0], &answer, &err) < 0)
        return fail(&err);
    bool group = json_arr(answer, "jobs") != NULL;
    if (group && c->arg_count > 1) {
        err_set(&err, ERR_BAD_REQUEST, "of a group all artifacts are taken");
        err_hint(&err, "bloomery status %.40s lists its jobs; bloomery get JOB NAME takes one artifact", c->args[0]);
        return fail(&err);
    }
    for (size_t i = 0; i < api_job_count(answer); i++) {
        cJSON *job = api_job_at(answer, i);
        AUTO(char_p)
        char *folder =
            group ? mem_printf("%s/%s", c->out ? c->out : ".", folder_name(job)) : mem_strdup(c->out ? c->out : ".");
        if (download_all(c->http, job, folder, c->args + 1, c->json, &err) == 0)
            continue;
        /* A member that failed does not keep the others back. */
        if (group)
            err_wrap(&err, "%s", json_str(job, "profile", "?"));
        int one = fail(&err);
        code = code ? code : one;
    }
    if (c->json && (group || code == EXIT_BUILT))
        show_json(answer);
    return code;
}
