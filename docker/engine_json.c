/*
 * engine_json.c - see engine_priv.h. Pure functions from the Engine's answers
 * to our structs: an Engine may be of any version or broken, so nothing is
 * trusted to be there or to have a shape.
 */
#include "docker/engine_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The API versions that we speak. 1.40 is Engine 19.03; 1.44 is the least that Engine 29 takes. */
enum { API_MAJOR = 1, API_LEAST = 40, API_MOST = 44 };
#define LINE_MAX_BYTES ((size_t)1 << 20)
#define PROGRESS_MAX ((size_t)4 << 10)
#define ITEMS_MAX 100000

static int parse(const char *text, size_t len, const char *what, cJSON **ret, struct err *err)
{
    if (json_parse(text, len, what, ret, err) < 0) {
        if (err)
            err->kind = ERR_ENGINE;
        return err_wrap(err, "the Docker Engine");
    }
    return 0;
}

static int parse_object(const char *text, size_t len, const char *what, cJSON **ret, struct err *err)
{
    AUTO(json) cJSON *v = NULL;
    if (parse(text, len, what, &v, err) < 0)
        return -1;
    if (!cJSON_IsObject(v))
        return err_set(err, ERR_ENGINE, "the Docker Engine: %s is not an object", what);
    *ret = STEAL(v);
    return 0;
}

/* "1.41" -> 41; -1 if it is none of ours */
static int minor_of(const char *version)
{
    char *end = NULL;
    if (!version || strncmp(version, "1.", 2) != 0 || version[2] < '0' || version[2] > '9')
        return -1;
    long n = strtol(version + 2, &end, 10);
    return *end == '\0' && n >= 0 && n < 10000 ? (int)n : -1;
}

int engine_json_version(const char *text, size_t len, struct engine_info *ret, struct err *err)
{
    AUTO(json) cJSON *v = NULL;
    if (parse_object(text, len, "its version", &v, err) < 0)
        return -1;
    const char *api = json_str(v, "ApiVersion", "");
    int theirs = minor_of(api);
    int least = minor_of(json_str(v, "MinAPIVersion", "1.0"));
    if (theirs < 0)
        return err_set(err, ERR_ENGINE, "the Docker Engine has an API version that is not one: '%.20s'", api);
    int ours = theirs < API_MOST ? theirs : API_MOST;
    if (ours < API_LEAST) {
        err_set(err, ERR_ENGINE, "the Docker Engine is too old: it speaks API %.20s, %d.%d is needed", api, API_MAJOR,
                API_LEAST);
        return err_hint(err, "install Docker Engine 20.10 or newer");
    }
    if (least > ours)
        return err_set(err, ERR_ENGINE, "the Docker Engine is too new: it wants API 1.%d at least, ours is %d.%d",
                       least, API_MAJOR, API_MOST);
    snprintf(ret->version, sizeof ret->version, "%s", json_str(v, "Version", ""));
    snprintf(ret->api, sizeof ret->api, "%d.%d", API_MAJOR, ours);
    return 0;
}

/* "name=rootless" or "name=rootless,key=value" among the security options */
static bool has_option(const cJSON *options, const char *name)
{
    const cJSON *o;
    cJSON_ArrayForEach(o, options)
    {
        const char *s = cJSON_IsString(o) ? o->valuestring : "";
        size_t n = strlen(name);
        if (strncmp(s, "name=", 5) == 0 && strncmp(s + 5, name, n) == 0 && (s[5 + n] == '\0' || s[5 + n] == ','))
            return true;
    }
    return false;
}

static bool seccomp_is_off(const cJSON *options)
{
    const cJSON *o;
    cJSON_ArrayForEach(o, options)
    {
        const char *s = cJSON_IsString(o) ? o->valuestring : "";
        if (strncmp(s, "name=seccomp", 12) == 0 && strstr(s, "profile=unconfined"))
            return true;
    }
    return false;
}

/* DriverStatus is a list of pairs of strings. */
static bool driver_says(const cJSON *status, const char *key, const char *value)
{
    const cJSON *pair;
    cJSON_ArrayForEach(pair, status)
    {
        const cJSON *k = cJSON_GetArrayItem(pair, 0), *v = cJSON_GetArrayItem(pair, 1);
        if (cJSON_IsString(k) && cJSON_IsString(v) && strcmp(k->valuestring, key) == 0)
            return strcmp(v->valuestring, value) == 0;
    }
    return false;
}

