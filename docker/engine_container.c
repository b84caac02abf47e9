/*
 * engine_container.c - see engine.h: the life of a container.
 */
#include "docker/engine_priv.h"

#include <string.h>

static const char *text_of(const struct http_answer *a)
{
    return a->body.p ? a->body.p : "";
}

/* Call a verb on a container: "/containers/ID" and tail. */
static int call(struct engine *e, const char *method, const char *id, const char *tail, int64_t seconds,
                struct http_answer *ret, struct err *err)
{
    if (!engine_name_valid(id))
        return err_set(err, ERR_ENGINE, "not the id of a container: '%.64s'", id ? id : "");
    AUTO(char_p) char *path = mem_printf("/containers/%s%s", id, tail);
    return engine_call(e, method, path, NULL, seconds, ret, err);
}

int engine_create(struct engine *e, const char *name, const struct engine_spec *spec, char ret_id[ENGINE_ID_SIZE],
                  struct err *err)
{
    AUTO(char_p) char *escaped = http_escape(name);
    AUTO(char_p) char *path = mem_printf("/containers/create?name=%s", escaped);
    AUTO(json) cJSON *body = engine_json_create(spec);
    AUTO(http_answer) struct http_answer a = {0};
    if (engine_call(e, "POST", path, body, ENGINE_TIMEOUT, &a, err) < 0)
        return -1;
    if (a.status == 201)
        return engine_json_id(text_of(&a), a.body.len, ret_id, err);
    engine_refused("create a container", a.status, &a.body, err);
    return a.status == 404 ? ENGINE_NO_IMAGE : a.status == 409 ? ENGINE_NAME_TAKEN : -1;
}

int engine_state(struct engine *e, const char *id, struct engine_state *ret, struct err *err)
{
    AUTO(http_answer) struct http_answer a = {0};
    if (call(e, "GET", id, "/json", ENGINE_TIMEOUT, &a, err) < 0)
        return -1;
    if (a.status == 404) {
        *ret = (struct engine_state){.exists = false};
        return 0;
    }
    if (a.status != 200)
        return engine_refused("show a container", a.status, &a.body, err);
    return engine_json_state(text_of(&a), a.body.len, ret, err);
}

int engine_wait(struct engine *e, const char *id, int64_t seconds, int *ret_exit_code, struct err *err)
{
    AUTO(http_answer) struct http_answer a = {0};
    struct err late = ERR_INIT;
    if (seconds > 0 && call(e, "POST", id, "/wait?condition=not-running", seconds, &a, &late) == 0) {
        if (a.status != 200)
            return engine_refused("wait for a container", a.status, &a.body, err);
        return engine_json_wait(text_of(&a), a.body.len, ret_exit_code, err);
    }
    /* Time is up, or the Engine is gone or hangs: only its word on the state tells these apart. */
    struct engine_state state = {0};
    if (engine_state(e, id, &state, err) < 0)
        return -1;
    if (!state.exists)
        return err_set(err, ERR_ENGINE, "the container %.12s is gone", id);
    if (state.running)
        return 1;
    *ret_exit_code = state.exit_code;
    return 0;
}

static void note_killed(struct engine *e, const char *id)
{
    size_t len = strlen(id);
    if (len < sizeof e->killed)
        memcpy(e->killed, id, len + 1);
}

int engine_kill(struct engine *e, const char *id, struct err *err)
{
    AUTO(http_answer) struct http_answer a = {0};
    if (call(e, "POST", id, "/kill", ENGINE_TIMEOUT, &a, err) < 0)
        return -1;
    note_killed(e, id);
    if (a.status / 100 == 2 || a.status == 404 || a.status == 409)
        return 0;
    return engine_refused("kill a container", a.status, &a.body, err);
}

int engine_remove(struct engine *e, const char *id, struct err *err)
{
    AUTO(http_answer) struct http_answer a = {0};
    if (call(e, "DELETE", id, "?force=1&v=1", ENGINE_TIMEOUT, &a, err) < 0)
        return -1;
    note_killed(e, id);
    if (a.status / 100 == 2 || a.status == 404)
        return 0;
    AUTO(char_p) char *said = mem_strndup(text_of(&a), a.body.len < 4096 ? a.body.len : 4096);
    if (a.status == 409 && strstr(said, "already in progress"))
        return 0; /* somebody else removes it at this moment */
    return engine_refused("remove a container", a.status, &a.body, err);
}

int engine_list(struct engine *e, const char *label, struct engine_item **ret, size_t *ret_count, struct err *err)
{
    AUTO(char_p) char *filter = engine_json_label_filter(label);
    AUTO(char_p) char *path = mem_printf("/containers/json?all=1&filters=%s", filter);
    AUTO(http_answer) struct http_answer a = {0};
    if (engine_call(e, "GET", path, NULL, ENGINE_TIMEOUT, &a, err) < 0)
        return -1;
    if (a.status != 200)
        return engine_refused("list containers", a.status, &a.body, err);
    return engine_json_list(text_of(&a), a.body.len, ret, ret_count, err);
}

void engine_list_free(struct engine_item *items, size_t count)
{
    for (size_t i = 0; items && i < count; i++) {
        mem_free(items[i].name);
        cJSON_Delete(items[i].labels);
    }
    mem_free(items);
}
