/*
 * test_dist.c - the Rust project's archives: fetched from a server that fails as it is told (tests/fakes/dist_server.py, on
 * loopback) and from a folder, and taken apart. Small archives of our own making.
 */
#include "workers/dist.h"

#include "base/fs.h"
#include "base/hash.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE 3000000
#define A "/dist/d/a.tar.xz"

/* A site with dist/d/a.tar.xz, and a place to keep it. */
struct site {
    char dir[64], root[80], keep[80], log[80], url[64];
    char *bytes, sha[SHA256_HEX_SIZE];
    pid_t server;
    cJSON *origin;
    struct dist d;
    struct err err;
};

static void on_progress(const char *line)
{
    assert_true(strlen(line) > 0 && !strchr(line, '\n'));
}

static char *in(const char *dir, const char *name)
{
    return mem_printf("%s/%s", dir, name);
}

static void put(const char *dir, const char *name, const void *data, size_t len)
{
    AUTO(char_p) char *path = in(dir, name);
    struct err err = ERR_INIT;

    assert_int_equal(fs_write(path, data, len, 0644, &err), 0);
}

static bool there(const char *dir, const char *name)
{
    AUTO(char_p) char *path = in(dir, name);
    return access(path, F_OK) == 0;
}

static void set_origin(struct site *s, const char *also, const char *sha)
{
    struct err err = ERR_INIT;
    AUTO(char_p)
    char *text = mem_printf("{\"origin\":\"dist\",\"path\":\"dist/d\",\"components\":[{\"name\":\"a\","
                            "\"also\":[%s],\"sha256\":\"%s\"}]}",
                            also, sha);
    cJSON_Delete(s->origin);
    assert_int_equal(json_parse(text, strlen(text), "origin", &s->origin, &err), 0);
}