int engine_json_info(const char *text, size_t len, struct engine_info *ret, struct err *err)
{
    AUTO(json) cJSON *v = NULL;
    if (parse_object(text, len, "its description", &v, err) < 0)
        return -1;
    const cJSON *options = json_arr(v, "SecurityOptions");
    snprintf(ret->cgroup_driver, sizeof ret->cgroup_driver, "%s", json_str(v, "CgroupDriver", ""));
    ret->cgroup_version = strcmp(json_str(v, "CgroupVersion", "1"), "2") == 0 ? 2 : 1;
    ret->rootless = has_option(options, "rootless");
    ret->userns = has_option(options, "userns");
    snprintf(ret->architecture, sizeof ret->architecture, "%s", json_str(v, "Architecture", ""));
    snprintf(ret->os_type, sizeof ret->os_type, "%s", json_str(v, "OSType", ""));
    ret->containers_running = json_int(v, "ContainersRunning", 0);
    int64_t cpus = json_int(v, "NCPU", 1);
    ret->cpus = cpus >= 1 && cpus <= 65536 ? (int)cpus : 1;
    ret->memory_bytes = json_int(v, "MemTotal", 0);
    snprintf(ret->storage_driver, sizeof ret->storage_driver, "%s", json_str(v, "Driver", ""));
    snprintf(ret->root_dir, sizeof ret->root_dir, "%s", json_str(v, "DockerRootDir", ""));
    ret->no_d_type = driver_says(json_arr(v, "DriverStatus"), "Supports d_type", "false");
    ret->seccomp = has_option(options, "seccomp") && !seccomp_is_off(options);
    ret->limits_memory = json_bool(v, "MemoryLimit", false);
    ret->limits_swap = json_bool(v, "SwapLimit", false);
    ret->limits_pids = json_bool(v, "PidsLimit", false);
    ret->limits_cpu = json_bool(v, "CpuCfsQuota", false) && json_bool(v, "CpuCfsPeriod", false);
    return 0;
}

static int copy_id(const char *s, char ret_id[ENGINE_ID_SIZE], struct err *err)
{
    size_t len = s ? strlen(s) : 0;
    if (len == 0 || len >= ENGINE_ID_SIZE || !engine_name_valid(s))
        return err_set(err, ERR_ENGINE, "the Docker Engine gives an id that is not one");
    memcpy(ret_id, s, len + 1);
    return 0;
}

int engine_json_id(const char *text, size_t len, char ret_id[ENGINE_ID_SIZE], struct err *err)
{
    AUTO(json) cJSON *v = NULL;
    if (parse_object(text, len, "its answer", &v, err) < 0)
        return -1;
    return copy_id(json_str(v, "Id", NULL), ret_id, err);
}

static int exit_code(const cJSON *obj, const char *key)
{
    int64_t code = json_int(obj, key, -1);
    return code >= -1 && code <= 0xffff ? (int)code : -1;
}

int engine_json_state(const char *text, size_t len, struct engine_state *ret, struct err *err)
{
    AUTO(json) cJSON *v = NULL;
    if (parse_object(text, len, "a container's state", &v, err) < 0)
        return -1;
    const cJSON *state = json_obj(v, "State");
    if (!state)
        return err_set(err, ERR_ENGINE, "the Docker Engine: a container has no state");
    *ret = (struct engine_state){.exists = true,
                                 .running = json_bool(state, "Running", false),
                                 .oom_killed = json_bool(state, "OOMKilled", false),
                                 .exit_code = exit_code(state, "ExitCode")};
    return 0;
}

static int take_item(const cJSON *c, struct engine_item *ret, struct err *err)
{
    if (copy_id(json_str(c, "Id", NULL), ret->id, err) < 0)
        return -1;
    const cJSON *first = cJSON_GetArrayItem(json_arr(c, "Names"), 0);
    const char *name = cJSON_IsString(first) ? first->valuestring : "";
    ret->name = mem_strdup(name[0] == '/' ? name + 1 : name);
    const char *state = json_str(c, "State", "");
    ret->running = strcmp(state, "running") == 0 || strcmp(state, "paused") == 0 || strcmp(state, "restarting") == 0;
    const cJSON *labels = json_obj(c, "Labels");
    ret->labels = labels ? cJSON_Duplicate(labels, true) : cJSON_CreateObject();
    return 0;
}

int engine_json_list(const char *text, size_t len, struct engine_item **ret, size_t *ret_count, struct err *err)
{
    AUTO(json) cJSON *v = NULL;
    if (parse(text, len, "its list of containers", &v, err) < 0)
        return -1;
    int count = cJSON_IsArray(v) ? cJSON_GetArraySize(v) : -1;
    if (count < 0 || count > ITEMS_MAX)
        return err_set(err, ERR_ENGINE, "the Docker Engine: its list of containers is not a list");
    struct engine_item *items = mem_alloc((size_t)count * sizeof *items);
    size_t n = 0;
    const cJSON *c;
    cJSON_ArrayForEach(c, v)
    {
        if (take_item(c, &items[n++], err) < 0) {
            engine_list_free(items, n);
            return -1;
        }
    }
    *ret = items;
    *ret_count = n;
    return 0;
}

