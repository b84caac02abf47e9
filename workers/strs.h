/*
 * strs.h - a growing list of strings that is NULL-terminated at all times once
 * something was added. `struct strs s = {0};` is an empty one. Any thread.
 */
#pragma once

#include "base/mem.h"

#include <stdbool.h>

struct strs {
    char **p; /* owned, as are the strings; NULL while empty */
    size_t count;
};

void strs_add(struct strs *s, char *text); /* takes text */
void strs_printf(struct strs *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* NAME=VALUE of http_proxy, https_proxy and no_proxy, as far as this process has them: for what downloads elsewhere. */
void strs_proxies(struct strs *s);
bool strs_has(const struct strs *s, const char *text);
char **strs_steal(struct strs *s); /* a NULL-terminated list, never NULL; freed with strs_list_free */
void strs_free(struct strs *s);

void strs_list_free(char **list); /* NULL is fine */
size_t strs_list_count(char *const *list);

static inline void auto_strs(struct strs *s)
{
    strs_free(s);
}
