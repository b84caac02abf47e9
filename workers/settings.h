/*
 * settings.h - how a profile and those of its options that "set" something change a build: flags, variables, and what of
 * the cargo profile the host decides. Pure; any thread.
 *
 * options: the canonical ones of the job. Of an option that is not there its default holds, with what that sets.
 */
#pragma once

#include "base/json.h"
#include "workers/profile.h"
#include "workers/strs.h"

/* BLOOMERY_OPTION_NAME=value, one for each of the profile's own options: true, false, a number or the text; "" where
 * neither the caller nor the profile gives a value. */
void settings_options(const struct profile *p, const cJSON *options, struct strs *env);

/* rustc's flags for that target: the profile's, then what the options set, then the target's own. */
void settings_rustflags(const struct profile *p, const cJSON *options, const char *target, struct strs *flags);

/* Variables of the build and the link step, {"NAME":"value"}; the caller owns it. */
cJSON *settings_env(const struct profile *p, const cJSON *options);

/* What the host decides of the cargo profile, {"panic":"abort",...}; empty: nothing. The caller owns it. */
cJSON *settings_cargo_profile(const struct profile *p, const cJSON *options);

/* The rules of the host contract. The caller owns it. */
cJSON *settings_contract(const struct profile *p, const cJSON *options);

/* The cargo profile as cargo's variables, CARGO_PROFILE_RELEASE_PANIC=abort. debug: the caller wants full debug information, which
 * goes before `debug` and `strip`. */
void settings_cargo_env(const cJSON *settings, const char *cargo_profile, bool debug, struct strs *env);

/* A sentence for each setting that Cargo.toml has otherwise. manifest: its [profile] table, or NULL; what a profile does
 * not say itself it inherits. */
void settings_overridden(const cJSON *settings, const char *cargo_profile, const cJSON *manifest,
                         struct strs *warnings);
