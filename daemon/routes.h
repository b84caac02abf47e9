/* routes.h - which call goes to which handler, and what is checked before any of them. Loop thread only. */
#pragma once

#include "daemon/http.h"

/* The headers are there: find the route, check Host, Origin, method and query; start an upload. May answer. */
void routes_headers(struct request *r);

/* The body, if there was one, is complete. */
void routes_handle(struct request *r);
