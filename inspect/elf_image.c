/* elf_image.c - see elf_image.h. */
#include "inspect/elf_image.h"

#include "base/mem.h"
#include "inspect/cursor.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SECTIONS 200000
#define MAX_SEGMENTS 65534

/* A longer string is cut: a million symbols may all have the same endless name. */
#define MAX_STRING 65536

void elf_image_clear(struct elf_image *img)
{
    if (img->elf)
        elf_end(img->elf);
    free(img->sections);
    free(img->segments);
}

Elf_Data *elf_chunk(struct elf_image *img, uint64_t offset, uint64_t size, Elf_Type type, const char *what,
                    struct err *err)
{
    if (offset > img->len || size > img->len - offset) {
        cursor_fail(offset > img->len ? img->len : (size_t)offset, err,
                    "%s (%llu bytes at %llu) goes beyond the end of the file", what, (unsigned long long)size,
                    (unsigned long long)offset);
        return NULL;
    }
    if (size > img->budget) {
        cursor_fail((size_t)offset, err, "%s: tables overlap too often", what);
        return NULL;
    }
    img->budget -= size;
    Elf_Data *d = elf_getdata_rawchunk(img->elf, (int64_t)offset, size, type);
    if (!d)
        cursor_fail((size_t)offset, err, "%s cannot be read", what);
    return d;
}

const char *elf_string_at(const struct elf_image *img, size_t start, size_t size, uint64_t index, size_t *ret_len)
{
    *ret_len = 0;
    if (start > img->len || size > img->len - start || index >= size)
        return "";
    const char *s = (const char *)img->data + start + index;
    size_t most = size - (size_t)index, n = strnlen(s, most < MAX_STRING ? most : MAX_STRING);
    if (n == most)
        return ""; /* runs into the end of the table */
    *ret_len = n;
    return s;
}

const char *elf_section_string(const struct elf_image *img, size_t table, uint64_t index, size_t *ret_len)
{
    *ret_len = 0;
    if (table >= img->section_count || img->sections[table].sh_type != SHT_STRTAB)
        return "";
    const GElf_Shdr *s = &img->sections[table];
    return s->sh_offset > img->len || s->sh_size > img->len
               ? ""
               : elf_string_at(img, (size_t)s->sh_offset, (size_t)s->sh_size, index, ret_len);
}

bool elf_section_is(const struct elf_image *img, const GElf_Shdr *s, const char *name)
{
    size_t n;
    const char *is = elf_section_string(img, img->names, s->sh_name, &n);

    return n == strlen(name) && memcmp(is, name, n) == 0;
}

/* The table of `count` entries of entry_size bytes has to be in the file. */
static int check_table(const struct elf_image *img, uint64_t offset, uint64_t count, uint64_t entry_size, uint64_t want,
                       const char *what, struct err *err)
{
    if (count == 0)
        return 0;
    if (entry_size != want)
        return cursor_fail(0, err, "%s have entries of %llu bytes, not %llu", what, (unsigned long long)entry_size,
                           (unsigned long long)want);
    if (offset > img->len || count > (img->len - offset) / entry_size)
        return cursor_fail(offset > img->len ? img->len : (size_t)offset, err,
                           "%s (%llu at %llu) go beyond the end of the file", what, (unsigned long long)count,
                           (unsigned long long)offset);
    return 0;
}

