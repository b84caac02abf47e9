/*
 * extract.h - the work of bloomery-unpack, whose contract is in unpack.h: a
 * tarball held against the rules, and unpacked. One thread.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct extract_options {
    int64_t max_bytes, max_files, max_path, max_ratio;
    const char *manifest_path; /* relative to the root; NULL is Cargo.toml */
    bool kit;                  /* a kit's archive and no crate's; manifest_path is NULL */
    bool repack;               /* write what would be unpacked as a tar */
};

/* Reads the tarball of fd (a regular file, read from its current offset, twice when extracting). dest_fd -1 only
 * checks, by the same rules; with repack it is the file that the tar is written to. The caller owns *ret_json, the answer that unpack.h shows. ERR_BAD_SOURCE and ERR_TOO_LARGE are
 * refusals; other kinds are failures of the server's. */
int extract_run(int fd, int dest_fd, const struct extract_options *o, char **ret_json, struct err *err);
