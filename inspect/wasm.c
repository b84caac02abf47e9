/* wasm.c - see wasm.h. Parses the sections in their order; wasm_types.c knows types and constant expressions. */
#include "inspect/wasm.h"

#include "inspect/cursor.h"
#include "inspect/wasm_custom.h"
#include "inspect/wasm_sizes.h"
#include "inspect/wasm_types.h"

#include <stdlib.h>
#include <string.h>

/* Bounds of the WebAssembly JavaScript interface's appendix, or above; they keep memory small. */
#define MAX_TYPES 1000000
#define MAX_EXPORTS 1000000
#define MAX_SPACES 100000 /* memories, tables */

enum { CUSTOM, TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEM, CODE, DATA, DATA_COUNT, TAG, IDS };

static const char *const SECTION_NAMES[IDS] = {"custom", "type",   "import",     "function", "table",
                                               "memory", "global", "export",     "start",    "element",
                                               "code",   "data",   "data_count", "tag"};

const char *wasm_section_name(unsigned id)
{
    return id < IDS ? SECTION_NAMES[id] : NULL;
}

/* Where a section has to stand among the others. */
static const int RANK[IDS] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 11, 6};

static const char *const KINDS[] = {"function", "table", "memory", "global", "tag"};
enum { KIND_FUNCTION = WASM_FUNCTION, KIND_TABLE, KIND_MEMORY, KIND_GLOBAL, KIND_TAG, KIND_COUNT };

struct space {
    struct wasm_limits limits;
    char type[WASM_TYPE_TEXT]; /* a table's */
    bool imported, exported;
};

struct spaces {
    struct space *at;
    uint32_t len, cap;
};

struct module {
    struct cursor file;
    struct report *report;
    struct wasm_types types;
    struct spaces tables, memories;
    uint32_t imported[KIND_COUNT]; /* how many */
    uint64_t total[KIND_COUNT];    /* with those that are defined */
    uint32_t bodies, segments, data_count;
    bool has_data_count, has_start;
    uint64_t data_bytes;
    uint32_t *function_types; /* of those imported and those defined, owned */
    struct wasm_export *exports;
    size_t export_count;
    uint32_t elements;
    uint64_t element_entries;
    struct wasm_sizes sizes;
    struct wasm_custom custom;
    cJSON *list_imports, *list_exports, *list_sections;
};

static void add_space(struct spaces *s, const struct space *add)
{
    if (s->len == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 8;
        s->at = mem_resize(s->at, s->cap * sizeof *s->at);
    }
    s->at[s->len++] = *add;
}

static int read_table(struct module *m, struct cursor *c, bool imported, struct err *err)
{
    struct space s = {.imported = imported};
    bool init = false;

    if (!imported && c->end - c->pos >= 2 && c->base[c->pos] == 0x40 && c->base[c->pos + 1] == 0x00) {
        c->pos += 2;
        init = true;
    }
    if (m->tables.len >= MAX_SPACES)
        return cursor_fail(c->pos, err, "more than %d tables", MAX_SPACES);
    if (wasm_value_type(c, s.type, "a table's type", err) < 0 || wasm_table_limits(c, &s.limits, err) < 0 ||
        (init && wasm_const_expr(c, "a table's initial value", err) < 0))
        return -1;
    add_space(&m->tables, &s);
    return 0;
}

static int read_memory(struct module *m, struct cursor *c, bool imported, struct err *err)
{
    struct space s = {.imported = imported};

    if (m->memories.len >= MAX_SPACES)
        return cursor_fail(c->pos, err, "more than %d memories", MAX_SPACES);
    if (wasm_memory_limits(c, &s.limits, err) < 0)
        return -1;
    add_space(&m->memories, &s);
    return 0;
}

/* "i32" or "mut i32". */
static int read_global_type(struct cursor *c, struct buf *ret, struct err *err)
{
    char type[WASM_TYPE_TEXT];
    uint8_t mut;

    if (wasm_value_type(c, type, "a global's type", err) < 0 || cursor_u8(c, &mut, "a global's mutability", err) < 0)
        return -1;
    if (mut > 1)
        return cursor_fail(c->pos - 1, err, "a global's mutability is %u", mut);
    buf_printf(ret, "%s%s", mut ? "mut " : "", type);
    return 0;
}

