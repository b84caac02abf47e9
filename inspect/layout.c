/* layout.c - see layout.h. */
#include "inspect/layout.h"

#include "base/buf.h"

#include <string.h>

enum { NAMED = 5 /* manifests that a message lists */ };

void layout_clear(struct layout *p)
{
    mem_free(p->root);
    mem_free(p->manifest);
    mem_free(p->config);
    *p = (struct layout){0};
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool beneath(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    return strncmp(path, folder, n) == 0 && path[n] == '/';
}

/* Is one of the path's components this name? */
static bool has_component(const char *path, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = path; *p; p += strcspn(p, "/"), p += *p == '/')
        if (strcspn(p, "/") == n && memcmp(p, name, n) == 0)
            return true;
    return false;
}

const char *layout_inside(const struct layout *p, const char *path)
{
    if (p->root[0] == '\0')
        return path;
    if (strcmp(path, p->root) == 0)
        return "";
    return beneath(path, p->root) ? path + strlen(p->root) + 1 : NULL;
}

static const struct tree_node *find_below(const struct tree *t, const char *root, const char *inside)
{
    AUTO(char_p) char *path = root[0] ? mem_printf("%s/%s", root, inside) : mem_strdup(inside);

    return tree_find(t, path);
}

static bool file_below(const struct tree *t, const char *root, const char *inside)
{
    const struct tree_node *n = find_below(t, root, inside);

    return n && n->type == TREE_FILE;
}

bool layout_has_file(const struct layout *p, const char *inside)
{
    return file_below(p->tree, p->root, inside);
}

/* The one folder that everything lies in; "" if there is no such folder. The caller owns it. */
static char *single_top(const struct tree *t)
{
    AUTO(char_p) char *top = NULL;

    for (size_t i = 0; i < t->len; i++) {
        const char *path = t->nodes[i]->path;
        size_t n = strcspn(path, "/");

        /* macOS adds these beside the folder that is packed. */
        if (strncmp(path, "._", 2) == 0 || strcmp(path, ".DS_Store") == 0 || strcmp(path, "__MACOSX") == 0 ||
            beneath(path, "__MACOSX"))
            continue;
        if (!top)
            top = mem_strndup(path, n);
        else if (strlen(top) != n || memcmp(top, path, n) != 0)
            return mem_strdup("");
    }
    const struct tree_node *node = top ? tree_find(t, top) : NULL;
    return node && node->type == TREE_DIR ? STEAL(top) : mem_strdup("");
}

static size_t depth_of(const char *path)
{
    size_t n = 0;

    for (; *path; path++)
        n += *path == '/';
    return n;
}

static int no_manifest(const struct layout *p, const char *wanted, const char *top, struct err *err)
{
    char shown[TREE_SHOWN];
    AUTO(buf) struct buf list = {0};
    AUTO(char_p) char *first = NULL;
    size_t named = 0, all = 0;

    for (size_t i = 0; i < p->tree->len; i++) {
        const char *path = p->tree->nodes[i]->path;
        all += p->tree->nodes[i]->type == TREE_FILE && strcmp(base_name(path), "Cargo.toml") == 0;
    }
    /* The ones nearest to the top are the likely ones. */
    for (size_t depth = 0; depth <= TREE_MAX_DEPTH && named < NAMED; depth++) {
        for (size_t i = 0; i < p->tree->len && named < NAMED; i++) {
            const struct tree_node *n = p->tree->nodes[i];
            const char *path = top[0] && beneath(n->path, top) ? n->path + strlen(top) + 1 : n->path;
            if (n->type != TREE_FILE || depth_of(path) != depth || strcmp(base_name(path), "Cargo.toml") != 0)
                continue;
            if (!first)
                first = mem_strdup(path);
            buf_printf(&list, "%s%s", named++ ? ", " : "", tree_show(path, shown));
        }
    }
    const char *more = all > named ? ", ..." : "";
    if (wanted)
        err_set(err, ERR_BAD_SOURCE, "manifest_path=%s is not in the tarball%s%s%s", tree_show(wanted, shown),
                all ? "; there are: " : "", list.p ? list.p : "", more);
    else if (all)
        err_set(err, ERR_BAD_SOURCE, "there is no Cargo.toml at the root of the tarball; there are: %s%s", list.p,
                more);
    else
        err_set(err, ERR_BAD_SOURCE, "there is no Cargo.toml in the tarball");
    if (first)
        return err_hint(err, "send the folder that holds Cargo.toml, or name it with manifest_path=%s",
                        tree_show(first, shown));
    return err_hint(err, "send the folder that holds Cargo.toml, e.g. git archive HEAD | gzip");
}

