/*
 * elf_parts.h - the sections of an ELF file as ranges of its bytes, for parts.h. The bytes are hostile.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct elf_part {
    const char *name; /* in the file, len bytes */
    size_t len;
    uint64_t offset, size; /* within the file */
};

/* Those that have bytes, by their offsets. ERR_CONTRACT: it cannot be read. The caller frees *ret. */
int elf_parts(const uint8_t *data, size_t len, struct elf_part **ret, size_t *ret_count, struct err *err);
