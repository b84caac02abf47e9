/* test_inspect_parts.c - what files consist of: ranges that lie in the file, in order; hostile tables. */
#include "inspect/parts.h"

#include "base/tar.h"
#include "tests/unit/inspect_kit.h"

#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

static int of_wasm(const uint8_t *data, size_t len, struct report *r, struct err *err)
{
    return parts_inspect("wasm", data, len, r, err);
}

static int of_elf(const uint8_t *data, size_t len, struct report *r, struct err *err)
{
    return parts_inspect("elf", data, len, r, err);
}

static int of_ar(const uint8_t *data, size_t len, struct report *r, struct err *err)
{
    return parts_inspect("ar", data, len, r, err);
}

static int of_tar(const uint8_t *data, size_t len, struct report *r, struct err *err)
{
    return parts_inspect("tar", data, len, r, err);
}

/* The part of that name. */
static const cJSON *part(const cJSON *root, const char *name)
{
    const cJSON *p;

    cJSON_ArrayForEach(p, json_arr(root, "parts")) if (strcmp(json_str(p, "name", ""), name) == 0) return p;
    fail_msg("there is no part %s", name);
    return NULL;
}

static void in_order(const cJSON *root, int64_t len)
{
    const cJSON *p;
    int64_t last = 0;

    assert_true(cJSON_GetArraySize(json_arr(root, "parts")) > 0);
    cJSON_ArrayForEach(p, json_arr(root, "parts"))
    {
        int64_t offset = json_int(p, "offset", -1), size = json_int(p, "size", -1);
        assert_true(offset >= last && size >= 0 && size <= len - offset);
        last = offset;
    }
}

static void test_a_module_is_covered_to_its_end(void **state)
{
    AUTO(buf) struct buf b = {0};
    AUTO(json) cJSON *r = inspect_file(of_wasm, "wasm/mvp.wasm");
    int64_t at = 8;
    const cJSON *p;

    (void)state;
    inspect_load("wasm/mvp.wasm", &b);
    cJSON_ArrayForEach(p, json_arr(r, "parts"))
    {
        assert_int_equal(json_int(p, "offset", -1), at);
        at += json_int(p, "size", 0);
    }
    assert_int_equal(at, b.len);
    p = part(r, "data");
    AUTO(char_p) char *data = mem_strndup(b.p + json_int(p, "offset", 0), (size_t)json_int(p, "size", 0));
    assert_int_equal(data[0], 11); /* its id */
    assert_non_null(memmem(b.p + json_int(p, "offset", 0), (size_t)json_int(p, "size", 0), "wide world", 10));
    part(r, "name"); /* a custom section goes by its own name */
}

static void test_an_object_and_an_archive_of_it(void **state)
{
    AUTO(buf) struct buf b = {0};
    AUTO(json) cJSON *r = inspect_file(of_ar, "ar/gnu.a");
    AUTO(json) cJSON *mixed = inspect_file(of_ar, "ar/mixed.a");

    (void)state;
    inspect_load("ar/gnu.a", &b);
    in_order(r, (int64_t)b.len);
    const cJSON *p = part(r, "tls.o .shstrtab");
    assert_non_null(memmem(b.p + json_int(p, "offset", 0), (size_t)json_int(p, "size", 0), ".shstrtab", 10));
    part(r, "two.o .text");
    /* Members that are no ELF files are parts as they are, with their headers. */
    cJSON_ArrayForEach(p, json_arr(mixed, "parts")) assert_true(json_int(p, "size", 0) >= 60);
}

