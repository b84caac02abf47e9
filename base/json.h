/*
 * json.h - cJSON (its one include in the tree) and what it lacks.
 *
 * Getters take an object that may be NULL or of another type, and give the
 * fallback then: what arrives from outside is never trusted to have a shape.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

#include <cjson/cJSON.h>
#include <stdint.h>

AUTO_DEFINE(json, cJSON *, cJSON_Delete, NULL)

/* Parse text; nesting and size are bounded by cJSON and by the caller. Trailing bytes that are not white space are
 * refused. `what` names the text in the error (ERR_BAD_REQUEST). The caller owns *ret. */
int json_parse(const char *text, size_t len, const char *what, cJSON **ret, struct err *err);

const char *json_str(const cJSON *obj, const char *key, const char *fallback); /* borrowed */
int64_t json_int(const cJSON *obj, const char *key, int64_t fallback);
bool json_bool(const cJSON *obj, const char *key, bool fallback);
const cJSON *json_arr(const cJSON *obj, const char *key); /* the array or NULL */
const cJSON *json_obj(const cJSON *obj, const char *key); /* the object or NULL */

/* Adds key: s, or key: null if s is NULL. Invalid UTF-8 in s is replaced by U+FFFD. */
void json_put_str(cJSON *obj, const char *key, const char *s);
void json_put_int(cJSON *obj, const char *key, int64_t v);   /* printed without an exponent up to 2^53 */
void json_put_time(cJSON *obj, const char *key, int64_t ms); /* RFC 3339; 0 gives null */

/* Unformatted text; the caller owns it. */
char *json_text(const cJSON *value);

/* A copy of s with invalid UTF-8 replaced by U+FFFD; the caller owns it. */
char *json_utf8(const char *s, size_t len);
