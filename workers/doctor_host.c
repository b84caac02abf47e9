/* doctor_host.c - see doctor.h: what is judged of the machine itself: folders, disks, programs, clock, the ways out. */
#include "workers/doctor.h"

#include "base/buf.h"
#include "base/fs.h"

#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)
#define ENGINE_LOW (5 * GIB)    /* what the images of a few profiles take while they are built */
#define ENGINE_NONE (256 * MIB) /* here the Engine itself begins to fail */
#define INODES_LOW 50000

/* --- the state folder --- */

enum place { PLACE_LOCAL, PLACE_MEMORY, PLACE_PERHAPS, PLACE_NETWORK };

/* Magic numbers that linux/magic.h lacks are those of statfs(2). */
static enum place place_of(int64_t type, const char **ret_name)
{
    static const struct {
        uint32_t type;
        enum place place;
        const char *name;
    } known[] = {
        {EXT4_SUPER_MAGIC, PLACE_LOCAL, "ext4"},     {0x58465342, PLACE_LOCAL, "xfs"},
        {BTRFS_SUPER_MAGIC, PLACE_LOCAL, "btrfs"},   {0x2fc12fc1, PLACE_LOCAL, "zfs"},
        {F2FS_SUPER_MAGIC, PLACE_LOCAL, "f2fs"},     {OVERLAYFS_SUPER_MAGIC, PLACE_LOCAL, "overlay"},
        {TMPFS_MAGIC, PLACE_MEMORY, "tmpfs"},        {RAMFS_MAGIC, PLACE_MEMORY, "ramfs"},
        {FUSE_SUPER_MAGIC, PLACE_PERHAPS, "fuse"},   {NFS_SUPER_MAGIC, PLACE_NETWORK, "nfs"},
        {SMB_SUPER_MAGIC, PLACE_NETWORK, "smb"},     {0xff534d42, PLACE_NETWORK, "cifs"},
        {0xfe534d42, PLACE_NETWORK, "smb2"},         {V9FS_MAGIC, PLACE_NETWORK, "9p"},
        {0x00c36400, PLACE_NETWORK, "ceph"},         {AFS_SUPER_MAGIC, PLACE_NETWORK, "afs"},
        {AFS_FS_MAGIC, PLACE_NETWORK, "afs"},        {CODA_SUPER_MAGIC, PLACE_NETWORK, "coda"},
        {OCFS2_SUPER_MAGIC, PLACE_NETWORK, "ocfs2"}, {0x01161970, PLACE_NETWORK, "gfs2"},
        {0x0bd00bd0, PLACE_NETWORK, "lustre"},       {0x564c, PLACE_NETWORK, "ncp"},
    };

    for (size_t i = 0; i < COUNT(known); i++) {
        if (known[i].type == (uint32_t)type) {
            *ret_name = known[i].name;
            return known[i].place;
        }
    }
    *ret_name = NULL;
    return PLACE_LOCAL;
}

static void judge_owner(struct doctor_findings *f, const struct doctor_config *cfg, uid_t uid,
                        const struct doctor_folder *s)
{
    unsigned mode = s->mode & 07777U;

    if (s->error.kind != ERR_NONE)
        doctor_add(f, "state", NULL, DOCTOR_FAIL, "set `state` to a folder that the daemon's user may use", "%s",
                   s->error.msg);
    else if (!s->is_folder)
        doctor_add(f, "state", NULL, DOCTOR_FAIL, "set `state` to a folder, or move away what is there",
                   "%s is not a folder", s->path);
    else if (!s->there && !s->writable)
        doctor_add(f, "state", NULL, DOCTOR_FAIL,
                   "make it as root and give it to the daemon's user, or set `state` to another folder",
                   "%s is not there, and this user may not make it in %s", cfg->state_dir, s->path);
    else if (!s->there)
        doctor_add(f, "state", NULL, DOCTOR_OK, NULL, "%s is not there yet; the daemon makes it", cfg->state_dir);
    else if (s->owner != uid)
        doctor_add(f, "state", NULL, s->writable ? DOCTOR_WARN : DOCTOR_FAIL,
                   "call the doctor as the user that the daemon runs as, or give the folder to that user",
                   "%s belongs to uid %lld, and this is uid %lld", s->path, (long long)s->owner, (long long)uid);
    else if (!s->writable)
        doctor_add(f, "state", NULL, DOCTOR_FAIL, "give its owner the right to write, and mount it read-write",
                   "%s (mode %04o) cannot be written to", s->path, mode);
    else if (mode & 022U)
        doctor_add(f, "state", NULL, DOCTOR_WARN, "chmod go-w it: who writes there decides what jobs deliver",
                   "%s can be written to by others (mode %04o)", s->path, mode);
    else
        doctor_add(f, "state", NULL, DOCTOR_OK, NULL, "%s, mode %04o", s->path, mode);
}

