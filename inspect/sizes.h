/*
 * sizes.h - why a file is as large as it is: bytes summed by section and by
 * crate, the largest functions.
 *
 * Names are borrowed: they point into the file, or are constants. Memory and
 * the JSON are bounded: SIZES_MAX_NAMES names are told apart, SIZES_SHOWN of
 * them are shown; what is beyond is summed as "(others)". One thread.
 */
#pragma once

#include "inspect/report.h"

#define SIZES_MAX_NAMES 8192
#define SIZES_SHOWN 100
#define SIZES_TOP 20

struct sizes_sum {
    const char *name; /* NULL: the slot is free */
    size_t len;
    uint64_t bytes, count;
};

/* Sums by name. {0} is an empty one. */
struct sizes_table {
    struct sizes_sum *slots; /* owned */
    size_t count, used;
    uint64_t bytes; /* of all */
    struct sizes_sum others;
};

/* An empty name is "(no name)". */
void sizes_add(struct sizes_table *t, const char *name, size_t len, uint64_t bytes, uint64_t count);
void sizes_table_free(struct sizes_table *t);

/* Adds key: [{name_key, "bytes", count_key}], the largest first; without count_key where that is NULL. */
void sizes_put_table(const struct sizes_table *t, cJSON *obj, const char *key, const char *name_key,
                     const char *count_key);

struct sizes_piece {
    const char *name; /* NULL: it has none */
    size_t len;
    uint64_t bytes, index;
};

/* The SIZES_TOP largest pieces, the largest first. {0} is an empty one. */
struct sizes_top {
    struct sizes_piece at[SIZES_TOP];
    size_t len;
};

void sizes_top_add(struct sizes_top *t, const struct sizes_piece *piece);

/* Adds key: [{"name", "crate", "bytes"}]; crates: they are known, and a piece without a name is of the crate
 * "(unnamed)". */
void sizes_put_top(const struct sizes_top *t, bool crates, cJSON *obj, const char *key);

/* What the kinds have in common. {0} is an empty one. */
struct sizes {
    struct sizes_table sections, crates;
    struct sizes_top functions;
    uint64_t code_bytes; /* what the crates add up to, with what is of no function */
};

void sizes_free(struct sizes *s);

/* One function: bytes of the code are its own, of size in all (some may be another's, too). */
void sizes_add_function(struct sizes *s, const char *name, size_t len, uint64_t bytes, uint64_t size);

/* Adds "sizes" to the report of a file of so many bytes: by_section, code_bytes and, where there are names, by_crate (null
 * otherwise). What is in no section and in no function is summed as "(outside sections)" and "(none)". Returns the object,
 * borrowed, for what the kind has besides. */
cJSON *sizes_put(struct sizes *s, uint64_t file_bytes, bool names, struct report *r);
