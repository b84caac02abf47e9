/*
 * diagnose.c - reads a failed build's output as a person would: the first real
 * error, where it is, and what it is about. The text is the build's own, so it
 * decides nothing but words, and between kinds that are the job's fault anyway. Any
 * bytes are fine. Pure, any thread. See diagnose.h.
 */
#include "workers/diagnose.h"

#include "base/buf.h"

#include <ctype.h>
#include <string.h>

#define MAX_LOG (32u << 20)
#define MAX_MESSAGE 1024
#define MAX_EXCERPT 8192
#define MAX_LINE 400             /* of a line in the excerpt: a linker's command line has thousands */
#define VENDORED "cargo/vendor/" /* what rustc calls the dependencies of steps/old.py, by plan_cargo.c */
#define BEFORE 4                 /* lines of the excerpt */
#define AFTER 36
#define LOOK_AHEAD 400 /* lines that may belong to one error */

/* A line of the cleaned log. */
struct line {
    const char *p;
    size_t len;
};

/* --- cleaning --- */

/* The bytes of an escape sequence at s: CSI, OSC or two bytes. */
static size_t escape(const char *s, size_t n)
{
    size_t i = 2;

    if (n < 2)
        return n;
    if (s[1] == '[') {
        while (i < n && ((unsigned char)s[i] < 0x40 || (unsigned char)s[i] > 0x7e))
            i++;
        return i < n ? i + 1 : n;
    }
    if (s[1] == ']') {
        while (i < n && s[i] != '\a' && s[i] != '\n' && !(s[i] == '\x1b' && i + 1 < n && s[i + 1] == '\\'))
            i++;
        return i >= n || s[i] == '\n' ? i : i + (s[i] == '\a' ? 1 : 2);
    }
    return s[1] == '\n' ? 1 : 2;
}

/* Without escapes and control characters; of a line that was overwritten with \r the last version. */
static char *clean(const char *log, size_t len)
{
    struct buf b = {0};
    size_t start = 0; /* of the line in b */

    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)log[i];
        if (c == '\x1b') {
            i += escape(log + i, len - i);
            continue;
        }
        if (c == '\r' && (i + 1 >= len || log[i + 1] != '\n')) {
            b.len = b.len > start ? start : b.len;
        } else if (c == '\n') {
            buf_put(&b, "\n", 1);
            start = b.len;
        } else if (c == '\t') {
            buf_put(&b, "    ", 4);
        } else if (c >= 0x20 && c != 0x7f) {
            size_t n = 1;
            while (i + n < len && (unsigned char)log[i + n] >= 0x20 && log[i + n] != 0x7f)
                n++;
            buf_put(&b, log + i, n);
            i += n;
            continue;
        }
        i++;
    }
    char *text = json_utf8(b.p ? b.p : "", b.len);
    buf_free(&b);
    return text;
}

/* --- lines --- */

static bool next_line(const char **pos, struct line *ret)
{
    if (!**pos)
        return false;
    ret->p = *pos;
    ret->len = strcspn(*pos, "\n");
    *pos += ret->len;
    *pos += **pos == '\n';
    return true;
}

static bool has(struct line l, const char *needle)
{
    return memmem(l.p, l.len, needle, strlen(needle)) != NULL;
}

static bool starts(struct line l, const char *prefix)
{
    size_t n = strlen(prefix);

    return l.len >= n && memcmp(l.p, prefix, n) == 0;
}

static struct line trim(struct line l)
{
    while (l.len > 0 && l.p[0] == ' ') {
        l.p++;
        l.len--;
    }
    while (l.len > 0 && l.p[l.len - 1] == ' ')
        l.len--;
    return l;
}

/* "error: " or "error[E0425]: " at the start of the line. */
static bool is_error(struct line l)
{
    return starts(l, "error: ") || (starts(l, "error[") && has(l, "]: "));
}

/* What only says that there was an error before. */
static bool is_summary(struct line l)
{
    return starts(l, "error: could not compile ") || starts(l, "error: aborting due to ") ||
           starts(l, "error: build failed");
}

/* Cut to max bytes at a character's boundary. */
static size_t cut(const char *s, size_t len, size_t max)
{
    if (len <= max)
        return len;
    while (max > 0 && ((unsigned char)s[max] & 0xc0) == 0x80)
        max--;
    return max;
}

