/*
 * attach.c - see attach.h. Signals are read from a descriptor while jobs are
 * followed, so that ^C is an event of this loop and nothing else.
 */
#include "client/attach.h"

#include "base/clock.h"
#include "base/json.h"
#include "client/api.h"
#include "client/tail.h"
#include "client/note.h"
#include "client/show.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { STEP_MS = 200, QUEUE_FIRST_MS = 1000, QUEUE_EVERY_MS = 5000, MAX_MEMBERS = 64, WIDTH_MAX = 32 };

struct member {
    const char *id;      /* borrowed */
    const char *profile; /* before each line; NULL: nothing is */
    struct tail *tail;   /* NULL once it has ended */
    bool shown;          /* some of the log */
    char *queue;         /* what was last said of it */
};

struct attach {
    struct http *http;
    const cJSON *what;
    char *path; /* of it */
    struct member *members;
    size_t count;
    int width; /* of the longest profile's name */
    enum attach_mode mode;
    int signals;
    bool canceled;
    int64_t ask_ms;
};

/* The signal that came; 0 if none. */
static int take_signal(int fd)
{
    struct signalfd_siginfo info;

    return read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}

/* True: cancel. A second ^C, an end of input or anything that is not understood twice: detach. */
static bool ask_cancel(struct attach *a)
{
    AUTO(fd) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
    char line[64];

    if (tty < 0 || !isatty(STDERR_FILENO))
        return false;
    for (int tries = 0; tries < 2; tries++) {
        struct pollfd p[2] = {{.fd = tty, .events = POLLIN}, {.fd = a->signals, .events = POLLIN}};
        fprintf(stderr, "\ncancel the %s or detach? [c/d] ", a->count > 1 ? "jobs" : "job");
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return false;
        if (p[1].revents) {
            take_signal(a->signals);
            fputs("\n", stderr);
            return false;
        }
        ssize_t n = read(tty, line, sizeof(line));
        if (n <= 0)
            return false;
        if (line[0] == 'c' || line[0] == 'C')
            return true;
        if (line[0] == 'd' || line[0] == 'D')
            return false;
    }
    return false;
}

static int cancel(struct attach *a, struct err *err)
{
    const struct api_call call = {.method = "DELETE", .path = a->path};
    cJSON *answer = NULL;

    int rc = api_call(a->http, &call, &answer, err);
    cJSON_Delete(answer);
    /* Finished in the meantime: its end tells. */
    if (rc < 0 && err->kind == ERR_CONFLICT)
        rc = 0;
    if (rc == 0)
        note_line("canceling %s", json_str(a->what, "id", ""));
    return rc;
}

/* While nothing has come of a log: where its job stands. */
static void say_queue(struct attach *a)
{
    int64_t now = clock_monotonic_ms();
    AUTO(json) cJSON *answer = NULL;
    struct err ignored = ERR_INIT;
    bool silent = false;

    for (size_t i = 0; i < a->count; i++)
        silent = silent || !a->members[i].shown;
    if (a->mode != ATTACH_ASK || !silent || now < a->ask_ms)
        return;
    a->ask_ms = now + QUEUE_EVERY_MS;
    if (api_get(a->http, a->path, &answer, &ignored) < 0)
        return;
    for (size_t i = 0; i < a->count; i++) {
        struct member *m = &a->members[i];
        const cJSON *job = api_job_at(answer, i);
        if (m->shown || strcmp(json_str(job, "id", ""), m->id) != 0)
            continue;
        char *text = show_queue(job);
        if (text[0] && (!m->queue || strcmp(text, m->queue) != 0))
            note_line("%s%s%s", m->profile ? m->profile : "", m->profile ? ": " : "", text);
        mem_free(m->queue);
        m->queue = text;
    }
}

