/* test_unpack.c - tarballs made by hand: what is refused, with which words, and what lands where. */
#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/tar.h"
#include "inspect/layout.h"
#include "inspect/tree.h"
#include "inspect/extract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct extract_options defaults = {
    .max_bytes = 64 << 20, .max_files = 100, .max_path = 200, .max_ratio = 200};

/* --- a tarball by hand: headers that no honest tool writes --- */

static void put(struct buf *b, char type, const char *name, const char *target, const char *data)
{
    char h[512] = {0};
    unsigned sum = 0;
    size_t len = data ? strlen(data) : 0;

    memcpy(h, name, strlen(name) < 100 ? strlen(name) : 100);
    snprintf(h + 100, 8, "%07o", type == '5' ? 0755 : 0640);
    snprintf(h + 108, 8, "%07o", 1000);
    snprintf(h + 116, 8, "%07o", 1000);
    snprintf(h + 124, 12, "%011o", (unsigned)len);
    snprintf(h + 136, 12, "%011o", 1700000000);
    memset(h + 148, ' ', 8);
    h[156] = type;
    if (target)
        memcpy(h + 157, target, strlen(target));
    memcpy(h + 257,
           "ustar\0"
           "00",
           8);
    for (int i = 0; i < 512; i++)
        sum += (unsigned char)h[i];
    snprintf(h + 148, 7, "%06o", sum & 0777777);
    buf_put(b, h, 512);
    if (len) {
        static const char zeros[512];
        buf_put(b, data, len);
        buf_put(b, zeros, (512 - len % 512) % 512);
    }
}

static void file(struct buf *b, const char *name, const char *data)
{
    put(b, '0', name, NULL, data);
}

static void manifest(struct buf *b)
{
    file(b, "Cargo.toml", "[package]\n");
}

