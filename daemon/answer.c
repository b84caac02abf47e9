/* answer.c - see answer.h. */
#include "daemon/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void answer_header(struct answer *a, const char *name, const char *fmt, ...)
{
    char text[2048];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof text)
        return; /* a header that was cut would say something else */
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '_';
    buf_printf(&a->headers, "%s: %s\n", name, text);
}

void answer_clear(struct answer *a)
{
    buf_free(&a->headers);
    buf_free(&a->body);
    if (a->fd >= 0)
        close(a->fd);
    *a = (struct answer)ANSWER_INIT;
}

void answer_json(struct answer *a, int status, const char *type, cJSON *value)
{
    AUTO(char_p) char *text = json_text(value);

    a->status = status;
    buf_puts(&a->body, text);
    buf_puts(&a->body, "\n");
    answer_header(a, "Content-Type", "%s", type);
    cJSON_Delete(value);
}