static int read_tag_type(struct module *m, struct cursor *c, struct buf *ret, struct err *err)
{
    uint8_t attribute;
    uint32_t type;

    if (cursor_u8(c, &attribute, "a tag's attribute", err) < 0)
        return -1;
    if (attribute != 0)
        return cursor_fail(c->pos - 1, err, "a tag's attribute is %u", attribute);
    return cursor_u32(c, &type, "a tag's type", err) < 0 ? -1 : wasm_types_text(&m->types, c, type, ret, err);
}

static int read_types(struct module *m, struct cursor *c, uint32_t n, struct err *err)
{
    for (uint32_t i = 0; i < n; i++)
        if (wasm_types_add(&m->types, c, MAX_TYPES, err) < 0)
            return -1;
    return 0;
}

/* A function's type, to be known again when it is exported. */
static int add_function(struct module *m, struct cursor *c, uint32_t type, struct err *err)
{
    uint64_t n = m->total[KIND_FUNCTION];

    if (n >= WASM_MAX_FUNCTIONS)
        return cursor_fail(c->pos, err, "more than %d functions", WASM_MAX_FUNCTIONS);
    if ((n & (n - 1)) == 0)
        m->function_types = mem_resize(m->function_types, (n ? 2 * n : 1) * sizeof *m->function_types);
    m->function_types[n] = type;
    m->total[KIND_FUNCTION]++;
    return 0;
}

static int read_import(struct module *m, struct cursor *c, struct err *err)
{
    AUTO(buf) struct buf type = {0};
    const char *module, *name;
    uint32_t module_len, name_len, index;
    uint8_t kind;
    int r = 0;

    if (cursor_name(c, &module, &module_len, "an import's module", err) < 0 ||
        cursor_name(c, &name, &name_len, "an import's name", err) < 0 ||
        cursor_u8(c, &kind, "an import's kind", err) < 0)
        return -1;
    switch (kind) {
    case KIND_FUNCTION:
        r = cursor_u32(c, &index, "an import's type", err) < 0 ? -1 : wasm_types_text(&m->types, c, index, &type, err);
        if (r == 0)
            r = add_function(m, c, index, err);
        break;
    case KIND_TABLE:
        r = read_table(m, c, true, err);
        break;
    case KIND_MEMORY:
        r = read_memory(m, c, true, err);
        break;
    case KIND_GLOBAL:
        r = read_global_type(c, &type, err);
        break;
    case KIND_TAG:
        r = read_tag_type(m, c, &type, err);
        break;
    default:
        return cursor_fail(c->pos - 1, err, "an import of the unknown kind %u", kind);
    }
    if (r < 0)
        return r;
    m->imported[kind]++;
    m->total[kind] += kind != KIND_FUNCTION;
    if (!report_room(m->report, m->list_imports,
                     report_bytes(module_len) + report_bytes(name_len) + report_bytes(type.len)))
        return 0;
    cJSON *item = cJSON_CreateObject();
    report_name(item, "module", module, module_len);
    report_name(item, "name", name, name_len);
    cJSON_AddStringToObject(item, "kind", KINDS[kind]);
    if (type.p)
        report_name(item, "type", type.p, type.len);
    cJSON_AddItemToArray(m->list_imports, item);
    return 0;
}

static int read_function(struct module *m, struct cursor *c, struct err *err)
{
    uint32_t type;

    if (cursor_u32(c, &type, "a function's type", err) < 0)
        return -1;
    if (type >= m->types.len)
        return cursor_fail(c->pos, err, "a function of type %u, of %u types", type, m->types.len);
    return add_function(m, c, type, err);
}

static int read_global(struct module *m, struct cursor *c, struct err *err)
{
    AUTO(buf) struct buf type = {0};

    if (read_global_type(c, &type, err) < 0 || wasm_const_expr(c, "a global's initial value", err) < 0)
        return -1;
    m->total[KIND_GLOBAL]++;
    return 0;
}

