/* cgroup.c - see cgroup.h. */
#include "workers/cgroup.h"

#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char ROOT[] = "/sys/fs/cgroup";

/* The trees in which version 1 may hold our folder. */
static const char *const CONTROLLERS[] = {"memory",  "cpuacct", "cpu",        "cpuset",  "pids",
                                          "devices", "freezer", "blkio",      "systemd", "net_cls",
                                          "hugetlb", "unified", "perf_event", "rdma",    "misc"};

static char *place(const char *driver, const char *instance, const char *run)
{
    if (strcmp(driver, "systemd") != 0)
        return run ? mem_printf("/bloomery/%s/%s", instance, run) : mem_printf("/bloomery/%s", instance);
    /* A dash is a level of the tree to systemd: a run's own dash must not be one. */
    AUTO(char_p) char *flat = mem_strdup(run ? run : "");
    for (char *p = flat; *p; p++)
        if (*p == '-')
            *p = '_';
    return run ? mem_printf("/bloomery.slice/bloomery-%s.slice/bloomery-%s-%s.slice", instance, instance, flat)
               : mem_printf("/bloomery.slice/bloomery-%s.slice", instance);
}

void cgroup_init(const struct engine_info *info, const char *instance, const char *run, struct cgroup *ret)
{
    ret->version = info->cgroup_version;
    ret->path = place(info->cgroup_driver, instance, run);
    ret->parent = mem_strdup(strcmp(info->cgroup_driver, "systemd") == 0 ? strrchr(ret->path, '/') + 1 : ret->path);
}

/* Reads a small file of the kernel's; "" where it is not there. */
static void slurp(const char *controller, const char *path, const char *file, char *ret, size_t size)
{
    AUTO(char_p)
    char *name =
        controller ? mem_printf("%s/%s%s/%s", ROOT, controller, path, file) : mem_printf("%s%s/%s", ROOT, path, file);
    AUTO(fd) int fd = open(name, O_RDONLY | O_CLOEXEC);

    ret[0] = '\0';
    if (fd < 0)
        return;
    ssize_t n = read(fd, ret, size - 1);
    ret[n > 0 ? n : 0] = '\0';
}

static int64_t number(const char *text, const char *key)
{
    const char *p = key ? strstr(text, key) : text;

    if (!p || !*p)
        return 0;
    return strtoll(p + (key ? strlen(key) : 0), NULL, 10);
}

/* Version 1 counts kills in the cgroup of the killed process only: add up the children. */
static int64_t oom_kills_v1(const char *path)
{
    AUTO(char_p) char *dir = mem_printf("%s/memory%s", ROOT, path);
    DIR *d = opendir(dir);
    int64_t sum = 0;
    char text[256];

    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.')
            continue;
        AUTO(char_p) char *child = mem_printf("%s/%s", path, e->d_name);
        slurp("memory", child, "memory.oom_control", text, sizeof text);
        sum += number(text, "oom_kill ");
    }
    if (d)
        closedir(d);
    return sum;
}

void cgroup_read(const struct cgroup *cg, struct cgroup_usage *ret)
{
    char text[1024];

    *ret = (struct cgroup_usage){0};
    if (!cg->path)
        return;
    if (cg->version == 1) {
        slurp("cpuacct", cg->path, "cpuacct.usage", text, sizeof text);
        ret->cpu_seconds = (double)number(text, NULL) / 1e9;
        slurp("memory", cg->path, "memory.max_usage_in_bytes", text, sizeof text);
        ret->peak_memory_bytes = number(text, NULL);
        ret->oom_kills = oom_kills_v1(cg->path);
        return;
    }
    slurp(NULL, cg->path, "cpu.stat", text, sizeof text);
    ret->cpu_seconds = (double)number(text, "usage_usec ") / 1e6;
    slurp(NULL, cg->path, "memory.peak", text, sizeof text);
    ret->peak_memory_bytes = number(text, NULL);
    slurp(NULL, cg->path, "memory.events", text, sizeof text);
    ret->oom_kills = number(text, "oom_kill ");
}

