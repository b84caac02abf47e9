/* replay.c - see replay.h. */
#include "workers/replay.h"

#include "base/fs.h"
#include "base/hash.h"
#include "base/tar.h"
#include "workers/attempt.h"
#include "workers/finish.h"
#include "workers/parts.h"
#include "workers/paths.h"
#include "workers/step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int put_mounts(struct attempt *a, int fd, struct err *err)
{
    AUTO(char_p) char *steps = mem_printf("%s/workers/steps", a->cfg->share_dir);
    struct tar_writer *w = NULL;

    int r = tar_writer_open(fd, TAR_PLAIN, &w, err);
    if (r == 0)
        r = parts_folder(w, a->profile->dir, "profile/", err);
    if (r == 0)
        r = parts_folder(w, steps, "steps/", err);
    if (r == 0)
        r = tar_writer_finish(w, err);
    tar_writer_free(w);
    return r;
}

int replay_begin(struct attempt *a, struct err *err)
{
    struct replay *p = &a->replay;
    AUTO(char_p) char *tmp = path_tmp(a->cfg->state_dir);
    AUTO(char_p) char *path = mem_printf("%s/mounts-XXXXXX", tmp);
    AUTO(fd) int fd = mkostemp(path, O_CLOEXEC);

    p->containers = cJSON_CreateArray();
    p->steps = cJSON_CreateArray();
    if (fd < 0)
        return err_sys(err, ERR_ENGINE, errno, "cannot write to %s", tmp);
    p->mounts = STEAL(path);
    if (put_mounts(a, fd, err) < 0 || lseek(fd, 0, SEEK_SET) < 0 || hash_fd(fd, p->mounts_sha256, err) < 0)
        return err_wrap(err, "cannot keep what is mounted into the containers");
    if (fsync(fd) < 0)
        return err_sys(err, ERR_ENGINE, errno, "cannot sync %s", p->mounts);
    return 0;
}

static cJSON *texts(const char *const *list)
{
    cJSON *a = cJSON_CreateArray();

    for (; list && *list; list++)
        cJSON_AddItemToArray(a, cJSON_CreateString(*list));
    return a;
}

