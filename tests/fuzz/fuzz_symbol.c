/* fuzz_symbol.c - names of symbols: the crate they tell, and the library that demangles them. */
#include "inspect/symbol.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf text = {0};
    const char *name = (const char *)data;
    size_t len = 0;
    const char *crate = symbol_crate(name, size, &len);

    /* A part of the name, or one of our words. */
    if (len == 0 || len > SYMBOL_MAX_CRATE || (crate[0] != '(' && (crate < name || crate + len > name + size)))
        abort();
    crate = symbol_member_crate(name, size, &len);
    if (crate && (len == 0 || len > SYMBOL_MAX_CRATE))
        abort();
    symbol_text(name, size, &text);
    if (text.len > SYMBOL_MAX_TEXT)
        abort();
    return 0;
}