void doctor_state(struct doctor_findings *f, const struct doctor_config *cfg, uid_t uid, const struct doctor_folder *s)
{
    static const char hint[] =
        "set `state` to a folder on a local disk: SQLite's locks and memory maps do not hold over a "
        "network";
    const char *name = NULL;

    judge_owner(f, cfg, uid, s);
    if (s->error.kind != ERR_NONE)
        return;
    switch (place_of(s->filesystem, &name)) {
    case PLACE_NETWORK:
        doctor_add(f, "state_filesystem", NULL, DOCTOR_FAIL, hint, "%s lies on %s, a file system of a network", s->path,
                   name);
        return;
    case PLACE_PERHAPS:
        doctor_add(f, "state_filesystem", NULL, DOCTOR_WARN, hint, "%s lies on %s: it may be a network's", s->path,
                   name);
        return;
    case PLACE_MEMORY:
        doctor_add(f, "state_filesystem", NULL, DOCTOR_WARN, "set `state` to a folder on a disk",
                   "%s lies in memory (%s): all jobs are gone after a restart of the machine", s->path, name);
        return;
    case PLACE_LOCAL:
        break;
    }
    if (name)
        doctor_add(f, "state_filesystem", NULL, DOCTOR_OK, NULL, "%s", name);
    else
        doctor_add(f, "state_filesystem", NULL, DOCTOR_OK, NULL, "type 0x%llx, none of a network that is known",
                   (unsigned long long)s->filesystem);
}

/* --- disks --- */

static bool room(int64_t available, int64_t least, char **ret_detail)
{
    *ret_detail = mem_printf("%lld bytes are free, %lld must be", (long long)available, (long long)least);
    return available >= least;
}

bool doctor_room(const char *state_dir, int64_t least, char **ret_detail)
{
    struct err err = ERR_INIT;
    int64_t available = 0;

    if (fs_free_bytes(state_dir, &available, &err) == 0)
        return room(available, least, ret_detail);
    *ret_detail = mem_strdup(err.msg);
    return false;
}

static void judge_inodes(struct doctor_findings *f, const struct doctor_config *cfg, enum work_mode mode,
                         const struct doctor_folder *s)
{
    int64_t wanted = mode == WORK_PLAIN ? cfg->limits.work_inodes * cfg->slots : INODES_LOW;

    if (s->inodes <= 0)
        doctor_add(f, "disk_inodes", NULL, DOCTOR_OK, NULL, "this file system makes them as they are needed");
    else if (s->free_inodes < wanted)
        doctor_add(f, "disk_inodes", NULL, s->free_inodes < 100 ? DOCTOR_FAIL : DOCTOR_WARN,
                   "remove many small files there, lower keep_days, or make the file system with more inodes",
                   "%lld files can be made on %s, %lld should be", (long long)s->free_inodes, s->path,
                   (long long)wanted);
    else
        doctor_add(f, "disk_inodes", NULL, DOCTOR_OK, NULL, "%lld files can be made", (long long)s->free_inodes);
}

