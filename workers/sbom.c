/* sbom.c - see sbom.h. */
#include "workers/sbom.h"

#include "base/http.h"
#include "base/version.h"

#include <string.h>

#define CRATES_IO "registry+https://github.com/rust-lang/crates.io-index"

/* --- one package --- */

char *sbom_purl(const cJSON *package)
{
    const char *source = json_str(package, "source", CRATES_IO);
    AUTO(char_p) char *name = http_escape(json_str(package, "name", ""));
    AUTO(char_p) char *version = http_escape(json_str(package, "version", ""));
    const char *plus = strchr(source, '+');
    AUTO(char_p) char *where = http_escape(strncmp(source, "git+", 4) == 0 || !plus ? source : plus + 1);

    if (strcmp(source, CRATES_IO) == 0)
        return mem_printf("pkg:cargo/%s@%s", name, version);
    return mem_printf("pkg:cargo/%s@%s?%s=%s", name, version,
                      strncmp(source, "git+", 4) == 0 ? "vcs_url" : "repository_url", where);
}

/* What a package is called within the document. Of a path there may be one with the name of a published one. */
static char *ref_of(const cJSON *package)
{
    if (json_str(package, "source", NULL))
        return sbom_purl(package);
    return mem_printf("path:%s@%s", json_str(package, "name", ""), json_str(package, "version", ""));
}

static bool is_expression(const char *s)
{
    size_t words = 0, depth = 0;
    bool operand = false; /* was the last word one? */

    for (; *s; s += strspn(s, " ")) {
        if (*s == '(' || *s == ')') {
            if (operand != (*s == ')') || (*s == ')' && depth == 0))
                return false;
            depth += *s == '(' ? 1 : (size_t)-1;
            s++;
            continue;
        }
        size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-+:");
        bool joins = (n == 3 && memcmp(s, "AND", 3) == 0) || (n == 2 && memcmp(s, "OR", 2) == 0) ||
                     (n == 4 && memcmp(s, "WITH", 4) == 0);
        if (n == 0 || joins != operand)
            return false;
        operand = !joins;
        words++;
        s += n;
    }
    return words > 0 && operand && depth == 0;
}

/* Cargo.toml's `license` is an SPDX expression; older ones have a slash for OR, and some are anything. */
static void put_license(cJSON *component, const char *license)
{
    AUTO(buf) struct buf text = {0};

    for (const char *s = license; s && *s;) {
        size_t n = strcspn(s, "/ ");
        buf_put(&text, s, n);
        s += n;
        n = strspn(s, "/ ");
        if (n > 0)
            buf_puts(&text, memchr(s, '/', n) ? " OR " : " ");
        s += n;
    }
    if (text.len == 0)
        return;
    cJSON *one = cJSON_CreateObject();
    if (is_expression(text.p))
        json_put_str(one, "expression", text.p);
    else
        json_put_str(cJSON_AddObjectToObject(one, "license"), "name", license);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(component, "licenses"), one);
}

static void put_property(cJSON *list, const char *name, const char *value)
{
    cJSON *p = cJSON_CreateObject();

    json_put_str(p, "name", name);
    json_put_str(p, "value", value);
    cJSON_AddItemToArray(list, p);
}

static cJSON *component(const cJSON *package, const char *type)
{
    const char *checksum = json_str(package, "checksum", NULL);
    AUTO(char_p) char *ref = ref_of(package), *purl = sbom_purl(package);
    cJSON *c = cJSON_CreateObject();

    json_put_str(c, "type", type);
    json_put_str(c, "bom-ref", ref);
    json_put_str(c, "name", json_str(package, "name", ""));
    json_put_str(c, "version", json_str(package, "version", ""));
    if (checksum) {
        cJSON *hash = cJSON_CreateObject();
        json_put_str(hash, "alg", "SHA-256");
        json_put_str(hash, "content", checksum);
        cJSON_AddItemToArray(cJSON_AddArrayToObject(c, "hashes"), hash);
    }
    put_license(c, json_str(package, "license", NULL));
    json_put_str(c, "purl", purl);
    return c;
}

/* --- the document --- */

/* Is it in this build? Where nobody resolved them all of the lock's are listed, and the document says that it is not known. */
static bool used(const cJSON *packages, const cJSON *package)
{
    return !json_bool(packages, "resolved", false) || json_str(package, "for", NULL);
}

static void put_components(cJSON *into, const cJSON *packages, const cJSON *root)
{
    const cJSON *p;

    cJSON_ArrayForEach(p, json_arr(packages, "packages"))
    {
        const char *where = json_str(p, "for", NULL);
        if (p == root || !used(packages, p))
            continue;
        cJSON *c = component(p, "library");
        if (where)
            json_put_str(c, "scope", strcmp(where, "target") == 0 ? "required" : "excluded");
        if (!json_str(p, "source", NULL))
            put_property(cJSON_AddArrayToObject(c, "properties"), "bloomery:source", "tarball");
        cJSON_AddItemToArray(into, c);
    }
}

