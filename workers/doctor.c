/* doctor.c - see doctor.h: findings; the Engine, limits, work folders and who the builds run as. */
#include "workers/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GIB (INT64_C(1) << 30)

const char *doctor_level_name(enum doctor_level level)
{
    static const char *const names[] = {"ok", "warn", "fail"};

    return names[level];
}

void doctor_clear(struct doctor_findings *f)
{
    for (size_t i = 0; i < f->count; i++) {
        mem_free(f->p[i].about);
        mem_free(f->p[i].detail);
        mem_free(f->p[i].hint);
    }
    mem_free(f->p);
    *f = (struct doctor_findings){0};
}

void doctor_add(struct doctor_findings *f, const char *name, const char *about, enum doctor_level level,
                const char *hint, const char *detail, ...)
{
    char text[1024];
    va_list args;

    va_start(args, detail);
    vsnprintf(text, sizeof text, detail, args);
    va_end(args);
    f->p = mem_resize(f->p, (f->count + 1) * sizeof *f->p);
    f->p[f->count++] = (struct doctor_finding){.name = name,
                                               .about = mem_strdup(about),
                                               .level = level,
                                               .detail = mem_strdup(text),
                                               .hint = level == DOCTOR_OK ? NULL : mem_strdup(hint)};
}

/* --- the Engine --- */

static void judge_driver(struct doctor_findings *f, const struct engine_info *info)
{
    static const char *const native[] = {"overlay2", "overlayfs", "btrfs", "zfs"};
    static const char hint[] =
        "use the overlay2 storage driver on ext4, or on xfs with ftype=1 (/etc/docker/daemon.json: "
        "\"storage-driver\": \"overlay2\"); images must be built again then";

    for (size_t i = 0; i < COUNT(native); i++) {
        if (strcmp(info->storage_driver, native[i]) != 0)
            continue;
        if (info->no_d_type)
            doctor_add(f, "storage_driver", NULL, DOCTOR_WARN, hint,
                       "%s on a file system without d_type: files can be lost in images", info->storage_driver);
        else
            doctor_add(f, "storage_driver", NULL, DOCTOR_OK, NULL, "%s", info->storage_driver);
        return;
    }
    doctor_add(f, "storage_driver", NULL, DOCTOR_WARN, hint, "%s: slow, and each container may take an image's size",
               info->storage_driver[0] ? info->storage_driver : "the Engine does not name it");
}

void doctor_engine(struct doctor_findings *f, const char *socket, const struct engine_info *info,
                   const struct err *error)
{
    struct err refused = ERR_INIT;

    if (error->kind != ERR_NONE) {
        doctor_add(f, "engine", NULL, DOCTOR_FAIL,
                   error->hint[0] ? error->hint : "install Docker Engine 20.10 or newer, or look at its log", "%s",
                   error->msg);
        return;
    }
    doctor_add(f, "engine", NULL, DOCTOR_OK, NULL, "Docker Engine %s on %s, API %s", info->version, socket, info->api);
    if (engine_supported(info, &refused) < 0)
        doctor_add(f, "engine_kind", NULL, DOCTOR_FAIL, refused.hint, "%s", refused.msg);
    else
        doctor_add(f, "engine_kind", NULL, DOCTOR_OK, NULL, "%s/%s, run by root, user ids as on the host",
                   info->os_type, info->architecture);
    judge_driver(f, info);
    if (info->seccomp)
        doctor_add(f, "seccomp", NULL, DOCTOR_OK, NULL, "containers get the Engine's system call filter");
    else
        doctor_add(f, "seccomp", NULL, DOCTOR_WARN,
                   "use a kernel and an Engine with seccomp, and no seccomp-profile=unconfined in "
                   "/etc/docker/daemon.json",
                   "the Engine filters no system calls: what a crate runs reaches all of the kernel");
}

/* --- limits --- */

static void judge_cgroup(struct doctor_findings *f, const struct engine_info *info, const struct cgroup_ability *c,
                         const struct err *error)
{
    static const char hint[] =
        "run bloomeryd as root on the host itself, with /sys/fs/cgroup mounted and writable, and "
        "with the controllers cpu, memory and pids switched on";

    if (error->kind != ERR_NONE)
        doctor_add(f, "cgroups", NULL, DOCTOR_WARN, hint,
                   "v%d, but no cgroup can be made: %s; jobs show no CPU seconds and no peak memory",
                   info->cgroup_version, error->msg);
    else if (!c->cpu || !c->memory)
        doctor_add(f, "cgroups", NULL, DOCTOR_WARN, hint, "v%d, driver %s, but %s cannot be read of a cgroup",
                   info->cgroup_version, info->cgroup_driver,
                   c->cpu      ? "memory"
                   : c->memory ? "CPU time"
                               : "CPU time and memory");
    else if (!c->peak)
        doctor_add(f, "cgroups", NULL, DOCTOR_WARN, "use kernel 5.19 or newer",
                   "v%d, driver %s; the kernel keeps no peak: jobs show no peak_memory_bytes", info->cgroup_version,
                   info->cgroup_driver);
    else
        doctor_add(f, "cgroups", NULL, DOCTOR_OK, NULL, "v%d, driver %s; %s", info->cgroup_version, info->cgroup_driver,
                   c->made ? "one could be made, read and removed" : "they can be read");
}

static void judge_limit(struct doctor_findings *f, const char *name, bool held, enum doctor_level level,
                        const char *fine, const char *otherwise)
{
    static const char hint[] = "use a kernel with this controller (not cgroup_disable=... on its command line), then "
                               "restart the Engine; `docker info` lists what it lacks";

    if (held)
        doctor_add(f, name, NULL, DOCTOR_OK, NULL, "%s", fine);
    else
        doctor_add(f, name, NULL, level, hint, "%s", otherwise);
}

