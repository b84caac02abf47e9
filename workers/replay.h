/*
 * replay.h - what an attempt really ran, noted down while it runs, so that others can run it again without Bloomery
 * (docs/api.md, GET /v1/jobs/{id}/replay). Belongs to the worker's thread.
 *
 * The record, an object:
 *   image        {id, digest, reference}
 *   root         the folder of the tarball that was taken off; "" if there was none
 *   unpacked_bytes   of the crate's files
 *   cargo_config what lay at /work/cargo/config.toml
 *   lock         {file: beneath /work, where cargo looks for it; given: whether it has to be put there, since the tarball
 *                does not hold it} or null
 *   containers   [{image, command, user, workdir, mounts: [{from: work | tmp | profile | steps, target, read_only}],
 *                network, memory_bytes, pids, nano_cpus, tmpfs_bytes, fresh: folders of /work that are made anew before
 *                it}]; the command is null where the one step is what it runs. What all have in common is in
 *                docker/engine.h
 *   steps        [{name, container: its place in the list, command, env, user, workdir}] in their order
 *   outputs      [{name: the artifact's, file: beneath /work}]
 *
 * What belongs to the server's place in its network and not to the build is left out: proxies and certificates.
 */
#pragma once

#include "docker/engine.h"
#include "schema/store.h"

struct attempt;
struct step;
struct finish;

struct replay {
    cJSON *containers, *steps;           /* arrays */
    cJSON *fresh;                        /* of the next container, or NULL */
    int held;                            /* the place of the container that holds the build */
    char *mounts;                        /* a tar of the profile's folder and the steps', in tmp/ */
    char mounts_sha256[SHA256_HEX_SIZE]; /* of it */
};

/* Take a copy of what will be mounted: later it may be another. */
int replay_begin(struct attempt *a, struct err *err);

/* A container is about to be made: gives its place in the list. Without a command it is for one step alone. */
int replay_container(struct attempt *a, const struct engine_spec *spec);

/* A command is about to be run in the container of that place. */
void replay_step(struct attempt *a, int container, const struct step *step);

/* These folders of /work were made anew for the next container. */
void replay_fresh(struct attempt *a, const char *const *folders, size_t count);

/* The last argument of the step noted last, as it has to be when the lock is there already. */
void replay_last_argument(struct attempt *a, const char *text);

/* Fill in a->result.replay: for an attempt that succeeded, while its copies are still in tmp/. */
void replay_conclude(struct attempt *a, const struct finish *f);

void replay_clear(struct attempt *a);
