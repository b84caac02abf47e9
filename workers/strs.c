/* strs.c - see strs.h. */
#include "workers/strs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strs_add(struct strs *s, char *text)
{
    s->p = mem_resize(s->p, (s->count + 2) * sizeof(char *));
    s->p[s->count++] = text;
    s->p[s->count] = NULL;
}

void strs_printf(struct strs *s, const char *fmt, ...)
{
    char *text;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    va_end(ap);
    strs_add(s, text);
}

void strs_proxies(struct strs *s)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "no_proxy"};

    for (size_t i = 0; i < COUNT(names); i++)
        if (getenv(names[i]))
            strs_printf(s, "%s=%s", names[i], getenv(names[i]));
}

bool strs_has(const struct strs *s, const char *text)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->p[i], text) == 0)
            return true;
    return false;
}

char **strs_steal(struct strs *s)
{
    char **p = s->p ? s->p : mem_alloc(sizeof(char *));

    *s = (struct strs){0};
    return p;
}

void strs_free(struct strs *s)
{
    strs_list_free(s->p);
    *s = (struct strs){0};
}

void strs_list_free(char **list)
{
    for (char **p = list; p && *p; p++)
        mem_free(*p);
    mem_free(list);
}

size_t strs_list_count(char *const *list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}