/* Text for people: the container's folders say nothing to them. */
static void put_text(struct buf *b, struct line l)
{
    static const char *const folders[] = {"/work/src/", "/work/target/", "/work/cargo/registry/src/", VENDORED,
                                          " (/work/src)"};

    for (size_t i = 0; i < l.len;) {
        size_t skip = 0;
        for (size_t f = 0; f < COUNT(folders); f++) {
            size_t n = strlen(folders[f]);
            if (l.len - i >= n && memcmp(l.p + i, folders[f], n) == 0)
                skip = n;
        }
        if (skip)
            i += skip;
        else
            buf_put(b, l.p + i++, 1);
    }
}

/* --- kinds --- */

static const struct {
    const char *text; /* in the error's own line */
    enum err_kind kind;
} known[] = {
    {"linking with ", ERR_LINK},
    {"linker `", ERR_LINK},
    {"could not find native static library", ERR_LINK},
    {"failed to run custom build command", ERR_COMPILE},
    {"failed to parse manifest", ERR_BAD_SOURCE},
    {"failed to load manifest", ERR_BAD_SOURCE},
    {"failed to read `/work/src", ERR_BAD_SOURCE},
    {"failed to parse lock file", ERR_BAD_SOURCE},
    {"could not find `Cargo.toml`", ERR_BAD_SOURCE},
    {"manifest path `", ERR_BAD_SOURCE},
    {"no targets specified in the manifest", ERR_BAD_SOURCE},
    {"current package believes it's in a workspace", ERR_BAD_SOURCE},
    {"needs to be updated but --locked", ERR_BAD_SOURCE},
    {"because --locked was passed", ERR_BAD_SOURCE},
    {"is not supported by the following package", ERR_BAD_SOURCE},
    {"cannot be built because it requires rustc", ERR_BAD_SOURCE},
    {"error: profile `", ERR_BAD_SOURCE}, /* is not defined */
    {"no bin target", ERR_BAD_SOURCE},
    {"no library targets found", ERR_BAD_SOURCE},
    {"package ID specification", ERR_BAD_SOURCE},
    {"does not contain this feature", ERR_BAD_SOURCE},
    {"none of the selected packages contains", ERR_BAD_SOURCE},
    {"no matching package", ERR_DEPENDENCY},
    {"failed to select a version", ERR_DEPENDENCY},
    {"failed to get `", ERR_DEPENDENCY},
    {"failed to load source for dependency", ERR_DEPENDENCY},
    {"unable to get packages from source", ERR_DEPENDENCY},
    {"unable to update", ERR_DEPENDENCY},
    {"failed to download", ERR_DEPENDENCY},
    {"failed to fetch", ERR_DEPENDENCY},
    {"failed to sync", ERR_DEPENDENCY},
    {"failed to verify the checksum", ERR_DEPENDENCY},
    {"checksum for `", ERR_DEPENDENCY},
    {"the listed checksum of", ERR_DEPENDENCY},
    {"failed to query replaced source", ERR_DEPENDENCY},
    {"failed to unpack package", ERR_DEPENDENCY},
    {"cyclic package dependency", ERR_DEPENDENCY},
    {"attempting to make an HTTP request", ERR_DEPENDENCY},
};

