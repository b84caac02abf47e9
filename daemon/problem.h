/* problem.h - refusals as RFC 9457 problem+json. Any thread. */
#pragma once

#include "base/json.h"
#include "daemon/http.h"

struct problem {
    const struct err *err;
    int status;             /* 0: the one that goes with err->kind */
    const char *limit_name; /* or NULL: the limit that was hit, and its value */
    int64_t limit_value;
    int retry_after;   /* seconds; 0: one is chosen for kinds that call for it */
    const char *allow; /* for 405 */
    cJSON *extra;      /* an object whose members are moved into the answer, or NULL; taken */
};

/* Fills a whole answer; *a is ANSWER_INIT on entry. */
void problem_answer(const struct problem *p, struct answer *a);

/* "Not Found" and so on. Static. */
const char *problem_title(int status);
