/*
 * elf.h - an ELF file's structure as JSON, and an object's symbols for ar.h.
 *
 * The bytes are hostile: header and bounds are checked (elf_image.h) before
 * libelf sees them, every table is held against the file's end, and what is
 * read in all is bounded, so that overlapping sections cannot multiply the
 * work. Little-endian files of 32 and 64 bits; failures are
 * ERR_CONTRACT and name an offset. What a loader would use is taken from the
 * program headers, not from section headers, which may lie or be missing.
 */
#pragma once

#include "inspect/report.h"

bool elf_matches(const uint8_t *data, size_t len);

/* Fills r->root with
 *   class (32|64), machine, type ("exec"|"dyn"|"rel"|"core"), static, static_pie, pie, interp|null, needed, soname|null,
 *   runpath|null (DT_RPATH where there is no DT_RUNPATH), build_id|null,
 *   sections [{name, size, type}], text_size, data_size, bss_size (as `size` counts them),
 *   tls {size, align}|null, tls_model [..] seen by relocations and flags; an executable with TLS and neither is
 *   "local-exec", tls_symbols (a count), fs (elf_fs.h),
 *   exports and undefined: global symbols of the dynamic symbol table, of an object (rel) those of its symbol table,
 *   relocations {type: count} of all relocation sections, libc_floor "GLIBC_x.y"|null, stripped (no symbol table),
 *   debug_info, executable_stack (asked for by PT_GNU_STACK, in an object by .note.GNU-stack),
 *   relro ("none"|"partial"|"full"), symbols (how many the symbol table has)|null, producers [..] of .comment, and "sizes"
 *   as elf_sizes.h adds them. */
int elf_inspect(const uint8_t *data, size_t len, struct report *r, struct err *err);

/* --- for archives --- */
enum elf_symbol_kind { ELF_SYMBOL_DEFINED, ELF_SYMBOL_WEAK, ELF_SYMBOL_UNDEFINED };

struct elf_symbol {
    const char *name; /* in the file, len bytes */
    uint32_t len;
    enum elf_symbol_kind kind; /* WEAK: a definition that may be repeated (weak, common, unique) */
};

struct elf_symbols {
    struct elf_symbol *at; /* owned */
    size_t len, cap;
};

void elf_symbols_free(struct elf_symbols *s);

struct elf_sizes;

/* Append an object's global symbols to *syms, and add its sizes to *sizes (elf_sizes.h), its TLS relocations to the counts in
 * tls, and to the lists tls_model and machines what is new there. */
int elf_object_read(const uint8_t *data, size_t len, struct elf_symbols *syms, struct elf_sizes *sizes, cJSON *tls,
                    cJSON *tls_model, cJSON *machines, struct err *err);
