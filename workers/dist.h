/*
 * dist.h - the Rust project's own archives: from its dist server or a mirror of it, verified, taken apart.
 *
 * Words: an *archive* is one component as static.rust-lang.org serves it, NAME.tar.xz, in the format of
 * rust-installer: everything beneath NAME/, which holds `components` (one name a line), `rust-installer-version` and, for
 * each of these components, COMPONENT/manifest.in (lines `file:PATH` and `dir:PATH`) and the files themselves.
 *
 * Blocks: the calls belong to a command, not to the daemon's loop. Any thread.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/tar.h"

struct dist {
    const char
        *from; /* "https://static.rust-lang.org", "http://mirror.example/rust" or "/a/folder": what holds dist/ */
    const char *keep_dir;  /* where archives lie until the image is made, a folder of the caller's */
    const char *ca_bundle; /* PEM file that https trusts; NULL: the system's */
    int64_t max_bytes;     /* of one archive */
    int64_t stall_seconds; /* without a byte, then it is tried again from there */
    void (*progress)(const char *line);
};

enum { DIST_ELSEWHERE = 1 };

/*
 * All archives of an origin entry of docker/toolchains.json (its "path" and its "components": {"name", "also": [other
 * names to try], "sha256"}) into keep_dir, one after the other. What lies there verified is not fetched again; what was begun
 * is resumed, also from another place. Nothing that is not verified stays under an archive's name. Cuts, stalls and errors of
 * the server's own are tried again a few times. One caller at a time for a keep_dir; a folder's files are copied, never
 * changed.
 * DIST_ELSEWHERE: this server or folder cannot be reached, fails, or has no such file; err says so, and another may be
 * asked. ERR_TOOLCHAIN_MISSING: it gave something else than the pin names: file, expected and found sha256 stand in
 * the message, and what it gave is gone; or one larger than max_bytes. ERR_INTERNAL: the disk.
 */
int dist_fetch(const struct dist *d, const cJSON *origin, struct err *err);

/*
 * The files of all these archives, as an installation lays them out (bin/, lib/), beneath PREFIX/ of a tar that is being
 * written; after a failure that tar is worth nothing. Documentation (share/) is left out. ERR_TOOLCHAIN_MISSING, with the
 * archive removed: it is cut, is not of the format, or holds a path that does not belong (outside NAME/, "..", absolute, a
 * link or device, a file that no manifest names, a missing one that a manifest names, two of the same name, also in two
 * archives).
 */
int dist_unpack(const struct dist *d, const cJSON *origin, struct tar_writer *into, const char *prefix,
                struct err *err);

/* Remove what dist_fetch keeps of this origin, begun ones too. */
void dist_forget(const struct dist *d, const cJSON *origin);