static int read_tag(struct module *m, struct cursor *c, struct err *err)
{
    AUTO(buf) struct buf type = {0};

    m->total[KIND_TAG]++;
    return read_tag_type(m, c, &type, err);
}

static int read_export(struct module *m, struct cursor *c, uint32_t i, struct err *err)
{
    struct wasm_export *e = &m->exports[i];
    AUTO(buf) struct buf type = {0};
    uint32_t index;
    uint8_t kind;

    if (cursor_name(c, &e->name, &e->len, "an export's name", err) < 0 ||
        cursor_u8(c, &kind, "an export's kind", err) < 0)
        return -1;
    if (kind >= KIND_COUNT)
        return cursor_fail(c->pos - 1, err, "an export of the unknown kind %u", kind);
    if (cursor_u32(c, &index, "an export's index", err) < 0)
        return -1;
    if (index >= m->total[kind])
        return cursor_fail(c->pos, err, "an export of %s %u, of %llu", KINDS[kind], index,
                           (unsigned long long)m->total[kind]);
    e->kind = kind;
    e->index = index;
    if (kind == KIND_MEMORY)
        m->memories.at[index].exported = true;
    if (kind == KIND_TABLE)
        m->tables.at[index].exported = true;
    if (kind == KIND_FUNCTION && wasm_types_text(&m->types, c, m->function_types[index], &type, err) < 0)
        return -1;
    if (!report_room(m->report, m->list_exports, report_bytes(e->len) + report_bytes(type.len)))
        return 0;
    cJSON *item = cJSON_CreateObject();
    report_name(item, "name", e->name, e->len);
    cJSON_AddStringToObject(item, "kind", KINDS[kind]);
    if (type.p)
        report_name(item, "type", type.p, type.len);
    cJSON_AddItemToArray(m->list_exports, item);
    return 0;
}

static int compare_exports(const void *a, const void *b)
{
    const struct wasm_export *x = a, *y = b;
    int r = memcmp(x->name, y->name, x->len < y->len ? x->len : y->len);

    return r ? r : (x->len > y->len) - (x->len < y->len);
}

static int read_exports(struct module *m, struct cursor *c, uint32_t n, struct err *err)
{
    if (n > MAX_EXPORTS)
        return cursor_fail(c->pos, err, "%u exports; at most %d are allowed", n, MAX_EXPORTS);
    m->exports = mem_alloc(n * sizeof *m->exports);
    for (uint32_t i = 0; i < n; i++)
        if (read_export(m, c, i, err) < 0)
            return -1;
    qsort(m->exports, n, sizeof *m->exports, compare_exports);
    for (uint32_t i = 1; i < n; i++)
        if (compare_exports(&m->exports[i - 1], &m->exports[i]) == 0) {
            AUTO(char_p) char *name = json_utf8(m->exports[i].name, m->exports[i].len < 80 ? m->exports[i].len : 80);
            return cursor_fail(c->pos, err, "\"%s\" is exported twice", name);
        }
    m->export_count = n;
    return 0;
}

static int read_segment_flags(struct cursor *c, uint32_t max, uint32_t *ret, const char *what, struct err *err)
{
    if (cursor_u32(c, ret, what, err) < 0)
        return -1;
    if (*ret > max)
        return cursor_fail(c->pos, err, "%s are %u", what, *ret);
    return 0;
}

