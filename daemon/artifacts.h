/* artifacts.h - a job's files: the list, their bytes, all as a tar, and the source. Loop thread only. */
#pragma once

#include "daemon/http.h"

void artifacts_list(struct request *r);
void artifacts_get(struct request *r);     /* .../artifacts/{name} */
void artifacts_primary(struct request *r); /* .../artifact */
void artifacts_tar(struct request *r);
void artifacts_source(struct request *r);
void artifacts_provenance(struct request *r);
void artifacts_sbom(struct request *r);

/* The primary artifact of r->job, which succeeded, as the answer to a build. */
void artifacts_answer_primary(struct request *r);

/* The end of work that wrote a tar to r->file: r->outcome and r->err say how it went. */
void artifacts_answer_tar(struct request *r, const char *name);

/* All artifacts of r->group, or else of r->job, which has some, as a tar; with what is said of them, in a group's only if
 * r->group->documents. */
void artifacts_send_tar(struct request *r);
