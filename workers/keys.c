/* keys.c - see keys.h. */
#include "workers/keys.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/fs.h"
#include "workers/paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LIST = 4 << 20, MAX_PEM = 4 << 10 };

static char *list_path(const char *state_dir)
{
    AUTO(char_p) char *dir = path_keys(state_dir);

    return mem_printf("%s/public.json", dir);
}

static char *private_path(const char *state_dir, const char *id)
{
    AUTO(char_p) char *dir = path_keys(state_dir);

    return mem_printf("%s/%s.pem", dir, id);
}

/* --- public.json: {"keys":[{"x":BASE64URL,"created_at":MS},...]} --- */

struct entry {
    struct sign_public pub;
    int64_t created_at;
};

struct list {
    struct entry *p; /* oldest first; the current one is the last */
    size_t count;
};

static void list_clear(struct list *l)
{
    mem_free(l->p);
    *l = (struct list){0};
}

static inline void auto_list(struct list *l)
{
    list_clear(l);
}

static const struct entry *current(const struct list *l)
{
    return l->count > 0 ? &l->p[l->count - 1] : NULL;
}

static void list_add(struct list *l, const struct sign_public *pub, int64_t created_at)
{
    l->p = mem_resize(l->p, (l->count + 1) * sizeof *l->p);
    l->p[l->count++] = (struct entry){*pub, created_at};
}

static bool take_entry(const cJSON *item, struct list *into)
{
    const char *x = json_str(item, "x", "");
    AUTO(buf) struct buf raw = {0};
    struct sign_public pub;

    if (!base64_get(&raw, x, strlen(x)) || raw.len != SIGN_PUBLIC_SIZE)
        return false;
    sign_public_set((const unsigned char *)raw.p, &pub);
    list_add(into, &pub, json_int(item, "created_at", 0));
    return true;
}

/* An empty list where there is none yet. */
static int list_read(const char *state_dir, struct list *ret, struct err *err)
{
    AUTO(char_p) char *path = list_path(state_dir);
    AUTO(buf) struct buf text = {0};
    AUTO(json) cJSON *o = NULL;
    AUTO(list) struct list l = {0};
    struct err why = ERR_INIT;
    const cJSON *item;
    bool good = true;

    if (fs_read(path, MAX_LIST, &text, &why) < 0) {
        if (why.sys == ENOENT)
            return 0;
        return err_set(err, ERR_ENGINE, "the server's own disk: %s", why.msg);
    }
    good = json_parse(text.p, text.len, path, &o, &why) == 0;
    cJSON_ArrayForEach(item, json_arr(o, "keys")) good = good && take_entry(item, &l);
    if (!good || !current(&l))
        return err_set(err, ERR_ENGINE, "%s is damaged", path);
    *ret = l;
    l = (struct list){0};
    return 0;
}

static int list_write(const char *state_dir, const struct list *l, struct err *err)
{
    AUTO(char_p) char *path = list_path(state_dir);
    AUTO(json) cJSON *o = cJSON_CreateObject();
    cJSON *keys = cJSON_AddArrayToObject(o, "keys");

    for (size_t i = 0; i < l->count; i++) {
        AUTO(buf) struct buf x = {0};
        cJSON *item = cJSON_CreateObject();
        base64_put_url(&x, l->p[i].pub.raw, SIGN_PUBLIC_SIZE);
        json_put_str(item, "x", x.p);
        json_put_int(item, "created_at", l->p[i].created_at);
        cJSON_AddItemToArray(keys, item);
    }
    AUTO(char_p) char *text = json_text(o);
    return fs_write(path, text, strlen(text), 0600, err);
}

/* --- private halves --- */

static int write_private(const char *state_dir, const struct sign_key *k, struct err *err)
{
    AUTO(char_p) char *path = private_path(state_dir, sign_public(k)->id);
    AUTO(char_p) char *dir = path_keys(state_dir);
    AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct buf pem = {0};

    if (fd < 0)
        return err_sys(err, ERR_UNAVAILABLE, errno, "cannot make %s", path);
    sign_put_pem(k, &pem);
    int r = fs_write_all(fd, pem.p, pem.len, err);
    sign_wipe(&pem);
    if (r == 0 && fsync(fd) < 0)
        r = err_sys(err, ERR_UNAVAILABLE, errno, "cannot write %s", path);
    if (r == 0)
        r = fs_sync_dir(dir, err);
    if (r < 0)
        unlink(path);
    return r;
}

/* ERR_NOT_FOUND: there is none. */
static int read_private(const char *state_dir, const struct sign_public *pub, struct sign_key **ret, struct err *err)
{
    AUTO(char_p) char *path = private_path(state_dir, pub->id);
    struct sign_key *k = NULL;
    struct buf pem = {0};
    struct stat st;

    int r = fs_read(path, MAX_PEM, &pem, err);
    if (r == 0)
        r = sign_from_pem(pem.p, pem.len, &k, err);
    sign_wipe(&pem);
    if (r < 0)
        return err_wrap(err, "the signing key");
    if (strcmp(sign_public(k)->id, pub->id) != 0)
        r = err_set(err, ERR_ENGINE, "the signing key %s is another one than its name says", path);
    else if (stat(path, &st) == 0 && st.st_mode & 077) {
        err_set(err, ERR_ENGINE, "the signing key %s can be read by others than its owner", path);
        r = err_hint(err, "chmod 600 if nobody did; else bloomeryd key rotate makes another one");
    }
    if (r < 0)
        sign_free(k);
    else
        *ret = k;
    return r;
}