/* Flags: 1 passive or declarative, 2 with a table's index (or declarative), 4 expressions instead of indices. */
static int read_element(struct module *m, struct cursor *c, struct err *err)
{
    uint32_t flags, table = 0, n, index;
    char type[WASM_TYPE_TEXT];
    uint8_t kind;

    if (read_segment_flags(c, 7, &flags, "an element segment's flags", err) < 0)
        return -1;
    if (!(flags & 1)) {
        if (flags & 2 && cursor_u32(c, &table, "an element segment's table", err) < 0)
            return -1;
        if (table >= m->tables.len)
            return cursor_fail(c->pos, err, "an element segment for table %u, of %u", table, m->tables.len);
        if (wasm_const_expr(c, "an element segment's offset", err) < 0)
            return -1;
    }
    if (flags & 3) {
        if (flags & 4) {
            if (wasm_value_type(c, type, "an element segment's type", err) < 0)
                return -1;
        } else {
            if (cursor_u8(c, &kind, "an element segment's kind", err) < 0)
                return -1;
            if (kind != 0)
                return cursor_fail(c->pos - 1, err, "an element segment of the unknown kind %u", kind);
        }
    }
    if (cursor_count(c, 1, &n, "an element segment's length", err) < 0)
        return -1;
    m->elements++;
    m->element_entries += n;
    for (uint32_t i = 0; i < n; i++) {
        if (flags & 4) {
            if (wasm_const_expr(c, "an element", err) < 0)
                return -1;
            continue;
        }
        if (cursor_u32(c, &index, "an element", err) < 0)
            return -1;
        if (index >= m->total[KIND_FUNCTION])
            return cursor_fail(c->pos, err, "an element for function %u, of %llu", index,
                               (unsigned long long)m->total[KIND_FUNCTION]);
    }
    return 0;
}

static int read_data(struct module *m, struct cursor *c, struct err *err)
{
    uint32_t flags, memory = 0, len;
    const char *bytes;

    if (read_segment_flags(c, 2, &flags, "a data segment's flags", err) < 0)
        return -1;
    if (flags != 1) {
        if (flags == 2 && cursor_u32(c, &memory, "a data segment's memory", err) < 0)
            return -1;
        if (memory >= m->memories.len)
            return cursor_fail(c->pos, err, "a data segment for memory %u, of %u", memory, m->memories.len);
        if (wasm_const_expr(c, "a data segment's offset", err) < 0)
            return -1;
    }
    if (cursor_name(c, &bytes, &len, "a data segment", err) < 0)
        return -1;
    m->segments++;
    m->data_bytes += len;
    wasm_sizes_add_segment(&m->sizes, len);
    return 0;
}

static int read_body(struct module *m, struct cursor *c, struct err *err)
{
    struct cursor body = *c;
    uint32_t size, groups, n;
    uint64_t locals = 0;
    const uint8_t *bytes;

    if (cursor_u32(c, &size, "a function body's size", err) < 0)
        return -1;
    body.pos = c->pos;
    if (cursor_bytes(c, size, &bytes, "a function body", err) < 0)
        return -1;
    body.end = c->pos;
    if (cursor_count(&body, 2, &groups, "a count of locals", err) < 0)
        return -1;
    for (uint32_t i = 0; i < groups; i++) {
        char type[WASM_TYPE_TEXT];
        if (cursor_u32(&body, &n, "a count of locals", err) < 0 ||
            wasm_value_type(&body, type, "a local's type", err) < 0)
            return -1;
        locals += n;
        if (locals > UINT32_MAX)
            return cursor_fail(body.pos, err, "a function with more than 2^32 locals");
    }
    if (body.pos == body.end || body.base[body.end - 1] != 0x0b)
        return cursor_fail(body.end, err, "a function body does not end with `end`");
    /* More bodies than functions are refused when the section ends. */
    if (m->sizes.body_count < m->total[KIND_FUNCTION])
        wasm_sizes_add_body(&m->sizes, size);
    m->bodies++;
    return 0;
}

/* --- sections --- */
static int read_custom(struct module *m, struct cursor *c, const char **ret_name, uint32_t *ret_len, struct err *err)
{
    if (cursor_name(c, ret_name, ret_len, "a custom section's name", err) < 0)
        return -1;
    wasm_custom_read(&m->custom, *ret_name, *ret_len, *c);
    c->pos = c->end;
    return 0;
}

