/* compare.h - in what two jobs differ, as GET /v1/compare answers it. Pure, any thread. */
#pragma once

#include "schema/store.h"

struct compare_side {
    const struct job *job;
    const struct artifact *artifact; /* of it, whole */
    const cJSON *packages;           /* as workers/packages.h lists them, or NULL */
};

/* What cannot be compared is null, and a sentence in `warnings` says why. The caller owns it. */
cJSON *compare_jobs(const struct compare_side *from, const struct compare_side *to);
