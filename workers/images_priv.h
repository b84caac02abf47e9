/* images_priv.h - between images.c and images_build.c. */
#pragma once

#include "workers/images.h"

#define IMAGES_FACTS_LABEL "bloomery.facts" /* of containers that only look into an image: who made them */
#define IMAGES_UNFINISHED "unfinished"      /* how the tag of what is being made begins; its maker follows */

/* Every image of ours, as engine_images gives them. The caller owns *ret. */
int images_all(struct engine *e, cJSON **ret, struct err *err);

/* The newest of a part among them, NULL: there is none. *ret_tag, if not NULL, is its name, borrowed. */
const cJSON *images_of_part(const cJSON *all, const struct part *p, const char **ret_tag);

/* Whose images these are: a short name of the state folder, as docs say bloomery.by. */
void images_maker(const char *state_dir, char ret[13]);

/* Held until the descriptor is closed, also by a kill. -1: err filled; -2: another holds it, and wait is false. */
int images_lock(const char *state_dir, bool wait, struct err *err);
