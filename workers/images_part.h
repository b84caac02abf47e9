/*
 * images_part.h - one part of an image chain, made by the Engine: between images_part.c and images_build.c.
 */
#pragma once

#include "workers/images_priv.h"

/* A maker at work: one a thread. */
struct making {
    struct engine *e;
    const struct images_config *cfg;
    const char *maker; /* two builders do not meet, whatever they make */
    unsigned slot;     /* nor two makers of one builder */
    const struct profile *profile;
    const struct parts *parts;
    char from[160];  /* the name of the part's parent */
    char origin[16]; /* where a toolchain really came from */
    struct yard *yard;
};

/* Make it, label it, and give it its name as the last act; m->from is its parent's name. IMAGES_ELSEWHERE: its origin cannot give it,
 * err says why; the next alternative may be tried. */
enum { IMAGES_ELSEWHERE = 1 };
int images_make(struct making *m, const struct part *p, struct err *err);
