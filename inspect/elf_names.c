/* elf_names.c - see elf_names.h. The names are those of the C library's elf.h. */
#include "inspect/elf_names.h"

#include "base/mem.h"

#include <elf.h>
#include <stddef.h>
#include <stdio.h>

/* clang-format 14 never settles on how to break these lists. */
/* clang-format off */
#define X86_64_RELOCS(X)                                                                                               \
    X(NONE) X(64) X(PC32) X(GOT32) X(PLT32) X(COPY) X(GLOB_DAT) X(JUMP_SLOT) X(RELATIVE) X(GOTPCREL) X(32) X(32S)      \
    X(16) X(PC16) X(8) X(PC8) X(DTPMOD64) X(DTPOFF64) X(TPOFF64) X(TLSGD) X(TLSLD) X(DTPOFF32) X(GOTTPOFF)             \
    X(TPOFF32) X(PC64) X(GOTOFF64) X(GOTPC32) X(GOT64) X(GOTPCREL64) X(GOTPC64) X(GOTPLT64) X(PLTOFF64) X(SIZE32)      \
    X(SIZE64) X(GOTPC32_TLSDESC) X(TLSDESC_CALL) X(TLSDESC) X(IRELATIVE) X(RELATIVE64) X(GOTPCRELX) X(REX_GOTPCRELX)

#define AARCH64_RELOCS(X)                                                                                              \
    X(NONE) X(ABS64) X(ABS32) X(ABS16) X(PREL64) X(PREL32) X(PREL16) X(MOVW_UABS_G0) X(MOVW_UABS_G0_NC)                \
    X(MOVW_UABS_G1) X(MOVW_UABS_G1_NC) X(MOVW_UABS_G2) X(MOVW_UABS_G2_NC) X(MOVW_UABS_G3) X(MOVW_SABS_G0)              \
    X(MOVW_SABS_G1) X(MOVW_SABS_G2) X(LD_PREL_LO19) X(ADR_PREL_LO21) X(ADR_PREL_PG_HI21) X(ADR_PREL_PG_HI21_NC)        \
    X(ADD_ABS_LO12_NC) X(LDST8_ABS_LO12_NC) X(TSTBR14) X(CONDBR19) X(JUMP26) X(CALL26) X(LDST16_ABS_LO12_NC)           \
    X(LDST32_ABS_LO12_NC) X(LDST64_ABS_LO12_NC) X(MOVW_PREL_G0) X(MOVW_PREL_G0_NC) X(MOVW_PREL_G1)                     \
    X(MOVW_PREL_G1_NC) X(MOVW_PREL_G2) X(MOVW_PREL_G2_NC) X(MOVW_PREL_G3) X(LDST128_ABS_LO12_NC) X(MOVW_GOTOFF_G0)     \
    X(MOVW_GOTOFF_G0_NC) X(MOVW_GOTOFF_G1) X(MOVW_GOTOFF_G1_NC) X(MOVW_GOTOFF_G2) X(MOVW_GOTOFF_G2_NC)                 \
    X(MOVW_GOTOFF_G3) X(GOTREL64) X(GOTREL32) X(GOT_LD_PREL19) X(LD64_GOTOFF_LO15) X(ADR_GOT_PAGE)                     \
    X(LD64_GOT_LO12_NC) X(LD64_GOTPAGE_LO15) X(TLSGD_ADR_PREL21) X(TLSGD_ADR_PAGE21) X(TLSGD_ADD_LO12_NC)              \
    X(TLSGD_MOVW_G1) X(TLSGD_MOVW_G0_NC) X(TLSLD_ADR_PREL21) X(TLSLD_ADR_PAGE21) X(TLSLD_ADD_LO12_NC)                  \
    X(TLSLD_MOVW_G1) X(TLSLD_MOVW_G0_NC) X(TLSLD_LD_PREL19) X(TLSLD_MOVW_DTPREL_G2) X(TLSLD_MOVW_DTPREL_G1)            \
    X(TLSLD_MOVW_DTPREL_G1_NC) X(TLSLD_MOVW_DTPREL_G0) X(TLSLD_MOVW_DTPREL_G0_NC) X(TLSLD_ADD_DTPREL_HI12)             \
    X(TLSLD_ADD_DTPREL_LO12) X(TLSLD_ADD_DTPREL_LO12_NC) X(TLSLD_LDST8_DTPREL_LO12) X(TLSLD_LDST8_DTPREL_LO12_NC)      \
    X(TLSLD_LDST16_DTPREL_LO12) X(TLSLD_LDST16_DTPREL_LO12_NC) X(TLSLD_LDST32_DTPREL_LO12)                             \
    X(TLSLD_LDST32_DTPREL_LO12_NC) X(TLSLD_LDST64_DTPREL_LO12) X(TLSLD_LDST64_DTPREL_LO12_NC)                          \
    X(TLSIE_MOVW_GOTTPREL_G1) X(TLSIE_MOVW_GOTTPREL_G0_NC) X(TLSIE_ADR_GOTTPREL_PAGE21)                                \
    X(TLSIE_LD64_GOTTPREL_LO12_NC) X(TLSIE_LD_GOTTPREL_PREL19) X(TLSLE_MOVW_TPREL_G2) X(TLSLE_MOVW_TPREL_G1)           \
    X(TLSLE_MOVW_TPREL_G1_NC) X(TLSLE_MOVW_TPREL_G0) X(TLSLE_MOVW_TPREL_G0_NC) X(TLSLE_ADD_TPREL_HI12)                 \
    X(TLSLE_ADD_TPREL_LO12) X(TLSLE_ADD_TPREL_LO12_NC) X(TLSLE_LDST8_TPREL_LO12) X(TLSLE_LDST8_TPREL_LO12_NC)          \
    X(TLSLE_LDST16_TPREL_LO12) X(TLSLE_LDST16_TPREL_LO12_NC) X(TLSLE_LDST32_TPREL_LO12)                                \
    X(TLSLE_LDST32_TPREL_LO12_NC) X(TLSLE_LDST64_TPREL_LO12) X(TLSLE_LDST64_TPREL_LO12_NC) X(TLSDESC_LD_PREL19)        \
    X(TLSDESC_ADR_PREL21) X(TLSDESC_ADR_PAGE21) X(TLSDESC_LD64_LO12) X(TLSDESC_ADD_LO12) X(TLSDESC_OFF_G1)             \
    X(TLSDESC_OFF_G0_NC) X(TLSDESC_LDR) X(TLSDESC_ADD) X(TLSDESC_CALL) X(TLSLE_LDST128_TPREL_LO12)                     \
    X(TLSLE_LDST128_TPREL_LO12_NC) X(TLSLD_LDST128_DTPREL_LO12) X(TLSLD_LDST128_DTPREL_LO12_NC) X(COPY) X(GLOB_DAT)    \
    X(JUMP_SLOT) X(RELATIVE) X(TLS_DTPMOD) X(TLS_DTPREL) X(TLS_TPREL) X(TLSDESC) X(IRELATIVE)

