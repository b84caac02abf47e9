/* receive.c - see receive.h. */
#include "workers/receive.h"

#include "workers/blobs.h"
#include "workers/paths.h"
#include "workers/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int receive_source(const struct receive_config *cfg, const char *tmp_path, const char *sha256,
                   const char *manifest_path, struct err *err)
{
    AUTO(fd) int fd = open(tmp_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    AUTO(json) cJSON *facts = NULL;

    if (fd < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot read the upload back");
    if (unpack_run(cfg->helper_dir, fd, -1, &cfg->limits, manifest_path, cfg->uid, &facts, err) < 0)
        return -1;
    AUTO(char_p) char *source = path_source(cfg->state_dir, sha256);
    return blob_keep(tmp_path, source, err);
}
