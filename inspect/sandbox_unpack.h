/*
 * sandbox_unpack.h - what bloomery-unpack gives up before it reads a byte.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* No new privileges, limits on memory, CPU, files and their size, and a list of system calls: reading, memory, and
 * where `writes` those that make files beneath an open folder; no socket, no exec, no process, no open by any path that
 * is not held beneath a folder. For the rest of the process's life. Sanitizer builds keep their calls and memory. */
int sandbox_unpack(bool writes, int64_t memory_bytes, int64_t file_bytes, struct err *err);
