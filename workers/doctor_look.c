/* doctor_look.c - see doctor.h: gathers the facts, in the order in which they are told. */
#include "workers/doctor.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "workers/images.h"
#include "workers/kits.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define NET_MS 12000 /* a deadline for the servers, from the start */
#define PINS_MAX 16
#define HELPER_SECONDS 5
#define BASE_SUITE "trixie" /* docker/images/base */
#define CA_MAX ((size_t)16 << 20)

/* --- servers, asked first and heard last --- */

struct way {
    const char *pin; /* borrowed from pins; NULL: the crate registry */
    struct doctor_origin origin;
    size_t asked, also; /* of the probes; NOT_ASKED */
};
#define NOT_ASKED SIZE_MAX

struct ways {
    struct doctor_probes *probes;
    cJSON *pins;
    struct err pins_error;
    struct way way[PINS_MAX * 3 + 1];
    size_t count;
    int64_t deadline_ms;
};

static bool is_url(const char *s)
{
    return strncmp(s, "http://", 7) == 0 || strncmp(s, "https://", 8) == 0;
}

static char *archive(const char *from, const char *path, const char *name)
{
    size_t len = strlen(from);

    while (len > 1 && from[len - 1] == '/')
        len--;
    return mem_printf("%.*s/%s/%s.tar.xz", (int)len, from, path, name);
}

static struct way *add_way(struct ways *w, const char *pin, const char *origin, const char *where)
{
    struct way *way = &w->way[w->count++];

    *way = (struct way){.pin = pin, .asked = NOT_ASKED, .also = NOT_ASKED};
    way->origin = (struct doctor_origin){.origin = origin,
                                         .where = where[0] ? doctor_public_url(where) : NULL,
                                         .reach = where[0] ? DOCTOR_NO_ANSWER : DOCTOR_NOT_SET};
    return way;
}

/* Does this server or folder have the first archive of the origin? */
static void ask_dist(struct ways *w, const char *pin, const cJSON *o, const char *origin, const char *from)
{
    const cJSON *first = cJSON_GetArrayItem(json_arr(o, "components"), 0);
    const cJSON *other = cJSON_GetArrayItem(json_arr(first, "also"), 0);
    const char *path = json_str(o, "path", ""), *name = json_str(first, "name", "");
    struct way *way = add_way(w, pin, origin, from);

    if (!from[0])
        return;
    AUTO(char_p) char *at = archive(from, path, name);
    AUTO(char_p) char *also = cJSON_IsString(other) ? archive(from, path, other->valuestring) : NULL;
    if (is_url(from)) {
        way->asked = doctor_probes_ask(w->probes, at);
        if (also)
            way->also = doctor_probes_ask(w->probes, also);
    } else if (access(at, R_OK) == 0 || (also && access(also, R_OK) == 0)) {
        way->origin.reach = DOCTOR_HAS_IT;
    } else {
        way->origin.reach = access(from, R_OK | X_OK) == 0 ? DOCTOR_LACKS_IT : DOCTOR_NO_ANSWER;
        way->origin.why = mem_printf("%s: %s", path, strerror(errno));
    }
}

static void ask_debian(struct ways *w, const char *pin, const cJSON *o, const char *mirror)
{
    struct way *way = add_way(w, pin, "debian", mirror);

    if (!mirror[0])
        return;
    size_t len = strlen(mirror);
    while (len > 1 && mirror[len - 1] == '/')
        len--;
    const char *suite = json_str(json_obj(o, "args"), "RUST_SUITE", BASE_SUITE);
    AUTO(char_p) char *url = mem_printf("%.*s/debian/dists/%s/Release", (int)len, mirror, suite);
    way->asked = doctor_probes_ask(w->probes, url);
    AUTO(char_p) char *where = way->origin.where;
    way->origin.where = mem_printf("%s (%s)", where, suite);
}

