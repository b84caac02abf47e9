/*
 * extract.c - see extract.h. Two passes over the tarball: the first fills the
 * table of paths and holds everything against the rules; the second, when
 * extracting, writes what the layout says. Every path that is written is opened
 * beneath the destination without following links, whatever the first pass
 * believed.
 */
#include "inspect/extract.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/tar.h"
#include "inspect/layout.h"
#include "inspect/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LISTED = 50, CHUNK = 64 * 1024, MAX_CONFIG = 1024 * 1024 };

AUTO_DEFINE(reader, struct tar_reader *, tar_reader_free, NULL)

static int open_reader(int fd, off_t start, const struct extract_options *o, struct tar_reader **ret, struct err *err)
{
    if (lseek(fd, start, SEEK_SET) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot read the tarball from its start");
    if (tar_reader_open(fd, ret, err) < 0)
        return -1;
    tar_reader_limit(*ret, o->max_bytes, o->max_ratio);
    return 0;
}

/* --- the first pass --- */

static int survey_entry(struct tree *t, const struct tar_entry *e, struct err *err)
{
    AUTO(char_p) char *path = NULL;
    AUTO(char_p) char *target = NULL;
    char shown[TREE_SHOWN];
    int rc = tree_clean(t, e->path, &path, err);

    if (rc < 0)
        return -1;
    if (rc == TREE_NOTHING)
        return e->type == TAR_DIR ? 0 : err_set(err, ERR_BAD_SOURCE, "an entry of the tarball has no name");
    switch (e->type) {
    case TAR_DIR:
        return tree_add_dir(t, path, err);
    case TAR_FILE:
        return tree_add_file(t, path, e->size, e->mode & 0111, err);
    case TAR_SYMLINK:
        return tree_add_link(t, path, e->target, err);
    case TAR_HARDLINK:
        rc = tree_clean(t, e->target, &target, err);
        if (rc < 0)
            return err_wrap(err, "the target of a hard link");
        return tree_add_hard(t, path, target ? target : "", err);
    case TAR_OTHER:
        break;
    }
    err_set(err, ERR_BAD_SOURCE, "'%s' is a device, fifo or socket", tree_show(path, shown));
    return err_hint(err, "a crate has files, folders and symbolic links only; leave it out");
}

static int survey(int fd, off_t start, const struct extract_options *o, struct tree *t, struct err *err)
{
    AUTO(reader) struct tar_reader *r = NULL;
    struct tar_entry e;
    int rc;

    if (open_reader(fd, start, o, &r, err) < 0)
        return -1;
    while ((rc = tar_next(r, &e, err)) == 0)
        if (survey_entry(t, &e, err) < 0)
            return -1;
    if (rc < 0)
        return -1;
    tree_sort(t);
    return 0;
}

/* --- the second pass --- */

struct dest {
    int src;
    int config; /* the folder config/.cargo */
    struct tree *tree;
    const struct layout *layout;
    char *chunk;
    char *parent; /* the folder that parent_fd is open on */
    int parent_fd;
};

static int failed(struct err *err, int sys, const char *what, const char *path)
{
    char shown[TREE_SHOWN];

    return err_sys(err, sys == ENOSPC || sys == EDQUOT ? ERR_DISK_FULL : ERR_INTERNAL, sys, "cannot %s '%s'", what,
                   tree_show(path, shown));
}

/* A descriptor of the folder `inside` below src/, made if need be. Borrowed until the next call. */
static int open_folder(struct dest *d, const char *inside, int *ret, struct err *err)
{
    if (d->parent && strcmp(d->parent, inside) == 0) {
        *ret = d->parent_fd;
        return 0;
    }
    AUTO(fd) int fd = fcntl(d->src, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return failed(err, errno, "open", "src");
    AUTO(char_p) char *path = mem_strdup(inside);
    int direct = path[0] ? fs_open_beneath(d->src, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) : -ENOENT;
    if (direct >= 0) {
        close(fd);
        fd = direct;
        path[0] = '\0';
    }
    for (char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        bool last = p[n] == '\0';

        p[n] = '\0';
        if (mkdirat(fd, p, 0755) < 0 && errno != EEXIST)
            return failed(err, errno, "make", inside);
        int next = fs_open_beneath(fd, p, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
        if (next < 0)
            return failed(err, -next, "open", inside);
        close(fd);
        fd = next;
        p += n + !last;
    }
    if (d->parent_fd >= 0)
        close(d->parent_fd);
    d->parent_fd = fd;
    fd = -1;
    mem_free(d->parent);
    d->parent = mem_strdup(inside);
    *ret = d->parent_fd;
    return 0;
}

/* The folder and the name of a path below src/; what stood there is removed. */
static int make_room(struct dest *d, struct tree_node *node, const char *inside, int *ret_folder, const char **ret_name,
                     struct err *err)
{
    const char *slash = strrchr(inside, '/');
    AUTO(char_p) char *up = mem_strndup(inside, slash ? (size_t)(slash - inside) : 0);

    if (open_folder(d, up, ret_folder, err) < 0)
        return -1;
    *ret_name = slash ? slash + 1 : inside;
    if (node->made && unlinkat(*ret_folder, *ret_name, 0) < 0 && errno != ENOENT)
        return failed(err, errno, "replace", inside);
    node->made = true;
    return 0;
}

static int set_time(int fd)
{
    const struct timespec when[2] = {{.tv_sec = TAR_TIME}, {.tv_sec = TAR_TIME}};

    return futimens(fd, when);
}

static int write_file(struct dest *d, struct tar_reader *r, int folder, const char *name, const struct tar_entry *e,
                      struct err *err)
{
    AUTO(fd) int fd = fs_open_beneath(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    int64_t written = 0;
    size_t n;

    if (fd < 0)
        return failed(err, -fd, "make", name);
    for (;;) {
        if (tar_data(r, d->chunk, CHUNK, &n, err) < 0)
            return -1;
        if (n == 0)
            break;
        written += (int64_t)n;
        if (written > e->size)
            return err_set(err, ERR_BAD_SOURCE, "an entry of the tarball is longer than its header says");
        if (fs_write_all(fd, d->chunk, n, err) < 0) {
            if (err->sys == ENOSPC || err->sys == EDQUOT)
                err->kind = ERR_DISK_FULL;
            return -1;
        }
    }
    if (written < e->size && ftruncate(fd, e->size) < 0)
        return failed(err, errno, "lengthen", name);
    if (fchmod(fd, (e->mode & 0111) ? 0755 : 0644) < 0 || set_time(fd) < 0)
        return failed(err, errno, "set the mode of", name);
    return 0;
}

static int write_hard(struct dest *d, const struct tree_node *from, const struct tree_node *to, int folder,
                      const char *name, struct err *err)
{
    const char *old = layout_inside(d->layout, to->path), *slash = strrchr(old, '/');
    AUTO(char_p) char *up = mem_strndup(old, slash ? (size_t)(slash - old) : 0);
    AUTO(fd)
    int old_folder =
        slash ? fs_open_beneath(d->src, up, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) : fcntl(d->src, F_DUPFD_CLOEXEC, 3);

    if (old_folder < 0)
        return failed(err, slash ? -old_folder : errno, "open the folder of", to->path);
    if (linkat(old_folder, slash ? slash + 1 : old, folder, name, 0) < 0)
        return failed(err, errno, "link", from->path);
    return 0;
}

static int write_entry(struct dest *d, struct tar_reader *r, const struct tar_entry *e, struct err *err)
{
    AUTO(char_p) char *path = NULL;
    AUTO(char_p) char *target = NULL;
    int folder, rc = tree_clean(d->tree, e->path, &path, err);
    const char *name;

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    struct tree_node *node = tree_find(d->tree, path), *to = NULL;
    if (!node)
        return err_set(err, ERR_INTERNAL, "the tarball changed while it was unpacked");
    enum layout_place place = layout_place_of(d->layout, node);
    if (place == LAYOUT_CONFIG) {
        if (node->made && unlinkat(d->config, "config.toml", 0) < 0)
            return failed(err, errno, "replace", path);
        node->made = true;
        return write_file(d, r, d->config, "config.toml", e, err);
    }
    if (place != LAYOUT_SOURCE)
        return 0;
    const char *inside = layout_inside(d->layout, path);
    if (node->type == TREE_DIR)
        return open_folder(d, inside, &folder, err);
    if (e->type == TAR_HARDLINK) {
        if (tree_clean(d->tree, e->target, &target, err) != 0 || !(to = tree_find(d->tree, target)))
            return err_set(err, ERR_INTERNAL, "the tarball changed while it was unpacked");
    }
    if (make_room(d, node, inside, &folder, &name, err) < 0)
        return -1;
    if (node->type == TREE_LINK) {
        /* The target that was checked: the last one that the archive gives. */
        if (symlinkat(node->target, folder, name) < 0)
            return failed(err, errno, "link", path);
        const struct timespec when[2] = {{.tv_sec = TAR_TIME}, {.tv_sec = TAR_TIME}};
        if (utimensat(folder, name, when, AT_SYMLINK_NOFOLLOW) < 0)
            return failed(err, errno, "set the time of", path);
        return 0;
    }
    return to ? write_hard(d, node, to, folder, name, err) : write_file(d, r, folder, name, e, err);
}

/* Writing into a folder changes its time, so folders come last. */
static int settle_folders(struct dest *d, struct err *err)
{
    for (size_t i = d->tree->len; i-- > 0;) {
        const struct tree_node *n = d->tree->nodes[i];
        if (n->type != TREE_DIR || layout_place_of(d->layout, n) != LAYOUT_SOURCE)
            continue;
        const char *inside = layout_inside(d->layout, n->path);
        if (inside[0] == '\0')
            continue;
        AUTO(fd) int fd = fs_open_beneath(d->src, inside, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
        if (fd == -ENOENT)
            continue; /* named by nothing but what was left out */
        if (fd < 0)
            return failed(err, -fd, "open", n->path);
        if (fchmod(fd, 0755) < 0 || set_time(fd) < 0)
            return failed(err, errno, "set the time of", n->path);
    }
    return 0;
}

static int open_config(int dest_fd, int *ret, struct err *err)
{
    AUTO(fd) int config = fs_open_beneath(dest_fd, "config", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

    if (config < 0)
        return failed(err, -config, "open", "config");
    if (mkdirat(config, ".cargo", 0755) < 0 && errno != EEXIST)
        return failed(err, errno, "make", "config/.cargo");
    int fd = fs_open_beneath(config, ".cargo", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return failed(err, -fd, "open", "config/.cargo");
    *ret = fd;
    return 0;
}

static int extract(int fd, off_t start, int dest_fd, const struct extract_options *o, struct tree *t,
                   const struct layout *p, struct err *err)
{
    AUTO(reader) struct tar_reader *r = NULL;
    AUTO(fd) int src = fs_open_beneath(dest_fd, "src", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    AUTO(fd) int config = -1;
    AUTO(char_p) char *chunk = mem_alloc(CHUNK);
    struct dest d = {.src = src, .config = -1, .tree = t, .layout = p, .chunk = chunk, .parent_fd = -1};
    struct tar_entry e;
    int rc;

    if (src < 0)
        return failed(err, -src, "open", "src");
    if (p->config && open_config(dest_fd, &config, err) < 0)
        return -1;
    d.config = config;
    if (open_reader(fd, start, o, &r, err) < 0)
        return -1;
    while ((rc = tar_next(r, &e, err)) == 0)
        if ((rc = write_entry(&d, r, &e, err)) < 0)
            break;
    if (rc == TAR_END)
        rc = settle_folders(&d, err);
    mem_free(d.parent);
    if (d.parent_fd >= 0)
        close(d.parent_fd);
    return rc;
}

/* --- the second pass, to another tar: the same tree, in a form that every tar unpacks alike --- */

struct packing {
    struct tar_writer *to;
    struct tree *tree;
    const struct layout *layout;
};

/* The folders above a path are there when it is unpacked: their times will be set. */
static void note_folders(struct tree *t, const char *path)
{
    AUTO(char_p) char *up = mem_strdup(path);

    for (char *slash; (slash = strrchr(up, '/'));) {
        *slash = '\0';
        struct tree_node *n = tree_find(t, up);
        if (n)
            n->made = true;
    }
}

static int repack_entry(struct packing *p, struct tar_reader *r, const struct tar_entry *e, struct err *err)
{
    AUTO(char_p) char *path = NULL;
    AUTO(char_p) char *target = NULL;
    int rc = tree_clean(p->tree, e->path, &path, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    struct tree_node *node = tree_find(p->tree, path), *to = NULL;
    if (!node)
        return err_set(err, ERR_INTERNAL, "the tarball changed while it was unpacked");
    enum layout_place place = layout_place_of(p->layout, node);
    if (place == LAYOUT_CONFIG)
        return tar_put_entry(p->to, "config/.cargo/config.toml", 0644, r, e->size, err);
    if (place != LAYOUT_SOURCE)
        return 0;
    note_folders(p->tree, path);
    if (node->type == TREE_DIR) {
        node->made = true;
        return 0;
    }
    AUTO(char_p) char *name = mem_printf("src/%s", layout_inside(p->layout, path));
    if (node->type == TREE_LINK)
        return tar_put_link(p->to, name, node->target, err);
    if (e->type != TAR_HARDLINK)
        return tar_put_entry(p->to, name, e->mode, r, e->size, err);
    if (tree_clean(p->tree, e->target, &target, err) != 0 || !(to = tree_find(p->tree, target)))
        return err_set(err, ERR_INTERNAL, "the tarball changed while it was unpacked");
    AUTO(char_p) char *earlier = mem_printf("src/%s", layout_inside(p->layout, to->path));
    return tar_put_hard(p->to, name, earlier, err);
}

static int repack_folders(struct packing *p, struct err *err)
{
    for (size_t i = 0; i < p->tree->len; i++) {
        const struct tree_node *n = p->tree->nodes[i];
        const char *inside = layout_inside(p->layout, n->path);
        if (n->type != TREE_DIR || !n->made || !inside || !inside[0] || layout_place_of(p->layout, n) != LAYOUT_SOURCE)
            continue;
        AUTO(char_p) char *name = mem_printf("src/%s", inside);
        if (tar_put_dir(p->to, name, err) < 0)
            return -1;
    }
    return 0;
}

static int repack(int fd, off_t start, int to_fd, const struct extract_options *o, struct tree *t,
                  const struct layout *layout, struct err *err)
{
    AUTO(reader) struct tar_reader *r = NULL;
    struct packing p = {.tree = t, .layout = layout};
    struct tar_entry e;

    if (open_reader(fd, start, o, &r, err) < 0)
        return -1;
    int rc = tar_writer_open(to_fd, TAR_PLAIN, &p.to, err);
    while (rc == 0 && (rc = tar_next(r, &e, err)) == 0)
        rc = repack_entry(&p, r, &e, err);
    if (rc == TAR_END)
        rc = repack_folders(&p, err);
    if (rc == 0)
        rc = tar_writer_finish(p.to, err);
    tar_writer_free(p.to);
    return rc;
}

/* --- the answer --- */

static void add_text(cJSON *list, const char *s)
{
    if (cJSON_GetArraySize(list) < LISTED)
        cJSON_AddItemToArray(list, cJSON_CreateString(s));
}

static bool is_manifest(const char *path)
{
    const char *slash = strrchr(path, '/');

    return strcmp(slash ? slash + 1 : path, "Cargo.toml") == 0;
}

/* The manifests nearest to the root come first: of many, those matter. */
static void list_manifests(const struct layout *p, cJSON *list)
{
    size_t left = SIZE_MAX;

    for (size_t depth = 0; left > 0 && cJSON_GetArraySize(list) < LISTED; depth++) {
        left = 0;
        for (size_t i = 0; i < p->tree->len; i++) {
            const struct tree_node *n = p->tree->nodes[i];
            if (n->type != TREE_FILE || !is_manifest(n->path) || layout_place_of(p, n) != LAYOUT_SOURCE)
                continue;
            const char *inside = layout_inside(p, n->path);
            size_t slashes = 0;
            for (const char *c = inside; *c; c++)
                slashes += *c == '/';
            if (slashes == depth)
                add_text(list, inside);
            left += slashes > depth;
        }
    }
}

/* The path of `name` beside the chosen manifest, or else at the root; NULL if in neither. The caller owns it. */
static char *near_manifest(const struct layout *p, const char *name)
{
    const char *slash = strrchr(p->manifest, '/');

    if (slash) {
        AUTO(char_p) char *beside = mem_printf("%.*s/%s", (int)(slash - p->manifest), p->manifest, name);
        if (layout_has_file(p, beside))
            return STEAL(beside);
    }
    return layout_has_file(p, name) ? mem_strdup(name) : NULL;
}

static char *answer(const struct layout *p)
{
    AUTO(json) cJSON *o = cJSON_CreateObject();
    cJSON *ignored = cJSON_CreateArray();
    int64_t files = 0, bytes = 0, skipped = 0;

    for (size_t i = 0; i < p->tree->len; i++) {
        const struct tree_node *n = p->tree->nodes[i];
        enum layout_place place = layout_place_of(p, n);

        if (place == LAYOUT_SKIPPED)
            skipped += n->type != TREE_DIR;
        else if (place == LAYOUT_IGNORED_CONFIG)
            add_text(ignored, layout_inside(p, n->path));
        else if (n->type == TREE_FILE) {
            files++;
            bytes += n->size;
        }
    }
    json_put_int(o, "files", files);
    json_put_int(o, "entries", p->tree->entries);
    json_put_int(o, "bytes", bytes);
    json_put_str(o, "root", p->root);
    cJSON *manifests = cJSON_AddArrayToObject(o, "manifests");
    list_manifests(p, manifests);
    AUTO(char_p) char *lock = near_manifest(p, "Cargo.lock");
    cJSON_AddBoolToObject(o, "lock", lock != NULL);
    cJSON_AddBoolToObject(o, "config", p->config != NULL);
    cJSON_AddItemToObject(o, "ignored_configs", ignored);
    /* As rustup: the old name wins where both exist. */
    AUTO(char_p) char *toolchain = near_manifest(p, "rust-toolchain");
    if (!toolchain)
        toolchain = near_manifest(p, "rust-toolchain.toml");
    json_put_str(o, "toolchain_file", toolchain);
    AUTO(char_p) char *vendor = p->root[0] ? mem_printf("%s/vendor", p->root) : mem_strdup("vendor");
    const struct tree_node *node = tree_find(p->tree, vendor);
    cJSON_AddBoolToObject(o, "vendor", node && node->type == TREE_DIR);
    json_put_int(o, "skipped", skipped);
    return json_text(o);
}

int extract_run(int fd, int dest_fd, const struct extract_options *o, char **ret_json, struct err *err)
{
    AUTO(tree_p) struct tree *t = tree_new(o->max_bytes, o->max_files, o->max_path);
    struct layout p = {0};
    off_t start = lseek(fd, 0, SEEK_CUR);
    int rc = -1;

    if (start < 0)
        return err_sys(err, ERR_INTERNAL, errno, "the tarball is not a regular file");
    if (survey(fd, start, o, t, err) < 0)
        return -1;
    if ((o->kit ? layout_make_kit(t, &p, err) : layout_make(t, o->manifest_path, &p, err)) == 0) {
        const struct tree_node *config = p.config ? tree_find(t, p.config) : NULL;
        if (config && config->size > MAX_CONFIG)
            err_set(err, ERR_BAD_SOURCE, "'.cargo/config' is larger than %d bytes", MAX_CONFIG);
        else
            rc = dest_fd < 0 ? 0
                 : o->repack ? repack(fd, start, dest_fd, o, t, &p, err)
                             : extract(fd, start, dest_fd, o, t, &p, err);
    }
    if (rc == 0)
        *ret_json = answer(&p);
    layout_clear(&p);
    return rc;
}
