/* settings.c - see settings.h. */
#include "workers/settings.h"

#include <ctype.h>
#include <string.h>

#define MAX_INHERITED 8 /* profiles, one from the other: cargo refuses a circle, but that comes later */

/* What was given for an option of the profile's own, else its default, else "". The caller owns it. */
static char *option_text(const cJSON *options, const cJSON *declared)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(options, declared->string);

    if (!v)
        v = cJSON_GetObjectItemCaseSensitive(declared, "default");
    if (cJSON_IsString(v))
        return mem_strdup(v->valuestring);
    if (cJSON_IsNumber(v))
        return mem_printf("%.0f", v->valuedouble);
    if (cJSON_IsBool(v) || strcmp(json_str(declared, "type", ""), "bool") == 0)
        return mem_strdup(cJSON_IsTrue(v) ? "true" : "false");
    return mem_strdup("");
}

/* In capitals, with _ for -. The caller owns it. */
static char *variable(const char *name)
{
    char *upper = mem_strdup(name);

    for (char *s = upper; *s; s++)
        *s = *s == '-' ? '_' : (char)toupper((unsigned char)*s);
    return upper;
}

void settings_options(const struct profile *p, const cJSON *options, struct strs *env)
{
    const cJSON *declared;

    cJSON_ArrayForEach(declared, json_obj(p->json, "options"))
    {
        AUTO(char_p) char *name = variable(declared->string), *text = option_text(options, declared);
        strs_printf(env, "BLOOMERY_OPTION_%s=%s", name, text);
    }
}

/* What the option's value, as it is in this job, sets; or NULL. */
static const cJSON *set_by(const cJSON *options, const cJSON *declared)
{
    AUTO(char_p) char *text = option_text(options, declared);

    return json_obj(json_obj(declared, "sets"), text);
}

static void add_flags(const cJSON *list, struct strs *flags)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, list) strs_printf(flags, "%s", v->valuestring);
}

void settings_rustflags(const struct profile *p, const cJSON *options, const char *target, struct strs *flags)
{
    const cJSON *declared;

    add_flags(json_arr(p->json, "rustflags"), flags);
    cJSON_ArrayForEach(declared, json_obj(p->json, "options"))
        add_flags(json_arr(set_by(options, declared), "rustflags"), flags);
    add_flags(json_arr(json_obj(p->json, "target_rustflags"), target), flags);
}

static void merge(cJSON *into, const cJSON *more)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, more)
    {
        cJSON_DeleteItemFromObjectCaseSensitive(into, v->string);
        cJSON_AddItemToObject(into, v->string, cJSON_Duplicate(v, true));
    }
}

static cJSON *merged(const struct profile *p, const cJSON *options, const char *key)
{
    cJSON *all = cJSON_CreateObject();
    const cJSON *declared;

    merge(all, json_obj(p->json, key));
    cJSON_ArrayForEach(declared, json_obj(p->json, "options")) merge(all, json_obj(set_by(options, declared), key));
    return all;
}

cJSON *settings_env(const struct profile *p, const cJSON *options)
{
    return merged(p, options, "env");
}

cJSON *settings_cargo_profile(const struct profile *p, const cJSON *options)
{
    return merged(p, options, "cargo_profile");
}

cJSON *settings_contract(const struct profile *p, const cJSON *options)
{
    return merged(p, options, "contract");
}

/* "abort", "true", "16": as cargo reads it from a variable. The caller owns it. */
static char *plain_text(const cJSON *v)
{
    return cJSON_IsString(v) ? mem_strdup(v->valuestring) : json_text(v);
}

static bool of_debug(const char *key)
{
    return strcmp(key, "debug") == 0 || strcmp(key, "strip") == 0;
}

void settings_cargo_env(const cJSON *settings, const char *cargo_profile, bool debug, struct strs *env)
{
    AUTO(char_p) char *profile = variable(cargo_profile);
    const cJSON *v;

    cJSON_ArrayForEach(v, settings)
    {
        AUTO(char_p) char *name = variable(v->string), *text = plain_text(v);
        if (!debug || !of_debug(v->string))
            strs_printf(env, "CARGO_PROFILE_%s_%s=%s", profile, name, text);
    }
}

/* The setting of a profile or of the nearest one that it inherits from; *ret_from: whose it is. NULL: of none. */
static const cJSON *setting_of(const cJSON *manifest, const char *cargo_profile, const char *key, const char **ret_from)
{
    for (int i = 0; cargo_profile && i < MAX_INHERITED; i++) {
        const cJSON *profile = json_obj(manifest, cargo_profile);
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(profile, key);
        *ret_from = cargo_profile;
        if (v)
            return v;
        cargo_profile = json_str(profile, "inherits", NULL);
    }
    return NULL;
}

/* Several words of cargo's mean the same. */
static const char *same_word(const char *key, const char *word)
{
    static const char *const same[][3] = {
        {"lto", "true", "fat"},  {"debug", "true", "2"}, {"debug", "full", "2"},       {"debug", "limited", "1"},
        {"debug", "false", "0"}, {"debug", "none", "0"}, {"strip", "true", "symbols"}, {"strip", "false", "none"}};

    for (size_t i = 0; i < COUNT(same); i++)
        if (strcmp(key, same[i][0]) == 0 && strcmp(word, same[i][1]) == 0)
            return same[i][2];
    return word;
}

void settings_overridden(const cJSON *settings, const char *cargo_profile, const cJSON *manifest, struct strs *warnings)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, settings)
    {
        const char *from = NULL;
        const cJSON *said = setting_of(manifest, cargo_profile, v->string, &from);
        if (!cJSON_IsString(said) && !cJSON_IsNumber(said) && !cJSON_IsBool(said))
            continue;
        AUTO(char_p) char *wanted = plain_text(v), *plain = plain_text(said), *shown = json_text(said);
        if (strcmp(same_word(v->string, wanted), same_word(v->string, plain)) != 0)
            strs_printf(warnings, "profile.%.64s sets %s = %.60s; the host needs %s: overridden", from, v->string,
                        shown, wanted);
    }
}
