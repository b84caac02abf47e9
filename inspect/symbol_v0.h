/*
 * symbol_v0.h - the grammar of rustc's v0 names, as far as symbol.h needs it:
 * https://doc.rust-lang.org/rustc/symbol-mangling/v0.html. Names are hostile
 * and need not end in NUL; time is linear in their length. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The first crate on the way into the path; name is behind `_R`. False: there is none. *ret points into name. */
bool symbol_v0_crate(const char *name, size_t len, const char **ret, size_t *ret_len);

/* May the library see it? It is well formed, as deep as names of people are, and has no list of lifetimes that is longer
 * than any: the library counts those one by one, up to 2^64, also where it prints nothing and so cannot be stopped. */
bool symbol_v0_harmless(const char *name, size_t len);
