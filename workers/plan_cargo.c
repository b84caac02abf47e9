/*
 * plan_cargo.c - cargo's command line and environment, in the dialect of the
 * pinned one. Everything that a name from the crate goes into is an argument of its own, never a shell's
 * text. Pure, any thread. See plan.h.
 */
#include "workers/plan_priv.h"

#include "base/buf.h"
#include "workers/old.h"

#include <ctype.h>
#include <string.h>

const cJSON *plan_wish(const struct making *m, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(m->options, key);

    return v ? v : cJSON_GetObjectItemCaseSensitive(m->own, key);
}

static void command(const struct making *m, struct plan *plan)
{
    AUTO(buf) struct buf features = {0};
    struct strs argv = {0};
    const cJSON *v;

    strs_printf(&argv, "cargo");
    strs_printf(&argv, m->lib && m->rust >= OLD_SINCE_CRATE_TYPE ? "rustc" : "build");
    strs_printf(&argv, "--manifest-path=%s", plan->manifest);
    /* With its version: a dependency may have the same name. */
    strs_printf(&argv, "--package=%s%s%s", plan->crate_name, m->rust >= OLD_SINCE_PACKAGE_AT ? "@" : ":",
                plan->crate_version);
    strs_printf(&argv, "--target=%s", m->p->target);
    if (m->rust >= OLD_SINCE_PROFILE)
        strs_printf(&argv, "--profile=%s", m->cargo_profile);
    else if (strcmp(m->cargo_profile, "release") == 0)
        strs_printf(&argv, "--release");
    strs_printf(&argv, "--offline");
    /* The lock that an old cargo reads was made from the one that is held to. */
    if (json_bool(m->options, "locked", false) && !old_pin(m->pinned))
        strs_printf(&argv, "--locked");
    if (cJSON_IsTrue(plan_wish(m, "no_default_features")))
        strs_printf(&argv, "--no-default-features");
    cJSON_ArrayForEach(v, plan_wish(m, "features"))
        buf_printf(&features, "%s%s", features.len ? "," : "", v->valuestring);
    if (features.len)
        strs_printf(&argv, "--features=%s", features.p);
    if (m->lib) {
        strs_printf(&argv, "--lib");
        if (m->rust >= OLD_SINCE_CRATE_TYPE)
            strs_printf(&argv, "--crate-type=%s", m->as);
    } else {
        for (size_t i = 0; i < plan->outputs_count; i++)
            strs_printf(&argv, "--bin=%.*s", (int)plan->outputs[i].stem, plan->outputs[i].name);
    }
    plan->cargo = strs_steal(&argv);
}

static void put_flag(struct buf *b, const char *prefix, const char *flag)
{
    buf_printf(b, "%s%s%s", b->len ? "\x1f" : "", prefix, flag);
}

static char *rustflags(const struct making *m, const struct cargo_config *config)
{
    /* Of several that match, rustc takes the last. The prefixes are no folders of a crate: a path stays unambiguous. */
    static const char *const remaps[] = {"/work/src=crate", "/work/target=target", "/work/cargo=cargo",
                                         "/work/cargo/registry/src=cargo/registry"};
    struct buf b = {0};
    const cJSON *v;

    cJSON_ArrayForEach(v, json_arr(m->p->json, "rustflags")) put_flag(&b, "", v->valuestring);
    for (size_t i = 0; i < COUNT(remaps); i++)
        put_flag(&b, "--remap-path-prefix=", remaps[i]);
    for (char *const *f = config->rustflags; f && *f; f++)
        if (m->rust >= OLD_SINCE_CHECK_CFG || strncmp(*f, "--check-cfg", 11) != 0)
            put_flag(&b, "", *f);
    cJSON_ArrayForEach(v, json_arr(m->options, "cfg")) put_flag(&b, "--cfg=", v->valuestring);
    return buf_steal(&b);
}

/* Of cargo and of the link step. */
static const char *const same_env[] = {
    "HOME=/work/home", "TMPDIR=/work/tmp",
    "SOURCE_DATE_EPOCH=315532800", /* 1980-01-01: the first day that a zip can hold */
    "LANG=C.UTF-8"};

