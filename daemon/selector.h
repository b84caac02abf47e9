/*
 * selector.h - how a client names a job that it compares: by its id, or as the newest one that succeeded and fits. Pure, any
 * thread.
 */
#pragma once

#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>

enum { SELECTOR_LABELS = 32 };

struct selector {
    bool latest;
    char id[ULID_SIZE];                /* unless latest */
    char *profile, *crate;             /* NULL: any */
    char *labels[SELECTOR_LABELS + 1]; /* KEY=VALUE, NULL-terminated */
};

/*
 * ID, or latest[:TERM,TERM,...] with a TERM profile=P, crate=C or label.KEY=VALUE. A comma that no TERM follows belongs to
 * the value before it. ERR_BAD_REQUEST: a term that cannot be read. ERR_NOT_FOUND: it is neither, so there is no such job. `which` is the
 * parameter's name, for the error. selector_clear frees what is in *ret, also after a failure.
 */
int selector_parse(const char *which, const char *text, struct selector *ret, struct err *err);
void selector_clear(struct selector *s);

/* "profile wasm, crate smelt, label branch=main"; "any" if it asks for nothing. The caller owns it. */
char *selector_words(const struct selector *s);

static inline void auto_selector(struct selector *s)
{
    selector_clear(s);
}