int engine_json_wait(const char *text, size_t len, int *ret_code, struct err *err)
{
    AUTO(json) cJSON *v = NULL;
    if (parse_object(text, len, "a container's end", &v, err) < 0)
        return -1;
    const char *said = json_str(json_obj(v, "Error"), "Message", "");
    if (said[0])
        return err_set(err, ERR_ENGINE, "the Docker Engine cannot wait for a container: %.200s", said);
    int code = exit_code(v, "StatusCode");
    if (code < 0)
        return err_set(err, ERR_ENGINE, "the Docker Engine: a container's end has no exit code");
    *ret_code = code;
    return 0;
}

int engine_json_exec(const char *text, size_t len, bool *ret_running, int *ret_code, struct err *err)
{
    AUTO(json) cJSON *v = NULL;
    if (parse_object(text, len, "a command's state", &v, err) < 0)
        return -1;
    int code = exit_code(v, "ExitCode");
    /* Between the process' end and the Engine's knowing its code, ExitCode is null. */
    *ret_running = json_bool(v, "Running", true) || code < 0;
    *ret_code = code;
    return 0;
}

int engine_json_image(const char *text, size_t len, cJSON **ret, struct err *err)
{
    AUTO(json) cJSON *v = NULL;
    if (parse_object(text, len, "an image", &v, err) < 0)
        return -1;
    const char *id = json_str(v, "Id", NULL);
    if (!id)
        return err_set(err, ERR_ENGINE, "the Docker Engine: an image has no id");
    AUTO(json) cJSON *image = cJSON_CreateObject();
    json_put_str(image, "Id", id);
    json_put_int(image, "Size", json_int(v, "Size", 0));
    json_put_str(image, "Created", json_str(v, "Created", NULL));
    const cJSON *labels = json_obj(json_obj(v, "Config"), "Labels");
    cJSON_AddItemToObject(image, "labels", labels ? cJSON_Duplicate(labels, true) : cJSON_CreateObject());
    *ret = STEAL(image);
    return 0;
}

int engine_json_images(const char *text, size_t len, cJSON **ret, struct err *err)
{
    AUTO(json) cJSON *v = NULL;
    if (parse(text, len, "its list of images", &v, err) < 0)
        return -1;
    if (!cJSON_IsArray(v))
        return err_set(err, ERR_ENGINE, "the Docker Engine: its list of images is not a list");
    AUTO(json) cJSON *images = cJSON_CreateArray();
    const cJSON *i;
    cJSON_ArrayForEach(i, v)
    {
        const char *id = json_str(i, "Id", NULL);
        if (!id)
            continue;
        cJSON *image = cJSON_CreateObject();
        cJSON_AddItemToArray(images, image);
        json_put_str(image, "Id", id);
        const cJSON *tags = json_arr(i, "RepoTags");
        cJSON_AddItemToObject(image, "RepoTags", tags ? cJSON_Duplicate(tags, true) : cJSON_CreateArray());
        json_put_int(image, "Size", json_int(i, "Size", 0));
        json_put_int(image, "Created", json_int(i, "Created", 0));
        const cJSON *labels = json_obj(i, "Labels");
        cJSON_AddItemToObject(image, "Labels", labels ? cJSON_Duplicate(labels, true) : cJSON_CreateObject());
    }
    *ret = STEAL(images);
    return 0;
}

void engine_json_message(const char *text, size_t len, char ret_text[ENGINE_MESSAGE_SIZE])
{
    AUTO(json) cJSON *v = NULL;
    const char *said = NULL;
    if (json_parse(text, len, "a refusal", &v, NULL) == 0)
        said = json_str(v, "message", NULL);
    AUTO(char_p) char *plain = json_utf8(said ? said : text, said ? strlen(said) : strnlen(text, len));
    size_t n = strcspn(plain, "\r\n");
    snprintf(ret_text, ENGINE_MESSAGE_SIZE, "%.*s", n < ENGINE_MESSAGE_SIZE ? (int)n : ENGINE_MESSAGE_SIZE - 1, plain);
}

/* --- what we ask for --- */

