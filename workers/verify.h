/*
 * verify.h - are the artifacts of two builds the same bytes, and if not, where does the first difference lie? The first build's
 * are copies (finish.h), the second one's are in the work folder still. Belongs to the worker's thread.
 *
 * a->result.verification becomes
 *     {verdict: "reproducible" | "different" | "failed", reason: text or null,
 *      artifacts: [{name, sha256, second_sha256: or null where the second build left none,
 *                   first_difference: null or {section: or null, offset: in the first build's file}}]}
 */
#pragma once

#include "workers/finish.h"

/* The container of the second build is gone. Fails for the server's own reasons only. */
int verify_compare(struct attempt *a, const struct finish *first, struct err *err);

/* The second build came to no end, as *err says: that is its verdict ("failed"), unless the failure is the server's or a
 * cancel: then -1, and *err stays. */
int verify_failed(struct attempt *a, struct err *err);

/* For the log and a warning: the verdict, with the first artifact and section that differ. The caller owns it. */
char *verify_sentence(const cJSON *verification);
