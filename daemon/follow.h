/*
 * follow.h - clients that wait: for a job's end (?wait=S, /v1/build) or for its log to grow (server-sent events).
 *
 * A *watch* is one job that somebody waits for: its state is asked of the store
 * and its log's size of the file system once for all who wait, after news from the
 * worker pool (coalesced) and once a second. A follower holds no buffer: what it
 * sends is rendered again from the log file. Loop thread only.
 */
#pragma once

#include "daemon/http.h"

struct follow *follow_new(struct app *app);
void follow_stop(struct follow *f);     /* answers who waits; no more news after this */
void follow_free_all(struct follow *f); /* after http_stop(); NULL is fine */

/* Something changed somewhere: look soon. */
void follow_poke(struct follow *f);

/* Hold the request until job `id` is finished, `seconds` are over or the server stops; then ready(r) must answer. */
void follow_wait(struct request *r, const char *id, int64_t seconds, void (*ready)(struct request *));
void waiter_free(struct waiter *w); /* NULL is fine */

/* Make r->follower, which sends the log from byte `offset`. */
void follow_open(struct request *r, const char *id, int64_t offset);
enum { FOLLOW_NOTHING_YET = 0, FOLLOW_END = -1, FOLLOW_BROKEN = -2 };
/* At most max bytes of events into out; the count, or one of the above. */
ssize_t follow_read(struct follower *f, char *out, size_t max);
void follow_free(struct follower *f); /* NULL is fine */

struct follow_counts {
    int64_t followers, waiters;
};
void follow_counts(const struct follow *f, struct follow_counts *ret);
