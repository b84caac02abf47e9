/* json.c - see json.h. */
#include "base/json.h"

#include "base/buf.h"
#include "base/clock.h"

#include <math.h>
#include <string.h>

int json_parse(const char *text, size_t len, const char *what, cJSON **ret, struct err *err)
{
    const char *end = NULL;
    cJSON *v = cJSON_ParseWithLengthOpts(text, len, &end, 0);

    if (!v)
        return err_set(err, ERR_BAD_REQUEST, "%s is not JSON (byte %zu)", what, end ? (size_t)(end - text) : 0);
    for (; end < text + len && *end; end++)
        if (!strchr(" \t\r\n", *end)) {
            cJSON_Delete(v);
            return err_set(err, ERR_BAD_REQUEST, "%s has text after its JSON value (byte %zu)", what,
                           (size_t)(end - text));
        }
    *ret = v;
    return 0;
}

const char *json_str(const cJSON *obj, const char *key, const char *fallback)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(obj, key);

    return cJSON_IsString(v) ? v->valuestring : fallback;
}

int64_t json_int(const cJSON *obj, const char *key, int64_t fallback)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(obj, key);

    if (!cJSON_IsNumber(v) || !(fabs(v->valuedouble) <= 9007199254740992.0))
        return fallback;
    return (int64_t)v->valuedouble;
}

bool json_bool(const cJSON *obj, const char *key, bool fallback)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(obj, key);

    return cJSON_IsBool(v) ? cJSON_IsTrue(v) : fallback;
}

const cJSON *json_arr(const cJSON *obj, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(obj, key);

    return cJSON_IsArray(v) ? v : NULL;
}

const cJSON *json_obj(const cJSON *obj, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(obj, key);

    return cJSON_IsObject(v) ? v : NULL;
}

/* The length of the valid UTF-8 sequence at s (at most n bytes), 0 if it is not valid. */
static size_t sequence(const unsigned char *s, size_t n)
{
    size_t want = s[0] < 0x80                   ? 1
                  : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                  : (s[0] & 0xf0) == 0xe0       ? 3
                  : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                : 0;

    if (want == 0 || want > n)
        return 0;
    for (size_t i = 1; i < want; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return want;
}

char *json_utf8(const char *s, size_t len)
{
    struct buf b = {0};

    for (size_t i = 0; i < len;) {
        size_t n = sequence((const unsigned char *)s + i, len - i);
        if (n == 0 || s[i] == '\0') {
            buf_puts(&b, "\xef\xbf\xbd");
            i++;
        } else {
            buf_put(&b, s + i, n);
            i += n;
        }
    }
    return buf_steal(&b);
}

void json_put_str(cJSON *obj, const char *key, const char *s)
{
    if (!s) {
        cJSON_AddNullToObject(obj, key);
        return;
    }
    AUTO(char_p) char *clean = json_utf8(s, strlen(s));
    cJSON_AddStringToObject(obj, key, clean);
}

void json_put_int(cJSON *obj, const char *key, int64_t v)
{
    cJSON_AddNumberToObject(obj, key, (double)v);
}

void json_put_time(cJSON *obj, const char *key, int64_t ms)
{
    char text[CLOCK_TEXT_SIZE];

    if (ms == 0) {
        cJSON_AddNullToObject(obj, key);
        return;
    }
    clock_format(ms, text);
    cJSON_AddStringToObject(obj, key, text);
}

char *json_text(const cJSON *value)
{
    char *s = cJSON_PrintUnformatted(value);

    if (!s)
        s = mem_strdup("null");
    return s;
}
