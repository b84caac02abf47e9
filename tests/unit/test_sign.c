/* test_sign.c - base64.h against RFC 4648, sign.h against RFC 8032, dsse.h against the specification's example. */
#include "base/base64.h"
#include "base/dsse.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the first above */
#include <cmocka.h>

static void from_hex(const char *hex, unsigned char *into)
{
    for (; *hex; hex += 2)
        sscanf(hex, "%2hhx", into++);
}

static void base64_both_ways(void **state)
{
    static const struct {
        const char *plain, *padded, *url;
    } cases[] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff\xfe", "+//+", "-__-"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf) struct buf a = {0}, b = {0}, c = {0}, d = {0};
        size_t len = strlen(cases[i].plain);
        base64_put(&a, cases[i].plain, len);
        base64_put_url(&b, cases[i].plain, len);
        assert_string_equal(a.p ? a.p : "", cases[i].padded);
        assert_string_equal(b.p ? b.p : "", cases[i].url);
        assert_true(base64_get(&c, cases[i].padded, strlen(cases[i].padded)));
        assert_true(base64_get(&d, cases[i].url, strlen(cases[i].url)));
        assert_int_equal(c.len, len);
        assert_int_equal(d.len, len);
        if (len > 0)
            assert_memory_equal(c.p, cases[i].plain, len);
    }
}

static void what_is_no_base64(void **state)
{
    static const char *const bad[] = {"Z",
                                      "Zg=",
                                      "Zg===",
                                      "Zh==",
                                      "Zm9=",
                                      "Zm 9v",
                                      "Zm9v\n",
                                      "=",
                                      "====",
                                      "Zg==Zg",
                                      "Zm9vY",
                                      "Z===",
                                      "Zm9v=",
                                      "\xc3\xa4"
                                      "aa"};

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        AUTO(buf) struct buf b = {0};
        buf_puts(&b, "kept");
        if (base64_get(&b, bad[i], strlen(bad[i])))
            fail_msg("'%s' was taken", bad[i]);
        assert_string_equal(b.p, "kept");
    }
}

/* RFC 8032, section 7.1. */
static const struct {
    const char *secret, *public, *message, *signature;
} rfc8032[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
     "655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
     "b00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
     "c027beceea1ec40a"},
};

/* A private key in PEM of its 32 bytes. */
static struct sign_key *key_of(const char *secret)
{
    unsigned char der[48] = {0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20};
    AUTO(buf) struct buf pem = {0};
    struct sign_key *k = NULL;
    struct err err = ERR_INIT;

    from_hex(secret, der + 16);
    buf_puts(&pem, "-----BEGIN PRIVATE KEY-----\n");
    base64_put(&pem, der, sizeof der);
    buf_puts(&pem, "\n-----END PRIVATE KEY-----\n");
    assert_int_equal(sign_from_pem(pem.p, pem.len, &k, &err), 0);
    return k;
}

static void rfc_8032(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rfc8032); i++) {
        AUTO(sign_key) struct sign_key *k = key_of(rfc8032[i].secret);
        unsigned char public[SIGN_PUBLIC_SIZE], message[8], wanted[SIGN_SIZE], made[SIGN_SIZE];
        size_t len = strlen(rfc8032[i].message) / 2;
        struct sign_public other;
        from_hex(rfc8032[i].public, public);
        from_hex(rfc8032[i].message, message);
        from_hex(rfc8032[i].signature, wanted);
        assert_memory_equal(sign_public(k)->raw, public, sizeof public);
        sign_make(k, message, len, made);
        assert_memory_equal(made, wanted, sizeof wanted);
        sign_public_set(public, &other);
        assert_true(sign_holds(&other, message, len, wanted));
        for (size_t bit = 0; bit < SIGN_SIZE * 8; bit += 7) {
            memcpy(made, wanted, sizeof made);
            made[bit / 8] ^= (unsigned char)(1u << bit % 8);
            assert_false(sign_holds(&other, message, len, made));
        }
        if (len > 0) {
            message[0] ^= 1;
            assert_false(sign_holds(&other, message, len, wanted));
        }
    }
    /* The group's order added to S: the same equation, and no signature (section 5.1.7). */
    AUTO(sign_key) struct sign_key *k = key_of(rfc8032[0].secret);
    static const unsigned char order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                                            0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                                            0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};
    unsigned char twisted[SIGN_SIZE];
    unsigned carry = 0;
    from_hex(rfc8032[0].signature, twisted);
    for (size_t i = 0; i < 32; i++) {
        carry += twisted[32 + i] + order[i];
        twisted[32 + i] = (unsigned char)carry;
        carry >>= 8;
    }
    assert_false(sign_holds(sign_public(k), "", 0, twisted));
}

