/* fuzz_diagnose.c - a build's output is any bytes: one bounded line, valid UTF-8, comes out. */
#include "workers/diagnose.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *s, size_t max, bool one_line)
{
    AUTO(char_p) char *utf8 = json_utf8(s, strlen(s));

    if (strlen(s) > max || strcmp(utf8, s) != 0)
        abort();
    for (; *s; s++)
        if (((unsigned char)*s < 0x20 && (one_line || *s != '\n')) || *s == 0x7f)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(json) cJSON *json = cJSON_Parse("{\"hints\":[{\"match\":\"x\",\"hint\":\"y\"}]}");
    const struct profile p = {.name = "fuzz", .json = json};
    struct job_error e = {0};

    diagnose(&p, (const char *)data, size, NULL, ERR_COMPILE, &e);
    check(e.message, 1024, true);
    check(e.log_excerpt, 8192, false);
    job_error_clear(&e);
    return 0;
}
