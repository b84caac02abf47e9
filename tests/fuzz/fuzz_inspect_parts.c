/* fuzz_inspect_parts.c - what files consist of, on hostile bytes taken for each kind. */
#include "inspect/parts.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const kinds[] = {"wasm", "elf", "ar", "tar"};

    for (size_t i = 0; i < COUNT(kinds); i++) {
        AUTO(json) cJSON *root = cJSON_CreateObject();
        struct report report = {.root = root};
        struct err err = ERR_INIT;
        const cJSON *p;
        if (parts_inspect(kinds[i], data, size, &report, &err) < 0) {
            if (err.kind != ERR_CONTRACT)
                abort(); /* hostile bytes are never our own failure */
            continue;
        }
        cJSON_ArrayForEach(p, json_arr(root, "parts"))
        {
            int64_t offset = json_int(p, "offset", -1), length = json_int(p, "size", -1);
            if (offset < 0 || length < 0 || offset > (int64_t)size || length > (int64_t)size - offset)
                abort(); /* not in the file */
        }
    }
    return 0;
}
