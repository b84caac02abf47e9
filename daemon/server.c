/* server.c - see server.h. */
#include "daemon/server.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "daemon/app.h"
#include "daemon/follow.h"
#include "daemon/house.h"
#include "daemon/http.h"
#include "daemon/upload.h"
#include "docker/engine.h"
#include "workers/keys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MAX_PROFILE_DIRS = 16,
    HOUSE_MS = 3600 * 1000,
    INTERRUPT_MS = 15000, /* for workers to let go of their jobs */
};

struct server {
    struct app app;
    struct server_args args;
    int lock_fd, event_fd;
    uv_loop_t loop;
    uv_poll_t news;
    uv_signal_t term, intr, hup;
    uv_timer_t tick, house, drain;
    uv_work_t house_work;
    bool house_busy;
    struct profiles *house_profiles; /* for the round under way */
    int64_t keep_days, image_keep_days;
    struct config *first_config; /* of the start; what the pool reads of images stays as it was */
    struct images_config images;
    int64_t drain_until;
    bool interrupted;
};

int server_profiles(const struct config *c, struct profiles **ret, struct err *err)
{
    const char *dirs[MAX_PROFILE_DIRS + 2];
    AUTO(char_p) char *own = mem_printf("%s/workers/profiles", c->share_dir);
    AUTO(char_p) char *more = mem_strdup(c->profile_dirs);
    char *save = NULL;
    size_t n = 0;

    dirs[n++] = own;
    for (char *d = strtok_r(more, ":", &save); d; d = strtok_r(NULL, ":", &save)) {
        if (n > MAX_PROFILE_DIRS)
            return err_set(err, ERR_BAD_REQUEST, "profile_dirs names more than %d folders", MAX_PROFILE_DIRS);
        dirs[n++] = d;
    }
    dirs[n] = NULL;
    return profiles_load(dirs, &c->limits, ret, err);
}

static void set_log_level(const struct config *c)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(c->log_level, names[i]) == 0)
            log_set_level((enum log_level)i);
}

/* --- start --- */

static int make_state(struct server *s, const struct config *c, struct err *err)
{
    static const char *const folders[] = {"sources", "blobs", "logs", "tmp"};

    if (fs_mkdirs(c->state, 0711, err) < 0)
        return err_wrap(err, "state folder");
    char *real = realpath(c->state, NULL);
    if (!real)
        return err_sys(err, ERR_UNAVAILABLE, errno, "state folder %s", c->state);
    s->app.state_dir = mem_strdup(real);
    free(real);
    for (size_t i = 0; i < COUNT(folders); i++) {
        AUTO(char_p) char *path = mem_printf("%s/%s", s->app.state_dir, folders[i]);
        if (fs_mkdirs(path, 0700, err) < 0)
            return err_wrap(err, "state folder");
    }
    AUTO(char_p) char *work = mem_printf("%s/work", s->app.state_dir);
    if (fs_mkdirs(work, 0711, err) < 0)
        return err_wrap(err, "state folder");
    AUTO(char_p) char *lock = mem_printf("%s/lock", s->app.state_dir);
    s->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock_fd < 0)
        return err_sys(err, ERR_UNAVAILABLE, errno, "cannot open %s", lock);
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, ERR_UNAVAILABLE, "another bloomeryd uses the state folder %s", s->app.state_dir);
    return house_empty_tmp(s->app.state_dir, err);
}

static void raise_files(const struct config *c)
{
    rlim_t want = (rlim_t)c->limits.max_connections + SERVER_SPARE_FILES;
    struct rlimit l;

    if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= want)
        return;
    struct rlimit more = {want, l.rlim_max > want ? l.rlim_max : want};
    if (setrlimit(RLIMIT_NOFILE, &more) == 0)
        return;
    l.rlim_cur = l.rlim_max < want ? l.rlim_max : want;
    setrlimit(RLIMIT_NOFILE, &l);
    if (l.rlim_cur < want)
        log_warn(NULL, "only %lld open files are allowed, max_connections wants %lld", (long long)l.rlim_cur,
                 (long long)want);
}

/* What cannot work is said at once; an Engine that is away is waited for. */
static int check_engine(const struct config *c, struct err *err)
{
    struct engine *e = NULL;
    struct engine_info info = {0};
    struct err away = ERR_INIT;

    if (engine_open(c->engine_socket, &e, err) < 0)
        return -1;
    int rc = engine_info(e, &info, &away);
    engine_free(e);
    if (rc < 0) {
        log_warn(NULL, "the Docker Engine does not answer, jobs wait for it: %s", away.msg);
        return 0;
    }
    return engine_supported(&info, err);
}

