/* elf.c - see elf.h. */
#include "inspect/elf.h"

#include "base/buf.h"
#include "inspect/cursor.h"
#include "inspect/elf_fs.h"
#include "inspect/elf_image.h"
#include "inspect/elf_names.h"
#include "inspect/elf_sizes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SYMBOLS 2000000
#define MAX_COMMENT 16384   /* bytes of .comment that are read */
#define MAX_VERSIONS 100000 /* steps through the versions needed */

/* Relocation types are numbers below this on the machines whose names we know. */
#define RELOC_TYPES 1280

#define TYPE_RELR 19 /* SHT_RELR, newer than the elf.h of some systems */

struct tally {
    uint64_t by_type[RELOC_TYPES];
    uint64_t others, relr;
};

/* What PT_DYNAMIC says. */
struct dynamic {
    bool present;
    size_t strings, strings_size; /* in the file */
    cJSON *needed;
    size_t soname, runpath, rpath; /* offsets in strings plus 1, 0 if absent */
    uint64_t flags, flags_1;
    uint64_t verneed, verneed_count;
};

/* --- symbols and relocations --- */
void elf_symbols_free(struct elf_symbols *s)
{
    free(s->at);
    *s = (struct elf_symbols){0};
}

static int read_symbols(struct elf_image *img, const GElf_Shdr *table, struct elf_symbols *syms, struct err *err)
{
    size_t each = gelf_fsize(img->elf, ELF_T_SYM, 1, EV_CURRENT);
    Elf_Data *d = elf_chunk(img, table->sh_offset, table->sh_size, ELF_T_SYM, "the symbol table", err);
    GElf_Sym sym;

    if (!d)
        return -1;
    for (size_t i = 1; i < d->d_size / each && gelf_getsym(d, (int)i, &sym); i++) {
        size_t len;
        if (GELF_ST_BIND(sym.st_info) == STB_LOCAL)
            continue;
        const char *name = elf_section_string(img, table->sh_link, sym.st_name, &len);
        if (len == 0 || len > UINT32_MAX)
            continue;
        if (syms->len >= MAX_SYMBOLS)
            return cursor_fail((size_t)table->sh_offset, err, "more than %d symbols", MAX_SYMBOLS);
        if (syms->len == syms->cap) {
            syms->cap = syms->cap ? 2 * syms->cap : 256;
            syms->at = mem_resize(syms->at, syms->cap * sizeof *syms->at);
        }
        bool repeatable = GELF_ST_BIND(sym.st_info) != STB_GLOBAL || sym.st_shndx == SHN_COMMON;
        syms->at[syms->len++] = (struct elf_symbol){
            .name = name,
            .len = (uint32_t)len,
            .kind = sym.st_shndx == SHN_UNDEF ? ELF_SYMBOL_UNDEFINED
                    : repeatable              ? ELF_SYMBOL_WEAK
                                              : ELF_SYMBOL_DEFINED,
        };
    }
    return 0;
}

static int read_relocations(struct elf_image *img, struct tally *t, struct err *err)
{
    for (size_t i = 1; i < img->section_count; i++) {
        const GElf_Shdr *s = &img->sections[i];
        bool rela = s->sh_type == SHT_RELA;
        if (s->sh_type == TYPE_RELR)
            t->relr += s->sh_size / (img->head.e_ident[EI_CLASS] == ELFCLASS64 ? 8 : 4);
        if (!rela && s->sh_type != SHT_REL)
            continue;
        Elf_Type type = rela ? ELF_T_RELA : ELF_T_REL;
        size_t each = gelf_fsize(img->elf, type, 1, EV_CURRENT);
        Elf_Data *d = elf_chunk(img, s->sh_offset, s->sh_size, type, "a relocation section", err);
        if (!d)
            return -1;
        for (size_t k = 0; k < d->d_size / each; k++) {
            GElf_Rela a;
            GElf_Rel r;
            if (rela ? !gelf_getrela(d, (int)k, &a) : !gelf_getrel(d, (int)k, &r))
                break;
            uint64_t what = GELF_R_TYPE(rela ? a.r_info : r.r_info);
            if (what < RELOC_TYPES)
                t->by_type[what]++;
            else
                t->others++;
        }
    }
    return 0;
}

static void add_count(cJSON *obj, const char *key, uint64_t n)
{
    cJSON *old = cJSON_GetObjectItemCaseSensitive(obj, key);

    if (old)
        cJSON_SetNumberValue(old, cJSON_GetNumberValue(old) + (double)n);
    else
        json_put_int(obj, key, (int64_t)n);
}

