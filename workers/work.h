/*
 * work.h - the work folder of one attempt: a file system of its own, so that its limits
 * on bytes and files are the kernel's.
 *
 *     WORK/fs/src     the crate         WORK/fs/config   its cargo configuration, set aside
 *     WORK/fs/cargo   CARGO_HOME        WORK/fs/target   WORK/fs/home   WORK/fs/tmp
 *     WORK/fs/out     what the link step makes; made for it
 *
 * Modes: ext4 - a sparse file, formatted and loop-mounted; tmpfs - in memory;
 * plain - an ordinary folder that a watchdog measures (where the daemon is not root: the limit can be passed for
 * a moment).
 */
#pragma once

#include "base/err.h"

#include <stdint.h>
#include <sys/types.h>

enum work_mode { WORK_EXT4, WORK_TMPFS, WORK_PLAIN };
const char *work_mode_name(enum work_mode m);

/* Which mode this machine can do: tries ext4 once beneath dir. wanted: auto, or a mode's name (then it must work). */
int work_probe(const char *dir, const char *wanted, enum work_mode *ret, struct err *err);

struct work {
    char *dir; /* WORK */
    char *fs;  /* WORK/fs */
    enum work_mode mode;
    int64_t bytes, inodes; /* the limits */
    uid_t uid;
};

/* Make it, owned by uid where the daemon is root. ERR_ENGINE: the server's disk, or loop devices, ran out. */
int work_make(const char *dir, enum work_mode mode, int64_t bytes, int64_t inodes, uid_t uid, struct work *ret,
              struct err *err);

/* The root of its file system, for openings beneath it: a descriptor to close. */
int work_open(const struct work *w, struct err *err);

/* Make one of its folders anew, empty, whatever the build has put in its place. Nothing of the job's may run.
 * ERR_DISK_FULL: there is no room for it. */
int work_fresh(const struct work *w, const char *folder, struct err *err);

/* What is used of it now. Cheap, but in plain mode (walks the folder). */
struct work_use {
    int64_t bytes, files;
    bool full; /* a limit has been reached */
};
void work_usage(const struct work *w, struct work_use *ret);

/* Unmount and delete. Frees the strings. */
int work_remove(struct work *w, struct err *err);

/* Unmount and delete every work folder beneath dir: what a dead daemon left. */
int work_reap(const char *dir, struct err *err);
