/*
 * parts.h - what the container images are made of.
 *
 * Words: a *part* is one image: a folder, built on another part. Its *inputs*
 * are the digest over all that makes it (the files of its folder with names and
 * modes, its parent's inputs, the toolchain's pin): the same inputs are the same image, so
 * REPO:first 12 digits of the inputs is its name. A *pin* is an entry of
 * docker/toolchains.json, its *origin* the one that is used of it.
 *
 * Reads files only, never asks the Engine. Any thread.
 */
#pragma once

#include "base/err.h"
#include "base/hash.h"
#include "workers/profile.h"

struct part {
    char *name; /* "toolchain"; for progress lines */
    char *repo; /* "bloomery/toolchain"; NULL: there is no such part */
    char *tag;  /* "bloomery/toolchain:0123456789ab" */
    char *dir;  /* its folder; NULL: nothing is in it (bloomery/empty) */
    char inputs[SHA256_HEX_SIZE];
};

struct parts {
    struct part base, toolchain, profile, trial;
    char *origin;  /* "debian" */
    char *version; /* the compiler's package version of that origin */
};

/* The parts of a profile. ERR_TOOLCHAIN_MISSING: its pin is unknown, or has no origin that can be used.
 * *ret need not be initialised; free it with parts_free after success. */
int parts_of_profile(const char *share_dir, const struct profile *p, struct parts *ret, struct err *err);

/* base and trial only, for the trial image of that name. */
int parts_of_trial(const char *share_dir, const char *name, struct parts *ret, struct err *err);

void parts_free(struct parts *p);

/* The part's folder as a tar: a descriptor at its start, which the caller closes, or -1. */
int parts_context(const struct part *p, struct err *err);

static inline void auto_parts(struct parts *p)
{
    parts_free(p);
}
