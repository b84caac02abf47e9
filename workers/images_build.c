/*
 * images_build.c - see images.h: all parts of all profiles, by makers that work side by side.
 */
#include "workers/images_part.h"
#include "workers/images_progress.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* std compiles on one core for most of its time, so two profiles are made at a time. */
enum { MAKERS = 2 };

/* What the makers share. The lists are guarded by the lock. */
struct yard {
    struct engine *e; /* the first maker's */
    const struct images_config *cfg;
    const struct profiles *profiles;
    const char *only; /* this profile; NULL: all */
    bool fresh;
    char maker[13];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct strs made;         /* inputs of the parts that this run has made: once is enough, also for --fresh */
    struct strs unavailable;  /* inputs of toolchains that could not be had */
    struct strs untried;      /* a line for each profile whose trials will be skipped */
    const char *busy[MAKERS]; /* inputs of what each is making now; NULL: nothing */
    size_t next;              /* the profile that nobody has begun */
    bool stopped;             /* one has failed; err is the first one's */
    struct err err;
};

static void say_what(const struct making *m, const struct part *p, char *into, size_t size)
{
    switch (p->kind) {
    case PART_BASE:
        snprintf(into, size, "Debian, with mmdebstrap (some 30 s)");
        break;
    case PART_TOOLS:
        snprintf(into, size, "C compilers and linkers (200 MB to download, some 40 s)");
        break;
    case PART_TOOLCHAIN:
        snprintf(into, size, "compiler %.40s, from %.20s (130 MB to download, some 40 s)", json_str(p->pin, "name", ""),
                 json_str(p->origin, "origin", ""));
        break;
    case PART_PROFILE:
        snprintf(into, size, "std for %.60s (some 60 s)", m->profile->target);
        break;
    case PART_TRIAL:
        snprintf(into, size, "the host of trials");
        break;
    }
}

static bool have_made(struct making *m, const char *inputs)
{
    pthread_mutex_lock(&m->yard->lock);
    bool has = strs_has(&m->yard->made, inputs);
    pthread_mutex_unlock(&m->yard->lock);
    return has;
}

static void note(struct making *m, struct strs *list, const char *text)
{
    pthread_mutex_lock(&m->yard->lock);
    strs_printf(list, "%s", text);
    pthread_mutex_unlock(&m->yard->lock);
}

/* Nobody else makes this part until it is given free. False: another one found that it is not to be had. */
static bool reserve(struct making *m, const struct part *p)
{
    struct yard *y = m->yard;
    bool busy = true;

    pthread_mutex_lock(&y->lock);
    while (busy) {
        busy = false;
        for (size_t i = 0; i < MAKERS; i++)
            busy |= y->busy[i] && strcmp(y->busy[i], p->inputs) == 0;
        if (busy)
            pthread_cond_wait(&y->changed, &y->lock);
    }
    bool had = !strs_has(&y->unavailable, p->inputs);
    if (had)
        y->busy[m->slot] = p->inputs;
    pthread_mutex_unlock(&y->lock);
    return had;
}

static void give_free(struct making *m)
{
    pthread_mutex_lock(&m->yard->lock);
    m->yard->busy[m->slot] = NULL;
    pthread_cond_broadcast(&m->yard->changed);
    pthread_mutex_unlock(&m->yard->lock);
}

