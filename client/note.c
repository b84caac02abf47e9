/* note.c - see note.h. */
#include "client/note.h"

#include "base/size.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool note_colour(int fd)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(fd) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

void note_plain(struct buf *into, const char *s, size_t len)
{
    size_t from = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if ((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t')
            continue;
        buf_put(into, s + from, i - from);
        if (c == 0x1b && i + 1 < len && s[i + 1] == '[') {
            for (i += 2; i < len && (unsigned char)s[i] < 0x40; i++)
                ;
        }
        from = i + 1;
    }
    if (from < len)
        buf_put(into, s + from, len - from);
}

void note_line(const char *fmt, ...)
{
    AUTO(buf) struct buf line = {0};
    va_list ap;
    char *text = NULL;

    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    note_plain(&line, text, (size_t)n);
    free(text);
    fprintf(stderr, "%s\n", line.p ? line.p : "");
}

void note_error(const struct err *err)
{
    AUTO(buf) struct buf line = {0};
    AUTO(buf) struct buf hint = {0};
    bool colour = note_colour(STDERR_FILENO);

    note_plain(&line, err->msg, strlen(err->msg));
    note_plain(&hint, err->hint, strlen(err->hint));
    fprintf(stderr, "%serror%s: %s\n", colour ? "\033[1;31m" : "", colour ? "\033[0m" : "", line.p ? line.p : "");
    if (hint.len > 0)
        fprintf(stderr, "  hint: %s\n", hint.p);
}

char *note_size(int64_t bytes)
{
    return size_text(bytes);
}

void note_upload(int64_t sent, int64_t total)
{
    if (!isatty(STDERR_FILENO) || total <= 0)
        return;
    AUTO(char_p) char *a = note_size(sent);
    AUTO(char_p) char *b = note_size(total);
    fprintf(stderr, "\ruploading %s of %s (%d%%)\033[K", a, b, (int)(100 * sent / total));
}

void note_clear(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}