void cgroup_reset_peak(const struct cgroup *cg)
{
    if (!cg->path)
        return;
    AUTO(char_p)
    char *name = cg->version == 1 ? mem_printf("%s/memory%s/memory.max_usage_in_bytes", ROOT, cg->path)
                                  : mem_printf("%s%s/memory.peak", ROOT, cg->path);
    AUTO(fd) int fd = open(name, O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        ssize_t n = write(fd, "0", 1);
        (void)n;
    }
}

static void kill_all(const char *dir)
{
    AUTO(char_p) char *name = mem_printf("%s/cgroup.procs", dir);
    FILE *f = fopen(name, "re");
    long pid;

    while (f && fscanf(f, "%ld", &pid) == 1)
        if (pid > 1)
            kill((pid_t)pid, SIGKILL);
    if (f)
        fclose(f);
}

/* Children first: a cgroup with children cannot go. The tree is three levels deep. */
static void remove_tree(const char *dir, int depth)
{
    DIR *d = opendir(dir);

    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.' || depth == 0)
            continue;
        AUTO(char_p) char *sub = mem_printf("%s/%s", dir, e->d_name);
        remove_tree(sub, depth - 1);
    }
    closedir(d);
    for (int tries = 0; rmdir(dir) < 0 && errno == EBUSY && tries < 50; tries++) {
        kill_all(dir);
        usleep(10000); /* a killed process leaves its cgroup when it is reaped */
    }
}

static void remove_everywhere(const char *path, int version)
{
    if (version != 1) {
        AUTO(char_p) char *dir = mem_printf("%s%s", ROOT, path);
        remove_tree(dir, 4);
        return;
    }
    for (size_t i = 0; i < COUNT(CONTROLLERS); i++) {
        AUTO(char_p) char *dir = mem_printf("%s/%s%s", ROOT, CONTROLLERS[i], path);
        remove_tree(dir, 4);
    }
}

void cgroup_remove(struct cgroup *cg)
{
    if (cg->path)
        remove_everywhere(cg->path, cg->version);
    mem_free(cg->path);
    mem_free(cg->parent);
    *cg = (struct cgroup){0};
}

void cgroup_reap(const struct engine_info *info, const char *instance)
{
    AUTO(char_p) char *path = place(info->cgroup_driver, instance, NULL);

    remove_everywhere(path, info->cgroup_version);
}

static bool readable(const char *controller, const char *path, const char *file)
{
    char text[64];

    slurp(controller, path, file, text, sizeof text);
    return text[0] != '\0';
}

int cgroup_probe(int version, struct cgroup_ability *ret, struct err *err)
{
    const char *const tree[] = {version == 1 ? "/memory" : "", "/cpuacct"};
    size_t trees = version == 1 ? COUNT(tree) : 1;
    bool root = geteuid() == 0;
    /* Beside those of attempts, not among them: a daemon that starts now removes all that lies there. */
    AUTO(char_p) char *path = root ? mem_printf("/bloomery-probe-%lld", (long long)getpid()) : mem_strdup("");
    int sys = 0;

    for (size_t i = 0; i < trees && !sys; i++) {
        AUTO(char_p) char *dir = mem_printf("%s%s%s", ROOT, tree[i], path);
        if (root ? mkdir(dir, 0755) < 0 : access(dir, R_OK) < 0)
            sys = errno;
    }
    if (!sys) {
        ret->made = root;
        ret->cpu = version == 1 ? readable("cpuacct", path, "cpuacct.usage") : readable(NULL, path, "cpu.stat");
        if (version == 1) {
            ret->memory = ret->peak = readable("memory", path, "memory.max_usage_in_bytes");
        } else {
            /* The root of version 2 has no numbers of its own to look at. */
            char text[256];
            slurp(NULL, "", "cgroup.controllers", text, sizeof text);
            ret->memory = root ? readable(NULL, path, "memory.current") : strstr(text, "memory") != NULL;
            ret->peak = root ? readable(NULL, path, "memory.peak") : ret->memory;
        }
    }
    if (root)
        remove_everywhere(path, version);
    return sys ? err_sys(err, ERR_ENGINE, sys, "%s", ROOT) : 0;
}
