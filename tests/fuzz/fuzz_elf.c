/* fuzz_elf.c - the elf inspector on hostile bytes. */
#include "inspect/elf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(json) cJSON *root = cJSON_CreateObject();
    struct report report = {.root = root};
    struct err err = ERR_INIT;

    if (elf_inspect(data, size, &report, &err) == 0) {
        AUTO(char_p) char *text = json_text(root);
        if (!text[0])
            abort();
    } else if (err.kind != ERR_CONTRACT) {
        abort(); /* hostile bytes are never our own failure */
    }
    return 0;
}