/* An option of the profile's own as the profile's linker and link step read it: what was given, else its default, else "". */
static char *option_text(const struct making *m, const cJSON *declared)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(m->options, declared->string);

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

static void put_options(const struct making *m, struct strs *env)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, json_obj(m->p->json, "options"))
    {
        AUTO(char_p) char *name = mem_strdup(v->string), *text = option_text(m, v);
        for (char *s = name; *s; s++)
            *s = (char)toupper((unsigned char)*s);
        strs_printf(env, "BLOOMERY_OPTION_%s=%s", name, text);
    }
}

/* Before CARGO_ENCODED_RUSTFLAGS a flag could not hold a space. */
static int put_rustflags(const struct making *m, char *flags, struct strs *env, struct err *err)
{
    if (m->rust >= OLD_SINCE_ENCODED_RUSTFLAGS) {
        strs_printf(env, "CARGO_ENCODED_RUSTFLAGS=%s", flags);
        return 0;
    }
    if (flags[strcspn(flags, " \t\r\n")]) {
        err_set(err, ERR_BAD_SOURCE,
                "a flag with a space in it needs Rust 1.55 or newer; this profile's compiler is pinned at %s",
                m->pinned);
        return err_hint(err, "take a name without a space in cfg and in the rustflags of .cargo/config.toml");
    }
    for (char *s = flags; *s; s++)
        *s = *s == '\x1f' ? ' ' : *s;
    strs_printf(env, "RUSTFLAGS=%s", flags);
    return 0;
}

static int environment(const struct making *m, const struct cargo_config *config, struct plan *plan, struct err *err)
{
    static const char *const fixed[] = {"CARGO_HOME=/work/cargo",         "CARGO_TARGET_DIR=/work/target",
                                        "CARGO_NET_OFFLINE=true",         "CARGO_TERM_COLOR=never",
                                        "CARGO_TERM_PROGRESS_WHEN=never", "CARGO_INCREMENTAL=0"};
    AUTO(char_p) char *flags = rustflags(m, config), *upper = mem_strdup(m->cargo_profile);
    struct strs env = {0};
    const cJSON *v;

    for (size_t i = 0; i < COUNT(same_env); i++)
        strs_printf(&env, "%s", same_env[i]);
    for (size_t i = 0; i < COUNT(fixed); i++)
        strs_printf(&env, "%s", fixed[i]);
    if (put_rustflags(m, flags, &env, err) < 0) {
        strs_free(&env);
        return -1;
    }
    if (json_bool(m->options, "debug", false)) {
        for (char *s = upper; *s; s++)
            *s = *s == '-' ? '_' : (char)toupper((unsigned char)*s);
        strs_printf(&env, "CARGO_PROFILE_%s_DEBUG=2", upper);
        if (m->rust >= OLD_SINCE_STRIP)
            strs_printf(&env, "CARGO_PROFILE_%s_STRIP=none", upper);
    }
    cJSON_ArrayForEach(v, json_obj(m->p->json, "env")) strs_printf(&env, "%s=%s", v->string, v->valuestring);
    cJSON_ArrayForEach(v, json_obj(m->options, "env")) strs_printf(&env, "%s=%s", v->string, v->valuestring);
    put_options(m, &env);
    plan->env = strs_steal(&env);
    return 0;
}

/* The caller's env.NAME is cargo's and the crate's: it may not steer the link. */
static void link_environment(const struct making *m, struct plan *plan)
{
    struct strs env = {0};
    const cJSON *v;

    for (size_t i = 0; i < COUNT(same_env); i++)
        strs_printf(&env, "%s", same_env[i]);
    cJSON_ArrayForEach(v, json_obj(m->p->json, "env")) strs_printf(&env, "%s=%s", v->string, v->valuestring);
    strs_printf(&env, "BLOOMERY_TARGET=%s", m->p->target);
    put_options(m, &env);
    plan->link_env = strs_steal(&env);
}

int plan_command(const struct making *m, const struct cargo_config *config, struct plan *plan, struct err *err)
{
    command(m, plan);
    link_environment(m, plan);
    return environment(m, config, plan, err);
}
