/*
 * plan.h - what will be built, decided before any project code runs. Pure:
 * no I/O, no Engine.
 *
 * Inputs are the profile, the job's options and what cargo says of the crate:
 * `cargo config get` (of the tarball's root .cargo/config.toml) and `cargo
 * metadata --no-deps`. The container's layout is fixed:
 *
 *     /work/src     the crate           /work/cargo   CARGO_HOME
 *     /work/target  CARGO_TARGET_DIR    /work/home, /work/tmp
 *     /work/out     what the link step makes
 *     /bloomery/profile, /bloomery/steps: data of the server, read-only
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "workers/profile.h"

/* What is kept of the crate's own cargo configuration. */
struct cargo_config {
    char *toml;       /* goes to $CARGO_HOME/config.toml; "" if nothing is kept */
    char **rustflags; /* --cfg, --check-cfg, -C target-feature=: allowed ones, NULL-terminated */
    char **warnings;  /* one a dropped key, for people; NULL-terminated */
    char **replaced;  /* other sources that are replaced too, as cargo writes them: "git+URL?rev=R", "registry+URL" */
    bool replaces_registry; /* [source.crates-io] is replaced by something inside the tarball: nothing is fetched */
};

/* config: the JSON of `cargo config get --format json` or NULL. Keeps [source] whose directory or local-registry lies
 * inside the tarball, [patch] with paths inside it, and of rustflags (build.rustflags, target.T.rustflags for the
 * profile's target) --cfg, --check-cfg and target features on the profile's `features` list. Paths become absolute
 * beneath /work/src. Everything else is dropped with a warning that names the key. */
void cargo_config_filter(const struct profile *p, const cJSON *config, struct cargo_config *ret);
void cargo_config_clear(struct cargo_config *c);

struct plan_output {
    char *name;            /* the artifact's: "hello-world.wasm" */
    size_t stem;           /* how much of it is the target's own name: "hello-world" */
    char *file;            /* what cargo makes, beneath /work/target: "wasm32-wasip1/release/hello-world.wasm" */
    const char *kind;      /* wasm | elf | ar: which inspector and contract; or tar */
    const char *file_kind; /* the same of `file`, which the link step may change */
    char *linked;          /* what the profile's link step makes of it, beneath /work/out; NULL: it has none */
    char **sides;          /* what it writes beside that, in the order of the profile's link.sides; NULL-terminated */
    size_t sides_count;
    char *lib; /* the target's name with underscores, as in cargo's file */
    bool is_bin;
};

/* cargo for one of the profile's further `targets`. */
struct plan_run {
    const char *target; /* the profile's */
    char **cargo, **env;
};

struct plan {
    char *crate_name, *crate_version;
    char *manifest;           /* /work/src/... of the package */
    char **cargo;             /* argv, NULL-terminated: "cargo", "build", ... */
    char **env;               /* KEY=VALUE, NULL-terminated: all that cargo gets beyond PATH */
    struct plan_run *further; /* one after the other, after that */
    size_t further_count;
    char *cargo_profile;         /* release, dev, or the crate's own */
    struct plan_output *outputs; /* primary first; at least one */
    size_t outputs_count;
    char **files;     /* absolute paths that [package.metadata.bloomery] names; NULL-terminated */
    char **link_env;  /* KEY=VALUE, NULL-terminated: what the link step gets of profile and crate; of each output there
                         is more (link.h) */
    bool needs_fetch; /* there are dependencies that the tarball does not bring */
    char **exports;   /* [package.metadata.bloomery] exports: wanted besides the contract's; NULL-terminated */
    char **warnings;  /* NULL-terminated */
};

/*
 * metadata: of cargo metadata --no-deps --format-version 1. Picks the package (option package; else that of
 * manifest_path; else the root package; else the only member; else the only member that gives what the profile
 * prefers; else ERR_BAD_SOURCE listing the members), the targets (option bin, else the profile's `prefer`), checks
 * features and cargo_profile's name, applies [package.metadata.bloomery] defaults (options given by the caller win).
 * ERR_BAD_SOURCE names what there is; ERR_DEPENDENCY for git or foreign-registry dependencies ("vendor them"). A lib
 * whose kind is only "lib" is built as cdylib or staticlib by `cargo rustc --lib --crate-type cdylib`.
 *
 * [package.metadata.bloomery] may say: bin, features, exports (lists), no_default_features, cargo_profile, and
 * prefer = "bin" | "cdylib" | "staticlib" for a package that has both. A workspace with one default member is that member. Bins whose
 * required-features are off are left out with a warning. The primary of several bins is default-run, else the package's
 * namesake, else the first by name. Besides, the keys that the profile declares in `metadata`: they reach the link step.
 *
 * The profile's own options are BLOOMERY_OPTION_NAME in env and link_env: true, false, a number or the text; "" where
 * neither the caller nor the profile gives a value.
 *
 * pinned: the version of the profile's compiler, "1.43.1": cargo is called in its dialect. An old one builds a lib by
 * `cargo build --lib`: steps/old.py writes the crate type into the manifest. */
int plan_make(const struct profile *p, const char *pinned, const cJSON *options, const cJSON *metadata,
              const struct cargo_config *config, struct plan *ret, struct err *err);
void plan_clear(struct plan *p);

/* A pattern of the profile's as a file's name: {name} is that of the artifact without its suffix, {lib} the target's with
 * underscores. The caller owns it. */
char *plan_file(const struct plan_output *out, const char *pattern);
