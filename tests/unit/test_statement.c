/* test_statement.c - what the client reads: client/statement.h and client/keyring.h. */
#include "base/base64.h"
#include "client/keyring.h"
#include "client/statement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the first above */
#include <cmocka.h>

#define SUM "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char good[] =
    "{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicateType\":\"https://slsa.dev/provenance/v1\","
    "\"subject\":[{\"name\":\"a.wasm\",\"digest\":{\"sha256\":\"" SUM "\"}}],"
    "\"predicate\":{\"buildDefinition\":{\"buildType\":\"x\",\"externalParameters\":{\"profile\":\"wasi\","
    "\"options\":{\"debug\":true},\"source\":{\"digest\":{\"sha256\":\"5003\"}}},"
    "\"internalParameters\":{\"crate\":{\"name\":\"smelt\",\"version\":\"1.0.0\"},\"target\":\"wasm32-wasip1\"},"
    "\"resolvedDependencies\":[{\"name\":\"toolchain\",\"annotations\":{\"rustc\":\"rustc "
    "1.96.0\",\"origin\":\"dist\"}},"
    "{\"name\":\"Cargo.lock\",\"digest\":{\"sha256\":\"10c4\"}},{\"name\":\"fnv\",\"uri\":\"pkg:cargo/fnv@1.0.7\"}]},"
    "\"runDetails\":{\"builder\":{\"id\":\"https://b.example/\"},\"metadata\":{\"invocationId\":\"J/1\","
    "\"startedOn\":\"S\",\"finishedOn\":\"F\"},\"byproducts\":[{\"name\":\"sbom\",\"digest\":{\"sha256\":\"5b03\"}}]}}"
    "}";

static void it_is_read_and_told(void **state)
{
    AUTO(json) cJSON *o = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(statement_parse(good, strlen(good), &o, &err), 0);
    assert_string_equal(statement_subject(o, SUM), "a.wasm");
    assert_null(statement_subject(o, "5b03"));
    assert_null(statement_subject(o, ""));
    assert_string_equal(statement_byproduct(o, "5b03"), "sbom");
    AUTO(char_p) char *said = statement_tell(o);
    static const char *const words[] = {"sha256 5003",
                                        "smelt 1.0.0",
                                        "profile wasi (wasm32-wasip1)",
                                        "\"debug\":true",
                                        "rustc 1.96.0 (origin dist)",
                                        "sha256 10c4; of other crates it used 1",
                                        "https://b.example/",
                                        "from S to F, as job J/1"};
    for (size_t i = 0; i < COUNT(words); i++)
        if (!strstr(said, words[i]))
            fail_msg("'%s' is not in: %s", words[i], said);
}

/* Signed or not: members of other types are as good as missing. */
static void what_is_none(void **state)
{
    static const struct {
        const char *part, *instead;
    } changes[] = {
        {"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"},
        {"https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"},
        {"\"predicateType\"", "\"predicatetype\""},
        {"\"subject\":[{", "\"subject\":[],\"other\":[{"},
        {"\"subject\":[{", "\"subject\":[null,{"},
        {"\"subject\":[{\"name\":\"a.wasm\"", "\"subject\":[{\"name\":7"},
        {"{\"sha256\":\"" SUM "\"}", "{\"sha256\":[\"" SUM "\"]}"},
        {"{\"sha256\":\"" SUM "\"}", "{\"sha512\":\"" SUM "\"}"},
        {"\"buildDefinition\":{", "\"buildDefinition\":1,\"x\":{"},
        {"\"runDetails\":{", "\"runDetails\":[],\"x\":{"},
        {"\"F\"", "\"F"},
    };
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(changes); i++) {
        const char *at = strstr(good, changes[i].part);
        assert_non_null(at);
        AUTO(char_p)
        char *text = mem_printf("%.*s%s%s", (int)(at - good), good, changes[i].instead, at + strlen(changes[i].part));
        AUTO(json) cJSON *o = NULL;
        if (statement_parse(text, strlen(text), &o, &err) == 0)
            fail_msg("%s was taken", text);
        assert_int_equal(err.kind, ERR_BAD_REQUEST);
        assert_null(o);
    }
}

