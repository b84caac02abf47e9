/* plan_priv.h - what plan.c and plan_cargo.c share, and nobody else includes. */
#pragma once

#include "workers/plan.h"
#include "workers/strs.h"

struct making {
    const struct profile *p;
    const cJSON *options, *metadata, *package;
    const cJSON *own; /* [package.metadata.bloomery] or NULL */
    const cJSON *lib; /* the lib target that is built, or NULL: bins are */
    const char *as;   /* kind of output: bin, cdylib, staticlib */
    struct strs warnings;
    const char *cargo_profile;
    const char *pinned; /* the compiler's version */
    int rust;           /* its minor version */
};

/* An option of the job, or else of [package.metadata.bloomery]; NULL if neither says anything. */
const cJSON *plan_wish(const struct making *m, const char *key);

/* [package.metadata.bloomery] into m->own: every key known and of its type, or ERR_BAD_SOURCE; unknown ones are warnings. */
int plan_own_read(struct making *m, struct err *err);

/* BLOOMERY_KEY=VALUE of each key that the profile declares in `metadata`; "" where the crate does not say it. */
void plan_own_env(const struct making *m, struct strs *env, struct strs *files);

/* Can it be the name of a file, an artifact and an argument? */
bool plan_name_ok(const char *s);

/* The folder beneath target/TRIPLE/ of a cargo profile. */
const char *plan_folder(const char *cargo_profile);

/* plan->cargo, env, further and link_env, from the package, the outputs and the rest that are there already. ERR_BAD_SOURCE: the
 * pinned cargo cannot be told this. */
int plan_command(const struct making *m, const struct cargo_config *config, struct plan *plan, struct err *err);
