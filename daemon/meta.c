/* meta.c - see meta.h. */
#include "daemon/meta.h"

#include "daemon/app.h"
#include "daemon/problem.h"
#include "workers/doctor.h"
#include "workers/keys.h"

#include <string.h>

/* --- profiles --- */

static cJSON *describe(struct app *app, const struct profile *p)
{
    struct image image = {0};
    AUTO(char_p) char *why = NULL;
    cJSON *o = profile_describe(p);
    bool there = pool_profile_available(app->pool, p->name, &image, &why) == 0;

    cJSON_AddBoolToObject(o, "available", there);
    json_put_str(o, "why", there ? NULL : why ? why : "its image has not been built");
    /* The pin alone says what was wanted; with the image there, also what it is. */
    cJSON *toolchain = cJSON_CreateObject();
    json_put_str(toolchain, "name", p->toolchain);
    json_put_str(toolchain, "rustc", there ? image.rustc : NULL);
    json_put_str(toolchain, "image", there ? image.id : NULL);
    json_put_str(toolchain, "origin", there ? image.origin : NULL);
    json_put_str(toolchain, "digest", there ? image.digest : NULL);
    json_put_str(toolchain, "warning", there && image.warning[0] ? image.warning : NULL);
    cJSON_DeleteItemFromObjectCaseSensitive(o, "toolchain");
    cJSON_AddItemToObject(o, "toolchain", toolchain);
    return o;
}

void meta_profiles(struct request *r)
{
    struct answer a = ANSWER_INIT;
    cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "profiles");

    for (size_t i = 0; i < profiles_count(r->app->profiles); i++)
        cJSON_AddItemToArray(list, describe(r->app, profiles_at(r->app->profiles, i)));
    answer_json(&a, 200, "application/json", o);
    http_answer(r, &a);
}

void meta_profile(struct request *r)
{
    const struct profile *p = profiles_find(r->app->profiles, r->name);
    struct answer a = ANSWER_INIT;
    struct err err = ERR_INIT;

    if (!p) {
        AUTO(buf) struct buf list = {0};
        for (size_t i = 0; i < profiles_count(r->app->profiles); i++)
            buf_printf(&list, "%s%s", i ? ", " : "", profiles_at(r->app->profiles, i)->name);
        err_set(&err, ERR_NOT_FOUND, "there is no profile '%.64s'", r->name);
        err_hint(&err, "profiles here: %s", list.p ? list.p : "none");
        http_fail(r, &err);
        return;
    }
    answer_json(&a, 200, "application/json", describe(r->app, p));
    http_answer(r, &a);
}

/* --- keys --- */

void meta_keys(struct request *r)
{
    struct answer a = ANSWER_INIT;
    struct err err = ERR_INIT;
    cJSON *keys = NULL;

    if (keys_published(r->app->state_dir, &keys, &err) < 0) {
        http_fail(r, &err);
        return;
    }
    answer_json(&a, 200, "application/json", keys);
    http_answer(r, &a);
}

/* --- health --- */

void meta_health(struct request *r)
{
    struct answer a = ANSWER_INIT;
    cJSON *o = cJSON_CreateObject();

    json_put_str(o, "status", "ok");
    answer_json(&a, 200, "application/json", o);
    http_answer(r, &a);
}

static bool check(cJSON *list, const char *name, bool ok, const char *detail)
{
    cJSON *o = cJSON_CreateObject();

    json_put_str(o, "name", name);
    cJSON_AddBoolToObject(o, "ok", ok);
    json_put_str(o, "detail", detail);
    cJSON_AddItemToArray(list, o);
    return ok;
}

static bool check_disk(struct app *app, cJSON *list)
{
    AUTO(char_p) char *text = NULL;
    bool ok = doctor_room(app->state_dir, app->config->limits.min_free_bytes, &text);

    return check(list, "disk", ok, text);
}

static bool check_images(struct app *app, cJSON *list)
{
    AUTO(buf) struct buf missing = {0};
    size_t count = profiles_count(app->profiles), there = 0;

    for (size_t i = 0; i < count; i++) {
        struct image image;
        AUTO(char_p) char *why = NULL;
        if (pool_profile_available(app->pool, profiles_at(app->profiles, i)->name, &image, &why) == 0)
            there++;
        else
            buf_printf(&missing, "%s%s: %s", missing.len ? "; " : "", profiles_at(app->profiles, i)->name,
                       why ? why : "not built");
    }
    /* One profile that can be built is a server that is of use. */
    return check(list, "images", there > 0, missing.len ? missing.p : "all are there");
}

static const char *say_work_mode(const char *mode)
{
    if (strcmp(mode, "ext4") == 0)
        return "ext4: a work folder is a file system of its own; size and files are limited";
    if (strcmp(mode, "tmpfs") == 0)
        return "tmpfs: a work folder lies in memory; size and files are limited";
    if (strcmp(mode, "plain") == 0)
        return "plain, the weaker mode: a watchdog measures work folders, so a job can pass its limit for a moment "
               "and fill the disk of all";
    return "not known yet";
}

void meta_ready(struct request *r)
{
    struct app *app = r->app;
    struct answer a = ANSWER_INIT;
    struct pool_status status = {0};
    struct store_counts counts;
    struct err err = ERR_INIT;
    cJSON *o = cJSON_CreateObject(), *list = cJSON_CreateArray();
    bool ok = true;

    pool_status(app->pool, &status);
    bool store_ok = app_counts(app, &counts, &err) == 0;
    ok &= check(list, "store", store_ok, store_ok ? "it answers" : err.msg);
    ok &= check_disk(app, list);
    AUTO(char_p)
    char *engine = status.engine_ok ? mem_printf("Docker Engine %s answers", status.engine_version)
                                    : mem_strdup(status.engine_error[0] ? status.engine_error : "not seen yet");
    ok &= check(list, "engine", status.engine_ok, engine);
    ok &= check(list, "work_mode", true, say_work_mode(status.work_mode));
    ok &= check(list, "reaped", status.reaped,
                status.reaped ? "nothing is left of an earlier run" : "what an earlier run left is still there");
    ok &= check_images(app, list);
    ok &=
        check(list, "accepting", !app->draining, app->draining ? "the server is shutting down" : "new jobs are taken");
    cJSON_AddBoolToObject(o, "ready", ok);
    json_put_str(o, "work_mode", status.work_mode[0] ? status.work_mode : NULL);
    cJSON_AddItemToObject(o, "checks", list);
    answer_json(&a, ok ? 200 : 503, "application/json", o);
    if (!ok)
        answer_header(&a, "Retry-After", "10");
    http_answer(r, &a);
}

void meta_openapi(struct request *r)
{
    struct answer a = ANSWER_INIT;
    struct err err = ERR_INIT;

    if (!r->app->openapi) {
        err_set(&err, ERR_UNAVAILABLE, "schema/openapi.json was not found in share_dir when the server started");
        http_fail(r, &err);
        return;
    }
    a.status = 200;
    buf_puts(&a.body, r->app->openapi);
    answer_header(&a, "Content-Type", "application/json");
    answer_header(&a, "Cache-Control", "no-cache");
    http_answer(r, &a);
}
