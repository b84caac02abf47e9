/* fuzz_attest.c - what `bloomery verify` reads: envelopes, statements and files of keys; every reader sees every input. */
#include "base/base64.h"
#include "base/dsse.h"
#include "client/keyring.h"
#include "client/statement.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void read_statement(const char *text, size_t size)
{
    AUTO(json) cJSON *o = NULL;
    struct err err = ERR_INIT;

    if (statement_parse(text, size, &o, &err) < 0)
        return;
    AUTO(char_p) char *said = statement_tell(o);
    require(strlen(said) > 0);
    statement_subject(o, "abc");
    statement_byproduct(o, "abc");
}

/* What we seal ourselves opens again, with the same bytes in it; with a byte of the signature changed it does not. */
static void there_and_back(const char *data, size_t size, const struct sign_key *key)
{
    AUTO(buf) struct buf text = {0}, payload = {0}, none = {0};
    struct err err = ERR_INIT;
    size_t which = 1;

    dsse_seal(&text, DSSE_IN_TOTO, data, size, key);
    require(dsse_open(text.p, text.len, DSSE_IN_TOTO, sign_public(key), 1, &payload, &which, &err) == 0 && which == 0);
    require(payload.len == size && (size == 0 || memcmp(payload.p, data, size) == 0));
    char *sig = strstr(text.p, "\"sig\":\"") + 7;
    *sig = *sig == 'A' ? 'B' : 'A';
    require(dsse_open(text.p, text.len, DSSE_IN_TOTO, sign_public(key), 1, &none, &which, &err) == DSSE_FORGED &&
            !none.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* The example of RFC 8032: an input may be signed by it. */
    static const unsigned char known[SIGN_PUBLIC_SIZE] = {
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
        0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};
    static struct sign_key *own; /* freed by nobody: one for all inputs */
    const char *text = (const char *)data;
    AUTO(keyring) struct keyring keys = {0};
    AUTO(buf) struct buf payload = {0}, decoded = {0};
    struct sign_public p;
    struct err err = ERR_INIT;
    size_t key = 0;

    if (!own)
        own = sign_new();
    sign_public_set(known, &p);
    if (dsse_open(text, size, DSSE_IN_TOTO, &p, 1, &payload, &key, &err) == 0)
        read_statement(payload.p, payload.len);
    read_statement(text, size);
    if (keyring_parse(text, size, &keys, &err) == 0)
        require(keys.count > 0 && keys.count <= KEYRING_MAX && strlen(keys.p[0].id) == 64);
    if (base64_get(&decoded, text, size)) {
        AUTO(buf) struct buf again = {0}, url = {0}, twice = {0};
        base64_put(&again, decoded.p, decoded.len);
        base64_put_url(&url, decoded.p, decoded.len);
        require(base64_get(&twice, again.p ? again.p : "", again.len) && twice.len == decoded.len);
        require(url.len <= size);
    }
    there_and_back(text, size, own);
    return 0;
}
