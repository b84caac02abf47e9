/*
 * attach.c - see attach.h. Signals are read from a descriptor while a job is
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

enum { STEP_MS = 200, QUEUE_FIRST_MS = 1000, QUEUE_EVERY_MS = 5000 };

struct attach {
    struct http *http;
    const char *id;
    enum attach_mode mode;
    int signals;
    bool canceled;
    bool shown;  /* some of the log */
    char *queue; /* what was last said of it */
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
        fprintf(stderr, "\ncancel the job or detach? [c/d] ");
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
    AUTO(char_p) char *id = http_escape(a->id);
    AUTO(char_p) char *path = mem_printf("/v1/jobs/%s", id);
    const struct api_call call = {.method = "DELETE", .path = path};
    cJSON *answer = NULL;

    int rc = api_call(a->http, &call, &answer, err);
    cJSON_Delete(answer);
    /* Finished in the meantime: its end tells. */
    if (rc < 0 && err->kind == ERR_CONFLICT)
        rc = 0;
    if (rc == 0)
        note_line("canceling job %s", a->id);
    return rc;
}

/* While nothing has come of the log: where the job stands. */
static void say_queue(struct attach *a)
{
    int64_t now = clock_monotonic_ms();
    AUTO(char_p) char *path = NULL;
    AUTO(json) cJSON *job = NULL;
    struct err ignored = ERR_INIT;

    if (a->mode != ATTACH_ASK || a->shown || now < a->ask_ms)
        return;
    a->ask_ms = now + QUEUE_EVERY_MS;
    path = mem_printf("/v1/jobs/%s", a->id);
    if (api_get(a->http, path, &job, &ignored) < 0)
        return;
    char *text = show_queue(job);
    if (text[0] && (!a->queue || strcmp(text, a->queue) != 0))
        note_line("%s", text);
    mem_free(a->queue);
    a->queue = text;
}

static int follow(struct attach *a, struct tail *f, int64_t deadline_ms, enum attach_end *ret, struct err *err)
{
    AUTO(buf) struct buf text = {0};

    for (;;) {
        buf_clear(&text);
        int rc = tail_step(f, STEP_MS, &text, err);
        if (rc < 0)
            return -1;
        if (text.len > 0) {
            a->shown = true;
            if (a->mode != ATTACH_QUIET)
                show_log(text.p, text.len);
        }
        if (rc == TAIL_END) {
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

int attach_run(struct http *h, const char *id, int64_t deadline_ms, enum attach_mode mode, enum attach_end *ret,
               struct err *err)
{
    struct attach a = {.http = h, .id = id, .mode = mode, .ask_ms = clock_monotonic_ms() + QUEUE_FIRST_MS};
    sigset_t ours, before;

    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigprocmask(SIG_BLOCK, &ours, &before);
    AUTO(fd) int signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    int rc = -1;
    if (signals < 0) {
        err_sys(err, ERR_INTERNAL, errno, "cannot listen for signals");
    } else {
        struct tail *f = tail_new(h, id);
        a.signals = signals;
        rc = follow(&a, f, deadline_ms, ret, err);
        tail_free(f);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    mem_free(a.queue);
    return rc;
}
