/*
 * demux.h - the Engine's stream framing: 8 bytes of header (channel, 0, 0, 0,
 * big-endian length), then that many bytes. Parses what a hostile container
 * may have shaped (its bytes, never the headers), and what a broken Engine may
 * have cut (the headers too). No I/O.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "docker/engine.h"

struct demux {
    unsigned char head[8];
    size_t head_len; /* bytes of the header seen */
    uint32_t left;   /* bytes of the frame's body still to come */
    int channel;
};

/* Take the next run of payload out of data[0..len): *ret_used bytes were consumed, ret->len of payload were found
 * (borrowed from data; 0: only header bytes). <0: not a frame (ERR_ENGINE). */
int demux_next(struct demux *d, const char *data, size_t len, size_t *ret_used, struct engine_chunk *ret,
               struct err *err);

/* True in the middle of a frame: an end of the stream here means that it was cut. */
bool demux_partial(const struct demux *d);
