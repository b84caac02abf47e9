/*
 * query.h - what a client wrote into its URL, parsed strictly. No
 * state; any thread.
 */
#pragma once

#include "base/err.h"
#include "workers/profile.h"

#include <stddef.h>
#include <stdint.h>

#define QUERY_MAX_PARAMS 256

struct query {
    struct param *params; /* decoded, in the order they came; keys and values owned */
    size_t count;
};

/* `raw` is what follows the '?', or NULL. ERR_BAD_REQUEST: a bad escape, NUL, invalid UTF-8, an empty name, too many.
 * '+' is a blank, as HTML forms have it. */
int query_parse(const char *raw, struct query *ret, struct err *err);
void query_free(struct query *q);

/* The first value of key, or NULL. */
const char *query_get(const struct query *q, const char *key);

/* Refuse a parameter that is not among `known` (NULL-terminated; an entry that ends in '.' is a prefix), and one that
 * is given twice without being a prefix's. */
int query_check(const struct query *q, const char *const *known, struct err *err);

/* The entry of `known` that word was probably meant to be, or NULL. */
const char *query_nearest(const char *word, const char *const *known);

/* key as a whole number from min to max; absent gives fallback. */
int query_int(const struct query *q, const char *key, int64_t min, int64_t max, int64_t fallback, int64_t *ret,
              struct err *err);

/* The same for equal sets of parameters in whatever order; no two different sets share one. Owned by the caller. */
char *query_canonical(const struct query *q);

/* Decode %XX in a path segment; ERR_BAD_REQUEST as query_parse. The caller owns *ret. */
int query_unescape(const char *s, size_t len, char **ret, struct err *err);
