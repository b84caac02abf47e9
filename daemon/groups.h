/*
 * groups.h - the jobs of one upload for several profiles, as one thing: what state they are in together, canceling
 * them all, and their artifacts in one archive (which artifacts.c makes). Loop thread only where nothing else is said.
 */
#pragma once

#include "daemon/app.h"
#include "daemon/http.h"

struct group {
    char id[ULID_SIZE];
    struct job **jobs; /* owned; in the order in which their profiles were named; at least one */
    size_t count;
    int64_t until;  /* how long its client waits; monotonic, 0: it does not */
    bool documents; /* its archive has what is said of the jobs, too: that holds ids and times */
};
void groups_free(struct group *g); /* NULL is fine. Any thread. */

/* "queued": no member has begun. "running": some have, and not all are finished. Then "failed" if one failed, else
 * "canceled" if one was canceled, else "succeeded". Static. Any thread. */
const char *groups_state(const struct group *g);

/* What an archive of its artifacts says of the group: its state, each member's profile, state, error and artifacts, and
 * nothing that differs between two uploads with the same outcome. The caller owns it. Any thread. */
char *groups_summary(const struct group *g);

/* With its jobs, and their places in the queue. The caller owns it. */
cJSON *groups_describe(struct app *app, const struct group *g);

/* Group r->id from the store into r->group; false: the request was answered (404 or a failure). */
bool groups_load(struct request *r);

void groups_get(struct request *r);
void groups_cancel(struct request *r);
void groups_tar(struct request *r);
