/*
 * layout.h - where the crate's (or the kit's) root is in an archive, and what of
 * the archive is unpacked to which place. Decided from the table of paths alone, so that
 * `check` and `extract` cannot differ. Borrows the tree. One thread.
 */
#pragma once

#include "inspect/tree.h"

#include <stdbool.h>

enum layout_place {
    LAYOUT_SOURCE,         /* to src/ */
    LAYOUT_CONFIG,         /* cargo's configuration at the root: to config/.cargo/config.toml */
    LAYOUT_IGNORED_CONFIG, /* cargo's configuration elsewhere */
    LAYOUT_SKIPPED         /* no part of the crate */
};

struct layout {
    const struct tree *tree; /* sorted */
    char *root;              /* the folder that is taken off, "" if there is none */
    char *manifest;          /* relative to the root */
    char *config;            /* path in the tree, or NULL */
    bool stale_target;       /* target/ at the root is cargo's output */
    bool kit;                /* no crate: nothing in it is cargo's */
};

/* Finds the root and holds links against it. manifest_path NULL is Cargo.toml. *p zeroed; layout_clear in any case. */
int layout_make(const struct tree *sorted, const char *manifest_path, struct layout *p, struct err *err);
/* The same for a kit, whose root is where kit.json lies; all that is below it goes to src/. */
int layout_make_kit(const struct tree *sorted, struct layout *p, struct err *err);
void layout_clear(struct layout *p);

enum layout_place layout_place_of(const struct layout *p, const struct tree_node *node);

/* The part of a path below the root; NULL if it is not below. "" is the root itself. */
const char *layout_inside(const struct layout *p, const char *path);

/* Is there a file (not a link) with this path below the root? */
bool layout_has_file(const struct layout *p, const char *inside);
