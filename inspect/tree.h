/*
 * tree.h - what an archive would put where: a table of its paths, and the
 * rules that every path has to keep. Nothing here touches a disk.
 *
 * The tree owns its nodes. Memory is bounded by the limits given to tree_new.
 * One thread.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

#include <stdint.h>

enum {
    TREE_MAX_DEPTH = 64,      /* folders in one another */
    TREE_MAX_COMPONENT = 255, /* bytes of one name, as file systems have it */
    TREE_SHOWN = 160          /* bytes that tree_show writes */
};

enum tree_type { TREE_DIR, TREE_FILE, TREE_LINK };

struct tree_node {
    char *path;   /* "a/b", no leading, trailing or double slash */
    char *target; /* of a symbolic link, else NULL */
    enum tree_type type;
    int64_t size;
    bool executable;
    bool made; /* for who extracts: it is on the disk already */
};

/* A hard link: `from` is a name for what `to` was when the entry came. */
struct tree_pair {
    struct tree_node *from;
    struct tree_node *to;
};

struct tree {
    struct tree_node **nodes; /* in the order of arrival until tree_sort */
    size_t len;
    struct tree_pair *hard;
    size_t hard_len;
    int64_t bytes;   /* logical bytes of all files, those that were replaced too */
    int64_t entries; /* entries of the archive and folders that it implies */

    void *index; /* tsearch, by path */
    size_t cap;
    size_t hard_cap;
    int64_t max_bytes;
    int64_t max_files;
    int64_t max_path;
};

struct tree *tree_new(int64_t max_bytes, int64_t max_files, int64_t max_path);
void tree_free(struct tree *t);
AUTO_DEFINE(tree_p, struct tree *, tree_free, NULL)

enum { TREE_NOTHING = 1 };
/* The path of an entry as the table has it: "./" and doubled slashes are gone. Absolute paths, "..", empty names,
 * control characters, bytes that are not UTF-8 and sizes beyond the limits are ERR_BAD_SOURCE or ERR_TOO_LARGE.
 * TREE_NOTHING: it is the top itself. The caller owns *ret. */
int tree_clean(const struct tree *t, const char *raw, char **ret, struct err *err);

/* Each adds a clean path. A path keeps its type; its parents are folders; a later file or link replaces an earlier. */
int tree_add_dir(struct tree *t, const char *path, struct err *err);
int tree_add_file(struct tree *t, const char *path, int64_t size, bool executable, struct err *err);
int tree_add_link(struct tree *t, const char *path, const char *target, struct err *err);
/* The target is a clean path, of a file or a link that came earlier. */
int tree_add_hard(struct tree *t, const char *path, const char *target, struct err *err);

struct tree_node *tree_find(const struct tree *t, const char *path); /* NULL if there is none */
void tree_sort(struct tree *t); /* by path, so that folders come before what is in them */

/* Does a symbolic link stay inside the root? `root` is the clean path of a folder above the link, "" for the top.
 * ".." is allowed only at the start of the target and only as often as there are folders between link and root. */
int tree_check_link(const struct tree_node *link, const char *root, struct err *err);

/* The path for people: clipped in the middle, control characters and stray bytes as '?'. Returns ret. */
const char *tree_show(const char *path, char ret[TREE_SHOWN]);
