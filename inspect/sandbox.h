/*
 * sandbox.h - what bloomery-inspect and bloomery-unpack give up before they look at a byte.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* No new privileges; limits on CPU seconds, memory, files, processes; then a filter that leaves anonymous memory, writing
 * to descriptors 1 and 2, the clock and the end, and kills the process for anything else: what is to be read has to be
 * mapped already. For the rest of the process's life, as any user. Sanitizer builds keep the calls and the memory that
 * the sanitizer needs, and lose sockets, exec and writing to file systems. */
int sandbox_enter(int64_t cpu_seconds, int64_t memory_bytes, struct err *err);

/* The same for bloomery-unpack, which reads descriptor 0 twice and, where it writes, makes files of up to file_bytes
 * beneath folders that are open (openat2 and the *at calls): no other way to open, no socket, no exec. Sanitizer builds
 * have the limits alone. */
int sandbox_enter_unpack(bool writes, int64_t cpu_seconds, int64_t memory_bytes, int64_t file_bytes, struct err *err);
