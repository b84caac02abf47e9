/* command_images.c - see command.h: bloomeryd images build|list|remove. */
#include "daemon/command.h"
#include "daemon/server.h"
#include "workers/images.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Beyond the words: what the three have in common. */
struct images_call {
    const struct config *c;
    struct images_config cfg;
    struct engine *e;
    struct profiles *profiles;
};

static int list(struct images_call *k)
{
    struct images_list images = {0};
    struct err err = ERR_INIT;
    int missing = 0;

    printf("%-18s %-22s %s\n", "PROFILE", "IMAGE", "COMPILER");
    for (size_t i = 0; i < profiles_count(k->profiles); i++) {
        const struct profile *p = profiles_at(k->profiles, i);
        struct image image = {0};
        int rc = images_current(k->e, &k->cfg, p, &image, &err);
        if (rc == 0)
            printf("%-18s %-22.19s %s (%s)\n", p->name, image.id, image.rustc, image.origin);
        else
            printf("%-18s %-22s %s: %s\n", p->name, "missing", err.msg, err.hint);
        if (rc == 0 && image.warning[0])
            printf("%-18s %-22s warning: %s\n", "", "", image.warning);
        missing += rc != 0;
        if (rc == 0 && images_trial_ready(k->e, &k->cfg, p, &err) != 0) {
            printf("%-18s %-22s %s: %s\n", "", "", err.msg, err.hint);
            missing += !json_bool(json_obj(p->json, "trial"), "optional", false);
        }
    }
    if (images_list(k->e, &k->cfg, k->profiles, &images, &err) < 0)
        return command_failed(&err);
    printf("\n%-50s %9s  %s\n", "ON THE ENGINE", "SIZE", "STATE");
    for (size_t i = 0; i < images.count; i++) {
        const struct images_entry *entry = &images.p[i];
        int64_t days = (time(NULL) - entry->unneeded_since) / (24 * 3600);
        printf("%-50s %6lld MB  ", entry->tag, (long long)(entry->bytes / 1000000));
        if (entry->needed)
            printf("needed\n");
        else
            printf("nothing needs it%s, for %lld day%s\n", entry->others ? " here (made for another state folder)" : "",
                   (long long)days, days == 1 ? "" : "s");
    }
    if (images.count == 0)
        printf("nothing yet: bloomeryd images build\n");
    else
        printf("Sizes count shared layers again for each image that stands on them.\n");
    images_list_clear(&images);
    return missing ? 1 : 0;
}

static int remove_them(struct images_call *k, enum images_which which, const char *profile, int64_t keep_seconds)
{
    struct images_removal removal = {0};
    struct err err = ERR_INIT;

    if (profile && !profiles_find(k->profiles, profile))
        fprintf(stderr, "bloomeryd: there is no profile %s now; what was built for one is removed\n", profile);
    int r = images_remove(k->e, &k->cfg, k->profiles, which, profile, keep_seconds, &removal, &err);
    for (size_t i = 0; i < removal.removed.count; i++)
        printf("removed %s\n", removal.removed.p[i]);
    for (size_t i = 0; i < removal.in_use.count; i++)
        fprintf(stderr, "bloomeryd: %s is in use by a container and stays; try again when its job has ended\n",
                removal.in_use.p[i]);
    if (r < 0)
        command_failed(&err);
    else if (r == 1)
        fprintf(stderr, "bloomeryd: images are being built just now; nothing was removed\n");
    else if (removal.removed.count == 0 && removal.in_use.count == 0)
        printf("nothing to remove\n");
    bool all = r == 0 && removal.in_use.count == 0;
    images_removal_clear(&removal);
    return all ? 0 : 1;
}

/* What was superseded goes at once if it is old enough; that something stays is no failure of a build. */
static int build(struct images_call *k, const char *profile, bool fresh)
{
    struct images_removal removal = {0};
    struct err err = ERR_INIT;
    int64_t keep_days = k->c->limits.image_keep_days;

    if (images_build(k->e, &k->cfg, k->profiles, profile, fresh, &err) < 0)
        return command_failed(&err);
    if (keep_days > 0 &&
        images_remove(k->e, &k->cfg, k->profiles, IMAGES_UNNEEDED, NULL, keep_days * 24 * 3600, &removal, &err) < 0)
        command_failed(&err);
    for (size_t i = 0; i < removal.removed.count; i++)
        fprintf(stderr, "==> removed %s, which nothing needs any more\n", removal.removed.p[i]);
    images_removal_clear(&removal);
    return 0;
}

static int usage(void)
{
    fprintf(stderr,
            "bloomeryd: images build [--fresh] [PROFILE], images list, images remove PROFILE | --unused | --all\n");
    return 2;
}

int command_images(int argc, char **argv, const struct config *c)
{
    struct images_call k = {.c = c};
    struct err err = ERR_INIT;
    const char *verb = argc > 1 ? argv[1] : "", *profile = NULL, *flag = NULL;
    int rc;

    for (int i = 2; i < argc; i++) {
        const char **slot = argv[i][0] == '-' ? &flag : &profile;
        if (*slot)
            return usage();
        *slot = argv[i];
    }
    bool fresh = flag && strcmp(flag, "--fresh") == 0, unused = flag && strcmp(flag, "--unused") == 0;
    bool every = flag && strcmp(flag, "--all") == 0;
    if (strcmp(verb, "build") == 0    ? flag && !fresh
        : strcmp(verb, "list") == 0   ? flag || profile
        : strcmp(verb, "remove") == 0 ? (profile != NULL) == (unused || every) || (flag && !unused && !every)
                                      : true)
        return usage();

    config_images(c, &k.cfg);
    if (server_profiles(c, &k.profiles, &err) < 0 || engine_open(c->engine_socket, &k.e, &err) < 0)
        rc = command_failed(&err);
    else if (strcmp(verb, "build") == 0)
        rc = build(&k, profile, fresh);
    else if (strcmp(verb, "list") == 0)
        rc = list(&k);
    else
        rc = remove_them(&k, every ? IMAGES_ALL : unused ? IMAGES_UNNEEDED : IMAGES_OF_PROFILE, profile, 0);
    engine_free(k.e);
    profiles_unref(k.profiles);
    return rc;
}