static void ask_pin(struct ways *w, const cJSON *pin, const struct images_config *c)
{
    const cJSON *o;

    cJSON_ArrayForEach(o, json_arr(pin, "origins"))
    {
        const char *name = json_str(pin, "name", ""), *origin = json_str(o, "origin", "");
        if (w->count + 3 > COUNT(w->way))
            return;
        if (strcmp(origin, "dist") == 0) {
            if (parts_word(c->origins, "dist"))
                ask_dist(w, name, o, "dist", c->dist_server);
            if (parts_word(c->origins, "mirror"))
                ask_dist(w, name, o, "mirror", c->dist_mirror);
        } else if (strcmp(origin, "debian") == 0 && parts_word(c->origins, "debian")) {
            ask_debian(w, name, o, c->debian_mirror);
        }
    }
}

static void ask_servers(struct ways *w, const struct doctor_config *cfg)
{
    const cJSON *pin;

    w->deadline_ms = clock_monotonic_ms() + NET_MS;
    w->probes = doctor_probes_new(cfg->ca_bundle);
    struct way *registry = add_way(w, NULL, "registry", "https://index.crates.io");
    registry->asked = doctor_probes_ask(w->probes, "https://index.crates.io/config.json");
    if (parts_pins(cfg->images.share_dir, &w->pins, &w->pins_error) < 0)
        return;
    cJSON_ArrayForEach(pin, json_arr(w->pins, "toolchains")) ask_pin(w, pin, &cfg->images);
}

static void hear_servers(struct ways *w)
{
    doctor_probes_wait(w->probes, w->deadline_ms);
    for (size_t i = 0; i < w->count; i++) {
        struct way *way = &w->way[i];
        if (way->asked == NOT_ASKED)
            continue;
        way->origin.reach = doctor_probes_answer(w->probes, way->asked, &way->origin.why);
        AUTO(char_p) char *ignored = NULL;
        if (way->also != NOT_ASKED && doctor_probes_answer(w->probes, way->also, &ignored) == DOCTOR_HAS_IT)
            way->origin.reach = DOCTOR_HAS_IT;
    }
}

static void tell_ways(struct doctor_findings *f, const struct ways *w)
{
    const cJSON *pin;

    if (!w->pins)
        doctor_add(f, "toolchain", NULL, DOCTOR_FAIL, "install bloomery whole (make install), or set share_dir", "%s",
                   w->pins_error.msg);
    cJSON_ArrayForEach(pin, json_arr(w->pins, "toolchains"))
    {
        struct doctor_origin origins[COUNT(w->way)];
        const char *name = json_str(pin, "name", "");
        size_t count = 0;
        for (size_t i = 0; i < w->count; i++) {
            if (w->way[i].pin && strcmp(w->way[i].pin, name) == 0)
                origins[count++] = w->way[i].origin;
        }
        doctor_toolchain(f, name, origins, count);
    }
    doctor_registry(f, &w->way[0].origin);
}

static void ways_clear(struct ways *w)
{
    for (size_t i = 0; i < w->count; i++) {
        mem_free(w->way[i].origin.where);
        mem_free(w->way[i].origin.why);
    }
    doctor_probes_free(w->probes);
    cJSON_Delete(w->pins);
}

/* --- folders --- */

/* The folder, or the nearest one above it that is there. */
static char *nearest(const char *path, bool *ret_there, struct err *err)
{
    char *p = mem_strdup(path);
    struct stat st;

    *ret_there = true;
    while (stat(p, &st) < 0) {
        if (errno != ENOENT) {
            err_sys(err, ERR_UNAVAILABLE, errno, "%s cannot be looked at", path);
            break;
        }
        *ret_there = false;
        char *slash = strrchr(p, '/');
        if (slash && slash != p) {
            *slash = '\0';
        } else {
            mem_free(p);
            p = mem_strdup(slash ? "/" : ".");
        }
    }
    return p;
}

/* path is borrowed by *ret. */
static void look_folder(const char *path, struct doctor_folder *ret)
{
    struct stat st;
    struct statfs fs;
    struct statvfs v;

    ret->path = path;
    if (stat(path, &st) < 0 || statfs(path, &fs) < 0 || statvfs(path, &v) < 0) {
        err_sys(&ret->error, ERR_UNAVAILABLE, errno, "%s cannot be looked at", path);
        return;
    }
    ret->is_folder = S_ISDIR(st.st_mode);
    ret->writable = access(path, W_OK | X_OK) == 0;
    ret->owner = st.st_uid;
    ret->mode = st.st_mode;
    ret->device = st.st_dev;
    ret->filesystem = (int64_t)fs.f_type;
    ret->free_bytes = (int64_t)v.f_bavail * (int64_t)v.f_frsize;
    ret->free_inodes = (int64_t)v.f_favail;
    ret->inodes = (int64_t)v.f_files;
}

