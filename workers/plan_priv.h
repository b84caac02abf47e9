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

/* plan->cargo, env and link_env, from the package, the outputs and the rest that are there already. ERR_BAD_SOURCE: the
 * pinned cargo cannot be told this. */
int plan_command(const struct making *m, const struct cargo_config *config, struct plan *plan, struct err *err);