static void judge_engine_disk(struct doctor_findings *f, const struct doctor_folder *s, const struct doctor_folder *e)
{
    static const char hint[] =
        "free room there (`docker system df` shows what takes it), or move the Engine's data-root";

    if (e->error.kind != ERR_NONE || !e->there) {
        doctor_add(
            f, "disk_engine", NULL, DOCTOR_WARN,
            "run bloomeryd on the machine of the Engine, not in a container: folders are mounted into containers",
            "the Engine's folder %s is not seen from here", e->path);
        return;
    }
    double gib = (double)e->free_bytes / GIB;
    const char *shared =
        s && s->error.kind == ERR_NONE && s->device == e->device ? ", which is the state folder's disk, too" : "";
    if (e->free_bytes < ENGINE_LOW)
        doctor_add(f, "disk_engine", NULL, e->free_bytes < ENGINE_NONE ? DOCTOR_FAIL : DOCTOR_WARN, hint,
                   "%.1f GiB are free on %s%s; building images may take %.0f", gib, e->path, shared,
                   (double)ENGINE_LOW / GIB);
    else
        doctor_add(f, "disk_engine", NULL, DOCTOR_OK, NULL, "%.1f GiB are free on %s%s", gib, e->path, shared);
}

void doctor_disk(struct doctor_findings *f, const struct doctor_config *cfg, enum work_mode mode,
                 const struct doctor_folder *s, const struct doctor_folder *engine_root)
{
    int64_t least = cfg->limits.min_free_bytes;
    int64_t wanted = least + (mode == WORK_TMPFS ? 0 : cfg->limits.work_bytes * cfg->slots);

    if (s->error.kind == ERR_NONE) {
        AUTO(char_p) char *detail = NULL;
        if (!room(s->free_bytes, least, &detail))
            doctor_add(f, "disk", NULL, DOCTOR_FAIL,
                       "free room there, lower keep_days or min_free_bytes, or set `state` to another disk",
                       "%s: %s; no job is accepted", s->path, detail);
        else if (s->free_bytes < wanted)
            doctor_add(f, "disk", NULL, DOCTOR_WARN, "free room there, or take fewer slots or a smaller work_bytes",
                       "%s: %.1f GiB are free; min_free_bytes and the work folders of %d slots may take %.1f", s->path,
                       (double)s->free_bytes / GIB, cfg->slots, (double)wanted / GIB);
        else
            doctor_add(f, "disk", NULL, DOCTOR_OK, NULL, "%.1f GiB are free on %s", (double)s->free_bytes / GIB,
                       s->path);
        judge_inodes(f, cfg, mode, s);
    }
    if (engine_root)
        judge_engine_disk(f, s, engine_root);
}

/* --- this user, these programs --- */

void doctor_descriptors(struct doctor_findings *f, const struct doctor_config *cfg, int64_t most)
{
    if (most < cfg->files)
        doctor_add(f, "descriptors", NULL, DOCTOR_WARN,
                   "LimitNOFILE= in the systemd unit, or ulimit -Hn, or a smaller max_connections",
                   "%lld open files are allowed, max_connections = %lld wants %lld", (long long)most,
                   (long long)cfg->limits.max_connections, (long long)cfg->files);
    else
        doctor_add(f, "descriptors", NULL, DOCTOR_OK, NULL, "%lld open files are allowed, %lld are wanted",
                   (long long)most, (long long)cfg->files);
}