/* *ret_error: why the mode that is wanted does not work. Tried where work folders lie, in a folder of its own. */
static enum work_mode look_work(const struct doctor_config *cfg, const struct doctor_folder *state,
                                struct err *ret_error)
{
    const char *wanted = strcmp(cfg->work_mode, "auto") == 0 ? "ext4" : cfg->work_mode;
    AUTO(char_p) char *work = mem_printf("%s/work", cfg->state_dir);
    /* In STATE/work the next daemon removes what a doctor left that was killed. */
    AUTO(char_p)
    char *dir = mem_printf("%s/doctor-XXXXXX", access(work, W_OK | X_OK) == 0 ? work : state->path);
    bool made = geteuid() == 0 && strcmp(wanted, "plain") != 0;
    enum work_mode mode = WORK_PLAIN;

    if (made && !mkdtemp(dir)) {
        err_sys(ret_error, ERR_ENGINE, errno, "work_mode = %s cannot be tried in %s", wanted, state->path);
        return WORK_PLAIN;
    }
    work_probe(dir, wanted, &mode, ret_error);
    if (made)
        rmdir(dir);
    return ret_error->kind == ERR_NONE ? mode : WORK_PLAIN;
}

/* --- this machine --- */

/* Who of /etc/passwd has one of the uids that builds use. Accounts of a directory service are not asked for. */
static char *look_account(const struct doctor_config *cfg)
{
    FILE *file = fopen("/etc/passwd", "re");
    struct passwd *p;
    char *found = NULL;

    while (file && !found && (p = fgetpwent(file))) {
        if (p->pw_uid >= cfg->build_uid && (int64_t)p->pw_uid < (int64_t)cfg->build_uid + cfg->build_uids)
            found = mem_strdup(p->pw_name);
    }
    if (file)
        fclose(file);
    return found;
}

/* Root may raise its own limit up to the kernel's. */
static int64_t look_files(void)
{
    AUTO(buf) struct buf text = {0};
    struct err ignored = ERR_INIT;
    struct rlimit l = {0};

    if (geteuid() == 0 && fs_read("/proc/sys/fs/nr_open", 64, &text, &ignored) == 0)
        return strtoll(text.p, NULL, 10);
    getrlimit(RLIMIT_NOFILE, &l);
    return l.rlim_max > (rlim_t)INT64_MAX ? INT64_MAX : (int64_t)l.rlim_max;
}

static void look_helper(struct doctor_findings *f, const struct doctor_config *cfg, const char *program)
{
    AUTO(char_p) char *path = mem_printf("%s/%s", cfg->helper_dir, program);
    AUTO(buf) struct buf out = {0};
    const char *const argv[] = {path, "--version", NULL};
    struct proc proc = PROC_INIT;
    struct err err = ERR_INIT;
    int status = 0;

    proc.argv = argv;
    proc.out = &out;
    proc.out_max = 256;
    proc.seconds = HELPER_SECONDS;
    if (proc_run(&proc, &status, &err) == PROC_TIMED_OUT)
        err_set(&err, ERR_INTERNAL, "%s does not end", path);
    buf_puts(&out, "");
    out.p[strcspn(out.p, "\n")] = '\0';
    doctor_helper(f, cfg, program, out.p, &err);
}

static void look_tools(struct doctor_findings *f)
{
    AUTO(char_p) char *path = mem_strdup(getenv("PATH") ? getenv("PATH") : "/usr/sbin:/usr/bin:/sbin:/bin");
    char *rest = path;

    for (char *dir; (dir = strsep(&rest, ":"));) {
        AUTO(char_p) char *file = mem_printf("%s/mmdebstrap", dir);
        if (dir[0] && access(file, X_OK) == 0) {
            doctor_add(f, "image_tools", NULL, DOCTOR_OK, NULL, "%s", file);
            return;
        }
    }
    doctor_add(f, "image_tools", NULL, DOCTOR_WARN, "apt-get install mmdebstrap debian-archive-keyring",
               "mmdebstrap, which makes the base image, is not in PATH");
}

