/*
 * engine_stream.c - see engine.h: attach and start, exec, and reading.
 *
 * The Engine ends a stream when nobody holds the output any more. That is too
 * late for an exec that left something running, and too early for a process
 * that closed its own output. So the end of a process is always asked for, and
 * never concluded from the stream.
 *
 * One thread. The stream borrows its engine.
 */
#include "docker/demux.h"
#include "docker/engine_priv.h"

#include "base/clock.h"

#include <string.h>
#include <time.h>

enum {
    ASK_MS = 700,     /* how often an exec is asked whether it still runs, while its stream is open */
    QUIET_MS = 500,   /* after its end: so long without a byte, and everything was read */
    LINGER_MS = 1000, /* after its end: the most, once the pipes were seen empty */
    ASK_SECONDS = 20, /* the Engine's time to answer that */
    SETTLE_MS = 2000, /* a stopped container's exec may be called running for so long */
    SETTLE_KILL_MS = 100,
    KILLED = 128 + 9,
    TERMINATED = 128 + 15,
};
/* More than all the pipes and buffers between a process and us hold: what is read beyond was written after its end. */
#define PIPES_HOLD ((int64_t)4 << 20)

struct engine_stream {
    struct engine *engine;
    struct http_pull *pull;
    struct demux demux;
    struct buf raw;
    size_t raw_used;
    char container[ENGINE_ID_SIZE];
    char exec[ENGINE_ID_SIZE]; /* empty: the container's own output */
    unsigned lost;             /* connections lost when it was opened */
    bool eof;                  /* the Engine has closed the stream */
    bool gone;                 /* the process has ended */
    int exit_code;             /* of the exec, once gone */
    bool dry;                  /* since it is gone, there was a moment with nothing to read */
    int64_t data_ms;           /* when a byte last came */
    int64_t asked_ms;
    int64_t eof_ms, gone_ms;
    int64_t since_gone; /* bytes */
    int pause_ms;       /* between two questions, after the end of the stream */
};

static struct engine_stream *stream_new(struct engine *e, const char *container, struct http_pull *pull)
{
    struct engine_stream *s = mem_alloc(sizeof *s);
    s->engine = e;
    s->pull = pull;
    s->lost = http_lost(e->http);
    size_t len = strlen(container);
    memcpy(s->container, container, len < ENGINE_ID_SIZE ? len : ENGINE_ID_SIZE - 1);
    s->data_ms = s->asked_ms = clock_monotonic_ms();
    s->pause_ms = 1;
    return s;
}

void engine_stream_free(struct engine_stream *s)
{
    if (!s)
        return;
    http_close(s->pull);
    buf_free(&s->raw);
    mem_free(s);
}

static int check_id(const char *id, struct err *err)
{
    if (engine_name_valid(id) && strlen(id) < ENGINE_ID_SIZE)
        return 0;
    return err_set(err, ERR_ENGINE, "not the id of a container: '%.64s'", id ? id : "");
}

/* Open a pulled answer that must have the status 200. */
static int open_stream(struct engine *e, const char *path, const cJSON *body, const char *what, struct http_pull **ret,
                       struct err *err)
{
    struct http_pull *pull = NULL;
    int status = 0;
    if (engine_pull(e, path, body, 0, ENGINE_TIMEOUT, 0, &pull, &status, err) < 0)
        return -1;
    if (status != 200) {
        engine_refused_pull(pull, what, status, err);
        http_close(pull);
        return -1;
    }
    *ret = pull;
    return 0;
}

static int start(struct engine *e, const char *id, struct err *err)
{
    AUTO(char_p) char *path = mem_printf("/containers/%s/start", id);
    AUTO(http_answer) struct http_answer a = {0};
    if (engine_call(e, "POST", path, NULL, ENGINE_TIMEOUT, &a, err) < 0)
        return -1;
    if (a.status == 204 || a.status == 304)
        return 0;
    return engine_refused("start a container", a.status, &a.body, err);
}

int engine_start(struct engine *e, const char *id, struct engine_stream **ret_stream, struct err *err)
{
    if (check_id(id, err) < 0)
        return -1;
    if (!ret_stream)
        return start(e, id, err);
    /* The Engine answers an attach when its pipes are connected: from then on nothing is lost. */
    AUTO(char_p) char *path = mem_printf("/containers/%s/attach?stream=1&stdout=1&stderr=1", id);
    struct http_pull *pull = NULL;
    if (open_stream(e, path, NULL, "attach to a container", &pull, err) < 0)
        return -1;
    if (start(e, id, err) < 0) {
        http_close(pull);
        return -1;
    }
    *ret_stream = stream_new(e, id, pull);
    return 0;
}