/* What a rotation that was cut short left, and what it was to remove: the private half of every key but the current.
 * What has another name is not ours. */
static void remove_old(const char *state_dir, const char *current_id)
{
    AUTO(char_p) char *dir = path_keys(state_dir);
    DIR *d = opendir(dir);

    for (struct dirent *e; d && (e = readdir(d));) {
        AUTO(char_p) char *id = mem_strndup(e->d_name, SHA256_HEX_SIZE - 1);
        if (hash_valid(id) && strcmp(e->d_name + strlen(id), ".pem") == 0 && strcmp(id, current_id) != 0)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        closedir(d);
}

/* --- making one --- */

/* Under the lock. The key is made when the list that names it is in place. */
static int add_key(const char *state_dir, struct list *l, struct err *err)
{
    AUTO(sign_key) struct sign_key *k = sign_new();

    if (write_private(state_dir, k, err) < 0)
        return -1;
    list_add(l, sign_public(k), clock_now_ms());
    if (list_write(state_dir, l, err) < 0)
        return -1;
    remove_old(state_dir, sign_public(k)->id);
    return 0;
}

/* The folder, and the right to change what is in it; a descriptor to close. */
static int hold(const char *state_dir, struct err *err)
{
    AUTO(char_p) char *dir = path_keys(state_dir);
    AUTO(char_p) char *path = mem_printf("%s/lock", dir);
    struct stat st;

    if (stat(state_dir, &st) < 0)
        return err_sys(err, ERR_UNAVAILABLE, errno, "state folder %s", state_dir);
    if (fs_mkdirs(dir, 0700, err) < 0)
        return -1;
    AUTO(fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(err, ERR_UNAVAILABLE, errno, "cannot open %s", path);
    if (fstat(fd, &st) < 0 || st.st_uid != geteuid()) { /* what root made the daemon could not read */
        err_set(err, ERR_UNAVAILABLE, "the keys in %s are another user's", dir);
        return err_hint(err, "call it as the user that the daemon runs as");
    }
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return err_sys(err, ERR_UNAVAILABLE, errno, "cannot lock %s", path);
    int got = fd;
    fd = -1;
    return got;
}

int keys_prepare(const char *state_dir, bool *ret_made, struct err *err)
{
    AUTO(fd) int lock = hold(state_dir, err);
    AUTO(list) struct list l = {0};
    AUTO(sign_key) struct sign_key *k = NULL;
    struct err why = ERR_INIT;

    if (lock < 0)
        return -1;
    if (list_read(state_dir, &l, err) < 0) {
        err->kind = ERR_UNAVAILABLE;
        return err_hint(err, "restore it from a backup; without it (moved away) the keys of before are forgotten");
    }
    bool there = current(&l) && read_private(state_dir, &current(&l)->pub, &k, &why) == 0;
    if (current(&l) && !there && why.kind != ERR_NOT_FOUND) {
        *err = why;
        err->kind = ERR_UNAVAILABLE;
        return err->hint[0] ? -1 : err_hint(err, "bloomeryd key rotate makes another one");
    }
    if (!there && add_key(state_dir, &l, err) < 0)
        return -1;
    remove_old(state_dir, current(&l)->pub.id);
    *ret_made = !there;
    return 0;
}

int keys_rotate(const char *state_dir, struct err *err)
{
    AUTO(fd) int lock = hold(state_dir, err);
    AUTO(list) struct list l = {0};

    return lock < 0 || list_read(state_dir, &l, err) < 0 ? -1 : add_key(state_dir, &l, err);
}

/* --- using them --- */

int keys_current(const char *state_dir, struct sign_key **ret, struct err *err)
{
    int r = -1;

    /* A rotation may come between the list and the file that it names; two of them are unheard of. */
    for (int tries = 0; r < 0 && tries < 2; tries++) {
        AUTO(list) struct list l = {0};
        if (list_read(state_dir, &l, err) < 0)
            return -1;
        if (!current(&l))
            return err_set(err, ERR_ENGINE, "the server has no signing key");
        r = read_private(state_dir, &current(&l)->pub, ret, err);
    }
    if (r < 0)
        err->kind = ERR_ENGINE;
    return r;
}

int keys_published(const char *state_dir, cJSON **ret, struct err *err)
{
    AUTO(list) struct list l = {0};

    if (list_read(state_dir, &l, err) < 0)
        return -1;
    cJSON *o = cJSON_CreateObject(), *keys = cJSON_AddArrayToObject(o, "keys");
    for (size_t i = l.count; i-- > 0;) {
        const struct entry *e = &l.p[i];
        bool last = i + 1 == l.count;
        AUTO(buf) struct buf x = {0}, pem = {0};
        cJSON *item = cJSON_CreateObject();
        base64_put_url(&x, e->pub.raw, SIGN_PUBLIC_SIZE);
        sign_public_put_pem(&e->pub, &pem);
        json_put_str(item, "kid", e->pub.id);
        json_put_str(item, "kty", "OKP");
        json_put_str(item, "crv", "Ed25519");
        json_put_str(item, "alg", "EdDSA");
        json_put_str(item, "use", "sig");
        json_put_str(item, "x", x.p);
        json_put_str(item, "pem", pem.p);
        cJSON_AddBoolToObject(item, "current", last);
        json_put_time(item, "created_at", e->created_at);
        json_put_time(item, "retired_at", last ? 0 : l.p[i + 1].created_at);
        cJSON_AddItemToArray(keys, item);
    }
    *ret = o;
    return 0;
}
