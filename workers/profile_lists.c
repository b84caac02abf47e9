/*
 * profile_lists.c - lists of names that are too long for profile.json lie in files beside it: an entry "@FILE" of a contract's
 * list stands for them. See profile.h.
 */
#include "workers/profile.h"

#include "workers/symbols.h"

#include <string.h>

enum { MAX_LISTS = 4 << 20 }; /* bytes of all lists of a profile together */

/* A file of the folder itself. */
static bool is_file_name(const char *s)
{
    return *s && *s != '.' && !strchr(s, '/') && strlen(s) <= 64;
}

static int expand_list(const struct profile *p, cJSON *list, size_t *left, struct err *err)
{
    AUTO(json) cJSON *whole = cJSON_CreateArray();
    cJSON *v, *next;

    for (v = list->child; v; v = next) {
        next = v->next;
        if (!cJSON_IsString(v) || v->valuestring[0] != '@') {
            cJSON_AddItemToArray(whole, cJSON_DetachItemViaPointer(list, v));
            continue;
        }
        const char *name = v->valuestring + 1;
        AUTO(char_p) char *path = mem_printf("%s/%s", p->dir, name);
        int r = is_file_name(name) ? symbols_read(path, name, left, whole, err) : SYMBOLS_ABSENT;
        if (r == SYMBOLS_ABSENT)
            return err_set(err, ERR_BAD_REQUEST, "%s: there is no file %.100s in the profile's folder", list->string,
                           name);
        if (r < 0)
            return err_wrap(err, "%s", list->string);
    }
    cJSON_Delete(list->child);
    list->child = whole->child;
    whole->child = NULL;
    return 0;
}

static int expand_rules(const struct profile *p, cJSON *rules, size_t *left, struct err *err)
{
    cJSON *rule;

    cJSON_ArrayForEach(rule, rules)
    {
        if (cJSON_IsArray(rule) && expand_list(p, rule, left, err) < 0)
            return -1;
    }
    return 0;
}

int profile_lists(struct profile *p, struct err *err)
{
    size_t left = MAX_LISTS;
    cJSON *v, *value;

    if (expand_rules(p, cJSON_GetObjectItemCaseSensitive(p->json, "contract"), &left, err) < 0)
        return err_wrap(err, "contract");
    cJSON_ArrayForEach(v, json_arr(json_obj(p->json, "link"), "sides"))
    {
        if (expand_rules(p, cJSON_GetObjectItemCaseSensitive(v, "contract"), &left, err) < 0)
            return err_wrap(err, "link.sides");
    }
    cJSON_ArrayForEach(v, json_obj(p->json, "options")) cJSON_ArrayForEach(value, json_obj(v, "sets"))
    {
        if (expand_rules(p, cJSON_GetObjectItemCaseSensitive(value, "contract"), &left, err) < 0)
            return err_wrap(err, "options.%s", v->string);
    }
    return 0;
}
