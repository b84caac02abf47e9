/*
 * fields.h - the shape of a JSON object that an operator wrote (profile.json, kit.json): which keys, of which types.
 * What a value means is its owner's concern. Pure; any thread.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

enum field_type {
    FIELD_TEXT,
    FIELD_BOOL,
    FIELD_NUMBER, /* whole, above 0 */
    FIELD_TEXTS,
    FIELD_OBJECT,
    FIELD_OBJECTS,
    FIELD_TEXT_MAP,      /* an object whose values are texts */
    FIELD_TEXT_OR_TEXTS, /* one text, or a list of them */
    FIELD_BOOL_OR_TEXT
};

struct field {
    const char *key;
    enum field_type type;
    bool required;
};

/* Every key is known and of its type, none twice, none of the required ones is missing. `where` ends in '.' or is "":
 * it stands before the key in the message (ERR_BAD_REQUEST). */
int fields_check(const cJSON *obj, const char *where, const struct field *fields, size_t n, struct err *err);

bool fields_has_type(const cJSON *v, enum field_type type);
const char *fields_word(enum field_type type); /* "a list of texts"; static */

/* The names that profiles and kits have: 1 to 32 of a-z, 0-9 and -, not - first. */
bool fields_is_name(const char *s);

/* A pattern of imports: not empty, * at the end only. */
bool fields_is_pattern(const char *s);