static void put_relocations(cJSON *obj, const struct elf_image *img, const struct tally *t, bool only_tls)
{
    char text[ELF_NAME_SIZE];

    for (unsigned i = 0; i < RELOC_TYPES; i++)
        if (t->by_type[i] && (!only_tls || elf_reloc_tls(img->head.e_machine, i) != ELF_TLS_NONE))
            add_count(obj, elf_reloc_name(img->head.e_machine, i, text), t->by_type[i]);
    if (t->others && !only_tls)
        add_count(obj, "others", t->others);
    if (t->relr && !only_tls)
        add_count(obj, "RELR", t->relr);
}

/* --- what the loader sees --- */

/* Where in the file the address is; *ret_left: bytes of its segment from there. */
static int file_offset(const struct elf_image *img, uint64_t address, size_t *ret, size_t *ret_left)
{
    for (size_t i = 0; i < img->segment_count; i++) {
        const GElf_Phdr *p = &img->segments[i];
        if (p->p_type != PT_LOAD || address < p->p_vaddr || address - p->p_vaddr >= p->p_filesz)
            continue;
        uint64_t in = address - p->p_vaddr;
        if (p->p_offset > img->len || in >= img->len - p->p_offset)
            return -1;
        uint64_t left = p->p_filesz - in, most = img->len - p->p_offset - in;
        *ret = (size_t)(p->p_offset + in);
        *ret_left = (size_t)(left < most ? left : most);
        return 0;
    }
    return -1;
}

static int read_dynamic(struct elf_image *img, struct dynamic *dyn, struct report *r, struct err *err)
{
    const GElf_Phdr *p = elf_segment_of(img, PT_DYNAMIC);
    size_t each = gelf_fsize(img->elf, ELF_T_DYN, 1, EV_CURRENT), strings_left = 0;
    uint64_t strings = 0, size = 0;
    GElf_Dyn d;

    if (!p || p->p_filesz == 0)
        return 0;
    Elf_Data *data = elf_chunk(img, p->p_offset, p->p_filesz, ELF_T_DYN, "the dynamic segment", err);
    if (!data)
        return -1;
    dyn->present = true;
    size_t n = data->d_size / each;
    for (size_t i = 0; i < n && gelf_getdyn(data, (int)i, &d) && d.d_tag != DT_NULL; i++)
        switch (d.d_tag) {
        case DT_STRTAB:
            strings = d.d_un.d_ptr;
            break;
        case DT_STRSZ:
            size = d.d_un.d_val;
            break;
        case DT_SONAME:
            dyn->soname = d.d_un.d_val + 1;
            break;
        case DT_RUNPATH:
            dyn->runpath = d.d_un.d_val + 1;
            break;
        case DT_RPATH:
            dyn->rpath = d.d_un.d_val + 1;
            break;
        case DT_FLAGS:
            dyn->flags |= d.d_un.d_val;
            break;
        case DT_BIND_NOW:
            dyn->flags |= DF_BIND_NOW;
            break;
        case DT_FLAGS_1:
            dyn->flags_1 = d.d_un.d_val;
            break;
        case DT_VERNEED:
            dyn->verneed = d.d_un.d_ptr;
            break;
        case DT_VERNEEDNUM:
            dyn->verneed_count = d.d_un.d_val;
            break;
        default:
            break;
        }
    if (strings && file_offset(img, strings, &dyn->strings, &strings_left) == 0)
        dyn->strings_size = size < strings_left ? (size_t)size : strings_left;
    for (size_t i = 0; i < n && gelf_getdyn(data, (int)i, &d) && d.d_tag != DT_NULL; i++) {
        if (d.d_tag != DT_NEEDED)
            continue;
        size_t len;
        const char *name = elf_string_at(img, dyn->strings, dyn->strings_size, d.d_un.d_val, &len);
        report_list_name(r, dyn->needed, name, len);
    }
    return 0;
}

static void put_dynamic_string(cJSON *root, const char *key, const struct elf_image *img, const struct dynamic *dyn,
                               size_t index)
{
    size_t len;

    if (index == 0) {
        cJSON_AddNullToObject(root, key);
        return;
    }
    const char *s = elf_string_at(img, dyn->strings, dyn->strings_size, index - 1, &len);
    report_name(root, key, s, len);
}

