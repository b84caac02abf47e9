/* symbols.c - see symbols.h. */
#include "workers/symbols.h"

#include "base/buf.h"
#include "base/fs.h"
#include "workers/fields.h"

#include <string.h>
#include <sys/stat.h>

bool symbols_is_one(const char *s)
{
    size_t n = 0;

    while ((unsigned char)s[n] > 0x20 && s[n] != 0x7f)
        n++;
    return s[n] == '\0' && n <= SYMBOLS_MAX_NAME && fields_is_pattern(s);
}

/* `text` is cut into pieces. */
static int add_words(char *text, const char *name, cJSON *into, struct err *err)
{
    int line = 0, found = 0;
    char *next;

    for (char *p = text; p; p = next) {
        line++;
        next = strchr(p, '\n');
        if (next)
            *next++ = '\0';
        p += strspn(p, " \t\r");
        p[strcspn(p, " \t\r")] = '\0';
        if (*p == '\0' || *p == '#')
            continue;
        if (!symbols_is_one(p))
            return err_set(err, ERR_BAD_REQUEST, "%.100s, line %d is not a symbol", name, line);
        cJSON_AddItemToArray(into, cJSON_CreateString(p));
        found++;
    }
    return found ? 0 : err_set(err, ERR_BAD_REQUEST, "%.100s names no symbol", name);
}

int symbols_read(const char *path, const char *name, size_t *left, cJSON *into, struct err *err)
{
    AUTO(buf) struct buf text = {0};
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return SYMBOLS_ABSENT;
    if (st.st_size > (off_t)*left)
        return err_set(err, ERR_BAD_REQUEST, "%.100s has more than %zu bytes, which is all that may still be read",
                       name, *left);
    if (fs_read(path, *left, &text, err) < 0)
        return -1;
    *left -= text.len;
    if (text.len == 0)
        return err_set(err, ERR_BAD_REQUEST, "%.100s names no symbol", name);
    if (memchr(text.p, '\0', text.len))
        return err_set(err, ERR_BAD_REQUEST, "%.100s is not text", name);
    return add_words(text.p, name, into, err);
}