static int read_items(struct module *m, struct cursor *c, int id, uint32_t n, struct err *err)
{
    int r = 0;

    for (uint32_t i = 0; i < n && r == 0; i++)
        switch (id) {
        case IMPORT:
            r = read_import(m, c, err);
            break;
        case FUNCTION:
            r = read_function(m, c, err);
            break;
        case TABLE:
            r = read_table(m, c, false, err);
            m->total[KIND_TABLE]++;
            break;
        case MEMORY:
            r = read_memory(m, c, false, err);
            m->total[KIND_MEMORY]++;
            break;
        case TAG:
            r = read_tag(m, c, err);
            break;
        case GLOBAL:
            r = read_global(m, c, err);
            break;
        case ELEM:
            r = read_element(m, c, err);
            break;
        case CODE:
            r = read_body(m, c, err);
            break;
        default:
            r = read_data(m, c, err);
            break;
        }
    return r;
}

static int read_section(struct module *m, struct cursor *c, int id, struct err *err)
{
    uint32_t n;

    if (id == START) {
        if (cursor_u32(c, &n, "the start function", err) < 0)
            return -1;
        if (n >= m->total[KIND_FUNCTION])
            return cursor_fail(c->pos, err, "the start function is %u, of %llu", n,
                               (unsigned long long)m->total[KIND_FUNCTION]);
        m->has_start = true;
        return 0;
    }
    if (id == DATA_COUNT) {
        m->has_data_count = true;
        return cursor_u32(c, &m->data_count, "the count of data segments", err);
    }
    if (cursor_count(c, 1, &n, "a section's count", err) < 0)
        return -1;
    if (id == TYPE)
        return read_types(m, c, n, err);
    if (id == EXPORT)
        return read_exports(m, c, n, err);
    return read_items(m, c, id, n, err);
}

static int read_sections(struct module *m, struct err *err)
{
    struct cursor *file = &m->file;
    int rank = 0;

    while (file->pos < file->end) {
        size_t at = file->pos;
        const uint8_t *payload;
        uint32_t size, name_len;
        uint8_t id;
        if (cursor_u8(file, &id, "a section's id", err) < 0 || cursor_u32(file, &size, "a section's size", err) < 0)
            return -1;
        if (id >= IDS)
            return cursor_fail(at, err, "a section of the unknown id %u", id);
        struct cursor c = *file;
        if (cursor_bytes(file, size, &payload, "a section", err) < 0)
            return -1;
        c.end = file->pos;
        const char *name = SECTION_NAMES[id];
        name_len = (uint32_t)strlen(name);
        if (id == CUSTOM) {
            if (read_custom(m, &c, &name, &name_len, err) < 0)
                return -1;
        } else {
            if (RANK[id] <= rank)
                return cursor_fail(at, err, "the %s section is out of order or there twice", name);
            rank = RANK[id];
            m->sizes.imported = m->imported[KIND_FUNCTION];
            if (read_section(m, &c, id, err) < 0)
                return -1;
            if (c.pos != c.end)
                return cursor_fail(c.pos, err, "%zu bytes too many in the %s section", c.end - c.pos, name);
        }
        sizes_add(&m->sizes.sizes.sections, name, name_len, size, 1);
        if (id == CODE)
            m->sizes.sizes.code_bytes = size;
        if (!report_room(m->report, m->list_sections, report_bytes(name_len)))
            continue;
        cJSON *item = cJSON_CreateObject();
        json_put_int(item, "id", id);
        report_name(item, "name", name, name_len);
        json_put_int(item, "size", size);
        cJSON_AddItemToArray(m->list_sections, item);
    }
    uint64_t defined = m->total[KIND_FUNCTION] - m->imported[KIND_FUNCTION];
    if (m->bodies != defined)
        return cursor_fail(file->end, err, "%llu functions, but %u function bodies", (unsigned long long)defined,
                           m->bodies);
    if (m->has_data_count && m->data_count != m->segments)
        return cursor_fail(file->end, err, "%u data segments are announced, %u are there", m->data_count, m->segments);
    return 0;
}

