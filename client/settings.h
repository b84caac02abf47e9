/*
 * settings.h - where the server is: the flag, then BLOOMERY_SERVER, then
 * `server = URL` in the configuration file, then this machine.
 */
#pragma once

#include "base/err.h"

#define SETTINGS_DEFAULT_SERVER "http://127.0.0.1:7070"

/* flag may be NULL. The caller owns *ret. ERR_BAD_REQUEST: a URL that is none, a line of the file that is none. */
int settings_server(const char *flag, char **ret, struct err *err);

/* A file in the folder of the user's own settings (~/.config/bloomery); NULL: nobody knows where that is. The caller owns
 * it. */
char *settings_path(const char *name);

/* The value of key in the text of a configuration file ("key = value" lines, '#' comments, quotes optional), or NULL.
 * The caller owns it. */
char *settings_find(const char *text, const char *key);
