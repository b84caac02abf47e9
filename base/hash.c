/* hash.c - see hash.h. */
#include "base/hash.h"

#include "base/mem.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct hash {
    EVP_MD_CTX *ctx;
};

struct hash *hash_new(void)
{
    struct hash *h = mem_alloc(sizeof *h);

    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1)
        abort();
    return h;
}

void hash_add(struct hash *h, const void *data, size_t len)
{
    if (EVP_DigestUpdate(h->ctx, data, len) != 1)
        abort();
}

void hash_finish(struct hash *h, char ret_hex[SHA256_HEX_SIZE])
{
    unsigned char raw[32];

    if (EVP_DigestFinal_ex(h->ctx, raw, NULL) != 1)
        abort();
    for (int i = 0; i < 32; i++) {
        ret_hex[2 * i] = "0123456789abcdef"[raw[i] >> 4];
        ret_hex[2 * i + 1] = "0123456789abcdef"[raw[i] & 15];
    }
    ret_hex[64] = '\0';
    hash_free(h);
}

void hash_free(struct hash *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

void hash_bytes(const void *data, size_t len, char ret_hex[SHA256_HEX_SIZE])
{
    struct hash *h = hash_new();

    hash_add(h, data, len);
    hash_finish(h, ret_hex);
}

int hash_fd(int fd, char ret_hex[SHA256_HEX_SIZE], struct err *err)
{
    AUTO(char_p) char *block = mem_alloc(256 << 10);
    struct hash *h = hash_new();

    for (;;) {
        ssize_t n = read(fd, block, 256 << 10);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            hash_free(h);
            return err_sys(err, ERR_INTERNAL, errno, "cannot read");
        }
        if (n == 0)
            break;
        hash_add(h, block, (size_t)n);
    }
    hash_finish(h, ret_hex);
    return 0;
}

bool hash_valid(const char *s)
{
    return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

void hash_base64(const char hex[SHA256_HEX_SIZE], char ret_text[45])
{
    unsigned char raw[32];

    for (int i = 0; i < 32; i++) {
        char byte[3] = {hex[2 * i], hex[2 * i + 1], 0};
        raw[i] = (unsigned char)strtoul(byte, NULL, 16);
    }
    EVP_EncodeBlock((unsigned char *)ret_text, raw, sizeof raw);
}
