/* command_kit.c - see command.h: bloomeryd kit install|list|remove. */
#include "daemon/command.h"

#include "base/fs.h"
#include "daemon/server.h"
#include "workers/kits.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char call[] = "kit install FILE --sha256 HEX, kit list [--json], or kit remove NAME";

static int bad_call(void)
{
    fprintf(stderr, "bloomeryd: %s\n", call);
    return 2;
}

static int bad_flag(const char *flag)
{
    fprintf(stderr, "bloomeryd: there is no flag '%s': %s\n", flag, call);
    return 2;
}

/* "lind-glibc 2.39 (0123456789ab)" */
static void print_kit(const char *before, const struct kit *k, const char *after)
{
    printf("%s %s %s (sha256 %.12s)%s", before, k->name, k->version, k->sha256, after);
}

/* For each profile of a kit that came or went: what is to be done now. */
static void print_next(const struct kit *k, bool came, const struct config *c)
{
    const cJSON *served = cJSON_GetObjectItemCaseSensitive(k->json, "profile");
    const cJSON *v = cJSON_IsArray(served) ? served->child : served;
    struct profiles *profiles = NULL;
    struct err err = ERR_INIT;

    if (server_profiles(c, &profiles, &err) < 0) {
        command_failed(&err); /* the kit is where it belongs all the same */
        return;
    }
    for (; v; v = cJSON_IsArray(served) ? v->next : NULL) {
        const char *name = v->valuestring;
        const struct profile *p = profiles_find(profiles, name);
        if (p && json_obj(p->json, "kit"))
            printf("the image of profile %s is stale by this; next: bloomeryd images build %s\n", name, name);
        else if (came && p)
            printf("profile %s takes no kit: its profile.json has no `kit`, so nothing uses it\n", name);
        else if (came)
            printf("there is no profile %s here; one of that name will use the kit\n", name);
    }
    profiles_unref(profiles);
}

/* --- install --- */

/* What was there before and is not now, besides the profiles that have no kit by that. */
static void print_replaced(const struct kit_list *before, const struct kit *now, const char *state)
{
    for (size_t i = 0; i < before->count; i++) {
        const struct kit *k = &before->p[i];
        const cJSON *served = cJSON_GetObjectItemCaseSensitive(k->json, "profile");
        struct err err = ERR_INIT;
        if (strcmp(k->sha256, now->sha256) == 0 || access(k->dir, F_OK) == 0)
            continue;
        print_kit("removed", k, ", whose place it takes\n");
        for (const cJSON *v = cJSON_IsArray(served) ? served->child : NULL; v; v = v->next) {
            AUTO(kit) struct kit other = {0};
            if (kits_find(state, v->valuestring, &other, &err) == 1)
                printf("profile %s has no kit any more\n", v->valuestring);
        }
    }
}

static int kit_install(int argc, char **argv, const struct config *c)
{
    AUTO(kit_list) struct kit_list before = {0};
    AUTO(kit) struct kit k = {0};
    const char *file = NULL, *sha256 = NULL;
    struct err err = ERR_INIT;

    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--sha256=", 9) == 0 && !sha256)
            sha256 = argv[i] + 9;
        else if (strcmp(argv[i], "--sha256") == 0 && !sha256 && i + 1 < argc)
            sha256 = argv[++i];
        else if (strncmp(argv[i], "--", 2) == 0 && strncmp(argv[i], "--sha256", 8) != 0)
            return bad_flag(argv[i]);
        else if (strncmp(argv[i], "--", 2) == 0 || file)
            return bad_call();
        else
            file = argv[i];
    }
    if (!file)
        return bad_call();
    if (!sha256) {
        fprintf(stderr, "bloomeryd: kit install needs --sha256 HEX: a kit's files run in root's containers\n"
                        "  ask the kit's maker for it, or, of an archive that you packed yourself: sha256sum FILE\n");
        return 2;
    }
    AUTO(char_p) char *wanted = mem_strdup(sha256);
    for (char *p = wanted; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    uid_t uid = (uid_t)(c->build_uid + 2 * c->slots); /* as uploads are checked */
    if (kits_list(c->state, &before, &err) < 0)
        return command_failed(&err);
    int r = kits_install(c->state, c->helper_dir, file, wanted, &c->limits, uid, &k, &err);
    if (r < 0)
        return command_failed(&err);
    AUTO(char_p) char *profiles = kit_profiles(&k);
    print_kit(r == KITS_THERE ? "already installed:" : "installed", &k, "");
    printf(", for %s\n", profiles);
    print_replaced(&before, &k, c->state);
    if (r != KITS_THERE)
        print_next(&k, true, c);
    return 0;
}

