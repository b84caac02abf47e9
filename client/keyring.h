/*
 * keyring.h - public keys that attestations are checked with, from a file: a key in PEM, or a JSON Web Key Set as the
 * server's /v1/keys gives it. Pure but for the reading. Main thread.
 */
#pragma once

#include "base/sign.h"

struct keyring {
    struct sign_public *p; /* owned; at least one when it was read */
    size_t count;
};
void keyring_clear(struct keyring *k);

enum { KEYRING_FILE_MAX = 1 << 20, KEYRING_MAX = 1000 };

/* ERR_BAD_REQUEST: it holds no Ed25519 key, or an id that is not its key's. */
int keyring_parse(const char *text, size_t len, struct keyring *ret, struct err *err);

/* ERR_NOT_FOUND: there is no such file. */
int keyring_read(const char *path, struct keyring *ret, struct err *err);

static inline void auto_keyring(struct keyring *k)
{
    keyring_clear(k);
}
