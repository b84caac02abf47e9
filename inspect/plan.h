/*
 * plan.h - where the crate's root is in an archive, and what of the archive is
 * unpacked to which place. Decided from the table of paths alone, so that
 * `check` and `extract` cannot differ. Borrows the tree. One thread.
 */
#pragma once

#include "inspect/tree.h"

#include <stdbool.h>

enum plan_place {
    PLAN_SOURCE,         /* to src/ */
    PLAN_CONFIG,         /* cargo's configuration at the root: to config/.cargo/config.toml */
    PLAN_IGNORED_CONFIG, /* cargo's configuration elsewhere */
    PLAN_SKIPPED         /* no part of the crate */
};

struct plan {
    const struct tree *tree; /* sorted */
    char *root;              /* the folder that is taken off, "" if there is none */
    char *manifest;          /* relative to the root */
    char *config;            /* path in the tree, or NULL */
    bool stale_target;       /* target/ at the root is cargo's output */
};

/* Finds the root and holds links against it. manifest_path NULL is Cargo.toml. *p zeroed; plan_clear in any case. */
int plan_make(const struct tree *sorted, const char *manifest_path, struct plan *p, struct err *err);
void plan_clear(struct plan *p);

enum plan_place plan_place(const struct plan *p, const struct tree_node *node);

/* The part of a path below the root; NULL if it is not below. "" is the root itself. */
const char *plan_inside(const struct plan *p, const char *path);

/* Is there a file (not a link) with this path below the root? */
bool plan_has_file(const struct plan *p, const char *inside);
