/* wasm_types.c - see wasm_types.h. */
#include "inspect/wasm_types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FORM_FUNC = 0x60,
    FORM_STRUCT = 0x5f,
    FORM_ARRAY = 0x5e,
    FORM_SUB = 0x50,
    FORM_SUB_FINAL = 0x4f,
    FORM_REC = 0x4e
};
enum { REF_NULL = 0x63, REF = 0x64, HEAP_SHARED = 0x65 };

/* Types of one byte; the heap types among them stand as `ht` behind 0x63 and 0x64. */
static const struct {
    uint8_t code;
    const char *name, *heap;
} SHORT_TYPES[] = {
    {0x7f, "i32", NULL},
    {0x7e, "i64", NULL},
    {0x7d, "f32", NULL},
    {0x7c, "f64", NULL},
    {0x7b, "v128", NULL},
    {0x70, "funcref", "func"},
    {0x6f, "externref", "extern"},
    {0x69, "exnref", "exn"},
    {0x6e, "anyref", "any"},
    {0x6d, "eqref", "eq"},
    {0x6c, "i31ref", "i31"},
    {0x6b, "structref", "struct"},
    {0x6a, "arrayref", "array"},
    {0x71, "nullref", "none"},
    {0x72, "nullexternref", "noextern"},
    {0x73, "nullfuncref", "nofunc"},
    {0x74, "nullexnref", "noexn"},
};

static const char *short_type(uint8_t code, bool heap)
{
    for (size_t i = 0; i < sizeof SHORT_TYPES / sizeof *SHORT_TYPES; i++)
        if (SHORT_TYPES[i].code == code)
            return heap ? SHORT_TYPES[i].heap : SHORT_TYPES[i].name;
    return NULL;
}

static int heap_type(struct cursor *c, char ret[24], const char *what, struct err *err)
{
    size_t at = c->pos;
    int64_t v;

    if (c->pos < c->end && c->base[c->pos] == HEAP_SHARED)
        c->pos++;
    if (cursor_signed(c, 33, &v, what, err) < 0)
        return -1;
    const char *name = v < 0 && v >= -64 ? short_type((uint8_t)(v & 0x7f), true) : NULL;
    if (v < 0 && !name)
        return cursor_fail(at, err, "%s has an unknown heap type", what);
    if (name)
        snprintf(ret, 24, "%s", name);
    else
        snprintf(ret, 24, "%lld", (long long)v);
    return 0;
}

int wasm_value_type(struct cursor *c, char ret[WASM_TYPE_TEXT], const char *what, struct err *err)
{
    char heap[24];
    uint8_t code;

    if (cursor_u8(c, &code, what, err) < 0)
        return -1;
    if (code == REF || code == REF_NULL) {
        if (heap_type(c, heap, what, err) < 0)
            return -1;
        snprintf(ret, WASM_TYPE_TEXT, "(ref %s%s)", code == REF_NULL ? "null " : "", heap);
        return 0;
    }
    const char *name = short_type(code, false);
    if (!name)
        return cursor_fail(c->pos - 1, err, "%s has the unknown type 0x%02x", what, code);
    snprintf(ret, WASM_TYPE_TEXT, "%s", name);
    return 0;
}

void wasm_types_free(struct wasm_types *t)
{
    free(t->at);
}

static int value_types(struct cursor *c, struct err *err)
{
    char text[WASM_TYPE_TEXT];
    uint32_t n;

    if (cursor_count(c, 1, &n, "a count of types", err) < 0)
        return -1;
    for (uint32_t i = 0; i < n; i++)
        if (wasm_value_type(c, text, "a type", err) < 0)
            return -1;
    return 0;
}

/* Of a struct or an array: also i8 and i16. */
static int field_type(struct cursor *c, struct err *err)
{
    char text[WASM_TYPE_TEXT];
    uint8_t mut;

    if (c->pos < c->end && (c->base[c->pos] == 0x78 || c->base[c->pos] == 0x77))
        c->pos++;
    else if (wasm_value_type(c, text, "a field's type", err) < 0)
        return -1;
    if (cursor_u8(c, &mut, "a field's mutability", err) < 0)
        return -1;
    return mut > 1 ? cursor_fail(c->pos - 1, err, "a field's mutability is %u", mut) : 0;
}