static int listen_on(const struct config *c, int *ret_fd, int *ret_port, struct err *err)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = {0};
    char address[64];
    int port = 0, one = 1;
    socklen_t len;

    if (config_listen(c, address, &port, err) < 0)
        return -1;
    if (inet_pton(AF_INET, address, &a.v4.sin_addr) == 1) {
        a.v4.sin_family = AF_INET;
        a.v4.sin_port = htons((uint16_t)port);
        len = sizeof a.v4;
    } else {
        inet_pton(AF_INET6, address, &a.v6.sin6_addr);
        a.v6.sin6_family = AF_INET6;
        a.v6.sin6_port = htons((uint16_t)port);
        len = sizeof a.v6;
    }
    AUTO(fd) int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, ERR_UNAVAILABLE, errno, "socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, &a.any, len) < 0 || listen(fd, SOMAXCONN) < 0 || getsockname(fd, &a.any, &len) < 0)
        return err_sys(err, ERR_UNAVAILABLE, errno, "cannot listen on %s", c->listen);
    *ret_port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static void read_openapi(struct app *app)
{
    AUTO(char_p) char *path = mem_printf("%s/schema/openapi.json", app->share_dir);
    AUTO(buf) struct buf b = {0};
    struct err err = ERR_INIT;

    if (fs_read(path, 4 << 20, &b, &err) < 0)
        log_warn(NULL, "/openapi.json is not served: %s", err.msg);
    else
        app->openapi = buf_steal(&b);
}

static int prepare_keys(const char *state_dir, struct err *err)
{
    bool made = false;

    if (keys_prepare(state_dir, &made, err) < 0)
        return err_wrap(err, "signing key");
    if (made)
        log_info(NULL, "a new signing key was made; GET /v1/keys shows its public half");
    return 0;
}

static int start_pool(struct server *s, struct err *err)
{
    struct app *app = &s->app;
    const struct config *c = app->config;
    char digest[SHA256_HEX_SIZE], instance[13];

    config_images(s->first_config, &s->images);
    s->images.state_dir = app->state_dir;
    hash_bytes(app->state_dir, strlen(app->state_dir), digest);
    snprintf(instance, sizeof instance, "%.12s", digest);
    struct pool_config p = {.state_dir = app->state_dir,
                            .engine_socket = c->engine_socket,
                            .helper_dir = app->helper_dir,
                            .share_dir = app->share_dir,
                            .images = &s->images,
                            .ca_bundle = c->ca_bundle[0] ? c->ca_bundle : NULL,
                            .crates_mirror = c->crates_mirror[0] ? c->crates_mirror : NULL,
                            .work_mode = c->work_mode,
                            .instance = instance,
                            .builder_id = c->builder_id,
                            .slots = (int)c->slots,
                            .build_uid = (uid_t)c->build_uid,
                            .limits = c->limits,
                            .event_fd = s->event_fd};
    return pool_start(&p, app->store, app->profiles, &app->pool, err);
}

/* --- running --- */

static void on_news(uv_poll_t *p, int status, int events)
{
    struct server *s = p->data;
    uint64_t n;
    ssize_t got = read(s->event_fd, &n, sizeof n);

    (void)got; /* how often it was written does not matter */
    (void)status;
    (void)events;
    s->app.counts_at = 0;
    follow_poke(s->app.follow);
}

static void on_tick(uv_timer_t *t)
{
    struct server *s = t->data;

    uploads_tick(&s->app);
}

/* Container images that nothing needs any more. An Engine that is away has its turn an hour later. */
static void collect_images(struct server *s)
{
    struct images_removal removal = {0};
    struct engine *e = NULL;
    struct err err = ERR_INIT;

    if (engine_open(s->first_config->engine_socket, &e, &err) == 0 &&
        images_remove(e, &s->images, s->house_profiles, IMAGES_UNNEEDED, NULL, s->image_keep_days * 24 * 3600, &removal,
                      &err) < 0)
        log_warn(NULL, "container images: %s", err.msg);
    for (size_t i = 0; i < removal.removed.count; i++)
        log_info(NULL, "removed the image %s: nothing needs it any more", removal.removed.p[i]);
    images_removal_clear(&removal);
    engine_free(e);
}

