#pragma once
#include <stddef.h>

/* In Rust: upper case, in place. */
void shout(char *text, size_t len);
