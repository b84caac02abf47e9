/* follow.c - see follow.h. */
#include "daemon/follow.h"

#include "base/log.h"
#include "daemon/app.h"
#include "workers/paths.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PIECE = 64 << 10, /* a longer line is sent in pieces */
    LOOK_MS = 50,     /* news within this time are looked at together */
    TICK_MS = 1000,
    BEAT_TICKS = 15, /* heartbeats, and looking for clients that have hung up */
};

struct watch {
    struct watch *next;
    struct follow *follow;
    char id[ULID_SIZE];
    int refs;
    bool finished, unknown;
    char state[16];
    char error_kind[32];
    int log_fd;
    int64_t log_size;
    struct follower *followers;
    struct waiter *waiters;
};

struct follower {
    struct follower *prev, *next;
    struct request *r;
    struct watch *watch;
    int64_t offset; /* of the next event's line */
    size_t skip;    /* bytes of that event which were sent already */
    bool hello, beat, gone, done;
};

struct waiter {
    struct waiter *prev, *next;
    struct request *r;
    struct watch *watch;
    int64_t until; /* monotonic */
    void (*ready)(struct request *);
};

struct follow {
    struct app *app;
    uv_timer_t look, tick;
    struct watch *watches;
    struct follow_counts counts;
    int ticks;
    bool stopped;
    /* One piece of one log, shared by all followers: most want the same one. */
    struct watch *cached;
    int64_t cached_at;
    size_t cached_len;
    char piece[PIECE];
    struct buf event; /* the event being copied out */
};

/* --- watches --- */