static const struct {
    const char *match, *hint;
} general[] = {
    {"because --locked was passed",
     "locked wants a Cargo.lock that fits Cargo.toml: run cargo update --workspace and send it, or leave locked out"},
    {"needs to be updated but --locked",
     "locked wants a Cargo.lock that fits Cargo.toml: run cargo update --workspace and send it, or leave locked out"},
    {"is not supported by the following package",
     "the profile pins an older compiler: take an older version of that package "
     "(cargo update --precise), or lower its rust-version"},
    {"cannot be built because it requires rustc",
     "the profile pins an older compiler: take an older version of that package "
     "(cargo update --precise)"},
    {"pkg-config has not been configured to support cross-compilation",
     "no system library is there for the target: use a crate in Rust (rustls for OpenSSL), or the crate's vendored or "
     "bundled feature"},
    {"Could not find directory of OpenSSL installation", "use rustls, or the feature `vendored` of openssl"},
    {"The system library `", "no system library is there for the target: use the crate's vendored or bundled feature"},
    {"cannot find -l", "no system library is there for the target: use the crate's vendored or bundled feature"},
    {"unable to find library -l",
     "no system library is there for the target: use the crate's vendored or bundled feature"},
    {"unable to update /", "a path dependency is not in the tarball: pack from the folder that holds both"},
    {"Could not resolve host", "the server did not reach the registry; send the dependencies along: cargo vendor"},
    {"attempting to make an HTTP request, but --offline",
     "a dependency is neither vendored nor in the registry's fetch: "
     "run cargo vendor and send the vendor folder"},
    {"the listed checksum of", "a vendored file was changed: run cargo vendor again (git may have changed line ends)"},
    {"error[E0554]", "the crate uses unstable features, which the profile's toolchain does not allow"},
    {"no global memory allocator found", "the crate is no_std: define a #[global_allocator], or leave alloc out"},
    {"`#[panic_handler]` function required", "the crate is no_std: define a #[panic_handler]"},
    {"No space left on device", "the job's work folder is full"},
};

/* It has compiled with newer compilers, and does not say which it needs: else it would not have been taken. */
static const char too_new[] =
    "this dependency is too new for the profile's compiler, though it does not say so: ask for an older "
    "version of it in Cargo.toml";

/* --- one error --- */

struct found {
    struct line head; /* its first line; p NULL: there is none */
    const char *rest; /* what follows that line */
    enum err_kind kind;
    bool vendored; /* it is in a dependency that was fetched for an old compiler */
    struct buf message;
};

static void finish_message(struct found *f, struct line detail)
{
    if (detail.len == 0)
        return;
    buf_puts(&f->message, ": ");
    put_text(&f->message, trim(detail));
}

/* The line that names what is missing or double, in a failed link's notes. */
static bool link_detail(struct line l)
{
    static const char *const words[] = {"undefined symbol",    "undefined reference to", "duplicate symbol",
                                        "multiple definition", "cannot find -l",         "unable to find library",
                                        "unknown argument",    "unrecognized option",    "error: "};

    for (size_t i = 0; i < COUNT(words); i++)
        if (has(l, words[i]) && !has(l, "collect2: error") && !starts(trim(l), "= note:  \""))
            return true;
    return false;
}

/* From "wasm-ld: error: a.o: undefined symbol: foo" to what matters; people need the symbol. */
static struct line shorten(struct line l)
{
    static const char *const words[] = {
        "undefined symbol", "undefined reference to", "duplicate symbol", "multiple definition",
        "cannot find -l",   "unable to find library", "error: "};

    l = trim(l);
    for (size_t i = 0; i < COUNT(words); i++) {
        const char *at = memmem(l.p, l.len, words[i], strlen(words[i]));
        if (!at)
            continue;
        l.len -= (size_t)(at - l.p);
        l.p = at;
        if (strcmp(words[i], "error: ") == 0) {
            l.p += 7;
            l.len -= 7;
        }
        break;
    }
    return l;
}

static void describe_link(struct found *f)
{
    const char *pos = f->rest;
    struct line l, first = {0};
    size_t more = 0;
    bool symbols = false;

    for (int i = 0; i < LOOK_AHEAD && next_line(&pos, &l) && !is_error(l); i++) {
        if (!link_detail(l))
            continue;
        struct line s = shorten(l);
        bool symbol =
            starts(s, "undefined") || starts(s, "duplicate") || starts(s, "multiple") || starts(s, "cannot find");
        if (first.len == 0 || (symbol && !symbols)) {
            first = s;
            symbols = symbol;
            more = 0;
        } else if (symbol && !(s.len == first.len && memcmp(s.p, first.p, s.len) == 0)) {
            more++;
        }
    }
    if (first.len == 0)
        return;
    buf_clear(&f->message);
    buf_puts(&f->message, "linking failed: ");
    put_text(&f->message, first);
    if (more)
        buf_printf(&f->message, " (and %zu more)", more);
}