static void house_run(uv_work_t *w)
{
    struct server *s = w->data;
    struct house_result result = {0};
    struct err err = ERR_INIT;

    if (house_keep(s->app.store, s->app.state_dir, s->keep_days, &result, &err) < 0)
        log_warn(NULL, "housekeeping: %s", err.msg);
    if (result.jobs || result.files)
        log_info(NULL, "housekeeping removed %lld jobs and %lld files that nobody refers to", (long long)result.jobs,
                 (long long)result.files);
    if (s->image_keep_days > 0)
        collect_images(s);
}

static void house_done(uv_work_t *w, int status)
{
    struct server *s = w->data;

    (void)status;
    profiles_unref(s->house_profiles);
    s->house_profiles = NULL;
    s->house_busy = false;
}

static void on_house(uv_timer_t *t)
{
    struct server *s = t->data;

    if (s->house_busy || s->app.draining)
        return;
    s->house_busy = true;
    s->keep_days = s->app.config->limits.keep_days;
    s->image_keep_days = s->app.config->limits.image_keep_days;
    s->house_profiles = profiles_ref(s->app.profiles);
    s->house_work.data = s;
    uv_queue_work(&s->loop, &s->house_work, house_run, house_done);
}

/* Listening address, state folder, socket and slots stay as they are until a restart. */
static void reload(struct server *s)
{
    struct config *c = NULL;
    struct profiles *profiles = NULL;
    struct err err = ERR_INIT;
    int rest = 0;
    char **argv = mem_alloc(sizeof *argv * (size_t)(s->args.argc + 1));

    memcpy(argv, s->args.argv, sizeof *argv * (size_t)s->args.argc);
    if (config_load(s->args.argc, argv, s->args.environment, &c, &rest, &err) < 0) {
        log_error(NULL, "reload: the configuration stays as it was: %s%s%s", err.msg, err.hint[0] ? "; " : "",
                  err.hint);
    } else if (server_profiles(c, &profiles, &err) < 0) {
        log_error(NULL, "reload: configuration and profiles stay as they were: %s", err.msg);
        config_free(c);
    } else {
        pool_reload(s->app.pool, profiles, &c->limits);
        profiles_unref(s->app.profiles);
        s->app.profiles = profiles;
        c->slots = s->app.config->slots;
        if (s->app.config != s->first_config)
            config_free(s->app.config);
        s->app.config = c;
        set_log_level(c);
        log_info(NULL, "configuration and %zu profiles reloaded", profiles_count(profiles));
    }
    mem_free(argv);
}

static void on_drain(uv_timer_t *t)
{
    struct server *s = t->data;
    int64_t now = clock_monotonic_ms();

    if (!pool_idle(s->app.pool) && !s->interrupted && now < s->drain_until)
        return;
    if (!pool_idle(s->app.pool) && !s->interrupted) {
        log_info(NULL, "running jobs go back into the queue");
        s->interrupted = true;
        s->drain_until = now + INTERRUPT_MS;
        pool_interrupt(s->app.pool);
        return;
    }
    if (!pool_idle(s->app.pool) && now < s->drain_until)
        return;
    uv_stop(&s->loop);
}

static void on_stop_signal(uv_signal_t *sig, int signum)
{
    struct server *s = sig->data;

    if (!s->app.draining) {
        s->app.draining = true;
        log_info(NULL, "signal %d: no new jobs are taken; running ones get %lld s to finish", signum,
                 (long long)s->app.config->limits.drain_seconds);
        pool_drain(s->app.pool);
        s->drain_until = clock_monotonic_ms() + s->app.config->limits.drain_seconds * 1000;
        uv_timer_start(&s->drain, on_drain, 0, 100);
    } else {
        log_info(NULL, "second signal: hurrying");
        s->drain_until = 0;
    }
}

static void on_hup(uv_signal_t *sig, int signum)
{
    (void)signum;
    reload(sig->data);
}

static void watch(struct server *s)
{
    uv_poll_init(&s->loop, &s->news, s->event_fd);
    uv_signal_init(&s->loop, &s->term);
    uv_signal_init(&s->loop, &s->intr);
    uv_signal_init(&s->loop, &s->hup);
    uv_timer_init(&s->loop, &s->tick);
    uv_timer_init(&s->loop, &s->house);
    uv_timer_init(&s->loop, &s->drain);
    s->news.data = s->term.data = s->intr.data = s->hup.data = s;
    s->tick.data = s->house.data = s->drain.data = s;
    uv_poll_start(&s->news, UV_READABLE, on_news);
    uv_signal_start(&s->term, on_stop_signal, SIGTERM);
    uv_signal_start(&s->intr, on_stop_signal, SIGINT);
    uv_signal_start(&s->hup, on_hup, SIGHUP);
    uv_timer_start(&s->tick, on_tick, 1000, 1000);
    uv_timer_start(&s->house, on_house, 0, HOUSE_MS);
}

