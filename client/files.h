/*
 * files.h - which files of a folder belong to a crate: those that git knows or
 * does not ignore; outside git all but build output; never what looks like a
 * credential. Nothing is followed: links are listed as links. Main thread.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>

struct files {
    char **names; /* owned; a NULL follows the last; NULL where there is none */
    size_t len;
    size_t cap;
};

void files_add(struct files *f, const char *name); /* copies */
void files_free(struct files *f);

static inline void auto_files(struct files *f)
{
    files_free(f);
}

/* Paths relative to root, sorted, each once. *ret and *ret_secrets (what was left out because it looks like a credential) are empty on entry. `keep` are patterns
 * (fnmatch, against the path and its last part) of files that are wanted all the same; NULL-terminated, or NULL.
 * *ret_git says whether git was asked. */
int files_list(const char *root, const char *const *keep, struct files *ret, struct files *ret_secrets, bool *ret_git,
               struct err *err);

/* Does the path look like that of a credential? */
bool files_is_secret(const char *path);
