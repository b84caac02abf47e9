/*
 * pack.h - a crate's folder as a tarball: the workspace that it belongs to,
 * the same bytes for the same files. Main thread.
 */
#pragma once

#include "base/err.h"
#include "client/files.h"

#include <stdint.h>

struct pack {
    int fd; /* the tarball, at its start; owned */
    int64_t size;
    int64_t bytes; /* of the files in it */
    size_t files;
    char *root;           /* the folder that was packed; NULL where path was a tarball already */
    char *manifest;       /* relative to root, if it is not the Cargo.toml at the root; else NULL */
    bool git;             /* git said what belongs to it */
    struct files secrets; /* left out */
};

#define PACK_INIT                                                                                                      \
    {                                                                                                                  \
        .fd = -1                                                                                                       \
    }

/* path: a folder with a Cargo.toml, a Cargo.toml, or a tarball, which is taken as it is. ERR_BAD_REQUEST: what is
 * wrong with it. keep: see files_list. *ret is PACK_INIT; pack_clear in any case. */
int pack_make(const char *path, const char *const *keep, struct pack *ret, struct err *err);
void pack_clear(struct pack *p);

/* The first `path = "..."` in a manifest's text that leads outside of the root, from the folder `inside` of it ("" is
 * the root itself), as it is written; NULL if there is none. The caller owns it. */
char *pack_path_outside(const char *text, const char *inside);

/* Has the manifest's text this table ("[workspace]", also as "[workspace.package]")? */
bool pack_has_table(const char *text, const char *name);
