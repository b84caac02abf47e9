/* sign.c - see sign.h. */
#include "base/sign.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

struct sign_key {
    EVP_PKEY *pkey;
    struct sign_public pub;
};

AUTO_DEFINE(bio, BIO *, BIO_free_all, NULL)
AUTO_DEFINE(pkey, EVP_PKEY *, EVP_PKEY_free, NULL)
AUTO_DEFINE(md, EVP_MD_CTX *, EVP_MD_CTX_free, NULL)

/* What OpenSSL cannot do without memory or with a key of its own making is no state to go on from. */
static void require(bool ok)
{
    if (!ok)
        abort();
}

/* A file with a password is refused: else OpenSSL asks for it on the terminal. */
static int no_password(char *into, int size, int writing, void *unused)
{
    (void)into;
    (void)size;
    (void)writing;
    (void)unused;
    return -1;
}

static BIO *reader(const char *text, size_t len)
{
    BIO *b = len <= INT_MAX ? BIO_new_mem_buf(text, (int)len) : NULL;

    require(b != NULL);
    return b;
}

/* All that was written to a BIO in memory. */
static void take(BIO *b, struct buf *into)
{
    char *p = NULL;
    long n = BIO_get_mem_data(b, &p);

    buf_put(into, p, n > 0 ? (size_t)n : 0);
}

/* --- public keys --- */

static EVP_PKEY *pkey_of(const struct sign_public *p)
{
    EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, p->raw, sizeof p->raw);

    require(k != NULL);
    return k;
}

void sign_public_set(const unsigned char raw[SIGN_PUBLIC_SIZE], struct sign_public *ret)
{
    unsigned char *der = NULL;

    memcpy(ret->raw, raw, SIGN_PUBLIC_SIZE);
    AUTO(pkey) EVP_PKEY *k = pkey_of(ret);
    int n = i2d_PUBKEY(k, &der);
    require(n > 0);
    hash_bytes(der, (size_t)n, ret->id);
    OPENSSL_free(der);
}

void sign_public_put_pem(const struct sign_public *p, struct buf *into)
{
    AUTO(pkey) EVP_PKEY *k = pkey_of(p);
    AUTO(bio) BIO *b = BIO_new(BIO_s_mem());

    require(b && PEM_write_bio_PUBKEY(b, k) == 1);
    take(b, into);
}

static bool public_of(EVP_PKEY *k, struct sign_public *ret)
{
    unsigned char raw[SIGN_PUBLIC_SIZE];
    size_t n = sizeof raw;

    if (!k || EVP_PKEY_get_base_id(k) != EVP_PKEY_ED25519 || EVP_PKEY_get_raw_public_key(k, raw, &n) != 1 ||
        n != sizeof raw)
        return false;
    sign_public_set(raw, ret);
    return true;
}

int sign_public_from_pem(const char *text, size_t len, struct sign_public *ret, struct err *err)
{
    AUTO(bio) BIO *b = reader(text, len);
    AUTO(pkey) EVP_PKEY *k = PEM_read_bio_PUBKEY(b, NULL, no_password, NULL);

    return public_of(k, ret) ? 0 : err_set(err, ERR_BAD_REQUEST, "it is not an Ed25519 public key in PEM");
}

/* --- private keys --- */

struct sign_key *sign_new(void)
{
    struct sign_key *k = mem_alloc(sizeof *k);

    k->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    require(public_of(k->pkey, &k->pub));
    return k;
}

void sign_free(struct sign_key *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->pkey); /* overwrites the secret */
    mem_free(k);
}

const struct sign_public *sign_public(const struct sign_key *k)
{
    return &k->pub;
}

void sign_put_pem(const struct sign_key *k, struct buf *into)
{
    AUTO(bio) BIO *b = BIO_new(BIO_s_secmem());

    require(b && PEM_write_bio_PKCS8PrivateKey(b, k->pkey, NULL, NULL, 0, no_password, NULL) == 1);
    take(b, into);
}

int sign_from_pem(const char *text, size_t len, struct sign_key **ret, struct err *err)
{
    AUTO(bio) BIO *b = reader(text, len);
    AUTO(pkey) EVP_PKEY *pkey = PEM_read_bio_PrivateKey(b, NULL, no_password, NULL);
    struct sign_public pub;

    if (!public_of(pkey, &pub))
        return err_set(err, ERR_BAD_REQUEST, "it is not an Ed25519 private key in PEM without a password");
    struct sign_key *k = mem_alloc(sizeof *k);
    k->pkey = STEAL(pkey);
    k->pub = pub;
    *ret = k;
    return 0;
}

void sign_wipe(struct buf *b)
{
    if (b->p)
        OPENSSL_cleanse(b->p, b->cap);
    buf_free(b);
}

/* --- signatures --- */

void sign_make(const struct sign_key *k, const void *data, size_t len, unsigned char ret_signature[SIGN_SIZE])
{
    AUTO(md) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = SIGN_SIZE;

    require(ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->pkey) == 1 &&
            EVP_DigestSign(ctx, ret_signature, &n, data, len) == 1 && n == SIGN_SIZE);
}

bool sign_holds(const struct sign_public *p, const void *data, size_t len, const unsigned char signature[SIGN_SIZE])
{
    AUTO(pkey) EVP_PKEY *k = pkey_of(p);
    AUTO(md) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    require(ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k) == 1);
    return EVP_DigestVerify(ctx, signature, SIGN_SIZE, data, len) == 1;
}
