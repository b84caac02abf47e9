/*
 * engine.h - the Docker Engine, spoken to over its Unix socket.
 *
 * Words: a *container* is made from a spec, started, given commands to run
 * (*exec*), killed and removed. Its name is bloomery-JOB-ATTEMPT-PHASE and it
 * carries labels, so that what a dead daemon left behind can be found.
 * A *stream* is the output of a container or an exec, read by pulling.
 *
 * One `struct engine` belongs to one thread at a time. Every call blocks, at
 * most 60 seconds where the Engine does not answer (engine_info 10).
 * Failures of the Engine are ERR_ENGINE, whatever it was: unreachable, a 500,
 * an answer that is not JSON, a cut stream. What it refuses as the caller's
 * fault (404, 409) is an outcome or ERR_ENGINE as each contract says.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#include <stddef.h>
#include <stdint.h>

#define ENGINE_ID_SIZE 65

struct engine; /* a connection: socket path, negotiated API version, curl handles */
struct engine_stream;

/* Does not connect yet. socket_path like "/var/run/docker.sock". The caller owns *ret. */
int engine_open(const char *socket_path, struct engine **ret, struct err *err);
/* One more to the same Engine, for another thread. */
int engine_another(const struct engine *e, struct engine **ret, struct err *err);
void engine_free(struct engine *e);

struct engine_info {
    char version[32];       /* "20.10.24+dfsg1" */
    char api[16];           /* negotiated: the lower of ours and the Engine's */
    char cgroup_driver[16]; /* cgroupfs | systemd */
    int cgroup_version;     /* 1 | 2 */
    bool rootless, userns;  /* refused at start by the daemon */
    char architecture[32];  /* "x86_64" */
    char os_type[16];       /* "linux" */
    int64_t containers_running;
    int cpus;
    int64_t memory_bytes;
    char storage_driver[32]; /* "overlay2" */
    char root_dir[256];      /* where it keeps images, "/var/lib/docker" */
    bool no_d_type;          /* its file system keeps no types in folders: overlay loses files there */
    bool seccomp;            /* containers get its default filter */
    /* What the kernel below it can hold; a limit that it cannot is ignored by the Engine, with a warning. */
    bool limits_memory, limits_swap, limits_pids, limits_cpu;
};

/* Is it there, and what is it? Also negotiates the API version (again, after the Engine was replaced). */
int engine_info(struct engine *e, struct engine_info *ret, struct err *err);

/* Can jobs be run on it as they must? <0: not (ERR_UNAVAILABLE, with the reason and what to do). Asks nobody. */
int engine_supported(const struct engine_info *info, struct err *err);

/* --- containers --- */

struct engine_mount {
    const char *source; /* absolute path on the host */
    const char *target;
    bool read_only;
};

struct engine_spec {
    const char *image;          /* id or reference */
    const char *const *command; /* NULL-terminated; replaces entry point and command */
    const char *const *env;     /* NULL-terminated KEY=VALUE, or NULL */
    const char *user;           /* "1234:1234" */
    const char *workdir;        /* or NULL */
    const struct engine_mount *mounts;
    size_t mounts_count;
    const char *const *labels; /* NULL-terminated KEY=VALUE, or NULL */
    bool network;              /* false: none; true: the default bridge */
    const char *cgroup_parent; /* or NULL */
    int64_t memory_bytes;      /* swap is set to the same, so none is used */
    int64_t pids;
    int64_t nano_cpus;   /* 0 is all */
    int64_t tmpfs_bytes; /* > 0: a /tmp of that size, nosuid, nodev */
    int64_t files;       /* RLIMIT_NOFILE; 0 is the Engine's default */
};

/* Every container is made with: read-only root, all capabilities dropped, no-new-privileges, the Engine's default
 * seccomp profile, init, private ipc, log driver none, no core dumps, restart never. There is no way to ask for
 * less. */
enum { ENGINE_NO_IMAGE = 1, ENGINE_NAME_TAKEN = 2 };
int engine_create(struct engine *e, const char *name, const struct engine_spec *spec, char ret_id[ENGINE_ID_SIZE],
                  struct err *err); /* ENGINE_NO_IMAGE, ENGINE_NAME_TAKEN are outcomes (err filled too) */

