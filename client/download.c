/* download.c - see download.h. */
#include "client/download.h"

#include "base/fs.h"
#include "base/hash.h"
#include "client/api.h"
#include "client/note.h"
#include "client/show.h"
#include "client/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A server must not choose where its bytes go. */
static bool safe_name(const char *name)
{
    return name[0] && name[0] != '.' && strlen(name) <= 255 && !strpbrk(name, "/\n\r\t\033");
}

static int receive(struct http *h, const char *path, int fd, const char *name, const cJSON *artifact, struct err *err)
{
    const struct api_call call = {.method = "GET", .path = path, .answer_fd = fd};
    char hex[SHA256_HEX_SIZE], magic[4] = "";
    cJSON *none = NULL;

    if (api_call(h, &call, &none, err) < 0)
        return err_wrap(err, "%s", name);
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "%s", name);
    if (hash_fd(fd, hex, err) < 0)
        return -1;
    if (strcmp(hex, json_str(artifact, "sha256", "")) != 0) {
        err_set(err, ERR_UNAVAILABLE, "%s arrived damaged: its sha256 is %s", name, hex);
        return err_hint(err, "try again: bloomery get");
    }
    bool program = pread(fd, magic, 4, 0) == 4 && memcmp(magic, "\177ELF", 4) == 0;
    mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd, (program ? 0777 : 0666) & ~mask) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot set the mode of %s", name);
    return 0;
}

/* path: on the server. item: an artifact or a document; it gets "file". */
static int download_one(struct http *h, const char *path, const char *name, cJSON *item, const char *folder,
                        struct err *err)
{
    if (!safe_name(name))
        return err_set(err, ERR_UNAVAILABLE, "the server names an artifact '%.60s', which is no name for a file", name);
    AUTO(char_p) char *file = mem_printf("%s/%s", folder, name);
    AUTO(char_p) char *temp = mem_printf("%s/.bloomery.XXXXXX", folder);
    AUTO(fd) int fd = mkostemp(temp, O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, ERR_BAD_REQUEST, errno, "cannot write into %s", folder);
    int rc = receive(h, path, fd, name, item, err);
    if (rc == 0 && rename(temp, file) < 0)
        rc = err_sys(err, ERR_BAD_REQUEST, errno, "cannot write %s", file);
    if (rc < 0)
        unlink(temp);
    else
        json_put_str(item, "file", file);
    return rc;
}

static int download_artifact(struct http *h, const char *job_path, cJSON *artifact, const char *folder, struct err *err)
{
    const char *name = json_str(artifact, "name", "");
    AUTO(char_p) char *escaped = http_escape(name);
    AUTO(char_p) char *path = mem_printf("%s/artifacts/%s", job_path, escaped);

    return download_one(h, path, name, artifact, folder, err);
}

/* --- what the server says of the job, for bloomery verify --- */

static const struct {
    const char *key, *suffix;
} documents[] = {{"provenance", VERIFY_ATTESTATION}, {"sbom", VERIFY_BILL_OF_MATERIALS}};

/* Its keys, too: to check with later, where the server is not. */
static int download_keys(struct http *h, const char *folder, struct err *err)
{
    AUTO(json) cJSON *keys = NULL;
    AUTO(char_p) char *path = mem_printf("%s/" VERIFY_KEYS, folder);

    if (api_get(h, "/v1/keys", &keys, err) < 0)
        return -1;
    AUTO(char_p) char *text = json_text(keys);
    return fs_write(path, text, strlen(text), 0644, err);
}

/* Named after the first artifact, which is the primary one. */
static int download_documents(struct http *h, const char *job_path, cJSON *job, const char *folder, bool quiet,
                              struct err *err)
{
    const char *primary = json_str(cJSON_GetArrayItem(json_arr(job, "artifacts"), 0), "name", "");

    for (size_t i = 0; i < COUNT(documents); i++) {
        cJSON *d = cJSON_GetObjectItemCaseSensitive(job, documents[i].key);
        AUTO(char_p) char *name = mem_printf("%s%s", primary, documents[i].suffix);
        AUTO(char_p) char *path = mem_printf("%s/%s", job_path, documents[i].key);
        if (cJSON_IsObject(d) && download_one(h, path, name, d, folder, err) < 0)
            return -1;
    }
    if (!json_obj(job, "provenance"))
        return 0;
    if (!quiet)
        note_line("its attestation is beside it; to check it: bloomery verify %s/%s", folder, primary);
    return download_keys(h, folder, err);
}

static bool wanted(const char *name, const char *const *names)
{
    if (!names || !names[0])
        return true;
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static int check_names(const cJSON *list, const char *const *names, struct err *err)
{
    for (; names && *names; names++) {
        const cJSON *a;
        bool found = false;
        cJSON_ArrayForEach(a, list) found = found || strcmp(json_str(a, "name", ""), *names) == 0;
        if (!found)
            return err_set(err, ERR_NOT_FOUND, "the job has no artifact '%s'", *names);
    }
    return 0;
}

int download_all(struct http *h, cJSON *job, const char *folder, const char *const *names, bool quiet, struct err *err)
{
    AUTO(char_p) char *id = mem_strdup(json_str(job, "id", ""));
    AUTO(char_p) char *escaped = http_escape(id);
    AUTO(char_p) char *job_path = mem_printf("/v1/jobs/%s", escaped);
    AUTO(char_p) char *path = mem_printf("%s/artifacts", job_path);
    AUTO(json) cJSON *answer = NULL;

    if (api_get(h, path, &answer, err) < 0)
        return -1;
    cJSON *list = cJSON_DetachItemFromObjectCaseSensitive(answer, "artifacts"), *a;
    if (!cJSON_IsArray(list)) {
        cJSON_Delete(list);
        return err_set(err, ERR_UNAVAILABLE, "the server's answer has no artifacts");
    }
    cJSON_DeleteItemFromObjectCaseSensitive(job, "artifacts");
    cJSON_AddItemToObject(job, "artifacts", list);
    if (cJSON_GetArraySize(list) == 0)
        return err_set(err, ERR_NOT_FOUND, "job %s has no artifacts (it is %s)", id, json_str(job, "state", "?"));
    if (check_names(list, names, err) < 0 || fs_mkdirs(folder, 0777, err) < 0)
        return -1;
    cJSON_ArrayForEach(a, list)
    {
        if (!wanted(json_str(a, "name", ""), names))
            continue;
        if (download_artifact(h, job_path, a, folder, err) < 0)
            return -1;
        if (!quiet)
            show_artifact(a, json_str(a, "file", NULL));
        fflush(stdout); /* before what is said next on standard error */
    }
    return names && names[0] ? 0 : download_documents(h, job_path, job, folder, quiet, err);
}
