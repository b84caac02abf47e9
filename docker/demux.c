/*
 * demux.c - see demux.h. Holds at most a header: payload is borrowed from the
 * caller, so a frame's claimed length never decides how much is allocated.
 */
#include "docker/demux.h"

#include <string.h>

enum { CHANNEL_SYSTEM = 3 }; /* the Engine's own last words in a stream */

static int take_header(struct demux *d, struct err *err)
{
    const unsigned char *h = d->head;
    bool known = h[0] == ENGINE_STDOUT || h[0] == ENGINE_STDERR || h[0] == CHANNEL_SYSTEM;
    if (!known || h[1] || h[2] || h[3])
        return err_set(err, ERR_ENGINE, "the Docker Engine's stream is not in frames (%02x%02x%02x%02x)", h[0], h[1],
                       h[2], h[3]);
    d->channel = h[0] == CHANNEL_SYSTEM ? ENGINE_STDERR : h[0];
    d->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
    d->head_len = 0;
    return 0;
}

int demux_next(struct demux *d, const char *data, size_t len, size_t *ret_used, struct engine_chunk *ret,
               struct err *err)
{
    size_t used = 0;
    while (d->left == 0 && used < len) {
        size_t want = sizeof d->head - d->head_len;
        size_t n = len - used < want ? len - used : want;
        memcpy(d->head + d->head_len, data + used, n);
        d->head_len += n;
        used += n;
        if (d->head_len == sizeof d->head && take_header(d, err) < 0)
            return -1;
    }
    size_t n = len - used < d->left ? len - used : d->left;
    *ret = (struct engine_chunk){.channel = (enum engine_channel)d->channel, .data = data + used, .len = n};
    d->left -= (uint32_t)n;
    *ret_used = used + n;
    return 0;
}

bool demux_partial(const struct demux *d)
{
    return d->left > 0 || d->head_len > 0;
}