int engine_exec(struct engine *e, const char *id, const char *const *command, const char *const *env, const char *user,
                const char *workdir, struct engine_stream **ret_stream, struct err *err)
{
    if (check_id(id, err) < 0)
        return -1;
    AUTO(char_p) char *path = mem_printf("/containers/%s/exec", id);
    AUTO(json) cJSON *body = engine_json_exec_create(command, env, user, workdir);
    AUTO(http_answer) struct http_answer a = {0};
    if (engine_call(e, "POST", path, body, ENGINE_TIMEOUT, &a, err) < 0)
        return -1;
    if (a.status != 201)
        return engine_refused("run a command in a container", a.status, &a.body, err);
    char exec[ENGINE_ID_SIZE];
    if (engine_json_id(a.body.p ? a.body.p : "", a.body.len, exec, err) < 0)
        return -1;

    AUTO(char_p) char *go = mem_printf("/exec/%s/start", exec);
    AUTO(json) cJSON *how = cJSON_CreateObject();
    cJSON_AddBoolToObject(how, "Detach", false);
    cJSON_AddBoolToObject(how, "Tty", false);
    struct http_pull *pull = NULL;
    if (open_stream(e, go, how, "run a command in a container", &pull, err) < 0)
        return -1;
    struct engine_stream *s = stream_new(e, id, pull);
    memcpy(s->exec, exec, sizeof exec);
    *ret_stream = s;
    return 0;
}

/* --- has it ended? --- */