static cJSON *strings(const char *const *list)
{
    cJSON *a = cJSON_CreateArray();
    for (; list && *list; list++)
        cJSON_AddItemToArray(a, cJSON_CreateString(*list));
    return a;
}

cJSON *engine_json_pairs(const char *const *list)
{
    cJSON *o = cJSON_CreateObject();
    for (; list && *list; list++) {
        const char *eq = strchr(*list, '=');
        AUTO(char_p) char *key = eq ? mem_strndup(*list, (size_t)(eq - *list)) : mem_strdup(*list);
        cJSON_DeleteItemFromObjectCaseSensitive(o, key);
        json_put_str(o, key, eq ? eq + 1 : "");
    }
    return o;
}

static void add_limit(cJSON *limits, const char *name, int64_t value)
{
    cJSON *u = cJSON_CreateObject();
    json_put_str(u, "Name", name);
    json_put_int(u, "Soft", value);
    json_put_int(u, "Hard", value);
    cJSON_AddItemToArray(limits, u);
}

static void add_mounts(cJSON *host, const struct engine_spec *spec)
{
    /* Not "Binds": there the Engine makes a folder where a source is missing. */
    cJSON *mounts = cJSON_AddArrayToObject(host, "Mounts");
    for (size_t i = 0; i < spec->mounts_count; i++) {
        const struct engine_mount *m = &spec->mounts[i];
        cJSON *o = cJSON_CreateObject();
        json_put_str(o, "Type", "bind");
        json_put_str(o, "Source", m->source);
        json_put_str(o, "Target", m->target);
        cJSON_AddBoolToObject(o, "ReadOnly", m->read_only);
        cJSON_AddItemToArray(mounts, o);
    }
    if (spec->tmpfs_bytes > 0) {
        /* exec is said because the Engine's default for a tmpfs is noexec, and build scripts run what they make */
        AUTO(char_p) char *how = mem_printf("rw,exec,nosuid,nodev,mode=1777,size=%lld", (long long)spec->tmpfs_bytes);
        json_put_str(cJSON_AddObjectToObject(host, "Tmpfs"), "/tmp", how);
    }
}

static cJSON *host_config(const struct engine_spec *spec)
{
    static const char *const all[] = {"ALL", NULL};
    static const char *const security[] = {"no-new-privileges", NULL};
    cJSON *host = cJSON_CreateObject();
    cJSON_AddBoolToObject(host, "ReadonlyRootfs", true);
    cJSON_AddItemToObject(host, "CapDrop", strings(all));
    cJSON_AddItemToObject(host, "SecurityOpt", strings(security));
    cJSON_AddBoolToObject(host, "Privileged", false);
    cJSON_AddBoolToObject(host, "Init", true);
    json_put_str(host, "IpcMode", "private");
    json_put_str(host, "NetworkMode", spec->network ? "default" : "none");
    json_put_str(cJSON_AddObjectToObject(host, "LogConfig"), "Type", "none");
    json_put_str(cJSON_AddObjectToObject(host, "RestartPolicy"), "Name", "no");
    cJSON_AddBoolToObject(host, "AutoRemove", false);
    json_put_int(host, "OomScoreAdj", 500); /* when the host runs out, builds go before the daemon */
    if (spec->cgroup_parent)
        json_put_str(host, "CgroupParent", spec->cgroup_parent);
    if (spec->memory_bytes > 0) {
        json_put_int(host, "Memory", spec->memory_bytes);
        json_put_int(host, "MemorySwap", spec->memory_bytes);
    }
    if (spec->pids > 0)
        json_put_int(host, "PidsLimit", spec->pids);
    if (spec->nano_cpus > 0)
        json_put_int(host, "NanoCpus", spec->nano_cpus);
    cJSON *limits = cJSON_AddArrayToObject(host, "Ulimits");
    add_limit(limits, "core", 0);
    if (spec->files > 0)
        add_limit(limits, "nofile", spec->files);
    add_mounts(host, spec);
    return host;
}

