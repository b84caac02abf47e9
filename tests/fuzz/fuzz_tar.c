/* fuzz_tar.c - any bytes as a tarball: checked, and its entries' data read, without a crash, a leak or a hang. */
#include "base/tar.h"
#include "inspect/extract.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

AUTO_DEFINE(reader, struct tar_reader *, tar_reader_free, NULL)

static void read_all(int fd)
{
    struct err err = ERR_INIT;
    AUTO(reader) struct tar_reader *r = NULL;
    struct tar_entry e;
    char chunk[4096];
    size_t n, total = 0;

    if (tar_reader_open(fd, &r, &err) < 0)
        return;
    tar_reader_limit(r, 1 << 20, 200);
    while (tar_next(r, &e, &err) == 0)
        while (total < (1 << 20) && tar_data(r, chunk, sizeof(chunk), &n, &err) == 0 && n > 0)
            total += n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct extract_options o = {.max_bytes = 1 << 20, .max_files = 1000, .max_path = 256, .max_ratio = 200};
    AUTO(fd) int fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
        return 0;
    for (int kit = 0; kit <= 1; kit++) { /* as a crate, then as a kit */
        AUTO(char_p) char *json = NULL;
        struct err err = ERR_INIT;
        o.kit = kit;
        int rc = extract_run(fd, -1, &o, &json, &err);
        /* A refusal has its words, and bytes alone are never the server's fault. */
        if (rc != 0 && (err.msg[0] == '\0' || (err.kind != ERR_BAD_SOURCE && err.kind != ERR_TOO_LARGE)))
            abort();
        lseek(fd, 0, SEEK_SET);
    }
    read_all(fd);
    return 0;
}