static void put_dependencies(cJSON *into, const cJSON *packages)
{
    const cJSON *list = json_arr(packages, "packages"), *p, *i;
    int count = cJSON_GetArraySize(list), n = 0;
    char **refs = mem_alloc((size_t)count * sizeof *refs);

    cJSON_ArrayForEach(p, list) refs[n++] = ref_of(p);
    n = 0;
    cJSON_ArrayForEach(p, list)
    {
        const char *ref = refs[n++];
        if (!used(packages, p))
            continue;
        cJSON *one = cJSON_CreateObject();
        json_put_str(one, "ref", ref);
        cJSON *on = cJSON_AddArrayToObject(one, "dependsOn");
        cJSON_ArrayForEach(i, json_arr(p, "dependencies"))
        {
            int k = cJSON_IsNumber(i) ? i->valueint : -1;
            if (k >= 0 && k < count)
                cJSON_AddItemToArray(on, cJSON_CreateString(refs[k]));
        }
        cJSON_AddItemToArray(into, one);
    }
    for (n = 0; n < count; n++)
        mem_free(refs[n]);
    mem_free(refs);
}

static cJSON *tool(const char *name, const char *version)
{
    cJSON *t = cJSON_CreateObject();

    json_put_str(t, "type", "application");
    json_put_str(t, "name", name);
    json_put_str(t, "version", version);
    return t;
}

/* The crate itself, as cargo knows it or, where cargo could not say more, by its name. */
static cJSON *subject(const struct attempt *a, const cJSON *root)
{
    AUTO(json) cJSON *named = cJSON_CreateObject();

    json_put_str(named, "name", a->plan.crate_name);
    json_put_str(named, "version", a->plan.crate_version);
    return component(root ? root : named,
                     a->plan.outputs_count > 0 && a->plan.outputs[0].is_bin ? "application" : "library");
}

static void put_metadata(cJSON *into, const struct attempt *a, const cJSON *root)
{
    cJSON *m = cJSON_AddObjectToObject(into, "metadata"), *phase = cJSON_CreateObject();

    json_put_str(phase, "phase", "build");
    cJSON_AddItemToArray(cJSON_AddArrayToObject(m, "lifecycles"), phase);
    cJSON *tools = cJSON_AddArrayToObject(cJSON_AddObjectToObject(m, "tools"), "components");
    cJSON_AddItemToArray(tools, tool("bloomery", BLOOMERY_VERSION));
    cJSON_AddItemToArray(tools, tool("rustc", a->image.rustc));
    cJSON_AddItemToObject(m, "component", subject(a, root));
    cJSON *properties = cJSON_AddArrayToObject(m, "properties");
    put_property(properties, "bloomery:profile", a->profile->name);
    put_property(properties, "bloomery:target", a->profile->target);
    put_property(properties, "bloomery:lock", a->lock);
}

/* How much of the truth it is: all, or nobody knows. */
static void put_composition(cJSON *into, const cJSON *packages, const cJSON *component)
{
    bool whole = json_bool(packages, "resolved", false) && !json_bool(packages, "truncated", true);
    cJSON *one = cJSON_CreateObject();

    json_put_str(one, "aggregate", whole ? "complete" : "unknown");
    cJSON_AddItemToArray(cJSON_AddArrayToObject(one, "dependencies"),
                         cJSON_CreateString(json_str(component, "bom-ref", "")));
    cJSON_AddItemToArray(cJSON_AddArrayToObject(into, "compositions"), one);
}

/* A version 8 UUID (RFC 9562) of what the document says. */
static void put_serial(cJSON *into)
{
    AUTO(char_p) char *text = json_text(into);
    char hex[SHA256_HEX_SIZE];

    hash_bytes(text, strlen(text), hex);
    AUTO(char_p)
    char *urn = mem_printf("urn:uuid:%.8s-%.4s-8%.3s-%c%.3s-%.12s", hex, hex + 8, hex + 13, "89ab"[hex[16] & 3],
                           hex + 17, hex + 20);
    json_put_str(into, "serialNumber", urn);
}

char *sbom_make(const struct attempt *a)
{
    AUTO(json) cJSON *o = cJSON_CreateObject();
    int64_t at = json_int(a->packages, "root", -1);
    const cJSON *root = at >= 0 ? cJSON_GetArrayItem(json_arr(a->packages, "packages"), (int)at) : NULL;

    json_put_str(o, "$schema", "http://cyclonedx.org/schema/bom-" SBOM_SPEC ".schema.json");
    json_put_str(o, "bomFormat", "CycloneDX");
    json_put_str(o, "specVersion", SBOM_SPEC);
    json_put_int(o, "version", 1);
    put_metadata(o, a, root);
    put_components(cJSON_AddArrayToObject(o, "components"), a->packages, root);
    if (json_bool(a->packages, "resolved", false))
        put_dependencies(cJSON_AddArrayToObject(o, "dependencies"), a->packages);
    put_composition(o, a->packages, json_obj(json_obj(o, "metadata"), "component"));
    put_serial(o);
    AUTO(char_p) char *text = json_text(o);
    return mem_printf("%s\n", text);
}