/* Make a part if it is not there; m->from is its parent's name before, and need not be after. */
static int ensure(struct making *m, const struct part *p, char ret_tag[160], struct err *err)
{
    AUTO(json) cJSON *all = NULL, *again = NULL, *current = NULL;
    AUTO(char_p) char *current_tag = mem_printf("%s:current", p->repo);
    const char *tag = NULL;
    char what[128];

    if (images_all(m->e, &all, err) < 0)
        return -1;
    const cJSON *image = images_of_part(all, p, &tag);
    if (!image || (m->yard->fresh && !have_made(m, p->inputs))) {
        time_t since = time(NULL);
        say_what(m, p, what, sizeof what);
        images_begin(p->name, what);
        int r = images_make(m, p, err);
        if (r == IMAGES_ELSEWHERE)
            note(m, &m->yard->unavailable, p->inputs);
        if (r != 0)
            return r == IMAGES_ELSEWHERE ? r : images_failed(err);
        images_end(since);
        note(m, &m->yard->made, p->inputs);
        if (images_all(m->e, &again, err) < 0)
            return -1;
        if (!(image = images_of_part(again, p, &tag)))
            return err_set(err, ERR_ENGINE, "the Engine does not show the image %s that it has built", p->repo);
    }
    snprintf(ret_tag, 160, "%s", tag);
    int r = engine_image(m->e, current_tag, &current, err);
    if (r < 0)
        return -1;
    if (r == ENGINE_ABSENT || strcmp(json_str(current, "Id", ""), json_str(image, "Id", "")) != 0)
        return engine_image_tag(m->e, tag, p->repo, "current", err);
    return 0;
}

/* One alternative of a profile, or its trial image only. IMAGES_ELSEWHERE: its toolchain is not to be had; err says why. */
static int build_parts(struct making *m, bool only_trial, struct err *err)
{
    const struct parts *parts = m->parts;
    char tags[PARTS_MAX][160];

    for (size_t i = 0; i < parts->count; i++) {
        const struct part *p = &parts->part[i];
        bool of_trial = parts->trial && (p == parts->trial || p == parts->trial->parent);
        if (only_trial && !of_trial)
            continue;
        m->from[0] = '\0';
        if (p->parent)
            snprintf(m->from, sizeof m->from, "%s", tags[p->parent - parts->part]);
        if (!reserve(m, p))
            return IMAGES_ELSEWHERE;
        int r = ensure(m, p, tags[i], err);
        give_free(m);
        if (r < 0 && p == parts->trial && json_bool(json_obj(m->profile->json, "trial"), "optional", false)) {
            AUTO(char_p)
            char *line = mem_printf("profile %s: its trials will be skipped: %s", m->profile->name, err->msg);
            note(m, &m->yard->untried, line);
            r = 0;
        }
        if (r != 0)
            return r;
    }
    return 0;
}

/* The alternative whose profile (or else toolchain) is there already: what was chosen once stays, whatever origin answers
 * today, and all profiles of a pin have the same compiler. -1: none; -2: err is filled. */
static int chosen(struct making *m, bool *ret_complete, struct err *err)
{
    AUTO(json) cJSON *all = NULL;
    int with_toolchain = -1;

    if (images_all(m->e, &all, err) < 0)
        return -2;
    for (unsigned n = 0;; n++) {
        AUTO(parts) struct parts *parts = NULL;
        int r = parts_of_profile(m->cfg, m->profile, n, &parts, err);
        if (r < 0)
            return -2;
        if (r == PARTS_NO_MORE)
            return with_toolchain;
        *ret_complete = images_of_part(all, parts->profile, NULL) != NULL;
        if (*ret_complete)
            return (int)n;
        if (with_toolchain < 0 && images_of_part(all, parts->profile->parent, NULL))
            with_toolchain = (int)n;
    }
}

static int build_profile(struct making *m, struct err *err)
{
    struct err last = ERR_INIT;
    bool complete = false;
    int first = m->yard->fresh ? -1 : chosen(m, &complete, err);

    if (first == -2)
        return -1;
    for (unsigned n = first > 0 ? (unsigned)first : 0;; n++) {
        AUTO(parts) struct parts *parts = NULL;
        int r = parts_of_profile(m->cfg, m->profile, n, &parts, err);
        if (r < 0)
            return -1;
        if (r == PARTS_NO_MORE) {
            *err = last;
            err->kind = ERR_TOOLCHAIN_MISSING;
            err_hint(err, "docs/toolchains.md says how a machine gets toolchains: dist_server, dist_mirror, "
                          "debian_mirror");
            return err_wrap(err, "profile %s: no origin has toolchain %s", m->profile->name, m->profile->toolchain);
        }
        m->parts = parts;
        r = build_parts(m, complete, err);
        if (r != IMAGES_ELSEWHERE)
            return r;
        if (err->msg[0])
            last = *err;
    }
}

