/* config.c - see config.h. */
#include "daemon/config.h"

#include "base/fs.h"
#include "base/http.h"
#include "daemon/header.h"
#include "daemon/query.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef BLOOMERY_PREFIX
#define BLOOMERY_PREFIX "/usr/local"
#endif
#define MAX_FILE (256 << 10)

struct setting {
    const char *name;
    const char *usual; /* the default as the docs say it */
    const char *doc;
    size_t offset;
    bool number;
    int64_t min, max, value; /* of numbers */
};

#define TEXT(field, usual_text, doc_text)                                                                              \
    {                                                                                                                  \
#field, usual_text, doc_text, offsetof(struct config, field), false, 0, 0, 0                                   \
    }
#define NUMBER(field, usual_text, min_value, max_value, doc_text)                                                      \
    {                                                                                                                  \
#field, usual_text, doc_text, offsetof(struct config, field), true, min_value, max_value, -1                   \
    }
#define LIMIT(field, value, doc_text)                                                                                  \
    {#field, NULL, doc_text, offsetof(struct config, limits.field), true, 0, INT64_C(1) << 53, value},

static const struct setting settings[] = {
    TEXT(listen, "127.0.0.1:7070", "address and port to listen on; loopback only; port 0 takes a free one"),
    TEXT(state, "/var/lib/bloomery as root, else $XDG_STATE_HOME/bloomery (~/.local/state/bloomery)",
         "folder of the store, uploads, artifacts, logs and work folders"),
    TEXT(engine_socket, "that of DOCKER_HOST if it is unix://..., else /var/run/docker.sock",
         "Unix socket of the Docker Engine"),
    NUMBER(slots, "half of the processors, at least 1", 1, 256, "jobs that are built at the same time"),
    TEXT(share_dir,
         "the folder above the program's own if it holds workers/profiles, else " BLOOMERY_PREFIX "/share/bloomery",
         "folder of workers/ (profiles and steps), docker/ and schema/"),
    TEXT(helper_dir, "the program's own folder if it holds bloomery-unpack, else " BLOOMERY_PREFIX "/libexec/bloomery",
         "folder of bloomery-unpack and bloomery-inspect"),
    TEXT(profile_dirs, "", "further folders of profiles, colon-separated"),
    TEXT(toolchain_origins, "dist,mirror,debian", "where images take compilers from, the first that has them"),
    TEXT(dist_server, "https://static.rust-lang.org", "the Rust project's dist server; none: it is not asked"),
    TEXT(dist_mirror, "", "folder or URL of a mirror of it: what holds dist/"),
    TEXT(debian_mirror, "http://deb.debian.org", "what holds debian/ and debian-security/"),
    TEXT(crates_mirror, "", "sparse registry that jobs fetch from in place of crates.io: sparse+https://..."),
    TEXT(ca_bundle, "/etc/ssl/certs/ca-certificates.crt if it is there",
         "PEM file of the authorities that downloads trust"),
    TEXT(work_mode, "auto", "how a work folder's size is held: auto, ext4, tmpfs or plain"),
    NUMBER(build_uid, "1879048192", 1000, INT_MAX - 1024,
           "as root: first of the user ids that containers and helpers run as, two for each slot"),
    TEXT(builder_id, "urn:bloomery:builder: and the machine's name", "URI that names this server in what it signs"),
    TEXT(log_level, "info", "debug, info, warn or error"),
    LIMITS(LIMIT)};

static void *field(const struct config *c, const struct setting *s)
{
    return (char *)c + s->offset;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < COUNT(settings); i++)
        if (!settings[i].number)
            mem_free(*(char **)field(c, &settings[i]));
    mem_free(c);
}
AUTO_DEFINE(config, struct config *, config_free, NULL)

