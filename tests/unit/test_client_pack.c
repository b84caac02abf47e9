/* test_client_pack.c - what goes into a tarball, what is left out, and what is refused by name. */
#include "client/files.h"
#include "client/note.h"
#include "client/pack.h"
#include "client/settings.h"

#include "base/fs.h"
#include "base/proc.h"
#include "base/tar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *new_folder(void)
{
    char *dir = mem_strdup("/tmp/test_pack.XXXXXX");

    assert_non_null(mkdtemp(dir));
    return dir;
}

static void put(const char *dir, const char *name, const char *text)
{
    AUTO(char_p) char *path = mem_printf("%s/%s", dir, name);
    AUTO(char_p) char *up = mem_strdup(path);
    struct err err = ERR_INIT;

    *strrchr(up, '/') = '\0';
    assert_int_equal(fs_mkdirs(up, 0755, &err), 0);
    assert_int_equal(fs_write(path, text, strlen(text), 0644, &err), 0);
}

static void done(char *dir)
{
    struct err err = ERR_INIT;

    assert_int_equal(fs_remove_tree(dir, &err), 0);
    mem_free(dir);
}

/* The names in a tarball, each followed by a blank. The caller owns it. */
static char *names_in(int fd)
{
    struct tar_reader *r = NULL;
    struct tar_entry e;
    struct err err = ERR_INIT;
    struct buf b = {0};
    int rc;

    assert_int_equal(tar_reader_open(fd, &r, &err), 0);
    while ((rc = tar_next(r, &e, &err)) == 0)
        buf_printf(&b, "%s ", e.path);
    assert_int_equal(rc, TAR_END);
    tar_reader_free(r);
    return buf_steal(&b);
}

static void packs(const char *path, const char *const *keep, const char *wanted, const char *manifest)
{
    struct pack p = PACK_INIT;
    struct err err = ERR_INIT;

    if (pack_make(path, keep, &p, &err) < 0)
        fail_msg("%s", err.msg);
    AUTO(char_p) char *names = names_in(p.fd);
    assert_string_equal(names, wanted);
    assert_string_equal(p.manifest ? p.manifest : "", manifest);
    pack_clear(&p);
}

static void refuses(const char *path, const char *words)
{
    struct pack p = PACK_INIT;
    struct err err = ERR_INIT;

    assert_int_equal(pack_make(path, NULL, &p, &err), -1);
    assert_int_equal(err.kind, ERR_BAD_REQUEST);
    if (!strstr(err.msg, words))
        fail_msg("%s", err.msg);
    pack_clear(&p);
}

static void test_outside_git(void **state)
{
    (void)state;
    static const char *const keep[] = {"*.pem", NULL};
    char *dir = new_folder();

    put(dir, "Cargo.toml", "[package]\nname = \"x\"\n");
    put(dir, "src/main.rs", "fn main() {}");
    put(dir, "target/debug/x", "");
    put(dir, "src/target/x.rs", "");
    put(dir, ".env", "SECRET=1");
    put(dir, "tests/cert.pem", "x");
    put(dir, ".cargo/credentials.toml", "x");
    put(dir, ".cargo/config.toml", "x");
    put(dir, ".git-credentials", "x");
    packs(dir, NULL, ".cargo/config.toml Cargo.toml src/main.rs src/target/x.rs ", "");
    packs(dir, keep, ".cargo/config.toml Cargo.toml src/main.rs src/target/x.rs tests/cert.pem ", "");
    done(dir);
}

static void git(const char *dir, const char *a, const char *b)
{
    const char *argv[] = {"git", "-C", dir, a, b, NULL};
    struct proc p = PROC_INIT;
    struct err err = ERR_INIT;
    int status = -1;

    p.argv = argv;
    assert_int_equal(proc_run(&p, &status, &err), 0);
    assert_int_equal(status, 0);
}

static void test_in_git(void **state)
{
    (void)state;
    char *dir = new_folder();

    put(dir, "Cargo.toml", "[workspace]\nmembers = [\"a\"]\n");
    put(dir, "a/Cargo.toml", "[package]\nname = \"a\"\nversion = \"0.1.0\"\n");
    put(dir, "a/src/lib.rs", "");
    put(dir, ".gitignore", "ignored\n/target\n");
    put(dir, "ignored", "x");
    put(dir, "target/x", "x");
    put(dir, "new", "not yet added");
    put(dir, "id_rsa", "x");
    put(dir, "gone", "x");
    git(dir, "init", "-q");
    git(dir, "add", "gone");
    AUTO(char_p) char *gone = mem_printf("%s/gone", dir);
    unlink(gone);
    put(dir, "nested/file", "x");
    AUTO(char_p) char *nested = mem_printf("%s/nested", dir);
    git(nested, "init", "-q");
    packs(dir, NULL, ".gitignore Cargo.toml a/Cargo.toml a/src/lib.rs nested/file new ", "");
    AUTO(char_p) char *member = mem_printf("%s/a", dir);
    packs(member, NULL, ".gitignore Cargo.toml a/Cargo.toml a/src/lib.rs nested/file new ", "a/Cargo.toml");
    AUTO(char_p) char *manifest = mem_printf("%s/a/Cargo.toml", dir);
    packs(manifest, NULL, ".gitignore Cargo.toml a/Cargo.toml a/src/lib.rs nested/file new ", "a/Cargo.toml");
    done(dir);
}