void doctor_limits(struct doctor_findings *f, const struct doctor_config *cfg, const struct engine_info *info,
                   const struct cgroup_ability *cgroup, const struct err *cgroup_error)
{
    int64_t wanted = cfg->limits.job_memory_bytes * cfg->slots;

    judge_cgroup(f, info, cgroup, cgroup_error);
    judge_limit(f, "limit.job_memory_bytes", info->limits_memory, DOCTOR_FAIL, "the kernel holds it",
                "the Engine cannot limit memory: one job can take all that there is");
    if (info->limits_swap || !info->limits_memory)
        judge_limit(f, "limit.swap", info->limits_swap, DOCTOR_WARN, "a job may not swap",
                    "the Engine cannot limit swap either: a job may swap");
    else
        doctor_add(f, "limit.swap", NULL, DOCTOR_WARN,
                   "boot with swapaccount=1 (cgroups v1), or switch swap off; then restart the Engine",
                   "swap is not accounted: a job may swap as much as it has memory");
    judge_limit(f, "limit.job_pids", info->limits_pids, DOCTOR_FAIL, "the kernel holds it",
                "the Engine cannot limit processes: one job can take all that the machine may have");
    if (cfg->limits.job_cpus <= 0)
        doctor_add(f, "limit.job_cpus", NULL, DOCTOR_OK, NULL, "not set: a job may use all %d processors", info->cpus);
    else
        judge_limit(f, "limit.job_cpus", info->limits_cpu, DOCTOR_WARN, "the kernel holds it",
                    "job_cpus is set, and the Engine cannot limit CPU: a job uses all processors");
    judge_limit(f, "limit.job_cpu_seconds", cgroup_error->kind == ERR_NONE && cgroup->cpu, DOCTOR_WARN,
                "measured by the job's cgroup",
                "a job's CPU time cannot be read: job_wall_seconds alone ends a job that computes for ever");
    if (info->memory_bytes > 0 && info->memory_bytes < wanted)
        doctor_add(f, "memory", NULL, DOCTOR_WARN, "take fewer slots, or a smaller job_memory_bytes",
                   "%.1f GiB, but %d slots with %.1f GiB each may ask for more: then the kernel ends jobs, or others",
                   (double)info->memory_bytes / GIB, cfg->slots, (double)cfg->limits.job_memory_bytes / GIB);
    else
        doctor_add(f, "memory", NULL, DOCTOR_OK, NULL, "%.1f GiB for %d slots with %.1f GiB each",
                   (double)info->memory_bytes / GIB, cfg->slots, (double)cfg->limits.job_memory_bytes / GIB);
}

void doctor_work(struct doctor_findings *f, const struct doctor_config *cfg, bool root, enum work_mode mode,
                 const struct err *error, int64_t memory_bytes)
{
    static const char name[] = "limit.work_bytes";
    int64_t wanted = (cfg->limits.job_memory_bytes + cfg->limits.work_bytes) * cfg->slots;
    bool named = strcmp(cfg->work_mode, "auto") != 0;

    if (error->kind != ERR_NONE && named)
        doctor_add(f, name, NULL, DOCTOR_FAIL,
                   root ? "load the loop module and install e2fsprogs and mount, or set work_mode = auto"
                        : "run bloomeryd as root, or set work_mode = auto",
                   "%s; the daemon does not start like this", error->msg);
    else if (mode == WORK_PLAIN)
        doctor_add(f, name, NULL, DOCTOR_WARN,
                   !root   ? "run bloomeryd as root"
                   : named ? "set work_mode = auto"
                           : "load the loop module and install e2fsprogs and mount, or set work_mode = tmpfs",
                   "plain: a watchdog measures work folders, so a job can pass work_bytes and work_inodes for a moment "
                   "and fill the disk of all%s%s",
                   root && error->kind != ERR_NONE ? "; " : "", root ? error->msg : "");
    else if (mode == WORK_TMPFS && memory_bytes > 0 && memory_bytes < wanted)
        doctor_add(f, name, NULL, DOCTOR_WARN, "take fewer slots, a smaller work_bytes, or work_mode = ext4",
                   "tmpfs: work folders lie in memory, and %d of them may ask for more than there is", cfg->slots);
    else
        doctor_add(f, name, NULL, DOCTOR_OK, NULL, "%s: the kernel holds work_bytes and work_inodes",
                   work_mode_name(mode));
}

void doctor_user(struct doctor_findings *f, const struct doctor_config *cfg, bool root, const char *account)
{
    if (!root) {
        doctor_add(f, "user", NULL, DOCTOR_WARN, "run bloomeryd as root (docs/security.md says what it costs not to)",
                   "not root: all jobs and the daemon have one uid, and a job's cgroup stays behind, empty");
        return;
    }
    doctor_add(f, "user", NULL, DOCTOR_OK, NULL, "root: each slot builds with uids of its own");
    long long first = (long long)cfg->build_uid, last = first + cfg->build_uids - 1;
    if (account)
        doctor_add(f, "build_uids", NULL, DOCTOR_FAIL, "set build_uid to a range that no account has",
                   "the account %.64s has one of the uids %lld to %lld, which builds run as", account, first, last);
    else
        doctor_add(f, "build_uids", NULL, DOCTOR_OK, NULL, "%lld to %lld belong to nobody", first, last);
}
