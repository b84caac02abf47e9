/*
 * receive.h - the first step of a job's life: a tarball that lies in state/tmp
 * is checked and becomes a source. Blocking; not for the HTTP loop's thread.
 */
#pragma once

#include "base/err.h"
#include "base/limits.h"

#include <sys/types.h>

struct receive_config {
    const char *state_dir, *helper_dir;
    uid_t uid; /* bloomery-unpack runs as this user when the daemon is root */
    struct limits limits;
};

/* Check the complete upload at tmp_path (its bytes are synced by the caller) with bloomery-unpack, then move it to
 * state/sources, durably. manifest_path may be NULL. On failure tmp_path is still there for the caller to remove:
 * ERR_BAD_SOURCE, ERR_TOO_LARGE with a hint; ERR_INTERNAL. */
int receive_source(const struct receive_config *cfg, const char *tmp_path, const char *sha256,
                   const char *manifest_path, struct err *err);
