/* statement.c - see statement.h. */
#include "client/statement.h"

#include "base/buf.h"

#include <string.h>

static const cJSON *definition(const cJSON *statement)
{
    return json_obj(json_obj(statement, "predicate"), "buildDefinition");
}

static const cJSON *run(const cJSON *statement)
{
    return json_obj(json_obj(statement, "predicate"), "runDetails");
}

static const char *sha256_of(const cJSON *resource)
{
    return json_str(json_obj(resource, "digest"), "sha256", NULL);
}

int statement_parse(const char *text, size_t len, cJSON **ret, struct err *err)
{
    AUTO(json) cJSON *o = NULL;
    const cJSON *subject;

    if (json_parse(text, len, "the statement", &o, err) < 0)
        return -1;
    const char *type = json_str(o, "_type", ""), *predicate = json_str(o, "predicateType", "");
    if (strcmp(type, "https://in-toto.io/Statement/v1") != 0)
        return err_set(err, ERR_BAD_REQUEST, "what was signed is no in-toto statement v1 (its _type is '%.80s')", type);
    if (strcmp(predicate, "https://slsa.dev/provenance/v1") != 0)
        return err_set(err, ERR_BAD_REQUEST, "the statement is '%.80s', not SLSA provenance v1", predicate);
    if (!definition(o) || !run(o) || cJSON_GetArraySize(json_arr(o, "subject")) == 0)
        return err_set(err, ERR_BAD_REQUEST, "the statement lacks subject, buildDefinition or runDetails");
    cJSON_ArrayForEach(subject, json_arr(o, "subject"))
    {
        if (!json_str(subject, "name", NULL) || !sha256_of(subject))
            return err_set(err, ERR_BAD_REQUEST, "the statement has a subject without name or sha256");
    }
    *ret = STEAL(o);
    return 0;
}

static const char *find(const cJSON *list, const char *sha256)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, list)
    {
        const char *is = sha256_of(item);
        if (is && strcmp(is, sha256) == 0)
            return json_str(item, "name", "?");
    }
    return NULL;
}

const char *statement_subject(const cJSON *statement, const char *sha256)
{
    return find(json_arr(statement, "subject"), sha256);
}

const char *statement_byproduct(const cJSON *statement, const char *sha256)
{
    return find(json_arr(run(statement), "byproducts"), sha256);
}

/* --- in sentences --- */

const char *statement_word(const char *s)
{
    if (!s)
        return "(it does not say)";
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return "(it has control characters)";
    return s;
}

static const char *word(const cJSON *o, const char *key)
{
    return statement_word(json_str(o, key, NULL));
}

/* The dependency of that name; NULL: none. */
static const cJSON *dependency(const cJSON *statement, const char *name)
{
    const cJSON *d;

    cJSON_ArrayForEach(d, json_arr(definition(statement), "resolvedDependencies"))
    {
        if (strcmp(json_str(d, "name", ""), name) == 0)
            return d;
    }
    return NULL;
}

static void tell_source(struct buf *b, const cJSON *statement)
{
    const cJSON *external = json_obj(definition(statement), "externalParameters");
    const cJSON *internal = json_obj(definition(statement), "internalParameters");
    const char *source = sha256_of(json_obj(external, "source"));
    const cJSON *options = json_obj(external, "options"), *crate = json_obj(internal, "crate");
    AUTO(char_p) char *given = options && options->child ? json_text(options) : mem_strdup("none");

    buf_printf(b, "It was built from the source tarball with sha256 %s (crate %s %s),\n", statement_word(source),
               word(crate, "name"), word(crate, "version"));
    buf_printf(b, "  for profile %s (%s); options: %s.\n", word(external, "profile"), word(internal, "target"), given);
}

static void tell_toolchain(struct buf *b, const cJSON *statement)
{
    const cJSON *notes = json_obj(dependency(statement, "toolchain"), "annotations");
    const char *image = sha256_of(dependency(statement, "image")),
               *lock = sha256_of(dependency(statement, "Cargo.lock"));
    const cJSON *d;
    int packages = 0;

    buf_printf(b, "The compiler was %s (origin %s), in the container image sha256:%s.\n", word(notes, "rustc"),
               word(notes, "origin"), statement_word(image));
    cJSON_ArrayForEach(d, json_arr(definition(statement), "resolvedDependencies"))
    {
        packages += strncmp(json_str(d, "uri", ""), "pkg:cargo/", 10) == 0;
    }
    if (lock)
        buf_printf(b, "Its Cargo.lock has sha256 %s; of other crates it used %d.\n", statement_word(lock), packages);
}

static void tell_run(struct buf *b, const cJSON *statement)
{
    const cJSON *metadata = json_obj(run(statement), "metadata"), *builder = json_obj(run(statement), "builder");

    buf_printf(b, "Builder %s (bloomeryd %s) made it from %s to %s, as job %s.\n", word(builder, "id"),
               word(json_obj(builder, "version"), "bloomeryd"), word(metadata, "startedOn"),
               word(metadata, "finishedOn"), word(metadata, "invocationId"));
}

char *statement_tell(const cJSON *statement)
{
    struct buf b = {0};

    tell_source(&b, statement);
    tell_toolchain(&b, statement);
    tell_run(&b, statement);
    return buf_steal(&b);
}
