/* tree.c - see tree.h. A balanced tree (tsearch) is the index, so that no choice of names makes it slow. */
#include "inspect/tree.h"

#include "base/json.h"
#include "base/tar.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const struct tree_node *x = a, *y = b;

    return strcmp(x->path, y->path);
}

static int compare_slots(const void *a, const void *b)
{
    const struct tree_node *const *x = a, *const *y = b;

    return strcmp((*x)->path, (*y)->path);
}

struct tree *tree_new(int64_t max_bytes, int64_t max_files, int64_t max_path)
{
    struct tree *t = mem_alloc(sizeof(*t));

    t->max_bytes = max_bytes;
    t->max_files = max_files;
    t->max_path = max_path;
    return t;
}

static void keep(void *node)
{
    (void)node; /* the array owns it */
}

void tree_free(struct tree *t)
{
    if (!t)
        return;
    tdestroy(t->index, keep);
    for (size_t i = 0; i < t->len; i++) {
        mem_free(t->nodes[i]->path);
        mem_free(t->nodes[i]->target);
        mem_free(t->nodes[i]);
    }
    mem_free(t->nodes);
    mem_free(t->hard);
    mem_free(t);
}

const char *tree_show(const char *path, char ret[TREE_SHOWN])
{
    enum { HEAD = 70, TAIL = 60 };
    AUTO(char_p) char *clean = json_utf8(path, strlen(path));
    size_t len = strlen(clean), n = 0;

    for (size_t i = 0; i < len; i++) {
        if (len > HEAD + TAIL + 3 && i >= HEAD && i < len - TAIL && ((unsigned char)clean[i] & 0xc0) != 0x80) {
            memcpy(ret + n, "...", 3);
            n += 3;
            i = len - TAIL;
            while (i < len && ((unsigned char)clean[i] & 0xc0) == 0x80)
                i++;
            if (i >= len)
                break;
        }
        unsigned char c = (unsigned char)clean[i];
        ret[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    ret[n] = '\0';
    return ret;
}

static int wrong(struct err *err, enum err_kind kind, const char *path, const char *why)
{
    char shown[TREE_SHOWN];

    return err_set(err, kind, "'%s' %s", tree_show(path, shown), why);
}

/* Control characters (C0, DEL, C1) and what is not UTF-8. */
static const char *bad_bytes(const char *s)
{
    AUTO(char_p) char *clean = json_utf8(s, strlen(s));

    if (strcmp(clean, s) != 0)
        return "is not UTF-8";
    for (const unsigned char *p = (const unsigned char *)s; *p; p++)
        if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
            return "has control characters in its name";
    return NULL;
}

int tree_clean(const struct tree *t, const char *raw, char **ret, struct err *err)
{
    char shown[TREE_SHOWN];
    const char *why;
    size_t n = 0, depth = 0;

    if (raw[0] == '\0')
        return err_set(err, ERR_BAD_SOURCE, "an entry of the tarball has no name");
    if ((int64_t)strlen(raw) > t->max_path + 2)
        return err_set(err, ERR_TOO_LARGE, "the path '%s' is longer than %lld bytes (max_path_bytes)",
                       tree_show(raw, shown), (long long)t->max_path);
    if ((why = bad_bytes(raw)))
        return wrong(err, ERR_BAD_SOURCE, raw, why);
    if (raw[0] == '/') {
        wrong(err, ERR_BAD_SOURCE, raw, "is an absolute path");
        return err_hint(err, "pack with paths relative to the folder that holds Cargo.toml: tar -C folder -cz .");
    }
    AUTO(char_p) char *clean = mem_alloc(strlen(raw) + 1);
    for (const char *p = raw; *p;) {
        size_t len = strcspn(p, "/");

        if (len == 2 && p[0] == '.' && p[1] == '.') {
            wrong(err, ERR_BAD_SOURCE, raw, "leads outside with '..'");
            return err_hint(err, "pack from the folder that holds everything the crate needs, without '..' in paths");
        }
        if (len > TREE_MAX_COMPONENT)
            return err_set(err, ERR_TOO_LARGE, "a name in '%s' is longer than %d bytes", tree_show(raw, shown),
                           TREE_MAX_COMPONENT);
        if (len > 0 && !(len == 1 && p[0] == '.')) {
            if (n > 0)
                clean[n++] = '/';
            memcpy(clean + n, p, len);
            n += len;
            depth++;
        }
        p += len;
        while (*p == '/')
            p++;
    }
    if ((int64_t)n > t->max_path)
        return err_set(err, ERR_TOO_LARGE, "the path '%s' is longer than %lld bytes (max_path_bytes)",
                       tree_show(raw, shown), (long long)t->max_path);
    if (depth > TREE_MAX_DEPTH)
        return err_set(err, ERR_TOO_LARGE, "'%s' lies more than %d folders deep", tree_show(raw, shown),
                       TREE_MAX_DEPTH);
    if (n == 0)
        return TREE_NOTHING;
    *ret = STEAL(clean);
    return 0;
}

struct tree_node *tree_find(const struct tree *t, const char *path)
{
    const struct tree_node key = {.path = (char *)path};
    struct tree_node **found = tfind(&key, &t->index, compare);

    return found ? *found : NULL;
}

static int count(struct tree *t, struct err *err)
{
    if (++t->entries > t->max_files) {
        err_set(err, ERR_TOO_LARGE, "the tarball has more than %lld files and folders (max_files)",
                (long long)t->max_files);
        return err_hint(err, "leave out build output such as target/ and node_modules/");
    }
    return 0;
}

static const char *type_name(enum tree_type type)
{
    return type == TREE_DIR ? "a folder" : type == TREE_FILE ? "a file" : "a symbolic link";
}

/* The node of path, new or found; its type is as wished. */
static int put(struct tree *t, const char *path, enum tree_type type, struct tree_node **ret, struct err *err)
{
    char shown[TREE_SHOWN];
    struct tree_node *node = tree_find(t, path);

    if (node && node->type != type)
        return err_set(err, ERR_BAD_SOURCE, "'%s' is both %s and %s in the tarball", tree_show(path, shown),
                       type_name(node->type), type_name(type));
    if (!node) {
        if (t->len == t->cap) {
            t->cap = t->cap ? 2 * t->cap : 256;
            t->nodes = mem_resize(t->nodes, t->cap * sizeof(t->nodes[0]));
        }
        node = mem_alloc(sizeof(*node));
        node->path = mem_strdup(path);
        node->type = type;
        t->nodes[t->len++] = node;
        if (!tsearch(node, &t->index, compare))
            abort();
    }
    *ret = node;
    return 0;
}

/* The folders above path, those that the archive does not name counted too. */
static int put_parents(struct tree *t, const char *path, struct err *err)
{
    char shown[TREE_SHOWN];
    AUTO(char_p) char *up = mem_strdup(path);
    struct tree_node *node;
    char *slash = strrchr(up, '/');

    if (!slash)
        return 0;
    *slash = '\0';
    node = tree_find(t, up);
    if (node && node->type == TREE_DIR)
        return 0; /* and so are the ones above it */
    for (char *p = strchr(up, '/');; p = strchr(p + 1, '/')) {
        if (p)
            *p = '\0';
        node = tree_find(t, up);
        if (node && node->type != TREE_DIR)
            return err_set(err, ERR_BAD_SOURCE, "'%s' lies beneath %s", tree_show(path, shown),
                           node->type == TREE_LINK ? "a symbolic link" : "a file");
        if (!node && (count(t, err) < 0 || put(t, up, TREE_DIR, &node, err) < 0))
            return -1;
        if (!p)
            return 0;
        *p = '/';
    }
}

static int add(struct tree *t, const char *path, enum tree_type type, struct tree_node **ret, struct err *err)
{
    if (count(t, err) < 0 || put_parents(t, path, err) < 0)
        return -1;
    return put(t, path, type, ret, err);
}

int tree_add_dir(struct tree *t, const char *path, struct err *err)
{
    struct tree_node *node;

    return add(t, path, TREE_DIR, &node, err);
}

static int add_bytes(struct tree *t, int64_t size, struct err *err)
{
    if (size > t->max_bytes - t->bytes) {
        err_set(err, ERR_TOO_LARGE, "the tarball unpacks to more than %lld bytes (max_unpacked_bytes)",
                (long long)t->max_bytes);
        return err_hint(err, "leave out build output such as target/, and data that the build does not read");
    }
    t->bytes += size;
    return 0;
}

int tree_add_file(struct tree *t, const char *path, int64_t size, bool executable, struct err *err)
{
    struct tree_node *node;

    if (add(t, path, TREE_FILE, &node, err) < 0 || add_bytes(t, size, err) < 0)
        return -1;
    node->size = size;
    node->executable = executable;
    return 0;
}

int tree_add_link(struct tree *t, const char *path, const char *target, struct err *err)
{
    struct tree_node *node;

    if ((int64_t)strlen(target) > t->max_path)
        return wrong(err, ERR_TOO_LARGE, path, "is a symbolic link with a target that is too long");
    if (add(t, path, TREE_LINK, &node, err) < 0)
        return -1;
    char *copy = mem_strdup(target);
    mem_free(node->target);
    node->target = copy;
    return 0;
}

int tree_add_hard(struct tree *t, const char *path, const char *target, struct err *err)
{
    char a[TREE_SHOWN], b[TREE_SHOWN];
    struct tree_node *to = tree_find(t, target), *from;

    if (!to || to->type == TREE_DIR || strcmp(path, target) == 0)
        return err_set(err, ERR_BAD_SOURCE, "the hard link '%s' points to '%s', which is not an earlier file",
                       tree_show(path, a), tree_show(target, b));
    if (to->type == TREE_LINK)
        return tree_add_link(t, path, to->target, err);
    if (add(t, path, TREE_FILE, &from, err) < 0 || add_bytes(t, to->size, err) < 0)
        return -1;
    from->size = to->size;
    from->executable = to->executable;
    if (t->hard_len == t->hard_cap) {
        t->hard_cap = t->hard_cap ? 2 * t->hard_cap : 16;
        t->hard = mem_resize(t->hard, t->hard_cap * sizeof(t->hard[0]));
    }
    t->hard[t->hard_len++] = (struct tree_pair){.from = from, .to = to};
    return 0;
}

void tree_sort(struct tree *t)
{
    if (t->len > 0)
        qsort(t->nodes, t->len, sizeof(t->nodes[0]), compare_slots);
}

int tree_check_link(const struct tree_node *link, const char *root, struct err *err)
{
    char a[TREE_SHOWN], b[TREE_SHOWN];
    const char *inside = link->path + (root[0] ? strlen(root) + 1 : 0);
    size_t room = 0;

    for (const char *p = inside; *p; p++)
        room += *p == '/';
    const char *why = tar_link_fault(link->target, room);
    if (!why && bad_bytes(link->target))
        why = "with control characters or stray bytes in its target";
    if (!why)
        return 0;
    err_set(err, ERR_BAD_SOURCE, "'%s' is a symbolic link %s: '%.60s'", tree_show(link->path, a), why,
            tree_show(link->target, b));
    return err_hint(err, "pack the file itself (tar -h follows links), or leave the link out");
}
