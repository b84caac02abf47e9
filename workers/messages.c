/* messages.c - see messages.h. */
#include "workers/messages.h"

#include <string.h>

/* So many different texts are known again; then each one counts. A power of two, and a quarter of it stays free. */
enum { SEEN_SLOTS = 1 << 15, SEEN_MOST = SEEN_SLOTS / 4 * 3 };

/* What the present line is: by its first bytes, in which cargo always has the reason. */
enum line {
    LINE_BEGINS, /* too few bytes to tell */
    LINE_TEXT,
    LINE_MESSAGE,
    LINE_NOTHING, /* of cargo's, and neither for people nor for us */
    LINE_TOO_LONG
};

static const struct {
    const char *begins;
    enum line line;
} reasons[] = {
    {"{\"reason\":\"compiler-message\",", LINE_MESSAGE},      {"{\"reason\":\"compiler-artifact\",", LINE_NOTHING},
    {"{\"reason\":\"build-script-executed\",", LINE_NOTHING}, {"{\"reason\":\"build-finished\",", LINE_NOTHING},
    {"{\"reason\":\"timing-info\",", LINE_NOTHING},
};

struct seen {
    uint64_t hash; /* 0: free */
    unsigned call;
};

struct messages {
    enum line line;
    struct buf begun; /* of LINE_BEGINS and LINE_MESSAGE */
    unsigned call;    /* of cargo; 1 is the first */
    struct seen seen[SEEN_SLOTS];
    size_t seen_count;
    struct job_diagnostics *found; /* borrowed */
};

struct messages *messages_new(struct job_diagnostics *found)
{
    struct messages *m = mem_alloc(sizeof *m);

    m->found = found;
    return m;
}

void messages_free(struct messages *m)
{
    if (!m)
        return;
    buf_free(&m->begun);
    mem_free(m);
}

/* --- what was said before --- */

static uint64_t hash_of(const char *s)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    return h ? h : 1;
}

enum when { NEVER, IN_AN_EARLIER_CALL, IN_THIS_CALL };

/* When was this said before? From now on it has been, in this call. */
static enum when said(struct messages *m, const char *rendered)
{
    uint64_t hash = hash_of(rendered);
    size_t i = hash % SEEN_SLOTS;

    while (m->seen[i].hash && m->seen[i].hash != hash)
        i = (i + 1) % SEEN_SLOTS;
    struct seen *s = &m->seen[i];
    enum when when = !s->hash ? NEVER : s->call == m->call ? IN_THIS_CALL : IN_AN_EARLIER_CALL;
    if (when == NEVER && m->seen_count == SEEN_MOST)
        return NEVER;
    m->seen_count += when == NEVER;
    *s = (struct seen){hash, m->call};
    return when;
}

/* --- one message --- */

/* At most max bytes, whole characters, no control characters; NULL for NULL. The caller owns it. */
static char *tidy(const char *s, size_t max, bool lines)
{
    if (!s)
        return NULL;
    size_t len = strnlen(s, max + 1);
    if (len > max)
        for (len = max; len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80;)
            len--;
    char *text = json_utf8(s, len);
    for (char *p = text; *p; p++)
        if (((unsigned char)*p < 0x20 && !(lines && *p == '\n')) || *p == 0x7f)
            *p = ' ';
    return text;
}

/* The place that the compiler marks: the first primary one. */
static const cJSON *place_of(const cJSON *message)
{
    const cJSON *span;

    cJSON_ArrayForEach(span, json_arr(message, "spans")) if (json_bool(span, "is_primary", false)) return span;
    return NULL;
}

static int64_t place_number(const cJSON *span, const char *key)
{
    int64_t n = json_int(span, key, 0);

    return n > 0 && n <= INT32_MAX ? n : 0;
}

static void add_error(struct job_diagnostics *found, const cJSON *message)
{
    const cJSON *span = place_of(message);

    found->errors_count++;
    if (found->errors_kept == MESSAGES_MAX_ERRORS) {
        found->cut = true;
        return;
    }
    const char *text = json_str(message, "message", "");
    found->errors = mem_resize(found->errors, (found->errors_kept + 1) * sizeof *found->errors);
    found->errors[found->errors_kept++] = (struct job_diagnostic){
        .file = tidy(json_str(span, "file_name", NULL), MESSAGES_MAX_FILE, false),
        .line = place_number(span, "line_start"),
        .column = place_number(span, "column_start"),
        .code = tidy(json_str(json_obj(message, "code"), "code", NULL), MESSAGES_MAX_CODE, false),
        .text = tidy(text, MESSAGES_MAX_TEXT, false),
        .label = tidy(json_str(span, "label", NULL), MESSAGES_MAX_LABEL, false),
        .rendered = tidy(json_str(message, "rendered", NULL), MESSAGES_MAX_RENDERED, true),
    };
}