cJSON *engine_json_create(const struct engine_spec *spec)
{
    static const char *const no_check[] = {"NONE", NULL};
    cJSON *c = cJSON_CreateObject();
    json_put_str(c, "Image", spec->image);
    json_put_str(c, "Hostname", "bloomery"); /* not the container's id: it would get into what is built */
    json_put_str(c, "User", spec->user ? spec->user : "");
    if (spec->workdir)
        json_put_str(c, "WorkingDir", spec->workdir);
    cJSON_AddItemToObject(c, "Entrypoint", strings(NULL));
    cJSON_AddItemToObject(c, "Cmd", strings(spec->command));
    cJSON_AddItemToObject(c, "Env", strings(spec->env));
    cJSON_AddItemToObject(c, "Labels", engine_json_pairs(spec->labels));
    cJSON_AddItemToObject(cJSON_AddObjectToObject(c, "Healthcheck"), "Test", strings(no_check));
    cJSON_AddBoolToObject(c, "NetworkDisabled", !spec->network);
    cJSON_AddBoolToObject(c, "AttachStdin", false);
    cJSON_AddBoolToObject(c, "AttachStdout", true);
    cJSON_AddBoolToObject(c, "AttachStderr", true);
    cJSON_AddBoolToObject(c, "OpenStdin", false);
    cJSON_AddBoolToObject(c, "Tty", false);
    cJSON_AddItemToObject(c, "HostConfig", host_config(spec));
    return c;
}

cJSON *engine_json_exec_create(const char *const *command, const char *const *env, const char *user,
                               const char *workdir)
{
    cJSON *x = cJSON_CreateObject();
    cJSON_AddBoolToObject(x, "AttachStdin", false);
    cJSON_AddBoolToObject(x, "AttachStdout", true);
    cJSON_AddBoolToObject(x, "AttachStderr", true);
    cJSON_AddBoolToObject(x, "Tty", false);
    cJSON_AddItemToObject(x, "Cmd", strings(command));
    cJSON_AddItemToObject(x, "Env", strings(env));
    if (user)
        json_put_str(x, "User", user);
    if (workdir)
        json_put_str(x, "WorkingDir", workdir);
    return x;
}

char *engine_json_label_filter(const char *label)
{
    const char *const one[] = {label, NULL};
    AUTO(json) cJSON *filter = cJSON_CreateObject();
    cJSON_AddItemToObject(filter, "label", strings(one));
    AUTO(char_p) char *text = json_text(filter);
    return http_escape(text);
}

/* --- answers of a build and an import --- */

static void tell(struct engine_lines *l, const char *data, size_t len)
{
    AUTO(char_p) char *line = json_utf8(data, len);
    if (l->progress && line[0])
        l->progress(line);
}

/* The build's own output comes in pieces that need not end where lines do. */
static void take_output(struct engine_lines *l, const char *s)
{
    while (*s) {
        size_t n = strcspn(s, "\r\n");
        size_t room = PROGRESS_MAX - l->text.len;
        buf_put(&l->text, s, n < room ? n : room);
        s += n;
        if (*s) {
            tell(l, l->text.p, l->text.len);
            buf_clear(&l->text);
            s++;
        }
    }
}

static int take_line(struct engine_lines *l, const char *text, size_t len, struct err *err)
{
    size_t blank = strspn(text, " \t\r\n");
    if (blank >= len)
        return 0;
    AUTO(json) cJSON *v = NULL;
    if (parse_object(text, len, "a line of progress", &v, err) < 0)
        return -1;
    const char *wrong = json_str(json_obj(v, "errorDetail"), "message", json_str(v, "error", NULL));
    if (wrong)
        return err_set(err, ERR_ENGINE, "%.240s", wrong);
    const char *out = json_str(v, "stream", NULL);
    const char *status = json_str(v, "status", NULL);
    if (out) {
        take_output(l, out);
    } else if (status && !json_str(v, "progress", NULL)) { /* bars are for terminals */
        const char *id = json_str(v, "id", "");
        AUTO(char_p) char *line = mem_printf("%s%s%s", id, id[0] ? ": " : "", status);
        tell(l, line, strlen(line));
    }
    return 0;
}

int engine_lines_feed(struct engine_lines *l, const char *data, size_t len, struct err *err)
{
    while (len > 0) {
        const char *eol = memchr(data, '\n', len);
        size_t n = eol ? (size_t)(eol - data) + 1 : len;
        if (l->raw.len + n > LINE_MAX_BYTES)
            return err_set(err, ERR_ENGINE, "the Docker Engine: a line of progress is too long");
        buf_put(&l->raw, data, n);
        data += n;
        len -= n;
        if (!eol)
            return 0;
        int r = take_line(l, l->raw.p, l->raw.len, err);
        buf_clear(&l->raw);
        if (r < 0)
            return r;
    }
    return 0;
}

int engine_lines_end(struct engine_lines *l, struct err *err)
{
    int r = l->raw.len > 0 ? take_line(l, l->raw.p, l->raw.len, err) : 0;
    if (l->text.len > 0)
        tell(l, l->text.p, l->text.len);
    buf_clear(&l->raw);
    buf_clear(&l->text);
    return r;
}

void engine_lines_free(struct engine_lines *l)
{
    buf_free(&l->raw);
    buf_free(&l->text);
}
