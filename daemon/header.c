/* header.c - see header.h. */
#include "daemon/header.h"

#include "base/buf.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Digits at *p as a number; false if there is none or it has more than 18 digits. */
static bool number(const char **p, int64_t *ret)
{
    const char *s = *p;
    int64_t v = 0;

    for (; *s >= '0' && *s <= '9'; s++) {
        if (s - *p >= 18)
            return false;
        v = v * 10 + (*s - '0');
    }
    if (s == *p)
        return false;
    *p = s;
    *ret = v;
    return true;
}

int header_range(const char *value, int64_t size, int64_t *ret_first, int64_t *ret_len)
{
    const char *p = value;
    int64_t first, last;

    if (!p || strncasecmp(p, "bytes=", 6) != 0)
        return RANGE_WHOLE;
    p += 6 + strspn(p + 6, " \t");
    if (*p == '-') { /* the last N bytes */
        p++;
        if (!number(&p, &last))
            return RANGE_WHOLE;
        p += strspn(p, " \t");
        if (*p)
            return RANGE_WHOLE;
        if (last == 0 || size == 0)
            return RANGE_UNSATISFIABLE;
        *ret_first = last >= size ? 0 : size - last;
        *ret_len = size - *ret_first;
        return 0;
    }
    if (!number(&p, &first) || *p++ != '-')
        return RANGE_WHOLE;
    if (!number(&p, &last))
        last = INT64_MAX;
    p += strspn(p, " \t");
    if (*p || last < first)
        return RANGE_WHOLE;
    if (first >= size)
        return RANGE_UNSATISFIABLE;
    *ret_first = first;
    *ret_len = (last >= size ? size : last + 1) - first;
    return 0;
}

bool header_etag_match(const char *list, const char *tag)
{
    size_t len = strlen(tag);

    for (const char *p = list; p && *p;) {
        p += strspn(p, " \t,");
        if (*p == '*')
            return true;
        if (p[0] == 'W' && p[1] == '/')
            p += 2;
        if (*p != '"')
            return false;
        const char *end = strchr(p + 1, '"');
        if (!end)
            return false;
        if ((size_t)(end - p - 1) == len && memcmp(p + 1, tag, len) == 0)
            return true;
        p = end + 1;
    }
    return false;
}

bool header_accepts(const char *value, const char *type)
{
    size_t len = strlen(type);

    for (const char *p = value; p && *p;) {
        p += strspn(p, " \t,");
        size_t item = strcspn(p, ",");
        size_t name = strcspn(p, " \t,;");
        if (name == len && strncasecmp(p, type, len) == 0) {
            const char *q = p + name, *end = p + item;
            while (q < end && strncasecmp(q, "q=", 2) != 0)
                q++;
            if (q >= end)
                return true;
            for (q += 2; q < end; q++) /* q=0, q=0.0, q=0.000 say no */
                if (*q >= '1' && *q <= '9')
                    return true;
            return false;
        }
        p += item;
    }
    return false;
}

int header_host(const char *value, char *ret_name, size_t size, int *ret_port)
{
    const char *name = value, *rest;
    size_t len;
    int64_t port = -1;

    if (*value == '[') {
        const char *end = strchr(value, ']');
        if (!end)
            return -1;
        name = value + 1;
        len = (size_t)(end - name);
        rest = end + 1;
    } else {
        len = strcspn(value, ":");
        rest = value + len;
    }
    if (len == 0 || len >= size)
        return -1;
    if (*rest == ':') {
        rest++;
        if (!number(&rest, &port) || port > 65535)
            return -1;
    }
    if (*rest)
        return -1;
    memcpy(ret_name, name, len);
    ret_name[len] = '\0';
    *ret_port = (int)port;
    return 0;
}

bool header_is_loopback(const char *name)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (strcasecmp(name, "localhost") == 0 || strcasecmp(name, "localhost.") == 0)
        return true;
    if (inet_pton(AF_INET, name, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, name, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

char *header_attachment(const char *filename)
{
    struct buf b = {0};

    buf_puts(&b, "attachment; filename=\"");
    for (const char *p = filename; *p; p++) {
        char c = isalnum((unsigned char)*p) || strchr("._-+@ ", *p) ? *p : '_';
        buf_put(&b, &c, 1);
    }
    buf_puts(&b, "\"; filename*=UTF-8''");
    for (const unsigned char *p = (const unsigned char *)filename; *p; p++)
        if (isalnum(*p) || strchr("._-~", *p))
            buf_put(&b, p, 1);
        else
            buf_printf(&b, "%%%02X", *p);
    return buf_steal(&b);
}
