/*
 * kits.h - third-party trees that an operator installs for a profile: a sysroot, a linker script, the lists of what a
 * host provides.
 *
 * A kit is an archive with a kit.json (schema/kit.schema.json, docs/kits.md) at its root. Installed it lies in
 * STATE/kits/SHA256/, named by the archive's hash, read-only; a profile has at most one. Its hash is part of the digest
 * of the profile's image, into which its files are copied (/opt/bloomery/kit).
 * Reads and writes files only. Any thread; installing and removing hold a lock in STATE/kits.
 */
#pragma once

#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"

#include <sys/types.h>

struct kit {
    char sha256[SHA256_HEX_SIZE]; /* of the archive */
    char *dir;                    /* its folder */
    cJSON *json;                /* kit.json, checked; the symbols of allowed_undefined_files are in allowed_undefined */
    const char *name, *version; /* borrowed from json */
    const char *link;           /* its link entry point, relative to dir; NULL: it has none */
    int64_t installed_ns;       /* since 1970; of two kits for one profile the later one counts */
};

void kit_clear(struct kit *k);

bool kit_serves(const struct kit *k, const char *profile);
char *kit_profiles(const struct kit *k); /* "unikraft, unikraft-modern"; the caller owns it */

/* The kit that is installed for a profile. 1: none (err untouched). */
int kits_find(const char *state_dir, const char *profile, struct kit *ret, struct err *err);

enum { KITS_THERE = 1 };
/* Check and unpack an archive. `sha256` is what the operator expects (64 hex digits); uid: who unpacks it when the
 * caller is root. The kits that served one of its profiles before are removed after it is in place. KITS_THERE: this
 * very archive was installed already, *ret is filled. Nothing changes on failure: ERR_BAD_REQUEST and ERR_TOO_LARGE name
 * what is wrong (another hash, a path outside, a field of kit.json, a file that kit.json names and the archive lacks). */
int kits_install(const char *state_dir, const char *helper_dir, const char *file, const char *sha256,
                 const struct limits *limits, uid_t uid, struct kit *ret, struct err *err);

struct kit_list {
    struct kit *p; /* by name, then version */
    size_t count;
};
int kits_list(const char *state_dir, struct kit_list *ret, struct err *err);
void kit_list_clear(struct kit_list *l);

/* By name or by the first digits (4 at least) of its sha256. *ret: what it was. 1: there is none such, err lists those
 * that there are. ERR_BAD_REQUEST: several match. */
int kits_remove(const char *state_dir, const char *name, struct kit *ret, struct err *err);

/* --- between kits.c and kit_json.c --- */

/* Hold kit.json against schema/kit.schema.json. ERR_BAD_REQUEST names the field. */
int kit_json_check(const cJSON *json, struct err *err);

/* The kit in a folder: all but sha256 and installed_ns. The files that kit.json names are there, or ERR_BAD_REQUEST. */
int kit_json_load(const char *dir, struct kit *ret, struct err *err);

static inline void auto_kit(struct kit *k)
{
    kit_clear(k);
}

static inline void auto_kit_list(struct kit_list *l)
{
    kit_list_clear(l);
}
