/* images_priv.h - between images.c and images_build.c. */
#pragma once

#include "workers/images.h"

/* Containers that only look into an image. */
#define IMAGES_FACTS_LABEL "bloomery.images=facts"
#define IMAGES_UNFINISHED "unfinished" /* the tag of what is being made */

/* Every image of ours, as engine_images gives them. The caller owns *ret. */
int images_all(struct engine *e, cJSON **ret, struct err *err);

/* The newest of a part among them, NULL: there is none. *ret_tag, if not NULL, is its name, borrowed. */
const cJSON *images_of_part(const cJSON *all, const struct part *p, const char **ret_tag);

/* Held until the descriptor is closed, also by a kill. -1: err filled; -2: another holds it, and wait is false. */
int images_lock(const char *state_dir, bool wait, struct err *err);
