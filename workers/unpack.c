/* unpack.c - see unpack.h. */
#include "workers/unpack.h"

#include "base/proc.h"

#include <errno.h>
#include <unistd.h>

enum { EXIT_REFUSED = 3, MAX_ANSWER = 256 << 10 };

/* `extra`: further arguments, at most two; NULL ends them. */
static int run(const char *helper_dir, const char *verb, int fd, int dir_fd, const struct limits *limits,
               const char *const extra[2], uid_t uid, cJSON **ret_facts, struct err *err)
{
    AUTO(char_p) char *program = mem_printf("%s/bloomery-unpack", helper_dir);
    AUTO(char_p) char *bytes = mem_printf("%lld", (long long)limits->max_unpacked_bytes);
    AUTO(char_p) char *files = mem_printf("%lld", (long long)limits->max_files);
    AUTO(char_p) char *path = mem_printf("%lld", (long long)limits->max_path_bytes);
    AUTO(char_p) char *ratio = mem_printf("%lld", (long long)limits->max_ratio);
    const char *argv[] = {program,      verb, "--max-bytes", bytes, "--max-files", files,
                          "--max-path", path, "--max-ratio", ratio, extra[0],      extra[0] ? extra[1] : NULL,
                          NULL};
    AUTO(buf) struct buf out = {0};
    AUTO(buf) struct buf errors = {0};
    AUTO(json) cJSON *answer = NULL;
    struct proc p = PROC_INIT;
    int status;

    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot rewind the tarball");
    p.argv = argv;
    p.stdin_fd = fd;
    p.dir_fd = dir_fd;
    p.out = &out;
    p.out_max = MAX_ANSWER;
    p.errors = &errors;
    p.uid = uid;
    p.gid = uid;
    p.seconds = limits->inspect_seconds * 4;
    p.cpu_seconds = limits->inspect_seconds;
    int r = proc_run(&p, &status, err);
    if (r < 0)
        return -1;
    if (r == PROC_TIMED_OUT || status == 128 + 24 /* SIGXCPU */)
        return err_set(err, ERR_TOO_LARGE, "reading the tarball took more than inspect_seconds (%lld)",
                       (long long)limits->inspect_seconds);
    if (r > 0 || (status != 0 && status != EXIT_REFUSED))
        return err_set(err, ERR_INTERNAL, "bloomery-unpack failed (%d): %.120s", status, errors.p ? errors.p : "");
    if (json_parse(out.p ? out.p : "", out.len, "bloomery-unpack's answer", &answer, err) < 0) {
        err->kind = ERR_INTERNAL;
        return -1;
    }
    if (status == EXIT_REFUSED) {
        enum err_kind kind = err_from_name(json_str(answer, "error_kind", ""));
        err_set(err, kind == ERR_NONE ? ERR_BAD_SOURCE : kind, "%s",
                json_str(answer, "message", "the tarball was refused"));
        const char *hint = json_str(answer, "hint", "");
        return err_hint(err, "%s", hint[0] ? hint : "pack the crate's own folder again, e.g. git archive HEAD | gzip");
    }
    *ret_facts = STEAL(answer);
    return 0;
}

int unpack_run(const char *helper_dir, int fd, int dir_fd, const struct limits *limits, const char *manifest_path,
               uid_t uid, cJSON **ret_facts, struct err *err)
{
    const char *const extra[2] = {manifest_path ? "--manifest-path" : NULL, manifest_path};

    return run(helper_dir, dir_fd >= 0 ? "extract" : "check", fd, dir_fd, limits, extra, uid, ret_facts, err);
}

int unpack_repack(const char *helper_dir, int fd, int to_fd, const struct limits *limits, const char *manifest_path,
                  uid_t uid, struct err *err)
{
    const char *const extra[2] = {manifest_path ? "--manifest-path" : NULL, manifest_path};
    AUTO(json) cJSON *facts = NULL;

    return run(helper_dir, "repack", fd, to_fd, limits, extra, uid, &facts, err);
}

int unpack_kit(const char *helper_dir, int fd, int dir_fd, const struct limits *limits, uid_t uid, cJSON **ret_facts,
               struct err *err)
{
    const char *const extra[2] = {"--kit", NULL};

    if (run(helper_dir, "extract", fd, dir_fd, limits, extra, uid, ret_facts, err) == 0)
        return 0;
    if (err->kind == ERR_TOO_LARGE)
        return err_hint(err, "the limits are settings: name a larger one, e.g. --max-unpacked-bytes 8G, or leave out "
                             "what no build reads");
    if (err->kind == ERR_BAD_SOURCE) {
        err->kind = ERR_BAD_REQUEST;
        err_hint(err, "pack the folder that holds kit.json again: tar -C FOLDER -czf kit.tar.gz .");
    }
    return -1;
}