/* "GLIBC_2.34" as 2, 34, 0; false if it is no version (GLIBC_PRIVATE). */
static bool glibc_version(const char *s, size_t len, unsigned ret[3])
{
    size_t i = 6;

    if (len < 7 || len > 24 || memcmp(s, "GLIBC_", 6) != 0)
        return false;
    for (int part = 0; part < 3; part++) {
        ret[part] = 0;
        if (i == len)
            continue;
        if (part > 0 && s[i++] != '.')
            return false;
        size_t start = i;
        for (; i < len && i < start + 6 && s[i] >= '0' && s[i] <= '9'; i++)
            ret[part] = 10 * ret[part] + (unsigned)(s[i] - '0');
        if (i == start)
            return false;
    }
    return i == len;
}

static int put_libc_floor(struct elf_image *img, const struct dynamic *dyn, cJSON *root, struct err *err)
{
    unsigned best[3] = {0}, v[3];
    char text[32] = "";
    size_t at, left, len, steps = 0;
    Elf_Data *d = NULL;
    GElf_Verneed need;
    GElf_Vernaux aux;

    if (dyn->verneed && file_offset(img, dyn->verneed, &at, &left) == 0) {
        d = elf_chunk(img, at, left, ELF_T_VNEED, "the versions needed", err);
        if (!d)
            return -1;
    }
    for (uint64_t i = 0, pos = 0; d && i < dyn->verneed_count; i++) {
        if (pos > INT32_MAX || ++steps > MAX_VERSIONS || !gelf_getverneed(d, (int)pos, &need))
            break;
        uint64_t aux_pos = pos + need.vn_aux;
        for (unsigned k = 0; k < need.vn_cnt; k++) {
            if (aux_pos > INT32_MAX || ++steps > MAX_VERSIONS || !gelf_getvernaux(d, (int)aux_pos, &aux))
                break;
            const char *name = elf_string_at(img, dyn->strings, dyn->strings_size, aux.vna_name, &len);
            if (glibc_version(name, len, v) && memcmp(v, best, sizeof v) != 0 &&
                (v[0] != best[0]   ? v[0] > best[0]
                 : v[1] != best[1] ? v[1] > best[1]
                                   : v[2] > best[2])) {
                memcpy(best, v, sizeof best);
                snprintf(text, sizeof text, "%.*s", (int)len, name);
            }
            if (aux.vna_next == 0)
                break;
            aux_pos += aux.vna_next;
        }
        if (need.vn_next == 0)
            break;
        pos += need.vn_next;
    }
    json_put_str(root, "libc_floor", *text ? text : NULL);
    return 0;
}

/* The build id of one run of notes, as hex; the caller owns it. NULL: there is none. */
static char *build_id_in(Elf_Data *d)
{
    GElf_Nhdr note;
    size_t name, desc;

    for (size_t pos = 0, next; d && (next = gelf_getnote(d, pos, &note, &name, &desc)) > pos; pos = next) {
        if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 || note.n_descsz > 64 ||
            memcmp((const char *)d->d_buf + name, "GNU", 4) != 0)
            continue;
        struct buf hex = {0};
        for (size_t i = 0; i < note.n_descsz; i++)
            buf_printf(&hex, "%02x", ((const uint8_t *)d->d_buf)[desc + i]);
        return buf_steal(&hex);
    }
    return NULL;
}

static void put_build_id(struct elf_image *img, cJSON *root)
{
    AUTO(char_p) char *id = NULL;

    for (size_t i = 0; i < img->segment_count && !id; i++) {
        const GElf_Phdr *p = &img->segments[i];
        if (p->p_type == PT_NOTE)
            id = build_id_in(
                elf_chunk(img, p->p_offset, p->p_filesz, p->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR, "notes", NULL));
    }
    for (size_t i = 1; i < img->section_count && !id; i++) {
        const GElf_Shdr *s = &img->sections[i];
        if (s->sh_type == SHT_NOTE)
            id = build_id_in(elf_chunk(img, s->sh_offset, s->sh_size, s->sh_addralign == 8 ? ELF_T_NHDR8 : ELF_T_NHDR,
                                       "notes", NULL));
    }
    json_put_str(root, "build_id", id);
}

/* --- the report --- */
static const char *type_name(const struct elf_image *img)
{
    switch (img->head.e_type) {
    case ET_EXEC:
        return "exec";
    case ET_DYN:
        return "dyn";
    case ET_REL:
        return "rel";
    case ET_CORE:
        return "core";
    default:
        return NULL;
    }
}

