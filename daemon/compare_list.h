/*
 * compare_list.h - in what two lists differ: names, sizes, functions, packages, settings. The lists come out of the store and
 * may be long (a module may have 100,000 exports): they are sorted and walked side by side, never searched. What is
 * answered has the limits below; a list that was cut is named in `cut`, an array. Pure, any thread.
 */
#pragma once

#include "base/json.h"

enum {
    COMPARE_SIZES = 100,    /* sections, crates */
    COMPARE_FUNCTIONS = 20, /* that grew */
    COMPARE_NAMES = 200,    /* added, and as many removed */
    COMPARE_PACKAGES = 500, /* that moved */
    COMPARE_VERSIONS = 16,  /* of one package at the same time */
    COMPARE_INSPECTED = 20, /* functions that bloomery-inspect lists at most: from so many on, more may be there */
};
#define COMPARE_OTHERS "(others)" /* what bloomery-inspect calls the sum of what it does not list */

/*
 * Imports, exports and the like: {"added":[],"removed":[]} of items {"name"}, for a module also "module", "kind", "type".
 * Lists of texts or of such objects; what is there twice counts once. NULL where either is NULL. `what` is their name in `cut`.
 */
cJSON *compare_list_names(const cJSON *from, const cJSON *to, const char *what, cJSON *cut);

/*
 * Lists of {KEY,"bytes"}: [{"name","from","to","delta"}], the largest change first. What only one list has is 0 in the
 * other; unless that one has COMPARE_OTHERS and so leaves something out: then it is null, and so is the delta. NULL where
 * either list is NULL.
 */
cJSON *compare_list_sizes(const cJSON *from, const cJSON *to, const char *key, const char *what, cJSON *cut);

/*
 * Functions that grew, [{"name","crate","from","to","delta"}], the most grown first. Each list has the largest ones only: from and
 * delta are null where a function was none of them before; it has grown all the same, being larger than they are.
 * Of several of one name the largest is compared with the largest, and so on. NULL where either list is NULL.
 */
cJSON *compare_list_functions(const cJSON *from, const cJSON *to);

/* What differs in two objects, [{"name","from","to"}] with null for what is not there. */
cJSON *compare_list_settings(const cJSON *from, const cJSON *to);

/*
 * Packages as workers/packages.h lists them: [{"name","change","from":[],"to":[],"for"}], by name. change: added, removed,
 * version, or source (the same version from somewhere else, or with another checksum). from and to are versions; of a change of source
 * the version and where it comes from. for: target or host, or null where nobody knows. Of two lists that know what is used
 * only that counts. The packages that were built themselves are left out. NULL where either is NULL.
 */
cJSON *compare_list_packages(const cJSON *from, const cJSON *to, cJSON *cut);
