/*
 * dist_unpack.c - see dist.h: archives are taken apart. One pass over each: its files go on into the other tar as they come, its lists
 * (`components`, the manifests) may come before or behind them, and are held against what came at the end. So
 * a refusal leaves a tar that is worth nothing; the caller drops it.
 */
#include "workers/dist_priv.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ENTRIES_MAX = 300000,
    PATH_LENGTH = 1024,
    LIST_MAX = 4 << 20, /* bytes of a manifest or another list */
    COMPONENTS_MAX = 64,
    UNPACKED_TIMES = 16, /* what an archive of max_bytes may unpack to; rustc's are at 5 */
    RATIO_MAX = 200,
};

struct entry {
    char *path; /* owned */
    bool dir;
};

/* Once sorted, without two of the same path unless both are folders. */
struct entries {
    struct entry *p;
    size_t count, room;
};

struct unpacking {
    const struct dist *d;
    struct tar_writer *into;
    const char *prefix;
    struct entries installed; /* of all archives so far, beneath the prefix */
    /* of the present archive */
    const cJSON *component; /* of docker/toolchains.json */
    const char *name;
    struct tar_reader *tar;
    struct entries seen;      /* COMPONENT/PATH */
    struct entries named;     /* the same, as the manifests say it */
    struct entries manifests; /* whose text ... */
    struct buf *texts;        /* ... is here, one for each */
    struct buf components, version;
    size_t entry_count;
};

/* --- sets of paths --- */

static void entries_add(struct entries *e, char *path, bool dir)
{
    if (e->count == e->room) {
        e->room = e->room ? 2 * e->room : 64;
        e->p = mem_resize(e->p, e->room * sizeof *e->p);
    }
    e->p[e->count++] = (struct entry){.path = path, .dir = dir};
}

static void entries_clear(struct entries *e)
{
    for (size_t i = 0; i < e->count; i++)
        mem_free(e->p[i].path);
    mem_free(e->p);
    *e = (struct entries){0};
}

static int by_path(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int r = strcmp(x->path, y->path);

    return r ? r : (int)x->dir - (int)y->dir;
}

static void entries_sort(struct entries *e)
{
    if (e->count > 1)
        qsort(e->p, e->count, sizeof *e->p, by_path);
}