static void put_sections(const struct elf_image *img, struct report *r)
{
    cJSON *list = cJSON_AddArrayToObject(r->root, "sections");
    uint64_t text = 0, data = 0, bss = 0;
    bool debug = false;

    for (size_t i = 1; i < img->section_count; i++) {
        const GElf_Shdr *s = &img->sections[i];
        char type[ELF_NAME_SIZE];
        size_t len;
        const char *name = elf_section_string(img, img->names, s->sh_name, &len);
        if (s->sh_flags & SHF_ALLOC) {
            /* The Berkeley format of `size`: what is not writable is text. */
            if (s->sh_flags & SHF_EXECINSTR || !(s->sh_flags & SHF_WRITE))
                text += s->sh_size;
            else if (s->sh_type != SHT_NOBITS)
                data += s->sh_size;
            else
                bss += s->sh_size;
        }
        debug |= elf_section_is(img, s, ".debug_info") || elf_section_is(img, s, ".zdebug_info");
        if (!report_room(r, list, report_bytes(len)))
            continue;
        cJSON *item = cJSON_CreateObject();
        report_name(item, "name", name, len);
        json_put_int(item, "size", (int64_t)s->sh_size);
        cJSON_AddStringToObject(item, "type", elf_section_type_name(s->sh_type, type));
        cJSON_AddItemToArray(list, item);
    }
    json_put_int(r->root, "text_size", (int64_t)text);
    json_put_int(r->root, "data_size", (int64_t)data);
    json_put_int(r->root, "bss_size", (int64_t)bss);
    cJSON_AddBoolToObject(r->root, "debug_info", debug);
    cJSON_AddBoolToObject(r->root, "stripped", !elf_section_of(img, SHT_SYMTAB));
}

static int put_symbols(struct elf_image *img, struct report *r, struct err *err)
{
    const GElf_Shdr *table = elf_section_of(img, img->head.e_type == ET_REL ? SHT_SYMTAB : SHT_DYNSYM);
    cJSON *exports = cJSON_AddArrayToObject(r->root, "exports");
    cJSON *undefined = cJSON_AddArrayToObject(r->root, "undefined");
    struct elf_symbols syms = {0};
    int result = table ? read_symbols(img, table, &syms, err) : 0;

    for (size_t i = 0; i < syms.len && result == 0; i++)
        report_list_name(r, syms.at[i].kind == ELF_SYMBOL_UNDEFINED ? undefined : exports, syms.at[i].name,
                         syms.at[i].len);
    elf_symbols_free(&syms);
    return result;
}

/* Symbols of thread-local storage in both tables, undefined and local ones too. */
static int put_tls_symbols(struct elf_image *img, cJSON *root, struct err *err)
{
    static const uint32_t tables[] = {SHT_SYMTAB, SHT_DYNSYM};
    size_t each = gelf_fsize(img->elf, ELF_T_SYM, 1, EV_CURRENT);
    int64_t count = 0;
    GElf_Sym sym;

    for (size_t t = 0; t < COUNT(tables); t++) {
        const GElf_Shdr *table = elf_section_of(img, tables[t]);
        Elf_Data *d =
            table ? elf_chunk(img, table->sh_offset, table->sh_size, ELF_T_SYM, "the symbol table", err) : NULL;
        if (table && !d)
            return -1;
        for (size_t i = 1; d && i < d->d_size / each && gelf_getsym(d, (int)i, &sym); i++)
            count += GELF_ST_TYPE(sym.st_info) == STT_TLS;
    }
    json_put_int(root, "tls_symbols", count);
    return 0;
}

/* *ret: is there any? */
static void put_tls(const struct elf_image *img, cJSON *root, bool *ret)
{
    const GElf_Phdr *p = elf_segment_of(img, PT_TLS);
    uint64_t size = p ? p->p_memsz : 0, align = p ? p->p_align : 0;
    bool any = p;

    for (size_t i = 1; i < img->section_count && img->head.e_type == ET_REL; i++) {
        const GElf_Shdr *s = &img->sections[i];
        if (!(s->sh_flags & SHF_TLS))
            continue;
        any = true;
        size += s->sh_size;
        align = s->sh_addralign > align ? s->sh_addralign : align;
    }
    *ret = any;
    if (!any) {
        cJSON_AddNullToObject(root, "tls");
        return;
    }
    cJSON *tls = cJSON_AddObjectToObject(root, "tls");
    json_put_int(tls, "size", (int64_t)size);
    json_put_int(tls, "align", (int64_t)align);
}

