/*
 * engine_image.c - see engine.h: images.
 */
#include "docker/engine_priv.h"

#include <string.h>

#define IDLE_SECONDS (15 * 60) /* a build step that prints nothing for so long is stuck */

static const char *text_of(const struct http_answer *a)
{
    return a->body.p ? a->body.p : "";
}

static int check_reference(const char *reference, struct err *err)
{
    if (engine_name_valid(reference))
        return 0;
    return err_set(err, ERR_ENGINE, "not a reference of an image: '%.64s'", reference ? reference : "");
}

int engine_image(struct engine *e, const char *reference, cJSON **ret_image, struct err *err)
{
    if (check_reference(reference, err) < 0)
        return -1;
    AUTO(char_p) char *path = mem_printf("/images/%s/json", reference);
    AUTO(http_answer) struct http_answer a = {0};
    if (engine_call(e, "GET", path, NULL, ENGINE_TIMEOUT, &a, err) < 0)
        return -1;
    if (a.status == 404)
        return ENGINE_ABSENT;
    if (a.status != 200)
        return engine_refused("show an image", a.status, &a.body, err);
    return engine_json_image(text_of(&a), a.body.len, ret_image, err);
}

int engine_images(struct engine *e, const char *label, cJSON **ret_array, struct err *err)
{
    AUTO(char_p) char *filter = engine_json_label_filter(label);
    AUTO(char_p) char *path = mem_printf("/images/json?filters=%s", filter);
    AUTO(http_answer) struct http_answer a = {0};
    if (engine_call(e, "GET", path, NULL, ENGINE_TIMEOUT, &a, err) < 0)
        return -1;
    if (a.status != 200)
        return engine_refused("list images", a.status, &a.body, err);
    return engine_json_images(text_of(&a), a.body.len, ret_array, err);
}

/* POST a tar and read the lines of progress to their end. */
static int send_tar(struct engine *e, const char *path, int tar_fd, const char *what, void (*progress)(const char *),
                    struct err *err)
{
    struct http_pull *pull = NULL;
    int status = 0;
    if (engine_pull(e, path, NULL, tar_fd, 0, IDLE_SECONDS, &pull, &status, err) < 0)
        return -1;
    if (status / 100 != 2) {
        engine_refused_pull(pull, what, status, err);
        http_close(pull);
        return -1;
    }
    struct engine_lines lines = {.progress = progress};
    AUTO(buf) struct buf data = {0};
    int r;
    for (;;) {
        buf_clear(&data);
        r = http_read(pull, 1000, &data, err);
        if (r < 0) {
            engine_unreachable(e, err);
            break;
        }
        if (r == HTTP_END) {
            r = engine_lines_end(&lines, err);
            break;
        }
        if (r == 0 && (r = engine_lines_feed(&lines, data.p, data.len, err)) < 0)
            break;
    }
    engine_lines_free(&lines);
    http_close(pull);
    return r < 0 ? err_wrap(err, "%s", what) : 0;
}

int engine_image_import(struct engine *e, int tar_fd, const char *repo, const char *tag, const char *const *changes,
                        struct err *err)
{
    AUTO(buf) struct buf path = {0};
    AUTO(char_p) char *repo_text = http_escape(repo);
    AUTO(char_p) char *tag_text = http_escape(tag);
    buf_printf(&path, "/images/create?fromSrc=-&repo=%s&tag=%s", repo_text, tag_text);
    for (; changes && *changes; changes++) {
        AUTO(char_p) char *change = http_escape(*changes);
        buf_printf(&path, "&changes=%s", change);
    }
    return send_tar(e, path.p, tar_fd, "import an image", NULL, err);
}

static void add_query_json(struct buf *path, const char *name, const char *const *list)
{
    if (!list || !*list)
        return;
    AUTO(json) cJSON *pairs = engine_json_pairs(list);
    AUTO(char_p) char *text = json_text(pairs);
    AUTO(char_p) char *escaped = http_escape(text);
    buf_printf(path, "&%s=%s", name, escaped);
}

int engine_image_build(struct engine *e, int tar_fd, const struct engine_build *build, struct err *err)
{
    AUTO(buf) struct buf path = {0};
    AUTO(char_p) char *tag = http_escape(build->tag);
    AUTO(char_p) char *dockerfile = http_escape(build->dockerfile ? build->dockerfile : "Dockerfile");
    buf_printf(&path, "/build?t=%s&dockerfile=%s&rm=1&forcerm=1&version=1", tag, dockerfile);
    add_query_json(&path, "labels", build->labels);
    add_query_json(&path, "buildargs", build->build_args);
    if (build->memory_bytes > 0)
        buf_printf(&path, "&memory=%lld&memswap=%lld", (long long)build->memory_bytes, (long long)build->memory_bytes);
    return send_tar(e, path.p, tar_fd, "build an image", build->progress, err);
}

int engine_image_tag(struct engine *e, const char *reference, const char *repo, const char *tag, struct err *err)
{
    if (check_reference(reference, err) < 0)
        return -1;
    AUTO(char_p) char *repo_text = http_escape(repo);
    AUTO(char_p) char *tag_text = http_escape(tag);
    AUTO(char_p) char *path = mem_printf("/images/%s/tag?repo=%s&tag=%s", reference, repo_text, tag_text);
    AUTO(http_answer) struct http_answer a = {0};
    if (engine_call(e, "POST", path, NULL, ENGINE_TIMEOUT, &a, err) < 0)
        return -1;
    return a.status / 100 == 2 ? 0 : engine_refused("tag an image", a.status, &a.body, err);
}

int engine_image_remove(struct engine *e, const char *reference, struct err *err)
{
    if (check_reference(reference, err) < 0)
        return -1;
    AUTO(char_p) char *path = mem_printf("/images/%s", reference);
    AUTO(http_answer) struct http_answer a = {0};
    if (engine_call(e, "DELETE", path, NULL, ENGINE_TIMEOUT, &a, err) < 0)
        return -1;
    if (a.status / 100 == 2 || a.status == 404)
        return 0;
    engine_refused("remove an image", a.status, &a.body, err);
    return a.status == 409 ? ENGINE_IN_USE : -1;
}
