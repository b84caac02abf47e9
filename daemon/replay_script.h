/*
 * replay_script.h - replay.json as a shell script. Pure; any thread.
 */
#pragma once

#include "base/json.h"

/* head: workers/replay/replay.sh, whose functions are called. doc: as replay.h describes replay.json; what is missing in it
 * is taken for empty. Everything of the job's is quoted. The caller owns the script. */
char *replay_script(const char *head, const cJSON *doc);