static int finish(struct buf *b)
{
    static const char zeros[1024];
    int fd = memfd_create("tar", MFD_CLOEXEC);

    buf_put(b, zeros, sizeof(zeros));
    assert_true(fd >= 0);
    assert_int_equal(write(fd, b->p, b->len), (ssize_t)b->len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    buf_free(b);
    return fd;
}

static char *new_folder(void)
{
    char *dir = mem_strdup("/tmp/test_unpack.XXXXXX");

    assert_non_null(mkdtemp(dir));
    AUTO(char_p) char *src = mem_printf("%s/src", dir);
    AUTO(char_p) char *config = mem_printf("%s/config", dir);
    assert_int_equal(mkdir(src, 0755), 0);
    assert_int_equal(mkdir(config, 0755), 0);
    return dir;
}

static void refuse_with(struct buf *b, const struct extract_options *o, enum err_kind kind, const char *words)
{
    AUTO(char_p) char *dir = new_folder();
    AUTO(fd) int fd = finish(b);
    AUTO(fd) int dest = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *json = NULL;
    struct err err = ERR_INIT, again = ERR_INIT;

    assert_int_equal(extract_run(fd, -1, o, &json, &err), -1);
    if (!strstr(err.msg, words))
        print_error("message: %s, wanted: %s\n", err.msg, words);
    assert_non_null(strstr(err.msg, words));
    assert_int_equal(err.kind, kind);
    assert_null(json);
    /* extract says the same, and leaves nothing */
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(extract_run(fd, dest, o, &json, &again), -1);
    assert_string_equal(again.msg, err.msg);
    AUTO(char_p) char *src = mem_printf("%s/src", dir);
    assert_int_equal(rmdir(src), 0);
    assert_int_equal(fs_remove_tree(dir, &err), 0);
}

static void refuse(struct buf *b, enum err_kind kind, const char *words)
{
    refuse_with(b, &defaults, kind, words);
}

/* What tar makes of the repacked tree is what was unpacked: paths, types, modes, times, links and bytes. */
static void repacks_alike(int fd, const struct extract_options *wanted, const char *dir)
{
    static const char compare[] =
        "umask 022; cd \"$1\" && mkdir t && tar -x -C t -f repacked.tar && mkdir -p t/src t/config && "
        "for d in . t; do (cd $d && find src -mindepth 1 -printf '%p %y %m %T@ %l\\n' && find config src -type f "
        "-printf "
        "'%p %n %m %T@\\n') | sort >$d.list; done && cmp ..list t.list && diff -r --no-dereference src t/src && diff "
        "-r config t/config "
        "&& "
        "rm -r t repacked.tar ..list t.list";
    const char *const argv[] = {"sh", "-c", compare, "sh", dir, NULL};
    AUTO(char_p) char *path = mem_printf("%s/repacked.tar", dir);
    AUTO(fd) int to = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    AUTO(char_p) char *json = NULL;
    AUTO(buf) struct buf out = {0};
    struct extract_options o = *wanted;
    struct proc p = PROC_INIT;
    struct err err = ERR_INIT;
    int status;

    o.repack = true;
    lseek(fd, 0, SEEK_SET);
    if (extract_run(fd, to, &o, &json, &err) != 0)
        fail_msg("not repacked: %s", err.msg);
    p.argv = argv;
    p.out = &out;
    p.out_max = 64 << 10;
    p.seconds = 60;
    assert_int_equal(proc_run(&p, &status, &err), 0);
    if (status != 0)
        fail_msg("the repacked tree is another: %s", out.p ? out.p : "");
}

/* The answer, and the folder that the crate went to (owned; removed by done). */
static cJSON *accept(struct buf *b, const struct extract_options *o, char **ret_dir)
{
    AUTO(char_p) char *dir = new_folder();
    AUTO(fd) int fd = finish(b);
    AUTO(fd) int dest = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(char_p) char *checked = NULL;
    AUTO(char_p) char *extracted = NULL;
    struct err err = ERR_INIT;
    cJSON *json = NULL;

    if (extract_run(fd, -1, o, &checked, &err) != 0)
        fail_msg("refused: %s", err.msg);
    lseek(fd, 0, SEEK_SET);
    if (extract_run(fd, dest, o, &extracted, &err) != 0)
        fail_msg("not extracted: %s", err.msg);
    assert_string_equal(checked, extracted);
    repacks_alike(fd, o, dir);
    assert_int_equal(json_parse(checked, strlen(checked), "answer", &json, &err), 0);
    *ret_dir = STEAL(dir);
    return json;
}

static void done(char *dir, cJSON *json)
{
    struct err err = ERR_INIT;

    assert_int_equal(fs_remove_tree(dir, &err), 0);
    mem_free(dir);
    cJSON_Delete(json);
}

static void holds(const char *dir, const char *path, const char *content)
{
    AUTO(char_p) char *full = mem_printf("%s/%s", dir, path);
    AUTO(buf) struct buf b = {0};
    struct err err = ERR_INIT;
    struct stat st;

    if (!content) {
        assert_int_equal(lstat(full, &st), -1);
        return;
    }
    if (fs_read(full, 1 << 20, &b, &err) < 0)
        fail_msg("%s", err.msg);
    assert_string_equal(b.p ? b.p : "", content);
    assert_int_equal(stat(full, &st), 0);
    assert_int_equal(st.st_mtime, TAR_TIME);
    assert_int_equal(st.st_uid, getuid());
}

static void test_plain_crate(void **state)
{
    (void)state;
    struct buf b = {0};
    char *dir;

    manifest(&b);
    file(&b, "./src/main.rs", "fn main() {}");
    file(&b, "Cargo.lock", "");
    file(&b, "rust-toolchain.toml", "");
    cJSON *json = accept(&b, &defaults, &dir);
    holds(dir, "src/src/main.rs", "fn main() {}");
    holds(dir, "src/Cargo.toml", "[package]\n");
    assert_string_equal(json_str(json, "root", "?"), "");
    assert_int_equal(json_int(json, "files", -1), 4);
    assert_int_equal(json_int(json, "entries", -1), 5);
    assert_int_equal(json_int(json, "bytes", -1), 22);
    assert_true(json_bool(json, "lock", false));
    assert_false(json_bool(json, "config", true));
    assert_false(json_bool(json, "vendor", true));
    assert_string_equal(json_str(json, "toolchain_file", "?"), "rust-toolchain.toml");
    done(dir, json);
}

static void test_top_folder(void **state)
{
    (void)state;
    struct buf b = {0};
    char *dir;

    file(&b, "x-1.0/src/lib.rs", "//");
    file(&b, "x-1.0/Cargo.toml", "[package]\n");
    file(&b, "._x-1.0", "AppleDouble");
    file(&b, "x-1.0/._Cargo.toml", "AppleDouble");
    file(&b, "x-1.0/._alone", "kept");
    file(&b, "x-1.0/.git/config", "secret");
    file(&b, "x-1.0/target/debug/x", "old");
    file(&b, "x-1.0/target/CACHEDIR.TAG", "tag");
    put(&b, '2', "x-1.0/target/debug/link", "/etc/passwd", NULL);
    file(&b, "x-1.0/sub/target/x", "kept");
    put(&b, '5', "x-1.0/vendor/", NULL, NULL);
    cJSON *json = accept(&b, &defaults, &dir);
    assert_string_equal(json_str(json, "root", "?"), "x-1.0");
    assert_int_equal(json_int(json, "skipped", -1), 6);
    assert_true(json_bool(json, "vendor", false));
    holds(dir, "src/Cargo.toml", "[package]\n");
    holds(dir, "src/._Cargo.toml", NULL);
    holds(dir, "src/._alone", "kept");
    holds(dir, "src/.git", NULL);
    holds(dir, "src/target", NULL);
    holds(dir, "src/sub/target/x", "kept");
    done(dir, json);
    /* a folder named target that cargo did not make is source */
    manifest(&b);
    file(&b, "target/mod.rs", "kept");
    json = accept(&b, &defaults, &dir);
    holds(dir, "src/target/mod.rs", "kept");
    done(dir, json);
}

static void test_manifest_path(void **state)
{
    (void)state;
    struct buf b = {0};
    char *dir;
    struct extract_options o = defaults;

    o.manifest_path = "a/Cargo.toml";
    file(&b, "a/Cargo.toml", "");
    file(&b, "a/Cargo.lock", "");
    file(&b, "b/Cargo.toml", "");
    cJSON *json = accept(&b, &o, &dir);
    assert_true(json_bool(json, "lock", false));
    assert_int_equal(cJSON_GetArraySize(json_arr(json, "manifests")), 2);
    done(dir, json);

    file(&b, "top/a/Cargo.toml", "");
    json = accept(&b, &o, &dir);
    assert_string_equal(json_str(json, "root", "?"), "top");
    done(dir, json);

    file(&b, "a/Cargo.toml", "");
    file(&b, "b/c/Cargo.toml", "");
    refuse(&b, ERR_BAD_SOURCE, "there are: a/Cargo.toml, b/c/Cargo.toml");
    file(&b, "b/c/Cargo.toml", "");
    refuse_with(&b, &o, ERR_BAD_SOURCE, "manifest_path=a/Cargo.toml is not in the tarball; there are: c/Cargo.toml");
    file(&b, "README", "");
    refuse(&b, ERR_BAD_SOURCE, "there is no Cargo.toml in the tarball");
    refuse(&b, ERR_BAD_SOURCE, "no files");
    manifest(&b);
    o.manifest_path = "../Cargo.toml";
    refuse_with(&b, &o, ERR_BAD_SOURCE, "manifest_path: ");
    manifest(&b);
    o.manifest_path = "src";
    refuse_with(&b, &o, ERR_BAD_SOURCE, "has to name a Cargo.toml");
    file(&b, "top/Cargo.toml", "");
    o.manifest_path = "top/Cargo.toml";
    refuse_with(&b, &o, ERR_BAD_SOURCE, "relative to the crate's root");
    /* a link is no manifest */
    put(&b, '2', "Cargo.toml", "a/x.toml", NULL);
    refuse(&b, ERR_BAD_SOURCE, "no Cargo.toml");
}

static void test_bad_paths(void **state)
{
    (void)state;
    static const struct {
        const char *name, *words;
    } cases[] = {
        {"/etc/passwd", "absolute"}, {"../x", "'..'"},          {"a/../../x", "'..'"},    {"a/..", "'..'"},
        {"a\nb", "control"},         {"a\x1b[31m", "control"},  {"a\xc2\x9b", "control"}, {"a\xff", "UTF-8"},
        {"a\xc0\xaf", "UTF-8"},      {"\xed\xa0\x80", "UTF-8"}, {"", "no name"},          {"./", "damaged"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf b = {0};
        manifest(&b);
        file(&b, cases[i].name, "x");
        refuse(&b, ERR_BAD_SOURCE, cases[i].words);
    }
    for (const char *t = "346"; *t; t++) {
        struct buf b = {0};
        manifest(&b);
        put(&b, *t, "dev", NULL, NULL);
        refuse(&b, ERR_BAD_SOURCE, "device, fifo or socket");
    }
}

static void test_symlinks(void **state)
{
    (void)state;
    static const struct {
        const char *name, *target, *words;
    } cases[] = {
        {"l", "/etc/passwd", "absolute"}, {"l", "../x", "leaves"},    {"a/l", "../../x", "leaves"},
        {"a/l", "b/../../..", "behind"},  {"l", "a/..", "behind"},    {"a/b/l", "./.././../../x", "leaves"},
        {"l", "a\nb", "control"},         {"l", ".//../x", "leaves"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf b = {0};
        manifest(&b);
        put(&b, '2', cases[i].name, cases[i].target, NULL);
        refuse(&b, ERR_BAD_SOURCE, cases[i].words);
        /* the folder that is taken off is no room to move in */
        AUTO(char_p) char *name = mem_printf("top/%s", cases[i].name);
        file(&b, "top/Cargo.toml", "");
        put(&b, '2', name, cases[i].target, NULL);
        refuse(&b, ERR_BAD_SOURCE, cases[i].words);
    }
    struct buf b = {0};
    char *dir;
    manifest(&b);
    put(&b, '2', "a/b/up", "../../Cargo.toml", NULL);
    put(&b, '2', "a/root", "./..", NULL);
    put(&b, '2', "dangling", "nowhere", NULL);
    put(&b, '2', ".cargo", "other", NULL);
    file(&b, "other/config.toml", "x");
    put(&b, '2', "a/.cargo/config", "../../other/config.toml", NULL);
    cJSON *json = accept(&b, &defaults, &dir);
    holds(dir, "src/a/b/up", "[package]\n");
    holds(dir, "src/.cargo", NULL);
    holds(dir, "src/a/.cargo/config", NULL);
    assert_int_equal(cJSON_GetArraySize(json_arr(json, "ignored_configs")), 2);
    done(dir, json);
}

static void test_through_links(void **state)
{
    (void)state;
    struct buf b = {0};

    manifest(&b);
    put(&b, '2', "l", "src", NULL);
    file(&b, "l/x", "x");
    refuse(&b, ERR_BAD_SOURCE, "'l/x' lies beneath a symbolic link");
    manifest(&b);
    file(&b, "l/x", "x");
    put(&b, '2', "l", "src", NULL);
    refuse(&b, ERR_BAD_SOURCE, "both a folder and a symbolic link");
    manifest(&b);
    put(&b, '2', "l", "src", NULL);
    file(&b, "l", "x");
    refuse(&b, ERR_BAD_SOURCE, "both a symbolic link and a file");
    manifest(&b);
    file(&b, "f", "x");
    file(&b, "f/x", "x");
    refuse(&b, ERR_BAD_SOURCE, "beneath a file");
    manifest(&b);
    put(&b, '2', "a/l", "b", NULL);
    put(&b, '5', "a/l/c/d", NULL, NULL);
    refuse(&b, ERR_BAD_SOURCE, "beneath a symbolic link");
}

static void test_hard_links(void **state)
{
    (void)state;
    static const char *const bad[] = {"later", "/etc/passwd", "../x", "h", "", "dir"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct buf b = {0};
        manifest(&b);
        put(&b, '5', "dir", NULL, NULL);
        put(&b, '1', "h", bad[i][0] ? bad[i] : NULL, NULL);
        file(&b, "later", "x");
        struct extract_options o = defaults;
        AUTO(fd) int fd = finish(&b);
        char *json = NULL;
        struct err err = ERR_INIT;
        if (bad[i][0] == '\0')
            continue; /* libarchive takes it for a file */
        assert_int_equal(extract_run(fd, -1, &o, &json, &err), -1);
        assert_int_equal(err.kind, ERR_BAD_SOURCE);
    }
    struct buf b = {0};
    char *dir;
    file(&b, "t/Cargo.toml", "[package]\n");
    file(&b, "t/a/one", "first");
    put(&b, '1', "t/b/h", "t/a/one", NULL);
    put(&b, '1', "t/h2", "./t/b/h", NULL);
    file(&b, "t/a/one", "second");
    put(&b, '2', "t/l", "h2", NULL);
    put(&b, '1', "t/l2", "t/l", NULL);
    cJSON *json = accept(&b, &defaults, &dir);
    holds(dir, "src/b/h", "first");
    holds(dir, "src/h2", "first");
    holds(dir, "src/a/one", "second");
    holds(dir, "src/l2", "first");
    done(dir, json);
    /* no sharing with configuration */
    manifest(&b);
    file(&b, ".cargo/config.toml", "x");
    put(&b, '1', "h", ".cargo/config.toml", NULL);
    refuse(&b, ERR_BAD_SOURCE, "hard link");
    manifest(&b);
    file(&b, "x", "x");
    put(&b, '1', ".cargo/config.toml", "x", NULL);
    refuse(&b, ERR_BAD_SOURCE, "hard link");
}

static void test_configs(void **state)
{
    (void)state;
    struct buf b = {0};
    char *dir;

    manifest(&b);
    file(&b, ".cargo/config.toml", "new");
    file(&b, ".cargo/config", "old");
    file(&b, ".cargo/config", "old2");
    file(&b, ".cargo/other", "kept");
    file(&b, "sub/.cargo/config.toml", "x");
    file(&b, "vendor/x/.cargo/config.toml", "kept");
    file(&b, "vendor/x/.cargo-checksum.json", "{}");
    file(&b, ".cargo/.cargo-checksum.json", "{}");
    file(&b, "sub/.cargo/.cargo-checksum.json", "{}");
    cJSON *json = accept(&b, &defaults, &dir);
    holds(dir, "config/.cargo/config.toml", "old2");
    holds(dir, "src/.cargo/config", NULL);
    holds(dir, "src/.cargo/config.toml", NULL);
    holds(dir, "src/.cargo/other", "kept");
    holds(dir, "src/sub/.cargo/config.toml", NULL);
    holds(dir, "src/vendor/x/.cargo/config.toml", "kept");
    assert_true(json_bool(json, "config", false));
    assert_int_equal(cJSON_GetArraySize(json_arr(json, "ignored_configs")), 2);
    done(dir, json);
    /* the chosen manifest's own folders never count as vendored */
    struct extract_options o = defaults;
    o.manifest_path = "v/x/Cargo.toml";
    file(&b, "v/x/Cargo.toml", "");
    file(&b, "v/x/.cargo/config.toml", "x");
    file(&b, "v/x/.cargo-checksum.json", "{}");
    file(&b, "v/.cargo/config.toml", "x");
    file(&b, "v/.cargo-checksum.json", "{}");
    file(&b, "README", "");
    json = accept(&b, &o, &dir);
    assert_int_equal(cJSON_GetArraySize(json_arr(json, "ignored_configs")), 2);
    holds(dir, "src/v/.cargo/config.toml", NULL);
    holds(dir, "src/v/x/.cargo/config.toml", NULL);
    done(dir, json);
}

static void test_limits(void **state)
{
    (void)state;
    struct buf b = {0};
    struct extract_options o = defaults;
    char *dir, name[64];

    o.max_files = 10;
    manifest(&b);
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        file(&b, name, "x");
    }
    refuse_with(&b, &o, ERR_TOO_LARGE, "more than 10 files");
    manifest(&b);
    file(&b, "a/b/c/d/e/f/g/h/i/j/k", "implied folders count");
    refuse_with(&b, &o, ERR_TOO_LARGE, "more than 10 files");
    o = defaults;
    o.max_path = 20;
    manifest(&b);
    file(&b, "aaaaaaaaaa/bbbbbbbbbb", "x");
    refuse_with(&b, &o, ERR_TOO_LARGE, "longer than 20 bytes");
    manifest(&b);
    file(&b, "aaaaaaaaaa/bbbbbbbbb", "x");
    done(dir, accept(&b, &o, &dir));
    o.max_path = 1024;
    AUTO(buf) struct buf deep = {0};
    for (int i = 0; i < TREE_MAX_DEPTH; i++)
        buf_puts(&deep, "d/");
    buf_puts(&deep, "f");
    /* longer than a header's name field: as a GNU long name */
    manifest(&b);
    put(&b, 'L', "././@LongLink", NULL, deep.p);
    file(&b, "short", "x");
    refuse_with(&b, &o, ERR_TOO_LARGE, "folders deep");
    o.max_bytes = 4096;
    manifest(&b);
    file(&b, "x", "x");
    file(&b, "y", "x");
    file(&b, "z", "x");
    refuse_with(&b, &o, ERR_TOO_LARGE, "more than 4096 bytes");
}

static void test_end(void **state)
{
    (void)state;
    struct buf b = {0};
    static const char zeros[1024];

    manifest(&b);
    buf_put(&b, zeros, 1024);
    file(&b, "second", "x");
    refuse(&b, ERR_BAD_SOURCE, "second archive");
}

static void test_show(void **state)
{
    (void)state;
    char shown[TREE_SHOWN];
    AUTO(char_p) char *longer = mem_alloc(5001);

    assert_string_equal(tree_show("a\x1b[0m\n", shown), "a?[0m?");
    for (int i = 0; i < 2500; i++)
        memcpy(longer + 2 * i, "\xc3\xbc", 2);
    tree_show(longer, shown);
    assert_true(strlen(shown) < TREE_SHOWN);
    assert_non_null(strstr(shown, "..."));
    AUTO(char_p) char *same = json_utf8(shown, strlen(shown));
    assert_string_equal(same, shown);
    memset(longer, 0xff, 5000);
    assert_true(strlen(tree_show(longer, shown)) < TREE_SHOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_crate), cmocka_unit_test(test_top_folder), cmocka_unit_test(test_manifest_path),
        cmocka_unit_test(test_bad_paths),   cmocka_unit_test(test_symlinks),   cmocka_unit_test(test_through_links),
        cmocka_unit_test(test_hard_links),  cmocka_unit_test(test_configs),    cmocka_unit_test(test_limits),
        cmocka_unit_test(test_end),         cmocka_unit_test(test_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
