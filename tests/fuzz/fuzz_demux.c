/* fuzz_demux.c - the first byte says in what pieces the rest arrives. */
#include "docker/demux.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t step = data[0] ? data[0] : size;
    const char *p = (const char *)data;
    struct demux d = {0};
    struct err err = ERR_INIT;
    size_t total = 0;
    for (size_t at = 1; at < size;) {
        size_t n = size - at < step ? size - at : step;
        size_t used = 0;
        struct engine_chunk c;
        if (demux_next(&d, p + at, n, &used, &c, &err) < 0)
            return 0;
        if (used == 0 || used > n || c.len > used)
            abort();
        for (size_t i = 0; i < c.len; i++)
            total += (unsigned char)c.data[i];
        at += used;
    }
    return demux_partial(&d) && total == SIZE_MAX;
}
