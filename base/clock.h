/*
 * clock.h - wall time in milliseconds since 1970 and as RFC 3339 UTC text;
 * monotonic time for deadlines; ULIDs. Any thread.
 */
#pragma once

#include <stdint.h>

#define CLOCK_TEXT_SIZE 25 /* "2026-11-21T03:12:01.123Z" and NUL */
#define ULID_SIZE 27       /* 26 characters and NUL */

int64_t clock_now_ms(void);
int64_t clock_monotonic_ms(void);
void clock_format(int64_t ms, char ret_text[CLOCK_TEXT_SIZE]);

/* A new ULID: 48 bits of wall time, 80 random bits; later ones of this process sort after earlier ones. */
void ulid_new(char ret_id[ULID_SIZE]);

/* 1 if s is a well-formed ULID (Crockford base32, upper case), else 0. */
int ulid_valid(const char *s);
