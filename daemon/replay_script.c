/* replay_script.c - see replay_script.h. */
#include "daemon/replay_script.h"

#include "base/buf.h"

#include <string.h>

/* One word of the shell's, with a blank before it. */
static void put_word(struct buf *b, const char *s)
{
    buf_puts(b, " '");
    for (; *s; s++)
        if (*s == '\'')
            buf_puts(b, "'\\''");
        else
            buf_put(b, s, 1);
    buf_puts(b, "'");
}

static void put_words(struct buf *b, const char *flag, const cJSON *list)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, list)
    {
        if (!cJSON_IsString(v))
            continue;
        if (flag)
            buf_printf(b, " \\\n    %s", flag);
        put_word(b, v->valuestring);
    }
}

static void put_option(struct buf *b, const char *flag, const char *value)
{
    if (!value)
        return;
    buf_printf(b, " %s", flag);
    put_word(b, value);
}

static void put_number(struct buf *b, const char *flag, int64_t value)
{
    if (value > 0)
        buf_printf(b, " %s %lld", flag, (long long)value);
}

/* The work folder's tmp is a volume of its own, for it is mounted twice. */
static void put_mounts(struct buf *b, const cJSON *mounts)
{
    bool data = false;
    const cJSON *m;

    cJSON_ArrayForEach(m, mounts)
    {
        const char *from = json_str(m, "from", "");
        if (strcmp(from, "work") == 0)
            buf_puts(b, " -v \"$work:/work\" -v \"$tmp:/work/tmp\"");
        else if (strcmp(from, "tmp") == 0)
            buf_puts(b, " -v \"$tmp:/tmp\"");
        else
            data = true;
    }
    if (data)
        buf_puts(b, " -v \"$mounts:/bloomery:ro\"");
}

/* The options of docker run, without what all containers have. */
static void put_container(struct buf *b, const cJSON *c)
{
    int64_t memory = json_int(c, "memory_bytes", 0), cpus = json_int(c, "nano_cpus", 0);
    int64_t tmpfs = json_int(c, "tmpfs_bytes", 0);

    buf_puts(b, json_bool(c, "network", false) ? " $network" : " --network none");
    put_option(b, "--user", json_str(c, "user", NULL));
    put_option(b, "--workdir", json_str(c, "workdir", NULL));
    put_number(b, "--memory", memory);
    put_number(b, "--memory-swap", memory);
    put_number(b, "--pids-limit", json_int(c, "pids", 0));
    if (cpus > 0)
        buf_printf(b, " --cpus %lld.%09lld", (long long)(cpus / 1000000000), (long long)(cpus % 1000000000));
    if (tmpfs > 0)
        buf_printf(b, " --tmpfs /tmp:rw,exec,nosuid,nodev,mode=1777,size=%lld", (long long)tmpfs);
    put_mounts(b, json_arr(c, "mounts"));
}

static void put_hold(struct buf *b, const cJSON *c, const char *user)
{
    const cJSON *folders = json_arr(c, "fresh");

    if (cJSON_GetArraySize(folders) > 0) {
        buf_puts(b, "fresh");
        put_word(b, user);
        put_words(b, NULL, folders);
        buf_puts(b, "\n");
    }
    buf_puts(b, "hold");
    put_container(b, c);
    buf_puts(b, " \"$image\"");
    put_words(b, NULL, json_arr(c, "command"));
    buf_puts(b, "\n");
}

static void put_step(struct buf *b, const cJSON *step, const cJSON *container)
{
    bool held = json_arr(container, "command") != NULL;

    buf_puts(b, "step");
    put_word(b, json_str(step, "name", ""));
    if (held) {
        buf_puts(b, " docker exec");
        put_option(b, "--user", json_str(step, "user", NULL));
        put_option(b, "--workdir", json_str(step, "workdir", NULL));
    } else {
        buf_puts(b, " docker run --rm --name \"$name-step\" --entrypoint '' $tame");
        put_container(b, container);
    }
    put_words(b, "-e", json_arr(step, "env"));
    buf_puts(b, held ? " \\\n    \"$held\"" : " \\\n    \"$image\"");
    put_words(b, NULL, json_arr(step, "command"));
    buf_puts(b, "\n");
}

static void put_steps(struct buf *b, const cJSON *doc, const char *user)
{
    const cJSON *containers = json_arr(doc, "containers"), *step;
    int64_t holding = -1;

    cJSON_ArrayForEach(step, json_arr(doc, "steps"))
    {
        int64_t place = json_int(step, "container", -1);
        const cJSON *c = place >= 0 ? cJSON_GetArrayItem(containers, (int)place) : NULL;
        if (json_arr(c, "command") && place != holding) {
            put_hold(b, c, user);
            holding = place;
        }
        put_step(b, step, c);
    }
}

char *replay_script(const char *head, const cJSON *doc)
{
    const cJSON *image = json_obj(doc, "image"), *source = json_obj(doc, "source"), *lock = json_obj(doc, "lock"), *art;
    const char *user = json_str(cJSON_GetArrayItem(json_arr(doc, "steps"), 0), "user", "");
    struct buf b = {0};

    buf_puts(&b, head);
    buf_puts(&b, "begin");
    put_word(&b, json_str(image, "id", ""));
    put_word(&b, json_str(image, "digest", ""));
    put_word(&b, json_str(image, "reference", ""));
    buf_puts(&b, "\nunpack");
    put_word(&b, user);
    put_word(&b, json_str(source, "file", ""));
    put_word(&b, json_str(source, "compression", ""));
    put_word(&b, json_str(source, "sha256", ""));
    put_word(&b, json_str(doc, "root", ""));
    buf_puts(&b, "\nput");
    put_word(&b, user);
    buf_puts(&b, " cargo-config.toml cargo/config.toml\n");
    if (json_bool(lock, "given", false)) {
        buf_puts(&b, "put");
        put_word(&b, user);
        buf_puts(&b, " Cargo.lock");
        put_word(&b, json_str(lock, "file", ""));
        buf_puts(&b, "\n");
    }
    put_steps(&b, doc, user);
    cJSON_ArrayForEach(art, json_arr(doc, "artifacts"))
    {
        buf_puts(&b, "artifact");
        put_word(&b, json_str(art, "name", ""));
        put_word(&b, json_str(art, "file", ""));
        put_word(&b, json_str(art, "sha256", ""));
        buf_puts(&b, "\n");
    }
    buf_puts(&b, "verdict\n");
    return buf_steal(&b);
}
