/* images_progress.c - see images_progress.h. */
#include "workers/images_progress.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The Engine's callback has no argument of ours: one build a thread. */
#define TAIL 12
static _Thread_local struct {
    const char *part;
    char tail[TAIL][160]; /* the latest lines: what a failure shows */
    unsigned count;
    time_t shown;
} progress;

static void show(const char *line)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K    %s: %.90s", progress.part, line);
    else
        fprintf(stderr, "    %s: %.150s\n", progress.part, line);
}

void images_line(const char *line)
{
    char *text = progress.tail[progress.count % TAIL];
    size_t n = 0;

    for (; *line && n + 1 < sizeof progress.tail[0]; line++) {
        if (*line == '\033' && line[1] == '[') {
            line += 2 + strspn(line + 2, "0123456789;");
            if (!*line)
                break;
        } else if ((unsigned char)*line >= 32) {
            text[n++] = *line;
        }
    }
    text[n] = '\0';
    if (n == 0 || strspn(text, " ") == n)
        return;
    progress.count++;
    time_t now = time(NULL);
    if (isatty(STDERR_FILENO) || now - progress.shown >= 3) {
        progress.shown = now;
        show(text);
    }
}

void images_begin(const char *name, const char *what)
{
    memset(&progress, 0, sizeof progress);
    progress.part = name;
    progress.shown = time(NULL);
    fprintf(stderr, "==> image %s: %s\n", name, what);
}

void images_end(time_t since)
{
    fprintf(stderr, "%s    %s: done in %ld s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", progress.part,
            (long)(time(NULL) - since));
}

const char *images_telling(void)
{
    static const char *const signs[] = {"E: ", "error", "fatal"};
    unsigned from = progress.count > TAIL ? progress.count - TAIL : 0;
    const char *last = "";

    for (unsigned i = from; i < progress.count; i++) {
        const char *line = progress.tail[i % TAIL];
        for (size_t s = 0; s < COUNT(signs); s++) {
            if (strncmp(line, signs[s], strlen(signs[s])) == 0)
                return line;
        }
        if (strncmp(line, "Removing ", 9) != 0 && strncmp(line, " ---> ", 6) != 0)
            last = line;
    }
    return last;
}

int images_failed(struct err *err)
{
    static const struct {
        const char *word, *hint;
    } causes[] = {
        {"No space left on device", "the disk of the Engine or of the state folder is full: free some 5 GB"},
        {"was not found", "a package is gone from the mirror: look at what changed in Debian, and pin anew in "
                          "docker/toolchains.json"},
        {"NO_PUBKEY", "the host's archive keys are too old: upgrade debian-archive-keyring"},
        {"esolv",
         "there is no way to the Debian mirror (debian_mirror): give this machine, and containers on Docker's bridge, "
         "DNS and HTTP (http_proxy is passed on)"},
        {"nable to connect",
         "there is no way to the Debian mirror (debian_mirror): give this machine, and containers on Docker's "
         "bridge, HTTP (http_proxy is passed on)"},
        {"ailed to fetch", "the Debian mirror did not give all packages: try again"},
        {"network bridge", "the Engine's default network is broken: restart the Docker Engine"},
        {"mmdebstrap is missing", "apt-get install mmdebstrap"},
    };
    unsigned from = progress.count > TAIL ? progress.count - TAIL : 0;

    fprintf(stderr, "%s", isatty(STDERR_FILENO) ? "\r\033[K" : "");
    for (unsigned i = from; i < progress.count; i++)
        fprintf(stderr, "    %s: %s\n", progress.part, progress.tail[i % TAIL]);
    /* The builder says which of its commands images_failed; that is the whole of an apt-get line and no reason. */
    if (strstr(err->msg, "The command '") && images_telling()[0])
        err_set(err, ERR_TOOLCHAIN_MISSING, "%s", images_telling());
    for (size_t c = 0; c < COUNT(causes) && !err->hint[0]; c++) {
        if (strstr(err->msg, causes[c].word))
            err_hint(err, "%s", causes[c].hint);
        for (unsigned i = from; i < progress.count && !err->hint[0]; i++) {
            if (strstr(progress.tail[i % TAIL], causes[c].word))
                err_hint(err, "%s", causes[c].hint);
        }
    }
    return err_wrap(err, "image %s", progress.part);
}

bool images_saw(const char *start)
{
    unsigned from = progress.count > TAIL ? progress.count - TAIL : 0;

    for (unsigned i = from; i < progress.count; i++)
        if (strncmp(progress.tail[i % TAIL], start, strlen(start)) == 0)
            return true;
    return false;
}
