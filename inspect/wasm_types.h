/*
 * wasm_types.h - wasm's types, limits and constant expressions, for wasm.c.
 * All of it reads at a cursor and fails as cursor.h says.
 */
#pragma once

#include "base/buf.h"
#include "inspect/cursor.h"

#define WASM_TYPE_TEXT 40 /* "(ref null nofunc)", "(ref null 4294967295)" and NUL */
#define WASM_PAGE 65536

struct wasm_limits {
    uint64_t min, max; /* pages, or a table's elements */
    uint32_t page_size;
    bool has_max, shared, is64;
};

/* The type section's types by index: where in the file each one's parameters start. */
struct wasm_types {
    uint32_t *at; /* offsets; 0: not a function's type */
    uint32_t len, cap;
};

void wasm_types_free(struct wasm_types *t);

/* Read one entry of the type section (a recursion group is one entry of several types); at most max types in all. */
int wasm_types_add(struct wasm_types *t, struct cursor *c, uint32_t max, struct err *err);

/* Append a function type as "(i32, i32) -> i32" to *ret, cut after 64 parameters or results. c says where an error is.
 */
int wasm_types_text(const struct wasm_types *t, const struct cursor *c, uint32_t index, struct buf *ret,
                    struct err *err);

int wasm_value_type(struct cursor *c, char ret[WASM_TYPE_TEXT], const char *what, struct err *err);
int wasm_memory_limits(struct cursor *c, struct wasm_limits *ret, struct err *err);
int wasm_table_limits(struct cursor *c, struct wasm_limits *ret, struct err *err);

/* Skip a constant expression and its `end`. */
int wasm_const_expr(struct cursor *c, const char *what, struct err *err);
