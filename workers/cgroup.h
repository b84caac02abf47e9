/*
 * cgroup.h - the cgroup parent of one attempt: what it used, and whether the
 * kernel had to kill for want of memory. The Engine makes the cgroups of the containers
 * beneath it; the numbers outlive them until cgroup_remove.
 *
 * Works on cgroups v1 (each controller a tree) and v2; where the daemon is not
 * root, or the Engine uses systemd slices, the same files are read at their place.
 */
#pragma once

#include "docker/engine.h"

#include <stdbool.h>
#include <stdint.h>

struct cgroup {
    char *parent; /* what the Engine gets as CgroupParent */
    char *path;   /* its place beneath a controller's root, "/bloomery/..." */
    int version;
};

struct cgroup_usage {
    double cpu_seconds;
    int64_t peak_memory_bytes; /* page cache included; 0: not known */
    int64_t oom_kills;         /* by the kernel, in the containers that exist now */
};

void cgroup_init(const struct engine_info *info, const char *instance, const char *run, struct cgroup *ret);
void cgroup_read(const struct cgroup *cg, struct cgroup_usage *ret);
void cgroup_reset_peak(
    const struct cgroup *cg);          /* so that the next read gives a phase's own peak, where the kernel can */
void cgroup_remove(struct cgroup *cg); /* processes left are killed; also frees the strings */

/* What of the above works here? As root a cgroup is made, read and removed; else only those that are there are looked
 * at. <0: none can be made or seen, err says why. */
struct cgroup_ability {
    bool made;              /* it was tried */
    bool cpu, memory, peak; /* these numbers can be read */
};
int cgroup_probe(int version, struct cgroup_ability *ret, struct err *err);

/* Remove every cgroup of this instance: what a dead daemon left. */
void cgroup_reap(const struct engine_info *info, const char *instance);
