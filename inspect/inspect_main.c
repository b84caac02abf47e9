/*
 * inspect_main.c - bloomery-inspect: an artifact on descriptor 0 (a regular
 * file), what it is on descriptor 1 as one JSON object.
 *
 *     bloomery-inspect wasm|elf|ar|auto < artifact
 *     bloomery-inspect parts wasm|elf|ar|tar < artifact     only what it consists of (parts.h)
 *     bloomery-inspect --version
 *
 * Exit codes: 0 done; 3 the file is not a valid one of that kind, the JSON is
 * {"error": "byte N: ..."}; 2 a bad call; 4 the sandbox or the input could not
 * be set up. Anything else is a crash or the sandbox's kill.
 *
 * The file is mapped before the sandbox closes, and read only after.
 */
#include "base/err.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/version.h"
#include "inspect/ar.h"
#include "inspect/elf.h"
#include "inspect/gzip.h"
#include "inspect/parts.h"
#include "inspect/sandbox.h"
#include "inspect/wasm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Above the file's mapping: libraries, the JSON, libelf's tables. */
#define MEMORY_BYTES (INT64_C(512) << 20)

enum { EXIT_DONE, EXIT_USAGE = 2, EXIT_NOT_VALID, EXIT_SETUP };

struct kind {
    const char *name;
    bool (*matches)(const uint8_t *data, size_t len);
    int (*inspect)(const uint8_t *data, size_t len, struct report *r, struct err *err);
};

static const struct kind kinds[] = {
    {"wasm", wasm_matches, wasm_inspect},
    {"elf", elf_matches, elf_inspect},
    {"ar", ar_matches, ar_inspect},
};

static int print(const cJSON *root)
{
    AUTO(char_p) char *text = json_text(root);
    size_t len = strlen(text);

    text[len++] = '\n'; /* in the place of the NUL */
    for (size_t at = 0; at < len;) {
        ssize_t n = write(1, text + at, len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        at += (size_t)n;
    }
    return 0;
}

static const struct kind *find_kind(const char *name, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0 || (strcmp(name, "auto") == 0 && kinds[i].matches(data, len)))
            return &kinds[i];
    return NULL;
}

static int inspect(const char *name, const uint8_t *data, size_t len)
{
    AUTO(json) cJSON *root = cJSON_CreateObject();
    struct report report = {.root = root};
    struct err err = ERR_INIT;
    const struct kind *kind = find_kind(name, data, len);
    int r = -1;

    if (kind) {
        json_put_str(root, "kind", kind->name);
        json_put_int(root, "size", (int64_t)len);
        r = kind->inspect(data, len, &report, &err);
    } else {
        err_set(&err, ERR_CONTRACT, "byte 0: neither a wasm module nor an ELF file nor an archive");
    }
    if (r < 0 && err.kind != ERR_CONTRACT) {
        fprintf(stderr, "bloomery-inspect: %s\n", err.msg);
        return EXIT_SETUP;
    }
    if (r < 0) {
        AUTO(json) cJSON *failed = cJSON_CreateObject();
        json_put_str(failed, "error", err.msg);
        if (json_bool(root, "component", false))
            cJSON_AddTrueToObject(failed, "component");
        return print(failed) < 0 ? EXIT_SETUP : EXIT_NOT_VALID;
    }
    cJSON_AddBoolToObject(root, "truncated", report.truncated);
    int64_t gzip = gzip_size(data, len);
    if (gzip < 0)
        cJSON_AddNullToObject(root, "gzip_size");
    else
        json_put_int(root, "gzip_size", gzip);
    json_put_int(root, "gzip_level", gzip_level(len));
    return print(root) < 0 ? EXIT_SETUP : EXIT_DONE;
}

static int inspect_parts(const char *kind, const uint8_t *data, size_t len)
{
    AUTO(json) cJSON *root = cJSON_CreateObject();
    struct report report = {.root = root};
    struct err err = ERR_INIT;

    if (parts_inspect(kind, data, len, &report, &err) == 0)
        return print(root) < 0 ? EXIT_SETUP : EXIT_DONE;
    AUTO(json) cJSON *failed = cJSON_CreateObject();
    json_put_str(failed, "error", err.msg);
    return print(failed) < 0 ? EXIT_SETUP : EXIT_NOT_VALID;
}

/* Maps descriptor 0; an empty file has no mapping, and one byte less than nothing to read. */
static int map_input(int64_t max, const uint8_t **ret, size_t *ret_len, struct err *err)
{
    struct stat st;

    if (fstat(0, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(err, ERR_INTERNAL, "standard input is not a regular file");
    if (st.st_size > max)
        return err_set(err, ERR_TOO_LARGE, "the file is larger than %lld bytes", (long long)max);
    *ret = (const uint8_t *)"";
    *ret_len = (size_t)st.st_size;
    if (st.st_size == 0)
        return 0;
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, 0, 0);
    if (p == MAP_FAILED)
        return err_sys(err, ERR_INTERNAL, errno, "cannot map the file");
    *ret = p;
    return 0;
}

int main(int argc, char **argv)
{
    const struct limits limits = LIMITS_DEFAULT;
    struct err err = ERR_INIT;
    const uint8_t *data = NULL;
    size_t len = 0;

    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return puts("bloomery-inspect " BLOOMERY_VERSION) < 0 ? EXIT_SETUP : EXIT_DONE;
    bool parts = argc == 3 && strcmp(argv[1], "parts") == 0 && parts_known(argv[2]);
    if (!parts && (argc != 2 || (strcmp(argv[1], "auto") != 0 && !find_kind(argv[1], NULL, 0)))) {
        fputs("usage: bloomery-inspect wasm|elf|ar|auto < artifact\n"
              "       bloomery-inspect parts wasm|elf|ar|tar < artifact\n",
              stderr);
        return EXIT_USAGE;
    }
    if (map_input(limits.max_artifact_bytes, &data, &len, &err) < 0 ||
        sandbox_enter(limits.inspect_seconds, limits.max_artifact_bytes + MEMORY_BYTES, &err) < 0) {
        fprintf(stderr, "bloomery-inspect: %s\n", err.msg);
        return EXIT_SETUP;
    }
    return parts ? inspect_parts(argv[2], data, len) : inspect(argv[1], data, len);
}