static void refresh(struct watch *w)
{
    struct app *app = w->follow->app;
    AUTO(job) struct job *job = NULL;
    struct err err = ERR_INIT;
    struct stat st;

    if (!w->finished) {
        int rc = store_get(app->reader, w->id, &job, &err);
        if (rc == STORE_NONE)
            w->finished = w->unknown = true;
        else if (rc < 0)
            log_warn(w->id, "cannot look at the job for its followers: %s", err.msg);
        else {
            w->finished = job_finished(job->state);
            snprintf(w->state, sizeof w->state, "%s", job_state_name(job->state));
            snprintf(w->error_kind, sizeof w->error_kind, "%s", job->error.kind ? err_name(job->error.kind) : "");
        }
    }
    /* The log's size comes after the state: a finished job writes no more. */
    if (w->log_fd < 0) {
        AUTO(char_p) char *path = path_log(app->state_dir, w->id);
        w->log_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (w->log_fd >= 0 && fstat(w->log_fd, &st) == 0)
        w->log_size = st.st_size;
}

static struct watch *watch_ref(struct follow *f, const char *id)
{
    struct watch *w;

    for (w = f->watches; w; w = w->next)
        if (strcmp(w->id, id) == 0) {
            w->refs++;
            return w;
        }
    w = mem_alloc(sizeof *w);
    w->follow = f;
    w->refs = 1;
    w->log_fd = -1;
    snprintf(w->id, sizeof w->id, "%s", id);
    w->next = f->watches;
    f->watches = w;
    refresh(w);
    return w;
}

static void watch_unref(struct watch *w)
{
    if (--w->refs > 0)
        return;
    struct follow *f = w->follow;
    for (struct watch **p = &f->watches; *p; p = &(*p)->next)
        if (*p == w) {
            *p = w->next;
            break;
        }
    if (f->cached == w)
        f->cached = NULL;
    if (w->log_fd >= 0)
        close(w->log_fd);
    mem_free(w);
}

static void wake(struct watch *w, int64_t now)
{
    w->refs++; /* a waiter that is answered lets go of the watch */
    for (struct waiter *x = w->waiters, *next; x; x = next) {
        next = x->next;
        if (w->finished || now >= x->until || w->follow->stopped) {
            struct request *r = x->r;
            void (*ready)(struct request *) = x->ready;
            waiter_free(STEAL(r->waiter));
            ready(r);
        }
    }
    for (struct follower *x = w->followers; x; x = x->next)
        if (w->finished || x->offset < w->log_size || x->beat || x->gone)
            http_resume_stream(x->r);
    watch_unref(w);
}

static void look(struct follow *f)
{
    int64_t now = clock_monotonic_ms();

    for (struct watch *w = f->watches, *next; w; w = next) {
        w->refs++;
        refresh(w);
        wake(w, now);
        next = w->next;
        watch_unref(w);
    }
}

static void on_look(uv_timer_t *t)
{
    look(t->data);
}

static void beat(struct follow *f)
{
    for (struct watch *w = f->watches, *next; w; w = next) {
        w->refs++;
        for (struct waiter *x = w->waiters, *after; x; x = after) {
            after = x->next;
            if (http_gone(x->r)) {
                struct request *r = x->r;
                waiter_free(STEAL(r->waiter));
                http_drop(r);
            }
        }
        for (struct follower *x = w->followers; x; x = x->next) {
            x->gone = http_gone(x->r);
            x->beat = true;
        }
        next = w->next;
        watch_unref(w);
    }
}

static void on_tick(uv_timer_t *t)
{
    struct follow *f = t->data;

    if (++f->ticks % BEAT_TICKS == 0)
        beat(f);
    look(f);
}

struct follow *follow_new(struct app *app)
{
    struct follow *f = mem_alloc(sizeof *f);

    f->app = app;
    uv_timer_init(app->loop, &f->look);
    uv_timer_init(app->loop, &f->tick);
    f->look.data = f->tick.data = f;
    uv_timer_start(&f->tick, on_tick, TICK_MS, TICK_MS);
    return f;
}

void follow_stop(struct follow *f)
{
    f->stopped = true;
    look(f);
    uv_timer_stop(&f->look);
    uv_timer_stop(&f->tick);
}

void follow_free_all(struct follow *f)
{
    if (!f)
        return;
    uv_close((uv_handle_t *)&f->look, NULL);
    uv_close((uv_handle_t *)&f->tick, NULL);
    uv_run(f->app->loop, UV_RUN_NOWAIT);
    buf_free(&f->event);
    mem_free(f);
}

void follow_poke(struct follow *f)
{
    if (!f->stopped && !uv_is_active((uv_handle_t *)&f->look))
        uv_timer_start(&f->look, on_look, LOOK_MS, 0);
}

void follow_counts(const struct follow *f, struct follow_counts *ret)
{
    *ret = f->counts;
}

/* --- waiting for a job's end --- */

void follow_wait(struct request *r, const char *id, int64_t seconds, void (*ready)(struct request *))
{
    struct follow *f = r->app->follow;
    struct waiter *x = mem_alloc(sizeof *x);

    x->r = r;
    x->ready = ready;
    x->until = clock_monotonic_ms() + seconds * 1000;
    x->watch = watch_ref(f, id);
    x->next = x->watch->waiters;
    if (x->next)
        x->next->prev = x;
    x->watch->waiters = x;
    r->waiter = x;
    f->counts.waiters++;
    http_hold(r);
    follow_poke(f);
}

void waiter_free(struct waiter *x)
{
    if (!x)
        return;
    if (x->prev)
        x->prev->next = x->next;
    else
        x->watch->waiters = x->next;
    if (x->next)
        x->next->prev = x->prev;
    x->watch->follow->counts.waiters--;
    watch_unref(x->watch);
    mem_free(x);
}

/* --- following a log --- */

void follow_open(struct request *r, const char *id, int64_t offset)
{
    struct follower *x = mem_alloc(sizeof *x);

    x->r = r;
    x->hello = true;
    x->watch = watch_ref(r->app->follow, id);
    x->offset = offset < x->watch->log_size ? offset : x->watch->log_size;
    x->next = x->watch->followers;
    if (x->next)
        x->next->prev = x;
    x->watch->followers = x;
    r->follower = x;
    r->app->follow->counts.followers++;
}

void follow_free(struct follower *x)
{
    if (!x)
        return;
    if (x->prev)
        x->prev->next = x->next;
    else
        x->watch->followers = x->next;
    if (x->next)
        x->next->prev = x->prev;
    x->watch->follow->counts.followers--;
    watch_unref(x->watch);
    mem_free(x);
}

/* The bytes of the log from `offset`, at least one whole line if there is one. */
static const char *piece_at(struct watch *w, int64_t offset, size_t *ret_len)
{
    struct follow *f = w->follow;

    if (f->cached == w && offset >= f->cached_at && offset < f->cached_at + (int64_t)f->cached_len) {
        size_t skip = (size_t)(offset - f->cached_at);
        if (memchr(f->piece + skip, '\n', f->cached_len - skip)) {
            *ret_len = f->cached_len - skip;
            return f->piece + skip;
        }
    }
    ssize_t n = w->log_fd >= 0 ? pread(w->log_fd, f->piece, PIECE, (off_t)offset) : 0;
    f->cached = w;
    f->cached_at = offset;
    f->cached_len = n > 0 ? (size_t)n : 0;
    *ret_len = f->cached_len;
    return f->piece;
}

static void put_line(struct buf *b, const char *line, size_t len)
{
    if (len && line[len - 1] == '\r')
        len--;
    AUTO(char_p) char *clean = json_utf8(line, len);
    buf_puts(b, "data: ");
    for (const char *p = clean; *p;) { /* a carriage return would end the field: each gets a field of its own */
        size_t n = strcspn(p, "\r");
        buf_put(b, p, n);
        p += n;
        if (*p == '\r') {
            p++;
            buf_puts(b, "\ndata: ");
        }
    }
}

/* The event at x->offset into f->event; *ret_next is where the one after it starts. False: there is none yet. */
static bool render(struct follower *x, int64_t *ret_next)
{
    struct watch *w = x->watch;
    struct buf *b = &w->follow->event;
    size_t len = 0;
    const char *data = piece_at(w, x->offset, &len);
    const char *nl = memchr(data, '\n', len);
    size_t line = nl ? (size_t)(nl - data) : len;
    int64_t next = x->offset + (int64_t)line + (nl != NULL);

    buf_clear(b);
    if (!nl && len == PIECE) {
        while (line > PIECE - 4 && ((unsigned char)data[line - 1] & 0xc0) == 0x80)
            line--; /* not through the middle of a character */
        if ((unsigned char)data[line - 1] >= 0xc0)
            line--;
        next = x->offset + (int64_t)line;
    } else if (!nl && !w->finished) {
        return false;
    } else if (!nl && len == 0) {
        AUTO(json) cJSON *o = cJSON_CreateObject();
        json_put_str(o, "id", w->id);
        json_put_str(o, "state", w->unknown ? NULL : w->state);
        json_put_str(o, "error_kind", w->error_kind[0] ? w->error_kind : NULL);
        AUTO(char_p) char *text = json_text(o);
        buf_printf(b, "event: end\ndata: %s\nid: %lld\n\n", text, (long long)x->offset);
        *ret_next = -1;
        return true;
    }
    put_line(b, data, line);
    buf_printf(b, "\nid: %lld\n\n", (long long)next);
    *ret_next = next;
    return true;
}

static size_t put(char *out, size_t n, size_t max, const char *text)
{
    size_t len = strlen(text);

    if (len > max - n)
        return n;
    memcpy(out + n, text, len);
    return n + len;
}

ssize_t follow_read(struct follower *x, char *out, size_t max)
{
    struct buf *b = &x->watch->follow->event;
    size_t n = 0;

    if (x->gone)
        return FOLLOW_BROKEN;
    if (x->hello) {
        x->hello = false;
        n = put(out, n, max, "retry: 2000\n\n");
    }
    while (n < max && !x->done) {
        int64_t next = 0;
        if (!render(x, &next))
            break;
        size_t part = b->len - x->skip < max - n ? b->len - x->skip : max - n;
        memcpy(out + n, b->p + x->skip, part);
        n += part;
        x->skip += part;
        if (x->skip == b->len) {
            x->skip = 0;
            x->done = next < 0;
            x->offset = next;
        }
    }
    if (n > 0)
        x->beat = false;
    else if (x->done)
        return FOLLOW_END;
    else if (x->beat) {
        x->beat = false;
        n = put(out, n, max, ":\n\n");
    }
    return n > 0 ? (ssize_t)n : FOLLOW_NOTHING_YET;
}
