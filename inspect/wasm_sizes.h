/*
 * wasm_sizes.h - where a wasm module's bytes are: its functions by crate, its
 * data segments, with the names of the section `name`. For wasm.c.
 */
#pragma once

#include "inspect/cursor.h"
#include "inspect/sizes.h"

/* What engines allow at most (the WebAssembly JavaScript interface's appendix). */
#define WASM_MAX_FUNCTIONS 1000000

#define WASM_FUNCTION 0 /* the kind of an export */

struct wasm_export {
    const char *name;
    uint32_t len, kind, index;
};

struct wasm_sizes {
    struct sizes sizes;
    uint32_t *bodies;              /* owned; bytes of each function that is defined here */
    uint32_t body_count, imported; /* functions */
    uint32_t segment_count;
    struct sizes_top segments;
    struct cursor names; /* the section `name` from behind its own name; base NULL: there is none */
};

void wasm_sizes_free(struct wasm_sizes *w);

/* One more, in the module's order. At most WASM_MAX_FUNCTIONS bodies. */
void wasm_sizes_add_body(struct wasm_sizes *w, uint32_t bytes);
void wasm_sizes_add_segment(struct wasm_sizes *w, uint32_t bytes);

/* Adds to the report: module_name (null: it says none), named_functions (how many names of functions), and "sizes". What is
 * malformed in the section `name` ends the names, as in an engine. Where there are none,
 * the largest functions have their exports' names. */
void wasm_sizes_put(struct wasm_sizes *w, size_t file_bytes, const struct wasm_export *exports, size_t export_count,
                    struct report *r);
