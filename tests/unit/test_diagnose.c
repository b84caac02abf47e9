/* test_diagnose.c - real logs of cargo 1.96 (tests/unit/data/logs), and text that nobody meant. */
#include "tests/unit/profile_kit.h"
#include "workers/diagnose.h"

#include <string.h>

static void expect(void **state, const char *profile, const char *file, enum err_kind kind, const char *message,
                   const char *hint)
{
    AUTO(buf) struct buf log = kit_read("logs", file);
    struct job_error e = {0};

    diagnose(kit_profile(state, profile), log.p, log.len, NULL, ERR_TRIAL, &e);
    if (e.kind != kind || strcmp(e.message, message) != 0 || (hint ? !e.hint || !strstr(e.hint, hint) : e.hint != NULL))
        fail_msg("%s: %s: %s | %s", file, err_name(e.kind), e.message, e.hint ? e.hint : "no hint");
    assert_true(strlen(e.log_excerpt) <= 8192);
    assert_null(strchr(e.log_excerpt, '\x1b'));
    job_error_clear(&e);
}

static void test_compile(void **state)
{
    expect(state, "web", "syntax.log", ERR_COMPILE,
           "error[E0425]: cannot find value `zzz` in this scope (src/main.rs:2:18)", NULL);
    expect(state, "web", "color.log", ERR_COMPILE,
           "error[E0425]: cannot find value `zzz` in this scope (src/main.rs:2:18)", NULL);
    expect(state, "web", "parse.log", ERR_COMPILE, "expected expression, found `;` (src/main.rs:2:12)", NULL);
    expect(state, "web", "macro.log", ERR_COMPILE, "proc macro panicked (src/main.rs:1:1): schema.json is missing",
           NULL);
    expect(state, "web", "unstable.log", ERR_COMPILE,
           "error[E0554]: `#![feature]` may not be used on the stable release channel (src/main.rs:1:1)",
           "unstable features");
}

/* rustc 1.48: in a dependency that was fetched for an old compiler. */
static void test_old(void **state)
{
    expect(state, "static", "old-dep.log", ERR_DEPENDENCY,
           "error[E0599]: no method named `as_chunks` found for array `[{integer}; 2]` in the current scope "
           "(dep-1.2.3/src/lib.rs:1:51)",
           "too new for the profile's compiler");
}

static void test_link(void **state)
{
    expect(state, "web", "link.log", ERR_LINK, "linking failed: undefined reference to `missing_one' (and 1 more)",
           NULL);
    expect(state, "web", "musl-link.log", ERR_LINK, "linking failed: undefined reference to `missing_one' (and 1 more)",
           NULL);
    expect(state, "web", "wasm-link.log", ERR_LINK, "linking failed: undefined symbol: missing_one (and 1 more)", NULL);
    expect(state, "web", "musl-lib.log", ERR_LINK,
           "linking failed: cannot find -lssl: No such file or directory (and 1 more)", "vendored or bundled");
    expect(state, "web", "musl-lib2.log", ERR_LINK, "linking failed: cannot find -lssl: No such file or directory",
           "vendored");
}

static void test_script(void **state)
{
    expect(state, "web", "buildc.log", ERR_COMPILE,
           "failed to run custom build command for `x v0.1.0`: cannot find libfoo", "libfoo is not for the web");
    expect(state, "wasi", "buildc.log", ERR_COMPILE,
           "failed to run custom build command for `x v0.1.0`: cannot find libfoo", NULL);
    expect(state, "web", "cfail.log", ERR_COMPILE,
           "failed to run custom build command for `x v0.1.0`: "
           "src/a.c:1:10: fatal error: nosuch.h: No such file or directory",
           NULL);
}

static void test_cargo(void **state)
{
    expect(state, "web", "edition.log", ERR_BAD_SOURCE,
           "failed to parse manifest at `Cargo.toml`: supported edition values are `2015`, `2018`, `2021`, or `2024`, "
           "but `2099` "
           "is unknown",
           NULL);
    expect(state, "web", "notarget.log", ERR_BAD_SOURCE,
           "failed to parse manifest at `Cargo.toml`: no targets specified in the manifest", NULL);
    expect(state, "web", "toml.log", ERR_BAD_SOURCE, "unclosed table, expected `]` (Cargo.toml:1:9)", NULL);
    expect(state, "web", "profile.log", ERR_BAD_SOURCE, "profile `nope` is not defined", NULL);
    expect(state, "web", "rustver.log", ERR_BAD_SOURCE,
           "rustc 1.96.0 is not supported by the following package: x@0.1.0 requires rustc 1.99", "older version");
    expect(state, "web", "locked.log", ERR_BAD_SOURCE,
           "cannot update the lock file Cargo.lock because --locked was passed to prevent this", "locked out");
    expect(state, "web", "nodep.log", ERR_DEPENDENCY, "no matching package named `no-such` found", NULL);
    expect(state, "web", "ver.log", ERR_DEPENDENCY, "failed to select a version for the requirement `h = \"^9\"`",
           NULL);
    expect(state, "web", "pathdep.log", ERR_DEPENDENCY,
           "failed to get `h` as a dependency of package `x v0.1.0`: failed to read `libs/h/Cargo.toml`: "
           "No such file or directory (os error 2)",
           "not in the tarball");
    expect(state, "web", "netdep.log", ERR_DEPENDENCY,
           "failed to get `serde` as a dependency of package `x v0.1.0`: "
           "[6] Could not resolve hostname (Could not resolve host: index.crates.io)",
           "cargo vendor");
    expect(state, "web", "vendor.log", ERR_DEPENDENCY,
           "the listed checksum of `vendor/h/src/lib.rs` has changed: expected: "
           "0000000000000000000000000000000000000000000000000000000000000000",
           "cargo vendor again");
    expect(state, "web", "nostd.log", ERR_TRIAL, "`#[panic_handler]` function required, but not found",
           "#[panic_handler]");
}

