/*
 * tar.h - tar archives, read and written (libarchive; its one include in the
 * tree is tar.c). Descriptors are borrowed. One object, one thread.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>
#include <sys/types.h>

/* --- writing: reproducible (no owner, no time but the one given) --- */
enum tar_filter { TAR_PLAIN, TAR_GZIP, TAR_ZSTD };
struct tar_writer;
int tar_writer_open(int fd, enum tar_filter filter, struct tar_writer **ret, struct err *err);
int tar_put_fd(struct tar_writer *w, const char *name, mode_t mode, int fd, int64_t size, struct err *err);
int tar_put_bytes(struct tar_writer *w, const char *name, mode_t mode, const void *data, size_t len, struct err *err);
int tar_put_link(struct tar_writer *w, const char *name, const char *target, struct err *err);
int tar_writer_finish(struct tar_writer *w, struct err *err); /* the end marker is written; still to be freed */
void tar_writer_free(struct tar_writer *w);

/* --- reading: plain, gzip, zstd or xz, found by their first bytes --- */
enum tar_type { TAR_FILE, TAR_DIR, TAR_SYMLINK, TAR_HARDLINK, TAR_OTHER };
struct tar_entry {
    const char *path;   /* as it stands in the archive; borrowed until the next call */
    const char *target; /* of a link, else NULL */
    enum tar_type type;
    int64_t size;
    mode_t mode;
};
struct tar_reader;
int tar_reader_open(int fd, struct tar_reader **ret, struct err *err); /* ERR_BAD_SOURCE: not an archive, and what it is */
enum { TAR_END = 1 };
int tar_next(struct tar_reader *r, struct tar_entry *ret, struct err *err); /* TAR_END */
/* The entry's bytes; *ret_len 0 at its end. */
int tar_data(struct tar_reader *r, void *into, size_t size, size_t *ret_len, struct err *err);
int64_t tar_compressed_bytes(const struct tar_reader *r); /* consumed so far */
int64_t tar_unpacked_bytes(const struct tar_reader *r);   /* produced so far by the filters: headers, padding and all */
void tar_reader_free(struct tar_reader *r);
