/* metrics.h - GET /metrics, in Prometheus' text format. Loop thread only. */
#pragma once

#include "daemon/http.h"

void metrics_get(struct request *r);
