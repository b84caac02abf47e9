/*
 * wasm.h - a WebAssembly module's structure as JSON: sections 0 to 13,
 * imports, exports, memories, tables, target features, producers.
 *
 * The bytes are hostile. Every section, count, size and number is checked;
 * function bodies are not decoded, so a module that passes here may still be
 * refused by an engine for its code.
 */
#pragma once

#include "inspect/report.h"

/* True if the bytes start as a wasm module or component does. */
bool wasm_matches(const uint8_t *data, size_t len);

/* "code", "data", ...; "custom" for 0. NULL: there is no such section. */
const char *wasm_section_name(unsigned id);

/* Fills r->root with
 *   imports    [{module, name, kind, type?}]    type: of functions and tags "(i32) -> i32", of globals "mut i32"
 *   exports    [{name, kind, type?}]            type: of functions
 *   memories   [{min, max|null, shared, memory64, imported, exported, page_size?}]   min and max in pages
 *   tables     [{min, max|null, type, imported, exported}]
 *   sections   [{id, name, size}]               size: the payload's, with a custom section's name
 *   features   ["+atomics", ...]                of the section target_features
 *   producers  {language: [{name, version}], ...}
 *   functions, globals, tags  {imported, defined};  data {segments, bytes};  elements {segments, entries}
 *   start, component  bool;  what wasm_custom.h and wasm_sizes.h add
 * <0: not a valid module (ERR_CONTRACT); r->root is to be thrown away. A component is recognised and refused, and
 * "component": true stays in r->root. */
int wasm_inspect(const uint8_t *data, size_t len, struct report *r, struct err *err);
