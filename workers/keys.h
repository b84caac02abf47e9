/*
 * keys.h - the server's signing keys, in STATE/keys.
 *
 *     public.json     the public halves of all keys that ever signed, oldest first: the last one is the current one
 *     KEYID.pem       the private half of the current one, 0600; that of an earlier key is gone
 *     lock            held while one is made
 *
 * public.json is what counts: a key exists from the moment at which it names it. All calls read the files, so what another process does
 * (`bloomeryd key rotate`) is seen at the next one. Any thread.
 */
#pragma once

#include "base/json.h"
#include "base/sign.h"

#include <stdint.h>

/* At the daemon's start: makes the first key, and a new one where the current one's private half is gone (a backup
 * without it); *ret_made: one was made. ERR_UNAVAILABLE: what is there cannot be used, and the hint says what to do. */
int keys_prepare(const char *state_dir, bool *ret_made, struct err *err);

/* A new key becomes the current one; the private half of the one before is removed. Also the first one. */
int keys_rotate(const char *state_dir, struct err *err);

/* The current key, to sign with. ERR_ENGINE: it cannot be read. The caller owns *ret. */
int keys_current(const char *state_dir, struct sign_key **ret, struct err *err);

/* {"keys":[...]}, newest first: a JSON Web Key Set (RFC 7517, RFC 8037), each key with "pem", "created_at", "retired_at" and "current".
 * ERR_ENGINE: it cannot be read. The caller owns *ret. */
int keys_published(const char *state_dir, cJSON **ret, struct err *err);