static void what_it_does_not_say(void **state)
{
    static const char bare[] =
        "{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicateType\":\"https://slsa.dev/provenance/v1\","
        "\"subject\":[{\"name\":\"a\",\"digest\":{\"sha256\":\"b\"}}],"
        "\"predicate\":{\"buildDefinition\":{\"externalParameters\":[],\"resolvedDependencies\":{}},"
        "\"runDetails\":{\"builder\":7,\"byproducts\":[[],1,null]}}}";
    AUTO(json) cJSON *o = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(statement_parse(bare, strlen(bare), &o, &err), 0);
    assert_null(statement_byproduct(o, "b"));
    AUTO(char_p) char *said = statement_tell(o);
    assert_non_null(strstr(said, "(it does not say)"));
}

/* Who trusts the key beside a file trusts nobody's key: no value makes a line of its own. */
static void no_line_is_forged(void **state)
{
    static const char part[] = "\"id\":\"https://b.example/\"";
    const char *at = strstr(good, part);
    AUTO(char_p)
    char *text = mem_printf("%.*s\"id\":\"x\\nSigned by key y\"%s", (int)(at - good), good, at + strlen(part));
    AUTO(json) cJSON *o = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(statement_parse(text, strlen(text), &o, &err), 0);
    AUTO(char_p) char *said = statement_tell(o);
    assert_null(strstr(said, "Signed by"));
    assert_non_null(strstr(said, "Builder (it has control characters)"));
    assert_string_equal(statement_word("a b"), "a b");
}

/* --- keys --- */

static void put_jwk(struct buf *b, const struct sign_key *k, const char *kid)
{
    AUTO(buf) struct buf x = {0};

    base64_put_url(&x, sign_public(k)->raw, SIGN_PUBLIC_SIZE);
    buf_printf(b, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\",\"kid\":\"%s\"}", x.p, kid);
}

static void keys_of_all_forms(void **state)
{
    AUTO(sign_key) struct sign_key *a = sign_new(), *b = sign_new();
    AUTO(keyring) struct keyring pem = {0}, one = {0}, set = {0};
    AUTO(buf) struct buf text = {0};
    struct err err = ERR_INIT;

    (void)state;
    buf_puts(&text, "\n");
    sign_public_put_pem(sign_public(a), &text);
    assert_int_equal(keyring_parse(text.p, text.len, &pem, &err), 0);
    assert_string_equal(pem.p[0].id, sign_public(a)->id);
    buf_clear(&text);
    put_jwk(&text, b, sign_public(b)->id);
    assert_int_equal(keyring_parse(text.p, text.len, &one, &err), 0);
    assert_string_equal(one.p[0].id, sign_public(b)->id);
    buf_clear(&text);
    /* Others' keys are passed over. */
    buf_puts(&text, " {\"keys\":[{\"kty\":\"RSA\",\"n\":\"x\"},7,");
    put_jwk(&text, a, sign_public(a)->id);
    buf_puts(&text, ",");
    put_jwk(&text, b, sign_public(b)->id);
    buf_puts(&text, "]}\n");
    assert_int_equal(keyring_parse(text.p, text.len, &set, &err), 0);
    assert_int_equal(set.count, 2);
    assert_string_equal(set.p[1].id, sign_public(b)->id);
}

static void what_is_no_key(void **state)
{
    static const char *const bad[] = {
        "",
        "  ",
        "{}",
        "{\"keys\":[]}",
        "{\"keys\":{}}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":7}]}",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    };
    AUTO(sign_key) struct sign_key *a = sign_new(), *b = sign_new();
    AUTO(keyring) struct keyring k = {0};
    AUTO(buf) struct buf text = {0}, many = {0};
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (keyring_parse(bad[i], strlen(bad[i]), &k, &err) == 0)
            fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(err.kind, ERR_BAD_REQUEST);
    }
    put_jwk(&text, a, sign_public(b)->id); /* one key under another's name */
    assert_int_equal(keyring_parse(text.p, text.len, &k, &err), -1);
    assert_non_null(strstr(err.msg, "really"));
    buf_puts(&many, "{\"keys\":[");
    for (int i = 0; i <= KEYRING_MAX; i++) {
        buf_puts(&many, i ? "," : "");
        put_jwk(&many, a, sign_public(a)->id);
    }
    buf_puts(&many, "]}");
    assert_int_equal(keyring_parse(many.p, many.len, &k, &err), -1);
    assert_int_equal(keyring_read("/dev/zero", &k, &err), -1);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_read_and_told),  cmocka_unit_test(what_is_none),
        cmocka_unit_test(what_it_does_not_say), cmocka_unit_test(no_line_is_forged),
        cmocka_unit_test(keys_of_all_forms),    cmocka_unit_test(what_is_no_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
