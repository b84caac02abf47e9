/* provenance.c - see provenance.h. */
#include "workers/provenance.h"

#include "base/http.h"
#include "base/version.h"
#include "workers/sbom.h"

#include <string.h>

/* --- ResourceDescriptors --- */

/* sha256: NULL or "" where there is none. */
static cJSON *resource(const char *name, const char *uri, const char *sha256)
{
    cJSON *o = cJSON_CreateObject();

    json_put_str(o, "name", name);
    if (uri)
        json_put_str(o, "uri", uri);
    if (sha256 && sha256[0])
        json_put_str(cJSON_AddObjectToObject(o, "digest"), "sha256", sha256);
    return o;
}

static void annotate(cJSON *resource, const char *key, const char *value)
{
    cJSON *all = cJSON_GetObjectItemCaseSensitive(resource, "annotations");

    if (value && value[0])
        json_put_str(all ? all : cJSON_AddObjectToObject(resource, "annotations"), key, value);
}

/* --- buildDefinition --- */

static void put_external(cJSON *definition, const struct job *job)
{
    cJSON *o = cJSON_AddObjectToObject(definition, "externalParameters");

    json_put_str(o, "profile", job->profile);
    cJSON_AddItemToObject(o, "options", job->options ? cJSON_Duplicate(job->options, true) : cJSON_CreateObject());
    cJSON_AddItemToObject(o, "source", resource("source", NULL, job->source_sha256));
}

static cJSON *words(char *const *argv)
{
    cJSON *list = cJSON_CreateArray();

    for (; argv && *argv; argv++) {
        AUTO(char_p) char *clean = json_utf8(*argv, strlen(*argv));
        cJSON_AddItemToArray(list, cJSON_CreateString(clean));
    }
    return list;
}

/* What the server made of it. */
static void put_internal(cJSON *definition, const struct attempt *a)
{
    cJSON *o = cJSON_AddObjectToObject(definition, "internalParameters");

    cJSON *crate = cJSON_AddObjectToObject(o, "crate");
    json_put_str(crate, "name", a->plan.crate_name);
    json_put_str(crate, "version", a->plan.crate_version);
    json_put_str(o, "target", a->profile->target);
    json_put_str(o, "lock", a->lock);
    cJSON *commands = cJSON_AddArrayToObject(o, "commands");
    cJSON_AddItemToArray(commands, words(a->plan.cargo));
    for (size_t i = 0; i < a->plan.further_count; i++)
        cJSON_AddItemToArray(commands, words(a->plan.further[i].cargo));
}

static void put_toolchain(cJSON *list, const struct attempt *a)
{
    AUTO(char_p) char *name = http_escape(a->profile->toolchain);
    AUTO(char_p) char *uri = mem_printf("pkg:generic/rust@%s", name);
    cJSON *o = resource("toolchain", uri, NULL);

    annotate(o, "rustc", a->image.rustc);
    annotate(o, "origin", a->image.origin);
    annotate(o, "pinned", a->image.pinned);
    cJSON_AddItemToArray(list, o);
}

/* The lock that was used: as it came, or as the server resolved it, which is an artifact then. */
static void put_lock(cJSON *list, const struct attempt *a)
{
    const char *sha256 = strcmp(a->lock, "uploaded") == 0 ? a->lock_hash : NULL;

    for (size_t i = 0; i < a->result.artifacts_count; i++)
        if (strcmp(a->result.artifacts[i].kind, "lock") == 0)
            sha256 = a->result.artifacts[i].sha256;
    if (sha256)
        cJSON_AddItemToArray(list, resource("Cargo.lock", NULL, sha256));
}

/* What came in the tarball is named by the tarball; the rest by the lock's checksums. */
static void put_packages(cJSON *list, const cJSON *packages)
{
    bool resolved = json_bool(packages, "resolved", false);
    const cJSON *p;

    cJSON_ArrayForEach(p, json_arr(packages, "packages"))
    {
        if (!json_str(p, "source", NULL) || (resolved && !json_str(p, "for", NULL)))
            continue;
        AUTO(char_p) char *purl = sbom_purl(p);
        cJSON_AddItemToArray(list, resource(json_str(p, "name", ""), purl, json_str(p, "checksum", NULL)));
    }
}

static void put_resolved(cJSON *definition, const struct attempt *a)
{
    cJSON *list = cJSON_AddArrayToObject(definition, "resolvedDependencies");
    const char *image = a->image.id, *colon = strchr(image, ':');
    AUTO(char_p) char *profile = mem_printf("profile/%s", a->profile->name);

    cJSON_AddItemToArray(list, resource("source", NULL, a->job->source_sha256));
    cJSON_AddItemToArray(list, resource(profile, NULL, a->image.digest));
    if (a->profile->json_sha256[0])
        cJSON_AddItemToArray(list, resource("profile.json", NULL, a->profile->json_sha256));
    cJSON_AddItemToArray(list, resource("image", NULL, colon ? colon + 1 : image));
    put_toolchain(list, a);
    if (a->has_kit) {
        AUTO(char_p) char *name = mem_printf("kit/%s", a->kit.name);
        cJSON *kit = resource(name, NULL, a->kit.sha256);
        annotate(kit, "version", a->kit.version);
        cJSON_AddItemToArray(list, kit);
    }
    put_lock(list, a);
    put_packages(list, a->packages);
}

/* --- runDetails --- */

static void put_run(cJSON *predicate, const struct attempt *a, int64_t finished_at)
{
    cJSON *run = cJSON_AddObjectToObject(predicate, "runDetails");
    cJSON *builder = cJSON_AddObjectToObject(run, "builder"), *metadata = cJSON_AddObjectToObject(run, "metadata");
    AUTO(char_p) char *invocation = mem_printf("%s/%d", a->job->id, a->job->attempt);

    json_put_str(builder, "id", a->cfg->builder_id);
    json_put_str(cJSON_AddObjectToObject(builder, "version"), "bloomeryd", BLOOMERY_VERSION);
    json_put_str(metadata, "invocationId", invocation);
    json_put_time(metadata, "startedOn", a->job->started_at);
    json_put_time(metadata, "finishedOn", finished_at);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(run, "byproducts"), resource("sbom", NULL, a->result.sbom.sha256));
}

cJSON *provenance_make(const struct attempt *a, int64_t finished_at)
{
    cJSON *o = cJSON_CreateObject();

    json_put_str(o, "_type", PROVENANCE_STATEMENT);
    cJSON *subject = cJSON_AddArrayToObject(o, "subject");
    for (size_t i = 0; i < a->result.artifacts_count; i++)
        cJSON_AddItemToArray(subject, resource(a->result.artifacts[i].name, NULL, a->result.artifacts[i].sha256));
    json_put_str(o, "predicateType", PROVENANCE_PREDICATE);
    cJSON *predicate = cJSON_AddObjectToObject(o, "predicate");
    cJSON *definition = cJSON_AddObjectToObject(predicate, "buildDefinition");
    json_put_str(definition, "buildType", PROVENANCE_BUILD_TYPE);
    put_external(definition, a->job);
    put_internal(definition, a);
    put_resolved(definition, a);
    put_run(predicate, a, finished_at);
    return o;
}
