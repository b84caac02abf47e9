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

struct kit {
    char sha256[SHA256_HEX_SIZE]; /* of the archive */
    char *dir;                    /* its folder */
    cJSON *json;                  /* kit.json, checked */
    const char *name, *version;   /* borrowed from json */
    const char *link;             /* its link entry point, relative to dir; NULL: it has none */
};

void kit_clear(struct kit *k);

/* The kit that is installed for a profile. 1: none (err untouched). */
int kits_find(const char *state_dir, const char *profile, struct kit *ret, struct err *err);

/* Check and unpack an archive. `sha256` is what the operator expects (64 hex digits). The kits that served
 * one of its profiles before are removed after it is in place. Nothing changes on failure: ERR_BAD_REQUEST names what
 * is wrong (another hash, a path outside, a field of kit.json, a file that kit.json names and the archive lacks). */
int kits_install(const char *state_dir, const char *helper_dir, const char *file, const char *sha256,
                 const struct limits *limits, struct kit *ret, struct err *err);

struct kit_list {
    struct kit *p;
    size_t count;
};
int kits_list(const char *state_dir, struct kit_list *ret, struct err *err);
void kit_list_clear(struct kit_list *l);

/* By name or by the first digits of its sha256. 1: there is none such, err lists those that there are. */
int kits_remove(const char *state_dir, const char *name, struct err *err);

static inline void auto_kit(struct kit *k)
{
    kit_clear(k);
}
