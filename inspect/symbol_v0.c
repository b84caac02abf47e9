/* symbol_v0.c - see symbol_v0.h. */
#include "inspect/symbol_v0.h"

#include <stdint.h>
#include <string.h>

/* Steps on the way to a crate's name; a back reference may lead to itself. */
#define MAX_STEPS 256

/* Digits of a number in base 62: 64 bits. */
#define MAX_DIGITS 11

/* Far above names of people, whose types nest some ten deep. */
#define MAX_DEPTH 300
#define MAX_LIFETIMES 62

struct walk {
    const char *s;
    size_t len, pos;
    int depth;
};

static char peek(const struct walk *w)
{
    return w->pos < w->len ? w->s[w->pos] : '\0';
}

static bool eat(struct walk *w, char c)
{
    if (w->pos >= w->len || w->s[w->pos] != c)
        return false;
    w->pos++;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A number in base 62 up to its `_`. One that is too large for any position is as good as the largest. */
static bool number(struct walk *w, size_t *ret)
{
    size_t v = 0, start = w->pos;

    for (; w->pos - start <= MAX_DIGITS && !eat(w, '_'); w->pos++) {
        char c = peek(w);
        size_t digit = is_digit(c)            ? (size_t)(c - '0')
                       : c >= 'a' && c <= 'z' ? (size_t)(c - 'a') + 10
                       : c >= 'A' && c <= 'Z' ? (size_t)(c - 'A') + 36
                                              : SIZE_MAX;
        if (digit == SIZE_MAX)
            return false;
        v = v > SIZE_MAX / 64 ? v : 62 * v + digit;
    }
    if (w->pos == start || w->s[w->pos - 1] != '_')
        return false;
    *ret = w->pos == start + 1 ? 0 : v + 1;
    return true;
}

/* The same behind a tag, if that is there. */
static bool tagged(struct walk *w, char tag, size_t *ret)
{
    *ret = 0;
    if (!eat(w, tag))
        return true;
    if (!number(w, ret))
        return false;
    ++*ret;
    return true;
}

/* `u` for Punycode, a decimal length, a `_` where the bytes would begin with a digit or another `_`, the bytes. */
static bool plain_ident(struct walk *w, const char **ret, size_t *ret_len)
{
    size_t n = 0;

    eat(w, 'u');
    if (!is_digit(peek(w)))
        return false;
    if (!eat(w, '0')) /* no number begins with it: the next digit is of the next one */
        for (; is_digit(peek(w)) && n <= w->len; w->pos++)
            n = 10 * n + (size_t)(peek(w) - '0');
    eat(w, '_');
    if (n > w->len - w->pos)
        return false;
    *ret = w->s + w->pos;
    *ret_len = n;
    w->pos += n;
    return true;
}

static bool ident(struct walk *w, const char **ret, size_t *ret_len)
{
    size_t disambiguator;

    return tagged(w, 's', &disambiguator) && plain_ident(w, ret, ret_len);
}

/* --- the crate --- */

/* Types are passed through, not understood: they stand in the way only in `<T as Trait>::method` of a trait's own methods,
 * where the first crate is T's, or the trait's if T has none. */
bool symbol_v0_crate(const char *name, size_t len, const char **ret, size_t *ret_len)
{
    struct walk w = {.s = name, .len = len};
    size_t n;

    while (is_digit(peek(&w)))
        w.pos++; /* a version of the encoding */
    for (int steps = 0; steps < MAX_STEPS && w.pos < w.len; steps++)
        switch (w.s[w.pos++]) {
        case 'C': /* a crate */
            return ident(&w, ret, ret_len);
        case 'N': /* something in a path, with its namespace */
            w.pos++;
            break;
        case 'M':
        case 'X': /* an `impl`, whose own path comes first */
            if (!tagged(&w, 's', &n))
                return false;
            break;
        case 'B':
            if (!number(&w, &n) || n >= w.pos)
                return false; /* forwards, or nowhere */
            w.pos = n;
            break;
        case 'L':
            if (!number(&w, &n))
                return false;
            break;
        case 'D':
        case 'F':
            if (!tagged(&w, 'G', &n))
                return false;
            break;
        case 'K': /* a function type's ABI */
            eat(&w, 'C');
            break;
        default: /* generic arguments, references, arrays, tuples, basic types */
            break;
        }
    return false;
}

/* --- the whole grammar, less what the library does not know --- */
static bool path(struct walk *w);
static bool type(struct walk *w);

static bool back_reference(struct walk *w)
{
    size_t n;

    return number(w, &n) && n < w->pos;
}

static bool binder(struct walk *w)
{
    size_t n;

    return tagged(w, 'G', &n) && n <= MAX_LIFETIMES;
}

/* Of an integer, a bool or a char: digits in base 16. */
static bool constant(struct walk *w)
{
    if (eat(w, 'p'))
        return true;
    if (eat(w, 'B'))
        return back_reference(w);
    if (peek(w) == '\0' || !strchr("htmyojaslxnibc", peek(w)))
        return false;
    w->pos++;
    eat(w, 'n');
    while (is_digit(peek(w)) || (peek(w) >= 'a' && peek(w) <= 'f'))
        w->pos++;
    return eat(w, '_');
}

static bool argument(struct walk *w)
{
    size_t n;

    if (eat(w, 'L'))
        return number(w, &n);
    return eat(w, 'K') ? constant(w) : type(w);
}

/* All of these up to `E`. */
static bool until_end(struct walk *w, bool (*each)(struct walk *w))
{
    while (!eat(w, 'E'))
        if (!each(w))
            return false;
    return true;
}

static bool function(struct walk *w)
{
    const char *abi;
    size_t len;

    if (!binder(w))
        return false;
    eat(w, 'U');
    if (eat(w, 'K') && !eat(w, 'C') && !plain_ident(w, &abi, &len))
        return false;
    return until_end(w, type) && type(w);
}

static bool bound(struct walk *w)
{
    const char *name;
    size_t len;

    if (!path(w))
        return false;
    while (eat(w, 'p'))
        if (!plain_ident(w, &name, &len) || !type(w))
            return false;
    return true;
}

static bool type_inside(struct walk *w)
{
    size_t n;
    char tag = peek(w);

    if (tag != '\0' && strchr("bceuaslxnihtmyojfdzpv", tag)) {
        w->pos++;
        return true;
    }
    if (tag == '\0' || !strchr("ASTRQPOFDB", tag))
        return path(w);
    w->pos++;
    switch (tag) {
    case 'A':
        return type(w) && constant(w);
    case 'T':
        return until_end(w, type);
    case 'R':
    case 'Q':
        return tagged(w, 'L', &n) && type(w);
    case 'F':
        return function(w);
    case 'D':
        return binder(w) && until_end(w, bound) && eat(w, 'L') && number(w, &n);
    case 'B':
        return back_reference(w);
    default: /* a slice, a pointer */
        return type(w);
    }
}

static bool path_inside(struct walk *w)
{
    const char *name;
    size_t n;

    if (w->pos >= w->len)
        return false;
    switch (w->s[w->pos++]) {
    case 'C':
        return ident(w, &name, &n);
    case 'N':
        w->pos++;
        return path(w) && ident(w, &name, &n);
    case 'M':
        return tagged(w, 's', &n) && path(w) && type(w);
    case 'X':
        return tagged(w, 's', &n) && path(w) && type(w) && path(w);
    case 'Y':
        return type(w) && path(w);
    case 'I':
        return path(w) && until_end(w, argument);
    case 'B':
        return back_reference(w);
    default:
        return false;
    }
}

static bool deeper(struct walk *w, bool (*inside)(struct walk *w))
{
    bool ok = w->depth++ < MAX_DEPTH && inside(w);

    w->depth--;
    return ok;
}

static bool path(struct walk *w)
{
    return deeper(w, path_inside);
}

static bool type(struct walk *w)
{
    return deeper(w, type_inside);
}

bool symbol_v0_harmless(const char *name, size_t len)
{
    const char *suffix = memchr(name, '.', len);
    struct walk w = {.s = name, .len = suffix ? (size_t)(suffix - name) : len};

    /* The crate that instantiated it may follow. */
    return path(&w) && (w.pos == w.len || path(&w)) && w.pos == w.len;
}
