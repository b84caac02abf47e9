/* link.c - see link.h. */
#include "workers/link.h"

#include "base/clock.h"
#include "workers/blame.h"
#include "workers/step.h"
#include "workers/strs.h"

#define KIT_DIR "/opt/bloomery/kit"

bool link_wanted(const struct attempt *a)
{
    return a->plan.outputs[0].linked != NULL;
}

bool link_lacks_kit(const struct attempt *a)
{
    return !a->has_kit && json_bool(json_obj(a->profile->json, "kit"), "required", false);
}

/* Nothing that the build left behind is at work beside the link, or lies where the link writes: its container goes, and
 * these folders are made anew before the next one mounts them. */
static int start_afresh(struct attempt *a, struct err *err)
{
    static const char *const folders[] = {"out", "home", "tmp"};

    if (step_release(a, err) < 0)
        return -1;
    for (size_t i = 0; i < COUNT(folders); i++)
        if (work_fresh(&a->work, folders[i], err) < 0)
            return err->kind == ERR_DISK_FULL ? blame_disk(a, "the build", err) : -1;
    replay_fresh(a, folders, COUNT(folders));
    return step_hold(a, err);
}

/* The command's word for it that what it was given cannot become what the host loads. */
static bool broke_contract(const struct step_result *res)
{
    enum { BROKEN_CONTRACT = 3 };

    return res->end == STEP_EXITED && res->exit_code == BROKEN_CONTRACT;
}

static int link_one(struct attempt *a, const struct plan_output *out, const char *const *command, int64_t seconds,
                    struct err *err)
{
    AUTO(strs) struct strs env = {0};
    int64_t own = json_int(json_obj(a->profile->json, "link"), "seconds", 0);
    struct step step = {.name = "the link step",
                        .command = command,
                        .uid = a->build_uid,
                        .workdir = "/work/out",
                        .seconds = seconds,
                        .limit = own ? "link.seconds of the profile" : "job_wall_seconds",
                        .limit_seconds = own ? own : a->limits.job_wall_seconds,
                        .cpu_seconds = a->limits.job_cpu_seconds};
    struct step_result res;

    for (char *const *e = a->plan.link_env; *e; e++)
        strs_printf(&env, "%s", *e);
    strs_printf(&env, "BLOOMERY_INPUT=/work/target/%s", out->file);
    strs_printf(&env, "BLOOMERY_OUTPUT=/work/out/%s", out->linked);
    strs_printf(&env, "BLOOMERY_NAME=%.*s", (int)out->stem, out->name);
    strs_printf(&env, "BLOOMERY_LIB=%s", out->lib);
    if (a->has_kit)
        strs_printf(&env, "BLOOMERY_KIT=%s", KIT_DIR);
    if (a->has_kit && a->kit.link)
        strs_printf(&env, "BLOOMERY_KIT_LINK=%s/%s", KIT_DIR, a->kit.link);
    step.env = (const char *const *)env.p;

    joblog_say(a->log, "linking %s", out->name);
    int64_t from = joblog_size(a->log);
    if (step_exec(a, &step, &res, err) < 0)
        return -1;
    if (res.end != STEP_EXITED || res.exit_code != 0)
        return blame_step(a, &step, &res, from, broke_contract(&res) ? ERR_CONTRACT : ERR_LINK, err);
    joblog_flush(a->log);
    return 0;
}

int link_run(struct attempt *a, struct err *err)
{
    const cJSON *link = json_obj(a->profile->json, "link"), *v;
    int64_t seconds = json_int(link, "seconds", a->limits.job_wall_seconds);
    int64_t began = clock_monotonic_ms();
    AUTO(strs) struct strs command = {0};

    if (link_lacks_kit(a)) {
        joblog_say(a->log, "not linked: kit %s is not installed",
                   json_str(json_obj(a->profile->json, "kit"), "name", ""));
        return 0;
    }
    if (start_afresh(a, err) < 0)
        return -1;
    cJSON_ArrayForEach(v, json_arr(link, "command")) strs_printf(&command, "%s", v->valuestring);
    for (size_t i = 0; i < a->plan.outputs_count; i++) {
        int64_t left = seconds - (clock_monotonic_ms() - began) / 1000;
        if (link_one(a, &a->plan.outputs[i], (const char *const *)command.p, left > 1 ? left : 1, err) < 0)
            return -1;
    }
    return 0;
}
