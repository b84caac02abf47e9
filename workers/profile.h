/*
 * profile.h - a target profile: a folder of data that says for which host a
 * crate is built and how. Loaded at start and at SIGHUP, read-only after that.
 *
 * profile.json is described by schema/profile.schema.json and
 * docs/adding-a-profile.md. struct profile borrows from its JSON.
 */
#pragma once

#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"

struct profile {
    const char *name, *title, *target, *toolchain;
    char *dir;                         /* absolute path of its folder */
    cJSON *json;                       /* the whole file, as it was when it was read */
    char json_sha256[SHA256_HEX_SIZE]; /* of its bytes then; "": not read from a file */
    struct limits limits;              /* the server's, with the profile's overrides */
};

struct profiles; /* a set, reference-counted */

/* Load every DIR/NAME/profile.json of the NULL-terminated list of folders; a later folder may not redefine a name.
 * A broken profile fails the load, with the file and the field in the message. */
int profiles_load(const char *const *dirs, const struct limits *limits, struct profiles **ret, struct err *err);
struct profiles *profiles_ref(struct profiles *p);
void profiles_unref(struct profiles *p);
size_t profiles_count(const struct profiles *p);
const struct profile *profiles_at(const struct profiles *p, size_t i);
const struct profile *profiles_find(const struct profiles *p, const char *name); /* NULL: none */

/* One query parameter. */
struct param {
    const char *key, *value; /* decoded */
};

/*
 * Check the options of a request against the common options of design.md
 * section 3 and the profile's own, and give the canonical object: typed values,
 * sorted keys, defaults left out. In a group of several profiles a key like
 * "ao.memory" is meant for profile ao only; for one profile the bare key is enough.
 * `params` holds what is left when profile, source, wait and label.* were taken
 * out. Lists are arrays, env.NAME becomes {"env":{"NAME":"value"}}, trial=off becomes "trial":false. A key with another
 * profile's prefix is skipped when in_group: the caller checks that the prefix is one of the group's.
 * ERR_BAD_REQUEST names the parameter, what was wrong and what is allowed. The caller owns *ret.
 */
int profile_options(const struct profile *p, const struct param *params, size_t count, bool in_group, cJSON **ret,
                    struct err *err);

/* The JSON of /v1/profiles/{name}: name, title, target, toolchain (the pin), options with their types, defaults and docs
 * (common ones too), limits, primary and side artifacts, host. Without `available`: the caller adds it. */
cJSON *profile_describe(const struct profile *p);

/* --- between profile.c, profile_check.c, profile_lists.c and profile_options.c --- */

/* Check p->json, which lies in that folder, and fill in what *p borrows from it, and its limits. ERR_BAD_REQUEST names the
 * field. */
int profile_check(struct profile *p, const char *folder, struct err *err);

/* Puts the names that files of p->dir list in the place of the entries "@FILE" of the contracts' lists. After profile_check.
 * ERR_BAD_REQUEST names the field and the file. */
int profile_lists(struct profile *p, struct err *err);

/* True if a common option has this name: a profile's own may not. */
bool profile_options_reserved(const char *name);

/* Can this be given to cargo --profile, and does it make a folder of its own? */
bool profile_options_cargo_profile(const char *name);

/* Check the declaration of one option of a profile's own, its default included. ERR_BAD_REQUEST names the field. */
int profile_options_declared(const char *name, const cJSON *declared, struct err *err);

/* {"NAME":{"type","default","values","min","max","doc","scope":"common"|"profile"}}; the caller owns it. */
cJSON *profile_options_describe(const struct profile *p);