/* "8G", "8GiB", "512m", "1000": a number with a binary unit. */
static int parse_number(const struct setting *s, const char *text, int64_t *ret, struct err *err)
{
    static const char units[] = "kmgt";
    char *end = NULL;
    int shift = 0;

    if (!isdigit((unsigned char)text[0]) || strlen(text) > 18)
        goto bad;
    long long v = strtoll(text, &end, 10);
    if (*end) {
        const char *u = strchr(units, tolower((unsigned char)*end));
        if (!u)
            goto bad;
        shift = (int)(u - units + 1) * 10;
        end++;
        if (strcasecmp(end, "") != 0 && strcasecmp(end, "b") != 0 && strcasecmp(end, "ib") != 0)
            goto bad;
    }
    if (v > s->max >> shift || v << shift < s->min)
        return err_set(err, ERR_BAD_REQUEST, "%s must be from %lld to %lld, not '%s'", s->name, (long long)s->min,
                       (long long)s->max, text);
    *ret = v << shift;
    return 0;
bad:
    return err_set(err, ERR_BAD_REQUEST, "%s must be a whole number, perhaps with k, M, G or T, not '%.64s'", s->name,
                   text);
}

static int assign(struct config *c, const struct setting *s, const char *value, struct err *err)
{
    if (s->number)
        return parse_number(s, value, field(c, s), err);
    mem_free(*(char **)field(c, s));
    *(char **)field(c, s) = mem_strdup(value);
    return 0;
}

/* '-' in a name counts as '_'. */
static const struct setting *find(const char *name, size_t len)
{
    for (size_t i = 0; i < COUNT(settings); i++) {
        const char *n = settings[i].name;
        size_t k = 0;
        while (k < len && n[k] && (n[k] == name[k] || (n[k] == '_' && name[k] == '-')))
            k++;
        if (k == len && !n[k])
            return &settings[i];
    }
    return NULL;
}

static int unknown(struct err *err, const char *name)
{
    const char *names[COUNT(settings) + 1];

    for (size_t i = 0; i < COUNT(settings); i++)
        names[i] = settings[i].name;
    names[COUNT(settings)] = NULL;
    const char *near = query_nearest(name, names);
    err_set(err, ERR_BAD_REQUEST, "there is no setting '%.64s'", name);
    if (near)
        err_hint(err, "did you mean '%s'?", near);
    else
        err_hint(err, "bloomeryd --help lists them");
    return -1;
}

