/* test_elf.c - the ELF inspector: the corpus' files, and headers that lie. */
#include "inspect/elf.h"

#include "inspect/elf_names.h"
#include "tests/unit/inspect_kit.h"

#include <elf.h>

static void test_static(void **state)
{
    AUTO(json) cJSON *r = inspect_file(elf_inspect, "elf/static");
    AUTO(json) cJSON *pie = inspect_file(elf_inspect, "elf/static-pie");

    (void)state;
    assert_json(r, "class", "64");
    assert_json(r, "machine", "\"x86_64\"");
    assert_json(r, "type", "\"exec\"");
    assert_json(r, "entry", "\"0x4001a8\"");
    assert_json(r, "static", "true");
    assert_json(r, "static_pie", "false");
    assert_json(r, "interp", "null");
    assert_json(r, "needed", "[]");
    assert_json(r, "build_id", "\"0123456789abcdef\"");
    assert_json(r, "tls", "{\"size\":4,\"align\":4}");
    assert_json(r, "tls_model", "[\"local-exec\"]");
    assert_json(r, "bss_size", "64");
    assert_json(r, "stripped", "false");
    assert_json(r, "executable_stack", "false");

    assert_json(pie, "type", "\"dyn\"");
    assert_json(pie, "static", "true");
    assert_json(pie, "static_pie", "true");
    assert_json(pie, "pie", "true");
    assert_json(pie, "build_id", "null");
}

static void test_dynamic(void **state)
{
    AUTO(json) cJSON *r = inspect_file(elf_inspect, "elf/dynamic");
    AUTO(json) cJSON *stack = inspect_file(elf_inspect, "elf/execstack");

    (void)state;
    assert_json(r, "static", "false");
    assert_json(r, "pie", "true");
    assert_json(r, "interp", "\"/lib64/ld-linux-x86-64.so.2\"");
    assert_json(r, "needed", "[\"libc.so.6\"]");
    assert_json(r, "libc_floor", "\"GLIBC_2.34\"");
    assert_json(r, "stripped", "true");
    assert_json(r, "relro", "\"full\"");
    assert_json(r, "executable_stack", "false");
    assert_json(r, "tls", "null");
    assert_json(r, "tls_model", "[]");
    assert_json(stack, "executable_stack", "true");
    assert_json(stack, "relro", "\"partial\"");
}

static void test_library(void **state)
{
    AUTO(json) cJSON *r = inspect_file(elf_inspect, "elf/lib.so");

    (void)state;
    assert_json(r, "type", "\"dyn\"");
    assert_json(r, "static", "false");
    assert_json(r, "pie", "false");
    assert_json(r, "soname", "\"liblib.so.1\"");
    assert_json(r, "runpath", "\"/opt/x\"");
    assert_json(r, "exports", "[\"lib_pointer\",\"lib_tls\",\"lib_api\"]");
    assert_json(r, "undefined", "[\"elsewhere\",\"__tls_get_addr\"]");
    assert_json(r, "tls_model", "[\"general-dynamic\"]");
    assert_json(r, "relocations",
                "{\"R_X86_64_JUMP_SLOT\":2,\"R_X86_64_RELATIVE\":1,\"R_X86_64_DTPMOD64\":1,\"R_X86_64_DTPOFF64\":1}");
}

static void test_objects(void **state)
{
    AUTO(json) cJSON *r = inspect_file(elf_inspect, "elf/tls.o");
    AUTO(json) cJSON *debug = inspect_file(elf_inspect, "elf/debug.o");
    AUTO(json) cJSON *small = inspect_file(elf_inspect, "elf/i386.o");

    (void)state;
    assert_json(r, "type", "\"rel\"");
    assert_json(r, "static", "false");
    assert_json(r, "undefined", "[\"_GLOBAL_OFFSET_TABLE_\",\"elsewhere\",\"far_tls\"]");
    assert_json(r, "tls_model", "[\"local-exec\",\"initial-exec\"]");
    assert_json(r, "debug_info", "false");
    assert_json(debug, "debug_info", "true");
    assert_json(small, "class", "32");
    assert_json(small, "machine", "\"i386\"");
    assert_json(small, "exports", "[\"common_name\",\"weak_one\",\"elsewhere\"]");
}

static void far_text(Elf64_Ehdr *h, char *file)
{
    Elf64_Shdr *s = (Elf64_Shdr *)(void *)(file + h->e_shoff);

    for (int i = 0; i < h->e_shnum; i++)
        if (s[i].sh_flags & SHF_EXECINSTR)
            s[i].sh_offset = INT64_MAX;
}

