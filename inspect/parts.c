/* parts.c - see parts.h. */
#include "inspect/parts.h"

#include "base/buf.h"
#include "inspect/ar.h"
#include "inspect/cursor.h"
#include "inspect/elf.h"
#include "inspect/elf_parts.h"
#include "inspect/wasm.h"

#include <string.h>

struct listing {
    struct report *report;
    cJSON *parts;
};

/* `outer` is the member that it belongs to, or NULL. */
static void add(struct listing *l, const char *outer, size_t outer_len, const char *name, size_t name_len,
                uint64_t offset, uint64_t size)
{
    AUTO(buf) struct buf whole = {0};

    if (!report_room(l->report, l->parts, report_bytes(outer_len + name_len + 1)))
        return;
    if (outer) {
        buf_put(&whole, outer, outer_len);
        buf_puts(&whole, " ");
    }
    buf_put(&whole, name, name_len);
    cJSON *part = cJSON_CreateObject();
    report_name(part, "name", whole.p, whole.len);
    json_put_int(part, "offset", (int64_t)offset);
    json_put_int(part, "size", (int64_t)size);
    cJSON_AddItemToArray(l->parts, part);
}

/* --- wasm --- */

static int wasm_parts(const uint8_t *data, size_t len, struct listing *l, struct err *err)
{
    enum { HEADER = 8 };
    struct cursor c = {data, HEADER, len};

    if (!wasm_matches(data, len) || len < HEADER)
        return cursor_fail(0, err, "not a wasm module");
    while (c.pos < c.end) {
        size_t at = c.pos;
        const uint8_t *payload;
        uint8_t id;
        uint32_t size, name_len;
        if (cursor_u8(&c, &id, "a section's id", err) < 0 || cursor_u32(&c, &size, "a section's size", err) < 0)
            return -1;
        struct cursor inside = c;
        if (cursor_bytes(&c, size, &payload, "a section", err) < 0)
            return -1;
        inside.end = c.pos;
        const char *name = wasm_section_name(id);
        if (!name)
            return cursor_fail(at, err, "a section of the unknown id %u", id);
        name_len = (uint32_t)strlen(name);
        if (id == 0 && cursor_name(&inside, &name, &name_len, "a custom section's name", err) < 0)
            return -1;
        add(l, NULL, 0, name, name_len, at, c.pos - at);
    }
    return 0;
}

/* --- ELF --- */

/* base: where it begins in the whole file. */
static int add_sections(const uint8_t *data, size_t len, uint64_t base, const char *outer, size_t outer_len,
                        struct listing *l, struct err *err)
{
    struct elf_part *sections;
    size_t count;

    if (elf_parts(data, len, &sections, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        add(l, outer, outer_len, sections[i].name, sections[i].len, base + sections[i].offset, sections[i].size);
    mem_free(sections);
    return 0;
}

/* --- archives --- */

static int ar_parts(const uint8_t *data, size_t len, struct listing *l, struct err *err)
{
    struct ar_reader reader;
    struct ar_member m;
    int r;

    if (ar_open(data, len, &reader, err) < 0)
        return -1;
    while ((r = ar_next(&reader, &m, err)) == 0) {
        size_t at = (size_t)(m.data - data);
        struct err ignored = ERR_INIT;
        if (m.is_index)
            continue;
        /* An object whose sections cannot be read is one part. */
        if (elf_matches(m.data, m.len) && add_sections(m.data, m.len, at, m.name, m.name_len, l, &ignored) == 0)
            continue;
        add(l, NULL, 0, m.name, m.name_len, m.at, at + m.len - m.at);
    }
    return r < 0 ? -1 : 0;
}

/* --- tar: names and sizes of the old header; what extends it is a member like others --- */

static uint64_t octal(const uint8_t *p, size_t size)
{
    uint64_t v = 0;

    for (size_t i = 0; i < size && ((p[i] >= '0' && p[i] <= '7') || (i == 0 && p[i] == ' ')); i++)
        v = p[i] == ' ' ? 0 : v * 8 + (uint64_t)(p[i] - '0');
    return v;
}

static int tar_parts(const uint8_t *data, size_t len, struct listing *l, struct err *err)
{
    enum { BLOCK = 512, NAME_SIZE = 100, SIZE_AT = 124, SIZE_SIZE = 12, MAGIC_AT = 257 };

    if (len < BLOCK || memcmp(data + MAGIC_AT, "ustar", 5) != 0)
        return cursor_fail(0, err, "not a tar archive");
    for (size_t at = 0; len - at >= BLOCK && data[at];) {
        uint64_t size = octal(data + at + SIZE_AT, SIZE_SIZE);
        if (size > len - at - BLOCK)
            return cursor_fail(at, err, "a member is longer than the archive");
        size_t whole = BLOCK + ((size_t)size + BLOCK - 1) / BLOCK * BLOCK;
        if (whole > len - at)
            whole = len - at;
        add(l, NULL, 0, (const char *)data + at, strnlen((const char *)data + at, NAME_SIZE), at, whole);
        at += whole;
    }
    return 0;
}

/* --- all --- */

bool parts_known(const char *kind)
{
    static const char *const kinds[] = {"wasm", "elf", "ar", "tar"};

    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return false;
}

int parts_inspect(const char *kind, const uint8_t *data, size_t len, struct report *r, struct err *err)
{
    struct listing l = {.report = r, .parts = cJSON_AddArrayToObject(r->root, "parts")};

    if (strcmp(kind, "wasm") == 0)
        return wasm_parts(data, len, &l, err);
    if (strcmp(kind, "elf") == 0)
        return add_sections(data, len, 0, NULL, 0, &l, err);
    if (strcmp(kind, "ar") == 0)
        return ar_parts(data, len, &l, err);
    return tar_parts(data, len, &l, err);
}
