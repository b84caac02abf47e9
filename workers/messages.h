/*
 * messages.h - what cargo prints while it builds (cargo --message-format=json, both of its streams in one): the text
 * that people read, and the compiler's diagnostics as data. Pure; a struct belongs to one thread.
 *
 * A build script and what the compiler runs can write into that stream as they like. So nothing is decided by it, every
 * size is bounded here, and what is no message of cargo's is text, as it came.
 */
#pragma once

#include "base/buf.h"
#include "schema/store.h"

#define MESSAGES_MAX_LINE (1u << 20) /* bytes of one message; a longer one is left out, of the text too */
#define MESSAGES_MAX_ERRORS 32       /* kept; the others are counted */
#define MESSAGES_MAX_FILE 512        /* bytes, as those below */
#define MESSAGES_MAX_CODE 32
#define MESSAGES_MAX_TEXT 512
#define MESSAGES_MAX_LABEL 256
#define MESSAGES_MAX_RENDERED 4096

struct messages;

/* found: gets the diagnostics as they come. It is the caller's, empty for now, and outlives this. Texts in it are UTF-8, without
 * control characters, but for the newlines of `rendered`. */
struct messages *messages_new(struct job_diagnostics *found);
void messages_free(struct messages *m); /* NULL is fine */

/* cargo is called. What it says twice in one call is printed and counted once, as cargo itself does; what an earlier call
 * (for another target) said too is printed, and not counted again. */
void messages_begin(struct messages *m);

/* More of its output, in pieces of any size. What people are to read of it is appended to `text`. */
void messages_read(struct messages *m, const char *data, size_t len, struct buf *text);

/* It has ended: what is left of a line that did not. */
void messages_end(struct messages *m, struct buf *text);