/* What goes through %fs, and what cannot be looked at. */
static void test_fs(void **state)
{
    AUTO(json) cJSON *program = inspect_file(elf_inspect, "elf/static");
    AUTO(json) cJSON *object = inspect_file(elf_inspect, "elf/tls.o");
    AUTO(json) cJSON *library = inspect_file(elf_inspect, "elf/lib.so");
    AUTO(json) cJSON *other = inspect_file(elf_inspect, "elf/i386.o");
    AUTO(json) cJSON *data = inspect_file(elf_inspect, "elf/embedded.o");
    AUTO(buf) struct buf b = {0};
    struct err err = ERR_INIT;

    (void)state;
    assert_json(program, "fs", "{\"instructions\":1,\"functions\":[\"_start\"],\"whole\":true}");
    assert_json(program, "tls_symbols", "1");
    assert_json(object, "fs", "{\"instructions\":2,\"functions\":[\"common_name\"],\"whole\":true}");
    assert_json(object, "tls_symbols", "2");
    assert_json(library, "fs", "{\"instructions\":0,\"functions\":[],\"whole\":true}");
    assert_json(other, "fs", "null");
    assert_json(data, "fs", "{\"instructions\":1,\"functions\":[\"reached\"],\"whole\":true}");

    inspect_load("elf/static", &b);
    far_text((Elf64_Ehdr *)(void *)b.p, b.p);
    AUTO(json) cJSON *lying = inspect_bytes(elf_inspect, b.p, b.len, &err);
    assert_json(lying, "fs", "{\"instructions\":0,\"functions\":[],\"whole\":false}");
}

static void test_sizes(void **state)
{
    AUTO(json) cJSON *object = inspect_file(elf_inspect, "elf/rust.o");
    AUTO(json) cJSON *r = inspect_file(elf_inspect, "elf/rust");
    const cJSON *sizes = json_obj(r, "sizes");

    (void)state;
    assert_json(r, "symbols", "16");
    assert_json(r, "producers", "[\"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0\"]");
    assert_json(sizes, "code_bytes", "138");
    /* also_memcpy is memcpy, counted once; six bytes are nobody's. */
    assert_json(
        sizes, "by_crate",
        "[{\"crate\":\"(C symbols)\",\"bytes\":42,\"functions\":2},"
        "{\"crate\":\"core\",\"bytes\":40,\"functions\":1},{\"crate\":\"smelter\",\"bytes\":30,\"functions\":1},"
        "{\"crate\":\"(C++)\",\"bytes\":20,\"functions\":1},{\"crate\":\"(none)\",\"bytes\":6,\"functions\":0}]");
    assert_json(sizes, "largest_functions",
                "[{\"name\":\"core::fmt::Formatter::pad\",\"crate\":\"core\",\"bytes\":40},"
                "{\"name\":\"_start\",\"crate\":\"(C symbols)\",\"bytes\":32},"
                "{\"name\":\"smelter::ore::melt\",\"crate\":\"smelter\",\"bytes\":30},"
                "{\"name\":\"_ZN9libunwind5Thing3runEv\",\"crate\":\"(C++)\",\"bytes\":20},"
                "{\"name\":\"memcpy\",\"crate\":\"(C symbols)\",\"bytes\":10}]");
    assert_json(sizes, "largest_data",
                "[{\"name\":\"smelter::ORES\",\"crate\":\"smelter\",\"bytes\":400},"
                "{\"name\":\"zero\",\"crate\":\"(C symbols)\",\"bytes\":64},"
                "{\"name\":\"data\",\"crate\":\"(C symbols)\",\"bytes\":16},"
                "{\"name\":\"smelter::HOT\",\"crate\":\"smelter\",\"bytes\":4},"
                "{\"name\":\"here\",\"crate\":\"(C symbols)\",\"bytes\":4}]");
    inspect_sums(r, 5880);
    inspect_sums(object, 1760);
    assert_json(json_obj(object, "sizes"), "code_bytes", "106");
}

/* What is stripped is not guessed. */
static void test_sizes_of_stripped(void **state)
{
    AUTO(json) cJSON *r = inspect_file(elf_inspect, "elf/lib.so");
    const cJSON *sizes = json_obj(r, "sizes");

    (void)state;
    assert_json(r, "symbols", "null");
    assert_json(sizes, "by_crate", "null");
    assert_json(sizes, "largest_functions", "null");
    assert_json(sizes, "largest_data", "null");
    assert_true(json_int(sizes, "code_bytes", 0) > 0);
}

/* In an object, .text.common_name and .text.weak_one are .text; debug sections keep their names. */
static void test_sections_of_objects(void **state)
{
    AUTO(json) cJSON *r = inspect_file(elf_inspect, "elf/debug.o");
    const cJSON *item, *list = json_arr(json_obj(r, "sizes"), "by_section");
    bool text = false, debug = false;

    (void)state;
    cJSON_ArrayForEach(item, list)
    {
        const char *name = json_str(item, "name", "");
        text |= strcmp(name, ".text") == 0 && json_int(item, "bytes", 0) == json_int(r, "text_size", -1);
        debug |= strcmp(name, ".debug_info") == 0;
        assert_null(strchr(name + 1, '.'));
    }
    assert_true(text && debug);
    inspect_sums(r, 3992);
}

/* Changes a 64-bit header's field and says what the inspector answers; NULL if it is content. */
static char *with_header(void (*change)(Elf64_Ehdr *head))
{
    AUTO(buf) struct buf b = {0};
    struct err err = ERR_INIT;
    Elf64_Ehdr head;

    inspect_load("elf/static", &b);
    memcpy(&head, b.p, sizeof head);
    change(&head);
    memcpy(b.p, &head, sizeof head);
    AUTO(json) cJSON *r = inspect_bytes(elf_inspect, b.p, b.len, &err);
    if (!r)
        assert_int_equal(err.kind, ERR_CONTRACT);
    return r ? NULL : mem_strdup(err.msg);
}

