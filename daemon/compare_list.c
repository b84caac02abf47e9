/* compare_list.c - see compare_list.h. */
#include "daemon/compare_list.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FROM, TO, SIDES };

static void put_number(cJSON *o, const char *key, double v)
{
    if (isnan(v))
        cJSON_AddNullToObject(o, key);
    else
        cJSON_AddNumberToObject(o, key, v);
}

static void was_cut(cJSON *cut, const char *what)
{
    cJSON_AddItemToArray(cut, cJSON_CreateString(what));
}

/* --- names --- */

static const char *const fields[] = {"module", "name", "kind", "type"};

struct named {
    const char *field[COUNT(fields)]; /* "" where it has none */
};

static int by_fields(const void *a, const void *b)
{
    const struct named *x = a, *y = b;

    for (size_t i = 0; i < COUNT(fields); i++) {
        int r = strcmp(x->field[i], y->field[i]);
        if (r)
            return r;
    }
    return 0;
}

/* Sorted, each once. */
static struct named *take_names(const cJSON *list, size_t *ret_count)
{
    struct named *all = mem_alloc((size_t)cJSON_GetArraySize(list) * sizeof *all);
    size_t n = 0, kept = 0;
    const cJSON *v;

    cJSON_ArrayForEach(v, list)
    {
        struct named x = {{"", "", "", ""}};
        for (size_t i = 0; i < COUNT(fields); i++)
            x.field[i] = json_str(v, fields[i], "");
        if (cJSON_IsString(v))
            x.field[1] = v->valuestring;
        all[n++] = x;
    }
    qsort(all, n, sizeof *all, by_fields);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || by_fields(&all[i - 1], &all[i]) != 0)
            all[kept++] = all[i];
    *ret_count = kept;
    return all;
}

static void put_name(cJSON *list, const struct named *x, bool *full)
{
    *full = cJSON_GetArraySize(list) >= COMPARE_NAMES;
    if (*full)
        return;
    cJSON *o = cJSON_CreateObject();
    for (size_t i = 0; i < COUNT(fields); i++)
        if (*x->field[i] || strcmp(fields[i], "name") == 0)
            json_put_str(o, fields[i], x->field[i]);
    cJSON_AddItemToArray(list, o);
}

cJSON *compare_list_names(const cJSON *from, const cJSON *to, const char *what, cJSON *cut)
{
    size_t n = 0, m = 0, i = 0, j = 0;
    bool full[SIDES] = {false};

    if (!from || !to)
        return NULL;
    struct named *a = take_names(from, &n), *b = take_names(to, &m);
    cJSON *o = cJSON_CreateObject(), *added = cJSON_AddArrayToObject(o, "added");
    cJSON *removed = cJSON_AddArrayToObject(o, "removed");
    while (i < n || j < m) {
        int r = i == n ? 1 : j == m ? -1 : by_fields(&a[i], &b[j]);
        if (r < 0)
            put_name(removed, &a[i], &full[FROM]);
        if (r > 0)
            put_name(added, &b[j], &full[TO]);
        i += r <= 0;
        j += r >= 0;
    }
    if (full[FROM] || full[TO])
        was_cut(cut, what);
    mem_free(a);
    mem_free(b);
    return o;
}

/* --- sizes --- */

struct size {
    const char *name;
    double bytes[SIDES]; /* NAN: not known */
};

static int by_size_name(const void *a, const void *b)
{
    return strcmp(((const struct size *)a)->name, ((const struct size *)b)->name);
}

/* One side is all that is known of what has no delta. */
static double weight(const struct size *s)
{
    double delta = s->bytes[TO] - s->bytes[FROM];

    return fabs(!isnan(delta) ? delta : isnan(s->bytes[TO]) ? s->bytes[FROM] : s->bytes[TO]);
}

static int by_weight(const void *a, const void *b)
{
    double x = weight(a), y = weight(b);

    return x != y ? (x < y) - (x > y) : by_size_name(a, b);
}

static void take_sizes(const cJSON *list, int side, const char *key, struct size *all, size_t *count)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, list)
    {
        const char *name = json_str(v, key, NULL);
        if (!name)
            continue;
        all[*count] = (struct size){.name = name, .bytes = {NAN, NAN}};
        all[(*count)++].bytes[side] = (double)json_int(v, "bytes", 0);
    }
}

/* Those of one name become one. */
static size_t join_sizes(struct size *all, size_t count)
{
    size_t kept = 0;

    qsort(all, count, sizeof *all, by_size_name);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || by_size_name(&all[kept - 1], &all[i]) != 0) {
            all[kept++] = all[i];
            continue;
        }
        for (int side = 0; side < SIDES; side++) {
            double *sum = &all[kept - 1].bytes[side], more = all[i].bytes[side];
            *sum = isnan(*sum) ? more : isnan(more) ? *sum : *sum + more;
        }
    }
    return kept;
}

