/*
 * hash.h - SHA-256, in one go or streaming, as lower-case hex.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>

#define SHA256_HEX_SIZE 65 /* 64 digits and NUL */

struct hash; /* a running SHA-256 */

struct hash *hash_new(void);
void hash_add(struct hash *h, const void *data, size_t len);
void hash_finish(struct hash *h, char ret_hex[SHA256_HEX_SIZE]); /* frees h */
void hash_free(struct hash *h);                                  /* NULL is fine */

void hash_bytes(const void *data, size_t len, char ret_hex[SHA256_HEX_SIZE]);

/* From the descriptor's current offset to its end. */
int hash_fd(int fd, char ret_hex[SHA256_HEX_SIZE], struct err *err);

/* True if s is 64 lower-case hex digits. */
bool hash_valid(const char *s);

/* The base64 of the digest in hex, for Content-Digest (RFC 9530): 44 characters and NUL. */
void hash_base64(const char hex[SHA256_HEX_SIZE], char ret_text[45]);
