/* dsse.c - see dsse.h. */
#include "base/dsse.h"

#include "base/base64.h"
#include "base/json.h"

#include <string.h>

void dsse_pae(struct buf *into, const char *type, const void *payload, size_t len)
{
    buf_printf(into, "DSSEv1 %zu %s %zu ", strlen(type), type, len);
    buf_put(into, payload, len);
}

void dsse_seal(struct buf *into, const char *type, const void *payload, size_t len, const struct sign_key *key)
{
    AUTO(json) cJSON *o = cJSON_CreateObject();
    AUTO(buf) struct buf pae = {0}, encoded = {0}, sig = {0};
    unsigned char raw[SIGN_SIZE];

    dsse_pae(&pae, type, payload, len);
    sign_make(key, pae.p, pae.len, raw);
    base64_put(&encoded, payload, len);
    base64_put(&sig, raw, sizeof raw);
    json_put_str(o, "payloadType", type);
    json_put_str(o, "payload", encoded.p ? encoded.p : "");
    cJSON *one = cJSON_CreateObject();
    json_put_str(one, "keyid", sign_public(key)->id);
    json_put_str(one, "sig", sig.p);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(o, "signatures"), one);
    AUTO(char_p) char *text = json_text(o);
    buf_puts(into, text);
}

/* One signature against the keys. DSSE_STRANGE: it is of none of them, as far as it says. */
static int judge(const cJSON *one, const struct buf *pae, const struct sign_public *keys, size_t count, size_t *ret_key)
{
    const char *id = json_str(one, "keyid", ""), *text = json_str(one, "sig", "");
    AUTO(buf) struct buf raw = {0};
    int r = DSSE_STRANGE;

    /* The id is a hint that nobody signed: without one every key is tried. */
    bool whole = base64_get(&raw, text, strlen(text)) && raw.len == SIGN_SIZE;
    for (size_t i = 0; i < count; i++) {
        if (id[0] && strcmp(id, keys[i].id) != 0)
            continue;
        r = DSSE_FORGED;
        if (whole && sign_holds(&keys[i], pae->p, pae->len, (const unsigned char *)raw.p)) {
            *ret_key = i;
            return 0;
        }
    }
    return r;
}

int dsse_open(const char *text, size_t len, const char *type, const struct sign_public *keys, size_t count,
              struct buf *ret_payload, size_t *ret_key, struct err *err)
{
    AUTO(json) cJSON *o = NULL;
    AUTO(buf) struct buf payload = {0}, pae = {0};
    const cJSON *one;
    int r = DSSE_STRANGE, n = 0;

    if (len > DSSE_TEXT_MAX)
        return err_set(err, ERR_BAD_REQUEST, "the envelope has more than %d bytes", DSSE_TEXT_MAX);
    if (json_parse(text, len, "the envelope", &o, err) < 0)
        return -1;
    const char *found = json_str(o, "payloadType", NULL), *encoded = json_str(o, "payload", NULL);
    const cJSON *signatures = json_arr(o, "signatures");
    if (!found || !encoded || !signatures)
        return err_set(err, ERR_BAD_REQUEST,
                       "it is not a DSSE envelope: payloadType, payload or signatures is missing");
    if (strcmp(found, type) != 0)
        return err_set(err, ERR_BAD_REQUEST, "the envelope holds %.100s, not %s", found, type);
    if (!base64_get(&payload, encoded, strlen(encoded)))
        return err_set(err, ERR_BAD_REQUEST, "the envelope's payload is not base64");
    dsse_pae(&pae, type, payload.p, payload.len);
    cJSON_ArrayForEach(one, signatures)
    {
        size_t key = 0;
        if (n++ == DSSE_SIGNATURES_MAX)
            break;
        int verdict = judge(one, &pae, keys, count, &key);
        if (verdict == 0) {
            *ret_payload = payload;
            payload = (struct buf){0};
            *ret_key = key;
            return 0;
        }
        r = verdict == DSSE_FORGED ? DSSE_FORGED : r;
    }
    const char *id = json_str(cJSON_GetArrayItem(signatures, 0), "keyid", "");
    if (r == DSSE_FORGED)
        err_set(err, ERR_BAD_REQUEST, "the signature does not fit: what it signed was changed, or another key made it");
    else
        err_set(err, ERR_BAD_REQUEST, "it is signed by key %.16s, which is not among the trusted ones",
                id[0] ? id : "(none is named)");
    return r;
}