/* The lines that came, with the profile before each where there are several logs. */
static void show_lines(struct attach *a, struct member *m, const struct buf *text)
{
    AUTO(buf) struct buf marked = {0};

    m->shown = true;
    if (a->mode == ATTACH_QUIET)
        return;
    for (size_t from = 0; m->profile && from < text->len;) {
        const char *line = text->p + from, *end = memchr(line, '\n', text->len - from);
        size_t len = end ? (size_t)(end - line) : text->len - from;
        buf_printf(&marked, "%-*s | ", a->width, m->profile);
        buf_put(&marked, line, len);
        buf_puts(&marked, "\n");
        from += len + 1;
    }
    const struct buf *shown = m->profile ? &marked : text;
    show_log(shown->p, shown->len);
}

/* What came of every log within STEP_MS. *ret_left: how many have not ended. */
static int step(struct attach *a, size_t *ret_left, struct err *err)
{
    AUTO(buf) struct buf text = {0};
    size_t left = 0, open = 0;

    for (size_t i = 0; i < a->count; i++)
        open += a->members[i].tail != NULL;
    for (size_t i = 0; i < a->count; i++) {
        struct member *m = &a->members[i];
        if (!m->tail)
            continue;
        buf_clear(&text);
        int rc = tail_step(m->tail, STEP_MS / (int)open, &text, err);
        if (rc < 0)
            return m->profile ? err_wrap(err, "%s", m->profile) : -1;
        if (text.len > 0)
            show_lines(a, m, &text);
        if (rc == TAIL_END) {
            tail_free(STEAL(m->tail));
            m->shown = true; /* it waits no more */
        } else {
            left++;
        }
    }
    *ret_left = left;
    return 0;
}

static int follow(struct attach *a, int64_t deadline_ms, enum attach_end *ret, struct err *err)
{
    for (;;) {
        size_t left = 0;
        if (step(a, &left, err) < 0)
            return -1;
        if (left == 0) {
            *ret = a->canceled ? ATTACH_CANCELED : ATTACH_FINISHED;
            return 0;
        }
        int sig = take_signal(a->signals);
        if (sig && !a->canceled) {
            if (sig != SIGINT || a->mode != ATTACH_ASK || !ask_cancel(a)) {
                *ret = ATTACH_DETACHED;
                return 0;
            }
            if (cancel(a, err) < 0)
                return -1;
            a->canceled = true;
        } else if (sig) {
            *ret = ATTACH_DETACHED;
            return 0;
        }
        if (deadline_ms > 0 && clock_monotonic_ms() > deadline_ms) {
            *ret = ATTACH_TIMED_OUT;
            return 0;
        }
        say_queue(a);
    }
}

static void open_members(struct attach *a)
{
    bool several = json_arr(a->what, "jobs") != NULL;

    a->members = mem_alloc(a->count * sizeof *a->members);
    for (size_t i = 0; i < a->count; i++) {
        struct member *m = &a->members[i];
        const cJSON *job = api_job_at(a->what, i);
        m->id = json_str(job, "id", "");
        m->profile = several ? json_str(job, "profile", "?") : NULL;
        m->tail = tail_new(a->http, m->id);
        int width = several ? (int)strnlen(m->profile, WIDTH_MAX) : 0;
        a->width = width > a->width ? width : a->width;
    }
}

int attach_run(struct http *h, const cJSON *what, int64_t deadline_ms, enum attach_mode mode, enum attach_end *ret,
               struct err *err)
{
    struct attach a = {.http = h,
                       .what = what,
                       .count = api_job_count(what),
                       .mode = mode,
                       .ask_ms = clock_monotonic_ms() + QUEUE_FIRST_MS};
    sigset_t ours, before;

    if (a.count > MAX_MEMBERS)
        return err_set(err, ERR_UNAVAILABLE, "the server's answer has %zu jobs; at most %d can be followed at once",
                       a.count, MAX_MEMBERS);
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigprocmask(SIG_BLOCK, &ours, &before);
    AUTO(fd) int signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    int rc = -1;
    if (signals < 0) {
        err_sys(err, ERR_INTERNAL, errno, "cannot listen for signals");
    } else {
        a.signals = signals;
        a.path = api_path(what);
        open_members(&a);
        rc = follow(&a, deadline_ms, ret, err);
        for (size_t i = 0; i < a.count; i++) {
            tail_free(a.members[i].tail);
            mem_free(a.members[i].queue);
        }
        mem_free(a.members);
        mem_free(a.path);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return rc;
}