#define X(name) [R_X86_64_##name] = "R_X86_64_" #name,
static const char *const x86_64_relocs[] = {X86_64_RELOCS(X)};
#undef X
#define X(name) [R_AARCH64_##name] = "R_AARCH64_" #name,
static const char *const aarch64_relocs[] = {AARCH64_RELOCS(X)};
#undef X

#define SECTION_TYPES(X)                                                                                               \
    X(NULL) X(PROGBITS) X(SYMTAB) X(STRTAB) X(RELA) X(HASH) X(DYNAMIC) X(NOTE) X(NOBITS) X(REL) X(DYNSYM)              \
    X(INIT_ARRAY) X(FINI_ARRAY) X(PREINIT_ARRAY) X(GROUP)
/* clang-format on */
#define X(name) [SHT_##name] = #name,
static const char *const section_types[] = {SECTION_TYPES(X)};
#undef X

const char *elf_machine_name(unsigned machine, char text[ELF_NAME_SIZE])
{
    switch (machine) {
    case EM_X86_64:
        return "x86_64";
    case EM_AARCH64:
        return "aarch64";
    case EM_386:
        return "i386";
    case EM_ARM:
        return "arm";
    case EM_RISCV:
        return "riscv";
    default:
        snprintf(text, ELF_NAME_SIZE, "em_%u", machine);
        return text;
    }
}