static void test_refusals(void **state)
{
    (void)state;
    char *dir = new_folder();
    AUTO(char_p) char *link = mem_printf("%s/src/link", dir);
    AUTO(char_p) char *none = mem_printf("%s/none", dir);

    refuses(dir, "there is no Cargo.toml in");
    refuses(none, "No such file");
    put(dir, "Cargo.toml", "[package]\nname = \"x\"\nversion = \"0.1.0\"\n[dependencies]\nd = { path = \"../d\" }\n");
    put(dir, "src/lib.rs", "");
    refuses(dir, "which lies outside");
    put(dir, "Cargo.toml", "[package]\nname = \"x\"\nversion = \"0.1.0\"\n");
    assert_int_equal(symlink("/etc/passwd", link), 0);
    refuses(dir, "src/link is a symbolic link to an absolute path");
    unlink(link);
    assert_int_equal(symlink("../../x", link), 0);
    refuses(dir, "src/link is a symbolic link that leaves the crate");
    unlink(link);
    assert_int_equal(symlink("../Cargo.toml", link), 0);
    packs(dir, NULL, "Cargo.toml src/lib.rs src/link ", "");
    done(dir);
}

static void test_tarball_as_it_is(void **state)
{
    (void)state;
    char *dir = new_folder();
    AUTO(char_p) char *path = mem_printf("%s/x.crate", dir);
    struct pack p = PACK_INIT;
    struct err err = ERR_INIT;

    put(dir, "x.crate", "anything: the server judges");
    assert_int_equal(pack_make(path, NULL, &p, &err), 0);
    assert_int_equal(p.size, 27);
    assert_null(p.root);
    pack_clear(&p);
    done(dir);
}

static void test_manifest_text(void **state)
{
    (void)state;
    assert_true(pack_has_table("[package]\n [workspace]\n", "workspace"));
    assert_true(pack_has_table("[workspace.package]", "workspace"));
    assert_true(pack_has_table("[ workspace ]", "workspace"));
    assert_false(pack_has_table("# [workspace]\n[workspaces]\nx = [1]", "workspace"));
    static const struct {
        const char *text, *inside, *found;
    } cases[] = {
        {"a = { path = \"../a\" }", "", "../a"},
        {"a = { path = \"../a\" }", "crates/x", NULL},
        {"a = { version = \"1\", path=\"../../../a\" }", "crates/x", "../../../a"},
        {"a.path = '/abs'", "x", "/abs"},
        {"path = \"src/../../x\"", "", "src/../../x"},
        {"path = \"src/../x\"", "", NULL},
        {"# path = \"../x\"", "", NULL},
        {"filepath = \"../x\"", "", NULL},
        {"path = \"../x", "", "../x"},
        {"path =", "", NULL},
        {"path", "", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(char_p) char *found = pack_path_outside(cases[i].text, cases[i].inside);
        assert_string_equal(found ? found : "none", cases[i].found ? cases[i].found : "none");
    }
}

static void test_secrets(void **state)
{
    (void)state;
    static const char *const yes[] = {
        ".env",        "a/.env.local", "x.pem",  "deep/id_rsa",        "id_ed25519",    ".npmrc",
        ".aws/config", "a/.ssh/known", ".netrc", ".cargo/credentials", "my-wallet.json"};
    static const char *const no[] = {"env.rs",     ".env.example", "src/key.rs", "id_rsa.pub", ".cargo/config.toml",
                                     "Cargo.toml", "aws/x",        "x.ssh/y"};
    for (size_t i = 0; i < COUNT(yes); i++)
        assert_true(files_is_secret(yes[i]));
    for (size_t i = 0; i < COUNT(no); i++)
        assert_false(files_is_secret(no[i]));
}

static void test_settings(void **state)
{
    (void)state;
    char *dir = new_folder();
    struct err err = ERR_INIT;
    char *url = NULL;

    unsetenv("BLOOMERY_SERVER");
    setenv("XDG_CONFIG_HOME", dir, 1);
    assert_int_equal(settings_server(NULL, &url, &err), 0);
    assert_string_equal(url, SETTINGS_DEFAULT_SERVER);
    mem_free(url);
    put(dir, "bloomery/config", "# mine\nservers = x\n server = \"http://file:1\" # c\n");
    assert_int_equal(settings_server(NULL, &url, &err), 0);
    assert_string_equal(url, "http://file:1");
    mem_free(url);
    setenv("BLOOMERY_SERVER", "https://env", 1);
    assert_int_equal(settings_server(NULL, &url, &err), 0);
    assert_string_equal(url, "https://env");
    mem_free(url);
    assert_int_equal(settings_server("http://flag", &url, &err), 0);
    assert_string_equal(url, "http://flag");
    mem_free(url);
    assert_int_equal(settings_server("file:///etc", &url, &err), -1);
    assert_int_equal(err.kind, ERR_BAD_REQUEST);
    AUTO(char_p) char *plain = settings_find("server=http://x  # c", "server");
    assert_string_equal(plain, "http://x");
    assert_null(settings_find("server\n", "server"));
    unsetenv("BLOOMERY_SERVER");
    done(dir);
}

static void test_plain_text(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = {0};
    static const char hostile[] = "a\x1b[31mb\x1b]0;title\x07"
                                  "c\r\n\td\x7f\x1b[";

    note_plain(&b, hostile, sizeof(hostile) - 1);
    assert_string_equal(b.p, "ab]0;titlec\n\td");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outside_git),      cmocka_unit_test(test_in_git),        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_tarball_as_it_is), cmocka_unit_test(test_manifest_text), cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_settings),         cmocka_unit_test(test_plain_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