static void far_sections(Elf64_Ehdr *h)
{
    h->e_shoff = UINT64_MAX - 10;
}
static void many_sections(Elf64_Ehdr *h)
{
    h->e_shnum = 60000;
}
static void odd_sections(Elf64_Ehdr *h)
{
    h->e_shentsize = 1;
}
static void far_segments(Elf64_Ehdr *h)
{
    h->e_phoff = UINT64_MAX;
}
static void big_endian(Elf64_Ehdr *h)
{
    h->e_ident[EI_DATA] = ELFDATA2MSB;
}
static void odd_type(Elf64_Ehdr *h)
{
    h->e_type = 77;
}
static void no_sections(Elf64_Ehdr *h)
{
    h->e_shoff = 0;
    h->e_shnum = 0;
    h->e_shstrndx = 0;
}
static void wrong_names(Elf64_Ehdr *h)
{
    h->e_shstrndx = 500;
}

static void test_lying_headers(void **state)
{
    static void (*const bad[])(Elf64_Ehdr *) = {far_sections, many_sections, odd_sections,
                                                far_segments, big_endian,    odd_type};
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        AUTO(char_p) char *msg = with_header(bad[i]);
        if (!msg)
            fail_msg("change %zu was accepted", i);
        assert_int_equal(strncmp(msg, "byte ", 5), 0);
    }
    assert_null(with_header(no_sections));
    assert_null(with_header(wrong_names));
    assert_null(inspect_bytes(elf_inspect, "", 0, &err));
    assert_null(inspect_bytes(elf_inspect, "\177ELF\2\1\1", 7, &err));
    assert_null(inspect_bytes(elf_inspect, "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0", 18, &err));
}

/* Sections that all name the same bytes must not make the work grow with their product. */
static void test_overlapping_sections(void **state)
{
    enum { SECTIONS = 2000, TABLE = 240000 };
    AUTO(buf) struct buf b = {0};
    AUTO(char_p) char *table = mem_alloc(TABLE);
    struct err err = ERR_INIT;
    Elf64_Ehdr h = {.e_type = ET_REL,
                    .e_machine = EM_X86_64,
                    .e_version = 1,
                    .e_ehsize = sizeof h,
                    .e_shentsize = sizeof(Elf64_Shdr),
                    .e_shnum = SECTIONS,
                    .e_shoff = sizeof h + TABLE};
    Elf64_Shdr s = {.sh_type = SHT_RELA, .sh_offset = sizeof h, .sh_size = TABLE, .sh_entsize = 24};

    (void)state;
    memcpy(h.e_ident, "\177ELF\2\1\1", 7);
    buf_put(&b, &h, sizeof h);
    buf_put(&b, table, TABLE);
    for (int i = 0; i < SECTIONS; i++)
        buf_put(&b, &s, sizeof s);
    assert_null(inspect_bytes(elf_inspect, b.p, b.len, &err));
    assert_non_null(strstr(err.msg, "overlap too often"));
}

static void test_names(void **state)
{
    char text[ELF_NAME_SIZE];

    (void)state;
    assert_string_equal(elf_reloc_name(EM_X86_64, R_X86_64_TPOFF32, text), "R_X86_64_TPOFF32");
    assert_string_equal(elf_reloc_name(EM_AARCH64, R_AARCH64_TLSDESC, text), "R_AARCH64_TLSDESC");
    assert_string_equal(elf_reloc_name(EM_X86_64, 999, text), "R_62_999");
    assert_string_equal(elf_machine_name(4711, text), "em_4711");
    assert_int_equal(elf_reloc_tls(EM_X86_64, R_X86_64_RELATIVE), ELF_TLS_NONE);
    assert_int_equal(elf_reloc_tls(EM_X86_64, R_X86_64_TPOFF64), ELF_TLS_INITIAL_EXEC);
    assert_int_equal(elf_reloc_tls(EM_AARCH64, R_AARCH64_TLSLE_ADD_TPREL_HI12), ELF_TLS_LOCAL_EXEC);
    assert_int_equal(elf_reloc_tls(EM_AARCH64, R_AARCH64_TLSDESC_CALL), ELF_TLS_GENERAL_DYNAMIC);
}

static void test_mutations(void **state)
{
    (void)state;
    inspect_mutations(elf_inspect, "elf/tls.o");
    inspect_mutations(elf_inspect, "elf/lib.so");
    inspect_mutations(elf_inspect, "elf/dynamic");
    inspect_mutations(elf_inspect, "elf/rust");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_static),
        cmocka_unit_test(test_dynamic),
        cmocka_unit_test(test_library),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_fs),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_sizes_of_stripped),
        cmocka_unit_test(test_sections_of_objects),
        cmocka_unit_test(test_lying_headers),
        cmocka_unit_test(test_overlapping_sections),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_mutations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
