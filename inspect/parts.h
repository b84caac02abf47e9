/*
 * parts.h - what a file consists of, as ranges of its bytes: the sections of a wasm module or an ELF file, the members of
 * an archive or a tar, and the sections of the ELF members. It answers which part a byte belongs to, and nothing else: the
 * inspectors judge a file. The bytes are hostile.
 */
#pragma once

#include "inspect/report.h"

bool parts_known(const char *kind); /* wasm, elf, ar, tar */

/* Fills r->root with
 *   parts [{name, offset, size}]   in the order of their offsets; a wasm section begins with its id, a member with its
 *                                  header; that of an ELF member's section is "MEMBER SECTION"
 * What lies in none of them is headers, an archive's index, or padding. ERR_CONTRACT: it is not of that kind, or is damaged. */
int parts_inspect(const char *kind, const uint8_t *data, size_t len, struct report *r, struct err *err);