/* Containers of builders that were killed. */
static int remove_strays(const struct yard *y, struct err *err)
{
    AUTO(char_p) char *label = mem_printf(IMAGES_FACTS_LABEL "=%s", y->maker);
    struct engine_item *items = NULL;
    size_t count = 0;

    if (engine_list(y->e, label, &items, &count, err) < 0)
        return -1;
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        r = engine_remove(y->e, items[i].id, err);
    engine_list_free(items, count);
    return r;
}

/* The next profile that nobody has begun; NULL: none is left, or one has failed. */
static const struct profile *take_profile(struct yard *y)
{
    const struct profile *p = NULL;

    pthread_mutex_lock(&y->lock);
    while (!p && !y->stopped && y->next < profiles_count(y->profiles)) {
        p = profiles_at(y->profiles, y->next++);
        if (y->only && strcmp(y->only, p->name) != 0)
            p = NULL;
    }
    pthread_mutex_unlock(&y->lock);
    return p;
}

static void stop_yard(struct yard *y, const struct err *err)
{
    pthread_mutex_lock(&y->lock);
    if (!y->stopped)
        y->err = *err;
    y->stopped = true;
    pthread_mutex_unlock(&y->lock);
}

/* A maker: profile after profile. */
static void *work(void *arg)
{
    struct making *m = arg;

    while ((m->profile = take_profile(m->yard))) {
        struct err err = ERR_INIT;
        if (build_profile(m, &err) < 0)
            stop_yard(m->yard, &err);
    }
    return NULL;
}

/* All makers, each with a connection of its own; the first is this thread. */
static int run_yard(struct yard *y, struct err *err)
{
    struct making makers[MAKERS] = {0};
    pthread_t threads[MAKERS];
    size_t started = 1;
    int r = 0;

    for (size_t i = 0; i < MAKERS; i++)
        makers[i] = (struct making){.yard = y, .slot = (unsigned)i, .maker = y->maker, .e = y->e, .cfg = y->cfg};
    while (started < MAKERS && !y->only && r == 0) {
        struct making *m = &makers[started];
        r = engine_another(y->e, &m->e, err);
        if (r == 0 && pthread_create(&threads[started], NULL, work, m) != 0) {
            r = err_set(err, ERR_INTERNAL, "cannot start a thread");
            engine_free(m->e);
        }
        if (r == 0)
            started++;
    }
    if (r < 0)
        stop_yard(y, err);
    work(&makers[0]);
    for (size_t i = 1; i < started; i++) {
        pthread_join(threads[i], NULL);
        engine_free(makers[i].e);
    }
    if (y->stopped)
        *err = y->err;
    return y->stopped ? -1 : 0;
}

int images_build(struct engine *e, const struct images_config *cfg, const struct profiles *profiles,
                 const char *profile, bool fresh, struct err *err)
{
    struct yard y = {.e = e,
                     .cfg = cfg,
                     .profiles = profiles,
                     .only = profile,
                     .fresh = fresh,
                     .lock = PTHREAD_MUTEX_INITIALIZER,
                     .changed = PTHREAD_COND_INITIALIZER};
    struct engine_info info;

    if (profile && !profiles_find(profiles, profile)) {
        err_set(err, ERR_NOT_FOUND, "there is no profile %s", profile);
        return err_hint(err, "GET /v1/profiles, or workers/profiles, has their names");
    }
    if (engine_info(e, &info, err) < 0)
        return -1;
    int got = images_lock(cfg->state_dir, true, err);
    if (got < 0)
        return -1;
    AUTO(fd) int lock = got;
    (void)lock; /* held to the end of this */
    images_maker(cfg->state_dir, y.maker);
    int r = remove_strays(&y, err);
    if (r == 0)
        r = run_yard(&y, err);
    for (size_t i = 0; i < y.untried.count && r == 0; i++)
        fprintf(stderr, "==> %s\n", y.untried.p[i]);
    strs_free(&y.made);
    strs_free(&y.unavailable);
    strs_free(&y.untried);
    return r;
}
