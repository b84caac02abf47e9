/* fuzz_query.c - query, path and header parsers on whatever a client may send; every parser sees every input. */
#include "daemon/header.h"
#include "daemon/query.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const known[] = {"limit", "state", "label.", NULL};
    AUTO(char_p) char *text = mem_strndup((const char *)data, size); /* as libmicrohttpd gives it: up to a NUL */
    struct query q = {0};
    struct err err = ERR_INIT;
    int64_t first = 0, len = 0, n = 0;
    char name[64], *plain = NULL;
    int port = 0;

    if (query_parse(text, &q, &err) == 0) {
        require(q.count <= QUERY_MAX_PARAMS);
        AUTO(char_p) char *canonical = query_canonical(&q);
        (void)canonical;
        query_check(&q, known, &err);
        if (query_int(&q, "limit", 1, 200, 50, &n, &err) == 0)
            require(n >= 1 && n <= 200);
        query_free(&q);
    }
    if (query_unescape(text, strlen(text), &plain, &err) == 0)
        require(strlen(plain) <= strlen(text));
    mem_free(plain);
    for (int64_t of = 0; of < 3; of++)
        if (header_range(text, of * 50, &first, &len) == 0)
            require(first >= 0 && len > 0 && first + len <= of * 50);
    header_etag_match(text, "abc");
    header_accepts(text, "text/event-stream");
    if (header_host(text, name, sizeof name, &port) == 0) {
        require(strlen(name) > 0 && port >= -1 && port <= 65535);
        header_is_loopback(name);
    }
    AUTO(char_p) char *attachment = header_attachment(text);
    require(!strpbrk(attachment, "\r\n") && strstr(attachment, "filename*="));
    return 0;
}