/* --- list --- */

static void put_copy(cJSON *into, const struct kit *k, const char *key)
{
    cJSON *v = cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(k->json, key), 1);

    cJSON_AddItemToObject(into, key, v ? v : cJSON_CreateArray());
}

static cJSON *describe(const struct kit *k, int64_t bytes, int64_t entries)
{
    const cJSON *profile = cJSON_GetObjectItemCaseSensitive(k->json, "profile");
    cJSON *o = cJSON_CreateObject();

    json_put_str(o, "name", k->name);
    json_put_str(o, "version", k->version);
    json_put_str(o, "title", json_str(k->json, "title", NULL));
    cJSON *profiles = cJSON_AddArrayToObject(o, "profiles");
    json_put_str(o, "sha256", k->sha256);
    json_put_str(o, "folder", k->dir);
    json_put_int(o, "size", bytes);
    json_put_int(o, "entries", entries);
    json_put_time(o, "installed_at", k->installed_ns / 1000000);
    json_put_str(o, "link", k->link);
    put_copy(o, k, "allowed_undefined_files");
    for (const cJSON *v = cJSON_IsArray(profile) ? profile->child : profile; v;
         v = cJSON_IsArray(profile) ? v->next : NULL)
        cJSON_AddItemToArray(profiles, cJSON_CreateString(v->valuestring));
    return o;
}

static void print_row(const struct kit *k, int64_t bytes)
{
    AUTO(char_p) char *profiles = kit_profiles(k);
    const char *title = json_str(k->json, "title", NULL);
    bool large = bytes >= 1 << 20;
    const cJSON *v;

    printf("%-16s %-12s %.12s %8.1f %s  %s\n", k->name, k->version, k->sha256,
           (double)bytes / (large ? 1 << 20 : 1 << 10), large ? "MiB" : "KiB", profiles);
    if (title)
        printf("    %s\n", title);
    if (k->link)
        printf("    link: %s\n", k->link);
    cJSON_ArrayForEach(v, json_arr(k->json, "allowed_undefined_files")) printf("    symbols: %s\n", v->valuestring);
}

static int kit_list(int argc, char **argv, const struct config *c)
{
    AUTO(kit_list) struct kit_list l = {0};
    AUTO(json) cJSON *all = cJSON_CreateObject();
    bool json = argc == 1 && strcmp(argv[0], "--json") == 0;
    cJSON *kits = cJSON_AddArrayToObject(all, "kits");
    struct err err = ERR_INIT;

    if (argc > 0 && !json)
        return strncmp(argv[0], "--", 2) == 0 && strcmp(argv[0], "--json") != 0 ? bad_flag(argv[0]) : bad_call();
    if (kits_list(c->state, &l, &err) < 0)
        return command_failed(&err);
    if (!json && l.count > 0)
        printf("%-16s %-12s %-12s %12s  %s\n", "NAME", "VERSION", "SHA256", "SIZE", "PROFILES");
    for (size_t i = 0; i < l.count; i++) {
        int64_t bytes = 0, entries = 0;
        if (fs_usage(l.p[i].dir, &bytes, &entries, &err) < 0)
            return command_failed(&err);
        if (json)
            cJSON_AddItemToArray(kits, describe(&l.p[i], bytes, entries));
        else
            print_row(&l.p[i], bytes);
    }
    if (json) {
        AUTO(char_p) char *text = json_text(all);
        puts(text);
    } else if (l.count == 0) {
        printf("no kit is installed in %s; docs/kits.md says what one is\n", c->state);
    }
    return 0;
}

/* --- remove --- */

static int kit_remove(int argc, char **argv, const struct config *c)
{
    AUTO(kit) struct kit k = {0};
    struct err err = ERR_INIT;

    if (argc != 1)
        return bad_call();
    if (argv[0][0] == '-')
        return bad_flag(argv[0]);
    if (kits_remove(c->state, argv[0], &k, &err) != 0)
        return command_failed(&err);
    print_kit("removed", &k, "\n");
    print_next(&k, false, c);
    return 0;
}

int command_kit(int argc, char **argv, const struct config *c)
{
    if (argc >= 2 && strcmp(argv[1], "install") == 0)
        return kit_install(argc - 2, argv + 2, c);
    if (argc >= 2 && strcmp(argv[1], "list") == 0)
        return kit_list(argc - 2, argv + 2, c);
    if (argc >= 2 && strcmp(argv[1], "remove") == 0)
        return kit_remove(argc - 2, argv + 2, c);
    return bad_call();
}
