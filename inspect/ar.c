/* ar.c - see ar.h. */
#include "inspect/ar.h"

#include "inspect/cursor.h"
#include "inspect/elf.h"
#include "inspect/elf_sizes.h"
#include "inspect/symbol.h"
#include "inspect/wasm.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC "!<arch>\n"
#define THIN_MAGIC "!<thin>\n"
#define MAGIC_SIZE 8

/* A member's header: fields of text, padded with spaces. */
enum { NAME_AT = 0, NAME_SIZE = 16, SIZE_AT = 48, SIZE_SIZE = 10, END_AT = 58, HEADER_SIZE = 60 };

struct archive {
    struct ar_reader reader;
    struct report *report;
    struct elf_symbols symbols;
    struct elf_sizes sizes;
    struct sizes_table by_member;
    cJSON *members, *tls, *tls_model, *machines;
    int64_t count, elf, wasm, bitcode, rmeta, other;
};

/* A field of digits and trailing spaces. */
static int number(const uint8_t *p, size_t size, size_t at, uint64_t *ret, struct err *err)
{
    uint64_t v = 0;
    size_t i = 0;

    for (; i < size && p[i] >= '0' && p[i] <= '9'; i++)
        v = 10 * v + (uint64_t)(p[i] - '0');
    size_t digits = i;
    while (i < size && p[i] == ' ')
        i++;
    if (digits == 0 || i != size)
        return cursor_fail(at, err, "a member's header has a field that is not a number");
    *ret = v;
    return 0;
}

static bool name_is(const struct ar_member *m, const char *name)
{
    return m->name_len == strlen(name) && memcmp(m->name, name, m->name_len) == 0;
}

/* "/123": the name stands in the table of long names. */
static int gnu_long_name(const struct ar_reader *a, const uint8_t *field, size_t at, struct ar_member *m,
                         struct err *err)
{
    uint64_t offset = 0;

    if (number(field + 1, NAME_SIZE - 1, at + 1, &offset, err) < 0)
        return -1;
    if (!a->names || offset >= a->names_len)
        return cursor_fail(at, err, "a member's name is at %llu of a table of %zu bytes", (unsigned long long)offset,
                           a->names_len);
    m->name = a->names + offset;
    size_t n = 0;
    while (n < a->names_len - offset && m->name[n] != '\n' && m->name[n] != '\0')
        n++;
    if (n > 0 && m->name[n - 1] == '/')
        n--;
    m->name_len = n;
    return 0;
}

/* "#1/20": the name stands before the member's bytes, padded with NULs. */
static int bsd_long_name(const uint8_t *field, size_t at, struct ar_member *m, struct err *err)
{
    uint64_t n = 0;

    if (number(field + 3, NAME_SIZE - 3, at + 3, &n, err) < 0)
        return -1;
    if (n > m->len)
        return cursor_fail(at, err, "a member's name of %llu bytes is longer than the member", (unsigned long long)n);
    m->name = (const char *)m->data;
    m->name_len = strnlen(m->name, (size_t)n);
    m->data += n;
    m->len -= (size_t)n;
    return 0;
}

int ar_open(const uint8_t *data, size_t len, struct ar_reader *ret, struct err *err)
{
    *ret = (struct ar_reader){.file = {data, 0, len}};
    if (len >= MAGIC_SIZE && memcmp(data, THIN_MAGIC, MAGIC_SIZE) == 0)
        return cursor_fail(0, err, "a thin archive: its members are not in it");
    if (len < MAGIC_SIZE || memcmp(data, MAGIC, MAGIC_SIZE) != 0)
        return cursor_fail(0, err, "not an archive: it does not start with !<arch>");
    ret->file.pos = MAGIC_SIZE;
    return 0;
}

int ar_next(struct ar_reader *a, struct ar_member *ret, struct err *err)
{
    struct cursor *c = &a->file;
    size_t at = c->pos;
    const uint8_t *head;
    struct ar_member m = {.at = at};
    uint64_t size = 0;

    if (c->pos >= c->end)
        return AR_END;

    if (cursor_bytes(c, HEADER_SIZE, &head, "a member's header", err) < 0)
        return -1;
    if (head[END_AT] != '`' || head[END_AT + 1] != '\n')
        return cursor_fail(at + END_AT, err, "a member's header does not end with `\\n");
    if (number(head + SIZE_AT, SIZE_SIZE, at + SIZE_AT, &size, err) < 0 ||
        cursor_bytes(c, (size_t)size, &m.data, "a member", err) < 0)
        return -1;
    m.len = (size_t)size;
    if (c->pos % 2 == 1 && c->pos < c->end)
        c->pos++; /* members start at even offsets */

    const char *field = (const char *)head + NAME_AT;
    m.name = field;
    if (memcmp(field, "#1/", 3) == 0) {
        if (bsd_long_name(head, at, &m, err) < 0)
            return -1;
    } else if (field[0] == '/' && field[1] >= '0' && field[1] <= '9') {
        if (gnu_long_name(a, head, at, &m, err) < 0)
            return -1;
    } else {
        for (m.name_len = NAME_SIZE; m.name_len > 0 && field[m.name_len - 1] == ' '; m.name_len--)
            ;
        m.is_index = name_is(&m, "/") || name_is(&m, "/SYM64/") || name_is(&m, "//");
        if (name_is(&m, "//")) {
            a->names = (const char *)m.data;
            a->names_len = m.len;
        }
        if (!m.is_index && m.name_len > 1 && field[m.name_len - 1] == '/')
            m.name_len--;
    }
    m.is_index |= name_is(&m, "__.SYMDEF") || name_is(&m, "__.SYMDEF SORTED") || name_is(&m, "__.SYMDEF_64");
    *ret = m;
    return 0;
}

