/* keyring.c - see keyring.h. */
#include "client/keyring.h"

#include "base/base64.h"
#include "base/fs.h"
#include "base/json.h"

#include <string.h>

void keyring_clear(struct keyring *k)
{
    mem_free(k->p);
    *k = (struct keyring){0};
}

static void add(struct keyring *k, const struct sign_public *p)
{
    k->p = mem_resize(k->p, (k->count + 1) * sizeof *k->p);
    k->p[k->count++] = *p;
}

/* One member of a key set. Keys of other kinds are somebody else's. */
static int add_jwk(struct keyring *k, const cJSON *jwk, struct err *err)
{
    const char *x = json_str(jwk, "x", ""), *id = json_str(jwk, "kid", NULL);
    AUTO(buf) struct buf raw = {0};
    struct sign_public p;

    if (strcmp(json_str(jwk, "kty", ""), "OKP") != 0 || strcmp(json_str(jwk, "crv", ""), "Ed25519") != 0)
        return 0;
    if (!base64_get(&raw, x, strlen(x)) || raw.len != SIGN_PUBLIC_SIZE)
        return err_set(err, ERR_BAD_REQUEST, "a key's x is not 32 bytes in base64url");
    sign_public_set((const unsigned char *)raw.p, &p);
    if (id && strcmp(id, p.id) != 0)
        return err_set(err, ERR_BAD_REQUEST, "the key that is called %.16s is really %.16s", id, p.id);
    if (k->count == KEYRING_MAX)
        return err_set(err, ERR_BAD_REQUEST, "there are more than %d keys", KEYRING_MAX);
    add(k, &p);
    return 0;
}

static int parse_set(const char *text, size_t len, struct keyring *k, struct err *err)
{
    AUTO(json) cJSON *o = NULL;
    const cJSON *jwk;

    if (json_parse(text, len, "the file of keys", &o, err) < 0)
        return -1;
    if (!json_arr(o, "keys"))
        return add_jwk(k, o, err);
    cJSON_ArrayForEach(jwk, json_arr(o, "keys"))
    {
        if (add_jwk(k, jwk, err) < 0)
            return -1;
    }
    return 0;
}

int keyring_parse(const char *text, size_t len, struct keyring *ret, struct err *err)
{
    AUTO(keyring) struct keyring k = {0};
    struct sign_public p;
    size_t blank = 0;

    while (blank < len && strchr(" \t\r\n", text[blank]))
        blank++;
    if (blank < len && text[blank] == '{') {
        if (parse_set(text, len, &k, err) < 0)
            return -1;
    } else if (sign_public_from_pem(text, len, &p, err) < 0) {
        return -1;
    } else {
        add(&k, &p);
    }
    if (k.count == 0)
        return err_set(err, ERR_BAD_REQUEST, "it holds no Ed25519 key");
    *ret = k;
    k = (struct keyring){0};
    return 0;
}

int keyring_read(const char *path, struct keyring *ret, struct err *err)
{
    AUTO(buf) struct buf text = {0};

    if (fs_read(path, KEYRING_FILE_MAX, &text, err) < 0)
        return -1;
    return keyring_parse(text.p, text.len, ret, err) < 0 ? err_wrap(err, "%s", path) : 0;
}