/* Everything that libelf would believe in the header. */
static int check_header(struct elf_image *img, struct err *err)
{
    const uint8_t *p = img->data;
    Elf64_Ehdr e;
    Elf64_Shdr first = {0};
    bool wide;

    if (img->len < EI_NIDENT || memcmp(p, ELFMAG, SELFMAG) != 0)
        return cursor_fail(0, err, "not an ELF file: it does not start with \\177ELF");
    if (p[EI_CLASS] != ELFCLASS32 && p[EI_CLASS] != ELFCLASS64)
        return cursor_fail(EI_CLASS, err, "an ELF file of the unknown class %u", p[EI_CLASS]);
    if (p[EI_DATA] != ELFDATA2LSB)
        return cursor_fail(EI_DATA, err, "not a little-endian ELF file");
    if (p[EI_VERSION] != EV_CURRENT)
        return cursor_fail(EI_VERSION, err, "an ELF file of the unknown version %u", p[EI_VERSION]);
    wide = p[EI_CLASS] == ELFCLASS64;
    if (img->len < (wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
        return cursor_fail(img->len, err, "the ELF header is cut off");
    if (wide) {
        memcpy(&e, p, sizeof e);
    } else {
        Elf32_Ehdr n;
        memcpy(&n, p, sizeof n);
        e = (Elf64_Ehdr){.e_shoff = n.e_shoff,
                         .e_phoff = n.e_phoff,
                         .e_shnum = n.e_shnum,
                         .e_phnum = n.e_phnum,
                         .e_shentsize = n.e_shentsize,
                         .e_phentsize = n.e_phentsize,
                         .e_shstrndx = n.e_shstrndx};
    }
    size_t sh_size = wide ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
    size_t ph_size = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    uint64_t count = e.e_shnum;
    img->names = e.e_shstrndx;
    if (e.e_shoff != 0) {
        /* More than fits in 16 bits stands in the first section header. */
        if (check_table(img, e.e_shoff, 1, e.e_shentsize, sh_size, "section headers", err) < 0)
            return -1;
        if (wide) {
            memcpy(&first, p + e.e_shoff, sizeof first);
        } else {
            Elf32_Shdr n;
            memcpy(&n, p + e.e_shoff, sizeof n);
            first.sh_size = n.sh_size;
            first.sh_link = n.sh_link;
        }
        if (count == 0)
            count = first.sh_size;
        if (img->names == SHN_XINDEX)
            img->names = first.sh_link;
    } else if (count != 0) {
        return cursor_fail(0, err, "sections without section headers");
    }
    if (count > MAX_SECTIONS)
        return cursor_fail((size_t)e.e_shoff, err, "%llu sections; at most %d are allowed", (unsigned long long)count,
                           MAX_SECTIONS);
    if (check_table(img, e.e_shoff, count, e.e_shentsize, sh_size, "section headers", err) < 0)
        return -1;
    if (e.e_phnum > MAX_SEGMENTS)
        return cursor_fail((size_t)e.e_phoff, err, "more than %d segments", MAX_SEGMENTS);
    if (check_table(img, e.e_phoff, e.e_phnum, e.e_phentsize, ph_size, "program headers", err) < 0)
        return -1;
    img->section_count = (size_t)count;
    img->segment_count = e.e_phnum;
    return 0;
}

int elf_image_open(struct elf_image *img, const uint8_t *data, size_t len, struct err *err)
{
    size_t sections = 0;

    *img = (struct elf_image){.data = data, .len = len, .budget = 4 * len + (1 << 20)};
    if (check_header(img, err) < 0)
        return -1;
    if (elf_version(EV_CURRENT) == EV_NONE)
        return err_set(err, ERR_INTERNAL, "libelf is too old");
    img->elf = elf_memory((char *)(uintptr_t)data, len); /* only read: the mapping is read-only */
    if (!img->elf || elf_kind(img->elf) != ELF_K_ELF || !gelf_getehdr(img->elf, &img->head) ||
        elf_getshdrnum(img->elf, &sections) < 0 || sections != img->section_count)
        return cursor_fail(0, err, "not an ELF file that libelf can read");
    img->sections = mem_alloc(img->section_count * sizeof *img->sections);
    for (size_t i = 0; i < img->section_count; i++) {
        Elf_Scn *scn = elf_getscn(img->elf, i);
        if (!scn || !gelf_getshdr(scn, &img->sections[i]))
            return cursor_fail((size_t)img->head.e_shoff, err, "section header %zu cannot be read", i);
    }
    img->segments = mem_alloc(img->segment_count * sizeof *img->segments);
    for (size_t i = 0; i < img->segment_count; i++)
        if (!gelf_getphdr(img->elf, (int)i, &img->segments[i]))
            return cursor_fail((size_t)img->head.e_phoff, err, "program header %zu cannot be read", i);
    return 0;
}

const GElf_Phdr *elf_segment_of(const struct elf_image *img, uint32_t type)
{
    for (size_t i = 0; i < img->segment_count; i++)
        if (img->segments[i].p_type == type)
            return &img->segments[i];
    return NULL;
}

const GElf_Shdr *elf_section_of(const struct elf_image *img, uint32_t type)
{
    for (size_t i = 1; i < img->section_count; i++)
        if (img->sections[i].sh_type == type)
            return &img->sections[i];
    return NULL;
}
