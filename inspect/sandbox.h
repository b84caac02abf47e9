/*
 * sandbox.h - what bloomery-inspect gives up before it looks at a byte.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>

/* No new privileges; limits on CPU seconds, memory, files, processes; then a filter that leaves anonymous memory, writing
 * to descriptors 1 and 2, the clock and the end, and kills the process for anything else: what is to be read has to be
 * mapped already. For the rest of the process's life, as any user. Sanitizer builds keep the calls and the memory that
 * the sanitizer needs, and lose sockets, exec and writing to file systems. */
int sandbox_enter(int64_t cpu_seconds, int64_t memory_bytes, struct err *err);