static void mark_models(const struct elf_image *img, const struct tally *t, bool models[ELF_TLS_MODELS])
{
    for (unsigned i = 0; i < RELOC_TYPES; i++)
        if (t->by_type[i])
            models[elf_reloc_tls(img->head.e_machine, i)] = true;
}

/* Those that the list does not have yet. */
static void put_models(cJSON *list, const bool models[ELF_TLS_MODELS])
{
    const cJSON *v;

    for (int i = ELF_TLS_NONE + 1; i < ELF_TLS_MODELS; i++) {
        const char *name = elf_tls_name((enum elf_tls)i);
        bool there = !models[i];
        cJSON_ArrayForEach(v, list) there |= strcmp(v->valuestring, name) == 0;
        if (!there)
            cJSON_AddItemToArray(list, cJSON_CreateString(name));
    }
}

static int put_relocations_and_tls(struct elf_image *img, const struct dynamic *dyn, bool executable, struct report *r,
                                   struct err *err)
{
    struct tally tally = {0};
    bool models[ELF_TLS_MODELS] = {false}, any = false, has_tls;

    if (read_relocations(img, &tally, err) < 0 || put_tls_symbols(img, r->root, err) < 0)
        return -1;
    put_relocations(cJSON_AddObjectToObject(r->root, "relocations"), img, &tally, false);
    put_tls(img, r->root, &has_tls);
    mark_models(img, &tally, models);
    if (dyn->flags & DF_STATIC_TLS)
        models[ELF_TLS_INITIAL_EXEC] = true;
    for (int i = ELF_TLS_NONE + 1; i < ELF_TLS_MODELS; i++)
        any |= models[i];
    if (has_tls && !any && executable)
        models[ELF_TLS_LOCAL_EXEC] = true;
    put_models(cJSON_AddArrayToObject(r->root, "tls_model"), models);
    return 0;
}

/* How many there are in the symbol table, less the empty one; null: it was stripped. */
static void put_symbol_count(const struct elf_image *img, cJSON *root)
{
    const GElf_Shdr *table = elf_section_of(img, SHT_SYMTAB);

    if (!table) {
        cJSON_AddNullToObject(root, "symbols");
        return;
    }
    uint64_t n = table->sh_size / gelf_fsize(img->elf, ELF_T_SYM, 1, EV_CURRENT);
    json_put_int(root, "symbols", (int64_t)(n > 0 ? n - 1 : 0));
}

/* The texts that compilers leave in .comment. */
static void put_producers(const struct elf_image *img, struct report *r)
{
    cJSON *list = cJSON_AddArrayToObject(r->root, "producers");
    size_t len;

    for (size_t i = 1; i < img->section_count; i++) {
        const GElf_Shdr *s = &img->sections[i];
        if (s->sh_type != SHT_PROGBITS || !elf_section_is(img, s, ".comment"))
            continue;
        for (uint64_t at = 0; at < s->sh_size && at < MAX_COMMENT; at += len + 1) {
            const char *text = elf_string_at(img, s->sh_offset, s->sh_size, at, &len);
            if (len > 0)
                report_list_name(r, list, text, len);
        }
        break;
    }
}

static int put_sizes(struct elf_image *img, struct report *r, struct err *err)
{
    struct elf_sizes sizes = {.has_symbols = false};
    int result = elf_sizes_add(&sizes, img, err);

    if (result == 0)
        elf_sizes_put(&sizes, img->len, r);
    elf_sizes_free(&sizes);
    return result;
}

static bool executable_stack(const struct elf_image *img)
{
    const GElf_Phdr *p = elf_segment_of(img, PT_GNU_STACK);

    if (p)
        return p->p_flags & PF_X;
    for (size_t i = 1; i < img->section_count && img->head.e_type == ET_REL; i++)
        if (elf_section_is(img, &img->sections[i], ".note.GNU-stack"))
            return img->sections[i].sh_flags & SHF_EXECINSTR;
    return false;
}

