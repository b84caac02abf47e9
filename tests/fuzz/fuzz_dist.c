/* fuzz_dist.c - any bytes as an archive of the Rust project's: taken apart or refused, and then gone, without a crash or a
 * leak. */
#include "workers/dist.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/bloomery-fuzz-dist-XXXXXX";
static const char pin[] = "{\"components\":[{\"name\":\"a\",\"also\":[\"b\"]}]}";

static void clean_up(void)
{
    rmdir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    const struct dist d = {.keep_dir = dir, .max_bytes = 1 << 20};
    AUTO(json) cJSON *origin = NULL;
    struct tar_writer *w = NULL;
    struct err err = ERR_INIT;
    char path[64];

    if (!made && (!mkdtemp(dir) || atexit(clean_up) != 0))
        abort();
    made = true;
    snprintf(path, sizeof path, "%s/a.tar.xz", dir);
    AUTO(fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    AUTO(fd) int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || json_parse(pin, strlen(pin), "pin", &origin, &err) < 0 ||
        tar_writer_open(null, TAR_PLAIN, &w, &err) < 0)
        abort();
    int r = dist_unpack(&d, origin, w, "rust", &err);
    tar_writer_free(w);
    if (r != 0 && (err.msg[0] == '\0' || access(path, F_OK) == 0)) /* bytes alone are never the disk's fault */
        abort();
    unlink(path);
    return 0;
}
