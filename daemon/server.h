/*
 * server.h - the daemon's life: start, serve, reload, drain, stop. Main thread.
 */
#pragma once

#include "daemon/config.h"

enum { SERVER_SPARE_FILES = 1024 }; /* descriptors besides those of connections */

/* What to read the configuration from again at SIGHUP. Borrowed. */
struct server_args {
    int argc;
    char **argv; /* as config_load() takes them; not changed */
    char **environment;
};

/* Runs until a signal ends it; takes *config. 0: it stopped in order. <0: it could not start. */
int server_run(struct config *config, const struct server_args *args, struct err *err);

/* The profiles that the configuration names. */
struct profiles;
int server_profiles(const struct config *c, struct profiles **ret, struct err *err);
