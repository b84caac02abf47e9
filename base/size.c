/* size.c - see size.h. */
#include "base/size.h"

#include "base/mem.h"

char *size_text(int64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB"};
    double n = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 1024)
        return mem_printf("%lld B", (long long)bytes);
    for (; n >= 1024 && unit + 1 < COUNT(units); unit++)
        n /= 1024;
    return mem_printf("%.1f %s", n, units[unit]);
}
