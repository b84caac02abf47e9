/*
 * engine_priv.h - what the engine_*.c files share and nobody else includes.
 */
#pragma once

#include "base/http.h"
#include "docker/engine.h"

/* Seconds that the Engine may take to answer a call. Starting a container on a busy disk takes some. */
#define ENGINE_TIMEOUT 60
#define ENGINE_HELLO 10 /* for the first call: an Engine that hangs must not hold up the daemon's start for long */
#define ENGINE_ANSWER_MAX ((size_t)16 << 20)
#define ENGINE_MESSAGE_SIZE 200

static inline void auto_http_answer(struct http_answer *a)
{
    http_answer_free(a);
}

struct engine {
    char *socket_path;
    struct http *http;
    char killed[ENGINE_ID_SIZE]; /* the container that engine_kill or engine_remove ended last, or empty */
    char api[16];                /* "1.41"; empty until it was negotiated, and again after a failure */
};

/* --- engine.c: calls --- */

/* One whole exchange: path without the version. body may be NULL. 0: there is an answer, whatever its status;
 * ret zeroed, freed by the caller with http_answer_free in every case. */
int engine_call(struct engine *e, const char *method, const char *path, const cJSON *body, int64_t seconds,
                struct http_answer *ret, struct err *err);

/* An answer that is pulled; body_fd > 0 is a tar to be sent. idle_seconds: 0 is no limit. */
int engine_pull(struct engine *e, const char *path, const cJSON *body, int body_fd, int64_t seconds,
                int64_t idle_seconds, struct http_pull **ret, int *ret_status, struct err *err);

/* Fill err with what the Engine says: "the Docker Engine refuses to WHAT (404): No such image". Returns -1. */
int engine_refused(const char *what, int status, const struct buf *body, struct err *err);

/* As engine_refused, with the rest of a pulled answer read first. */
int engine_refused_pull(struct http_pull *p, const char *what, int status, struct err *err);

/* Turn a failure of base/http into the Engine's. Returns -1. */
int engine_unreachable(struct engine *e, struct err *err);

/* Does the Engine still take calls? One that is being stopped answers on the connections that it has, and takes no new
 * ones. 0: yes. <0: no (ERR_ENGINE). */
int engine_alive(struct engine *e, struct err *err);

/* True for an id or a reference that is safe in a path: [A-Za-z0-9._/:@-], at most 300. */
bool engine_name_valid(const char *s);

/* --- engine_json.c: what the Engine's answers say; no I/O. Failures are ERR_ENGINE --- */

int engine_json_version(const char *text, size_t len, struct engine_info *ret, struct err *err); /* version, api */
int engine_json_info(const char *text, size_t len, struct engine_info *ret, struct err *err);    /* all the others */
int engine_json_id(const char *text, size_t len, char ret_id[ENGINE_ID_SIZE], struct err *err);
int engine_json_state(const char *text, size_t len, struct engine_state *ret, struct err *err);
int engine_json_list(const char *text, size_t len, struct engine_item **ret, size_t *ret_count, struct err *err);
int engine_json_wait(const char *text, size_t len, int *ret_code, struct err *err);
int engine_json_exec(const char *text, size_t len, bool *ret_running, int *ret_code, struct err *err);
int engine_json_image(const char *text, size_t len, cJSON **ret, struct err *err);
int engine_json_images(const char *text, size_t len, cJSON **ret, struct err *err);

/* The {"message"} of a refusal, or the text's first line; "" if there is nothing. */
void engine_json_message(const char *text, size_t len, char ret_text[ENGINE_MESSAGE_SIZE]);

/* What is asked of the Engine; the caller owns it. */
cJSON *engine_json_create(const struct engine_spec *spec);
cJSON *engine_json_exec_create(const char *const *command, const char *const *env, const char *user,
                               const char *workdir);
cJSON *engine_json_pairs(const char *const *list); /* KEY=VALUE lines as an object */
char *engine_json_label_filter(const char *label); /* {"label":["K=V"]}, escaped for a query */

/* The answers to a build and an import: JSON objects, one a line. */
struct engine_lines {
    struct buf raw;  /* an incomplete line */
    struct buf text; /* an incomplete line of the build's own output */
    void (*progress)(const char *line);
};

/* <0: a line says that the work failed, or is not JSON. */
int engine_lines_feed(struct engine_lines *l, const char *data, size_t len, struct err *err);
int engine_lines_end(struct engine_lines *l, struct err *err); /* what is left; call at the end of the answer */
void engine_lines_free(struct engine_lines *l);