static void look_authorities(struct doctor_findings *f, const struct doctor_config *cfg)
{
    AUTO(buf) struct buf text = {0};
    struct err err = ERR_INIT;
    bool there = cfg->ca_bundle[0] && fs_read(cfg->ca_bundle, CA_MAX, &text, &err) == 0;

    if (there)
        buf_puts(&text, "");
    doctor_authorities(f, cfg->ca_bundle, there ? text.p : NULL, &err);
}

static void look_clock(struct doctor_findings *f)
{
    struct stat st;

    if (stat("/proc/self/exe", &st) == 0)
        doctor_clock(f, clock_now_ms() / 1000, (int64_t)st.st_mtime);
}

/* --- profiles: images and kits --- */

static void look_profiles(struct doctor_findings *f, const struct doctor_config *cfg)
{
    AUTO(buf) struct buf names = {0};

    if (!cfg->profiles) {
        doctor_add(f, "profiles", NULL, DOCTOR_FAIL,
                   cfg->profiles_error->hint[0] ? cfg->profiles_error->hint
                                                : "mend the file, or set share_dir and profile_dirs",
                   "%s", cfg->profiles_error->msg);
        return;
    }
    for (size_t i = 0; i < profiles_count(cfg->profiles); i++)
        buf_printf(&names, "%s%s", i ? ", " : "", profiles_at(cfg->profiles, i)->name);
    doctor_add(f, "profiles", NULL, DOCTOR_OK, NULL, "%s", names.p ? names.p : "none");
}

static void look_images(struct doctor_findings *f, const struct doctor_config *cfg, struct engine *e)
{
    struct answer {
        int rc;
        struct image image;
        struct err err;
        int trial;
    };
    size_t count = cfg->profiles ? profiles_count(cfg->profiles) : 0, there = 0;
    struct answer *answers = mem_alloc(count * sizeof *answers);

    for (size_t i = 0; i < count; i++) {
        answers[i].rc =
            images_current(e, &cfg->images, profiles_at(cfg->profiles, i), &answers[i].image, &answers[i].err);
        there += answers[i].rc == 0;
        if (answers[i].rc == 0)
            answers[i].trial = images_trial_ready(e, &cfg->images, profiles_at(cfg->profiles, i), &answers[i].err);
    }
    for (size_t i = 0; i < count; i++) {
        const struct answer *a = &answers[i];
        const char *name = profiles_at(cfg->profiles, i)->name;
        AUTO(char_p) char *hint = mem_printf("bloomeryd images build %s", name);
        if (a->rc == 0 && a->trial != 0)
            doctor_add(f, "image", name, DOCTOR_WARN, a->err.hint[0] ? a->err.hint : hint, "%s (%s); %s",
                       a->image.rustc, a->image.origin, a->err.msg);
        else if (a->rc == 0)
            doctor_add(f, "image", name, DOCTOR_OK, NULL, "%s (%s)%s%s", a->image.rustc, a->image.origin,
                       a->image.warning[0] ? "; " : "", a->image.warning);
        else /* a server that can build something is of use: so says /readyz, too */
            doctor_add(f, "image", name, there ? DOCTOR_WARN : DOCTOR_FAIL, a->err.hint[0] ? a->err.hint : hint, "%s",
                       a->err.msg);
    }
    mem_free(answers);
}

static void look_old_images(struct doctor_findings *f, const struct doctor_config *cfg, struct engine *e)
{
    struct images_list list = {0};
    struct err err = ERR_INIT;
    int64_t keep = cfg->limits.image_keep_days * 24 * 3600, now = clock_now_ms() / 1000;
    size_t old = 0, late = 0;

    if (!cfg->profiles || images_list(e, &cfg->images, cfg->profiles, &list, &err) < 0) {
        doctor_add(f, "old_images", NULL, DOCTOR_WARN, "make the profiles and the Engine right first",
                   "not looked at%s%s", err.msg[0] ? ": " : "", err.msg);
        return;
    }
    for (size_t i = 0; i < list.count; i++) {
        old += !list.p[i].needed;
        late += !list.p[i].needed && (keep == 0 || list.p[i].unneeded_since + 2 * keep < now);
    }
    if (late)
        doctor_add(f, "old_images", NULL, DOCTOR_WARN, "bloomeryd images remove --unused",
                   "nothing needs %zu of %zu images, %zu of them for long%s", old, list.count, late,
                   keep ? "" : " (image_keep_days = 0 keeps them)");
    else
        doctor_add(f, "old_images", NULL, DOCTOR_OK, NULL, "nothing needs %zu of %zu images%s", old, list.count,
                   old ? "; the daemon removes them" : "");
    images_list_clear(&list);
}