void doctor_helper(struct doctor_findings *f, const struct doctor_config *cfg, const char *program, const char *said,
                   const struct err *error)
{
    static const char hint[] = "install all programs of one build together (make install), or set helper_dir";
    AUTO(char_p) char *wanted = mem_printf("%s %s", program, cfg->version);

    if (error->kind != ERR_NONE)
        doctor_add(f, "helper", program, DOCTOR_FAIL, hint, "%s", error->msg);
    else if (strcmp(said, wanted) != 0)
        doctor_add(f, "helper", program, DOCTOR_FAIL, hint, "%s/%s is of another version: it says '%.60s', not '%s'",
                   cfg->helper_dir, program, said, wanted);
    else
        doctor_add(f, "helper", program, DOCTOR_OK, NULL, "%s/%s, version %s", cfg->helper_dir, program, cfg->version);
}

void doctor_clock(struct doctor_findings *f, int64_t now, int64_t made)
{
    const int64_t day = 24 * 3600;

    if (now < made - day)
        doctor_add(f, "clock", NULL, DOCTOR_FAIL, "set the clock: timedatectl set-ntp true",
                   "this machine's clock stands %lld days before this program was made: https and expiry fail",
                   (long long)((made - now) / day));
    else
        doctor_add(f, "clock", NULL, DOCTOR_OK, NULL, "not before the day on which this program was made");
}

void doctor_authorities(struct doctor_findings *f, const char *path, const char *text, const struct err *error)
{
    if (!path[0])
        doctor_add(f, "ca_bundle", NULL, DOCTOR_WARN, "apt-get install ca-certificates, or set ca_bundle",
                   "not set, and the system has none at the usual place: https may not work");
    else if (!text)
        doctor_add(f, "ca_bundle", NULL, DOCTOR_FAIL,
                   "set ca_bundle to a PEM file that the daemon's user and containers may read", "%s", error->msg);
    else if (!strstr(text, "-----BEGIN CERTIFICATE-----") && !strstr(text, "-----BEGIN TRUSTED CERTIFICATE-----"))
        doctor_add(f, "ca_bundle", NULL, DOCTOR_FAIL, "set ca_bundle to a file of certificates in PEM form",
                   "%s holds no certificate", path);
    else
        doctor_add(f, "ca_bundle", NULL, DOCTOR_OK, NULL, "%s", path);
}

/* --- the ways out --- */

void doctor_toolchain(struct doctor_findings *f, const char *pin, const struct doctor_origin *origins, size_t count)
{
    AUTO(buf) struct buf text = {0};
    bool had = false;

    for (size_t i = 0; i < count; i++) {
        const struct doctor_origin *o = &origins[i];
        buf_printf(&text, "%s%s: ", i ? "; " : "", o->origin);
        switch (o->reach) {
        case DOCTOR_HAS_IT:
            buf_printf(&text, "%s has it", o->where);
            had = true;
            break;
        case DOCTOR_LACKS_IT:
            buf_printf(&text, "%s does not have it%s%s", o->where, o->why ? ": " : "", o->why ? o->why : "");
            break;
        case DOCTOR_NO_ANSWER:
            buf_printf(&text, "%s does not answer%s%s", o->where, o->why ? ": " : "", o->why ? o->why : "");
            break;
        case DOCTOR_NOT_SET:
            buf_puts(&text, "not set");
            break;
        }
    }
    doctor_add(
        f, "toolchain", pin, had ? DOCTOR_OK : DOCTOR_WARN,
        "give this machine a way to one of them (https_proxy is used), or set dist_mirror to a folder or URL that "
        "has the archives; images that are built already go on working",
        "%s", count ? text.p : "docker/toolchains.json gives it no origin that toolchain_origins allows");
}

void doctor_registry(struct doctor_findings *f, const struct doctor_origin *r)
{
    if (r->reach == DOCTOR_HAS_IT)
        doctor_add(f, "registry", NULL, DOCTOR_OK, NULL, "%s answers", r->where);
    else
        doctor_add(
            f, "registry", NULL, DOCTOR_WARN,
            "give this machine, and containers on Docker's bridge, DNS and https to it; without it only crates build "
            "that have no dependencies or bring them (cargo vendor)",
            "%s does not answer%s%s", r->where, r->why ? ": " : "", r->why ? r->why : "");
}
