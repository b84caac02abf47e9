/* wasm_custom.c - see wasm_custom.h. */
#include "inspect/wasm_custom.h"

#include "base/buf.h"

#include <string.h>

#define MAX_BUILD_ID 64

void wasm_custom_open(struct wasm_custom *w, struct report *r)
{
    *w = (struct wasm_custom){
        .report = r,
        .features = cJSON_AddArrayToObject(r->root, "features"),
        .producers = cJSON_AddObjectToObject(r->root, "producers"),
    };
}

static void read_features(struct wasm_custom *w, struct cursor c)
{
    const char *name;
    uint32_t n, len;
    uint8_t prefix;

    if (cursor_count(&c, 2, &n, "features", NULL) < 0)
        return;
    for (uint32_t i = 0; i < n; i++) {
        if (cursor_u8(&c, &prefix, "feature", NULL) < 0 || cursor_name(&c, &name, &len, "feature", NULL) < 0)
            return;
        AUTO(buf) struct buf text = {0};
        buf_put(&text, &prefix, 1);
        buf_put(&text, name, len < REPORT_MAX_NAME ? len : REPORT_MAX_NAME);
        report_list_name(w->report, w->features, text.p, text.len);
    }
}

static void read_producers(struct wasm_custom *w, struct cursor c)
{
    const char *field, *name, *version;
    uint32_t fields, values, field_len, name_len, version_len;

    if (cursor_count(&c, 2, &fields, "producers", NULL) < 0)
        return;
    /* "language", "processed-by" and "sdk" are all that the convention knows. */
    for (uint32_t i = 0; i < fields && i < 16; i++) {
        if (cursor_name(&c, &field, &field_len, "field", NULL) < 0 || cursor_count(&c, 2, &values, "values", NULL) < 0)
            return;
        AUTO(char_p) char *key = json_utf8(field, field_len < 64 ? field_len : 64);
        cJSON *list = cJSON_GetObjectItemCaseSensitive(w->producers, key);
        if (!list)
            list = cJSON_AddArrayToObject(w->producers, key);
        for (uint32_t k = 0; k < values; k++) {
            if (cursor_name(&c, &name, &name_len, "name", NULL) < 0 ||
                cursor_name(&c, &version, &version_len, "version", NULL) < 0)
                return;
            if (!report_room(w->report, list, report_bytes(name_len) + report_bytes(version_len)))
                continue;
            cJSON *item = cJSON_CreateObject();
            report_name(item, "name", name, name_len);
            report_name(item, "version", version, version_len);
            cJSON_AddItemToArray(list, item);
        }
    }
}

static bool is(const char *name, size_t len, const char *what)
{
    return len == strlen(what) && memcmp(name, what, len) == 0;
}

void wasm_custom_read(struct wasm_custom *w, const char *name, size_t len, struct cursor c)
{
    if (is(name, len, "target_features"))
        read_features(w, c);
    else if (is(name, len, "producers"))
        read_producers(w, c);
    else if (is(name, len, "name") && !w->names.base)
        w->names = c;
    else if (is(name, len, "build_id") && !w->build_id.base)
        w->build_id = c;
    else if (is(name, len, "sourceMappingURL") && !w->source_map.base)
        w->source_map = c;
    else if (is(name, len, "linking"))
        w->linking = true;
    else if (is(name, len, ".debug_info"))
        w->debug_info = true;
}

static void put_build_id(const struct wasm_custom *w)
{
    AUTO(buf) struct buf hex = {0};
    struct cursor c = w->build_id;
    const char *id;
    uint32_t len;

    if (c.base && cursor_name(&c, &id, &len, "the build id", NULL) == 0 && len <= MAX_BUILD_ID)
        for (uint32_t i = 0; i < len; i++)
            buf_printf(&hex, "%02x", (unsigned char)id[i]);
    json_put_str(w->report->root, "build_id", hex.p);
}

void wasm_custom_put(const struct wasm_custom *w)
{
    struct cursor c = w->source_map;
    cJSON *root = w->report->root;
    const char *url;
    uint32_t len;

    cJSON_AddBoolToObject(root, "names", w->names.base != NULL);
    cJSON_AddBoolToObject(root, "debug_info", w->debug_info);
    cJSON_AddBoolToObject(root, "relocatable", w->linking);
    put_build_id(w);
    if (c.base && cursor_name(&c, &url, &len, "the source map's place", NULL) == 0)
        report_name(root, "source_map_url", url, len);
    else
        cJSON_AddNullToObject(root, "source_map_url");
}