static int composite_type(struct cursor *c, uint8_t form, struct err *err)
{
    uint32_t n;

    switch (form) {
    case FORM_FUNC:
        return value_types(c, err) < 0 || value_types(c, err) < 0 ? -1 : 0;
    case FORM_ARRAY:
        return field_type(c, err);
    case FORM_STRUCT:
        if (cursor_count(c, 2, &n, "a count of fields", err) < 0)
            return -1;
        for (uint32_t i = 0; i < n; i++)
            if (field_type(c, err) < 0)
                return -1;
        return 0;
    default:
        return cursor_fail(c->pos - 1, err, "a type of the unknown form 0x%02x", form);
    }
}

static int add_one(struct wasm_types *t, struct cursor *c, uint32_t max, uint8_t form, struct err *err)
{
    uint32_t n, super;

    if (t->len >= max)
        return cursor_fail(c->pos, err, "more than %u types", max);
    if (form == FORM_SUB || form == FORM_SUB_FINAL) {
        if (cursor_count(c, 1, &n, "a count of supertypes", err) < 0)
            return -1;
        for (uint32_t i = 0; i < n; i++)
            if (cursor_u32(c, &super, "a supertype", err) < 0)
                return -1;
        if (cursor_u8(c, &form, "a type", err) < 0)
            return -1;
    }
    if (t->len == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->at = realloc(t->at, t->cap * sizeof *t->at);
        if (!t->at)
            abort();
    }
    t->at[t->len++] = form == FORM_FUNC ? (uint32_t)c->pos : 0;
    return composite_type(c, form, err);
}

int wasm_types_add(struct wasm_types *t, struct cursor *c, uint32_t max, struct err *err)
{
    uint32_t n;
    uint8_t form;

    if (cursor_u8(c, &form, "a type", err) < 0)
        return -1;
    if (form != FORM_REC)
        return add_one(t, c, max, form, err);
    if (cursor_count(c, 2, &n, "a count of types", err) < 0)
        return -1;
    for (uint32_t i = 0; i < n; i++)
        if (cursor_u8(c, &form, "a type", err) < 0 || add_one(t, c, max, form, err) < 0)
            return -1;
    return 0;
}

/* "(i32, i64)" */
static int text_of(struct cursor *c, struct buf *ret, uint32_t *ret_n, struct err *err)
{
    char text[WASM_TYPE_TEXT];
    uint32_t n;

    if (cursor_count(c, 1, &n, "a count of types", err) < 0)
        return -1;
    for (uint32_t i = 0; i < n; i++) {
        if (wasm_value_type(c, text, "a type", err) < 0)
            return -1;
        if (i < 64)
            buf_printf(ret, "%s%s", i ? ", " : "", text);
        else if (i == 64)
            buf_puts(ret, ", ...");
    }
    *ret_n = n;
    return 0;
}

int wasm_types_text(const struct wasm_types *t, const struct cursor *c, uint32_t index, struct buf *ret,
                    struct err *err)
{
    AUTO(buf) struct buf params = {0}, results = {0};
    uint32_t n;

    if (index >= t->len || t->at[index] == 0)
        return cursor_fail(c->pos, err, "type %u is not a function's type", index);
    /* It was read to its end when the section was: up to where the cursor is now is enough. */
    struct cursor at = {c->base, t->at[index], c->pos};
    if (text_of(&at, &params, &n, err) < 0 || text_of(&at, &results, &n, err) < 0)
        return -1;
    buf_printf(ret, "(%s) -> %s%s%s", params.p ? params.p : "", n == 1 ? "" : "(", results.p ? results.p : "",
               n == 1 ? "" : ")");
    return 0;
}

static int read_limits(struct cursor *c, uint8_t allowed, struct wasm_limits *ret, const char *what, struct err *err)
{
    struct wasm_limits l = {.page_size = WASM_PAGE};
    size_t at = c->pos;
    uint32_t v, log2;
    uint8_t flags;

    if (cursor_u8(c, &flags, what, err) < 0)
        return -1;
    if (flags & ~allowed)
        return cursor_fail(at, err, "%s have the unknown flags 0x%02x", what, flags);
    l.has_max = flags & 1;
    l.shared = flags & 2;
    l.is64 = flags & 4;
    for (int i = 0; i <= l.has_max; i++) {
        uint64_t *into = i == 0 ? &l.min : &l.max;
        if (l.is64 ? cursor_u64(c, into, what, err) < 0 : cursor_u32(c, &v, what, err) < 0)
            return -1;
        if (!l.is64)
            *into = v;
    }
    if (flags & 8) {
        if (cursor_u32(c, &log2, "a page size", err) < 0)
            return -1;
        if (log2 > 16)
            return cursor_fail(at, err, "a page size of 2^%u", log2);
        l.page_size = UINT32_C(1) << log2;
    }
    if (l.has_max && l.max < l.min)
        return cursor_fail(at, err, "%s: the maximum %llu is below the minimum %llu", what, (unsigned long long)l.max,
                           (unsigned long long)l.min);
    if (l.shared && !l.has_max)
        return cursor_fail(at, err, "%s: what is shared needs a maximum", what);
    *ret = l;
    return 0;
}

