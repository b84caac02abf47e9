/* query.c - see query.h. */
#include "daemon/query.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int unescape(const char *s, size_t len, bool plus, char **ret, struct err *err)
{
    AUTO(buf) struct buf b = {0};

    for (size_t i = 0; i < len; i++) {
        char c = s[i];
        if (c == '%') {
            int hi = -1, lo = -1;
            if (len - i > 2) {
                hi = hex_digit(s[i + 1]);
                lo = hex_digit(s[i + 2]);
            }
            if (hi < 0 || lo < 0)
                return err_set(err, ERR_BAD_REQUEST, "'%%' in the URL is not followed by two hexadecimal digits");
            c = (char)(hi << 4 | lo);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == '\0')
            return err_set(err, ERR_BAD_REQUEST, "the URL holds a NUL byte");
        buf_put(&b, &c, 1);
    }
    AUTO(char_p) char *clean = json_utf8(b.p ? b.p : "", b.len);
    if (strlen(clean) != b.len || (b.len && memcmp(clean, b.p, b.len) != 0))
        return err_set(err, ERR_BAD_REQUEST, "the URL holds text that is not UTF-8");
    *ret = buf_steal(&b);
    return 0;
}

int query_unescape(const char *s, size_t len, char **ret, struct err *err)
{
    return unescape(s, len, false, ret, err);
}

int query_parse(const char *raw, struct query *ret, struct err *err)
{
    struct query q = {0};

    for (const char *p = raw; p && *p;) {
        size_t len = strcspn(p, "&");
        const char *eq = memchr(p, '=', len);
        size_t key_len = eq ? (size_t)(eq - p) : len;
        char *key = NULL, *value = NULL;

        if (len > 0) {
            if (q.count == QUERY_MAX_PARAMS) {
                query_free(&q);
                return err_set(err, ERR_BAD_REQUEST, "more than %d query parameters", QUERY_MAX_PARAMS);
            }
            if (key_len == 0) {
                query_free(&q);
                return err_set(err, ERR_BAD_REQUEST, "a query parameter without a name");
            }
            if (unescape(p, key_len, true, &key, err) < 0 ||
                unescape(eq ? eq + 1 : "", eq ? len - key_len - 1 : 0, true, &value, err) < 0) {
                mem_free(key);
                query_free(&q);
                return -1;
            }
            q.params = mem_resize(q.params, (q.count + 1) * sizeof *q.params);
            q.params[q.count++] = (struct param){key, value};
        }
        p += len;
        if (*p == '&')
            p++;
    }
    *ret = q;
    return 0;
}

void query_free(struct query *q)
{
    for (size_t i = 0; i < q->count; i++) {
        mem_free((char *)q->params[i].key);
        mem_free((char *)q->params[i].value);
    }
    mem_free(q->params);
    *q = (struct query){0};
}

const char *query_get(const struct query *q, const char *key)
{
    for (size_t i = 0; i < q->count; i++)
        if (strcmp(q->params[i].key, key) == 0)
            return q->params[i].value;
    return NULL;
}

static size_t distance(const char *a, const char *b)
{
    enum { MAX = 40 };
    size_t la = strlen(a), lb = strlen(b), row[MAX + 1];

    if (la > MAX || lb > MAX)
        return MAX;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[lb];
}

const char *query_nearest(const char *word, const char *const *known)
{
    size_t best = strlen(word) / 3 + 2;
    const char *found = NULL;

    for (; *known; known++) {
        size_t d = distance(word, *known);
        if (d < best) {
            best = d;
            found = *known;
        }
    }
    return found;
}

static const char *match(const char *key, const char *const *known)
{
    for (; *known; known++) {
        size_t len = strlen(*known);
        bool prefix = len > 0 && (*known)[len - 1] == '.';
        if (prefix ? strncmp(key, *known, len) == 0 && key[len] : strcmp(key, *known) == 0)
            return *known;
    }
    return NULL;
}

int query_check(const struct query *q, const char *const *known, struct err *err)
{
    for (size_t i = 0; i < q->count; i++) {
        const char *key = q->params[i].key, *found = match(key, known);
        if (!found) {
            const char *near = query_nearest(key, known);
            err_set(err, ERR_BAD_REQUEST, "unknown query parameter '%.64s'", key);
            if (near)
                return err_hint(err, "did you mean '%s'?", near);
            AUTO(buf) struct buf list = {0};
            for (const char *const *k = known; *k; k++)
                buf_printf(&list, "%s%s", list.len ? ", " : "", *k);
            return err_hint(err, "%s%s", list.len ? "known here: " : "this call takes none", list.p ? list.p : "");
        }
        for (size_t j = 0; j < i; j++)
            if (strcmp(q->params[j].key, key) == 0)
                return err_set(err, ERR_BAD_REQUEST, "query parameter '%.64s' is given twice", key);
    }
    return 0;
}

int query_int(const struct query *q, const char *key, int64_t min, int64_t max, int64_t fallback, int64_t *ret,
              struct err *err)
{
    const char *s = query_get(q, key);
    int64_t v = 0;

    if (!s) {
        *ret = fallback;
        return 0;
    }
    if (!*s || strlen(s) > 18 || s[strspn(s, "0123456789")])
        return err_set(err, ERR_BAD_REQUEST, "query parameter '%s' must be a whole number from %lld to %lld", key,
                       (long long)min, (long long)max);
    for (; *s; s++)
        v = v * 10 + (*s - '0');
    if (v < min || v > max)
        return err_set(err, ERR_BAD_REQUEST, "query parameter '%s' must be from %lld to %lld", key, (long long)min,
                       (long long)max);
    *ret = v;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct param *x = a, *y = b;
    int c = strcmp(x->key, y->key);

    return c ? c : strcmp(x->value, y->value);
}

char *query_canonical(const struct query *q)
{
    struct param *sorted = mem_alloc(q->count * sizeof *sorted);
    struct buf b = {0};

    if (q->count) {
        memcpy(sorted, q->params, q->count * sizeof *sorted);
        qsort(sorted, q->count, sizeof *sorted, compare);
    }
    /* With the lengths in front nothing in a value can look like the next parameter. */
    for (size_t i = 0; i < q->count; i++)
        buf_printf(&b, "%zu:%s=%zu:%s&", strlen(sorted[i].key), sorted[i].key, strlen(sorted[i].value),
                   sorted[i].value);
    mem_free(sorted);
    return buf_steal(&b);
}
