/*
 * symbols.h - lists of symbols that an operator keeps in a file: those of a kit and of a profile. Any thread.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#define SYMBOLS_MAX_NAME 4096 /* bytes of one */

/* A name as linkers know it: no blank, no control character. A * at the end stands for any rest. */
bool symbols_is_one(const char *s);

/* Appends the first word of each line of a file to the list `into`; empty lines and lines that begin with # do not count.
 * *left: how many bytes may still be read; less than before by the file's size afterwards. ERR_BAD_REQUEST says what is wrong with
 * it, and begins with `name`. SYMBOLS_ABSENT: there is no such file (err untouched). */
enum { SYMBOLS_ABSENT = 1 };
int symbols_read(const char *path, const char *name, size_t *left, cJSON *into, struct err *err);
