/*
 * wasm_custom.h - the custom sections of a wasm module that are conventions of
 * its tools. For wasm.c. What is malformed in them is left out: an engine
 * ignores it, too.
 */
#pragma once

#include "inspect/cursor.h"
#include "inspect/report.h"

struct wasm_custom {
    struct report *report;
    struct cursor names;                /* the section `name` from behind its own name; base NULL: there is none */
    struct cursor build_id, source_map; /* the same */
    cJSON *features, *producers;        /* in the report */
    bool linking, debug_info;
};

void wasm_custom_open(struct wasm_custom *w, struct report *r);

/* One section; c is behind its name. */
void wasm_custom_read(struct wasm_custom *w, const char *name, size_t len, struct cursor c);

/* Adds what is known when all have been read: names, debug_info, relocatable, build_id|null, source_map_url|null. */
void wasm_custom_put(const struct wasm_custom *w);
