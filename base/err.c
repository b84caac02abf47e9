/* err.c - see err.h. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int http;
} kinds[ERR_KINDS] = {
    [ERR_NONE] = {"none", 200},
    [ERR_BAD_REQUEST] = {"bad_request", 400},
    [ERR_NOT_FOUND] = {"not_found", 404},
    [ERR_UNAUTHORIZED] = {"unauthorized", 401},
    [ERR_FORBIDDEN] = {"forbidden", 403},
    [ERR_CONFLICT] = {"conflict", 409},
    [ERR_TOO_LARGE] = {"too_large", 413},
    [ERR_QUEUE_FULL] = {"queue_full", 429},
    [ERR_UNAVAILABLE] = {"unavailable", 503},
    [ERR_BAD_SOURCE] = {"bad_source", 422},
    [ERR_DEPENDENCY] = {"dependency", 422},
    [ERR_COMPILE] = {"compile", 422},
    [ERR_LINK] = {"link", 422},
    [ERR_CONTRACT] = {"contract", 422},
    [ERR_TRIAL] = {"trial", 422},
    [ERR_OUT_OF_MEMORY] = {"out_of_memory", 422},
    [ERR_TIMED_OUT] = {"timed_out", 422},
    [ERR_DISK_FULL] = {"disk_full", 422},
    [ERR_OUTPUT_TOO_LARGE] = {"output_too_large", 422},
    [ERR_CANCELED] = {"canceled", 422},
    [ERR_TOOLCHAIN_MISSING] = {"toolchain_missing", 422},
    [ERR_KIT_MISSING] = {"kit_missing", 422},
    [ERR_ENGINE] = {"engine", 503},
    [ERR_INTERNAL] = {"internal", 500},
};

/* Cut at `len` without leaving half a UTF-8 character behind. */
static void cut(char *s, size_t size)
{
    size_t len = strlen(s);

    if (len + 1 < size)
        return;
    while (len > 0 && ((unsigned char)s[len - 1] & 0xc0) == 0x80)
        len--;
    if (len > 0 && (unsigned char)s[len - 1] >= 0xc0)
        len--;
    if ((unsigned char)s[len] >= 0x80)
        s[len] = '\0';
}

static void fill(char *dst, size_t size, const char *fmt, va_list ap)
{
    int n = vsnprintf(dst, size, fmt, ap);

    if (n >= 0 && (size_t)n >= size)
        cut(dst, size);
    for (char *p = dst; *p; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
}

int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return -1;
    err->kind = kind;
    err->sys = 0;
    err->hint[0] = '\0';
    va_start(ap, fmt);
    fill(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    return -1;
}

int err_sys(struct err *err, enum err_kind kind, int sys, const char *fmt, ...)
{
    char text[192];
    va_list ap;

    if (!err)
        return -1;
    va_start(ap, fmt);
    fill(text, sizeof text, fmt, ap);
    va_end(ap);
    err_set(err, kind, "%s: %s", text, strerror(sys));
    err->sys = sys;
    return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    char context[128], old[sizeof err->msg];
    va_list ap;

    if (!err)
        return -1;
    va_start(ap, fmt);
    fill(context, sizeof context, fmt, ap);
    va_end(ap);
    memcpy(old, err->msg, sizeof old);
    if (snprintf(err->msg, sizeof err->msg, "%s: %s", context, old) >= (int)sizeof err->msg)
        cut(err->msg, sizeof err->msg);
    return -1;
}

int err_hint(struct err *err, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return -1;
    va_start(ap, fmt);
    fill(err->hint, sizeof err->hint, fmt, ap);
    va_end(ap);
    return -1;
}

const char *err_name(enum err_kind kind)
{
    return (unsigned)kind < ERR_KINDS ? kinds[kind].name : "internal";
}

enum err_kind err_from_name(const char *name)
{
    for (int k = ERR_NONE + 1; k < ERR_KINDS; k++)
        if (strcmp(kinds[k].name, name) == 0)
            return k;
    return ERR_NONE;
}

int err_http_status(enum err_kind kind)
{
    return (unsigned)kind < ERR_KINDS ? kinds[kind].http : 500;
}

bool err_retries(enum err_kind kind)
{
    return kind == ERR_ENGINE || kind == ERR_INTERNAL;
}