static void keys_as_text(void **state)
{
    AUTO(sign_key) struct sign_key *k = sign_new();
    AUTO(sign_key) struct sign_key *again = NULL;
    AUTO(sign_key) struct sign_key *other = sign_new();
    struct buf secret = {0};
    AUTO(buf) struct buf pem = {0};
    struct sign_public p;
    struct err err = ERR_INIT;

    (void)state;
    assert_string_not_equal(sign_public(k)->id, sign_public(other)->id);
    sign_put_pem(k, &secret);
    assert_int_equal(sign_from_pem(secret.p, secret.len, &again, &err), 0);
    assert_string_equal(sign_public(again)->id, sign_public(k)->id);
    sign_public_put_pem(sign_public(k), &pem);
    assert_int_equal(sign_public_from_pem(pem.p, pem.len, &p, &err), 0);
    assert_string_equal(p.id, sign_public(k)->id);
    /* One is not the other. */
    assert_int_equal(sign_public_from_pem(secret.p, secret.len, &p, &err), -1);
    assert_int_equal(sign_from_pem(pem.p, pem.len, &again, &err), -1);
    sign_wipe(&secret);
    assert_null(secret.p);
}

static void what_is_no_key(void **state)
{
    static const char rsa[] = "-----BEGIN PUBLIC KEY-----\n"
                              "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALkNHwTpUwRcyP8ThR3aHn2pzjwA1pX0\n"
                              "7bvHvLKuvWc1A2bVVJbWF7kXrfSTwV1kyB1bJZGWRL4jxzlyHnw7iFcCAwEAAQ==\n"
                              "-----END PUBLIC KEY-----\n";
    static const char locked[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3\n"
                                 "-----END ENCRYPTED PRIVATE KEY-----\n";
    static const char *const bad[] = {"", "-----BEGIN PUBLIC KEY-----", "{}", rsa, locked};
    struct sign_key *k = NULL;
    struct sign_public p;
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(sign_public_from_pem(bad[i], strlen(bad[i]), &p, &err), -1);
        assert_int_equal(sign_from_pem(bad[i], strlen(bad[i]), &k, &err), -1);
        assert_int_equal(err.kind, ERR_BAD_REQUEST);
    }
}

