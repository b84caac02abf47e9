/*
 * call.h - what the command line asked for. Filled by main.c; strings borrow
 * from argv but where it says owned.
 */
#pragma once

#include "base/buf.h"
#include "base/http.h"
#include "client/files.h"

#include <stdbool.h>
#include <stdint.h>

struct call {
    const char *const *args; /* what is left of the command line, NULL-terminated */
    size_t arg_count;
    const char *server;            /* flag, or NULL */
    const char *profiles;          /* "a,b", or NULL */
    const char *out;               /* or NULL */
    const char *key, *attestation; /* of verify, or NULL */
    struct buf query;              /* "&key=value..." for what is submitted; owned */
    struct files keep;             /* patterns; owned */
    bool manifest_given;
    bool detach;
    bool json;
    double growth;       /* percent that compare allows; below 0: any */
    int64_t timeout_ms;  /* 0: none */
    int64_t deadline_ms; /* on the monotonic clock; 0: none */
    struct http *http;   /* owned */
};