cJSON *compare_list_sizes(const cJSON *from, const cJSON *to, const char *key, const char *what, cJSON *cut)
{
    bool partial[SIDES] = {false};
    size_t count = 0;

    if (!from || !to)
        return NULL;
    struct size *all = mem_alloc((size_t)(cJSON_GetArraySize(from) + cJSON_GetArraySize(to)) * sizeof *all);
    take_sizes(from, FROM, key, all, &count);
    take_sizes(to, TO, key, all, &count);
    count = join_sizes(all, count);
    for (size_t i = 0; i < count; i++)
        for (int side = 0; side < SIDES; side++)
            partial[side] |= strcmp(all[i].name, COMPARE_OTHERS) == 0 && !isnan(all[i].bytes[side]);
    for (size_t i = 0; i < count; i++)
        for (int side = 0; side < SIDES; side++)
            if (isnan(all[i].bytes[side]) && !partial[side])
                all[i].bytes[side] = 0;
    qsort(all, count, sizeof *all, by_weight);

    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count && i < COMPARE_SIZES; i++) {
        cJSON *o = cJSON_CreateObject();
        json_put_str(o, "name", all[i].name);
        put_number(o, "from", all[i].bytes[FROM]);
        put_number(o, "to", all[i].bytes[TO]);
        put_number(o, "delta", all[i].bytes[TO] - all[i].bytes[FROM]);
        cJSON_AddItemToArray(list, o);
    }
    if (count > COMPARE_SIZES)
        was_cut(cut, what);
    mem_free(all);
    return list;
}

/* --- functions --- */

struct function {
    const char *name, *crate; /* crate may be NULL */
    double bytes, before;     /* before: NAN, it was none of the largest */
    double grown;             /* at least */
};

static int by_function_name(const struct function *x, const struct function *y)
{
    int r = strcmp(x->name, y->name);

    return r ? r : strcmp(x->crate ? x->crate : "", y->crate ? y->crate : "");
}

