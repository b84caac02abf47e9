/*
 * doctor.h - can this machine do what the daemon promises? Looks at the Engine, cgroups, limits, disk, programs,
 * images, toolchains, kits and the ways out, and says of each what is wrong and what to do.
 *
 * A *finding* is one check's answer. Names are stable: docs/operations.md has the table. A check that could not be made
 * is a warning, never ok. Nothing is changed: what is made to try something (a cgroup, a work folder) is removed again.
 *
 * doctor.c and doctor_host.c judge facts and do no I/O but for doctor_room(); doctor_look.c gathers them; doctor_net.c
 * asks servers.
 */
#pragma once

#include "base/limits.h"
#include "docker/engine.h"
#include "workers/cgroup.h"
#include "workers/parts.h"
#include "workers/profile.h"
#include "workers/work.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };
const char *doctor_level_name(enum doctor_level level);

struct doctor_finding {
    const char *name; /* of the check; static */
    char *about;      /* which profile, pin or program; NULL: there is one only */
    enum doctor_level level;
    char *detail; /* what was seen */
    char *hint;   /* what to do; NULL only where the level is ok */
};

struct doctor_findings {
    struct doctor_finding *p;
    size_t count;
};
void doctor_clear(struct doctor_findings *f);

/* How it is set up; all borrowed. */
struct doctor_config {
    const char *state_dir, *engine_socket, *helper_dir, *ca_bundle, *work_mode;
    const char *version; /* that the helpers must have */
    int slots;
    uid_t build_uid;
    int64_t build_uids; /* how many from there on */
    int64_t files;      /* descriptors that the daemon wants */
    struct limits limits;
    const struct profiles *profiles; /* NULL: profiles_error says why not */
    const struct err *profiles_error;
    struct images_config images;
};

/* Every check, the most fundamental first. Blocks some 20 seconds at most when nothing answers. Any thread; nothing of
 * the daemon's needs to run, and it may. */
void doctor_examine(const struct doctor_config *cfg, struct doctor_findings *ret);

/* Is there room on the state folder's file system for new work? The same answer for the doctor and /readyz: *ret_detail
 * says it in words and belongs to the caller. */
bool doctor_room(const char *state_dir, int64_t least, char **ret_detail);

/* --- the judgements: facts in, findings added --- */

/* Adds one. about and hint may be NULL; hint is left out where the level is ok. */
void doctor_add(struct doctor_findings *f, const char *name, const char *about, enum doctor_level level,
                const char *hint, const char *detail, ...) __attribute__((format(printf, 6, 7)));

/* error->kind is ERR_NONE where the Engine answered. */
void doctor_engine(struct doctor_findings *f, const char *socket, const struct engine_info *info,
                   const struct err *error);

/* Only with an Engine that answers: what it and the kernel can hold. cgroup_error: why no cgroup could be made. */
void doctor_limits(struct doctor_findings *f, const struct doctor_config *cfg, const struct engine_info *info,
                   const struct cgroup_ability *cgroup, const struct err *cgroup_error);

/* How work folders are limited. error: why the mode that was wanted (auto: ext4) does not work, ERR_NONE if it does. */
void doctor_work(struct doctor_findings *f, const struct doctor_config *cfg, bool root, enum work_mode mode,
                 const struct err *error, int64_t memory_bytes);

/* account: one that has a uid of the range that builds use, or NULL. */
void doctor_user(struct doctor_findings *f, const struct doctor_config *cfg, bool root, const char *account);

struct doctor_folder {
    const char *path;                        /* of the folder, or of the nearest one above it that is there */
    bool there;                              /* the folder itself */
    bool is_folder;                          /* what is there is one */
    bool writable;                           /* by us */
    uid_t owner;                             /* of path */
    mode_t mode;                             /* of path */
    int64_t filesystem;                      /* f_type of statfs(2) */
    uint64_t device;                         /* st_dev */
    int64_t free_bytes, free_inodes, inodes; /* inodes 0: the file system has no such limit */
    struct err error;                        /* why it could not be looked at; ERR_NONE: it could */
};

void doctor_state(struct doctor_findings *f, const struct doctor_config *cfg, uid_t uid,
                  const struct doctor_folder *state);

/* engine_root NULL: the Engine did not answer. */
void doctor_disk(struct doctor_findings *f, const struct doctor_config *cfg, enum work_mode mode,
                 const struct doctor_folder *state, const struct doctor_folder *engine_root);

/* most: descriptors that this user may have. */
void doctor_descriptors(struct doctor_findings *f, const struct doctor_config *cfg, int64_t most);

/* said: the first line that `PROGRAM --version` printed; error: why it could not be run. */
void doctor_helper(struct doctor_findings *f, const struct doctor_config *cfg, const char *program, const char *said,
                   const struct err *error);

/* Both in seconds since 1970: now, and when this program was made. */
void doctor_clock(struct doctor_findings *f, int64_t now, int64_t made);

/* text: what the file holds, NULL with error set where it cannot be read. */
void doctor_authorities(struct doctor_findings *f, const char *path, const char *text, const struct err *error);

/* Where an archive or package can be had from. */
enum doctor_reach {
    DOCTOR_HAS_IT,
    DOCTOR_LACKS_IT,  /* it answers, and does not have this */
    DOCTOR_NO_ANSWER, /* why says it */
    DOCTOR_NOT_SET
};
struct doctor_origin {
    const char *origin; /* dist | mirror | debian */
    char *where;        /* the server or folder, without a password that its URL may hold; NULL: DOCTOR_NOT_SET */
    enum doctor_reach reach;
    char *why;
};
void doctor_toolchain(struct doctor_findings *f, const char *pin, const struct doctor_origin *origins, size_t count);
void doctor_registry(struct doctor_findings *f, const struct doctor_origin *registry);

/* --- asking servers (doctor_net.c) --- */

struct doctor_probes; /* questions under way, each in a thread of its own */

/* Does url answer to HEAD, within some seconds? A number to ask for the answer by. */
struct doctor_probes *doctor_probes_new(const char *ca_bundle);
size_t doctor_probes_ask(struct doctor_probes *p, const char *url);

/* Wait until all have answered or gave up, but not past the deadline (clock_monotonic_ms): a resolver may hang on. */
void doctor_probes_wait(struct doctor_probes *p, int64_t deadline_ms);

/* After the wait. *ret_why belongs to the caller; NULL where there is nothing to say. */
enum doctor_reach doctor_probes_answer(struct doctor_probes *p, size_t number, char **ret_why);
void doctor_probes_free(struct doctor_probes *p); /* threads that hang end by themselves */

/* A URL without user and password; the caller owns it. */
char *doctor_public_url(const char *url);