const char *elf_reloc_name(unsigned machine, unsigned type, char text[ELF_NAME_SIZE])
{
    if (machine == EM_X86_64 && type < COUNT(x86_64_relocs) && x86_64_relocs[type])
        return x86_64_relocs[type];
    if (machine == EM_AARCH64 && type < COUNT(aarch64_relocs) && aarch64_relocs[type])
        return aarch64_relocs[type];
    snprintf(text, ELF_NAME_SIZE, "R_%u_%u", machine, type);
    return text;
}

const char *elf_section_type_name(uint32_t type, char text[ELF_NAME_SIZE])
{
    if (type < COUNT(section_types) && section_types[type])
        return section_types[type];
    switch (type) {
    case 19: /* SHT_RELR, newer than some elf.h */
        return "RELR";
    case SHT_SYMTAB_SHNDX:
        return "SYMTAB_SHNDX";
    case SHT_GNU_HASH:
        return "GNU_HASH";
    case SHT_GNU_verdef:
        return "VERDEF";
    case SHT_GNU_verneed:
        return "VERNEED";
    case SHT_GNU_versym:
        return "VERSYM";
    default:
        snprintf(text, ELF_NAME_SIZE, "0x%x", type);
        return text;
    }
}

static enum elf_tls x86_64_tls(unsigned type)
{
    switch (type) {
    case R_X86_64_TPOFF32:
        return ELF_TLS_LOCAL_EXEC;
    case R_X86_64_TPOFF64:
    case R_X86_64_GOTTPOFF:
        return ELF_TLS_INITIAL_EXEC;
    case R_X86_64_TLSLD:
    case R_X86_64_DTPOFF32:
        return ELF_TLS_LOCAL_DYNAMIC;
    case R_X86_64_DTPMOD64:
    case R_X86_64_DTPOFF64:
    case R_X86_64_TLSGD:
    case R_X86_64_GOTPC32_TLSDESC:
    case R_X86_64_TLSDESC_CALL:
    case R_X86_64_TLSDESC:
        return ELF_TLS_GENERAL_DYNAMIC;
    default:
        return ELF_TLS_NONE;
    }
}

static enum elf_tls aarch64_tls(unsigned type)
{
    if (type == R_AARCH64_TLSLD_LDST128_DTPREL_LO12 || type == R_AARCH64_TLSLD_LDST128_DTPREL_LO12_NC ||
        (type >= R_AARCH64_TLSLD_ADR_PREL21 && type <= R_AARCH64_TLSLD_LDST64_DTPREL_LO12_NC))
        return ELF_TLS_LOCAL_DYNAMIC;
    if (type == R_AARCH64_TLSLE_LDST128_TPREL_LO12 || type == R_AARCH64_TLSLE_LDST128_TPREL_LO12_NC ||
        (type >= R_AARCH64_TLSLE_MOVW_TPREL_G2 && type <= R_AARCH64_TLSLE_LDST64_TPREL_LO12_NC))
        return ELF_TLS_LOCAL_EXEC;
    if (type == R_AARCH64_TLS_TPREL ||
        (type >= R_AARCH64_TLSIE_MOVW_GOTTPREL_G1 && type <= R_AARCH64_TLSIE_LD_GOTTPREL_PREL19))
        return ELF_TLS_INITIAL_EXEC;
    if (type == R_AARCH64_TLS_DTPMOD || type == R_AARCH64_TLS_DTPREL || type == R_AARCH64_TLSDESC ||
        (type >= R_AARCH64_TLSGD_ADR_PREL21 && type <= R_AARCH64_TLSGD_MOVW_G0_NC) ||
        (type >= R_AARCH64_TLSDESC_LD_PREL19 && type <= R_AARCH64_TLSDESC_CALL))
        return ELF_TLS_GENERAL_DYNAMIC;
    return ELF_TLS_NONE;
}

enum elf_tls elf_reloc_tls(unsigned machine, unsigned type)
{
    return machine == EM_X86_64 ? x86_64_tls(type) : machine == EM_AARCH64 ? aarch64_tls(type) : ELF_TLS_NONE;
}

const char *elf_tls_name(enum elf_tls model)
{
    static const char *const names[] = {NULL, "local-exec", "initial-exec", "local-dynamic", "general-dynamic"};

    return (unsigned)model < COUNT(names) ? names[model] : NULL;
}
