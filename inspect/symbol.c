/* symbol.c - see symbol.h. */
#include "inspect/symbol.h"

#include "base/mem.h"
#include "inspect/symbol_v0.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

/* Of a name that is not v0 only the head is looked at, and of a suffix that LLVM appends so much. */
#define HEAD 1024
#define MAX_SUFFIX 64

static bool starts(const char *s, size_t len, const char *with)
{
    size_t n = strlen(with);

    return len >= n && memcmp(s, with, n) == 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static const char *find(const char *s, size_t len, const char *what)
{
    return memmem(s, len, what, strlen(what));
}

static const char *answer(const char *word, size_t *ret_len)
{
    *ret_len = strlen(word);
    return word;
}

/* A decimal length and as many bytes. */
static bool read_ident(const char *s, size_t len, const char **ret, size_t *ret_len)
{
    size_t at = 0, n = 0;

    for (; at < len && is_digit(s[at]) && n <= SYMBOL_MAX_NAME; at++)
        n = 10 * n + (size_t)(s[at] - '0');
    if (n == 0 || n > len - at)
        return false;
    *ret = s + at;
    *ret_len = n;
    return true;
}

/* --- legacy: as C++, less C++'s signs, `17h`, 16 digits and `E` at the end --- */

/* Where the path's segments end, which is where the hash begins; 0: it is no such name. A suffix that LLVM appends (`.llvm.123`) does not count. */
static size_t legacy_end(const char *s, size_t len)
{
    for (size_t at = len; at-- > 20 && len - at <= MAX_SUFFIX;) {
        if (s[at] != 'E' || memcmp(s + at - 19, "17h", 3) != 0)
            continue;
        size_t i = 0;
        while (i < 16 && (is_digit(s[at - 16 + i]) || (s[at - 16 + i] >= 'a' && s[at - 16 + i] <= 'f')))
            i++;
        return i == 16 && (at + 1 == len || s[at + 1] == '.') ? at - 19 : 0;
    }
    return 0;
}

/* What may stand before a type's path, as legacy mangling writes it and as people do. */
static const char *const SIGNS[] = {"_$",         "$LT$",     "$RF$",      "$BP$", "$LP$", "$u5b$", "mut$u20$",
                                    "const$u20$", "dyn$u20$", "impl$u20$", "<",    "&",    "*",     "(",
                                    "[",          "mut ",     "const ",    "dyn ", "impl "};

/* `<alloc::vec::Vec<T> as core::fmt::Debug>` or a path: the word before the first `::` of the type, else of the trait.
 * dots: `..` stands for `::`. */
static bool qualified_crate(const char *s, size_t len, bool dots, const char **ret, size_t *ret_len)
{
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < COUNT(SIGNS);)
            if (starts(s, len, SIGNS[i])) {
                /* Of `_$` the sign that follows belongs to the next one. */
                size_t n = i == 0 ? 1 : strlen(SIGNS[i]);
                s += n;
                len -= n;
                i = 0;
            } else {
                i++;
            }
        size_t n = 0;
        while (n < len && is_word(s[n]))
            n++;
        if (n > 0 && starts(s + n, len - n, dots ? ".." : "::")) {
            *ret = s;
            *ret_len = n;
            return true;
        }
        const char *as = dots ? "$u20$as$u20$" : " as ", *trait = find(s, len, as);
        if (!trait)
            return false;
        trait += strlen(as);
        len -= (size_t)(trait - s);
        s = trait;
    }
    return false;
}

static bool legacy_crate(const char *s, size_t len, const char **ret, size_t *ret_len)
{
    if (!read_ident(s, len, ret, ret_len))
        return false;
    if (is_word(**ret) && !starts(*ret, *ret_len, "_$"))
        return true;
    return qualified_crate(*ret, *ret_len < HEAD ? *ret_len : HEAD, true, ret, ret_len);
}

/* --- names that a tool has demangled already, as some linkers do in wasm's name section --- */

/* C++ writes a function's parameters behind its name; Rust has brackets only within `<>`. */
static bool has_parameters(const char *s, size_t len)
{
    int depth = 0;

    for (size_t i = 0; i < len; i++) {
        if (s[i] == '(' && depth == 0)
            return true;
        depth += (s[i] == '<') - (s[i] == '>' && i > 0 && s[i - 1] != '-');
    }
    return false;
}