/* What the build script itself said: a C compiler's error, its own, its panic, or its last words. */
static void describe_script(struct found *f)
{
    const char *pos = f->rest;
    struct line l, compiler = {0}, own = {0}, panic = {0}, last = {0};
    bool in_stderr = false, after_panic = false;

    for (int i = 0; i < LOOK_AHEAD * 256 && next_line(&pos, &l) && !is_error(l) && !starts(l, "warning: build failed");
         i++) {
        struct line t = trim(l);
        if (starts(t, "--- stderr"))
            in_stderr = true;
        else if (compiler.len == 0 && (has(t, ": fatal error: ") || has(t, ": error: ")))
            compiler = t;
        if (!in_stderr || t.len == 0 || starts(t, "--- std") || starts(t, "note: "))
            continue;
        if (after_panic && panic.len == 0)
            panic = t;
        after_panic = after_panic || has(t, "panicked at ");
        if (own.len == 0 && (starts(t, "error: ") || starts(t, "error occurred") || starts(t, "Error: ")))
            own = t;
        last = t;
    }
    if (starts(compiler, "cargo:warning="))
        compiler = (struct line){compiler.p + 14, compiler.len - 14};
    else if (starts(compiler, "cargo::warning="))
        compiler = (struct line){compiler.p + 15, compiler.len - 15};
    finish_message(f, compiler.len ? compiler : own.len ? own : panic.len ? panic : last);
}

/* The cause at the end of cargo's chain; the one before it too where it is only errno's text. */
static void describe_causes(struct found *f)
{
    const char *pos = f->rest;
    struct line l, cause = {0}, before = {0};
    bool next = false;

    for (int i = 0; i < LOOK_AHEAD && next_line(&pos, &l) && !is_error(l); i++) {
        if (starts(l, "Caused by:"))
            next = true;
        else if (next && trim(l).len > 0) {
            before = cause;
            cause = l;
            next = false;
        }
    }
    if (cause.len == 0) {
        /* "rustc 1.96.0 is not supported by the following package:" goes on in the next line. */
        pos = f->rest;
        if (f->head.p[f->head.len - 1] == ':' && next_line(&pos, &l)) {
            buf_puts(&f->message, " ");
            put_text(&f->message, trim(l));
        }
        return;
    }
    if (has(cause, "(os error "))
        finish_message(f, before);
    finish_message(f, cause);
}

/* "  --> src/main.rs:3:5" below the head. Sets *ret_toml when it is a manifest that is wrong. */
static void describe_place(struct found *f, bool *ret_found, bool *ret_toml)
{
    const char *pos = f->rest;
    struct line l;

    *ret_found = *ret_toml = false;
    for (int i = 0; i < 8 && next_line(&pos, &l) && l.len > 0 && !is_error(l); i++) {
        struct line t = trim(l);
        if (!starts(t, "--> "))
            continue;
        t.p += 4;
        t.len -= 4;
        buf_puts(&f->message, " (");
        put_text(&f->message, t);
        buf_puts(&f->message, ")");
        *ret_found = true;
        *ret_toml = has(t, ".toml:");
        f->vendored = starts(t, VENDORED);
        return;
    }
}

/* A macro that panicked says why in a help line. */
static void describe_macro(struct found *f)
{
    const char *pos = f->rest;
    struct line l;

    for (int i = 0; i < 24 && next_line(&pos, &l) && !is_error(l); i++) {
        const char *at = memmem(l.p, l.len, "help: message: ", 15);
        if (at) {
            finish_message(f, (struct line){at + 15, l.len - (size_t)(at + 15 - l.p)});
            return;
        }
    }
}

static void describe(struct found *f, enum err_kind fallback)
{
    bool placed = false, toml = false;
    struct line text = f->head;

    if (starts(text, "error: ") && text.len > 7) {
        text.p += 7;
        text.len -= 7;
    }
    f->kind = fallback;
    put_text(&f->message, text);
    describe_place(f, &placed, &toml);
    if (starts(f->head, "error[") || placed) {
        f->kind = f->vendored ? ERR_DEPENDENCY : toml ? ERR_BAD_SOURCE : ERR_COMPILE;
        if (has(f->head, "panicked"))
            describe_macro(f);
        return;
    }
    for (size_t i = 0; i < COUNT(known); i++)
        if (has(f->head, known[i].text)) {
            f->kind = known[i].kind;
            break;
        }
    if (f->kind == ERR_LINK)
        describe_link(f);
    else if (has(f->head, "failed to run custom build command"))
        describe_script(f);
    else if (has(f->head, "panicked"))
        describe_macro(f);
    else
        describe_causes(f);
}