/* A section that lies outside the file is no part of it; a table outside it is a refusal. */
static void test_hostile_section_headers(void **state)
{
    struct {
        Elf64_Ehdr head;
        Elf64_Shdr section[3];
        char names[16];
    } f = {.head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                    .e_type = ET_REL,
                    .e_machine = EM_X86_64,
                    .e_version = EV_CURRENT,
                    .e_shoff = sizeof(Elf64_Ehdr),
                    .e_ehsize = sizeof(Elf64_Ehdr),
                    .e_shentsize = sizeof(Elf64_Shdr),
                    .e_shnum = 3,
                    .e_shstrndx = 2},
           .section = {{0},
                       {.sh_name = 1, .sh_type = SHT_PROGBITS, .sh_offset = UINT64_MAX - 4, .sh_size = 8},
                       {.sh_name = 0xfffffff0, .sh_type = SHT_STRTAB, .sh_size = 16}},
           .names = "\0.far"};
    struct err err = ERR_INIT;

    (void)state;
    f.section[2].sh_offset = (uint64_t)((char *)f.names - (char *)&f);
    AUTO(json) cJSON *r = inspect_bytes(of_elf, &f, sizeof f, &err);
    assert_non_null(r);
    AUTO(char_p)
    char *wanted =
        mem_printf("[{\"name\":\"\",\"offset\":%llu,\"size\":16}]", (unsigned long long)f.section[2].sh_offset);
    assert_json(r, "parts", wanted);
    f.head.e_shnum = 0xffff;
    assert_null(inspect_bytes(of_elf, &f, sizeof f, &err));
    assert_non_null(strstr(err.msg, "go beyond the end of the file"));
    f.head.e_shnum = 3;
    f.head.e_shoff = UINT64_MAX;
    assert_null(inspect_bytes(of_elf, &f, sizeof f, &err));
}

static void test_a_tar(void **state)
{
    struct err err = ERR_INIT;
    struct tar_writer *w = NULL;
    AUTO(fd) int fd = memfd_create("tar", MFD_CLOEXEC);
    char bytes[8192];

    (void)state;
    assert_int_equal(tar_writer_open(fd, TAR_PLAIN, &w, &err), 0);
    assert_int_equal(tar_put_bytes(w, "go/a.h", 0644, "int a;", 6, &err), 0);
    assert_int_equal(tar_put_bytes(w, "go/empty", 0644, "", 0, &err), 0);
    assert_int_equal(tar_writer_finish(w, &err), 0);
    tar_writer_free(w);
    ssize_t n = pread(fd, bytes, sizeof bytes, 0);
    assert_true(n > 1536);
    AUTO(json) cJSON *r = inspect_bytes(of_tar, bytes, (size_t)n, &err);
    assert_json(
        r, "parts",
        "[{\"name\":\"go/a.h\",\"offset\":0,\"size\":1024},{\"name\":\"go/empty\",\"offset\":1024,\"size\":512}]");
    memcpy(bytes + 124, "77777777777", 11);
    assert_null(inspect_bytes(of_tar, bytes, (size_t)n, &err));
    assert_string_equal(err.msg, "byte 0: a member is longer than the archive");
    assert_null(inspect_bytes(of_tar, "go", 2, &err));
}

/* Single-byte changes of a file: what is named lies in it, or it is refused. */
static void mutate(inspect_function *inspect, const char *name)
{
    AUTO(buf) struct buf b = {0};

    inspect_load(name, &b);
    for (size_t n = 0; n < b.len; n++)
        for (int flip = 1; flip < 256; flip = 3 * flip + 1) {
            struct err err = ERR_INIT;
            const cJSON *p;
            b.p[n] ^= (char)flip;
            AUTO(json) cJSON *root = inspect_bytes(inspect, b.p, b.len, &err);
            b.p[n] ^= (char)flip;
            if (!root)
                assert_int_equal(err.kind, ERR_CONTRACT);
            cJSON_ArrayForEach(p, json_arr(root, "parts"))
            {
                int64_t offset = json_int(p, "offset", -1), size = json_int(p, "size", -1);
                assert_true(offset >= 0 && size >= 0 && size <= (int64_t)b.len - offset);
            }
        }
}

static void test_mutations(void **state)
{
    (void)state;
    mutate(of_wasm, "wasm/modern.wasm");
    mutate(of_ar, "ar/bsd.a");
    mutate(of_ar, "ar/gnu.a");
    mutate(of_elf, "elf/tls.o");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_module_is_covered_to_its_end),
        cmocka_unit_test(test_an_object_and_an_archive_of_it),
        cmocka_unit_test(test_hostile_section_headers),
        cmocka_unit_test(test_a_tar),
        cmocka_unit_test(test_mutations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
