/*
 * elf_names.h - the words for ELF's numbers: machines, relocations, and which
 * model of thread-local storage a relocation stands for.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ELF_NAME_SIZE 32

/* "x86_64"; an unknown one as "em_123" in text. */
const char *elf_machine_name(unsigned machine, char text[ELF_NAME_SIZE]);

/* "R_X86_64_RELATIVE"; an unknown one as "R_62_99" in text. */
const char *elf_reloc_name(unsigned machine, unsigned type, char text[ELF_NAME_SIZE]);

/* Stable for one section type: "PROGBITS"; an unknown one as "0x6ffffff0" in text. */
const char *elf_section_type_name(uint32_t type, char text[ELF_NAME_SIZE]);

enum elf_tls { ELF_TLS_NONE, ELF_TLS_LOCAL_EXEC, ELF_TLS_INITIAL_EXEC, ELF_TLS_LOCAL_DYNAMIC, ELF_TLS_GENERAL_DYNAMIC };
enum { ELF_TLS_MODELS = ELF_TLS_GENERAL_DYNAMIC + 1 };

enum elf_tls elf_reloc_tls(unsigned machine, unsigned type);
const char *elf_tls_name(enum elf_tls model); /* "local-exec" and so on; NULL for none */
