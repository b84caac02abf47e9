/*
 * inspect_kit.h - for the tests of the inspectors: files of the fuzz corpora
 * (made by tests/fuzz/make-inspect-corpus) and reports as text.
 */
#pragma once

#include "base/fs.h"
#include "inspect/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef int inspect_function(const uint8_t *data, size_t len, struct report *r, struct err *err);

/* The report on these bytes; NULL with *err filled. The bytes are copied to their exact size first, so that valgrind and
 * the sanitizers see a step beyond the end. */
static inline cJSON *inspect_bytes(inspect_function *inspect, const void *data, size_t len, struct err *err)
{
    AUTO(json) cJSON *root = cJSON_CreateObject();
    AUTO(char_p) char *exact = malloc(len ? len : 1);
    struct report report = {.root = root};

    assert_non_null(exact);
    memcpy(exact, data, len);
    return inspect((const uint8_t *)exact, len, &report, err) == 0 ? STEAL(root) : NULL;
}

static inline void inspect_load(const char *name, struct buf *ret)
{
    struct err err = ERR_INIT;
    AUTO(char_p) char *path = mem_printf("tests/fuzz/corpus/%s", name);

    if (fs_read(path, 1 << 20, ret, &err) < 0)
        fail_msg("%s (run the tests in the root of the repository)", err.msg);
}

/* The report on a file that is valid. */
static inline cJSON *inspect_file(inspect_function *inspect, const char *name)
{
    AUTO(buf) struct buf b = {0};
    struct err err = ERR_INIT;

    inspect_load(name, &b);
    cJSON *root = inspect_bytes(inspect, b.p, b.len, &err);
    if (!root)
        fail_msg("%s: %s", name, err.msg);
    return root;
}

/* root[key] is this JSON text. */
#define assert_json(root, key, text)                                                                                   \
    do {                                                                                                               \
        AUTO(char_p) char *json_ = json_text(cJSON_GetObjectItemCaseSensitive(root, key));                             \
        assert_string_equal(json_, text);                                                                              \
    } while (0)

static inline int64_t inspect_sum(const cJSON *list)
{
    const cJSON *item;
    int64_t sum = 0;

    cJSON_ArrayForEach(item, list)
    {
        int64_t bytes = json_int(item, "bytes", -1);
        assert_true(bytes >= 0);
        sum += bytes;
    }
    return sum;
}

/* The sections of a report add up to the file, the crates to the code. */
static inline void inspect_sums(const cJSON *root, size_t file_bytes)
{
    const cJSON *sizes = json_obj(root, "sizes"), *crates = json_arr(sizes, "by_crate");

    assert_int_equal(inspect_sum(json_arr(sizes, "by_section")), file_bytes);
    if (crates)
        assert_int_equal(inspect_sum(crates), json_int(sizes, "code_bytes", -1));
}

/* Every cut and many single-byte changes of a file: never a crash, never anything but a refusal. */
static inline void inspect_mutations(inspect_function *inspect, const char *name)
{
    AUTO(buf) struct buf b = {0};

    inspect_load(name, &b);
    for (size_t n = 0; n<b.len; n += b.len> 1000 ? 7 : 1) {
        struct err err = ERR_INIT;
        cJSON *root = inspect_bytes(inspect, b.p, n, &err);
        if (!root)
            assert_int_equal(err.kind, ERR_CONTRACT);
        cJSON_Delete(root);
        for (int flip = 1; flip < 256; flip = 3 * flip + 1) {
            b.p[n] ^= (char)flip;
            err = (struct err)ERR_INIT;
            root = inspect_bytes(inspect, b.p, b.len, &err);
            if (root)
                inspect_sums(root, b.len);
            else
                assert_int_equal(err.kind, ERR_CONTRACT);
            cJSON_Delete(root);
            b.p[n] ^= (char)flip;
        }
    }
}