static void sleep_ms(int64_t ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static void set_gone(struct engine_stream *s, int code)
{
    s->gone = true;
    s->gone_ms = clock_monotonic_ms();
    s->exit_code = code;
}

static int interrupted(struct err *err)
{
    return err_set(err, ERR_ENGINE, "the Docker Engine was stopped or restarted while a container ran");
}

/* An Engine that is stopped ends its containers first. Whoever dies by SIGTERM or SIGKILL then did not fail by itself,
 * so it must be known that it was not that: the Engine must take new calls, and must be the one that it was. */
static int check_not_interrupted(struct engine_stream *s, int code, struct err *err)
{
    if (strcmp(s->engine->killed, s->container) == 0 || (code != KILLED && code != TERMINATED))
        return 0;
    struct engine_state state = {0};
    if (engine_alive(s->engine, err) < 0)
        return -1;
    if (s->exec[0])
        sleep_ms(SETTLE_KILL_MS); /* an exec's end may be known before that of the container that took it along */
    if (engine_state(s->engine, s->container, &state, err) < 0)
        return -1;
    if (s->lost != http_lost(s->engine->http) || (s->exec[0] && !state.running))
        return interrupted(err);
    return 0;
}

static int ask_container(struct engine_stream *s, struct err *err)
{
    struct engine_state state = {0};
    if (engine_state(s->engine, s->container, &state, err) < 0)
        return -1;
    if (!state.exists)
        return err_set(err, ERR_ENGINE, "the container %.12s is gone", s->container);
    if (s->lost != http_lost(s->engine->http))
        return interrupted(err);
    if (state.running)
        return 0;
    int code = s->exec[0] ? KILLED : state.exit_code;
    if (!state.oom_killed && check_not_interrupted(s, code, err) < 0)
        return -1;
    set_gone(s, code);
    return 0;
}

static int ask(struct engine_stream *s, struct err *err)
{
    s->asked_ms = clock_monotonic_ms();
    if (!s->exec[0])
        return ask_container(s, err);
    AUTO(char_p) char *path = mem_printf("/exec/%s/json", s->exec);
    AUTO(http_answer) struct http_answer a = {0};
    if (engine_call(s->engine, "GET", path, NULL, ASK_SECONDS, &a, err) < 0)
        return -1;
    if (a.status != 200)
        return engine_refused("show a command", a.status, &a.body, err);
    bool running = false;
    int code = 0;
    if (engine_json_exec(a.body.p ? a.body.p : "", a.body.len, &running, &code, err) < 0)
        return -1;
    if (running) /* some Engines forget the exec of a container that was killed */
        return s->eof && s->asked_ms - s->eof_ms >= SETTLE_MS ? ask_container(s, err) : 0;
    if (check_not_interrupted(s, code, err) < 0)
        return -1;
    set_gone(s, code);
    return 0;
}

/* Everything that the ended process wrote was read, though something else still holds its output. */
static bool drained(const struct engine_stream *s, int64_t now)
{
    int64_t quiet_from = s->data_ms > s->gone_ms ? s->data_ms : s->gone_ms;
    return (s->dry && now - quiet_from >= QUIET_MS) || (s->dry && now - s->gone_ms >= LINGER_MS) ||
           s->since_gone > PIPES_HOLD;
}

/* --- reading --- */

/* The next payload of what was already read. 1: nothing left. */
static int next_chunk(struct engine_stream *s, struct engine_chunk *ret, struct err *err)
{
    while (s->raw_used < s->raw.len) {
        size_t used = 0;
        struct engine_chunk chunk;
        if (demux_next(&s->demux, s->raw.p + s->raw_used, s->raw.len - s->raw_used, &used, &chunk, err) < 0)
            return -1;
        s->raw_used += used;
        if (chunk.len > 0) {
            *ret = chunk;
            return 0;
        }
    }
    buf_clear(&s->raw);
    s->raw_used = 0;
    return 1;
}

/* After the end of the stream: wait for the end of the process. */
static int read_end(struct engine_stream *s, int64_t deadline, struct err *err)
{
    while (!s->gone) {
        if (ask(s, err) < 0)
            return -1;
        if (s->gone)
            break;
        int64_t left = deadline - clock_monotonic_ms();
        if (left <= 0)
            return ENGINE_AGAIN;
        sleep_ms(left < s->pause_ms ? left : s->pause_ms);
        s->pause_ms = s->pause_ms < 200 ? s->pause_ms * 2 : 200;
    }
    return ENGINE_END;
}

/* One look at the stream, at most until the deadline. Fills raw, or says AGAIN or END. */
static int read_more(struct engine_stream *s, int64_t deadline, struct err *err)
{
    int64_t now = clock_monotonic_ms();
    bool asks = s->exec[0] && !s->gone;
    int64_t until = deadline;
    if (asks && s->asked_ms + ASK_MS < until)
        until = s->asked_ms + ASK_MS;
    if (s->gone && now + 100 < until)
        until = now + 100;
    int r = http_read(s->pull, until > now ? (int)(until - now) : 0, &s->raw, err);
    if (r < 0)
        return engine_unreachable(s->engine, err);
    now = clock_monotonic_ms();
    if (r == 0) {
        s->data_ms = now;
        s->since_gone += s->gone ? (int64_t)s->raw.len : 0;
    } else if (r == HTTP_END) {
        if (demux_partial(&s->demux))
            return err_set(err, ERR_ENGINE, "the Docker Engine cut a stream in the middle of a frame");
        s->eof = true;
        s->eof_ms = now;
        return 0;
    } else if (s->gone) {
        s->dry = true;
    }
    if (asks && now - s->asked_ms >= ASK_MS && ask(s, err) < 0)
        return -1;
    if (s->gone && s->raw.len == 0 && drained(s, now))
        return ENGINE_END;
    return s->raw.len > 0 ? 0 : now >= deadline ? ENGINE_AGAIN : 0;
}

int engine_read(struct engine_stream *s, int timeout_ms, struct engine_chunk *ret, struct err *err)
{
    int64_t deadline = clock_monotonic_ms() + timeout_ms;
    for (;;) {
        int r = next_chunk(s, ret, err);
        if (r <= 0)
            return r;
        if (s->eof)
            return read_end(s, deadline, err);
        if (s->gone && s->since_gone > PIPES_HOLD)
            return ENGINE_END;
        r = read_more(s, deadline, err);
        if (r != 0)
            return r;
    }
}

int engine_exec_exit(struct engine_stream *s, int *ret_code, struct err *err)
{
    if (!s->exec[0])
        return err_set(err, ERR_INTERNAL, "not the stream of a command");
    if (!s->gone && ask(s, err) < 0)
        return -1;
    if (!s->gone)
        return err_set(err, ERR_ENGINE, "the command still runs");
    *ret_code = s->exit_code;
    return 0;
}
