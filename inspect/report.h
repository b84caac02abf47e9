/*
 * report.h - what an inspector says, held within bounds.
 *
 * The bytes inspected decide how long the lists are and how long the names in
 * them, so both are limited here: REPORT_MAX_LIST entries a list, 1 KiB a
 * name, REPORT_MAX_BYTES in all. What does not fit is left out and
 * "truncated" is true; counts stay exact. One thread.
 */
#pragma once

#include "base/json.h"

#include <stdint.h>

#define REPORT_MAX_LIST 100000
#define REPORT_MAX_NAME 1024
#define REPORT_MAX_BYTES ((size_t)64 << 20)

struct report {
    cJSON *root; /* borrowed */
    size_t used; /* bytes that the JSON takes, estimated from above */
    bool truncated;
};

/* What a name of len bytes takes in the tree and in the text. */
size_t report_bytes(size_t len);

/* Room for one more object in list, whose names take so many bytes? If not, the report is truncated. */
bool report_room(struct report *r, cJSON *list, size_t names);

/* Adds key: name, made valid UTF-8 and cut to REPORT_MAX_NAME bytes with an ellipsis. obj may be an array; key is NULL
 * then. */
void report_name(cJSON *obj, const char *key, const char *name, size_t len);

/* An entry of a list of names, if there is room. */
void report_list_name(struct report *r, cJSON *list, const char *name, size_t len);
