/* report.c - see report.h. */
#include "inspect/report.h"

#include "base/buf.h"

#include <string.h>

/* An object's nodes and keys, a string's node: measured with cJSON 1.7, rounded up. */
enum { OBJECT_BYTES = 512, STRING_BYTES = 96 };

static bool room(struct report *r, cJSON *list, size_t need)
{
    /* cJSON_GetArraySize walks the whole list; valueint is of no meaning in a list, so its length is kept there. */
    if (list->valueint >= REPORT_MAX_LIST || need > REPORT_MAX_BYTES - r->used) {
        r->truncated = true;
        return false;
    }
    r->used += need;
    list->valueint++;
    return true;
}

size_t report_bytes(size_t len)
{
    return 2 * (len < REPORT_MAX_NAME ? len : REPORT_MAX_NAME);
}

bool report_room(struct report *r, cJSON *list, size_t names)
{
    return room(r, list, OBJECT_BYTES + names);
}

void report_name(cJSON *obj, const char *key, const char *name, size_t len)
{
    bool cut = len > REPORT_MAX_NAME;
    size_t n = cut ? REPORT_MAX_NAME : len;

    while (cut && n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80 && n > REPORT_MAX_NAME - 4)
        n--;
    AUTO(char_p) char *clean = json_utf8(name, n);
    AUTO(char_p) char *text = cut ? mem_printf("%s\xe2\x80\xa6", clean) : STEAL(clean);
    if (key)
        cJSON_AddStringToObject(obj, key, text);
    else
        cJSON_AddItemToArray(obj, cJSON_CreateString(text));
}

void report_list_name(struct report *r, cJSON *list, const char *name, size_t len)
{
    if (room(r, list, STRING_BYTES + report_bytes(len)))
        report_name(list, NULL, name, len);
}
