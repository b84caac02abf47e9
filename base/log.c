/* log.c - see log.h. */
#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic int threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
    threshold = level;
}

void log_line(enum log_level level, const char *job, const char *fmt, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    char line[1024], when[CLOCK_TEXT_SIZE];
    va_list ap;

    if ((int)level < threshold)
        return;
    clock_format(clock_now_ms(), when);
    int n = snprintf(line, sizeof line - 1, "%s %s %s%s%s", when, names[level], job ? "job=" : "", job ? job : "",
                     job ? " " : "");
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof line - 1 - (size_t)n, fmt, ap);
    va_end(ap);
    if (m < 0)
        return;
    size_t len = strlen(line);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[len++] = '\n';
    /* One write a line: lines of several threads do not mix. */
    ssize_t ignored = write(STDERR_FILENO, line, len);
    (void)ignored;
}
