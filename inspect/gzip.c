/* gzip.c - see gzip.h. */
#include "inspect/gzip.h"

#include "base/mem.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <time.h>
#include <zlib.h>

/* CPU time that level 9 may take: minutes, for bytes made to be slow. */
#define BEST_SECONDS 40

#define BEST_BLOCK (256 << 10)
#define FAST_BLOCK ((size_t)1 << 20)

static int64_t cpu_ms(void)
{
    struct timespec t = {0};

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t best_size(const uint8_t *data, size_t len)
{
    AUTO(char_p) char *out = mem_alloc(BEST_BLOCK);
    int64_t total = 0, end = cpu_ms() + BEST_SECONDS * 1000;
    z_stream z = {0};
    int rc = Z_OK;

    if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return -1;
    for (size_t pos = 0; rc != Z_STREAM_END && total >= 0;) {
        size_t n = len - pos < BEST_BLOCK ? len - pos : BEST_BLOCK;
        z.next_in = (Bytef *)(uintptr_t)(data + pos);
        z.avail_in = (uInt)n;
        pos += n;
        do {
            z.next_out = (Bytef *)out;
            z.avail_out = BEST_BLOCK;
            rc = deflate(&z, pos == len ? Z_FINISH : Z_NO_FLUSH);
            total += BEST_BLOCK - z.avail_out;
        } while (rc == Z_OK && z.avail_out == 0);
        if ((rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) || cpu_ms() > end)
            total = -1;
    }
    deflateEnd(&z);
    return total;
}

/* Files of gzip may be put one behind the other: each block is one. */
static int64_t fast_size(const uint8_t *data, size_t len)
{
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(1);
    int64_t total = 0;

    if (!c)
        abort();
    size_t most = libdeflate_gzip_compress_bound(c, FAST_BLOCK);
    AUTO(char_p) char *out = mem_alloc(most);
    for (size_t pos = 0; pos < len; pos += FAST_BLOCK)
        total += (int64_t)libdeflate_gzip_compress(c, data + pos, len - pos < FAST_BLOCK ? len - pos : FAST_BLOCK, out,
                                                   most);
    libdeflate_free_compressor(c);
    return total;
}

int gzip_level(size_t len)
{
    return len <= GZIP_BEST_BYTES ? 9 : 1;
}

int64_t gzip_size(const uint8_t *data, size_t len)
{
    return gzip_level(len) == 9 ? best_size(data, len) : fast_size(data, len);
}
