/* settings.c - see settings.h. */
#include "client/settings.h"

#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 64 * 1024 };

char *settings_find(const char *text, const char *key)
{
    size_t key_len = strlen(key);

    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        const char *s = p + strspn(p, " \t");
        if (strncmp(s, key, key_len) != 0)
            continue;
        s += key_len;
        s += strspn(s, " \t");
        if (*s != '=')
            continue;
        s++;
        s += strspn(s, " \t");
        char quote = *s == '"' || *s == '\'' ? *s++ : '\0';
        size_t n = quote ? strcspn(s, quote == '"' ? "\"\n" : "'\n") : strcspn(s, "#\r\n");
        while (!quote && n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
            n--;
        return mem_strndup(s, n);
    }
    return NULL;
}

char *settings_path(const char *name)
{
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    if (xdg && xdg[0] == '/')
        return mem_printf("%s/bloomery/%s", xdg, name);
    return home && home[0] ? mem_printf("%s/.config/bloomery/%s", home, name) : NULL;
}

int settings_server(const char *flag, char **ret, struct err *err)
{
    const char *env = getenv("BLOOMERY_SERVER");
    AUTO(char_p) char *url = NULL;
    AUTO(char_p) char *path = settings_path("config");
    AUTO(buf) struct buf text = {0};

    if (flag)
        url = mem_strdup(flag);
    else if (env && env[0])
        url = mem_strdup(env);
    else if (path) {
        struct err ignored = ERR_INIT;
        if (fs_read(path, MAX_FILE, &text, &ignored) == 0)
            url = settings_find(text.p ? text.p : "", "server");
        else if (ignored.sys != ENOENT && ignored.sys != ENOTDIR)
            return err_set(err, ERR_BAD_REQUEST, "%s", ignored.msg);
    }
    if (!url)
        url = mem_strdup(SETTINGS_DEFAULT_SERVER);
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
        err_set(err, ERR_BAD_REQUEST, "'%.200s' is not the URL of a server", url);
        return err_hint(err, "for example --server %s", SETTINGS_DEFAULT_SERVER);
    }
    *ret = STEAL(url);
    return 0;
}