/* Whose the member is, by its name. */
static void sum_member(struct archive *a, const struct ar_member *m, bool rmeta)
{
    size_t len = 0;
    const char *crate = rmeta ? "(metadata)" : symbol_member_crate(m->name, m->name_len, &len);

    if (!crate)
        crate = "(other objects)";
    sizes_add(&a->by_member, crate, len ? len : strlen(crate), m->len, 1);
}

static int add_member(struct archive *a, const struct ar_member *m, struct err *err)
{
    a->count++;
    if (report_room(a->report, a->members, report_bytes(m->name_len))) {
        cJSON *item = cJSON_CreateObject();
        report_name(item, "name", m->name, m->name_len);
        json_put_int(item, "size", (int64_t)m->len);
        cJSON_AddItemToArray(a->members, item);
    }
    bool rmeta = m->name_len >= 6 && memcmp(m->name + m->name_len - 6, ".rmeta", 6) == 0;
    sum_member(a, m, rmeta);
    if (rmeta) {
        a->rmeta++;
    } else if (elf_matches(m->data, m->len)) {
        a->elf++;
        if (elf_object_read(m->data, m->len, &a->symbols, &a->sizes, a->tls, a->tls_model, a->machines, err) < 0) {
            AUTO(char_p) char *name = json_utf8(m->name, m->name_len < 60 ? m->name_len : 60);
            return err_wrap(err, "byte %zu: member %s", (size_t)(m->data - a->reader.file.base), name);
        }
    } else if (wasm_matches(m->data, m->len)) {
        a->wasm++;
    } else if (m->len >= 4 && (memcmp(m->data, "BC\xc0\xde", 4) == 0 || memcmp(m->data, "\xde\xc0\x17\x0b", 4) == 0)) {
        a->bitcode++;
    } else {
        a->other++;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct elf_symbol *x = a, *y = b;
    int r = memcmp(x->name, y->name, x->len < y->len ? x->len : y->len);

    if (r == 0)
        r = (x->len > y->len) - (x->len < y->len);
    return r ? r : (int)x->kind - (int)y->kind;
}

static void put_symbols(struct archive *a)
{
    struct elf_symbols *s = &a->symbols;
    cJSON *defined = cJSON_AddArrayToObject(a->report->root, "defined");
    cJSON *undefined = cJSON_AddArrayToObject(a->report->root, "undefined");
    cJSON *duplicates = cJSON_AddArrayToObject(a->report->root, "duplicates");

    if (s->len > 0)
        qsort(s->at, s->len, sizeof *s->at, compare);
    for (size_t i = 0, next; i < s->len; i = next) {
        const struct elf_symbol *x = &s->at[i];
        size_t strong = 0;
        for (next = i; next < s->len && s->at[next].len == x->len && memcmp(s->at[next].name, x->name, x->len) == 0;
             next++)
            strong += s->at[next].kind == ELF_SYMBOL_DEFINED;
        /* The order of kinds puts a definition first. */
        report_list_name(a->report, x->kind == ELF_SYMBOL_UNDEFINED ? undefined : defined, x->name, x->len);
        if (strong > 1)
            report_list_name(a->report, duplicates, x->name, x->len);
    }
}

static int read_all(struct archive *a, struct err *err)
{
    struct ar_member m = {0};
    int r;

    while ((r = ar_next(&a->reader, &m, err)) == 0)
        if (!m.is_index && add_member(a, &m, err) < 0)
            return -1;
    return r < 0 ? -1 : 0;
}

bool ar_matches(const uint8_t *data, size_t len)
{
    return len >= MAGIC_SIZE && (memcmp(data, MAGIC, MAGIC_SIZE) == 0 || memcmp(data, THIN_MAGIC, MAGIC_SIZE) == 0);
}

int ar_inspect(const uint8_t *data, size_t len, struct report *r, struct err *err)
{
    struct archive a = {.report = r};

    a.members = cJSON_AddArrayToObject(r->root, "members");
    a.tls = cJSON_AddObjectToObject(r->root, "tls");
    a.tls_model = cJSON_AddArrayToObject(r->root, "tls_model");
    a.machines = cJSON_AddArrayToObject(r->root, "machines");
    int result = ar_open(data, len, &a.reader, err);
    if (result == 0)
        result = read_all(&a, err);
    if (result == 0) {
        json_put_int(r->root, "members_count", a.count);
        cJSON *kinds = cJSON_AddObjectToObject(r->root, "kinds");
        json_put_int(kinds, "elf", a.elf);
        json_put_int(kinds, "wasm", a.wasm);
        json_put_int(kinds, "bitcode", a.bitcode);
        json_put_int(kinds, "rmeta", a.rmeta);
        json_put_int(kinds, "other", a.other);
        put_symbols(&a);
        sizes_put_table(&a.by_member, elf_sizes_put(&a.sizes, len, r), "by_member", "crate", "members");
    }
    elf_symbols_free(&a.symbols);
    elf_sizes_free(&a.sizes);
    sizes_table_free(&a.by_member);
    return result;
}
