/* elf_parts.c - see elf_parts.h. */
#include "inspect/elf_parts.h"

#include "base/mem.h"
#include "inspect/elf_image.h"

#include <stdlib.h>

static int by_offset(const void *a, const void *b)
{
    const struct elf_part *x = a, *y = b;

    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->size > y->size) - (x->size < y->size);
}

static bool in_file(const GElf_Shdr *s, size_t len)
{
    return s->sh_type != SHT_NULL && s->sh_type != SHT_NOBITS && s->sh_size > 0 && s->sh_offset <= len &&
           s->sh_size <= len - s->sh_offset;
}

int elf_parts(const uint8_t *data, size_t len, struct elf_part **ret, size_t *ret_count, struct err *err)
{
    struct elf_image img = {0};
    size_t count = 0;

    int r = elf_image_open(&img, data, len, err);
    struct elf_part *all = mem_alloc((img.section_count + 1) * sizeof *all);
    for (size_t i = 0; r == 0 && i < img.section_count; i++) {
        const GElf_Shdr *s = &img.sections[i];
        if (!in_file(s, len))
            continue;
        struct elf_part *p = &all[count++];
        p->name = elf_section_string(&img, img.names, s->sh_name, &p->len);
        p->offset = s->sh_offset;
        p->size = s->sh_size;
    }
    qsort(all, count, sizeof *all, by_offset);
    elf_image_clear(&img);
    if (r < 0) {
        mem_free(all);
        return -1;
    }
    *ret = all;
    *ret_count = count;
    return 0;
}
