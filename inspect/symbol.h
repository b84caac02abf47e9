/*
 * symbol.h - what a symbol's name tells: the crate whose source a function is,
 * and the name as people write it.
 *
 * Names are hostile. Which crate it is has to be answered for each of a million
 * functions, and is read off the head of the mangled name (legacy `_ZN..E`, v0
 * `_R..`), in time linear in its length. The library that demangles follows every
 * back reference, which a name of 100 bytes can make exponential: it is asked for
 * the few names that are shown, and stopped at SYMBOL_MAX_TEXT bytes of them.
 */
#pragma once

#include "base/buf.h"

/* Longer names are not read: they are of crate SYMBOL_UNNAMED and shown as they are. */
#define SYMBOL_MAX_NAME 16384

/* No crate on crates.io has a longer name than 64. */
#define SYMBOL_MAX_CRATE 128

/* A little above report.h's bound, so that what is cut is seen to be cut. */
#define SYMBOL_MAX_TEXT 1100

#define SYMBOL_C "(C symbols)"       /* a plain name: C, assembly, a builtin of the compiler, #[no_mangle] */
#define SYMBOL_CXX "(C++)"           /* mangled as C++ does it */
#define SYMBOL_COMPILER "(compiler)" /* rustc's own: the allocator's shims, constants without a name */
#define SYMBOL_UNNAMED "(unnamed)"   /* no name, or one that tells no crate */

/* The crate: of a method of a trait the one that holds the `impl`, where the name tells (v0); else, as for default methods,
 * that of the type, or of the trait where the type is of no crate. Generic code is of the crate that wrote it. Points into
 * name or at one of the words above; *ret_len > 0. name need not end in NUL. */
const char *symbol_crate(const char *name, size_t len, size_t *ret_len);

/* The crate that an archive's member was compiled from, as rustc names members; NULL: it does not come from rustc. */
const char *symbol_member_crate(const char *name, size_t len, size_t *ret_len);

/* Appends the name as people write it, without hashes; as it is where it is not Rust's or the library does not know it. It is
 * cut to SYMBOL_MAX_TEXT bytes and need not be UTF-8. */
void symbol_text(const char *name, size_t len, struct buf *ret);
