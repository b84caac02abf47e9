/*
 * config.h - the settings: flags, then BLOOMERY_* in the environment, then a
 * file of `key = value` lines, then defaults. One table (config.c) names every
 * setting and every limit; --help, `config` and the docs are printed from it.
 * Any thread; no state.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "workers/parts.h"

#include <stdbool.h>
#include <stdint.h>

struct config {
    /* owned, never NULL; "" where there is nothing */
    char *listen;
    char *state;
    char *engine_socket;
    char *share_dir;
    char *helper_dir;
    char *profile_dirs;
    char *toolchain_origins;
    char *dist_server;
    char *dist_mirror;
    char *debian_mirror;
    char *crates_mirror;
    char *ca_bundle;
    char *work_mode;
    char *builder_id;
    char *log_level;
    int64_t slots;
    int64_t build_uid;
    struct limits limits;
};
void config_free(struct config *c);

/* argv without the program's name. Flags may be written --name value, --name=value, with - or _ within the name.
 * *ret_rest: how many leading arguments are no flags (the subcommand's words, moved to the front of argv).
 * Errors (ERR_BAD_REQUEST) name the flag, the variable, or the file and its line. */
int config_load(int argc, char **argv, char *const *environment, struct config **ret, int *ret_rest, struct err *err);

/* Split ADDR:PORT or [ADDR]:PORT, "localhost" allowed, into a loopback address and a port. ERR_FORBIDDEN for every
 * other address, in a sentence. */
int config_listen(const struct config *c, char ret_address[64], int *ret_port, struct err *err);

/* Where images come from. *ret borrows from c. */
void config_images(const struct config *c, struct images_config *ret);

/* The table for --help; name = value lines with the values in force; the Markdown table for docs/configuration.md. */
void config_help(struct buf *into);
void config_print(const struct config *c, struct buf *into);
void config_markdown(struct buf *into);
