/*
 * attach.h - stay with jobs until they are finished: their logs as they grow,
 * their places in the queue, and what ^C means meanwhile. Main thread.
 */
#pragma once

#include "base/err.h"
#include "base/http.h"
#include "base/json.h"

#include <stdint.h>

enum attach_end { ATTACH_FINISHED, ATTACH_CANCELED, ATTACH_DETACHED, ATTACH_TIMED_OUT };

enum attach_mode {
    ATTACH_ASK,  /* log and queue shown; on a terminal ^C asks whether to cancel, elsewhere it detaches */
    ATTACH_LOG,  /* the log alone; ^C only stops looking */
    ATTACH_QUIET /* nothing shown; ^C detaches */
};

/* what: a job, or a group; a group's logs are shown together, each line with its profile before it.
 * deadline_ms: on the monotonic clock; 0 is none. ATTACH_CANCELED: the user asked for it, and the server agreed. */
int attach_run(struct http *h, const cJSON *what, int64_t deadline_ms, enum attach_mode mode, enum attach_end *ret,
               struct err *err);
