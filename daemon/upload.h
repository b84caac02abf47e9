/*
 * upload.h - a request's body on its way to state/tmp: counted and bounded on
 * the loop's thread, written, hashed and synced on pool threads. The temporary
 * file disappears with the upload unless something moved it away.
 */
#pragma once

#include "base/hash.h"
#include "daemon/http.h"

struct uploads *uploads_new(void);
void uploads_free(struct uploads *u); /* NULL is fine */
void uploads_tick(struct app *app);   /* once a second: who waited too long for a place is sent away */
int64_t uploads_active(const struct uploads *u);

/* At the headers: take a place (or hold the request until there is one) and make the temporary file. May answer. */
void upload_begin(struct request *r);

/* Bytes of a body; returns how many were taken. Without r->upload they are thrown away, a few at most. May answer. */
size_t upload_data(struct request *r, const char *data, size_t len);

/* What to say to a client whose body ended early or stalled. *a is ANSWER_INIT on entry. */
void upload_problem(struct request *r, bool stalled, struct answer *a);

/* Pool thread, after the whole body: the last bytes, fsync, the hash. ERR_BAD_REQUEST: it was empty. */
int upload_finish(struct upload *u, char ret_sha256[SHA256_HEX_SIZE], int64_t *ret_size, struct err *err);
const char *upload_path(const struct upload *u); /* of the temporary file */

void upload_free(struct upload *u); /* loop thread; NULL is fine */