/* The first that does not come before `path`. */
static size_t entries_from(const struct entries *e, const char *path)
{
    size_t low = 0, high = e->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(e->p[mid].path, path) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool entries_have(const struct entries *e, const char *path, bool dir)
{
    for (size_t i = entries_from(e, path); i < e->count && strcmp(e->p[i].path, path) == 0; i++)
        if (e->p[i].dir == dir)
            return true;
    return false;
}

/* Is one of the folders above `path` an entry of that sort? */
static bool entries_have_above(const struct entries *e, const char *path, bool dir)
{
    AUTO(char_p) char *above = mem_strdup(path);

    for (char *slash; (slash = strrchr(above, '/'));) {
        *slash = '\0';
        if (entries_have(e, above, dir))
            return true;
    }
    return false;
}

/* A path that two files have, or a file and a folder, or what lies below a file; NULL: there is none. Sorted. */
static const char *entries_clash(const struct entries *e)
{
    for (size_t i = 0; i < e->count; i++) {
        const struct entry *at = &e->p[i];
        if (i > 0 && strcmp(at[-1].path, at->path) == 0 && !(at[-1].dir && at->dir))
            return at->path;
        if (entries_have_above(e, at->path, false))
            return at->path;
    }
    return NULL;
}

/* --- refusing --- */

static int refuse(struct unpacking *u, struct err *err, const char *what, const char *path)
{
    char shown[101]; /* it may hold anything, and ends on somebody's terminal */

    snprintf(shown, sizeof shown, "%s", path ? path : "");
    for (char *p = shown; *p; p++)
        if ((unsigned char)*p < 32 || *p == 127)
            *p = '?';
    err_set(err, ERR_TOOLCHAIN_MISSING, "%s.tar.xz: %s%s%s", u->name, what, path ? ": " : "", shown);
    return err_hint(err, "it has the sha256 that docker/toolchains.json pins, but is not an archive of the Rust "
                         "project's: look at where that sha256 comes from");
}

/* What the reader says is for uploads; what the disk says is nobody's fault here. */
static int unreadable(struct unpacking *u, struct err *err)
{
    if (err->kind == ERR_INTERNAL)
        return err_wrap(err, "%s.tar.xz", u->name);
    char why[sizeof err->msg];
    const char *text = err->msg;
    if (strncmp(text, "the upload ", 11) == 0)
        text += 11;
    else if (strncmp(text, "the tarball ", 12) == 0)
        text += 12;
    snprintf(why, sizeof why, "%s", text);
    err_set(err, ERR_TOOLCHAIN_MISSING, "%s.tar.xz %s", u->name, why);
    return err_hint(err, "it is removed: call again, and it is fetched again");
}

/* --- reading --- */

/* A relative path of plain names. */
static bool fits(const char *path)
{
    if (strlen(path) > PATH_LENGTH)
        return false;
    for (const char *p = path;; p++) {
        size_t len = strcspn(p, "/");
        if (len == 0 || len > 255 || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        for (size_t i = 0; i < len; i++)
            if ((unsigned char)p[i] < 32 || p[i] == 127 || p[i] == '\\')
                return false;
        p += len;
        if (!*p)
            return true;
    }
}

/* What follows NAME/ ("" for that folder itself), or NULL. */
static const char *below(const char *name, const char *path)
{
    size_t len = strlen(name);

    if (len == 0 || strncmp(path, name, len) != 0 || (path[len] != '/' && path[len] != '\0'))
        return NULL;
    return path + len + (path[len] == '/');
}

/* The same for any of the component's names. */
static const char *inside(const struct unpacking *u, const char *path)
{
    const char *in = below(u->name, path);
    const cJSON *other = NULL;

    cJSON_ArrayForEach(other, json_arr(u->component, "also"))
    {
        if (!in && cJSON_IsString(other))
            in = below(other->valuestring, path);
    }
    return in;
}

static int read_list(struct unpacking *u, const char *path, struct buf *into, struct err *err)
{
    char part[4096];
    size_t n;

    if (into->p)
        return refuse(u, err, "two of the same name", path);
    buf_puts(into, "");
    do {
        if (tar_data(u->tar, part, sizeof part, &n, err) < 0)
            return unreadable(u, err);
        if (into->len + n > LIST_MAX || memchr(part, '\0', n))
            return refuse(u, err, "a list that is none", path);
        buf_put(into, part, n);
    } while (n > 0);
    return 0;
}

static int read_manifest(struct unpacking *u, const char *path, struct err *err)
{
    if (u->manifests.count == COMPONENTS_MAX)
        return refuse(u, err, "more components than any archive has", NULL);
    u->texts = mem_resize(u->texts, (u->manifests.count + 1) * sizeof *u->texts);
    u->texts[u->manifests.count] = (struct buf){0};
    entries_add(&u->manifests, mem_strndup(path, strcspn(path, "/")), false);
    return read_list(u, path, &u->texts[u->manifests.count - 1], err);
}

/* Licences that some archives carry beside their components. */
static bool is_legal(const char *path)
{
    return strncmp(path, "LICENSES/", 9) == 0 || strncmp(path, "licenses/", 9) == 0;
}

/* One file at COMPONENT/PATH. */
static int take_file(struct unpacking *u, const struct tar_entry *e, const char *path, struct err *err)
{
    const char *in = strchr(path, '/') + 1;
    AUTO(char_p) char *name = mem_printf("%s/%s", u->prefix, in);

    entries_add(&u->seen, mem_strdup(path), false);
    if (strncmp(in, "share/", 6) == 0)
        return 0;
    entries_add(&u->installed, mem_strdup(in), false);
    if (tar_put_entry(u->into, name, e->mode, u->tar, e->size, err) < 0)
        return unreadable(u, err);
    return 0;
}

static int take_entry(struct unpacking *u, const struct tar_entry *e, struct err *err)
{
    AUTO(char_p) char *whole = mem_strdup(e->path);
    size_t len = strlen(whole);

    if (++u->entry_count > ENTRIES_MAX)
        return refuse(u, err, "more entries than any toolchain has", NULL);
    if (e->type == TAR_DIR && len > 0 && whole[len - 1] == '/')
        whole[len - 1] = '\0';
    const char *path = fits(whole) ? inside(u, whole) : NULL;
    if (!path)
        return refuse(u, err, "a path that does not belong", whole);
    if (e->type != TAR_FILE && e->type != TAR_DIR)
        return refuse(u, err, "a link or a device", path);
    const char *slash = strchr(path, '/');
    if (is_legal(path) || (e->type == TAR_DIR && !slash))
        return 0;
    if (e->type == TAR_DIR) {
        entries_add(&u->seen, mem_strdup(path), true);
        return 0;
    }
    if (!path[0])
        return refuse(u, err, "a file where its folder should be", whole);
    if (strcmp(path, "components") == 0)
        return read_list(u, path, &u->components, err);
    if (strcmp(path, "rust-installer-version") == 0)
        return read_list(u, path, &u->version, err);
    if (!slash) /* install.sh, README.md, LICENSE-MIT, version and so on */
        return 0;
    if (strcmp(slash, "/manifest.in") == 0)
        return read_manifest(u, path, err);
    return take_file(u, e, path, err);
}

/* --- what the lists say --- */

/* The next line, cut off in place; NULL at the end. */
static char *next_line(char **at)
{
    char *line = *at;

    if (!*line)
        return NULL;
    char *end = line + strcspn(line, "\n");
    *at = *end ? end + 1 : end;
    *end = '\0';
    return line;
}

static int parse_manifest(struct unpacking *u, const char *component, char *text, struct err *err)
{
    for (char *line; (line = next_line(&text));) {
        bool dir = strncmp(line, "dir:", 4) == 0;
        if (!*line)
            continue;
        const char *path = dir ? line + 4 : strncmp(line, "file:", 5) == 0 ? line + 5 : "";
        if (!fits(path))
            return refuse(u, err, "a line of manifest.in that does not belong", line);
        entries_add(&u->named, mem_printf("%s/%s", component, path), dir);
    }
    return 0;
}

static int parse_components(struct unpacking *u, struct err *err)
{
    char *text = u->components.p;
    int r = 0;

    for (char *line; r == 0 && (line = next_line(&text));) {
        size_t i = 0;
        if (!*line)
            continue;
        if (!dist_name_fits(line))
            return refuse(u, err, "a line of `components` that does not belong", line);
        while (i < u->manifests.count && strcmp(u->manifests.p[i].path, line) != 0)
            i++;
        r = i < u->manifests.count ? parse_manifest(u, line, u->texts[i].p, err)
                                   : refuse(u, err, "a component without manifest.in", line);
    }
    return r;
}

/* Every file is named, and what is named is there. */
static int compare(struct unpacking *u, struct err *err)
{
    entries_sort(&u->seen);
    entries_sort(&u->named);
    const char *clash = entries_clash(&u->seen);
    if (clash)
        return refuse(u, err, "two of the same name", clash);
    for (size_t i = 0; i < u->seen.count; i++) {
        const struct entry *s = &u->seen.p[i];
        if (!s->dir && !entries_have(&u->named, s->path, false) && !entries_have_above(&u->named, s->path, true))
            return refuse(u, err, "a file that no manifest names", s->path);
    }
    for (size_t i = 0; i < u->named.count; i++) {
        const struct entry *n = &u->named.p[i];
        if (entries_have(&u->seen, n->path, n->dir))
            continue;
        AUTO(char_p) char *in = mem_printf("%s/", n->path);
        size_t at = entries_from(&u->seen, in);
        if (!n->dir || at == u->seen.count || strncmp(u->seen.p[at].path, in, strlen(in)) != 0)
            return refuse(u, err, "a file that its manifest names is missing", n->path);
    }
    return 0;
}

static int check_lists(struct unpacking *u, struct err *err)
{
    if (!u->components.p || !u->version.p)
        return refuse(u, err, "it has no `components` or no `rust-installer-version`", NULL);
    if (strcmp(u->version.p, "3\n") != 0 && strcmp(u->version.p, "3") != 0)
        return refuse(u, err, "this version of the format is not known", u->version.p);
    if (parse_components(u, err) < 0 || compare(u, err) < 0)
        return -1;
    entries_sort(&u->installed);
    const char *clash = entries_clash(&u->installed);
    return clash ? refuse(u, err, "another component brings the same file", clash) : 0;
}

/* --- one archive, all of them --- */

static void forget_archive(struct unpacking *u)
{
    for (size_t i = 0; i < u->manifests.count; i++)
        buf_free(&u->texts[i]);
    mem_free(u->texts);
    u->texts = NULL;
    entries_clear(&u->seen);
    entries_clear(&u->named);
    entries_clear(&u->manifests);
    buf_free(&u->components);
    buf_free(&u->version);
    tar_reader_free(u->tar);
    u->tar = NULL;
    u->entry_count = 0;
}

static int unpack_open(struct unpacking *u, int fd, struct err *err)
{
    struct tar_entry e;
    int r;

    if (tar_reader_open(fd, &u->tar, err) < 0)
        return unreadable(u, err);
    tar_reader_limit(u->tar, UNPACKED_TIMES * u->d->max_bytes, RATIO_MAX);
    while ((r = tar_next(u->tar, &e, err)) == 0)
        if (take_entry(u, &e, err) < 0)
            return -1;
    return r < 0 ? unreadable(u, err) : check_lists(u, err);
}

static int unpack_one(struct unpacking *u, struct err *err)
{
    AUTO(char_p) char *path = dist_archive(u->d, u->name);
    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return err_sys(err, ERR_TOOLCHAIN_MISSING, errno, "cannot open %s", path);
    dist_say(u->d, "unpacking %s", u->name);
    int r = unpack_open(u, fd, err);
    forget_archive(u);
    if (r < 0 && err->kind == ERR_TOOLCHAIN_MISSING)
        unlink(path);
    return r;
}

int dist_unpack(const struct dist *d, const cJSON *origin, struct tar_writer *into, const char *prefix, struct err *err)
{
    struct unpacking u = {.d = d, .into = into, .prefix = prefix};
    struct err scratch = ERR_INIT;
    int r = 0;

    if (!err)
        err = &scratch;
    cJSON_ArrayForEach(u.component, json_arr(origin, "components"))
    {
        u.name = json_str(u.component, "name", "");
        if (!dist_name_fits(u.name))
            r = err_set(err, ERR_TOOLCHAIN_MISSING, "component '%.100s' in docker/toolchains.json has no usable name",
                        u.name);
        else
            r = unpack_one(&u, err);
        if (r < 0)
            break;
    }
    entries_clear(&u.installed);
    return r;
}