int wasm_memory_limits(struct cursor *c, struct wasm_limits *ret, struct err *err)
{
    struct wasm_limits l;
    size_t at = c->pos;

    if (read_limits(c, 15, &l, "a memory's limits", err) < 0)
        return -1;
    /* 2^32 or 2^64 bytes; the latter is 2^48 pages, and with pages of one byte there is no bound to check. */
    uint64_t most = !l.is64           ? (UINT64_C(1) << 32) / l.page_size
                    : l.page_size > 1 ? UINT64_MAX / l.page_size + 1
                                      : UINT64_MAX;
    if (l.min > most || (l.has_max && l.max > most))
        return cursor_fail(at, err, "a memory of more pages than it can address");
    *ret = l;
    return 0;
}

int wasm_table_limits(struct cursor *c, struct wasm_limits *ret, struct err *err)
{
    return read_limits(c, 7, ret, "a table's limits", err);
}

static int skip_fixed(struct cursor *c, size_t n, const char *what, struct err *err)
{
    const uint8_t *p;

    return cursor_bytes(c, n, &p, what, err);
}

static int skip_u32(struct cursor *c, int times, const char *what, struct err *err)
{
    uint32_t v;

    while (times-- > 0)
        if (cursor_u32(c, &v, what, err) < 0)
            return -1;
    return 0;
}

/* Prefix 0xfb: structs, arrays and i31 of garbage collection. */
static int skip_gc(struct cursor *c, const char *what, struct err *err)
{
    size_t at = c->pos;
    uint32_t op;

    if (cursor_u32(c, &op, what, err) < 0)
        return -1;
    switch (op) {
    case 0:
    case 1:
    case 6:
    case 7: /* struct.new, struct.new_default, array.new, array.new_default */
        return skip_u32(c, 1, what, err);
    case 8: /* array.new_fixed */
        return skip_u32(c, 2, what, err);
    case 0x1a:
    case 0x1b:
    case 0x1c: /* any.convert_extern, extern.convert_any, ref.i31 */
        return 0;
    default:
        return cursor_fail(at, err, "%s is not constant: operation 0xfb 0x%02x", what, op);
    }
}

int wasm_const_expr(struct cursor *c, const char *what, struct err *err)
{
    char heap[24];
    uint32_t sub;
    int64_t v;
    uint8_t op;

    for (;;) {
        int r = 0;
        if (cursor_u8(c, &op, what, err) < 0)
            return -1;
        switch (op) {
        case 0x0b: /* end */
            return 0;
        case 0x41: /* i32.const */
            r = cursor_signed(c, 32, &v, what, err);
            break;
        case 0x42: /* i64.const */
            r = cursor_signed(c, 64, &v, what, err);
            break;
        case 0x43: /* f32.const */
            r = skip_fixed(c, 4, what, err);
            break;
        case 0x44: /* f64.const */
            r = skip_fixed(c, 8, what, err);
            break;
        case 0x23:
        case 0xd2: /* global.get, ref.func */
            r = skip_u32(c, 1, what, err);
            break;
        case 0xd0: /* ref.null */
            r = heap_type(c, heap, what, err);
            break;
        case 0x6a:
        case 0x6b:
        case 0x6c:
        case 0x7c:
        case 0x7d:
        case 0x7e: /* add, sub, mul of i32 and i64 */
            break;
        case 0xfb:
            r = skip_gc(c, what, err);
            break;
        case 0xfd: /* v128.const alone of its many */
            if (cursor_u32(c, &sub, what, err) < 0)
                return -1;
            if (sub != 12)
                return cursor_fail(c->pos, err, "%s is not constant: operation 0xfd 0x%02x", what, sub);
            r = skip_fixed(c, 16, what, err);
            break;
        default:
            return cursor_fail(c->pos - 1, err, "%s is not constant: operation 0x%02x", what, op);
        }
        if (r < 0)
            return r;
    }
}
