/*
 * elf_sizes.h - where an ELF file's bytes are: its sections, its functions by
 * crate, its largest data, by the sizes in the symbol table. For elf.c and, an
 * object at a time, for ar.c.
 */
#pragma once

#include "inspect/elf_image.h"
#include "inspect/sizes.h"

struct elf_sizes {
    struct sizes sizes;
    struct sizes_top data; /* variables, thread-local ones, too */
    bool has_symbols;      /* some file had a symbol table */
};

void elf_sizes_free(struct elf_sizes *s);

/* Adds a file's. Each byte of the file counts for one section, each byte of code for one function, even where a hostile
 * file says otherwise. <0: ERR_CONTRACT. */
int elf_sizes_add(struct elf_sizes *s, struct elf_image *img, struct err *err);

/* Adds "sizes" to the report of a file of so many bytes. */
cJSON *elf_sizes_put(struct elf_sizes *s, uint64_t file_bytes, struct report *r);
