/* compare_call.h - GET /v1/compare: finds the two jobs, and answers in what they differ (compare.h). Loop thread only. */
#pragma once

#include "daemon/http.h"

void compare_call_get(struct request *r);
