/* finish.c - see finish.h. */
#include "workers/finish.h"

#include "workers/blobs.h"
#include "workers/check.h"
#include "workers/job.h"
#include "workers/link.h"
#include "workers/paths.h"
#include "workers/vouch.h"
#include "workers/weight.h"

#include <string.h>
#include <unistd.h>

/* --- collect --- */

static struct artifact *add_artifact(struct attempt *a, const char *name, const char *role, const char *kind)
{
    struct job *r = &a->result;

    r->artifacts = mem_resize(r->artifacts, (r->artifacts_count + 1) * sizeof *r->artifacts);
    struct artifact *art = &r->artifacts[r->artifacts_count++];
    *art = (struct artifact){.name = mem_strdup(name), .role = mem_strdup(role), .kind = mem_strdup(kind)};
    return art;
}

/* Copy one file out of the work folder: it is the next artifact then. BLOB_ABSENT: it is not there. */
static int take(struct attempt *a, int root, const char *file, struct artifact *art, char **ret_path, struct err *err)
{
    AUTO(char_p) char *tmp = path_tmp(a->cfg->state_dir);
    int r = blob_stage(root, file, tmp, a->limits.max_artifact_bytes, ret_path, art->sha256, &art->size, err);

    if (r != 0) {
        artifact_clear(art);
        a->result.artifacts_count--;
    }
    return r;
}

/* The file of an output, and the artifact that it becomes. Without the kit that the link needs it is what cargo made. */
static char *output_file(struct attempt *a, size_t i, struct artifact **ret_art)
{
    const struct plan_output *out = &a->plan.outputs[i];

    if (link_lacks_kit(a)) {
        const char *slash = strrchr(out->file, '/');
        *ret_art = add_artifact(a, slash ? slash + 1 : out->file, "side", out->file_kind);
    } else {
        *ret_art = add_artifact(a, out->name, i == 0 ? "primary" : "side", out->kind);
        if (out->linked)
            return mem_printf("out/%s", out->linked);
    }
    return mem_printf("target/%s", out->file);
}

static void add_file(struct finish *f, const struct plan_output *output, const cJSON *side, const char *file,
                     char *path)
{
    f->p[f->count++] = (struct check_file){.output = output, .side = side, .file = mem_strdup(file), .path = path};
}

/* What the link step wrote beside an output. */
static int collect_sides(struct attempt *a, int root, const struct plan_output *out, struct finish *f, struct err *err)
{
    const cJSON *side;
    size_t i = 0;

    cJSON_ArrayForEach(side, json_arr(json_obj(a->profile->json, "link"), "sides"))
    {
        const char *name = out->sides[i++];
        AUTO(char_p) char *file = mem_printf("out/%s", name);
        char *path = NULL;
        int r = take(a, root, file, add_artifact(a, name, "side", json_str(side, "kind", "")), &path, err);
        if (r == 0)
            add_file(f, out, side, file, path);
        else if (r == BLOB_ABSENT && !json_bool(side, "optional", false))
            return err_set(err, ERR_CONTRACT, "the link step succeeded but left no %s", name);
        else if (r < 0)
            return err_wrap(err, "%s", name);
    }
    return 0;
}

/* The lock that was used, for whoever builds again; one that the server resolved is an artifact, too. */
static int collect_lock(struct attempt *a, int root, struct finish *f, struct err *err)
{
    AUTO(char_p) char *tmp = path_tmp(a->cfg->state_dir);
    char *path = NULL;
    int64_t size;

    if (!a->lock_file)
        return 0;
    int r = blob_stage(root, a->lock_file, tmp, a->limits.max_artifact_bytes, &f->lock, f->lock_sha256, &size, err);
    if (r != 0 || strcmp(a->lock, "resolved") != 0)
        return r < 0 ? -1 : 0;
    r = take(a, root, a->lock_file, add_artifact(a, "Cargo.lock", "side", "lock"), &path, err);
    if (r == 0)
        add_file(f, NULL, NULL, a->lock_file, path);
    return r < 0 ? -1 : 0;
}

static int collect(struct attempt *a, struct finish *f, struct err *err)
{
    AUTO(fd) int root = work_open(&a->work, err);
    char *path = NULL;

    if (root < 0)
        return -1;
    for (size_t i = 0; i < a->plan.outputs_count; i++) {
        const struct plan_output *out = &a->plan.outputs[i];
        struct artifact *art;
        AUTO(char_p) char *file = output_file(a, i, &art);
        int r = take(a, root, file, art, &path, err);
        if (r == BLOB_ABSENT)
            return err_set(err, ERR_CONTRACT, "%s succeeded but left no %s: a success is never empty",
                           out->linked && !link_lacks_kit(a) ? "the link step" : "cargo", out->name);
        if (r < 0)
            return err_wrap(err, "%s", out->name);
        add_file(f, out, NULL, file, path);
    }
    for (size_t i = 0; i < a->plan.outputs_count && !link_lacks_kit(a); i++)
        if (collect_sides(a, root, &a->plan.outputs[i], f, err) < 0)
            return -1;
    return collect_lock(a, root, f, err);
}

