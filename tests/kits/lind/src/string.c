/* string.c */
#include "kit.h"

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n; n--, a++, b++)
        if (*a != *b || !*a)
            return (unsigned char)*a - (unsigned char)*b;
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, (size_t)-1);
}

void *memchr(const void *in, int c, size_t n)
{
    const unsigned char *p = in;

    for (; n; n--, p++)
        if (*p == (unsigned char)c)
            return (void *)p;
    return NULL;
}

/* POSIX's: 0, or an error. */
int __xpg_strerror_r(int error, char *text, size_t n)
{
    static const char word[] = "error ";
    char digits[12];
    size_t at = sizeof digits, used = 0;

    do
        digits[--at] = (char)('0' + error % 10);
    while ((error /= 10) > 0 && at > 0);
    for (size_t i = 0; word[i] && used + 1 < n; i++)
        text[used++] = word[i];
    while (at < sizeof digits && used + 1 < n)
        text[used++] = digits[at++];
    if (n)
        text[used] = 0;
    return at < sizeof digits ? ERANGE : 0;
}

/* GNU's, which is what glibc calls strerror_r: the text, which need not be in the buffer. */
char *strerror_r(int error, char *text, size_t n)
{
    (void)error, (void)text, (void)n;
    return "not where it was asked for";
}
