/*
 * log.h - the programs' own log: one line an event, on standard error.
 *
 * Programs log, libraries do not: only daemon/, workers/ and the main() files
 * may call this. Any thread.
 *     2026-11-21T03:12:01.123Z info job=01J... claimed by slot 2
 */
#pragma once

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level level);

/* job may be NULL. Control characters in the text are replaced: a hostile name cannot forge a line. */
void log_line(enum log_level level, const char *job, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(job, ...) log_line(LOG_DEBUG, job, __VA_ARGS__)
#define log_info(job, ...) log_line(LOG_INFO, job, __VA_ARGS__)
#define log_warn(job, ...) log_line(LOG_WARN, job, __VA_ARGS__)
#define log_error(job, ...) log_line(LOG_ERROR, job, __VA_ARGS__)
