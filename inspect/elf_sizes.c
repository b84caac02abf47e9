/* elf_sizes.c - see elf_sizes.h. */
#include "inspect/elf_sizes.h"

#include "inspect/cursor.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SPANS 2000000

/* Bytes of a section or of a file, and whose they are. */
struct span {
    uint64_t start, size;
    const char *name;
    uint32_t len, section;
    uint32_t order; /* in its table */
};

struct spans {
    struct span *at;
    size_t len, cap;
};

void elf_sizes_free(struct elf_sizes *s)
{
    sizes_free(&s->sizes);
}

static void add_span(struct spans *s, const struct span *add)
{
    if (s->len == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 256;
        s->at = mem_resize(s->at, s->cap * sizeof *s->at);
    }
    s->at[s->len] = *add;
    s->at[s->len].order = (uint32_t)s->len;
    s->len++;
}

/* By place; of several names for one place the longest comes first, then the first in the table. */
static int compare(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    if (x->section != y->section)
        return x->section < y->section ? -1 : 1;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* The bytes of the sorted span i that no span before it has; *end: where those end. */
static uint64_t own_bytes(const struct spans *s, size_t i, uint64_t *end)
{
    const struct span *x = &s->at[i];
    uint64_t start = x->start, stop = x->start + x->size;

    if (i == 0 || s->at[i - 1].section != x->section)
        *end = 0;
    if (start < *end)
        start = *end;
    if (stop <= start)
        return 0;
    *end = stop;
    return stop - start;
}

/* Compilers make a section of each function and variable of an object: those are one, up to the second dot. */
static size_t stem(const struct elf_image *img, const char *name, size_t len)
{
    const char *dot = len > 1 && name[0] == '.' && img->head.e_type == ET_REL ? memchr(name + 1, '.', len - 1) : NULL;

    return dot ? (size_t)(dot - name) : len;
}

static bool in_file(const struct elf_image *img, const GElf_Shdr *s)
{
    return s->sh_type != SHT_NULL && s->sh_type != SHT_NOBITS && s->sh_offset <= img->len &&
           s->sh_size <= img->len - s->sh_offset;
}

static bool is_code(const struct elf_image *img, const GElf_Shdr *s)
{
    return in_file(img, s) && s->sh_flags & SHF_ALLOC && s->sh_flags & SHF_EXECINSTR;
}

static void add_sections(struct elf_sizes *sizes, const struct elf_image *img)
{
    struct spans spans = {0};
    uint64_t end = 0;

    for (size_t i = 1; i < img->section_count; i++) {
        const GElf_Shdr *s = &img->sections[i];
        size_t len;
        if (!in_file(img, s) || s->sh_size == 0)
            continue;
        if (is_code(img, s))
            sizes->sizes.code_bytes += s->sh_size;
        const char *name = elf_section_string(img, img->names, s->sh_name, &len);
        struct span span = {.start = s->sh_offset, .size = s->sh_size, .name = name};
        span.len = (uint32_t)stem(img, name, len);
        add_span(&spans, &span);
    }
    if (spans.len > 0)
        qsort(spans.at, spans.len, sizeof *spans.at, compare);
    for (size_t i = 0; i < spans.len; i++)
        sizes_add(&sizes->sizes.sections, spans.at[i].name, spans.at[i].len, own_bytes(&spans, i, &end), 1);
    free(spans.at);
}

/* The place of a symbol in its section; false: it has none there. */
static bool place(const struct elf_image *img, const GElf_Sym *sym, struct span *ret)
{
    /* Numbers of sections from 65,280 on stand in a table of their own: what is there counts as "(none)". */
    if (sym->st_shndx == SHN_UNDEF || sym->st_shndx >= SHN_LORESERVE || sym->st_shndx >= img->section_count)
        return false;
    const GElf_Shdr *s = &img->sections[sym->st_shndx];
    const GElf_Phdr *tls = GELF_ST_TYPE(sym->st_info) == STT_TLS ? elf_segment_of(img, PT_TLS) : NULL;
    /* An object's symbols are relative to their section, and a program's thread-local ones to their segment. */
    uint64_t start = sym->st_value;
    if (img->head.e_machine == EM_ARM && GELF_ST_TYPE(sym->st_info) == STT_FUNC)
        start &= ~UINT64_C(1); /* says that it is Thumb code */
    if (img->head.e_type != ET_REL)
        start += (tls ? tls->p_vaddr : 0) - s->sh_addr;
    if (sym->st_size == 0 || start > s->sh_size || sym->st_size > s->sh_size - start)
        return false;
    ret->section = sym->st_shndx;
    ret->start = start;
    ret->size = sym->st_size;
    return true;
}

static void add_data(struct elf_sizes *sizes, struct spans *spans)
{
    if (spans->len > 0)
        qsort(spans->at, spans->len, sizeof *spans->at, compare);
    for (size_t i = 0; i < spans->len; i++) {
        const struct span *x = &spans->at[i], *last = i > 0 ? x - 1 : NULL;
        const struct sizes_piece piece = {.name = x->name, .len = x->len, .bytes = x->size};
        if (!last || last->section != x->section || last->start != x->start)
            sizes_top_add(&sizes->data, &piece);
    }
}

static void add_functions(struct elf_sizes *sizes, struct spans *spans)
{
    uint64_t end = 0;

    if (spans->len > 0)
        qsort(spans->at, spans->len, sizeof *spans->at, compare);
    for (size_t i = 0; i < spans->len; i++) {
        const struct span *x = &spans->at[i];
        uint64_t bytes = own_bytes(spans, i, &end);
        if (bytes > 0)
            sizes_add_function(&sizes->sizes, x->name, x->len, bytes, x->size);
    }
}

static int add_symbols(struct elf_sizes *sizes, struct elf_image *img, const GElf_Shdr *table, struct err *err)
{
    size_t each = gelf_fsize(img->elf, ELF_T_SYM, 1, EV_CURRENT);
    Elf_Data *d = elf_chunk(img, table->sh_offset, table->sh_size, ELF_T_SYM, "the symbol table", err);
    struct spans functions = {0}, data = {0};
    GElf_Sym sym;
    int result = 0;

    if (!d)
        return -1;
    for (size_t i = 1; i < d->d_size / each && gelf_getsym(d, (int)i, &sym); i++) {
        struct span span = {.start = 0};
        unsigned type = GELF_ST_TYPE(sym.st_info);
        size_t len;
        bool function = type == STT_FUNC || type == STT_GNU_IFUNC;
        if ((!function && type != STT_OBJECT && type != STT_TLS) || !place(img, &sym, &span))
            continue;
        if (function != is_code(img, &img->sections[span.section]))
            continue;
        span.name = elf_section_string(img, table->sh_link, sym.st_name, &len);
        if (len == 0 || len > UINT32_MAX)
            continue;
        span.len = (uint32_t)len;
        if (functions.len + data.len >= MAX_SPANS) {
            result = cursor_fail((size_t)table->sh_offset, err, "more than %d symbols with a size", MAX_SPANS);
            break;
        }
        add_span(function ? &functions : &data, &span);
    }
    if (result == 0) {
        add_functions(sizes, &functions);
        add_data(sizes, &data);
    }
    free(functions.at);
    free(data.at);
    return result;
}

int elf_sizes_add(struct elf_sizes *s, struct elf_image *img, struct err *err)
{
    const GElf_Shdr *table = elf_section_of(img, SHT_SYMTAB);

    add_sections(s, img);
    if (!table)
        return 0;
    s->has_symbols = true;
    return add_symbols(s, img, table, err);
}

cJSON *elf_sizes_put(struct elf_sizes *s, uint64_t file_bytes, struct report *r)
{
    cJSON *obj = sizes_put(&s->sizes, file_bytes, s->has_symbols, r);

    if (s->has_symbols) {
        sizes_put_top(&s->sizes.functions, true, obj, "largest_functions");
        sizes_put_top(&s->data, true, obj, "largest_data");
    } else {
        cJSON_AddNullToObject(obj, "largest_functions");
        cJSON_AddNullToObject(obj, "largest_data");
    }
    return obj;
}
