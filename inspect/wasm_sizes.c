/* wasm_sizes.c - see wasm_sizes.h. */
#include "inspect/wasm_sizes.h"

#include "inspect/symbol.h"

#include <stdlib.h>
#include <string.h>

/* Subsections of `name`. */
enum { NAMES_MODULE = 0, NAMES_FUNCTIONS = 1, NAMES_DATA = 9 };

/* A subsection's names: indices, which grow, each with its name. */
struct names {
    struct cursor at;
    uint32_t left;
    int64_t last;
};

void wasm_sizes_free(struct wasm_sizes *w)
{
    sizes_free(&w->sizes);
    free(w->bodies);
}

void wasm_sizes_add_body(struct wasm_sizes *w, uint32_t bytes)
{
    struct sizes_piece piece = {.bytes = bytes, .index = w->imported + w->body_count};

    if ((w->body_count & (w->body_count - 1)) == 0)
        w->bodies = mem_resize(w->bodies, (w->body_count ? 2 * w->body_count : 1) * sizeof *w->bodies);
    w->bodies[w->body_count++] = bytes;
    sizes_top_add(&w->sizes.functions, &piece);
}

void wasm_sizes_add_segment(struct wasm_sizes *w, uint32_t bytes)
{
    struct sizes_piece piece = {.bytes = bytes, .index = w->segment_count++};

    sizes_top_add(&w->segments, &piece);
}

/* The first subsection of that id; false: there is none that can be read. */
static bool find_names(const struct wasm_sizes *w, uint8_t id, struct cursor *ret)
{
    struct cursor c = w->names;
    const uint8_t *p;
    uint32_t size;
    uint8_t is;

    if (!c.base)
        return false;
    while (c.pos < c.end) {
        if (cursor_u8(&c, &is, "names", NULL) < 0 || cursor_u32(&c, &size, "names", NULL) < 0)
            return false;
        *ret = c;
        if (cursor_bytes(&c, size, &p, "names", NULL) < 0)
            return false;
        ret->end = c.pos;
        if (is == id)
            return true;
    }
    return false;
}

static struct names open_names(const struct wasm_sizes *w, uint8_t id)
{
    struct names n = {.last = -1};

    if (!find_names(w, id, &n.at) || cursor_count(&n.at, 2, &n.left, "names", NULL) < 0)
        n.left = 0;
    return n;
}

static bool next_name(struct names *n, uint32_t *ret_index, const char **ret, uint32_t *ret_len)
{
    if (n->left == 0 || cursor_u32(&n->at, ret_index, "names", NULL) < 0 ||
        cursor_name(&n->at, ret, ret_len, "names", NULL) < 0 || *ret_index <= n->last)
        return false;
    n->last = *ret_index;
    n->left--;
    return true;
}

static void name_piece(struct sizes_top *t, uint32_t index, uint64_t bytes, const char *name, size_t len)
{
    if (t->len == 0 || bytes < t->at[t->len - 1].bytes)
        return;
    for (size_t i = 0; i < t->len; i++)
        if (t->at[i].index == index && !t->at[i].name) {
            t->at[i].name = name;
            t->at[i].len = len;
        }
}

/* Sums the functions by crate; returns how many have a name. */
static int64_t sum_crates(struct wasm_sizes *w)
{
    struct names n = open_names(w, NAMES_FUNCTIONS);
    uint64_t unnamed_bytes = 0, unnamed = w->body_count;
    const char *name;
    uint32_t index, len;
    int64_t count = 0;
    size_t crate_len;

    for (uint32_t i = 0; i < w->body_count; i++)
        unnamed_bytes += w->bodies[i];
    for (; next_name(&n, &index, &name, &len); count++) {
        if (index < w->imported || index - w->imported >= w->body_count)
            continue;
        uint32_t bytes = w->bodies[index - w->imported];
        const char *crate = symbol_crate(name, len, &crate_len);
        sizes_add(&w->sizes.crates, crate, crate_len, bytes, 1);
        name_piece(&w->sizes.functions, index, bytes, name, len);
        unnamed_bytes -= bytes;
        unnamed--;
    }
    if (unnamed > 0)
        sizes_add(&w->sizes.crates, SYMBOL_UNNAMED, strlen(SYMBOL_UNNAMED), unnamed_bytes, unnamed);
    return count;
}

static void put_segments(struct wasm_sizes *w, cJSON *obj)
{
    cJSON *list = cJSON_AddArrayToObject(obj, "data_segments");
    struct names n = open_names(w, NAMES_DATA);
    const char *name;
    uint32_t index, len;

    while (next_name(&n, &index, &name, &len))
        name_piece(&w->segments, index, UINT64_MAX, name, len);
    for (size_t i = 0; i < w->segments.len; i++) {
        const struct sizes_piece *p = &w->segments.at[i];
        cJSON *item = cJSON_CreateObject();
        json_put_int(item, "index", (int64_t)p->index);
        if (p->name)
            report_name(item, "name", p->name, p->len);
        else
            cJSON_AddNullToObject(item, "name");
        json_put_int(item, "bytes", (int64_t)p->bytes);
        cJSON_AddItemToArray(list, item);
    }
}

void wasm_sizes_put(struct wasm_sizes *w, size_t file_bytes, const struct wasm_export *exports, size_t export_count,
                    struct report *r)
{
    int64_t named = sum_crates(w);
    struct cursor c;
    const char *name;
    uint32_t len;

    if (find_names(w, NAMES_MODULE, &c) && cursor_name(&c, &name, &len, "names", NULL) == 0)
        report_name(r->root, "module_name", name, len);
    else
        cJSON_AddNullToObject(r->root, "module_name");
    json_put_int(r->root, "named_functions", named);
    for (size_t i = 0; i < export_count && named == 0; i++)
        if (exports[i].kind == WASM_FUNCTION)
            name_piece(&w->sizes.functions, exports[i].index, UINT64_MAX, exports[i].name, exports[i].len);
    cJSON *obj = sizes_put(&w->sizes, file_bytes, named > 0, r);
    sizes_put_top(&w->sizes.functions, named > 0, obj, "largest_functions");
    put_segments(w, obj);
}
