/*
 * link.h - the link step of a job: where cargo's own link is not the last word, a command of the profile's makes the
 * artifact from what cargo wrote, in a container without network in which nothing of the build's runs any more.
 * Belongs to the worker's thread.
 *
 * The command sees the work folder as cargo did, but /work/out (its working folder), /work/home and /work/tmp are new.
 * Its environment is the plan's link_env and, of each output in turn:
 *
 *     BLOOMERY_INPUT     what cargo wrote, in /work/target       BLOOMERY_OUTPUT    what is to be made, in /work/out
 *     BLOOMERY_NAME      the target's name                       BLOOMERY_KIT       /opt/bloomery/kit, if one is installed
 *     BLOOMERY_KIT_LINK  the kit's link entry point, if it has one
 *     BLOOMERY_LIB       the name with underscores
 */
#pragma once

#include "workers/attempt.h"

/* Has the job's profile such a step? */
bool link_wanted(const struct attempt *a);

/* Does the profile need a kit that is not installed? Then nothing is linked, and what cargo wrote is all there is. */
bool link_lacks_kit(const struct attempt *a);

/* All outputs. The build's container is another one after that. ERR_LINK: the command failed; ERR_CONTRACT: with exit
 * code 3. */
int link_run(struct attempt *a, struct err *err);
