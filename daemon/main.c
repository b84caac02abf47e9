/* main.c - bloomeryd: words and flags of the command line. */
#include "base/version.h"
#include "daemon/command.h"
#include "daemon/config.h"
#include "daemon/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int command_failed(const struct err *err)
{
    fprintf(stderr, "bloomeryd: %s\n", err->msg);
    if (err->hint[0])
        fprintf(stderr, "  %s\n", err->hint);
    return 1;
}

static void usage(void)
{
    AUTO(buf) struct buf b = {0};

    config_help(&b);
    printf("bloomeryd builds Rust crates that arrive over HTTP.\n\n"
           "  bloomeryd [--config FILE] [--SETTING VALUE]...   run the server\n"
           "  bloomeryd config [--markdown]                    print the settings in force, or the table for the docs\n"
           "  bloomeryd images build [--fresh] [PROFILE]       build what is missing of the images; --fresh:\n"
           "                                                   all of them anew, from Debian's packages of today\n"
           "  bloomeryd images list                            which profiles have theirs, and what the Engine has\n"
           "  bloomeryd images remove PROFILE|--unused|--all   a profile's, those that nothing needs, or every one\n"
           "  bloomeryd kit install FILE --sha256 HEX          a third-party tree that a profile needs (docs/kits.md)\n"
           "  bloomeryd kit list [--json]                      those that are installed\n"
           "  bloomeryd kit remove NAME                        one of them away, by its name or sha256\n"
           "  bloomeryd key list [--json]                      the keys that sign, or signed, attestations\n"
           "  bloomeryd key rotate                             a new one from now on (docs/provenance.md)\n"
           "  bloomeryd doctor [--json]                        can this machine do it all? If not, what to do\n"
           "  bloomeryd --help, --version\n\n"
           "Settings, from flags, then BLOOMERY_SETTING in the environment, then the file's `key = value` lines:\n\n%s",
           b.p);
}

int main(int argc, char **argv, char **environment)
{
    struct config *c = NULL;
    struct err err = ERR_INIT;
    int words = 0, rc;
    char **args = mem_alloc(sizeof *args * (size_t)(argc + 1));
    struct server_args original = {.argc = argc - 1, .argv = argv + 1, .environment = environment};

    signal(SIGPIPE, SIG_IGN);
    setenv("UV_THREADPOOL_SIZE", "16", 1);
    memcpy(args, argv + 1, sizeof *args * (size_t)(argc - 1));
    if (config_load(argc - 1, args, environment, &c, &words, &err) < 0) {
        mem_free(args);
        command_failed(&err);
        return 2;
    }
    bool first = words > 0;
    if (first && (strcmp(args[0], "--help") == 0 || strcmp(args[0], "help") == 0)) {
        usage();
        rc = 0;
    } else if (first && strcmp(args[0], "--version") == 0) {
        printf("bloomeryd %s\n", BLOOMERY_VERSION);
        rc = 0;
    } else if (first && strcmp(args[0], "config") == 0) {
        AUTO(buf) struct buf b = {0};
        if (words > 1 && strcmp(args[1], "--markdown") == 0)
            config_markdown(&b);
        else
            config_print(c, &b);
        fputs(b.p, stdout);
        rc = 0;
    } else if (first && strcmp(args[0], "images") == 0) {
        rc = command_images(words, args, c);
    } else if (first && strcmp(args[0], "kit") == 0) {
        rc = command_kit(words, args, c);
    } else if (first && strcmp(args[0], "key") == 0) {
        rc = command_key(words, args, c);
    } else if (first && strcmp(args[0], "doctor") == 0) {
        rc = command_doctor(words, args, c);
    } else if (first) {
        fprintf(stderr, "bloomeryd: there is no command '%s'; bloomeryd --help lists them\n", args[0]);
        rc = 2;
    } else {
        rc = server_run(c, &original, &err) == 0 ? 0 : command_failed(&err);
        c = NULL;
    }
    config_free(c);
    mem_free(args);
    return rc;
}
