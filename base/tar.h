/*
 * tar.h - tar archives, read and written (libarchive; its one include in the
 * tree is tar.c). Descriptors are borrowed. One object, one thread.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TAR_TIME 1153704088 /* 2006-07-24T01:21:28Z, the time of every file that is packed or unpacked, as cargo does */
#define TAR_MAX_HEADERS (4 * 1024 * 1024)  /* bytes of one entry's headers: long names, pax records, sparse maps */
#define TAR_RATIO_FROM (INT64_C(16) << 20) /* the ratio of smaller archives is nobody's concern */

/* Why a symbolic link may not be packed or unpacked; NULL if it may. ".." may only lead its target, and only as often
 * as there are folders between the link and the root (`room`): so it stays inside, whatever else is a link. Static. */
const char *tar_link_fault(const char *target, size_t room);

/* --- writing: reproducible (no owner, no time but TAR_TIME) --- */
enum tar_filter { TAR_PLAIN, TAR_GZIP, TAR_ZSTD };
struct tar_writer;
struct tar_reader;
int tar_writer_open(int fd, enum tar_filter filter, struct tar_writer **ret, struct err *err);
int tar_put_fd(struct tar_writer *w, const char *name, mode_t mode, int fd, int64_t size, struct err *err);
int tar_put_bytes(struct tar_writer *w, const char *name, mode_t mode, const void *data, size_t len, struct err *err);
/* The entry that `from` stands at, which must have `size` bytes; its failures are those of tar_data. */
int tar_put_entry(struct tar_writer *w, const char *name, mode_t mode, struct tar_reader *from, int64_t size,
                  struct err *err);
int tar_put_link(struct tar_writer *w, const char *name, const char *target, struct err *err);
/* Another name for an earlier entry; a folder. */
int tar_put_hard(struct tar_writer *w, const char *name, const char *earlier, struct err *err);
int tar_put_dir(struct tar_writer *w, const char *name, struct err *err);
int tar_writer_finish(struct tar_writer *w, struct err *err); /* the end marker is written; still to be freed */
void tar_writer_free(struct tar_writer *w);

/* --- reading: plain, gzip, zstd or xz, found by their first bytes --- */
enum tar_type { TAR_FILE, TAR_DIR, TAR_SYMLINK, TAR_HARDLINK, TAR_OTHER };
struct tar_entry {
    const char *path;   /* as it stands in the archive; borrowed until the next call */
    const char *target; /* of a link, else NULL */
    enum tar_type type;
    int64_t size; /* logical: holes of a sparse file count, and are read as zeros */
    mode_t mode;
};
int tar_reader_open(int fd, struct tar_reader **ret,
                    struct err *err); /* ERR_BAD_SOURCE: not an archive, and what it is */
/* From here on: all bytes that decompression makes (headers, padding, what follows the end), and how many for each
 * byte of the file behind fd. Passing one is ERR_TOO_LARGE from any call below. 0 is no limit. */
void tar_reader_limit(struct tar_reader *r, int64_t max_bytes, int64_t max_ratio);
/* A reader that failed stays failed. TAR_END only after the end marker, with nothing but zeros behind it. */
enum { TAR_END = 1 };
int tar_next(struct tar_reader *r, struct tar_entry *ret, struct err *err); /* TAR_END */
/* The entry's bytes; *ret_len 0 at its end. */
int tar_data(struct tar_reader *r, void *into, size_t size, size_t *ret_len, struct err *err);
int64_t tar_compressed_bytes(const struct tar_reader *r); /* consumed so far */
int64_t tar_unpacked_bytes(const struct tar_reader *r);   /* produced so far by the filters: headers, padding and all */
void tar_reader_free(struct tar_reader *r);