static void close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static int start(struct server *s, struct err *err)
{
    struct app *app = &s->app;
    const struct config *c = app->config;
    int listen_fd = -1, port;
    char address[64];

    if (config_listen(c, address, &port, err) < 0) /* before anything is touched */
        return -1;
    app->share_dir = mem_strdup(c->share_dir);
    app->helper_dir = mem_strdup(c->helper_dir);
    app->upload_uid = geteuid() == 0 ? (uid_t)(c->build_uid + 2 * c->slots) : 0;
    raise_files(c);
    if (make_state(s, c, err) < 0 || server_profiles(c, &app->profiles, err) < 0 || check_engine(c, err) < 0)
        return -1;
    AUTO(char_p) char *db = mem_printf("%s/bloomery.db", app->state_dir);
    if (store_open(db, &app->store, err) < 0 || store_reader_open(app->store, &app->reader, err) < 0)
        return -1;
    if (prepare_keys(app->state_dir, err) < 0)
        return -1;
    read_openapi(app);
    s->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (s->event_fd < 0)
        return err_sys(err, ERR_INTERNAL, errno, "eventfd");
    if (listen_on(c, &listen_fd, &app->port, err) < 0)
        return -1;
    if (start_pool(s, err) < 0) {
        close(listen_fd);
        return -1;
    }
    app->uploads = uploads_new();
    app->follow = follow_new(app);
    watch(s);
    return http_start(app, &s->loop, listen_fd, c->limits.max_connections, c->limits.upload_stall_seconds, &app->http,
                      err);
}

static void stop_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (h->type == UV_TIMER)
        uv_timer_stop((uv_timer_t *)h);
    else if (h->type == UV_POLL)
        uv_poll_stop((uv_poll_t *)h);
    else if (h->type == UV_SIGNAL)
        uv_signal_stop((uv_signal_t *)h);
}

static void stop(struct server *s)
{
    struct app *app = &s->app;

    if (app->http)
        http_quiesce(app->http);
    if (app->follow)
        follow_stop(app->follow);
    /* Pool threads that work for a request have it in their hands: they finish first. */
    while ((app->http && http_busy(app->http)) || s->house_busy)
        uv_run(&s->loop, UV_RUN_ONCE);
    http_stop(app->http);
    /* The loop turns once more while followers are freed: nothing on it may ask the pool then. */
    uv_walk(&s->loop, stop_handle, NULL);
    pool_free(app->pool);
    follow_free_all(app->follow);
    uploads_free(app->uploads);
    uv_walk(&s->loop, close_handle, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    store_reader_free(app->reader);
    store_free(app->store);
    profiles_unref(app->profiles);
    if (app->config != s->first_config)
        config_free(app->config);
    config_free(s->first_config);
    uv_loop_close(&s->loop);
    mem_free(app->openapi);
    mem_free(app->state_dir);
    mem_free(app->share_dir);
    mem_free(app->helper_dir);
    if (s->event_fd >= 0)
        close(s->event_fd);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    mem_free(s);
}

int server_run(struct config *config, const struct server_args *args, struct err *err)
{
    struct server *s = mem_alloc(sizeof *s);
    int rc;

    s->args = *args;
    s->app.config = s->first_config = config;
    s->app.started_ms = clock_now_ms();
    s->app.loop = &s->loop;
    s->lock_fd = s->event_fd = -1;
    set_log_level(config);
    uv_loop_init(&s->loop);
    rc = start(s, err);
    if (rc == 0) {
        char address[64];
        int port;
        config_listen(config, address, &port, err);
        bool v6 = strchr(address, ':') != NULL;
        fprintf(stderr, "listening on http://%s%s%s:%d\n", v6 ? "[" : "", address, v6 ? "]" : "", s->app.port);
        fflush(stderr);
        uv_run(&s->loop, UV_RUN_DEFAULT);
        log_info(NULL, "stopping");
    }
    stop(s);
    return rc;
}
