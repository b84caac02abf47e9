/* size.h - bytes for people. Pure; any thread. */
#pragma once

#include <stdint.h>

/* "512 B", "1.2 MiB", "4.0 GiB". The caller owns it. */
char *size_text(int64_t bytes);
