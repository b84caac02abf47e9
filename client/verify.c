/* verify.c - see verify.h. */
#include "client/verify.h"

#include "base/dsse.h"
#include "base/fs.h"
#include "client/api.h"
#include "client/keyring.h"
#include "client/note.h"
#include "client/settings.h"
#include "client/show.h"
#include "client/statement.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CANDIDATES_MAX = 200 }; /* attestations of a folder that are looked at */

/* What is checked, with what. */
struct check {
    const char *file;
    char *folder; /* of the file */
    char sha256[SHA256_HEX_SIZE];
    struct keyring keys;
    char *keys_path;
    const char *trust; /* where the key comes from, in words */
    bool beside;       /* from the same place as the file */
};

/* What was found out. */
struct finding {
    char *attestation; /* its path */
    cJSON *statement;  /* signed by a trusted key; NULL: none was */
    struct sign_public key;
    const char *name; /* that the statement gives the file, borrowed; NULL: none */
    bool byproduct;   /* it is no artifact, but came of the build */
    struct err why;   /* not */
};

static void check_clear(struct check *k)
{
    mem_free(k->folder);
    mem_free(k->keys_path);
    keyring_clear(&k->keys);
}

static void finding_clear(struct finding *f)
{
    mem_free(f->attestation);
    cJSON_Delete(f->statement);
    *f = (struct finding){0};
}

static int bad_call(const struct err *err)
{
    note_error(err);
    return EXIT_BAD_CALL;
}

/* What lies beside the file is somebody else's: a pipe there would be waited for. */
static bool is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* --- the file --- */

static int take_file(struct check *k, struct err *err)
{
    AUTO(fd) int fd = open(k->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const char *slash = strrchr(k->file, '/');
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(err, ERR_BAD_REQUEST, errno, "cannot open %s", k->file);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_BAD_REQUEST, "%s is not a regular file", k->file);
    k->folder = !slash ? mem_strdup(".") : mem_strndup(k->file, slash == k->file ? 1 : (size_t)(slash - k->file));
    return hash_fd(fd, k->sha256, err);
}

/* --- the keys --- */

/* Pinned by the flag, or by a file that was saved before; else those that came with the artifacts. */
static int take_keys(struct check *k, const char *flag, struct err *err)
{
    AUTO(char_p) char *saved = settings_path("keys.json");

    if (flag) {
        k->keys_path = mem_strdup(flag);
        k->trust = "was given with --key";
    } else if (saved && access(saved, F_OK) == 0) {
        k->keys_path = STEAL(saved);
        k->trust = "was saved before";
    } else {
        k->keys_path = mem_printf("%s/" VERIFY_KEYS, k->folder);
        k->trust = "lies beside the file";
        k->beside = true;
    }
    if (k->beside && !is_file(k->keys_path)) {
        err_set(err, ERR_BAD_REQUEST, "there is no key to check it with");
        return err_hint(err, "--key FILE names one; bloomery keys --json > FILE asks the server for its keys");
    }
    if (keyring_read(k->keys_path, &k->keys, err) == 0)
        return 0;
    return err_hint(err, "wanted: a public Ed25519 key in PEM, or the JSON of the server's /v1/keys");
}

/* --- the attestation --- */

/* One attestation. 0: it is good and names the file. 1: it is not, or does not; f->why. <0: it cannot be read. */
static int judge(const struct check *k, const char *path, struct finding *f, struct err *err)
{
    AUTO(buf) struct buf text = {0}, payload = {0};
    struct err why = ERR_INIT;
    size_t key = 0;

    if (fs_read(path, DSSE_TEXT_MAX, &text, err) < 0)
        return -1;
    f->attestation = mem_strdup(path);
    int r = dsse_open(text.p, text.len, DSSE_IN_TOTO, k->keys.p, k->keys.count, &payload, &key, &why);
    if (r == 0)
        r = statement_parse(payload.p, payload.len, &f->statement, &why);
    if (r == 0) {
        f->key = k->keys.p[key];
        f->name = statement_subject(f->statement, k->sha256);
        if (!f->name) {
            f->name = statement_byproduct(f->statement, k->sha256);
            f->byproduct = f->name != NULL;
        }
        if (f->name)
            return 0;
        err_set(&why, ERR_BAD_REQUEST, "the attestation is genuine, but for other files: none has sha256 %s",
                k->sha256);
    }
    f->why = why;
    return 1;
}