static int setup(void **state)
{
    struct site *s = mem_alloc(sizeof *s);
    struct err err = ERR_INIT;
    unsigned x = 1;

    snprintf(s->dir, sizeof s->dir, "/tmp/bloomery-test-dist-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->root, sizeof s->root, "%s/root", s->dir);
    snprintf(s->keep, sizeof s->keep, "%s/keep", s->dir);
    snprintf(s->log, sizeof s->log, "%s/log", s->dir);
    AUTO(char_p) char *folder = in(s->root, "dist/d");
    assert_int_equal(fs_mkdirs(folder, 0755, &err), 0);
    assert_int_equal(fs_mkdirs(s->keep, 0755, &err), 0);
    s->bytes = mem_alloc(SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        x = x * 1103515245 + 12345;
        s->bytes[i] = (char)(x >> 16);
    }
    hash_bytes(s->bytes, SIZE, s->sha);
    put(s->root, "dist/d/a.tar.xz", s->bytes, SIZE);
    set_origin(s, "", s->sha);
    s->d = (struct dist){
        .from = s->url, .keep_dir = s->keep, .max_bytes = 10 << 20, .stall_seconds = 60, .progress = on_progress};
    *state = s;
    return 0;
}

static void stop(struct site *s)
{
    if (s->server > 0) {
        kill(s->server, SIGKILL);
        waitpid(s->server, NULL, 0);
    }
    s->server = 0;
}

static int teardown(void **state)
{
    struct site *s = *state;
    struct err err = ERR_INIT;

    stop(s);
    fs_remove_tree(s->dir, &err);
    cJSON_Delete(s->origin);
    mem_free(s->bytes);
    mem_free(s);
    return 0;
}

static void serve_with(struct site *s, const char *faults, const char *certificate)
{
    int ends[2];
    char port[16] = "";

    stop(s);
    unlink(s->log);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    s->server = fork();
    assert_true(s->server >= 0);
    if (s->server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDOUT_FILENO);
        execlp("python3", "python3", "tests/fakes/dist_server.py", s->root, s->log, faults, certificate, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    for (size_t n = 0; n < sizeof port - 1 && read(ends[0], port + n, 1) == 1 && port[n] != '\n'; n++)
        ;
    close(ends[0]);
    assert_true(strtol(port, NULL, 10) > 0); /* else: not run from the repository's root, or no python3 */
    snprintf(s->url, sizeof s->url, "http%s://127.0.0.1:%ld/", certificate ? "s" : "", strtol(port, NULL, 10));
}

/* `faults` of a.tar.xz, with ' for ". */
static void serve(struct site *s, const char *faults)
{
    AUTO(char_p) char *text = mem_printf("{\"" A "\": [%s]}", faults);

    for (char *p = text; *p; p++)
        if (*p == '\'')
            *p = '"';
    serve_with(s, text, NULL);
}

static int fetch(struct site *s)
{
    s->err = (struct err)ERR_INIT;
    int r = dist_fetch(&s->d, s->origin, &s->err);
    if (r != 0)
        print_message("           %s (%s)\n", s->err.msg, s->err.hint);
    return r;
}

static void is_right(struct site *s)
{
    AUTO(buf) struct buf b = {0};
    AUTO(char_p) char *path = in(s->keep, "a.tar.xz");
    struct err err = ERR_INIT;

    assert_int_equal(fs_read(path, SIZE, &b, &err), 0);
    assert_int_equal(b.len, SIZE);
    assert_memory_equal(b.p, s->bytes, SIZE);
    assert_false(there(s->keep, "a.tar.xz.part"));
    assert_false(there(s->keep, "a.tar.xz.from"));
}

static void is_empty(struct site *s)
{
    int64_t bytes = -1, entries = -1;
    struct err err = ERR_INIT;

    assert_int_equal(fs_usage(s->keep, &bytes, &entries, &err), 0);
    assert_int_equal(entries, 0);
}

/* What the server was asked, ETags and dates shortened to "V", one request a line without method and path. */
static void asked(struct site *s, const char *expected)
{
    AUTO(buf) struct buf b = {0}, got = {0};
    struct err err = ERR_INIT;
    char range[64], version[128], path[128];
    int status, used = 0;

    if (access(s->log, F_OK) == 0)
        assert_int_equal(fs_read(s->log, 1 << 20, &b, &err), 0);
    for (const char *p = b.p; p && sscanf(p, "GET %127s %63s %127s %d%n", path, range, version, &status, &used) == 4;
         p += used + 1)
        buf_printf(&got, "%s %s %d\n", range, strcmp(version, "-") == 0 ? "-" : "V", status);
    assert_string_equal(got.p ? got.p : "", expected);
}

/* --- from a server --- */

static void test_fetch(void **state)
{
    struct site *s = *state;

    serve(s, "");
    assert_int_equal(fetch(s), 0);
    is_right(s);
    assert_int_equal(fetch(s), 0);
    asked(s, "- - 200\n"); /* once */
    put(s->keep, "a.tar.xz", "damaged", 7);
    assert_int_equal(fetch(s), 0);
    is_right(s);
    asked(s, "- - 200\n- - 200\n");
    dist_forget(&s->d, s->origin);
    is_empty(s);
}

static void test_absent(void **state)
{
    struct site *s = *state;

    serve(s, "{'status':404}");
    assert_int_equal(fetch(s), DIST_ELSEWHERE);
    assert_non_null(strstr(s->err.msg, A ": the server answers 404"));
    assert_null(strstr(s->err.msg, "//dist"));
    is_empty(s);
    asked(s, "- - 404\n");
    serve(s, "{'status':404}");
    put(s->root, "dist/d/b.tar.xz", s->bytes, SIZE);
    set_origin(s, "\"c\",\"b\"", s->sha);
    assert_int_equal(fetch(s), 0);
    is_right(s);
    asked(s, "- - 404\n- - 404\n- - 200\n");
}

static void test_not_reached(void **state)
{
    struct site *s = *state;

    snprintf(s->url, sizeof s->url, "http://127.0.0.1:1");
    assert_int_equal(fetch(s), DIST_ELSEWHERE);
    assert_int_equal(s->err.sys, ECONNREFUSED);
    is_empty(s);
    snprintf(s->url, sizeof s->url, "http://no-such-host.invalid");
    assert_int_equal(fetch(s), DIST_ELSEWHERE);
    snprintf(s->url, sizeof s->url, "mirror/rust");
    assert_int_equal(fetch(s), -1);
    is_empty(s);
}

/* Each of these is mended by asking again. */
static void test_mended(void **state)
{
    struct site *s = *state;
    static const struct {
        const char *faults, *asked;
    } cases[] = {
        {"{'cut':1000000}", "- - 200\nbytes=1000000- V 206\n"},
        {"{'cut':1000},{'cut':0},{'cut':500}", "- - 200\nbytes=1000- V 206\nbytes=1000- V 206\nbytes=1500- V 206\n"},
        {"{'stall':1000}", "- - 200\nbytes=1000- V 206\n"},
        {"{'status':500},{'status':503},{'status':429}", "- - 500\n- - 503\n- - 429\n- - 200\n"},
        {"{'cut':1000},{'no_range':1}", "- - 200\nbytes=1000- V 200\n"},
        {"{'cut':1000},{'status':416}", "- - 200\nbytes=1000- V 416\n- - 200\n"},
        {"{'cut':1000},{'shift':1}", "- - 200\nbytes=1000- V 206\n- - 200\n"},
        {"{'cut':1000,'etag':'\\'old\\''}", "- - 200\nbytes=1000- V 200\n"},
        {"{'cut':1000,'etag':'W/\\'weak\\''}", "- - 200\nbytes=1000- V 206\n"}, /* by the date */
        {"{'cut':1000,'bare':1}", "- - 200\nbytes=1000- - 206\n"},
        {"{'cut':1000,'wrong':1}", "- - 200\nbytes=1000- V 206\n- - 200\n"},
        {"{'redirect':'/dist/d/b.tar.xz'}", "- - 302\n- - 200\n"},
    };

    s->d.stall_seconds = 1;
    put(s->root, "dist/d/b.tar.xz", s->bytes, SIZE);
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(char_p) char *faults = mem_strdup(cases[i].faults);
        print_message("           %s\n", cases[i].faults);
        /* The ETag's own quotes are to survive in JSON. */
        AUTO(buf) struct buf text = {0};
        for (const char *p = faults; *p; p++) {
            if (p[0] == '\\' && p[1] == '\'')
                buf_puts(&text, "\\u0022"), p++;
            else
                buf_put(&text, p, 1);
        }
        serve(s, text.p);
        assert_int_equal(fetch(s), 0);
        is_right(s);
        asked(s, cases[i].asked);
        dist_forget(&s->d, s->origin);
    }
}

static void test_gives_up(void **state)
{
    struct site *s = *state;

    serve(s, "{'cut':100000},{'status':502,'always':1}");
    assert_int_equal(fetch(s), DIST_ELSEWHERE);
    assert_non_null(strstr(s->err.msg, "502"));
    assert_non_null(strstr(s->err.hint, "100000"));
    assert_false(there(s->keep, "a.tar.xz"));
    serve(s, ""); /* another call goes on from there */
    assert_int_equal(fetch(s), 0);
    is_right(s);
    asked(s, "bytes=100000- V 206\n");
}

static void test_redirects(void **state)
{
    struct site *s = *state;

    serve(s, "{'redirect':'file:///etc/passwd'}");
    assert_int_equal(fetch(s), DIST_ELSEWHERE);
    serve(s, "{'redirect':'" A "','always':1}");
    assert_int_equal(fetch(s), DIST_ELSEWHERE);
    is_empty(s);
}

static void is_refused(struct site *s)
{
    assert_int_equal(s->err.kind, ERR_TOOLCHAIN_MISSING);
    assert_non_null(strstr(s->err.msg, "a.tar.xz: expected sha256 "));
    assert_non_null(strstr(s->err.msg, s->sha));
    const char *found = strstr(s->err.msg, ", found ");
    assert_non_null(found);
    assert_true(hash_valid(found + 8));
    assert_true(s->err.hint[0] != '\0');
    is_empty(s);
}

static void test_wrong(void **state)
{
    struct site *s = *state;

    serve(s, "{'wrong':1}");
    assert_int_equal(fetch(s), -1);
    is_refused(s);
    asked(s, "- - 200\n");
    /* Pieces that do not fit are begun anew once. */
    serve(s, "{'cut':1000,'wrong':1},{},{'wrong':1}");
    assert_int_equal(fetch(s), -1);
    is_refused(s);
    asked(s, "- - 200\nbytes=1000- V 206\n- - 200\n");
    serve(s, "{'page':'<html>log in first'}");
    assert_int_equal(fetch(s), -1);
    is_refused(s);
    assert_non_null(strstr(s->err.hint, "proxy"));
    /* Under another of its names it may be right. */
    put(s->root, "dist/d/b.tar.xz", s->bytes, SIZE);
    set_origin(s, "\"b\"", s->sha);
    serve(s, "{'wrong':1}");
    assert_int_equal(fetch(s), 0);
    is_right(s);
    dist_forget(&s->d, s->origin);
    set_origin(s, "\"c\"", s->sha); /* absent: the refusal counts */
    serve(s, "{'wrong':1}");
    assert_int_equal(fetch(s), -1);
    is_refused(s);
}

static void test_too_long(void **state)
{
    struct site *s = *state;

    s->d.max_bytes = SIZE - 1;
    serve(s, "");
    assert_int_equal(fetch(s), -1);
    assert_int_equal(s->err.kind, ERR_TOOLCHAIN_MISSING);
    assert_non_null(strstr(s->err.msg, "max_archive_bytes"));
    is_empty(s);
    s->d.from = s->root;
    assert_int_equal(fetch(s), -1);
    is_empty(s);
    s->d.max_bytes = SIZE;
    assert_int_equal(fetch(s), 0);
}

static void test_part_of_another_run(void **state)
{
    struct site *s = *state;
    AUTO(char_p) char *note = mem_printf("%s\n\n", s->sha);

    /* All bytes had come: nobody is asked. */
    put(s->keep, "a.tar.xz.part", s->bytes, SIZE);
    put(s->keep, "a.tar.xz.from", note, strlen(note));
    serve(s, "");
    assert_int_equal(fetch(s), 0);
    is_right(s);
    asked(s, "");
    dist_forget(&s->d, s->origin);
    /* A part of another archive of that name is no part of this one. */
    memset(note, '0', 64);
    put(s->keep, "a.tar.xz.part", s->bytes, 5);
    put(s->keep, "a.tar.xz.from", note, strlen(note));
    assert_int_equal(fetch(s), 0);
    is_right(s);
    asked(s, "- - 200\n");
    dist_forget(&s->d, s->origin);
    /* More than there is. */
    AUTO(char_p) char *more = mem_alloc(SIZE + 1);
    memcpy(note, s->sha, 64);
    put(s->keep, "a.tar.xz.part", more, SIZE + 1);
    put(s->keep, "a.tar.xz.from", note, strlen(note));
    assert_int_equal(fetch(s), 0);
    is_right(s);
}

static void test_bad_pins(void **state)
{
    struct site *s = *state;

    serve(s, "");
    set_origin(s, "", "not hex");
    assert_int_equal(fetch(s), -1);
    cJSON *a = cJSON_GetArrayItem(json_arr(s->origin, "components"), 0);
    cJSON_ReplaceItemInObject(a, "sha256", cJSON_CreateString(s->sha));
    cJSON_ReplaceItemInObject(a, "name", cJSON_CreateString("../a"));
    assert_int_equal(fetch(s), -1);
    asked(s, "");
    is_empty(s);
}

static void test_proxies(void **state)
{
    struct site *s = *state;
    char proxy[64];

    serve(s, "");
    snprintf(proxy, sizeof proxy, "%s", s->url);
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* loopback is never reached through it */
    unsetenv("no_proxy");
    assert_int_equal(fetch(s), 0);
    dist_forget(&s->d, s->origin);
    setenv("http_proxy", proxy, 1);
    static const char *const outside[] = {"http://dist.invalid", "http://localhost.invalid", "http://127.invalid"};
    for (size_t i = 0; i < COUNT(outside); i++) {
        snprintf(s->url, sizeof s->url, "%s", outside[i]);
        assert_int_equal(fetch(s), 0);
        dist_forget(&s->d, s->origin);
    }
    unsetenv("http_proxy");
    AUTO(buf) struct buf b = {0};
    assert_int_equal(fs_read(s->log, 1 << 20, &b, &s->err), 0);
    assert_non_null(strstr(b.p, "GET http://dist.invalid" A " "));
    assert_non_null(strstr(b.p, "GET http://localhost.invalid" A " "));
    assert_non_null(strstr(b.p, "GET http://127.invalid" A " "));
}

static void test_https(void **state)
{
    struct site *s = *state;
    AUTO(char_p) char *pem = in(s->dir, "pem");
    const char *argv[] = {"openssl", "req",   "-x509",  "-newkey",     "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                          "-nodes",  "-subj", "/CN=me", "-days",       "2",  "-addext",  "subjectAltName=IP:127.0.0.1",
                          "-keyout", pem,     "-out",   "/dev/stdout", NULL};
    AUTO(buf) struct buf certificate = {0}, key = {0};
    struct proc p = PROC_INIT;
    int status = -1;

    p.argv = argv;
    p.out = &certificate;
    p.out_max = 1 << 20;
    assert_int_equal(proc_run(&p, &status, &s->err), 0);
    assert_int_equal(status, 0);
    put(s->dir, "ca", certificate.p, certificate.len);
    assert_int_equal(fs_read(pem, 1 << 20, &key, &s->err), 0);
    buf_put(&key, certificate.p, certificate.len);
    put(s->dir, "pem", key.p, key.len);
    serve_with(s, "{}", pem);
    assert_int_equal(fetch(s), DIST_ELSEWHERE);
    assert_non_null(strstr(s->err.hint, "ca_bundle"));
    is_empty(s);
    AUTO(char_p) char *ca = in(s->dir, "ca");
    s->d.ca_bundle = ca;
    assert_int_equal(fetch(s), 0);
    is_right(s);
}

/* --- from a folder --- */

static void test_folder(void **state)
{
    struct site *s = *state;
    AUTO(char_p) char *url = mem_printf("file://%s", s->root);

    s->d.from = s->root;
    assert_int_equal(fetch(s), 0);
    is_right(s);
    dist_forget(&s->d, s->origin);
    s->d.from = url;
    put(s->keep, "a.tar.xz.part", "begun", 5);
    assert_int_equal(fetch(s), 0);
    is_right(s);
    dist_forget(&s->d, s->origin);
    put(s->root, A, "wrong", 5);
    assert_int_equal(fetch(s), -1);
    is_refused(s);
    AUTO(buf) struct buf b = {0};
    AUTO(char_p) char *path = in(s->root, A);
    assert_int_equal(fs_read(path, 10, &b, &s->err), 0);
    assert_string_equal(b.p, "wrong");
    unlink(path);
    assert_int_equal(fetch(s), DIST_ELSEWHERE);
    assert_non_null(strstr(s->err.msg, A));
    assert_int_equal(mkfifo(path, 0644), 0);
    assert_int_equal(fetch(s), DIST_ELSEWHERE);
    is_empty(s);
}

/* --- taking apart --- */

/* Entries of a tar: path, bytes ("->X": a link), path, bytes, ..., NULL. Written as keep/NAME.tar.xz; the reader takes
 * plain ones, too. */
static void pack(struct site *s, const char *name, const char *const *entries)
{
    AUTO(char_p) char *path = mem_printf("%s/%s.tar.xz", s->keep, name);
    AUTO(fd) int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    struct tar_writer *w = NULL;

    assert_int_equal(tar_writer_open(fd, TAR_PLAIN, &w, &s->err), 0);
    for (; *entries; entries += 2) {
        const char *data = entries[1];
        if (strncmp(data, "->", 2) == 0)
            assert_int_equal(tar_put_link(w, entries[0], data + 2, &s->err), 0);
        else
            assert_int_equal(
                tar_put_bytes(w, entries[0], strstr(entries[0], "bin/") ? 0755 : 0644, data, strlen(data), &s->err), 0);
    }
    assert_int_equal(tar_writer_finish(w, &s->err), 0);
    tar_writer_free(w);
}

/* Takes the origin apart; *ret_listing (the caller owns it): "mode path=bytes\n" for each file. */
static int unpack(struct site *s, char **ret_listing)
{
    AUTO(fd) int fd = memfd_create("out", MFD_CLOEXEC);
    AUTO(buf) struct buf listing = {0};
    struct tar_writer *w = NULL;
    struct tar_reader *r = NULL;
    struct tar_entry e;
    char data[256];
    size_t n;

    s->err = (struct err)ERR_INIT;
    buf_puts(&listing, "");
    assert_int_equal(tar_writer_open(fd, TAR_PLAIN, &w, &s->err), 0);
    int got = dist_unpack(&s->d, s->origin, w, "rust", &s->err);
    if (got == 0) {
        assert_int_equal(tar_writer_finish(w, &s->err), 0);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        assert_int_equal(tar_reader_open(fd, &r, &s->err), 0);
        while (tar_next(r, &e, &s->err) == 0) {
            assert_int_equal(e.type, TAR_FILE);
            assert_int_equal(tar_data(r, data, sizeof data, &n, &s->err), 0);
            buf_printf(&listing, "%o %s=%.*s\n", (unsigned)e.mode, e.path, (int)n, data);
        }
        tar_reader_free(r);
        *ret_listing = buf_steal(&listing);
    }
    tar_writer_free(w);
    return got;
}

#define VERSION "a/rust-installer-version", "3\n"
#define COMPONENTS "a/components", "one\n"
#define MANIFEST "a/one/manifest.in", "file:bin/x\ndir:share/doc\n"
#define X "a/one/bin/x", "x!"
#define DOC "a/one/share/doc/d/e.html", "doc"

static void test_unpack(void **state)
{
    struct site *s = *state;
    static const char *const lists_last[] = {X,
                                             DOC,
                                             "a/LICENSE-MIT",
                                             "free",
                                             "a/install.sh",
                                             "sh",
                                             "a/licenses/MIT",
                                             "MIT",
                                             "a/two/lib/deep/er/y",
                                             "y",
                                             "a/two/lib/z",
                                             "z",
                                             "a/two/manifest.in",
                                             "dir:lib\n",
                                             MANIFEST,
                                             VERSION,
                                             "a/components",
                                             "one\ntwo\n",
                                             NULL};
    static const char *const other_name[] = {"b-1/rust-installer-version",
                                             "3\n",
                                             "b-1/components",
                                             "one",
                                             "b-1/one/manifest.in",
                                             "file:x y",
                                             "b-1/one/x y",
                                             "",
                                             NULL};
    AUTO(char_p) char *listing = NULL, *other = NULL;

    pack(s, "a", lists_last);
    assert_int_equal(unpack(s, &listing), 0);
    assert_string_equal(listing, "755 rust/bin/x=x!\n644 rust/lib/deep/er/y=y\n644 rust/lib/z=z\n");
    assert_true(there(s->keep, "a.tar.xz"));
    set_origin(s, "\"b-1\"", s->sha);
    pack(s, "a", other_name);
    assert_int_equal(unpack(s, &other), 0);
    assert_string_equal(other, "644 rust/x y=\n");
}

static void test_unpack_refuses(void **state)
{
    struct site *s = *state;
    static const struct {
        const char *what;
        const char *entries[16];
    } cases[] = {
        {"a path that does not belong: b/x", {VERSION, COMPONENTS, MANIFEST, X, DOC, "b/x", ""}},
        {"a path that does not belong: ab/x", {VERSION, COMPONENTS, MANIFEST, X, DOC, "ab/x", ""}},
        {"a path that does not belong: /a/one/x", {VERSION, COMPONENTS, MANIFEST, X, DOC, "/a/one/x", ""}},
        {"a path that does not belong: a/one/../y", {VERSION, COMPONENTS, MANIFEST, X, DOC, "a/one/../y", ""}},
        {"a path that does not belong: a/../y", {VERSION, COMPONENTS, MANIFEST, X, DOC, "a/../y", ""}},
        {"a path that does not belong: a/./one/y", {VERSION, COMPONENTS, MANIFEST, X, DOC, "a/./one/y", ""}},
        {"a path that does not belong: a/one//y", {VERSION, COMPONENTS, MANIFEST, X, DOC, "a/one//y", ""}},
        {"a path that does not belong: a/one/?y", {VERSION, COMPONENTS, MANIFEST, X, DOC, "a/one/\033y", ""}},
        {"a file where its folder should be", {"a", "", VERSION, COMPONENTS, MANIFEST, X, DOC}},
        {"a link or a device: one/l", {VERSION, COMPONENTS, MANIFEST, X, DOC, "a/one/l", "->bin/x"}},
        {"a link or a device: one", {"a/one", "->/etc", VERSION, COMPONENTS, MANIFEST, X, DOC}},
        {"a file that no manifest names: one/y", {VERSION, COMPONENTS, MANIFEST, X, DOC, "a/one/y", ""}},
        {"a file that no manifest names: one/bin/x/y", {VERSION, COMPONENTS, MANIFEST, DOC, "a/one/bin/x/y", ""}},
        {"a file that no manifest names: one/share/dock",
         {VERSION, COMPONENTS, MANIFEST, X, DOC, "a/one/share/dock", ""}},
        {"a file that no manifest names: two/y",
         {VERSION, COMPONENTS, MANIFEST, X, DOC, "a/two/y", "", "a/two/manifest.in", "file:y"}},
        {"a file that its manifest names is missing: one/bin/x", {VERSION, COMPONENTS, MANIFEST, DOC}},
        {"a file that its manifest names is missing: one/share/doc", {VERSION, COMPONENTS, MANIFEST, X}},
        {"two of the same name: one/bin/x", {VERSION, COMPONENTS, MANIFEST, X, DOC, X}},
        {"two of the same name: one/share/doc/d/e.html", {VERSION, COMPONENTS, MANIFEST, X, DOC, DOC}},
        {"two of the same name: one/share/doc/d/e.html/f",
         {VERSION, COMPONENTS, MANIFEST, X, DOC, "a/one/share/doc/d/e.html/f", ""}},
        {"two of the same name: components", {VERSION, COMPONENTS, COMPONENTS, MANIFEST, X, DOC}},
        {"a component without manifest.in: one", {VERSION, COMPONENTS, X, DOC}},
        {"a component without manifest.in: two", {VERSION, "a/components", "one\ntwo\n", MANIFEST, X, DOC}},
        {"a line of `components` that does not belong: ../one",
         {VERSION, "a/components", "../one\n", MANIFEST, X, DOC}},
        {"a line of manifest.in that does not belong: bin/x", {VERSION, COMPONENTS, "a/one/manifest.in", "bin/x", X}},
        {"a line of manifest.in that does not belong: dir:..", {VERSION, COMPONENTS, "a/one/manifest.in", "dir:..", X}},
        {"a line of manifest.in that does not belong: fi", {VERSION, COMPONENTS, "a/one/manifest.in", "fi", X}},
        {"another component brings the same file: bin/x",
         {VERSION, "a/components", "one\ntwo\n", MANIFEST, X, DOC, "a/two/manifest.in", "dir:bin", "a/two/bin/x", ""}},
        {"no `components`", {VERSION, MANIFEST, X, DOC}},
        {"no `components` or no `rust-installer-version`", {COMPONENTS, MANIFEST, X, DOC}},
        {"version of the format is not known: 4?", {"a/rust-installer-version", "4\n", COMPONENTS, MANIFEST, X, DOC}},
    };
    char *listing = NULL;

    for (size_t i = 0; i < COUNT(cases); i++) {
        pack(s, "a", cases[i].entries);
        assert_int_equal(unpack(s, &listing), -1);
        if (!strstr(s->err.msg, cases[i].what))
            print_message("expected %s\n", cases[i].what);
        assert_non_null(strstr(s->err.msg, cases[i].what));
        assert_non_null(strstr(s->err.msg, "a.tar.xz: "));
        assert_int_equal(s->err.kind, ERR_TOOLCHAIN_MISSING);
        is_empty(s);
    }
}

/* Two archives that bring the same file, or one what the other takes for a folder. */
static void test_unpack_two_archives(void **state)
{
    struct site *s = *state;
    static const char *const one[] = {VERSION, COMPONENTS, MANIFEST, X, DOC, NULL};
    static const char *const files[] = {"bin/x", "bin/x/y", "bin", "bin/z", "share/doc/d/e.html"};
    char *listing = NULL;
    cJSON *second = cJSON_CreateObject();

    json_put_str(second, "name", "b");
    cJSON_AddItemToArray(cJSON_GetObjectItem(s->origin, "components"), second);
    for (size_t i = 0; i < COUNT(files); i++) {
        AUTO(char_p) char *path = mem_printf("b/c/%s", files[i]), *line = mem_printf("file:%s", files[i]);
        const char *const two[] = {
            "b/rust-installer-version", "3", "b/components", "c", "b/c/manifest.in", line, path, "2", NULL};
        pack(s, "a", one);
        pack(s, "b", two);
        int r = unpack(s, &listing);
        assert_int_equal(r, i < 3 ? -1 : 0);
        if (r < 0)
            assert_non_null(strstr(s->err.msg, "b.tar.xz: another component brings the same file"));
        else
            mem_free(listing);
    }
}

/* What tar.h does not write: made by Python, and really compressed. */
static void make(struct site *s, const char *more)
{
    AUTO(char_p) char *path = in(s->keep, "a.tar.xz");
    static const char script[] =
        "import io, sys, tarfile\n"
        "t = tarfile.open(sys.argv[1], 'w:xz', format=tarfile.GNU_FORMAT)\n"
        "def put(name, data=None, type=tarfile.REGTYPE, mode=0o644):\n"
        "    i = tarfile.TarInfo(name); i.type = type; i.mode = mode; i.size = len(data or b'')\n"
        "    i.linkname = 'a/one/bin/x' if type in (tarfile.LNKTYPE, tarfile.SYMTYPE) else ''\n"
        "    t.addfile(i, io.BytesIO(data) if data else None)\n"
        "D = tarfile.DIRTYPE\n"
        "for d in 'a', 'a/one', 'a/one/bin', 'a/one/lib', 'a/one/lib/empty': put(d, type=D, mode=0o755)\n"
        "long = 'lib/' + 'l' * 180\n"
        "put('a/rust-installer-version', b'3\\n'); put('a/components', b'one\\n')\n"
        "put('a/one/' + long, b'long', mode=0o666); put('a/one/bin/x', b'x!', mode=0o4755)\n"
        "put('a/one/manifest.in', ('file:bin/x\\ndir:lib/empty\\nfile:' + long + '\\n').encode())\n"
        "exec(sys.argv[2]); t.close()\n";
    const char *argv[] = {"python3", "-c", script, path, more, NULL};
    AUTO(buf) struct buf errors = {0};
    struct proc p = PROC_INIT;
    int status = -1;

    p.argv = argv;
    p.errors = &errors;
    assert_int_equal(proc_run(&p, &status, &s->err), 0);
    if (status != 0)
        print_message("%s\n", errors.p);
    assert_int_equal(status, 0);
}

static void test_unpack_real(void **state)
{
    struct site *s = *state;
    AUTO(char_p) char *listing = NULL, *path = in(s->keep, "a.tar.xz");
    char *none = NULL;

    make(s, "");
    assert_int_equal(unpack(s, &listing), 0);
    assert_memory_equal(listing, "644 rust/lib/llll", 17);
    assert_non_null(strstr(listing, "l=long\n755 rust/bin/x=x!\n"));
    static const char *const kinds[] = {"LNKTYPE", "SYMTYPE", "CHRTYPE", "FIFOTYPE"};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        AUTO(char_p) char *more = mem_printf("put('a/one/lib/empty/e', type=tarfile.%s)", kinds[i]);
        make(s, more);
        assert_int_equal(unpack(s, &none), -1);
        assert_non_null(strstr(s->err.msg, "a link or a device"));
        is_empty(s);
    }
    /* Cut at any place, it is never whole. */
    AUTO(buf) struct buf whole = {0};
    make(s, "");
    assert_int_equal(fs_read(path, 1 << 20, &whole, &s->err), 0);
    for (size_t at = 0; at < whole.len; at++) {
        put(s->keep, "a.tar.xz", whole.p, at);
        assert_int_equal(unpack(s, &none), -1);
        assert_int_equal(s->err.kind, ERR_TOOLCHAIN_MISSING);
        assert_null(strstr(s->err.msg, "upload"));
        is_empty(s);
    }
    make(s, "put('a/big', bytes(20 << 20))"); /* a bomb: max_bytes of one archive bound what it unpacks to */
    s->d.max_bytes = 1 << 20;
    assert_int_equal(unpack(s, &none), -1);
    assert_int_equal(s->err.kind, ERR_TOOLCHAIN_MISSING);
    is_empty(s);
    /* Where the disk is the one to blame, the archive stays. */
    make(s, "");
    struct tar_writer *w = NULL;
    AUTO(fd) int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(tar_writer_open(full, TAR_PLAIN, &w, &s->err), 0);
    int r = dist_unpack(&s->d, s->origin, w, "rust", &s->err);
    if (r == 0)
        r = tar_writer_finish(w, &s->err);
    assert_int_equal(r, -1);
    assert_int_equal(s->err.kind, ERR_INTERNAL);
    assert_true(there(s->keep, "a.tar.xz"));
    tar_writer_free(w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_fetch),
        T(test_absent),
        T(test_not_reached),
        T(test_mended),
        T(test_gives_up),
        T(test_redirects),
        T(test_wrong),
        T(test_too_long),
        T(test_part_of_another_run),
        T(test_bad_pins),
        T(test_proxies),
        T(test_https),
        T(test_folder),
        T(test_unpack),
        T(test_unpack_refuses),
        T(test_unpack_two_archives),
        T(test_unpack_real),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
