/*
 * images.h - a profile's container image from its parts, and whether it is there.
 *
 * An image is named by a digest of all that made it, REPO:first 12 digits of the label bloomery.digest: its inputs (parts.h)
 * and the Debian packages that it really holds. It is found by the label bloomery.inputs, which is known before it is made: so
 * an unchanged one is never rebuilt and a changed one never stale. The tag `current` is for people; nothing relies on it.
 *
 * Labels: bloomery.inputs, .packages (digest of `dpkg-query -W`), .digest (both), .toolchain (the pin), .pinned (its
 * version), .rustc, .origin, .warning, .profile, .kit, .by (the state folder it was made for). A child inherits its parent's.
 */
#pragma once

#include "base/err.h"
#include "docker/engine.h"
#include "workers/parts.h"
#include "workers/profile.h"
#include "workers/strs.h"

/* Build what is missing for one profile (NULL: for all), with progress lines on standard error. A second builder waits
 * for the first (a lock in state_dir). fresh: everything again, from Debian's packages of today. A trial image that cannot
 * be made fails it only where the profile's trial is not optional; else the last lines say so. ERR_TOOLCHAIN_MISSING,
 * ERR_ENGINE, ERR_INTERNAL with a hint what to do. */
int images_build(struct engine *e, const struct images_config *cfg, const struct profiles *profiles,
                 const char *profile, bool fresh, struct err *err);

struct image {
    char id[80];       /* "sha256:..." */
    char rustc[128];   /* what `rustc -V` says in it */
    char origin[32];   /* dist | mirror | debian */
    char pinned[32];   /* the version that the pin names: "1.43.1" */
    char digest[65];   /* of all that made it */
    char warning[256]; /* "": it is what the pin names. Else what a job has to say of it */
};

/* The image that builds for a profile. 1: it is not there or stale; err says so and what to do. */
int images_current(struct engine *e, const struct images_config *cfg, const struct profile *p, struct image *ret,
                   struct err *err);

/* A trial's image ("trial-node", "empty"): the reference to use. 1 as above. */
int images_trial(struct engine *e, const struct images_config *cfg, const char *name, struct image *ret,
                 struct err *err);

/* Can the profile's jobs have their trial? 0: yes, or it has none. 1: its image is not there; err says what that means and
 * what to do. */
int images_trial_ready(struct engine *e, const struct images_config *cfg, const struct profile *p, struct err *err);

/* --- what there is, and what of it nothing needs any more --- */

struct images_entry {
    char *tag;              /* "bloomery/profile-wasm:0123456789ab", or the id if it has none */
    int64_t bytes;          /* with the layers that it shares */
    int64_t created;        /* seconds since 1970 */
    bool needed;            /* by one of the profiles as they are now */
    int64_t unneeded_since; /* else */
    bool others;            /* made for another state folder: not removed as unneeded */
};

struct images_list {
    struct images_entry *p;
    size_t count;
};

/* Everything that bloomeryd made on this Engine, whichever state folder it was made for. Newest first. */
int images_list(struct engine *e, const struct images_config *cfg, const struct profiles *profiles,
                struct images_list *ret, struct err *err);
void images_list_clear(struct images_list *l);

/* Which to remove: all, those of one profile, or those made for this state folder that nothing has needed for
 * keep_seconds. */
enum images_which { IMAGES_UNNEEDED, IMAGES_OF_PROFILE, IMAGES_ALL };
struct images_removal {
    struct strs removed, in_use; /* tags; what a container uses stays */
};
/* 1: a builder is at work, nothing was done (only for IMAGES_UNNEEDED). Clear *ret in every case. */
int images_remove(struct engine *e, const struct images_config *cfg, const struct profiles *profiles,
                  enum images_which which, const char *profile, int64_t keep_seconds, struct images_removal *ret,
                  struct err *err);
void images_removal_clear(struct images_removal *r);