static int by_function(const void *a, const void *b)
{
    const struct function *x = a, *y = b;
    int r = by_function_name(x, y);

    return r ? r : (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static int by_growth(const void *a, const void *b)
{
    const struct function *x = a, *y = b;

    return x->grown != y->grown ? (x->grown < y->grown) - (x->grown > y->grown) : by_function(a, b);
}

/* Those that have a name: what a stripped module does not name cannot be found again. *ret_least: the smallest. */
static struct function *take_functions(const cJSON *list, size_t *ret_count, double *ret_least)
{
    struct function *all = mem_alloc((size_t)cJSON_GetArraySize(list) * sizeof *all);
    double least = INFINITY;
    size_t n = 0;
    const cJSON *v;

    cJSON_ArrayForEach(v, list)
    {
        const char *name = json_str(v, "name", NULL);
        double bytes = (double)json_int(v, "bytes", 0);
        least = bytes < least ? bytes : least;
        if (name)
            all[n++] = (struct function){.name = name, .crate = json_str(v, "crate", NULL), .bytes = bytes};
    }
    qsort(all, n, sizeof *all, by_function);
    *ret_count = n;
    *ret_least = cJSON_GetArraySize(list) < COMPARE_INSPECTED ? 0 : least;
    return all;
}

cJSON *compare_list_functions(const cJSON *from, const cJSON *to)
{
    size_t n = 0, m = 0, i = 0, count = 0;
    double least, unused;

    if (!from || !to)
        return NULL;
    struct function *old = take_functions(from, &n, &least), *all = take_functions(to, &m, &unused);
    for (size_t j = 0; j < m; j++) {
        struct function f = all[j];
        while (i < n && by_function_name(&old[i], &f) < 0)
            i++;
        bool known = i < n && by_function_name(&old[i], &f) == 0;
        f.before = known ? old[i++].bytes : least > 0 ? NAN : 0;
        f.grown = f.bytes - (known ? f.before : least);
        if (f.grown > 0)
            all[count++] = f;
    }
    qsort(all, count, sizeof *all, by_growth);
    cJSON *list = cJSON_CreateArray();
    for (size_t j = 0; j < count && j < COMPARE_FUNCTIONS; j++) {
        cJSON *o = cJSON_CreateObject();
        json_put_str(o, "name", all[j].name);
        json_put_str(o, "crate", all[j].crate);
        put_number(o, "from", all[j].before);
        put_number(o, "to", all[j].bytes);
        put_number(o, "delta", all[j].bytes - all[j].before);
        cJSON_AddItemToArray(list, o);
    }
    mem_free(old);
    mem_free(all);
    return list;
}

/* --- settings --- */

static void put_value(cJSON *o, const char *key, const cJSON *v)
{
    cJSON_AddItemToObject(o, key, v ? cJSON_Duplicate(v, true) : cJSON_CreateNull());
}

cJSON *compare_list_settings(const cJSON *from, const cJSON *to)
{
    const cJSON *sides[SIDES] = {from, to}, *v;
    cJSON *list = cJSON_CreateArray();

    for (int side = 0; side < SIDES; side++)
        cJSON_ArrayForEach(v, sides[side])
        {
            const cJSON *there = cJSON_GetObjectItemCaseSensitive(sides[!side], v->string);
            if (there && (side == TO || cJSON_Compare(v, there, true)))
                continue; /* what both have was seen from the first one's side */
            cJSON *o = cJSON_CreateObject();
            json_put_str(o, "name", v->string);
            put_value(o, "from", side == FROM ? v : there);
            put_value(o, "to", side == FROM ? there : v);
            cJSON_AddItemToArray(list, o);
        }
    return list;
}

/* --- packages --- */

struct package {
    const char *name, *version, *source, *checksum, *use; /* source, checksum and use may be NULL */
    int side;
};

static int compare_texts(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int by_package(const void *a, const void *b)
{
    const struct package *x = a, *y = b;
    int r = strcmp(x->name, y->name);

    r = r ? r : x->side - y->side;
    r = r ? r : strcmp(x->version, y->version);
    return r ? r : compare_texts(x->source, y->source);
}

static void take_packages(const cJSON *told, int side, bool used_only, struct package *all, size_t *count)
{
    int64_t root = json_int(told, "root", -1), i = 0;
    const cJSON *v;

    cJSON_ArrayForEach(v, json_arr(told, "packages"))
    {
        const struct package p = {
            .name = json_str(v, "name", NULL),
            .version = json_str(v, "version", NULL),
            .source = json_str(v, "source", NULL),
            .checksum = json_str(v, "checksum", NULL),
            .use = json_str(v, "for", NULL),
            .side = side,
        };
        if (i++ != root && p.name && p.version && (p.use || !used_only))
            all[(*count)++] = p;
    }
}

/* A run of one name: first those of one side, then those of the other. NULL: nothing has changed. */
static const char *change_of(const struct package *p, size_t old, size_t now)
{
    const char *change = NULL;

    if (old == 0 || now == 0)
        return old == 0 ? "added" : "removed";
    if (old != now)
        return "version";
    for (size_t i = 0; i < old; i++) {
        const struct package *a = &p[i], *b = &p[old + i];
        if (strcmp(a->version, b->version) != 0)
            return "version";
        /* A path has no checksum, nor has what an old lock pins. */
        if (compare_texts(a->source, b->source) != 0 ||
            (a->checksum && b->checksum && strcmp(a->checksum, b->checksum) != 0))
            change = "source";
    }
    return change;
}

static void put_versions(cJSON *o, const char *key, const struct package *p, size_t count, bool sources)
{
    cJSON *list = cJSON_AddArrayToObject(o, key);

    for (size_t i = 0; i < count && i < COMPARE_VERSIONS; i++) {
        AUTO(char_p)
        char *text = sources ? mem_printf("%s (%s%s%s)", p[i].version, p[i].source ? p[i].source : "path",
                                          p[i].checksum ? ", sha256 " : "", p[i].checksum ? p[i].checksum : "")
                             : mem_strdup(p[i].version);
        cJSON_AddItemToArray(list, cJSON_CreateString(text));
    }
}

static cJSON *moved(const struct package *p, size_t old, size_t now, const char *change)
{
    bool sources = strcmp(change, "source") == 0;
    const char *use = NULL;
    cJSON *o = cJSON_CreateObject();

    for (size_t i = 0; i < old + now; i++)
        if (p[i].use && (!use || strcmp(p[i].use, "target") == 0))
            use = p[i].use;
    json_put_str(o, "name", p->name);
    json_put_str(o, "change", change);
    put_versions(o, "from", p, old, sources);
    put_versions(o, "to", p + old, now, sources);
    json_put_str(o, "for", use);
    return o;
}

cJSON *compare_list_packages(const cJSON *from, const cJSON *to, cJSON *cut)
{
    size_t count = 0, old, now;
    bool full = false;

    if (!from || !to)
        return NULL;
    bool used_only = json_bool(from, "resolved", false) && json_bool(to, "resolved", false);
    int most = cJSON_GetArraySize(json_arr(from, "packages")) + cJSON_GetArraySize(json_arr(to, "packages"));
    struct package *all = mem_alloc((size_t)most * sizeof *all);
    take_packages(from, FROM, used_only, all, &count);
    take_packages(to, TO, used_only, all, &count);
    qsort(all, count, sizeof *all, by_package);
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count; i += old + now) {
        old = now = 0;
        for (size_t j = i; j < count && strcmp(all[j].name, all[i].name) == 0; j++)
            *(all[j].side == FROM ? &old : &now) += 1;
        const char *change = change_of(&all[i], old, now);
        full |= change && cJSON_GetArraySize(list) >= COMPARE_PACKAGES;
        if (change && !full)
            cJSON_AddItemToArray(list, moved(&all[i], old, now, change));
    }
    if (full)
        was_cut(cut, "dependencies");
    mem_free(all);
    return list;
}
