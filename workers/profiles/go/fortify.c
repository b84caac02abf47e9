/*
 * fortify.c - what LLVM's libunwind misses in musl.
 *
 * Debian compiles libunwind.a with _FORTIFY_SOURCE against glibc, so it calls the
 * checked printf family, which musl does not have. Only its debug output does: the
 * unchecked functions are right for it. (GCC's own libgcc_eh.a is no way out: it wants
 * glibc's _dl_find_object.)
 */
#include <stdarg.h>
#include <stdio.h>

int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list args);
int __vsnprintf_chk(char *s, size_t max, int flag, size_t size, const char *format, va_list args);

int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list args)
{
    (void)flag;
    return vfprintf(stream, format, args);
}

int __vsnprintf_chk(char *s, size_t max, int flag, size_t size, const char *format, va_list args)
{
    (void)flag;
    (void)size;
    return vsnprintf(s, max, format, args);
}
