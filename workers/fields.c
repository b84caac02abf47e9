/* fields.c - see fields.h. */
#include "workers/fields.h"

#include <math.h>
#include <string.h>

const char *fields_word(enum field_type type)
{
    static const char *const words[] = {
        [FIELD_TEXT] = "a text",
        [FIELD_BOOL] = "true or false",
        [FIELD_NUMBER] = "a whole number above 0",
        [FIELD_TEXTS] = "a list of texts",
        [FIELD_OBJECT] = "an object",
        [FIELD_OBJECTS] = "a list of objects",
        [FIELD_TEXT_MAP] = "an object of texts",
        [FIELD_TEXT_OR_TEXTS] = "a text or a list of texts",
        [FIELD_BOOL_OR_TEXT] = "true, false or a text",
    };

    return words[type];
}

static bool texts_only(const cJSON *parent)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, parent) if (!cJSON_IsString(v)) return false;
    return true;
}

bool fields_has_type(const cJSON *v, enum field_type type)
{
    const cJSON *item;

    switch (type) {
    case FIELD_TEXT:
        return cJSON_IsString(v);
    case FIELD_BOOL:
        return cJSON_IsBool(v);
    case FIELD_NUMBER:
        return cJSON_IsNumber(v) && v->valuedouble >= 1 && v->valuedouble <= 9007199254740991.0 &&
               floor(v->valuedouble) == v->valuedouble;
    case FIELD_TEXTS:
        return cJSON_IsArray(v) && texts_only(v);
    case FIELD_OBJECT:
        return cJSON_IsObject(v);
    case FIELD_OBJECTS:
        if (!cJSON_IsArray(v))
            return false;
        cJSON_ArrayForEach(item, v) if (!cJSON_IsObject(item)) return false;
        return true;
    case FIELD_TEXT_MAP:
        return cJSON_IsObject(v) && texts_only(v);
    case FIELD_TEXT_OR_TEXTS:
        return cJSON_IsString(v) || (cJSON_IsArray(v) && texts_only(v));
    case FIELD_BOOL_OR_TEXT:
        return cJSON_IsBool(v) || cJSON_IsString(v);
    }
    return false;
}

int fields_check(const cJSON *obj, const char *where, const struct field *fields, size_t n, struct err *err)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, obj)
    {
        size_t i = 0;
        while (i < n && strcmp(fields[i].key, v->string) != 0)
            i++;
        if (i == n)
            return err_set(err, ERR_BAD_REQUEST, "%s%s is not known", where, v->string);
        if (cJSON_GetObjectItemCaseSensitive(obj, v->string) != v)
            return err_set(err, ERR_BAD_REQUEST, "%s%s is there twice", where, v->string);
        if (!fields_has_type(v, fields[i].type))
            return err_set(err, ERR_BAD_REQUEST, "%s%s must be %s", where, v->string, fields_word(fields[i].type));
    }
    for (size_t i = 0; i < n; i++)
        if (fields[i].required && !cJSON_GetObjectItemCaseSensitive(obj, fields[i].key))
            return err_set(err, ERR_BAD_REQUEST, "%s%s is missing", where, fields[i].key);
    return 0;
}

bool fields_is_name(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return n >= 1 && n <= 32 && s[n] == '\0' && s[0] != '-';
}

bool fields_is_pattern(const char *s)
{
    const char *star = strchr(s, '*');

    return *s && (!star || !star[1]);
}
