/* unpack_main.c - bloomery-unpack; see unpack.h. */
#include "inspect/sandbox.h"
#include "inspect/extract.h"
#include "inspect/unpack.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/version.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { EXIT_OK, EXIT_SERVER, EXIT_USAGE, EXIT_REFUSED };
enum { DEST_FD = 3, CPU_SECONDS = 600 };

static int usage(void)
{
    fputs("usage: bloomery-unpack check|extract|repack [--max-bytes N] [--max-files N] [--max-path N] [--max-ratio N]\n"
          "                       [--manifest-path P | --kit] < tarball\n"
          "extract unpacks into the folder that is open as descriptor 3, repack writes a tar to the file there\n",
          stderr);
    return EXIT_USAGE;
}

static bool parse_number(const char *text, int64_t *ret)
{
    char *end;

    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || end == text || *end || v < 1)
        return false;
    *ret = v;
    return true;
}

static bool parse(int argc, char **argv, struct extract_options *o)
{
    static const struct option options[] = {
        {"max-bytes", required_argument, NULL, 'b'},
        {"max-files", required_argument, NULL, 'f'},
        {"max-path", required_argument, NULL, 'p'},
        {"max-ratio", required_argument, NULL, 'r'},
        {"manifest-path", required_argument, NULL, 'm'},
        {"kit", no_argument, NULL, 'k'},
        {NULL, 0, NULL, 0},
    };

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        bool fine = true;
        switch (c) {
        case 'b':
            fine = parse_number(optarg, &o->max_bytes);
            break;
        case 'f':
            fine = parse_number(optarg, &o->max_files);
            break;
        case 'p':
            fine = parse_number(optarg, &o->max_path) && o->max_path <= 4096;
            break;
        case 'r':
            fine = parse_number(optarg, &o->max_ratio);
            break;
        case 'm':
            o->manifest_path = optarg;
            break;
        case 'k':
            o->kit = true;
            break;
        default:
            return false;
        }
        if (!fine)
            return false;
    }
    return optind == argc - 1 && !(o->kit && o->manifest_path);
}

static int report(const struct err *err)
{
    /* Every refusal says what to do; most say it better than this. */
    static const char usual[] = "pack the crate again as it stands in version control, e.g. git archive HEAD | gzip";

    if (err->kind != ERR_BAD_SOURCE && err->kind != ERR_TOO_LARGE) {
        fprintf(stderr, "bloomery-unpack: %s\n", err->msg);
        return EXIT_SERVER;
    }
    AUTO(json) cJSON *o = cJSON_CreateObject();
    json_put_str(o, "error_kind", err_name(err->kind));
    json_put_str(o, "message", err->msg);
    json_put_str(o, "hint", err->hint[0] ? err->hint : usual);
    AUTO(char_p) char *text = json_text(o);
    return puts(text) < 0 || fflush(stdout) != 0 ? EXIT_SERVER : EXIT_REFUSED;
}

int main(int argc, char **argv)
{
    const struct limits limits = LIMITS_DEFAULT;
    struct extract_options o = {.max_bytes = limits.max_unpacked_bytes,
                                .max_files = limits.max_files,
                                .max_path = limits.max_path_bytes,
                                .max_ratio = limits.max_ratio};
    struct err err = ERR_INIT;
    AUTO(char_p) char *json = NULL;

    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return puts("bloomery-unpack " BLOOMERY_VERSION) < 0 ? EXIT_SERVER : EXIT_OK;
    if (!parse(argc, argv, &o))
        return usage();
    bool writes = strcmp(argv[optind], "extract") == 0;
    o.repack = strcmp(argv[optind], "repack") == 0;
    if (!writes && !o.repack && strcmp(argv[optind], "check") != 0)
        return usage();
    umask(022);
    /* A file above its limit is a failed write, not the end of the process. */
    signal(SIGXFSZ, SIG_IGN);
    /* The C library loads its character set now: later it may open nothing. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    /* The table of paths at its largest, and what decompression takes. */
    int64_t memory = (INT64_C(640) << 20) + o.max_files * (o.max_path + 320);
    int rc = sandbox_enter_unpack(writes, CPU_SECONDS, memory, o.max_bytes, &err);
    if (rc == 0)
        rc = extract_run(0, writes || o.repack ? DEST_FD : -1, &o, &json, &err);
    if (rc == 0)
        rc = puts(json) < 0 || fflush(stdout) != 0 ? EXIT_SERVER : EXIT_OK;
    else
        rc = report(&err);
    if (utf8 != (locale_t)0)
        freelocale(utf8);
    return rc;
}
