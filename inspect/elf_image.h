/*
 * elf_image.h - a hostile ELF file that was checked before libelf saw it, for
 * the elf_*.c files alone: headers, bounded reads, strings.
 *
 * It borrows the bytes. The header, its two tables and their bounds are right
 * once it is open; what a section's header says of its bytes is checked where
 * they are read. One thread.
 */
#pragma once

#include "base/err.h"

#include <gelf.h>
#include <stdbool.h>
#include <stdint.h>

struct elf_image {
    const uint8_t *data;
    size_t len;
    size_t budget; /* bytes that may still be read through elf_chunk() */
    Elf *elf;
    GElf_Ehdr head;
    GElf_Shdr *sections;
    size_t section_count, names; /* names: index of the sections' names */
    GElf_Phdr *segments;
    size_t segment_count;
};

/* <0: not an ELF file that can be read (ERR_CONTRACT). To be cleared in either case. */
int elf_image_open(struct elf_image *img, const uint8_t *data, size_t len, struct err *err);
void elf_image_clear(struct elf_image *img);

/* Size bytes at offset, as libelf's type. NULL with *err filled if they are not all in the file, or if so much was read
 * already that tables must overlap. */
Elf_Data *elf_chunk(struct elf_image *img, uint64_t offset, uint64_t size, Elf_Type type, const char *what,
                    struct err *err);

/* A string in the table at [start, start + size) of the file; "" where it is not one. It is cut at 64 KiB. */
const char *elf_string_at(const struct elf_image *img, size_t start, size_t size, uint64_t index, size_t *ret_len);

/* The same in the section of that index; "" where it is no table of strings. */
const char *elf_section_string(const struct elf_image *img, size_t table, uint64_t index, size_t *ret_len);

/* Is this the section's name? */
bool elf_section_is(const struct elf_image *img, const GElf_Shdr *s, const char *name);

/* The first of that type, or NULL. */
const GElf_Phdr *elf_segment_of(const struct elf_image *img, uint32_t type);
const GElf_Shdr *elf_section_of(const struct elf_image *img, uint32_t type);