/* Those of a folder, until one names the file. The first one that does not is what is told of if none does. */
static int search(const struct check *k, struct finding *f, struct err *err)
{
    DIR *d = opendir(k->folder);
    int left = CANDIDATES_MAX;

    for (struct dirent *e; d && left > 0 && (e = readdir(d));) {
        size_t len = strlen(e->d_name), end = strlen(VERIFY_ATTESTATION);
        AUTO(char_p) char *path = mem_printf("%s/%s", k->folder, e->d_name);
        struct finding one = {0};
        if (len <= end || strcmp(e->d_name + len - end, VERIFY_ATTESTATION) != 0 || !is_file(path))
            continue;
        left--;
        int r = judge(k, path, &one, err);
        if (r == 0 || (r == 1 && !f->attestation)) {
            finding_clear(f);
            *f = one;
        } else {
            finding_clear(&one);
        }
        if (r == 0)
            break;
    }
    if (d)
        closedir(d);
    if (f->attestation)
        return f->name ? 0 : 1;
    err_set(err, ERR_BAD_REQUEST, "there is no attestation beside %s", k->file);
    return err_hint(err, "--attestation FILE names one; the server has it at /v1/jobs/ID/provenance");
}

static int find(const struct check *k, const char *flag, struct finding *f, struct err *err)
{
    AUTO(char_p) char *own = mem_printf("%s" VERIFY_ATTESTATION, k->file);

    if (flag)
        return judge(k, flag, f, err);
    return is_file(own) ? judge(k, own, f, err) : search(k, f, err);
}

/* --- what is said --- */

static void tell(const struct check *k, const struct finding *f)
{
    AUTO(char_p) char *rest = statement_tell(f->statement);
    AUTO(buf) struct buf b = {0};

    buf_printf(&b, "%s (sha256 %s)\n  is %s '%s' of the build that %s attests.\n", k->file, k->sha256,
               f->byproduct ? "the by-product" : "the artifact", statement_word(f->name),
               statement_word(f->attestation));
    buf_puts(&b, rest);
    buf_printf(&b, "Signed by key %s, which %s: %s.\n", f->key.id, k->trust, k->keys_path);
    show_text(&b);
    if (k->beside)
        note_line(
            "note: who can change the file could have changed that key with it. Compare its id with one that you know, "
            "or pin it: --key FILE");
}

static void tell_json(const struct check *k, const struct finding *f)
{
    AUTO(json) cJSON *o = cJSON_CreateObject();

    cJSON_AddBoolToObject(o, "verified", f->name != NULL);
    json_put_str(o, "file", k->file);
    json_put_str(o, "sha256", k->sha256);
    json_put_str(o, "attestation", f->attestation);
    json_put_str(o, "reason", f->name ? NULL : f->why.msg);
    json_put_str(o, "name", f->name);
    json_put_str(o, "keys", k->keys_path);
    cJSON_AddBoolToObject(o, "key_pinned", !k->beside);
    json_put_str(o, "keyid", f->name ? f->key.id : NULL);
    cJSON_AddItemToObject(o, "statement", f->name ? cJSON_Duplicate(f->statement, true) : cJSON_CreateNull());
    show_json(o);
}

int verify_run(struct call *c)
{
    struct check k = {0};
    struct finding f = {0};
    struct err err = ERR_INIT;
    int code;

    if (c->arg_count != 1) {
        err_set(&err, ERR_BAD_REQUEST, "which file? Say bloomery verify FILE");
        return bad_call(&err);
    }
    k.file = c->args[0];
    int r = take_file(&k, &err);
    if (r == 0)
        r = take_keys(&k, c->key, &err);
    if (r == 0)
        r = find(&k, c->attestation, &f, &err);
    if (r < 0) {
        code = bad_call(&err);
    } else {
        code = r == 0 ? EXIT_BUILT : EXIT_FAILED;
        if (c->json)
            tell_json(&k, &f);
        else if (r == 0)
            tell(&k, &f);
        if (r != 0)
            note_line("NOT VERIFIED by %s: %s", f.attestation, f.why.msg);
    }
    finding_clear(&f);
    check_clear(&k);
    return code;
}

int verify_keys(struct call *c)
{
    struct err err = ERR_INIT;
    AUTO(json) cJSON *answer = NULL;

    if (api_get(c->http, "/v1/keys", &answer, &err) < 0) {
        note_error(&err);
        return api_exit_code(&err);
    }
    if (c->json)
        show_json(answer);
    else
        show_keys(answer);
    return EXIT_BUILT;
}
