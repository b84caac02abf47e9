/* command_key.c - see command.h: bloomeryd key list|rotate. A daemon may run meanwhile: its next signature is the new key's. */
#include "daemon/command.h"

#include "workers/keys.h"

#include <stdio.h>
#include <string.h>

static int list(const struct config *c, bool as_json)
{
    AUTO(json) cJSON *keys = NULL;
    struct err err = ERR_INIT;
    const cJSON *k;

    if (keys_published(c->state, &keys, &err) < 0)
        return command_failed(&err);
    if (as_json) {
        AUTO(char_p) char *text = json_text(keys);
        puts(text);
        return 0;
    }
    cJSON_ArrayForEach(k, json_arr(keys, "keys"))
    {
        const char *until = json_str(k, "retired_at", NULL);
        printf("%s  %s to %s\n", json_str(k, "kid", ""), json_str(k, "created_at", "?"),
               until ? until : "now: it signs");
    }
    if (cJSON_GetArraySize(json_arr(keys, "keys")) == 0)
        printf("there is none in %s yet; the daemon makes one when it first starts\n", c->state);
    return 0;
}

static int rotate(const struct config *c)
{
    struct err err = ERR_INIT;

    if (keys_rotate(c->state, &err) < 0)
        return command_failed(&err);
    printf("a new key signs from now on; who pinned the old one needs this one, too:\n");
    return list(c, false);
}

int command_key(int argc, char **argv, const struct config *c)
{
    bool as_json = argc == 3 && strcmp(argv[2], "--json") == 0;

    if (argc >= 2 && strcmp(argv[1], "list") == 0 && (argc == 2 || as_json))
        return list(c, as_json);
    if (argc == 2 && strcmp(argv[1], "rotate") == 0)
        return rotate(c);
    fprintf(stderr, "bloomeryd: key list [--json], or key rotate\n");
    return 2;
}
