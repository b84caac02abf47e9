/*
 * gzip.h - how large a file is when gzip has packed it. One thread.
 *
 * Up to GZIP_BEST_BYTES it is what `gzip -9n` makes of it. Above, level 9 would
 * take longer than all other inspection together: there it is level 1 of
 * libdeflate on each MiB, some tenth larger and twenty times as fast.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define GZIP_BEST_BYTES ((size_t)8 << 20)

/* 9 or 1: of which level gzip_size is for so many bytes. */
int gzip_level(size_t len);

/* -1: it takes too long (bytes made to be slow). */
int64_t gzip_size(const uint8_t *data, size_t len);