/* The first error that is not a summary; else the first summary; else the last line with something in it. */
static void find(const char *text, struct found *f)
{
    const char *pos = text;
    struct line l, summary = {0}, last = {0};
    const char *summary_rest = NULL;

    while (next_line(&pos, &l)) {
        if (is_error(l) && !is_summary(l)) {
            f->head = l;
            f->rest = pos;
            return;
        }
        if (is_error(l) && !summary.p) {
            summary = l;
            summary_rest = pos;
        }
        if (trim(l).len > 0)
            last = l;
    }
    f->head = summary.p ? summary : last;
    f->rest = summary.p ? summary_rest : text + strlen(text);
}

/* The error that `own` is the text of: where the log has it, else (there it was cut) in that text. Returns the one that
 * it is in. */
static const char *find_this(const char *text, const char *own, struct found *f)
{
    const char *pos = text, *own_pos = own;
    struct line head, l;

    if (!next_line(&own_pos, &head) || head.len == 0) {
        find(text, f);
        return text;
    }
    while (next_line(&pos, &l))
        if (l.len == head.len && memcmp(l.p, head.p, l.len) == 0) {
            f->head = l;
            f->rest = pos;
            return text;
        }
    f->head = head;
    f->rest = own_pos;
    return own;
}

/* --- the answer --- */

static char *excerpt(const char *text, struct line head)
{
    const char *from = head.p ? head.p : text, *pos;
    struct buf b = {0};
    struct line l;

    for (int i = 0; i < BEFORE && from > text; i++) {
        from--; /* the newline before */
        while (from > text && from[-1] != '\n')
            from--;
    }
    pos = from;
    for (int i = 0; i < BEFORE + AFTER && next_line(&pos, &l); i++) {
        size_t n = cut(l.p, l.len, MAX_LINE);
        if (b.len + n + 5 > MAX_EXCERPT)
            break;
        buf_put(&b, l.p, n);
        buf_puts(&b, n < l.len ? "...\n" : "\n");
    }
    return buf_steal(&b);
}

static char *find_hint(const struct profile *p, const char *text)
{
    const cJSON *v;

    cJSON_ArrayForEach(
        v, json_arr(p->json, "hints")) if (strstr(text,
                                                  json_str(v, "match", "\n\n\n"))) return mem_strdup(json_str(v, "hint",
                                                                                                              NULL));
    for (size_t i = 0; i < COUNT(general); i++)
        if (strstr(text, general[i].match))
            return mem_strdup(general[i].hint);
    return NULL;
}

void diagnose(const struct profile *p, const char *log, size_t len, const struct job_diagnostic *first,
              enum err_kind fallback, struct job_error *ret)
{
    size_t skip = len > MAX_LOG ? len - MAX_LOG : 0;
    const char *rendered = first && first->rendered ? first->rendered : "";
    AUTO(char_p) char *text = clean(log + skip, len - skip), *own = clean(rendered, strlen(rendered));
    struct found f = {.kind = fallback};
    const char *where = find_this(text, own, &f);

    if (fallback == ERR_LINK && f.head.p && !is_error(f.head))
        f.rest = text; /* a linker that is called without rustc has its own way to say error */
    if (f.head.p)
        describe(&f, fallback);
    if (f.message.len == 0)
        buf_puts(&f.message, "the build failed and printed nothing");
    ret->kind = f.kind;
    ret->hint = f.vendored ? mem_strdup(too_new) : find_hint(p, text);
    ret->log_excerpt = excerpt(where, f.head);
    ret->message = mem_strndup(f.message.p, cut(f.message.p, f.message.len, MAX_MESSAGE));
    buf_free(&f.message);
}

void job_error_clear(struct job_error *e)
{
    mem_free(e->message);
    mem_free(e->hint);
    mem_free(e->log_excerpt);
    *e = (struct job_error){0};
}
