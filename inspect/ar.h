/*
 * ar.h - an archive's members and the symbols of its ELF objects as JSON.
 * GNU and BSD long names; thin archives are refused. The bytes are hostile.
 */
#pragma once

#include "inspect/cursor.h"
#include "inspect/report.h"

/* --- member by member --- */
struct ar_member {
    size_t at; /* where its header begins */
    const char *name;
    size_t name_len;
    const uint8_t *data;
    size_t len;
    bool is_index; /* the symbol index or the table of long names */
};

struct ar_reader {
    struct cursor file;
    const char *names; /* the GNU table of long names, or NULL */
    size_t names_len;
};

int ar_open(const uint8_t *data, size_t len, struct ar_reader *ret, struct err *err);
enum { AR_END = 1 };
int ar_next(struct ar_reader *a, struct ar_member *ret, struct err *err); /* AR_END */

/* --- as JSON --- */
bool ar_matches(const uint8_t *data, size_t len);

/* Fills r->root with
 *   members [{name, size}], members_count (the symbol index and the table of names are not members),
 *   kinds {elf, wasm, bitcode, rmeta, other: how many}, machines [..] of the ELF members,
 *   defined, undefined (less defined), duplicates: global symbols of the ELF members, sorted, each once; duplicates are
 *   those with more than one strong definition, which cannot be linked together,
 *   tls {relocation: count}: of the ELF members' thread-local accesses; tls_model: the models that these stand for. */
int ar_inspect(const uint8_t *data, size_t len, struct report *r, struct err *err);
