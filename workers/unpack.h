/*
 * unpack.h - call bloomery-unpack (inspect/unpack.h says what it does).
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/limits.h"

#include <sys/types.h>

/* Check the tarball that fd gives (from its start; a regular file), and with dir_fd >= 0 unpack it there. uid: who the
 * program runs as when the caller is root. manifest_path may be NULL. *ret_facts: its answer, owned by the caller.
 * ERR_BAD_SOURCE, ERR_TOO_LARGE with a hint; ERR_INTERNAL when it could not do its work. */
int unpack_run(const char *helper_dir, int fd, int dir_fd, const struct limits *limits, const char *manifest_path,
               uid_t uid, cJSON **ret_facts, struct err *err);

/* The same for a kit's archive, always unpacked. ERR_BAD_REQUEST and ERR_TOO_LARGE say what an operator can do. */
int unpack_kit(const char *helper_dir, int fd, int dir_fd, const struct limits *limits, uid_t uid, cJSON **ret_facts,
               struct err *err);

/* What would be unpacked, written to to_fd (a file) as a plain tar: src/ and config/, as extraction lays them out. */
int unpack_repack(const char *helper_dir, int fd, int to_fd, const struct limits *limits, const char *manifest_path,
                  uid_t uid, struct err *err);
