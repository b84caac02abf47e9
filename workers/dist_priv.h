/*
 * dist_priv.h - what dist.c and dist_unpack.c share.
 */
#pragma once

#include "workers/dist.h"

/* KEEP_DIR/NAME.tar.xz of a component; the caller owns it. */
char *dist_archive(const struct dist *d, const char *name);

/* May a component, and so a file of keep_dir, have this name? */
bool dist_name_fits(const char *name);

/* One line, if anybody wants it. */
void dist_say(const struct dist *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
