/* weight.c - see weight.h. */
#include "workers/weight.h"

#include "base/buf.h"
#include "base/size.h"

#include <string.h>

enum { MOST = 3, MAX_NAME = 48 };

/* Names come from the artifact, and so from the build. */
static void put_name(struct buf *b, const char *name)
{
    AUTO(char_p) char *text = json_utf8(name, strnlen(name, MAX_NAME));

    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    buf_puts(b, text);
}

/* The first ones: the lists are sorted. */
static void put_heaviest(struct buf *b, const cJSON *list, const char *name)
{
    const cJSON *item;
    int n = 0;

    cJSON_ArrayForEach(item, list)
    {
        if (n == MOST)
            break;
        AUTO(char_p) char *size = size_text(json_int(item, "bytes", 0));
        buf_puts(b, n++ ? ", " : "");
        put_name(b, json_str(item, name, "?"));
        buf_printf(b, " %s", size);
    }
}

char *weight_text(const cJSON *metadata)
{
    const cJSON *sizes = json_obj(metadata, "sizes"), *crates = json_arr(sizes, "by_crate");
    AUTO(buf) struct buf text = {0};

    put_heaviest(&text, json_arr(sizes, "by_section"), "name");
    if (text.len && cJSON_GetArraySize(crates) > 0) {
        buf_puts(&text, "; of its code ");
        put_heaviest(&text, crates, "crate");
    }
    return text.len ? buf_steal(&text) : NULL;
}