/* diagnose on a text of the test's own; the caller clears *ret. */
static void on_text(void **state, const char *text, size_t len, struct job_error *ret)
{
    diagnose(kit_profile(state, "web"), text, len, NULL, ERR_COMPILE, ret);
    assert_true(strlen(ret->message) <= 1024);
    assert_true(strlen(ret->log_excerpt) <= 8192);
    for (const char *s = ret->message; *s; s++)
        assert_true((unsigned char)*s >= 0x20);
    AUTO(char_p) char *utf8 = json_utf8(ret->message, strlen(ret->message));
    assert_string_equal(utf8, ret->message);
}

static void says(void **state, const char *text, const char *message)
{
    struct job_error e = {0};

    on_text(state, text, strlen(text), &e);
    assert_string_equal(e.message, message);
    job_error_clear(&e);
}

static void test_odd(void **state)
{
    says(state, "", "the build failed and printed nothing");
    says(state, "\n\n  \n", "the build failed and printed nothing");
    says(state, "Killed\n", "Killed");
    says(state, "error: ", "error: ");
    says(state, "error: could not compile `x` (bin \"x\")\n\nlast words\n", "could not compile `x` (bin \"x\")");
    says(state, "error: could not compile `x`\nerror: real\n", "real");
    says(state, "50%\r100%\rerror: after progress\n", "after progress");
    says(state, "error: windows\r\n", "windows");
    says(state, "\x1b]0;title\a\x1b[1merror\x1b[0m: in colour\n", "in colour");
    says(state, "\x1b[", "the build failed and printed nothing");
    says(state, "\x1b]0;no end", "the build failed and printed nothing");
    says(state, "\x1b", "the build failed and printed nothing");
    says(state, "error: a\xff\xc3\nb", "a\xef\xbf\xbd\xef\xbf\xbd");
    says(state, "error: failed to run custom build command for `x`\n", "failed to run custom build command for `x`");
    says(state, "error: linking with `cc` failed\n", "linking with `cc` failed");
    says(state, "error: colon at the end:", "colon at the end:");
    says(state,
         "error: linking with `wasm-ld-19` failed: exit status: 1\n  = note: wasm-ld: error: unknown argument: --x\n",
         "linking failed: unknown argument: --x");
}

/* A link step of a profile's calls linkers itself. */
static void test_link_step(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"/usr/bin/ld: /work/tmp/m.o: in function `main':\nm.c:(.text+0x5): undefined reference to `rust_main'\n"
         "collect2: error: ld returned 1 exit status\n",
         "linking failed: undefined reference to `rust_main'"},
        {"wasm-ld: error: /work/tmp/a.o: undefined symbol: handle\nemcc: error: wasm-ld failed\n",
         "linking failed: undefined symbol: handle"},
        {"error: the crate has no function handle\n", "the crate has no function handle"},
        {"exec: ld.lld: not found\n", "exec: ld.lld: not found"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct job_error e = {0};
        diagnose(kit_profile(state, "web"), cases[i].text, strlen(cases[i].text), NULL, ERR_LINK, &e);
        assert_int_equal(e.kind, ERR_LINK);
        assert_string_equal(e.message, cases[i].message);
        job_error_clear(&e);
    }
}

static void test_long(void **state)
{
    AUTO(buf) struct buf log = {0};
    struct job_error e = {0};

    for (int i = 0; i < 200; i++)
        buf_printf(&log, "   Compiling crate%d\n", i);
    buf_puts(&log, "error: ");
    for (int i = 0; i < 3000; i++)
        buf_puts(&log, "\xc3\xa4");
    for (int i = 0; i < 200; i++) {
        buf_puts(&log, "\n");
        for (int k = 0; k < 600; k++)
            buf_puts(&log, "x");
    }
    buf_put(&log, "\0\x01", 2);
    on_text(state, log.p, log.len, &e);
    assert_int_equal(strlen(e.message), 1024);
    assert_non_null(strstr(e.log_excerpt, "crate199"));
    assert_null(strstr(e.log_excerpt, "crate190"));
    job_error_clear(&e);
    job_error_clear(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compile), cmocka_unit_test(test_old),       cmocka_unit_test(test_link),
        cmocka_unit_test(test_script),  cmocka_unit_test(test_cargo),     cmocka_unit_test(test_odd),
        cmocka_unit_test(test_long),    cmocka_unit_test(test_link_step),
    };

    return cmocka_run_group_tests_name("diagnose", tests, kit_setup, kit_teardown);
}
