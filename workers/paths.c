/* paths.c - see paths.h. */
#include "workers/paths.h"

#include "base/mem.h"

char *path_source(const char *state_dir, const char *sha256)
{
    return mem_printf("%s/sources/%.2s/%s", state_dir, sha256, sha256);
}

char *path_blob(const char *state_dir, const char *sha256)
{
    return mem_printf("%s/blobs/%.2s/%s", state_dir, sha256, sha256);
}

char *path_log(const char *state_dir, const char *job)
{
    return mem_printf("%s/logs/%s.log", state_dir, job);
}

char *path_tmp(const char *state_dir)
{
    return mem_printf("%s/tmp", state_dir);
}

char *path_work(const char *state_dir, const char *job, int attempt)
{
    return mem_printf("%s/work/%s-%d", state_dir, job, attempt);
}

char *path_kits(const char *state_dir)
{
    return mem_printf("%s/kits", state_dir);
}

char *path_keys(const char *state_dir)
{
    return mem_printf("%s/keys", state_dir);
}
