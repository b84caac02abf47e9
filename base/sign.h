/*
 * sign.h - Ed25519 (RFC 8032): keys, signatures, and keys as text. Any thread.
 *
 * A key's *id* is the SHA-256 of its public half as a DER SubjectPublicKeyInfo: what
 * `openssl pkey -pubin -outform DER | sha256sum` prints.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

enum { SIGN_PUBLIC_SIZE = 32, SIGN_SIZE = 64 };

struct sign_public {
    unsigned char raw[SIGN_PUBLIC_SIZE];
    char id[SHA256_HEX_SIZE];
};

struct sign_key; /* a private key with its public half */

struct sign_key *sign_new(void); /* from the system's random numbers */
void sign_free(struct sign_key *k);
const struct sign_public *sign_public(const struct sign_key *k);

/* PKCS#8 in PEM, without a password. What is written is the secret itself: sign_wipe it. */
void sign_put_pem(const struct sign_key *k, struct buf *into);
int sign_from_pem(const char *text, size_t len, struct sign_key **ret,
                  struct err *err); /* ERR_BAD_REQUEST: it is none */
void sign_wipe(struct buf *b);      /* overwrites the bytes, and frees them */

void sign_public_set(const unsigned char raw[SIGN_PUBLIC_SIZE], struct sign_public *ret);
/* SubjectPublicKeyInfo in PEM. */
void sign_public_put_pem(const struct sign_public *p, struct buf *into);
int sign_public_from_pem(const char *text, size_t len, struct sign_public *ret, struct err *err); /* as above */

void sign_make(const struct sign_key *k, const void *data, size_t len, unsigned char ret_signature[SIGN_SIZE]);
bool sign_holds(const struct sign_public *p, const void *data, size_t len, const unsigned char signature[SIGN_SIZE]);

AUTO_DEFINE(sign_key, struct sign_key *, sign_free, NULL)
