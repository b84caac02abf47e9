/* old.c - see old.h. */
#include "workers/old.h"

#include "workers/strs.h"

#include <stdlib.h>
#include <string.h>

#define MAX_WARNINGS 32

int old_minor(const char *version)
{
    char *end;

    if (!version || strncmp(version, "1.", 2) != 0)
        return OLD_SINCE_NEWEST;
    long minor = strtol(version + 2, &end, 10);
    return end == version + 2 || minor < 0 || minor >= OLD_SINCE_NEWEST ? OLD_SINCE_NEWEST : (int)minor;
}

bool old_pin(const char *version)
{
    return old_minor(version) < OLD_SINCE_CRATE_TYPE;
}

char *old_job(const struct profile *p, const struct plan *plan, const char *pinned, bool locked, bool uploaded)
{
    AUTO(json) cJSON *job = cJSON_CreateObject();
    cJSON *flags = cJSON_AddArrayToObject(job, "flags");

    json_put_str(job, "pin", pinned);
    json_put_str(job, "manifest", plan->manifest);
    json_put_str(job, "target", p->target);
    for (size_t i = 0; plan->cargo[i]; i++)
        if (strncmp(plan->cargo[i], "--features=", 11) == 0 || strcmp(plan->cargo[i], "--no-default-features") == 0)
            cJSON_AddItemToArray(flags, cJSON_CreateString(plan->cargo[i]));
    /* Without a flag for it, the manifest says what the lib becomes. */
    const struct plan_output *out = &plan->outputs[0];
    json_put_str(job, "crate_type", out->is_bin ? NULL : strcmp(out->file_kind, "ar") == 0 ? "staticlib" : "cdylib");
    cJSON_AddBoolToObject(job, "locked", locked);
    cJSON_AddBoolToObject(job, "uploaded", uploaded);
    cJSON_AddBoolToObject(job, "network", plan->needs_fetch);
    return json_text(job);
}

int old_report(const struct buf *out, char ***ret_warnings, struct err *err)
{
    AUTO(json) cJSON *report = NULL;
    AUTO(strs) struct strs warnings = {0};
    const cJSON *v;

    if (json_parse(out->p ? out->p : "", out->len, "what steps/old.py says", &report, err) < 0) {
        err->kind = ERR_INTERNAL;
        return -1;
    }
    const cJSON *error = json_obj(report, "error");
    if (error) {
        const char *hint = json_str(error, "hint", NULL);
        enum err_kind kind = err_from_name(json_str(error, "kind", ""));
        err_set(err, kind == ERR_BAD_SOURCE || kind == ERR_DEPENDENCY ? kind : ERR_INTERNAL, "%s",
                json_str(error, "message", "steps/old.py gives no reason"));
        return hint ? err_hint(err, "%s", hint) : -1;
    }
    cJSON_ArrayForEach(v, json_arr(report, "warnings")) if (cJSON_IsString(v) && warnings.count < MAX_WARNINGS)
        strs_printf(&warnings, "%.1000s", v->valuestring);
    *ret_warnings = strs_steal(&warnings);
    return 0;
}