static char *trim(char *s)
{
    char *end = s + strlen(s);

    while (isspace((unsigned char)*s))
        s++;
    while (end > s && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    return s;
}

static int read_file(struct config *c, const char *path, struct err *err)
{
    AUTO(buf) struct buf b = {0};
    int number = 0;

    if (fs_read(path, MAX_FILE, &b, err) < 0)
        return -1;
    for (char *line = b.p, *next; line && *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = '\0';
        number++;
        line = trim(line);
        if (!*line || *line == '#')
            continue;
        char *eq = strchr(line, '=');
        if (!eq) {
            err_set(err, ERR_BAD_REQUEST, "'key = value' expected");
            return err_wrap(err, "%s:%d", path, number);
        }
        *eq = '\0';
        char *key = trim(line), *value = trim(eq + 1);
        const struct setting *s = find(key, strlen(key));
        if ((s ? assign(c, s, value, err) : unknown(err, key)) < 0)
            return err_wrap(err, "%s:%d", path, number);
    }
    return 0;
}

static int read_environment(struct config *c, char *const *environment, struct err *err)
{
    for (; environment && *environment; environment++) {
        if (strncmp(*environment, "BLOOMERY_", 9) != 0)
            continue;
        const char *eq = strchr(*environment, '=');
        size_t len = eq ? (size_t)(eq - *environment) : 0;
        if (len < 10)
            continue;
        AUTO(char_p) char *name = mem_strndup(*environment + 9, len - 9);
        for (char *p = name; *p; p++)
            *p = (char)tolower((unsigned char)*p);
        /* The client's variables share the prefix (BLOOMERY_SERVER), so an unknown name is nobody's mistake. */
        const struct setting *s = find(name, strlen(name));
        if (s && assign(c, s, eq + 1, err) < 0)
            return err_wrap(err, "environment, BLOOMERY_%s", *environment + 9);
    }
    return 0;
}

/* Flags are read twice: first only to find --config, then for good, above file and environment. */
static int read_flags(struct config *c, int argc, char **argv, bool only_config, const char **file, int *ret_rest,
                      struct err *err)
{
    int rest = 0;

    for (int i = 0; i < argc; i++) {
        const char *a = argv[i];
        if (strncmp(a, "--", 2) != 0 || !a[2] || strcmp(a, "--help") == 0 || strcmp(a, "--version") == 0) {
            if (!only_config)
                argv[rest] = argv[i];
            rest++;
            continue;
        }
        const char *eq = strchr(a, '=');
        size_t len = eq ? (size_t)(eq - a - 2) : strlen(a + 2);
        const char *value = eq ? eq + 1 : i + 1 < argc ? argv[i + 1] : NULL;
        bool is_config = len == 6 && strncmp(a + 2, "config", 6) == 0;
        const struct setting *s = find(a + 2, len);
        AUTO(char_p) char *name = mem_strndup(a + 2, len);
        if (!s && !is_config && rest > 0) { /* a subcommand's own: it knows whether there is such a flag */
            if (!only_config)
                argv[rest] = argv[i];
            rest++;
            continue;
        }
        if (!s && !is_config)
            return unknown(err, name);
        if (!value)
            return err_set(err, ERR_BAD_REQUEST, "--%s needs a value", name);
        if (!eq)
            i++;
        if (is_config)
            *file = value;
        else if (!only_config && assign(c, s, value, err) < 0)
            return err_wrap(err, "--%s", name);
    }
    *ret_rest = rest;
    return 0;
}

/* --- defaults that depend on the machine --- */

static bool exists(const char *dir, const char *what)
{
    AUTO(char_p) char *path = mem_printf("%s/%s", dir, what);

    return access(path, F_OK) == 0;
}

static const char *variable(char *const *environment, const char *name)
{
    size_t len = strlen(name);

    for (; environment && *environment; environment++)
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
            return *environment + len + 1;
    return NULL;
}

static char *default_state(char *const *environment)
{
    const char *xdg = variable(environment, "XDG_STATE_HOME"), *home = variable(environment, "HOME");

    if (geteuid() == 0)
        return mem_strdup("/var/lib/bloomery");
    if (xdg && xdg[0] == '/')
        return mem_printf("%s/bloomery", xdg);
    return home && home[0] == '/' ? mem_printf("%s/.local/state/bloomery", home) : mem_strdup("/var/lib/bloomery");
}

static char *default_builder(void)
{
    char name[256] = "";

    gethostname(name, sizeof name - 1);
    AUTO(char_p) char *escaped = http_escape(name);
    return mem_printf("urn:bloomery:builder:%s", escaped);
}

static struct config *defaults(char *const *environment)
{
    struct config *c = mem_alloc(sizeof *c);
    const char *docker = variable(environment, "DOCKER_HOST");
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    AUTO(char_p) char *own = NULL;
    AUTO(char_p) char *above = NULL;
    struct err ignored = ERR_INIT;

    for (size_t i = 0; i < COUNT(settings); i++)
        if (settings[i].number)
            *(int64_t *)field(c, &settings[i]) = settings[i].value;
    if (fs_exe_dir(&own, &ignored) < 0)
        own = mem_strdup("/nonexistent");
    above = mem_printf("%s/..", own);
    char *real = realpath(above, NULL);
    c->listen = mem_strdup("127.0.0.1:7070");
    c->state = default_state(environment);
    c->engine_socket = mem_strdup(docker && strncmp(docker, "unix://", 7) == 0 ? docker + 7 : "/var/run/docker.sock");
    c->slots = cpus > 3 ? cpus / 2 : 1;
    c->share_dir = mem_strdup(real && exists(real, "workers/profiles") ? real : BLOOMERY_PREFIX "/share/bloomery");
    c->helper_dir = mem_strdup(exists(own, "bloomery-unpack") ? own : BLOOMERY_PREFIX "/libexec/bloomery");
    c->profile_dirs = mem_strdup("");
    c->toolchain_origins = mem_strdup("dist,mirror,debian");
    c->dist_server = mem_strdup("https://static.rust-lang.org");
    c->dist_mirror = mem_strdup("");
    c->debian_mirror = mem_strdup("http://deb.debian.org");
    c->crates_mirror = mem_strdup("");
    c->ca_bundle =
        mem_strdup(exists("/etc/ssl/certs", "ca-certificates.crt") ? "/etc/ssl/certs/ca-certificates.crt" : "");
    c->work_mode = mem_strdup("auto");
    c->build_uid = 1879048192; /* far above what distributions and container tools hand out, below 2^31 */
    c->builder_id = default_builder();
    c->log_level = mem_strdup("info");
    free(real);
    return c;
}

/* What cargo takes for a sparse registry, and what can stand between quotes in its configuration. */
static bool is_registry(const char *s)
{
    if (strncmp(s, "sparse+https://", 15) != 0 && strncmp(s, "sparse+http://", 14) != 0)
        return false;
    for (; *s; s++)
        if (!isgraph((unsigned char)*s) || *s == '"' || *s == '\\')
            return false;
    return true;
}

/* A scheme, a colon, and what may follow (RFC 3986). */
static bool is_uri(const char *s)
{
    size_t scheme = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

    if (!isalpha((unsigned char)s[0]) || s[scheme] != ':' || !s[scheme + 1])
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("-._~:/?#[]@!$&'()*+,;=%", *s))
            return false;
    return true;
}

