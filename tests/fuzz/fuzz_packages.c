/* fuzz_packages.c - what cargo tells of dependencies comes from manifests and a lock that anybody may have written:
 * {"target":..., "host":..., "lock":...}. Every index of the list must be one, and a job compared with itself has not changed. */
#include "daemon/compare_list.h"
#include "workers/packages.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const cJSON *list)
{
    const cJSON *packages = json_arr(list, "packages"), *p, *v;
    int64_t count = cJSON_GetArraySize(packages), root = json_int(list, "root", -1);

    if (count > PACKAGES_MAX || root >= count || (json_bool(list, "resolved", false) && root < 0))
        abort();
    cJSON_ArrayForEach(p, packages)
    {
        const char *name = json_str(p, "name", NULL);
        if (!name || !*name || !json_str(p, "version", NULL))
            abort();
        if (p->prev->next && strcmp(json_str(p->prev, "name", ""), name) > 0)
            abort();
        cJSON_ArrayForEach(v, json_arr(p, "dependencies")) if (v->valuedouble < 0 || v->valuedouble >= (double)count)
            abort();
        /* What is not used uses nothing. */
        if (!json_str(p, "for", NULL) && cJSON_GetArraySize(json_arr(p, "dependencies")) > 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(json) cJSON *input = cJSON_ParseWithLength((const char *)data, size);
    const struct packages_told told = {json_obj(input, "target"), json_obj(input, "host"), json_obj(input, "lock")};
    AUTO(json) cJSON *list = packages_list(&told, "/work/src/Cargo.toml");
    AUTO(json) cJSON *cut = cJSON_CreateArray();

    if (!list)
        return 0;
    check_list(list);
    AUTO(json) cJSON *moved = compare_list_packages(list, list, cut);
    if (cJSON_GetArraySize(moved) != 0)
        abort();
    return 0;
}
