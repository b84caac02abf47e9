/* command_images.c - see command.h: bloomeryd images build|list. */
#include "daemon/command.h"
#include "daemon/server.h"
#include "workers/images.h"

#include <stdio.h>
#include <string.h>

static int images_list(struct engine *e, const struct profiles *profiles, const struct config *c)
{
    int missing = 0;

    for (size_t i = 0; i < profiles_count(profiles); i++) {
        const struct profile *p = profiles_at(profiles, i);
        struct image image = {0};
        struct err err = ERR_INIT;
        int rc = images_current(e, p, c->share_dir, &image, &err);
        if (rc == 0)
            printf("%-16s %s  %s (%s)\n", p->name, image.id, image.rustc, image.origin);
        else
            printf("%-16s missing: %s\n", p->name, err.msg);
        missing += rc != 0;
    }
    return missing ? 1 : 0;
}

int command_images(int argc, char **argv, const struct config *c)
{
    struct engine *e = NULL;
    struct profiles *profiles = NULL;
    struct err err = ERR_INIT;
    int rc = 2;

    if (argc < 2 || (strcmp(argv[1], "build") != 0 && strcmp(argv[1], "list") != 0) || argc > 3 ||
        (argc == 3 && strcmp(argv[1], "list") == 0)) {
        fprintf(stderr, "bloomeryd: images build [PROFILE], or images list\n");
        return 2;
    }
    if (server_profiles(c, &profiles, &err) < 0 || engine_open(c->engine_socket, &e, &err) < 0)
        rc = command_failed(&err);
    else if (strcmp(argv[1], "list") == 0)
        rc = images_list(e, profiles, c);
    else
        rc = images_build(e, profiles, c->share_dir, c->state, argc == 3 ? argv[2] : NULL, &err) == 0
                 ? 0
                 : command_failed(&err);
    engine_free(e);
    profiles_unref(profiles);
    return rc;
}
