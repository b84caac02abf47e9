/*
 * images_progress.h - what a person sees while images are made, and what the latest lines tell of a failure. On standard
 * error; each thread has a part of its own.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <time.h>

/* The thread begins a part; its name is borrowed until the next one. */
void images_begin(const char *name, const char *what);
void images_end(time_t since);

/* One line of a tool, its colours taken out. Elsewhere than on a terminal a line every few seconds is enough to
 * see that it lives. */
void images_line(const char *line);

/* The first of the latest lines that tells an error, else the last one that is not the builder's own; "" without any. */
const char *images_telling(void);

/* Did one of the latest lines begin so? */
bool images_saw(const char *start);

/* What went wrong with the part, and what to do about it, from the tools' own words, which are shown. Returns -1. */
int images_failed(struct err *err);