static int find_root(struct layout *p, const char *manifest_path, struct err *err)
{
    const struct tree *t = p->tree;
    AUTO(char_p) char *top = single_top(t);
    AUTO(char_p) char *wanted = NULL;

    if (t->len == 0) {
        err_set(err, ERR_BAD_SOURCE, "the tarball holds no files");
        return err_hint(err, "send the folder that holds Cargo.toml, e.g. git archive HEAD | gzip");
    }
    if (manifest_path) {
        int rc = tree_clean(t, manifest_path, &wanted, err);
        if (rc < 0)
            return err_wrap(err, "manifest_path");
        if (rc == TREE_NOTHING || strcmp(base_name(wanted), "Cargo.toml") != 0) {
            err_set(err, ERR_BAD_SOURCE, "manifest_path has to name a Cargo.toml");
            return err_hint(err, "for example manifest_path=crates/app/Cargo.toml");
        }
    }
    const char *manifest = wanted ? wanted : "Cargo.toml";
    if (file_below(t, "", "Cargo.toml"))
        p->root = mem_strdup("");
    else if (top[0] && (file_below(t, top, "Cargo.toml") || file_below(t, top, manifest)))
        p->root = mem_strdup(top);
    else
        p->root = mem_strdup("");
    if (!file_below(t, p->root, manifest)) {
        if (wanted && p->root[0] && beneath(wanted, p->root) && file_below(t, "", wanted)) {
            char shown[TREE_SHOWN];
            err_set(err, ERR_BAD_SOURCE,
                    "manifest_path is relative to the crate's root, and the tarball's single top folder "
                    "is taken off");
            return err_hint(err, "say manifest_path=%s", tree_show(wanted + strlen(p->root) + 1, shown));
        }
        return no_manifest(p, wanted, top, err);
    }
    p->manifest = mem_strdup(manifest);
    return 0;
}

/* In a folder that `cargo vendor` made, and which cargo does not read its configuration from. */
static bool vendored(const struct layout *p, const char *inside)
{
    AUTO(char_p) char *up = mem_strdup(inside);

    for (char *slash; (slash = strrchr(up, '/'));) {
        *slash = '\0';
        if (strcmp(base_name(up), ".cargo") == 0)
            continue; /* else configuration could vouch for itself */
        AUTO(char_p) char *sums = mem_printf("%s/.cargo-checksum.json", up);
        if (!beneath(p->manifest, up) && layout_has_file(p, sums))
            return true;
    }
    return false;
}

/* cargo reads P/.cargo/config and P/.cargo/config.toml of every folder P above where it runs. */
static bool is_config(const struct tree_node *node, const char *inside)
{
    AUTO(char_p) char *up = mem_strdup(inside);
    char *slash = strrchr(up, '/');

    if (node->type == TREE_DIR)
        return false;
    if (node->type == TREE_LINK && strcmp(base_name(inside), ".cargo") == 0)
        return true; /* the folder by another name */
    if (!slash || strncmp(slash + 1, "config", 6) != 0)
        return false;
    *slash = '\0';
    return strcmp(base_name(up), ".cargo") == 0;
}