static int put_all(struct elf_image *img, struct report *r, struct err *err)
{
    const GElf_Phdr *interp = elf_segment_of(img, PT_INTERP);
    struct dynamic dyn = {0};
    char machine[ELF_NAME_SIZE], entry[24];
    cJSON *root = r->root;
    size_t len = 0;

    if (!type_name(img))
        return cursor_fail(16, err, "an ELF file of the unknown type %u", img->head.e_type);
    json_put_int(root, "class", img->head.e_ident[EI_CLASS] == ELFCLASS64 ? 64 : 32);
    json_put_str(root, "machine", elf_machine_name(img->head.e_machine, machine));
    json_put_str(root, "type", type_name(img));
    snprintf(entry, sizeof entry, "0x%llx", (unsigned long long)img->head.e_entry);
    json_put_str(root, "entry", img->head.e_entry ? entry : NULL);
    dyn.needed = cJSON_AddArrayToObject(root, "needed");
    if (read_dynamic(img, &dyn, r, err) < 0)
        return -1;
    bool alone = !interp && cJSON_GetArraySize(dyn.needed) == 0;
    bool pie = img->head.e_type == ET_DYN && (interp || dyn.flags_1 & DF_1_PIE);
    bool executable = img->head.e_type == ET_EXEC || pie;
    cJSON_AddBoolToObject(root, "static", executable && alone);
    cJSON_AddBoolToObject(root, "static_pie", pie && alone);
    cJSON_AddBoolToObject(root, "pie", pie);
    if (interp) {
        if (interp->p_offset > img->len || interp->p_filesz > img->len - interp->p_offset)
            return cursor_fail(img->len, err, "the interpreter's name goes beyond the end of the file");
        const char *s = elf_string_at(img, (size_t)interp->p_offset, (size_t)interp->p_filesz, 0, &len);
        report_name(root, "interp", s, len);
    } else {
        cJSON_AddNullToObject(root, "interp");
    }
    put_dynamic_string(root, "soname", img, &dyn, dyn.soname);
    put_dynamic_string(root, "runpath", img, &dyn, dyn.runpath ? dyn.runpath : dyn.rpath);
    put_build_id(img, root);
    put_sections(img, r);
    if (put_symbols(img, r, err) < 0 || put_relocations_and_tls(img, &dyn, executable, r, err) < 0 ||
        put_libc_floor(img, &dyn, root, err) < 0 || elf_fs_put(img, r, err) < 0 || put_sizes(img, r, err) < 0)
        return -1;
    put_symbol_count(img, root);
    put_producers(img, r);
    cJSON_AddBoolToObject(root, "executable_stack", executable_stack(img));
    bool now = dyn.flags & DF_BIND_NOW || dyn.flags_1 & DF_1_NOW;
    /* Without a dynamic segment there is nothing that could be bound later. */
    json_put_str(root, "relro", !elf_segment_of(img, PT_GNU_RELRO) ? "none" : now || !dyn.present ? "full" : "partial");
    return 0;
}

bool elf_matches(const uint8_t *data, size_t len)
{
    return len >= SELFMAG && memcmp(data, ELFMAG, SELFMAG) == 0;
}

int elf_inspect(const uint8_t *data, size_t len, struct report *r, struct err *err)
{
    struct elf_image img;
    int result = elf_image_open(&img, data, len, err);

    if (result == 0)
        result = put_all(&img, r, err);
    elf_image_clear(&img);
    return result;
}

int elf_object_read(const uint8_t *data, size_t len, struct elf_symbols *syms, struct elf_sizes *sizes, cJSON *tls,
                    cJSON *tls_model, cJSON *machines, struct err *err)
{
    struct tally tally = {0};
    bool models[ELF_TLS_MODELS] = {false};
    struct elf_image img;
    char text[ELF_NAME_SIZE];
    int result = elf_image_open(&img, data, len, err);

    if (result == 0) {
        const char *machine = elf_machine_name(img.head.e_machine, text);
        const GElf_Shdr *table = elf_section_of(&img, SHT_SYMTAB);
        cJSON *known;
        int n = 0;
        cJSON_ArrayForEach(known, machines)
        {
            if (strcmp(known->valuestring, machine) == 0)
                break;
            n++;
        }
        if (!known && n < 16)
            cJSON_AddItemToArray(machines, cJSON_CreateString(machine));
        if (table)
            result = read_symbols(&img, table, syms, err);
        if (result == 0)
            result = read_relocations(&img, &tally, err);
        if (result == 0) {
            put_relocations(tls, &img, &tally, true);
            mark_models(&img, &tally, models);
            put_models(tls_model, models);
        }
        if (result == 0)
            result = elf_sizes_add(sizes, &img, err);
    }
    elf_image_clear(&img);
    return result;
}
