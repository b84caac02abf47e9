/*
 * plan_cargo.c - cargo's command line and environment, in the dialect of the
 * pinned one. Everything that a name from the crate goes into is an argument of its own, never a shell's
 * text. Pure, any thread. See plan.h.
 */
#include "workers/plan_priv.h"

#include "base/buf.h"
#include "workers/old.h"
#include "workers/settings.h"

#include <string.h>

const cJSON *plan_wish(const struct making *m, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(m->options, key);

    return v ? v : cJSON_GetObjectItemCaseSensitive(m->own, key);
}

/* Of the lib: what the profile says for the target, of its first one besides the output itself. */
static void put_crate_types(const struct making *m, const char *target, struct buf *b)
{
    const cJSON *more = json_arr(json_obj(m->p->json, "crate_types"), target), *v;

    if (!more || strcmp(target, m->p->target) == 0)
        buf_puts(b, m->as);
    cJSON_ArrayForEach(v, more) if (!b->len || strcmp(v->valuestring, b->p) != 0)
        buf_printf(b, "%s%s", b->len ? "," : "", v->valuestring);
}

static char **command(const struct making *m, const struct plan *plan, const char *target)
{
    AUTO(buf) struct buf features = {0};
    AUTO(buf) struct buf types = {0};
    struct strs argv = {0};
    const cJSON *v;

    strs_printf(&argv, "cargo");
    strs_printf(&argv, m->lib && m->rust >= OLD_SINCE_CRATE_TYPE ? "rustc" : "build");
    strs_printf(&argv, "--manifest-path=%s", plan->manifest);
    /* With its version: a dependency may have the same name. */
    strs_printf(&argv, "--package=%s%s%s", plan->crate_name, m->rust >= OLD_SINCE_PACKAGE_AT ? "@" : ":",
                plan->crate_version);
    strs_printf(&argv, "--target=%s", target);
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
        put_crate_types(m, target, &types);
        if (m->rust >= OLD_SINCE_CRATE_TYPE)
            strs_printf(&argv, "--crate-type=%s", types.p);
    } else {
        for (size_t i = 0; i < plan->outputs_count; i++)
            strs_printf(&argv, "--bin=%.*s", (int)plan->outputs[i].stem, plan->outputs[i].name);
    }
    return strs_steal(&argv);
}

static void put_flag(struct buf *b, const char *prefix, const char *flag)
{
    buf_printf(b, "%s%s%s", b->len ? "\x1f" : "", prefix, flag);
}

static char *rustflags(const struct making *m, const struct cargo_config *config, const char *target)
{
    /* Of several that match, rustc takes the last. The prefixes are no folders of a crate: a path stays unambiguous. */
    static const char *const remaps[] = {"/work/src=crate", "/work/target=target", "/work/cargo=cargo",
                                         "/work/cargo/registry/src=cargo/registry"};
    AUTO(strs) struct strs own = {0};
    struct buf b = {0};
    const cJSON *v;

    settings_rustflags(m->p, m->options, target, &own);
    for (size_t i = 0; i < own.count; i++)
        put_flag(&b, "", own.p[i]);
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

static void put_env(const cJSON *vars, struct strs *env)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, vars) strs_printf(env, "%s=%s", v->string, v->valuestring);
}

static int environment(const struct making *m, const struct cargo_config *config, const char *target, char ***ret,
                       struct err *err)
{
    static const char *const fixed[] = {"CARGO_HOME=/work/cargo",         "CARGO_TARGET_DIR=/work/target",
                                        "CARGO_NET_OFFLINE=true",         "CARGO_TERM_COLOR=never",
                                        "CARGO_TERM_PROGRESS_WHEN=never", "CARGO_INCREMENTAL=0"};
    AUTO(char_p) char *flags = rustflags(m, config, target);
    AUTO(json) cJSON *settings = settings_cargo_profile(m->p, m->options), *vars = settings_env(m->p, m->options);
    AUTO(json) cJSON *debugging = cJSON_CreateObject();
    AUTO(strs) struct strs env = {0};
    bool debug = json_bool(m->options, "debug", false);

    for (size_t i = 0; i < COUNT(same_env); i++)
        strs_printf(&env, "%s", same_env[i]);
    for (size_t i = 0; i < COUNT(fixed); i++)
        strs_printf(&env, "%s", fixed[i]);
    if (put_rustflags(m, flags, &env, err) < 0)
        return -1;
    settings_cargo_env(settings, m->cargo_profile, debug, &env);
    if (debug) {
        json_put_int(debugging, "debug", 2);
        if (m->rust >= OLD_SINCE_STRIP)
            json_put_str(debugging, "strip", "none");
        settings_cargo_env(debugging, m->cargo_profile, false, &env);
    }
    put_env(vars, &env);
    put_env(json_obj(m->options, "env"), &env);
    settings_options(m->p, m->options, &env);
    *ret = strs_steal(&env);
    return 0;
}

/* The caller's env.NAME is cargo's and the crate's: it may not steer the link. */
static void link_environment(const struct making *m, struct plan *plan)
{
    AUTO(json) cJSON *vars = settings_env(m->p, m->options);
    AUTO(buf) struct buf targets = {0};
    struct strs env = {0}, files = {0};
    const cJSON *v;

    for (size_t i = 0; i < COUNT(same_env); i++)
        strs_printf(&env, "%s", same_env[i]);
    put_env(vars, &env);
    buf_puts(&targets, m->p->target);
    cJSON_ArrayForEach(v, json_arr(m->p->json, "targets")) buf_printf(&targets, " %s", v->valuestring);
    strs_printf(&env, "BLOOMERY_TARGET=%s", m->p->target);
    strs_printf(&env, "BLOOMERY_TARGETS=%s", targets.p);
    strs_printf(&env, "BLOOMERY_TARGET_DIR=/work/target");
    strs_printf(&env, "BLOOMERY_PROFILE_DIR=%s", plan_folder(m->cargo_profile));
    strs_printf(&env, "BLOOMERY_CRATE=%s", plan->crate_name);
    strs_printf(&env, "BLOOMERY_CRATE_VERSION=%s", plan->crate_version);
    strs_printf(&env, "BLOOMERY_MANIFEST_DIR=%.*s", (int)(strrchr(plan->manifest, '/') - plan->manifest),
                plan->manifest);
    plan_own_env(m, &env, &files);
    settings_options(m->p, m->options, &env);
    plan->link_env = strs_steal(&env);
    plan->files = strs_steal(&files);
}

int plan_command(const struct making *m, const struct cargo_config *config, struct plan *plan, struct err *err)
{
    const cJSON *targets = json_arr(m->p->json, "targets"), *v;

    plan->cargo = command(m, plan, m->p->target);
    link_environment(m, plan);
    if (environment(m, config, m->p->target, &plan->env, err) < 0)
        return -1;
    plan->further = mem_alloc((size_t)cJSON_GetArraySize(targets) * sizeof *plan->further);
    cJSON_ArrayForEach(v, targets)
    {
        struct plan_run *run = &plan->further[plan->further_count++];
        run->target = v->valuestring;
        run->cargo = command(m, plan, run->target);
        if (environment(m, config, run->target, &run->env, err) < 0)
            return -1;
    }
    return 0;
}