static int check(const struct config *c, struct err *err)
{
    static const char *const modes[] = {"auto", "ext4", "tmpfs", "plain"};
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    bool mode = false, level = false;

    for (size_t i = 0; i < COUNT(modes); i++)
        mode |= strcmp(c->work_mode, modes[i]) == 0;
    for (size_t i = 0; i < COUNT(levels); i++)
        level |= strcmp(c->log_level, levels[i]) == 0;
    if (!mode)
        return err_set(err, ERR_BAD_REQUEST, "work_mode is auto, ext4, tmpfs or plain, not '%.64s'", c->work_mode);
    if (!level)
        return err_set(err, ERR_BAD_REQUEST, "log_level is debug, info, warn or error, not '%.64s'", c->log_level);
    if (!c->state[0])
        return err_set(err, ERR_BAD_REQUEST, "state names no folder");
    size_t n;
    for (const char *w = c->toolchain_origins; parts_next_word(&w, &n); w += n)
        if (!(n == 4 && memcmp(w, "dist", 4) == 0) &&
            !(n == 6 && (memcmp(w, "mirror", 6) == 0 || memcmp(w, "debian", 6) == 0)))
            return err_set(err, ERR_BAD_REQUEST, "toolchain_origins is a list of dist, mirror and debian, not '%.64s'",
                           w);
    if (c->crates_mirror[0] && !is_registry(c->crates_mirror))
        return err_set(err, ERR_BAD_REQUEST,
                       "crates_mirror is sparse+https://HOST/PATH/ or sparse+http://..., not '%.200s'",
                       c->crates_mirror);
    if (!is_uri(c->builder_id))
        return err_set(err, ERR_BAD_REQUEST, "builder_id is a URI like https://build.example.org/, not '%.200s'",
                       c->builder_id);
    if (!c->debian_mirror[0])
        return err_set(err, ERR_BAD_REQUEST, "debian_mirror names no mirror: every image is made of Debian's packages");
    if (c->limits.max_connections < 10 || c->limits.max_queue < 1 || c->limits.max_attempts < 1 ||
        c->limits.upload_stall_seconds < 1 || c->limits.max_upload_seconds < 1)
        return err_set(err, ERR_BAD_REQUEST,
                       "max_connections must be 10 or more; max_queue, max_attempts, upload_stall_seconds and "
                       "max_upload_seconds 1 or more");
    return 0;
}