/* --- the report --- */
static void put_spaces(struct module *m, const char *key, const struct spaces *s, bool memories)
{
    cJSON *list = cJSON_AddArrayToObject(m->report->root, key);

    for (uint32_t i = 0; i < s->len && report_room(m->report, list, 0); i++) {
        const struct space *x = &s->at[i];
        cJSON *item = cJSON_CreateObject();
        json_put_int(item, "min", (int64_t)x->limits.min);
        if (x->limits.has_max)
            json_put_int(item, "max", (int64_t)x->limits.max);
        else
            cJSON_AddNullToObject(item, "max");
        if (memories) {
            cJSON_AddBoolToObject(item, "shared", x->limits.shared);
            cJSON_AddBoolToObject(item, "memory64", x->limits.is64);
            if (x->limits.page_size != WASM_PAGE)
                json_put_int(item, "page_size", x->limits.page_size);
        } else {
            cJSON_AddStringToObject(item, "type", x->type);
        }
        cJSON_AddBoolToObject(item, "imported", x->imported);
        cJSON_AddBoolToObject(item, "exported", x->exported);
        cJSON_AddItemToArray(list, item);
    }
}

static void put_counts(struct module *m, const char *key, int kind)
{
    cJSON *o = cJSON_AddObjectToObject(m->report->root, key);

    json_put_int(o, "imported", m->imported[kind]);
    json_put_int(o, "defined", (int64_t)(m->total[kind] - m->imported[kind]));
}

static void put_rest(struct module *m)
{
    cJSON *root = m->report->root;

    put_spaces(m, "memories", &m->memories, true);
    put_spaces(m, "tables", &m->tables, false);
    put_counts(m, "functions", KIND_FUNCTION);
    put_counts(m, "globals", KIND_GLOBAL);
    put_counts(m, "tags", KIND_TAG);
    cJSON *elements = cJSON_AddObjectToObject(root, "elements");
    json_put_int(elements, "segments", m->elements);
    json_put_int(elements, "entries", (int64_t)m->element_entries);
    cJSON *data = cJSON_AddObjectToObject(root, "data");
    json_put_int(data, "segments", m->segments);
    json_put_int(data, "bytes", (int64_t)m->data_bytes);
    cJSON_AddBoolToObject(root, "start", m->has_start);
    wasm_custom_put(&m->custom);
    m->sizes.names = m->custom.names;
    wasm_sizes_put(&m->sizes, m->file.end, m->exports, m->export_count, m->report);
}

static int read_header(struct cursor *c, cJSON *root, struct err *err)
{
    const uint8_t *p;

    if (c->end < 8 || memcmp(c->base, "\0asm", 4) != 0)
        return cursor_fail(0, err, "not a wasm module: it does not start with \\0asm and a version");
    if (cursor_bytes(c, 8, &p, "the header", err) < 0)
        return -1;
    unsigned version = p[4] | (unsigned)p[5] << 8, layer = p[6] | (unsigned)p[7] << 8;
    cJSON_AddBoolToObject(root, "component", layer == 1);
    if (layer == 1)
        return cursor_fail(6, err, "a wasm component (layer 1), not a module");
    if (layer != 0 || version != 1)
        return cursor_fail(4, err, "wasm version %u, layer %u; only version 1 is known", version, layer);
    return 0;
}

bool wasm_matches(const uint8_t *data, size_t len)
{
    return len >= 4 && memcmp(data, "\0asm", 4) == 0;
}

int wasm_inspect(const uint8_t *data, size_t len, struct report *r, struct err *err)
{
    struct module m = {.file = {data, 0, len}, .report = r};

    if (read_header(&m.file, r->root, err) < 0)
        return -1;
    m.list_imports = cJSON_AddArrayToObject(r->root, "imports");
    m.list_exports = cJSON_AddArrayToObject(r->root, "exports");
    m.list_sections = cJSON_AddArrayToObject(r->root, "sections");
    wasm_custom_open(&m.custom, r);
    int result = read_sections(&m, err);
    if (result == 0)
        put_rest(&m);
    wasm_types_free(&m.types);
    free(m.tables.at);
    free(m.memories.at);
    free(m.exports);
    free(m.function_types);
    wasm_sizes_free(&m.sizes);
    return result;
}