const char *symbol_crate(const char *name, size_t len, size_t *ret_len)
{
    size_t head = len < HEAD ? len : HEAD, end;
    const char *crate = NULL;
    bool found;

    if (len == 0 || len > SYMBOL_MAX_NAME)
        return answer(SYMBOL_UNNAMED, ret_len);
    if (starts(name, len, "_R")) {
        found = symbol_v0_crate(name + 2, len - 2, &crate, ret_len);
    } else if (starts(name, len, "_Z")) {
        end = legacy_end(name, len);
        if (end == 0)
            return answer(SYMBOL_CXX, ret_len);
        found = end > 3 && legacy_crate(name + 3, end - 3, &crate, ret_len);
    } else if (find(name, head, "::")) {
        if (has_parameters(name, head))
            return answer(SYMBOL_CXX, ret_len);
        found = starts(name, len, "_$") ? qualified_crate(name, head, true, &crate, ret_len)
                                        : qualified_crate(name, head, false, &crate, ret_len);
    } else {
        /* rustc's anonymous constants have names of their own kind. */
        return answer(starts(name, len, "anon.") ? SYMBOL_COMPILER : SYMBOL_C, ret_len);
    }
    if (!found || *ret_len == 0 || *ret_len > SYMBOL_MAX_CRATE)
        return answer(SYMBOL_UNNAMED, ret_len);
    return *ret_len == 7 && memcmp(crate, "__rustc", 7) == 0 ? answer(SYMBOL_COMPILER, ret_len) : crate;
}

const char *symbol_member_crate(const char *name, size_t len, size_t *ret_len)
{
    /* LIBRARY.CRATE.HASH-cgu.0.rcgu.o */
    static const char ending[] = ".rcgu.o";
    const char *crate = memchr(name, '.', len), *hash, *unit;

    if (len < sizeof ending || memcmp(name + len - (sizeof ending - 1), ending, sizeof ending - 1) != 0)
        return NULL;
    hash = crate ? memchr(crate + 1, '.', len - (size_t)(crate + 1 - name)) : NULL;
    unit = hash ? find(hash, len - (size_t)(hash - name), "-cgu.") : NULL;
    if (!unit || hash == crate + 1 || (size_t)(hash - crate) > SYMBOL_MAX_CRATE)
        return answer(SYMBOL_COMPILER, ret_len); /* the allocator's shims have an object of their own */
    *ret_len = (size_t)(hash - crate - 1);
    return crate + 1;
}

/* --- the library --- */
struct text {
    jmp_buf full;
    size_t len;
    char bytes[SYMBOL_MAX_TEXT];
};

/* The library cannot be told to stop, and would go on for years where back references multiply: it is left by a jump. It
 * holds memory in one place only, while it prints an identifier that was in Punycode, which is what is not ASCII: from
 * there it is let return. */
static void append(const char *s, size_t n, void *opaque)
{
    struct text *t = opaque;
    size_t room = sizeof t->bytes - t->len, most = n < room ? n : room;
    bool holds = false;

    if (most > 0) /* an empty identifier has no address */
        memcpy(t->bytes + t->len, s, most);
    t->len += most;
    for (size_t i = 0; i < n && !holds; i++)
        holds = (unsigned char)s[i] >= 0x80;
    if (t->len == sizeof t->bytes && !holds)
        longjmp(t->full, 1);
}

static bool demangle(const char *name, struct text *t)
{
    if (strncmp(name, "_R", 2) == 0 && !symbol_v0_harmless(name + 2, strlen(name) - 2))
        return false;
    return setjmp(t->full) != 0 || rust_demangle_callback(name, DMGL_NO_OPTS, append, t);
}

void symbol_text(const char *name, size_t len, struct buf *ret)
{
    AUTO(char_p) char *terminated = mem_strndup(name, len < SYMBOL_MAX_NAME ? len : SYMBOL_MAX_NAME);
    struct text t = {.len = 0};

    if (len <= SYMBOL_MAX_NAME && demangle(terminated, &t) && t.len > 0)
        buf_put(ret, t.bytes, t.len);
    else
        buf_put(ret, name, len < SYMBOL_MAX_TEXT ? len : SYMBOL_MAX_TEXT);
}
