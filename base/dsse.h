/*
 * dsse.h - signed envelopes (DSSE v1, https://github.com/secure-systems-lab/dsse): a payload with its type, and signatures
 * over both by Ed25519 keys. The text of an envelope is JSON. Any thread; no state.
 */
#pragma once

#include "base/sign.h"

#define DSSE_IN_TOTO "application/vnd.in-toto+json" /* the type of in-toto statements */

enum {
    DSSE_TEXT_MAX = 16 << 20, /* bytes of an envelope that is read */
    DSSE_SIGNATURES_MAX = 16, /* more than these are not looked at */
};

/* What is signed: the pre-authentication encoding of type and payload. */
void dsse_pae(struct buf *into, const char *type, const void *payload, size_t len);

/* Appends an envelope with one signature. */
void dsse_seal(struct buf *into, const char *type, const void *payload, size_t len, const struct sign_key *key);

/*
 * Take the payload out of an envelope of that type, if one of the keys signed it. The payload is read only after a
 * signature was found good. *ret_payload is an empty buffer on entry; *ret_key: which key (an index).
 * DSSE_STRANGE: it names none of these keys; err says which it names. DSSE_FORGED: it names one, and the signature is not
 * that key's over these bytes. ERR_BAD_REQUEST: it is no envelope, or one of another type.
 */
enum { DSSE_STRANGE = 1, DSSE_FORGED = 2 };
int dsse_open(const char *text, size_t len, const char *type, const struct sign_public *keys, size_t count,
              struct buf *ret_payload, size_t *ret_key, struct err *err);