/* The example of the specification (protocol.md), with an Ed25519 key in place of its ECDSA one. */
static void the_encoding_that_is_signed(void **state)
{
    AUTO(buf) struct buf a = {0}, b = {0}, c = {0};

    (void)state;
    dsse_pae(&a, "http://example.com/HelloWorld", "hello world", 11);
    assert_string_equal(a.p, "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    dsse_pae(&b, "", "", 0);
    assert_string_equal(b.p, "DSSEv1 0  0 ");
    dsse_pae(&c, "\xc3\xa9", "\xc3\xb8\0x", 4); /* bytes count, not characters, and NUL is one of them */
    assert_memory_equal(c.p, "DSSEv1 2 \xc3\xa9 4 \xc3\xb8\0x", c.len);
    assert_int_equal(c.len, 18);
}

static const char type[] = "http://example.com/HelloWorld";

static int open_it(const char *text, const struct sign_public *keys, size_t count, struct err *err)
{
    AUTO(buf) struct buf payload = {0};
    size_t key = 99;
    int r = dsse_open(text, strlen(text), type, keys, count, &payload, &key, err);

    if (r == 0) {
        assert_true(key < count);
        assert_string_equal(payload.p, "hello world");
    } else {
        assert_null(payload.p);
        assert_int_equal(key, 99);
    }
    return r;
}

/* The envelope with one member replaced. */
static char *with(const char *text, const char *key, cJSON *value)
{
    AUTO(json) cJSON *o = cJSON_Parse(text);

    cJSON_ReplaceItemInObjectCaseSensitive(o, key, value);
    return json_text(o);
}

static cJSON *signature(const char *keyid, const char *sig)
{
    cJSON *list = cJSON_CreateArray(), *one = cJSON_CreateObject();

    if (keyid)
        cJSON_AddStringToObject(one, "keyid", keyid);
    cJSON_AddStringToObject(one, "sig", sig);
    cJSON_AddItemToArray(list, one);
    return list;
}

static void an_envelope(void **state)
{
    AUTO(sign_key) struct sign_key *k = sign_new();
    AUTO(sign_key) struct sign_key *other = sign_new();
    const struct sign_public both[] = {*sign_public(other), *sign_public(k)};
    AUTO(buf) struct buf text = {0};
    struct err err = ERR_INIT;

    (void)state;
    dsse_seal(&text, type, "hello world", 11, k);
    assert_int_equal(open_it(text.p, both, 2, &err), 0);
    assert_int_equal(open_it(text.p, both, 1, &err), DSSE_STRANGE);
    assert_non_null(strstr(err.msg, "not among the trusted"));
    assert_int_equal(open_it(text.p, both, 0, &err), DSSE_STRANGE);

    AUTO(json) cJSON *o = cJSON_Parse(text.p);
    const char *sig = json_str(cJSON_GetArrayItem(json_arr(o, "signatures"), 0), "sig", "");
    /* Without a key's id every key is tried; with another's it is not this one's. */
    AUTO(char_p) char *anonymous = with(text.p, "signatures", signature(NULL, sig));
    assert_int_equal(open_it(anonymous, both, 2, &err), 0);
    AUTO(char_p) char *mislabelled = with(text.p, "signatures", signature(both[0].id, sig));
    assert_int_equal(open_it(mislabelled, both, 2, &err), DSSE_FORGED);
    /* A bad one beside a good one does no harm. */
    cJSON *two = signature(both[0].id, "AAAA");
    cJSON_AddItemToArray(two, cJSON_DetachItemFromArray(cJSON_GetObjectItem(o, "signatures"), 0));
    AUTO(char_p) char *second = with(text.p, "signatures", two);
    assert_int_equal(open_it(second, both, 2, &err), 0);
}

static void a_tampered_envelope(void **state)
{
    AUTO(sign_key) struct sign_key *k = sign_new();
    AUTO(buf) struct buf text = {0}, sig = {0};
    unsigned char raw[SIGN_SIZE];
    struct err err = ERR_INIT;

    (void)state;
    dsse_seal(&text, type, "hello world", 11, k);
    AUTO(char_p) char *payload = with(text.p, "payload", cJSON_CreateString("aGVsbG8gd29ybGR4"));
    assert_int_equal(open_it(payload, sign_public(k), 1, &err), DSSE_FORGED);
    AUTO(char_p) char *other_type = with(text.p, "payloadType", cJSON_CreateString("text/plain"));
    assert_int_equal(open_it(other_type, sign_public(k), 1, &err), -1);
    /* The payload alone signed, and not its type with it. */
    sign_make(k, "hello world", 11, raw);
    base64_put(&sig, raw, sizeof raw);
    AUTO(char_p) char *bare = with(text.p, "signatures", signature(sign_public(k)->id, sig.p));
    assert_int_equal(open_it(bare, sign_public(k), 1, &err), DSSE_FORGED);
    AUTO(char_p) char *short_one = with(text.p, "signatures", signature(sign_public(k)->id, "AAAA"));
    assert_int_equal(open_it(short_one, sign_public(k), 1, &err), DSSE_FORGED);
}

static void what_is_no_envelope(void **state)
{
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"payloadType\":1,\"payload\":\"\",\"signatures\":[]}",
        "{\"payloadType\":\"http://example.com/HelloWorld\",\"payload\":{},\"signatures\":[]}",
        "{\"payloadType\":\"http://example.com/HelloWorld\",\"payload\":\"\",\"signatures\":{}}",
        "{\"payloadType\":\"http://example.com/HelloWorld\",\"payload\":\"*\",\"signatures\":[]}",
        "{\"payloadType\":\"http://example.com/HelloWorld\",\"payload\":\"\",\"signatures\":[]} x",
    };
    AUTO(sign_key) struct sign_key *k = sign_new();
    AUTO(buf) struct buf many = {0}, deep = {0};
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (open_it(bad[i], sign_public(k), 1, &err) != -1)
            fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(err.kind, ERR_BAD_REQUEST);
    }
    /* Signatures of other types, and more of them than anybody needs. */
    buf_puts(&many, "{\"payloadType\":\"http://example.com/HelloWorld\",\"payload\":\"\",\"signatures\":[null,7,[],{}");
    for (int i = 0; i < 100000; i++)
        buf_puts(&many, ",{\"sig\":\"AAAA\"}");
    buf_puts(&many, "]}");
    assert_int_equal(open_it(many.p, sign_public(k), 1, &err), DSSE_FORGED);
    for (int i = 0; i < 100000; i++)
        buf_puts(&deep, "[");
    assert_int_equal(open_it(deep.p, sign_public(k), 1, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_both_ways),
        cmocka_unit_test(what_is_no_base64),
        cmocka_unit_test(rfc_8032),
        cmocka_unit_test(keys_as_text),
        cmocka_unit_test(what_is_no_key),
        cmocka_unit_test(the_encoding_that_is_signed),
        cmocka_unit_test(an_envelope),
        cmocka_unit_test(a_tampered_envelope),
        cmocka_unit_test(what_is_no_envelope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
