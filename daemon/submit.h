/*
 * submit.h - new jobs: POST /v1/jobs, POST /v1/build, POST /v1/jobs/{id}/retry.
 *
 * Everything that can be refused is refused at the headers; then the body goes
 * through upload.h; then one pool thread receives the source and commits the
 * jobs. Loop thread only.
 */
#pragma once

#include "daemon/http.h"

void submit_begin(struct request *r);       /* headers of POST /v1/jobs */
void submit_build_begin(struct request *r); /* headers of POST /v1/build */
void submit_handle(struct request *r);      /* the body of either is complete */
void submit_retry(struct request *r);
void submit_free(struct submit *s); /* NULL is fine */
