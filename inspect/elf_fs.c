/* elf_fs.c - see elf_fs.h. */
#include "inspect/elf_fs.h"

#include "base/mem.h"

#include <Zydis/Zydis.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FUNCTIONS = 500000, MAX_NAMED = 16 };

/* Where a function begins, in the file. */
struct function {
    uint64_t at;
    const char *name;
    uint32_t len;
};

struct sweep {
    const struct elf_image *img;
    struct report *report;
    ZydisDecoder decoder;
    struct function *functions; /* by place */
    size_t count;
    uint64_t left; /* bytes that may still be looked at: sections can overlap */
    int64_t instructions;
    int named;
    cJSON *names;
    bool whole;
};

static int by_place(const void *a, const void *b)
{
    const struct function *x = a, *y = b;

    return (x->at > y->at) - (x->at < y->at);
}

static bool is_code(const GElf_Shdr *s)
{
    return s->sh_type == SHT_PROGBITS && s->sh_flags & SHF_EXECINSTR;
}

static int read_functions(struct elf_image *img, struct sweep *s, struct err *err)
{
    const GElf_Shdr *table = elf_section_of(img, SHT_SYMTAB);
    bool relative = img->head.e_type == ET_REL;
    size_t each = gelf_fsize(img->elf, ELF_T_SYM, 1, EV_CURRENT), cap = 0;
    GElf_Sym sym;

    if (!table && !(table = elf_section_of(img, SHT_DYNSYM)))
        return 0;
    Elf_Data *d = elf_chunk(img, table->sh_offset, table->sh_size, ELF_T_SYM, "the symbol table", err);
    if (!d)
        return -1;
    for (size_t i = 1; i < d->d_size / each && s->count < MAX_FUNCTIONS && gelf_getsym(d, (int)i, &sym); i++) {
        if (GELF_ST_TYPE(sym.st_info) != STT_FUNC || sym.st_shndx == SHN_UNDEF || sym.st_shndx >= img->section_count)
            continue;
        const GElf_Shdr *in = &img->sections[sym.st_shndx];
        uint64_t offset = sym.st_value - (relative ? 0 : in->sh_addr);
        if (!is_code(in) || offset >= in->sh_size)
            continue;
        if (s->count == cap) {
            cap = cap ? 2 * cap : 256;
            s->functions = mem_resize(s->functions, cap * sizeof *s->functions);
        }
        size_t len;
        const char *name = elf_section_string(img, table->sh_link, sym.st_name, &len);
        s->functions[s->count++] = (struct function){
            .at = in->sh_offset + offset, .name = name, .len = (uint32_t)(len < UINT32_MAX ? len : UINT32_MAX)};
    }
    if (s->count > 1)
        qsort(s->functions, s->count, sizeof *s->functions, by_place);
    return 0;
}

/* The code from pos to end is one function's, or nobody's. */
static void sweep_function(struct sweep *s, uint64_t pos, uint64_t end, const struct function *f)
{
    const uint8_t *code = s->img->data;
    ZydisDecodedInstruction in;
    bool any = false;

    /* Half of all functions have no byte that could be the prefix. */
    if (!memchr(code + pos, 0x64, (size_t)(end - pos)))
        return;
    while (pos < end) {
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&s->decoder, NULL, code + pos, (size_t)(end - pos), &in))) {
            pos++;
            continue;
        }
        pos += in.length;
        if (!(in.attributes & ZYDIS_ATTRIB_HAS_SEGMENT_FS))
            continue;
        s->instructions++;
        any = true;
    }
    if (any && f && f->len > 0 && s->named++ < MAX_NAMED)
        report_list_name(s->report, s->names, f->name, f->len);
}

static void sweep_area(struct sweep *s, uint64_t offset, uint64_t size)
{
    size_t next = 0, high = s->count;

    if (offset > s->img->len || size > s->img->len - offset || size > s->left) {
        s->whole = false;
        return;
    }
    s->left -= size;
    while (next < high) { /* the first function that does not begin before the area */
        size_t middle = next + (high - next) / 2;
        if (s->functions[middle].at < offset)
            next = middle + 1;
        else
            high = middle;
    }
    const struct function *f = NULL;
    for (uint64_t pos = offset, end; pos < offset + size; pos = end) {
        end = offset + size;
        for (; next < s->count && s->functions[next].at <= pos; next++)
            f = &s->functions[next];
        if (next < s->count && s->functions[next].at < end)
            end = s->functions[next].at;
        sweep_function(s, pos, end, f);
    }
}

int elf_fs_put(struct elf_image *img, struct report *r, struct err *err)
{
    struct sweep s = {.img = img, .report = r, .left = img->len, .whole = true};
    bool sections = false;

    if (img->head.e_machine != EM_X86_64 || img->head.e_ident[EI_CLASS] != ELFCLASS64) {
        cJSON_AddNullToObject(r->root, "fs");
        return 0;
    }
    if (read_functions(img, &s, err) < 0) {
        free(s.functions);
        return -1;
    }
    cJSON *fs = cJSON_AddObjectToObject(r->root, "fs");
    s.names = cJSON_CreateArray();
    ZydisDecoderInit(&s.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (size_t i = 1; i < img->section_count; i++)
        if (is_code(&img->sections[i])) {
            sections = true;
            sweep_area(&s, img->sections[i].sh_offset, img->sections[i].sh_size);
        }
    for (size_t i = 0; i < img->segment_count && !sections; i++)
        if (img->segments[i].p_type == PT_LOAD && img->segments[i].p_flags & PF_X)
            sweep_area(&s, img->segments[i].p_offset, img->segments[i].p_filesz);
    json_put_int(fs, "instructions", s.instructions);
    cJSON_AddItemToObject(fs, "functions", s.names);
    cJSON_AddBoolToObject(fs, "whole", s.whole);
    free(s.functions);
    return 0;
}