/* Of the server's network, and perhaps with a password in it. */
static bool is_proxy(const char *variable)
{
    static const char *const names[] = {"http_proxy=", "https_proxy=", "no_proxy="};

    for (size_t i = 0; i < COUNT(names); i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static cJSON *environment(const char *const *env)
{
    cJSON *a = cJSON_CreateArray();

    for (; env && *env; env++)
        if (!is_proxy(*env))
            cJSON_AddItemToArray(a, cJSON_CreateString(*env));
    return a;
}

/* What lies behind a mount, by a word of ours; NULL: it is not the build's. */
static const char *mount_word(const char *target)
{
    static const char *const known[][2] = {
        {"/work", "work"}, {"/tmp", "tmp"}, {"/bloomery/profile", "profile"}, {"/bloomery/steps", "steps"}};

    for (size_t i = 0; i < COUNT(known); i++)
        if (strcmp(target, known[i][0]) == 0)
            return known[i][1];
    return NULL;
}

int replay_container(struct attempt *a, const struct engine_spec *spec)
{
    struct replay *p = &a->replay;

    if (a->again || !p->containers)
        return -1;
    cJSON *c = cJSON_CreateObject();
    cJSON_AddItemToArray(p->containers, c);
    json_put_str(c, "image", spec->image);
    cJSON_AddItemToObject(c, "command", spec->command ? texts(spec->command) : cJSON_CreateNull());
    json_put_str(c, "user", spec->user);
    json_put_str(c, "workdir", spec->workdir);
    cJSON *mounts = cJSON_AddArrayToObject(c, "mounts");
    for (size_t i = 0; i < spec->mounts_count; i++) {
        const char *word = mount_word(spec->mounts[i].target);
        if (!word)
            continue;
        cJSON *m = cJSON_CreateObject();
        json_put_str(m, "from", word);
        json_put_str(m, "target", spec->mounts[i].target);
        cJSON_AddBoolToObject(m, "read_only", spec->mounts[i].read_only);
        cJSON_AddItemToArray(mounts, m);
    }
    cJSON_AddBoolToObject(c, "network", spec->network);
    json_put_int(c, "memory_bytes", spec->memory_bytes);
    json_put_int(c, "pids", spec->pids);
    json_put_int(c, "nano_cpus", spec->nano_cpus);
    json_put_int(c, "tmpfs_bytes", spec->tmpfs_bytes);
    cJSON_AddItemToObject(c, "fresh", p->fresh ? p->fresh : cJSON_CreateArray());
    p->fresh = NULL;
    return cJSON_GetArraySize(p->containers) - 1;
}

void replay_step(struct attempt *a, int container, const struct step *step)
{
    struct replay *p = &a->replay;

    if (a->again || !p->steps)
        return;
    cJSON *s = cJSON_CreateObject();
    cJSON_AddItemToArray(p->steps, s);
    json_put_str(s, "name", step->name);
    json_put_int(s, "container", container);
    cJSON_AddItemToObject(s, "command", texts(step->command));
    cJSON_AddItemToObject(s, "env", environment(step->env));
    AUTO(char_p) char *user = step_user(step->uid);
    json_put_str(s, "user", user);
    json_put_str(s, "workdir", step->workdir ? step->workdir : STEP_WORKDIR);
}

void replay_fresh(struct attempt *a, const char *const *folders, size_t count)
{
    if (a->again)
        return;
    cJSON_Delete(a->replay.fresh);
    a->replay.fresh = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(a->replay.fresh, cJSON_CreateString(folders[i]));
}

void replay_last_argument(struct attempt *a, const char *text)
{
    cJSON *step = cJSON_GetArrayItem(a->replay.steps, cJSON_GetArraySize(a->replay.steps) - 1);
    cJSON *command = cJSON_GetObjectItemCaseSensitive(step, "command");

    if (!a->again && command)
        cJSON_ReplaceItemInArray(command, cJSON_GetArraySize(command) - 1, cJSON_CreateString(text));
}

static void put_image(cJSON *record, const struct image *image, const char *profile)
{
    cJSON *o = cJSON_AddObjectToObject(record, "image");
    AUTO(char_p) char *reference = mem_printf("bloomery/profile-%s:%.12s", profile, image->digest);

    json_put_str(o, "id", image->id);
    json_put_str(o, "digest", image->digest);
    json_put_str(o, "reference", reference);
}

void replay_conclude(struct attempt *a, const struct finish *f)
{
    struct job_replay *out = &a->result.replay;
    cJSON *record = cJSON_CreateObject();

    put_image(record, &a->image, a->profile->name);
    json_put_str(record, "root", a->root ? a->root : "");
    json_put_int(record, "unpacked_bytes", a->unpacked_bytes);
    json_put_str(record, "cargo_config", a->cargo_toml ? a->cargo_toml : "");
    if (f->lock) {
        cJSON *lock = cJSON_AddObjectToObject(record, "lock");
        json_put_str(lock, "file", a->workspace_lock);
        cJSON_AddBoolToObject(lock, "given", strcmp(a->lock, "resolved") == 0);
    } else {
        cJSON_AddNullToObject(record, "lock");
    }
    cJSON_AddItemToObject(record, "containers", STEAL(a->replay.containers));
    cJSON_AddItemToObject(record, "steps", STEAL(a->replay.steps));
    cJSON *outputs = cJSON_AddArrayToObject(record, "outputs");
    for (size_t i = 0; i < f->count; i++) {
        cJSON *o = cJSON_CreateObject();
        json_put_str(o, "name", a->result.artifacts[i].name);
        json_put_str(o, "file", f->p[i].file);
        cJSON_AddItemToArray(outputs, o);
    }
    out->record = record;
    memcpy(out->lock_sha256, f->lock_sha256, sizeof out->lock_sha256);
    memcpy(out->mounts_sha256, a->replay.mounts_sha256, sizeof out->mounts_sha256);
}

void replay_clear(struct attempt *a)
{
    struct replay *p = &a->replay;

    cJSON_Delete(p->containers);
    cJSON_Delete(p->steps);
    cJSON_Delete(p->fresh);
    if (p->mounts)
        unlink(p->mounts);
    mem_free(p->mounts);
    *p = (struct replay){0};
}