/* What only sums up what was said before; cargo leaves it out, too. */
static bool is_summary(const cJSON *message)
{
    const char *text = json_str(message, "message", "");
    size_t len = strlen(text);

    if (cJSON_GetArraySize(json_arr(message, "spans")) > 0)
        return false; /* somebody's compile_error!() */
    return strncmp(text, "aborting due to ", 16) == 0 ||
           (len > 16 && strcmp(text + len - 16, " warning emitted") == 0) ||
           (len > 17 && strcmp(text + len - 17, " warnings emitted") == 0);
}

/* False: it is none, whatever it began like. */
static bool read_message(struct messages *m, struct buf *text)
{
    AUTO(json) cJSON *line = NULL;
    struct err ignored = ERR_INIT;

    if (json_parse(m->begun.p, m->begun.len, "a message of cargo's", &line, &ignored) < 0)
        return false;
    const cJSON *message = json_obj(line, "message");
    const char *rendered = json_str(message, "rendered", NULL), *level = json_str(message, "level", "");
    if (!rendered)
        return false;
    if (is_summary(message))
        return true;
    enum when when = said(m, rendered);
    if (when == IN_THIS_CALL)
        return true;
    buf_puts(text, rendered);
    if (when != NEVER)
        return true;
    if (strcmp(level, "warning") == 0)
        m->found->warnings_count++;
    else if (strcmp(level, "error") == 0 || strncmp(level, "error: ", 7) == 0) /* the second: a bug of the compiler's */
        add_error(m->found, message);
    return true;
}

/* --- lines --- */

static enum line line_by(const char *p, size_t len)
{
    for (size_t i = 0; i < COUNT(reasons); i++) {
        size_t n = strlen(reasons[i].begins);
        if (memcmp(p, reasons[i].begins, len < n ? len : n) == 0)
            return len < n ? LINE_BEGINS : reasons[i].line;
    }
    return LINE_TEXT;
}

/* A piece of the present line, at most with its newline at the end. */
static void add(struct messages *m, const char *data, size_t len, struct buf *text)
{
    if (m->line == LINE_BEGINS) {
        buf_put(&m->begun, data, len);
        m->line = line_by(m->begun.p, m->begun.len);
        if (m->line == LINE_TEXT)
            buf_put(text, m->begun.p, m->begun.len);
    } else if (m->line == LINE_MESSAGE) {
        buf_put(&m->begun, data, len);
    } else if (m->line == LINE_TEXT) {
        buf_put(text, data, len);
    }
    if (m->line == LINE_MESSAGE && m->begun.len > MESSAGES_MAX_LINE)
        m->line = LINE_TOO_LONG;
    if (m->line != LINE_BEGINS && m->line != LINE_MESSAGE)
        buf_clear(&m->begun);
}

static void end_line(struct messages *m, struct buf *text)
{
    if (m->line == LINE_BEGINS || (m->line == LINE_MESSAGE && !read_message(m, text)))
        buf_put(text, m->begun.p ? m->begun.p : "", m->begun.len);
    if (m->line == LINE_TOO_LONG) {
        buf_printf(text, "(a message of the compiler's is left out: it has more than %u bytes)\n", MESSAGES_MAX_LINE);
        m->found->cut = true;
    }
    buf_clear(&m->begun);
    m->line = LINE_BEGINS;
}

void messages_begin(struct messages *m)
{
    m->call++;
    m->found->known = true;
}

void messages_read(struct messages *m, const char *data, size_t len, struct buf *text)
{
    while (len > 0) {
        const char *newline = memchr(data, '\n', len);
        size_t n = newline ? (size_t)(newline - data) + 1 : len;
        add(m, data, n, text);
        if (newline)
            end_line(m, text);
        data += n;
        len -= n;
    }
}

void messages_end(struct messages *m, struct buf *text)
{
    end_line(m, text);
}
