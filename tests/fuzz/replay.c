/* replay.c - main() of a fuzz target without libFuzzer: runs it once over each file named (folders: all in them). */
#include "base/buf.h"
#include "base/fs.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t replay(const char *path)
{
    struct err err = ERR_INIT;
    struct stat st;
    size_t n = 0;

    if (stat(path, &st) < 0)
        return 0;
    if (S_ISDIR(st.st_mode)) {
        DIR *d = opendir(path);
        for (struct dirent *e; d && (e = readdir(d));) {
            if (e->d_name[0] == '.')
                continue;
            AUTO(char_p) char *sub = mem_printf("%s/%s", path, e->d_name);
            n += replay(sub);
        }
        if (d)
            closedir(d);
        return n;
    }
    AUTO(buf) struct buf b = {0};
    if (fs_read(path, 64 << 20, &b, &err) < 0)
        return 0;
    LLVMFuzzerTestOneInput((const uint8_t *)(b.p ? b.p : ""), b.len);
    return 1;
}

int main(int argc, char **argv)
{
    size_t n = 0;

    for (int i = 1; i < argc; i++)
        n += replay(argv[i]);
    printf("%zu inputs replayed\n", n);
    return n == 0;
}
