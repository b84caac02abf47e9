/*
 * parts.h - what the container images are made of.
 *
 * Words: a *part* is one image: a folder of data, built on another part. Its *inputs* are the digest over all that is
 * known before it is made: the files of its folder with names and modes, its parent's inputs, the toolchain's pin, the
 * kit. A *pin* is an entry of docker/toolchains.json; its *origins* say where it, or what stands in for it, can be had.
 * An *alternative* is one choice of origins for all toolchains of a profile; the first is the one to be wished for.
 *
 *     base <- tools <- toolchain [<- old toolchain] <- profile          base <- trial          empty
 *
 * Reads files only, never asks the Engine. Any thread.
 */
#pragma once

#include "base/err.h"
#include "base/hash.h"
#include "base/tar.h"
#include "workers/kits.h"
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

enum part_kind { PART_BASE, PART_TOOLS, PART_TOOLCHAIN, PART_PROFILE, PART_TRIAL };

struct part {
    enum part_kind kind;
    char *name; /* "toolchain-1.43.1"; for progress lines */
    char *repo; /* "bloomery/toolchain-1.43.1" */
    char *dir;  /* its folder; NULL: nothing is in it (bloomery/empty) */
    char inputs[SHA256_HEX_SIZE];
    const struct part *parent; /* NULL: none */
    const cJSON *pin, *origin; /* of a toolchain */
};

enum { PARTS_MAX = 6 };

struct parts {
    struct part part[PARTS_MAX]; /* each after its parent */
    size_t count;
    const struct part *profile, *trial; /* NULL: there is none */
    bool wants_kit, has_kit;
    struct kit kit; /* of the profile */
    cJSON *pins;    /* docker/toolchains.json */
};

/* The parts of a profile in one of its alternatives, counted from 0. PARTS_NO_MORE: there are not so many.
 * ERR_TOOLCHAIN_MISSING: its pin is unknown, or none of its origins may be used. The caller owns *ret. */
enum { PARTS_NO_MORE = 1 };
int parts_of_profile(const struct images_config *cfg, const struct profile *p, unsigned alternative, struct parts **ret,
                     struct err *err);

/* Those of the trial image of that name. */
int parts_of_trial(const struct images_config *cfg, const char *name, struct parts **ret, struct err *err);

void parts_free(struct parts *p);

/* The words of a setting like "dist,mirror,debian": `for (w = list; parts_next_word(&w, &len); w += len)`. */
bool parts_next_word(const char **at, size_t *ret_len);

/* Is this one of the words of a setting like "dist,mirror,debian"? */
bool parts_word(const char *list, const char *word);

/* docker/toolchains.json. The caller owns *ret. */
int parts_pins(const char *share_dir, cJSON **ret, struct err *err);

/* What the Engine builds the part from, beneath no folder, into a tar that is being written: the files of its folder; for a
 * profile that asks for a kit, kit/ with the kit's files or the empty file .none. */
int parts_context(const struct parts *parts, const struct part *p, struct tar_writer *into, struct err *err);

/* The files of a folder of data (a profile's, the steps') into a tar, sorted, their names beneath `prefix`, "" or
 * "NAME/". */
int parts_folder(struct tar_writer *into, const char *dir, const char *prefix, struct err *err);

AUTO_DEFINE(parts, struct parts *, parts_free, NULL)
