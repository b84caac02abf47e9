/*
 * blobs.h - files by sha256: how an artifact gets out of a work folder, and how
 * files that nobody refers to go away. Blocking; any thread.
 */
#pragma once

#include "base/err.h"
#include "base/hash.h"
#include "schema/store.h"

#include <stdint.h>

/* Copy `file` (beneath the folder root_fd, no links followed, a regular file only) to a new file in tmp_dir while
 * hashing, and sync it. At most max bytes: else ERR_OUTPUT_TOO_LARGE. BLOB_ABSENT: there is no such file.
 * *ret_path: the copy, which the caller owns. */
enum { BLOB_ABSENT = 1 };
int blob_stage(int root_fd, const char *file, const char *tmp_dir, int64_t max, char **ret_path,
               char ret_sha256[SHA256_HEX_SIZE], int64_t *ret_size, struct err *err);

/* Held (shared) from before a file is moved into blobs/ or sources/ until the commit that refers to it; the sweeper
 * holds it alone. Returns a descriptor to close. */
int blobs_hold(const char *state_dir, int *ret_fd, struct err *err);

/* Move a file into its place, durably. An equal one that is there already is replaced: no harm. */
int blob_keep(const char *from, const char *to, struct err *err);

/* The same of bytes in memory; they become the blob that is named by their hash. */
int blob_put(const char *state_dir, const void *data, size_t len, char ret_sha256[SHA256_HEX_SIZE], struct err *err);

/* Remove files of sources/, blobs/ and logs/ that belong to nothing in the store any more. *ret_removed: how many. */
int blobs_sweep(const char *state_dir, struct store_reader *r, int64_t *ret_removed, struct err *err);