/* --- check --- */

/* What cargo made is of use to whoever links it: it is looked at, and kept. Always -1. */
static int check_unlinked(struct attempt *a, const struct finish *f, struct err *err)
{
    const char *kit = json_str(json_obj(a->profile->json, "kit"), "name", "");

    for (size_t i = 0; i < f->count; i++)
        if (f->p[i].output && check_look(a, f->p[i].path, &a->result.artifacts[i], err) < 0)
            return -1;
    err_set(err, ERR_KIT_MISSING, "it was built but not linked: profile %s needs kit %s, which is not installed",
            a->profile->name, kit);
    return err_hint(err,
                    "bloomeryd kit install FILE --sha256 HEX, then bloomeryd images build %s; "
                    "what cargo made is among the artifacts",
                    a->profile->name);
}

/* Always -1. */
static int too_large(struct attempt *a, int64_t max_size, struct err *err)
{
    const struct artifact *art = &a->result.artifacts[0];
    AUTO(char_p) char *why = weight_text(art->metadata);

    a->result.error.message = mem_printf("%.100s has %lld bytes, more than max_size=%lld%s%s", art->name,
                                         (long long)art->size, (long long)max_size, why ? ": " : "", why ? why : "");
    err_set(err, ERR_OUTPUT_TOO_LARGE, "%s", a->result.error.message);
    return err_hint(err,
                    "opt-level = \"z\", lto = true, codegen-units = 1 and strip = true in [profile.release] make it "
                    "smaller; metadata.sizes of the artifact tells more");
}

static int check(struct attempt *a, const struct finish *f, struct err *err)
{
    int64_t max_size = json_int(a->job->options, "max_size", 0);

    if (link_lacks_kit(a))
        return check_unlinked(a, f, err);
    if (check_contracts(a, f->p, f->count, err) < 0 || check_trials(a, f->p, f->count, err) < 0)
        return -1;
    return max_size > 0 && a->result.artifacts[0].size > max_size ? too_large(a, max_size, err) : 0;
}

int finish_collect(struct attempt *a, struct finish *f, struct err *err)
{
    size_t most = a->plan.outputs_count * (1 + a->plan.outputs[0].sides_count) + 1;

    f->p = mem_alloc(most * sizeof *f->p);
    return collect(a, f, err) < 0 ? -1 : check(a, f, err);
}

/* --- keep: the copies become blobs; the store's commit makes them the job's --- */

static int keep_one(struct attempt *a, char **path, const char *sha256, struct err *err)
{
    AUTO(char_p) char *blob = path_blob(a->cfg->state_dir, sha256);

    if (*path && blob_keep(*path, blob, err) < 0)
        return -1;
    mem_free(STEAL(*path));
    return 0;
}

static int keep(struct attempt *a, struct finish *f, bool replay, int *ret_hold, struct err *err)
{
    if (blobs_hold(a->cfg->state_dir, ret_hold, err) < 0)
        return -1;
    for (size_t i = 0; i < a->result.artifacts_count; i++)
        if (keep_one(a, &f->p[i].path, a->result.artifacts[i].sha256, err) < 0)
            return -1;
    if (!replay)
        return 0;
    if (vouch_for(a, err) < 0)
        return -1;
    replay_conclude(a, f);
    return keep_one(a, &f->lock, f->lock_sha256, err) < 0 ||
                   keep_one(a, &a->replay.mounts, a->replay.mounts_sha256, err) < 0
               ? -1
               : 0;
}

int finish_keep(struct attempt *a, struct finish *f, int r, int *ret_hold, struct err *err)
{
    struct err later = ERR_INIT;

    bool worth = r == 0 || (a->result.artifacts_count > 0 && !err_retries(err->kind) && err->kind != ERR_CANCELED &&
                            err->kind != ERR_TOOLCHAIN_MISSING);
    if (worth && keep(a, f, r == 0, ret_hold, &later) < 0) {
        r = -1;
        *err = later;
        worth = false;
    }
    if (!worth)
        job_drop_artifacts(&a->result);
    return r;
}

void finish_clear(struct finish *f)
{
    for (size_t i = 0; i < f->count; i++) {
        if (f->p[i].path)
            unlink(f->p[i].path);
        mem_free(f->p[i].path);
        mem_free(f->p[i].file);
    }
    if (f->lock)
        unlink(f->lock);
    mem_free(f->lock);
    mem_free(f->p);
    *f = (struct finish){0};
}
