/*
 * images.h - a profile's container image from its parts, and whether it is there.
 *
 * Parts: bloomery/base (Debian, made by mmdebstrap where no registry answers),
 * bloomery/toolchain, bloomery/profile-NAME, bloomery/trial-*, bloomery/empty. Each is named
 * by the digest of all that made it, and tagged `current`; an unchanged one is
 * never rebuilt. See docs/architecture.md.
 */
#pragma once

#include "base/err.h"
#include "docker/engine.h"
#include "workers/profile.h"

/* Where images come from; all strings are borrowed. */
struct images_config {
    const char *share_dir;     /* has docker/ and workers/ */
    const char *state_dir;     /* locks, downloads, installed kits */
    const char *origins;       /* which to try, in order: "dist,mirror,debian" */
    const char *dist_server;   /* "https://static.rust-lang.org"; "": none */
    const char *dist_mirror;   /* a folder or URL that holds the same archives; "": none */
    const char *debian_mirror; /* "http://deb.debian.org" */
    const char *ca_bundle;     /* PEM file that https trusts; "": the system's */
    int64_t max_archive_bytes, stall_seconds;
};

/* Build what is missing for one profile (NULL: for all), with progress lines on standard error. A second builder waits
 * for the first (a lock in lock_dir). ERR_TOOLCHAIN_MISSING, ERR_ENGINE, ERR_INTERNAL with a hint what to do. */
int images_build(struct engine *e, const struct profiles *profiles, const char *share_dir, const char *lock_dir,
                 const char *profile, struct err *err);

struct image {
    char id[80];     /* "sha256:..." */
    char rustc[128]; /* what `rustc -V` says in it */
    char origin[32]; /* debian | dist | mirror */
    char digest[65]; /* of all that made it */
};

/* The image that builds for a profile. 1: it is not there or stale; err says so and what to do. */
int images_current(struct engine *e, const struct profile *p, const char *share_dir, struct image *ret,
                   struct err *err);

/* A trial's image ("trial-node", "empty"): the reference to use. 1 as above. */
int images_trial(struct engine *e, const char *name, const char *share_dir, struct image *ret, struct err *err);
