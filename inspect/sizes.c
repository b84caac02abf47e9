/* sizes.c - see sizes.h. A table is open addressing over an array of a power of two, at most half full. */
#include "inspect/sizes.h"

#include "inspect/symbol.h"

#include <stdlib.h>
#include <string.h>

/* Names that somebody made to collide end as "(others)". */
#define MAX_TRIES 64

static size_t hash(const char *s, size_t len)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)s[i]) * UINT64_C(1099511628211);
    return (size_t)(h ^ h >> 32);
}

static int compare_names(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int r = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return r ? r : (a_len > b_len) - (a_len < b_len);
}

/* Where the name is or would be; NULL: others crowd its place. */
static struct sizes_sum *find(struct sizes_sum *slots, size_t count, const char *name, size_t len)
{
    size_t i = hash(name, len) & (count - 1);

    for (int tries = 0; tries < MAX_TRIES; tries++, i = (i + 1) & (count - 1))
        if (!slots[i].name || compare_names(slots[i].name, slots[i].len, name, len) == 0)
            return &slots[i];
    return NULL;
}

static void grow(struct sizes_table *t)
{
    size_t count = t->count ? 2 * t->count : 64;
    struct sizes_sum *slots = mem_alloc(count * sizeof *slots);

    for (size_t i = 0; i < t->count; i++) {
        const struct sizes_sum *old = &t->slots[i];
        struct sizes_sum *to = old->name ? find(slots, count, old->name, old->len) : NULL;
        if (to) {
            *to = *old;
        } else if (old->name) {
            t->others.bytes += old->bytes;
            t->others.count += old->count;
            t->used--;
        }
    }
    free(t->slots);
    t->slots = slots;
    t->count = count;
}

void sizes_add(struct sizes_table *t, const char *name, size_t len, uint64_t bytes, uint64_t count)
{
    if (len == 0) {
        name = "(no name)";
        len = strlen(name);
    }
    if (2 * t->used >= t->count && t->used < SIZES_MAX_NAMES)
        grow(t);
    struct sizes_sum *to = find(t->slots, t->count, name, len);
    if (to && !to->name && t->used < SIZES_MAX_NAMES) {
        to->name = name;
        to->len = len;
        t->used++;
    }
    if (!to || !to->name)
        to = &t->others;
    to->bytes += bytes;
    to->count += count;
    t->bytes += bytes;
}

void sizes_table_free(struct sizes_table *t)
{
    free(t->slots);
    *t = (struct sizes_table){0};
}

static int larger_sum(const void *a, const void *b)
{
    const struct sizes_sum *const *x = a, *const *y = b;

    if ((*x)->bytes != (*y)->bytes)
        return (*x)->bytes < (*y)->bytes ? 1 : -1;
    return compare_names((*x)->name, (*x)->len, (*y)->name, (*y)->len);
}

static void put_sum(cJSON *list, const struct sizes_sum *s, const char *name_key, const char *count_key)
{
    cJSON *item = cJSON_CreateObject();

    report_name(item, name_key, s->name, s->len);
    json_put_int(item, "bytes", (int64_t)s->bytes);
    if (count_key)
        json_put_int(item, count_key, (int64_t)s->count);
    cJSON_AddItemToArray(list, item);
}

void sizes_put_table(const struct sizes_table *t, cJSON *obj, const char *key, const char *name_key,
                     const char *count_key)
{
    cJSON *list = cJSON_AddArrayToObject(obj, key);
    const struct sizes_sum **sorted = mem_alloc(t->used * sizeof *sorted);
    struct sizes_sum others = t->others;
    size_t n = 0;

    for (size_t i = 0; i < t->count; i++)
        if (t->slots[i].name)
            sorted[n++] = &t->slots[i];
    qsort(sorted, n, sizeof *sorted, larger_sum);
    for (size_t i = 0; i < n; i++) {
        if (i < SIZES_SHOWN) {
            put_sum(list, sorted[i], name_key, count_key);
            continue;
        }
        others.bytes += sorted[i]->bytes;
        others.count += sorted[i]->count;
    }
    free(sorted);
    if (others.bytes == 0 && others.count == 0)
        return;
    others.name = "(others)";
    others.len = strlen(others.name);
    put_sum(list, &others, name_key, count_key);
}

static bool before(const struct sizes_piece *a, const struct sizes_piece *b)
{
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes;
    if (!a->name != !b->name)
        return a->name;
    int r = a->name ? compare_names(a->name, a->len, b->name, b->len) : 0;
    return r ? r < 0 : a->index < b->index;
}

void sizes_top_add(struct sizes_top *t, const struct sizes_piece *piece)
{
    size_t i = t->len;

    if (i == SIZES_TOP && !before(piece, &t->at[i - 1]))
        return;
    if (t->len < SIZES_TOP)
        t->len++;
    else
        i--;
    for (; i > 0 && before(piece, &t->at[i - 1]); i--)
        t->at[i] = t->at[i - 1];
    t->at[i] = *piece;
}

void sizes_put_top(const struct sizes_top *t, bool crates, cJSON *obj, const char *key)
{
    struct sizes_top sorted = {.len = 0}; /* names may have come after the sizes */
    cJSON *list = cJSON_AddArrayToObject(obj, key);

    for (size_t i = 0; i < t->len; i++)
        sizes_top_add(&sorted, &t->at[i]);
    for (size_t i = 0; i < sorted.len; i++) {
        const struct sizes_piece *p = &sorted.at[i];
        AUTO(buf) struct buf text = {0};
        cJSON *item = cJSON_CreateObject();
        size_t len = 0;
        if (p->name) {
            symbol_text(p->name, p->len, &text);
            report_name(item, "name", text.p, text.len);
        } else {
            cJSON_AddNullToObject(item, "name");
        }
        if (crates) {
            const char *crate = symbol_crate(p->name, p->len, &len);
            report_name(item, "crate", crate, len);
        } else {
            cJSON_AddNullToObject(item, "crate");
        }
        json_put_int(item, "bytes", (int64_t)p->bytes);
        cJSON_AddItemToArray(list, item);
    }
}

void sizes_free(struct sizes *s)
{
    sizes_table_free(&s->sections);
    sizes_table_free(&s->crates);
}

void sizes_add_function(struct sizes *s, const char *name, size_t len, uint64_t bytes, uint64_t size)
{
    const struct sizes_piece piece = {.name = name, .len = len, .bytes = size};
    size_t crate_len;
    const char *crate = symbol_crate(name, len, &crate_len);

    sizes_add(&s->crates, crate, crate_len, bytes, 1);
    sizes_top_add(&s->functions, &piece);
}

/* What is missing from the sum, as a name of its own. */
static void add_rest(struct sizes_table *t, const char *name, uint64_t sum)
{
    if (t->bytes < sum)
        sizes_add(t, name, strlen(name), sum - t->bytes, 0);
}

cJSON *sizes_put(struct sizes *s, uint64_t file_bytes, bool names, struct report *r)
{
    cJSON *obj = cJSON_AddObjectToObject(r->root, "sizes");

    add_rest(&s->sections, "(outside sections)", file_bytes);
    sizes_put_table(&s->sections, obj, "by_section", "name", NULL);
    json_put_int(obj, "code_bytes", (int64_t)s->code_bytes);
    if (names) {
        add_rest(&s->crates, "(none)", s->code_bytes);
        sizes_put_table(&s->crates, obj, "by_crate", "crate", "functions");
    } else {
        cJSON_AddNullToObject(obj, "by_crate");
    }
    return obj;
}