static void look_kits(struct doctor_findings *f, const struct doctor_config *cfg)
{
    for (size_t i = 0; cfg->profiles && i < profiles_count(cfg->profiles); i++) {
        const struct profile *p = profiles_at(cfg->profiles, i);
        const cJSON *wanted = json_obj(p->json, "kit");
        struct kit kit = {0};
        struct err err = ERR_INIT;
        if (!wanted)
            continue;
        int rc = kits_find(cfg->state_dir, p->name, &kit, &err);
        if (rc == 0)
            doctor_add(f, "kit", p->name, DOCTOR_OK, NULL, "%s %s, %.12s", kit.name, kit.version, kit.sha256);
        else if (rc > 0)
            doctor_add(f, "kit", p->name, DOCTOR_WARN,
                       "bloomeryd kit install FILE --sha256 HEX (docs/kits.md); then bloomeryd images build",
                       "none is installed: %s",
                       json_bool(wanted, "required", false)
                           ? "jobs end as kit_missing, with what was made before the link"
                           : "jobs succeed, and what a kit would check is skipped");
        else
            doctor_add(f, "kit", p->name, DOCTOR_FAIL, err.hint[0] ? err.hint : "remove the kit and install it again",
                       "%s", err.msg);
        kit_clear(&kit);
    }
}

/* --- all of it --- */

void doctor_examine(const struct doctor_config *cfg, struct doctor_findings *ret)
{
    struct ways ways = {0};
    struct engine *engine = NULL;
    struct engine_info info = {0};
    struct err error = ERR_INIT, work_error = ERR_INIT;
    struct doctor_folder state = {0}, engine_root = {0};
    bool root = geteuid() == 0;

    ask_servers(&ways, cfg);

    bool answers = engine_open(cfg->engine_socket, &engine, &error) == 0 && engine_info(engine, &info, &error) == 0;
    doctor_engine(ret, cfg->engine_socket, &info, &error);
    if (answers) {
        struct cgroup_ability ability = {0};
        struct err why = ERR_INIT;
        cgroup_probe(info.cgroup_version, &ability, &why);
        doctor_limits(ret, cfg, &info, &ability, &why);
        look_folder(info.root_dir, &engine_root);
        engine_root.there = engine_root.error.kind == ERR_NONE;
    } else {
        doctor_add(ret, "not_looked_at", NULL, DOCTOR_WARN, "make `engine` right first, then call the doctor again",
                   "what only the Engine knows: its storage, which limits hold, its disk, the images");
    }

    AUTO(char_p) char *path = nearest(cfg->state_dir, &state.there, &state.error);
    if (state.error.kind == ERR_NONE)
        look_folder(path, &state);
    enum work_mode mode = look_work(cfg, &state, &work_error);
    doctor_work(ret, cfg, root, mode, &work_error, info.memory_bytes);
    AUTO(char_p) char *account = root ? look_account(cfg) : NULL;
    doctor_user(ret, cfg, root, account);
    doctor_state(ret, cfg, geteuid(), &state);
    doctor_disk(ret, cfg, mode, &state, answers ? &engine_root : NULL);
    doctor_descriptors(ret, cfg, look_files());
    look_clock(ret);
    look_helper(ret, cfg, "bloomery-unpack");
    look_helper(ret, cfg, "bloomery-inspect");

    look_profiles(ret, cfg);
    if (answers) {
        look_images(ret, cfg, engine);
        look_old_images(ret, cfg, engine);
    }
    look_tools(ret);
    look_kits(ret, cfg);
    look_authorities(ret, cfg);
    hear_servers(&ways);
    tell_ways(ret, &ways);
    ways_clear(&ways);
    engine_free(engine);
}