int config_load(int argc, char **argv, char *const *environment, struct config **ret, int *ret_rest, struct err *err)
{
    AUTO(config) struct config *c = defaults(environment);
    const char *file = variable(environment, "BLOOMERY_CONFIG");
    int rest = 0;

    if (read_flags(c, argc, argv, true, &file, &rest, err) < 0)
        return -1;
    if (file && *file && read_file(c, file, err) < 0)
        return -1;
    if (read_environment(c, environment, err) < 0 || read_flags(c, argc, argv, false, &file, &rest, err) < 0 ||
        check(c, err) < 0)
        return -1;
    *ret = STEAL(c);
    *ret_rest = rest;
    return 0;
}

int config_listen(const struct config *c, char ret_address[64], int *ret_port, struct err *err)
{
    char name[64];
    int port = -1;

    if (header_host(c->listen, name, sizeof name, &port) < 0 || port < 0)
        return err_set(err, ERR_BAD_REQUEST, "listen is ADDRESS:PORT, like 127.0.0.1:7070, not '%.64s'", c->listen);
    if (!header_is_loopback(name)) {
        err_set(err, ERR_FORBIDDEN, "without tokens the server listens on loopback only, not on %s", name);
        return err_hint(err, "use 127.0.0.1:%d or [::1]:%d, and reach it from elsewhere through ssh -L", port, port);
    }
    if (strncasecmp(name, "localhost", 9) == 0)
        memcpy(name, "127.0.0.1", sizeof "127.0.0.1");
    memcpy(ret_address, name, sizeof name);
    *ret_port = port;
    return 0;
}

void config_images(const struct config *c, struct images_config *ret)
{
    *ret = (struct images_config){.share_dir = c->share_dir,
                                  .state_dir = c->state,
                                  .origins = c->toolchain_origins,
                                  .dist_server = c->dist_server,
                                  .dist_mirror = c->dist_mirror,
                                  .debian_mirror = c->debian_mirror,
                                  .ca_bundle = c->ca_bundle,
                                  .max_archive_bytes = c->limits.max_archive_bytes,
                                  .stall_seconds = c->limits.download_stall_seconds};
}

/* --- printing --- */

static char *usual(const struct setting *s)
{
    if (s->usual)
        return mem_strdup(s->usual[0] ? s->usual : "none");
    bool bytes = strstr(s->name, "_bytes") && strcmp(s->name, "max_path_bytes") != 0;
    for (int shift = 40; bytes && shift > 0; shift -= 10)
        if (s->value && s->value % (INT64_C(1) << shift) == 0)
            return mem_printf("%lld (%lld %ciB)", (long long)s->value, (long long)(s->value >> shift),
                              " KMGT"[shift / 10]);
    return mem_printf("%lld", (long long)s->value);
}

void config_help(struct buf *into)
{
    for (size_t i = 0; i < COUNT(settings); i++) {
        AUTO(char_p) char *value = usual(&settings[i]);
        AUTO(char_p) char *flag = mem_strdup(settings[i].name);
        for (char *p = flag; *p; p++)
            if (*p == '_')
                *p = '-';
        buf_printf(into, "  --%-22s %s\n  %24s [%s]\n", flag, settings[i].doc, "", value);
    }
}

void config_print(const struct config *c, struct buf *into)
{
    for (size_t i = 0; i < COUNT(settings); i++)
        if (settings[i].number)
            buf_printf(into, "%s = %lld\n", settings[i].name, (long long)*(int64_t *)field(c, &settings[i]));
        else
            buf_printf(into, "%s = %s\n", settings[i].name, *(char **)field(c, &settings[i]));
}

void config_markdown(struct buf *into)
{
    buf_puts(into, "| setting | default | what it does |\n|---|---|---|\n");
    for (size_t i = 0; i < COUNT(settings); i++) {
        AUTO(char_p) char *value = usual(&settings[i]);
        buf_printf(into, "| `%s` | %s | %s |\n", settings[i].name, value, settings[i].doc);
    }
}