static bool is_apple_double(const struct layout *p, const struct tree_node *node, const char *inside)
{
    const char *base = base_name(node->path);

    if (node->type != TREE_FILE || strncmp(base, "._", 2) != 0)
        return false;
    AUTO(char_p) char *twin = mem_printf("%.*s%s", (int)(base - node->path), node->path, base + 2);
    return tree_find(p->tree, twin) && !vendored(p, inside);
}

enum layout_place layout_place_of(const struct layout *p, const struct tree_node *node)
{
    const char *inside = layout_inside(p, node->path);

    if (p->kit)
        return inside ? LAYOUT_SOURCE : LAYOUT_SKIPPED;
    if (!inside || has_component(inside, ".git") || strcmp(node->path, "__MACOSX") == 0 ||
        beneath(node->path, "__MACOSX"))
        return LAYOUT_SKIPPED;
    if (p->stale_target && (strcmp(inside, "target") == 0 || beneath(inside, "target")))
        return LAYOUT_SKIPPED;
    if (is_apple_double(p, node, inside))
        return LAYOUT_SKIPPED;
    if (is_config(node, inside)) {
        if (p->config && strcmp(node->path, p->config) == 0)
            return LAYOUT_CONFIG;
        return vendored(p, inside) ? LAYOUT_SOURCE : LAYOUT_IGNORED_CONFIG;
    }
    return LAYOUT_SOURCE;
}

static int check_links(const struct layout *p, struct err *err)
{
    char a[TREE_SHOWN], b[TREE_SHOWN];

    for (size_t i = 0; i < p->tree->len; i++) {
        const struct tree_node *n = p->tree->nodes[i];
        if (n->type == TREE_LINK && layout_place_of(p, n) == LAYOUT_SOURCE && tree_check_link(n, p->root, err) < 0)
            return -1;
    }
    /* Sharing an inode with configuration would let a build rewrite what was judged harmless. */
    for (size_t i = 0; i < p->tree->hard_len; i++) {
        const struct tree_pair *h = &p->tree->hard[i];
        enum layout_place from = layout_place_of(p, h->from), to = layout_place_of(p, h->to);
        if (from == LAYOUT_SKIPPED || (from == LAYOUT_SOURCE && to == LAYOUT_SOURCE))
            continue;
        err_set(err, ERR_BAD_SOURCE, "'%.80s' is a hard link to '%.80s', which is not unpacked as source",
                tree_show(h->from->path, a), tree_show(h->to->path, b));
        return err_hint(err, "pack with tar --hard-dereference");
    }
    return 0;
}

int layout_make(const struct tree *sorted, const char *manifest_path, struct layout *p, struct err *err)
{
    p->tree = sorted;
    if (find_root(p, manifest_path, err) < 0)
        return -1;
    /* Cargo prefers the name without .toml where both exist. */
    static const char *const configs[] = {".cargo/config", ".cargo/config.toml"};
    for (size_t i = 0; i < COUNT(configs) && !p->config; i++) {
        const struct tree_node *n = find_below(sorted, p->root, configs[i]);
        if (n && n->type == TREE_FILE)
            p->config = mem_strdup(n->path);
    }
    p->stale_target = layout_has_file(p, "target/CACHEDIR.TAG") || layout_has_file(p, "target/.rustc_info.json");
    return check_links(p, err);
}

int layout_make_kit(const struct tree *sorted, struct layout *p, struct err *err)
{
    static const char name[] = "kit.json";

    p->tree = sorted;
    p->kit = true;
    p->root = file_below(sorted, "", name) ? mem_strdup("") : single_top(sorted);
    if (!file_below(sorted, p->root, name)) {
        err_set(err, ERR_BAD_SOURCE, "there is no kit.json at the root of the archive, nor in a single top folder");
        return err_hint(err, "pack the folder that holds kit.json");
    }
    p->manifest = mem_strdup(name);
    return check_links(p, err);
}
