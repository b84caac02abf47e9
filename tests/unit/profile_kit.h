/* profile_kit.h - the profiles and files of tests/unit/data, for the tests of workers/. Run from the repository's root. */
#pragma once

#include "base/fs.h"
#include "base/json.h"
#include "workers/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static inline int kit_setup(void **state)
{
    static const struct limits limits = LIMITS_DEFAULT;
    const char *const dirs[] = {"tests/unit/data/profiles", NULL};
    struct profiles *set = NULL;
    struct err err = ERR_INIT;

    if (profiles_load(dirs, &limits, &set, &err) < 0)
        fail_msg("%s", err.msg);
    *state = set;
    return 0;
}

static inline int kit_teardown(void **state)
{
    profiles_unref(*state);
    return 0;
}

static inline const struct profile *kit_profile(void **state, const char *name)
{
    const struct profile *p = profiles_find(*state, name);

    assert_non_null(p);
    return p;
}

/* The file's bytes; freed by the caller. */
static inline struct buf kit_read(const char *dir, const char *name)
{
    AUTO(char_p) char *path = mem_printf("tests/unit/data/%s/%s", dir, name);
    struct buf b = {0};
    struct err err = ERR_INIT;

    if (fs_read(path, 1 << 20, &b, &err) < 0)
        fail_msg("%s", err.msg);
    return b;
}

static inline cJSON *kit_json(const char *dir, const char *name)
{
    AUTO(buf) struct buf b = kit_read(dir, name);
    struct err err = ERR_INIT;
    cJSON *v = NULL;

    if (json_parse(b.p, b.len, name, &v, &err) < 0)
        fail_msg("%s", err.msg);
    return v;
}

/* JSON written in a test with ' for ". */
static inline cJSON *kit_quoted(const char *text)
{
    AUTO(char_p) char *s = mem_strdup(text);

    for (char *p = s; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    cJSON *v = cJSON_Parse(s);
    assert_non_null(v);
    return v;
}
