/* fuzz_engine_json.c - the Engine's answers; the first byte chooses which. */
#include "docker/engine_priv.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_line(const char *line)
{
    if (strlen(line) > ((size_t)1 << 20))
        __builtin_trap();
}

static void lines(const char *text, size_t len)
{
    struct err err = ERR_INIT;
    struct engine_lines l = {.progress = on_line};
    size_t half = len / 2;
    if (engine_lines_feed(&l, text, half, &err) == 0 && engine_lines_feed(&l, text + half, len - half, &err) == 0)
        engine_lines_end(&l, &err);
    engine_lines_free(&l);
}

static void others(int which, const char *text, size_t len)
{
    struct err err = ERR_INIT;
    struct engine_info info = {0};
    struct engine_state st = {0};
    struct engine_item *items = NULL;
    size_t count = 0;
    char id[ENGINE_ID_SIZE], said[ENGINE_MESSAGE_SIZE];
    bool running;
    int code;
    AUTO(json) cJSON *v = NULL;
    switch (which) {
    case 'v':
        engine_json_version(text, len, &info, &err);
        break;
    case 'i':
        engine_json_info(text, len, &info, &err);
        break;
    case 'd':
        engine_json_id(text, len, id, &err);
        break;
    case 's':
        engine_json_state(text, len, &st, &err);
        break;
    case 'l':
        if (engine_json_list(text, len, &items, &count, &err) == 0)
            engine_list_free(items, count);
        break;
    case 'w':
        engine_json_wait(text, len, &code, &err);
        break;
    case 'x':
        engine_json_exec(text, len, &running, &code, &err);
        break;
    case 'm':
        engine_json_image(text, len, &v, &err);
        break;
    case 'n':
        engine_json_images(text, len, &v, &err);
        break;
    case 'e':
        engine_json_message(text, len, said);
        break;
    default:
        lines(text, len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    /* A copy that ends where the text ends, so that a byte too far is seen. */
    AUTO(char_p) char *text = mem_alloc(size - 1);
    memcpy(text, data + 1, size - 1);
    others(data[0], text, size - 1);
    return 0;
}
