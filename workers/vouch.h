/*
 * vouch.h - what the server says of a job that succeeded: its bill of materials (sbom.h) and its signed provenance
 * (provenance.h), made and signed here, where no code of the project's runs. Belongs to the worker's thread.
 */
#pragma once

#include "workers/attempt.h"

/* Fills a->result.sbom and .provenance; their blobs are in place (the caller holds them: blobs_hold). ERR_ENGINE: the
 * server's own disk, or its signing key cannot be read. */
int vouch_for(struct attempt *a, struct err *err);