/* Attach to its output (if ret_stream is not NULL) before it starts, then start it: nothing printed is lost. */
int engine_start(struct engine *e, const char *id, struct engine_stream **ret_stream, struct err *err);

/* Run a command in a running container. user and env as in the spec; workdir may be NULL. */
int engine_exec(struct engine *e, const char *id, const char *const *command, const char *const *env, const char *user,
                const char *workdir, struct engine_stream **ret_stream, struct err *err);

struct engine_state {
    bool exists, running;
    bool oom_killed; /* as the Engine says; believe the cgroup's counters before this */
    int exit_code;
};
int engine_state(struct engine *e, const char *id, struct engine_state *ret, struct err *err);

/* Wait until the container has stopped, at most `seconds`. 1: still running. */
int engine_wait(struct engine *e, const char *id, int64_t seconds, int *ret_exit_code, struct err *err);

int engine_kill(struct engine *e, const char *id, struct err *err);   /* not running or gone: fine */
int engine_remove(struct engine *e, const char *id, struct err *err); /* by force, with its volumes; gone: fine */

/* What carries label KEY=VALUE (or KEY), running or not. The caller frees with engine_list_free. */
struct engine_item {
    char id[ENGINE_ID_SIZE];
    char *name; /* without the slash */
    bool running;
    cJSON *labels; /* object */
};
int engine_list(struct engine *e, const char *label, struct engine_item **ret, size_t *ret_count, struct err *err);
void engine_list_free(struct engine_item *items, size_t count);

/* --- streams --- */

enum engine_channel { ENGINE_STDOUT = 1, ENGINE_STDERR = 2 };
struct engine_chunk {
    enum engine_channel channel;
    const char *data; /* borrowed, until the next read */
    size_t len;
};

/* Wait at most timeout_ms for output. 0: *ret holds some. ENGINE_AGAIN: nothing yet, ask again.
 * ENGINE_END: everything was read (the process, and all that held its output, is gone).
 * <0: the stream broke; the container may still run.
 * For an exec whose process ended while something it left behind still holds the output, ENGINE_END comes within
 * two seconds of the end; where that prints without pause, within five: the Engine itself learns of the end late. */
enum { ENGINE_AGAIN = 1, ENGINE_END = 2 };
int engine_read(struct engine_stream *s, int timeout_ms, struct engine_chunk *ret, struct err *err);

/* After ENGINE_END of an exec: its exit code, asked of the Engine. 128+N for a signal, as the Engine reports it. */
int engine_exec_exit(struct engine_stream *s, int *ret_code, struct err *err);
void engine_stream_free(struct engine_stream *s);

/* --- images --- */

/* *ret_image: {"Id","Size","Created","labels":{}}; 1: there is no such image. The caller owns it. */
enum { ENGINE_ABSENT = 1 };
int engine_image(struct engine *e, const char *reference, cJSON **ret_image, struct err *err);

/* Images with label KEY or KEY=VALUE: an array of {"Id","RepoTags":[],"Size","Created","Labels":{}}. */
int engine_images(struct engine *e, const char *label, cJSON **ret_array, struct err *err);

/* POST /images/create?fromSrc=-: the tar that tar_fd gives becomes repo:tag; changes like "LABEL a=b"
 * (NULL-terminated). */
int engine_image_import(struct engine *e, int tar_fd, const char *repo, const char *tag, const char *const *changes,
                        struct err *err);

/* POST /build with the classic builder: tar_fd gives the context. labels and build_args are KEY=VALUE lists. Lines of
 * progress go to `progress` one by one, without newline; the error is the first of the build. No time limit. */
struct engine_build {
    const char *tag;        /* repo:tag */
    const char *dockerfile; /* its name in the context */
    const char *const *labels;
    const char *const *build_args;
    int64_t memory_bytes; /* 0 is none */
    void (*progress)(const char *line);
};
int engine_image_build(struct engine *e, int tar_fd, const struct engine_build *build, struct err *err);

int engine_image_tag(struct engine *e, const char *reference, const char *repo, const char *tag, struct err *err);
enum { ENGINE_IN_USE = 1 };
int engine_image_remove(struct engine *e, const char *reference, struct err *err); /* gone: fine; ENGINE_IN_USE */
