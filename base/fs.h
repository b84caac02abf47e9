/*
 * fs.h - files and folders: whole reads, durable writes, removal and opening
 * beneath a folder without following links. Any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>
#include <sys/types.h>

/* mkdir -p; existing folders are fine. */
int fs_mkdirs(const char *path, mode_t mode, struct err *err);

/* The whole file, refused with ERR_TOO_LARGE above max bytes. *ret is an empty buffer on entry. */
int fs_read(const char *path, size_t max, struct buf *ret, struct err *err);

/* Replace path atomically and durably (temporary file, fsync, rename, fsync of the folder). */
int fs_write(const char *path, const void *data, size_t len, mode_t mode, struct err *err);

int fs_write_all(int fd, const void *data, size_t len, struct err *err);

int fs_sync_dir(const char *path, struct err *err);

/* Remove path and all beneath it; never follows a link, never leaves the file system it starts on. A path that
 * does not exist is fine. */
int fs_remove_tree(const char *path, struct err *err);

/* Open `path` relative to dirfd: openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS. Returns the descriptor,
 * or -errno. */
int fs_open_beneath(int dirfd, const char *path, int flags, mode_t mode);

/* Bytes free for an unprivileged writer on the file system of path. */
int fs_free_bytes(const char *path, int64_t *ret, struct err *err);

/* Bytes and entries used beneath path (the watchdog's view where there is no quota). Vanishing files are fine. */
int fs_usage(const char *path, int64_t *ret_bytes, int64_t *ret_entries, struct err *err);

/* The folder of the running executable, no trailing slash. */
int fs_exe_dir(char **ret, struct err *err);
