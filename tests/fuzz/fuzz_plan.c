/* fuzz_plan.c - cargo's metadata and configuration come from the crate: {"metadata":..., "config":...}.
 * No flag, path or argument of the plan may leave the bounds that plan.h states. */
#include "workers/plan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char profile_json[] =
    "{\"prefer\":[\"bin\",\"cdylib\",\"staticlib\"],\"outputs\":{\"bin\":\"{name}.wasm\","
    "\"cdylib\":\"{lib}.wasm\",\"staticlib\":\"lib{lib}.a\"},\"link\":{\"output\":\"{name}\",\"sides\":[{\"file\":\"{"
    "lib}.x\",\"kind\":\"text\"}]},"
    "\"metadata\":{\"entry\":\"name\",\"c_sources\":\"files\",\"note\":\"text\"},\"artifact\":{\"kind\":"
    "\"wasm\",\"suffix\":\".wasm\"},\"features\":[\"simd128\"]}";

static void check_plan(const struct plan *plan)
{
    if (plan->outputs_count == 0 || strncmp(plan->manifest, "/work/src/", 10) != 0)
        abort();
    for (size_t i = 0; i < plan->outputs_count; i++)
        if (strstr(plan->outputs[i].file, "/../") || strchr(plan->outputs[i].name, '/') ||
            strchr(plan->outputs[i].linked, '/') || plan->outputs[i].linked[0] == '.' ||
            plan->outputs[i].stem > strlen(plan->outputs[i].name))
            abort();
    for (char *const *a = plan->cargo + 2; *a; a++)
        if (strncmp(*a, "--", 2) != 0)
            abort();
}

/* Nothing of the crate's makes a variable of its own, or a path that leaves the package. */
static void check_link_env(const struct plan *plan)
{
    static const char entry[] = "BLOOMERY_ENTRY=", files[] = "BLOOMERY_C_SOURCES=";

    for (char *const *e = plan->link_env; *e; e++) {
        if (strncmp(*e, entry, sizeof entry - 1) == 0 &&
            strspn(*e, "=_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != strlen(*e))
            abort();
        if (strncmp(*e, files, sizeof files - 1) != 0 && strchr(*e, '\n'))
            abort();
        for (const char *line = *e + sizeof files - 1; strncmp(*e, files, sizeof files - 1) == 0 && *line;) {
            if (strncmp(line, "/work/src/", 10) != 0)
                abort();
            line += strcspn(line, "\n");
            line += *line == '\n';
        }
        if (strncmp(*e, files, sizeof files - 1) == 0 && strstr(*e, "/../"))
            abort();
    }
}

static void check_config(const struct cargo_config *c)
{
    for (char *const *f = c->rustflags; *f; f++)
        if (strchr(*f, '\x1f') || (strncmp(*f, "--cfg=", 6) != 0 && strncmp(*f, "--check-cfg=", 12) != 0 &&
                                   strncmp(*f, "-Ctarget-feature=", 17) != 0))
            abort();
    if (strstr(c->toml, "directory = \"/") && !strstr(c->toml, "directory = \"/work/src"))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(json) cJSON *json = cJSON_Parse(profile_json);
    AUTO(json) cJSON *input = cJSON_ParseWithLength((const char *)data, size);
    AUTO(json) cJSON *no_options = cJSON_CreateObject();
    const struct profile p = {
        .name = "fuzz", .target = "wasm32-wasip1", .toolchain = "pin", .json = json, .limits = LIMITS_DEFAULT};
    struct cargo_config config = {0};
    struct plan plan = {0};
    struct err err = ERR_INIT;

    if (!input)
        return 0;
    cargo_config_filter(&p, json_obj(input, "config"), &config);
    check_config(&config);
    if (plan_make(&p, "1.97.0-nightly", no_options, cJSON_GetObjectItemCaseSensitive(input, "metadata"), &config, &plan,
                  &err) == 0) {
        check_plan(&plan);
        check_link_env(&plan);
    }
    plan_clear(&plan);
    cargo_config_clear(&config);
    return 0;
}
