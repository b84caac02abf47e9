/*
 * mem.h - allocation that cannot fail, and cleanup at the end of a scope.
 *
 * Small allocations that fail abort the program: jobs are durable, so a
 * restart loses nothing, and no error path is left untested. A size that comes
 * from outside must be held against a limit before it gets here.
 */
#pragma once

#include <stddef.h>

void *mem_alloc(size_t size);               /* zeroed; size 0 gives a valid pointer */
void *mem_resize(void *p, size_t size);     /* as realloc */
char *mem_strdup(const char *s);            /* NULL gives NULL */
char *mem_strndup(const char *s, size_t n); /* always NUL-terminated */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* AUTO(char_p) char *s = ...; frees s when the scope ends. STEAL(s) takes it out. */
#define AUTO(name) __attribute__((cleanup(auto_##name)))
#define STEAL(p)                                                                                                       \
    __extension__({                                                                                                    \
        __typeof__(p) stolen_ = (p);                                                                                   \
        (p) = NULL;                                                                                                    \
        stolen_;                                                                                                       \
    })

/* Defines what AUTO(name) does: call func on the variable unless it is `none`. */
#define AUTO_DEFINE(name, type, func, none)                                                                            \
    static inline void auto_##name(type *p)                                                                            \
    {                                                                                                                  \
        if (*p != (none))                                                                                              \
            func(*p);                                                                                                  \
    }

void mem_free(void *p);
int mem_close(int fd);

AUTO_DEFINE(char_p, char *, mem_free, NULL)
AUTO_DEFINE(fd, int, mem_close, -1)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
