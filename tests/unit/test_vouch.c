/* test_vouch.c - see workers/sbom.h, provenance.h and vouch.h: of an attempt that is written down here. */
#include "base/dsse.h"
#include "base/fs.h"
#include "tests/unit/profile_kit.h"
#include "workers/keys.h"
#include "workers/paths.h"
#include "workers/provenance.h"
#include "workers/sbom.h"
#include "workers/vouch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEX(digit) digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit
#define SUM_A HEX("a11a")
#define SUM_B HEX("b22b")
#define LOCK HEX("10c4")
#define SOURCE HEX("5003")
#define CRATES_IO "\"registry+https://github.com/rust-lang/crates.io-index\""

/* smelt uses ore and, through a path, slag; gauge is for its build script; flux stands in the lock only. */
static const char packages[] =
    "{\"root\":4,\"resolved\":true,\"truncated\":false,\"packages\":["
    "{\"name\":\"flux\",\"version\":\"1.0.0\",\"source\":" CRATES_IO ",\"checksum\":\"" SUM_A "\",\"license\":\"MIT\","
    "\"for\":null,\"features\":[],\"dependencies\":[]},"
    "{\"name\":\"gauge\",\"version\":\"0.2.0+x\",\"source\":" CRATES_IO ",\"checksum\":\"" SUM_A "\","
    "\"license\":\"MIT/Apache-2.0\",\"for\":\"host\",\"features\":[],\"dependencies\":[]},"
    "{\"name\":\"ore\",\"version\":\"2.1.0\",\"source\":" CRATES_IO ",\"checksum\":\"" SUM_B "\","
    "\"license\":\"Apache-2.0 WITH LLVM-exception\",\"for\":\"target\",\"features\":[\"std\"],\"dependencies\":[3]},"
    "{\"name\":\"slag\",\"version\":\"0.1.0\",\"source\":null,\"checksum\":null,\"license\":\"ask me\","
    "\"for\":\"target\",\"features\":[],\"dependencies\":[]},"
    "{\"name\":\"smelt\",\"version\":\"1.0.0\",\"source\":null,\"checksum\":null,\"license\":null,"
    "\"for\":\"target\",\"features\":[],\"dependencies\":[1,2,3,99,-1,\"x\"]}]}";

struct here {
    struct attempt a;
    struct job job;
    struct pool_config cfg;
    struct plan_output output;
    struct artifact artifacts[2];
    char state_dir[64];
};

static struct here *make(void **profiles)
{
    static char name[] = "smelt", version[] = "1.0.0", cargo[] = "cargo", build[] = "build";
    static char *argv[] = {cargo, build, NULL};
    struct here *h = mem_alloc(sizeof *h);

    h->job = (struct job){.id = "01ARZ3NDEKTSV4RRFFQ69G5FAV",
                          .attempt = 2,
                          .profile = (char *)"wasi",
                          .options = cJSON_Parse("{\"debug\":true}"),
                          .source_sha256 = SOURCE,
                          .started_at = 1000};
    h->cfg = (struct pool_config){.builder_id = "https://build.example.org/", .state_dir = h->state_dir};
    h->output.is_bin = true;
    h->artifacts[0] = (struct artifact){
        .name = (char *)"smelt.wasm", .role = (char *)"primary", .kind = (char *)"wasm", .sha256 = SUM_A};
    h->artifacts[1] =
        (struct artifact){.name = (char *)"x.json", .role = (char *)"side", .kind = (char *)"json", .sha256 = SUM_B};
    h->a = (struct attempt){
        .cfg = &h->cfg,
        .job = &h->job,
        .profile = kit_profile(profiles, "wasi"),
        .image = {.id = "sha256:" HEX("0123"),
                  .digest = HEX("d197"),
                  .rustc = "rustc 1.96.0 (x)",
                  .origin = "debian",
                  .pinned = "1.96.0"},
        .plan =
            {.crate_name = name, .crate_version = version, .cargo = argv, .outputs = &h->output, .outputs_count = 1},
        .lock = "uploaded",
        .lock_hash = LOCK,
        .packages = cJSON_Parse(packages),
        .result = {.artifacts = h->artifacts, .artifacts_count = 2},
    };
    assert_non_null(h->a.packages);
    return h;
}

static void drop(struct here *h)
{
    cJSON_Delete(h->a.packages);
    cJSON_Delete(h->job.options);
    mem_free(h);
}

static const cJSON *named(const cJSON *list, const char *name)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, list)
    {
        if (strcmp(json_str(item, "name", ""), name) == 0)
            return item;
    }
    return NULL;
}

static cJSON *sbom_of(const struct here *h)
{
    AUTO(char_p) char *text = sbom_make(&h->a);
    cJSON *o = cJSON_Parse(text);

    assert_non_null(o);
    return o;
}

static const char *license_of(const cJSON *component)
{
    const cJSON *l = cJSON_GetArrayItem(json_arr(component, "licenses"), 0);

    return json_str(l, "expression", json_str(json_obj(l, "license"), "name", NULL));
}

static void components_of_the_build(void **state)
{
    struct here *h = make(state);
    AUTO(json) cJSON *o = sbom_of(h);
    const cJSON *list = json_arr(o, "components"), *subject = json_obj(json_obj(o, "metadata"), "component");

    assert_string_equal(json_str(o, "bomFormat", ""), "CycloneDX");
    assert_string_equal(json_str(o, "specVersion", ""), "1.6");
    assert_int_equal(json_int(o, "version", 0), 1);
    assert_string_equal(json_str(subject, "name", ""), "smelt");
    assert_string_equal(json_str(subject, "type", ""), "application");
    assert_string_equal(json_str(subject, "purl", ""), "pkg:cargo/smelt@1.0.0");
    /* What stands in the lock and is not in this build is not in it. */
    assert_int_equal(cJSON_GetArraySize(list), 3);
    assert_null(named(list, "flux"));
    assert_null(named(list, "smelt"));
    const cJSON *ore = named(list, "ore"), *gauge = named(list, "gauge"), *slag = named(list, "slag");
    assert_string_equal(json_str(ore, "purl", ""), "pkg:cargo/ore@2.1.0");
    assert_string_equal(json_str(ore, "scope", ""), "required");
    assert_string_equal(json_str(cJSON_GetArrayItem(json_arr(ore, "hashes"), 0), "content", ""), SUM_B);
    assert_string_equal(license_of(ore), "Apache-2.0 WITH LLVM-exception");
    assert_string_equal(json_str(gauge, "purl", ""), "pkg:cargo/gauge@0.2.0%2Bx");
    assert_string_equal(json_str(gauge, "scope", ""), "excluded");
    assert_string_equal(license_of(gauge), "MIT OR Apache-2.0");
    assert_null(json_arr(slag, "hashes"));
    assert_true(
        cJSON_HasObjectItem(cJSON_GetObjectItem(cJSON_GetArrayItem(json_arr(slag, "licenses"), 0), "license"), "name"));
    assert_string_equal(json_str(cJSON_GetArrayItem(json_arr(slag, "properties"), 0), "value", ""), "tarball");
    const cJSON *tools = json_arr(json_obj(json_obj(o, "metadata"), "tools"), "components");
    assert_non_null(json_str(named(tools, "bloomery"), "version", NULL));
    drop(h);
}

/* Every reference is one that the document defines, each once; the graph is that of the list. */
static void its_graph(void **state)
{
    struct here *h = make(state);
    AUTO(json) cJSON *o = sbom_of(h);
    const cJSON *d, *graph = json_arr(o, "dependencies");
    const char *top = json_str(json_obj(json_obj(o, "metadata"), "component"), "bom-ref", "");
    int count = 0;

    assert_int_equal(cJSON_GetArraySize(graph), 4);
    cJSON_ArrayForEach(d, graph)
    {
        if (strcmp(json_str(d, "ref", ""), top) == 0) {
            count++;
            assert_int_equal(cJSON_GetArraySize(json_arr(d, "dependsOn")), 3);
            assert_string_equal(cJSON_GetArrayItem(json_arr(d, "dependsOn"), 1)->valuestring, "pkg:cargo/ore@2.1.0");
        }
    }
    assert_int_equal(count, 1);
    const cJSON *known = cJSON_GetArrayItem(json_arr(o, "compositions"), 0);
    assert_string_equal(json_str(known, "aggregate", ""), "complete");
    drop(h);
}

static void the_same_bytes(void **state)
{
    struct here *one = make(state), *two = make(state);
    AUTO(char_p) char *a = sbom_make(&one->a), *b = NULL, *c = NULL;

    two->job.attempt = 7; /* whose job it was makes no difference */
    two->job.started_at = 99;
    b = sbom_make(&two->a);
    assert_string_equal(a, b);
    cJSON_DeleteItemFromArray(cJSON_GetObjectItem(two->a.packages, "packages"), 0);
    cJSON_ReplaceItemInObject(two->a.packages, "root", cJSON_CreateNull());
    c = sbom_make(&two->a);
    AUTO(json) cJSON *first = cJSON_Parse(a), *other = cJSON_Parse(c);
    assert_string_not_equal(json_str(first, "serialNumber", ""), json_str(other, "serialNumber", ""));
    const char *serial = json_str(first, "serialNumber", "");
    assert_int_equal(strlen(serial), 45);
    assert_memory_equal(serial, "urn:uuid:", 9);
    assert_int_equal(serial[23], '8');
    assert_non_null(strchr("89ab", serial[28]));
    assert_false(cJSON_HasObjectItem(cJSON_GetObjectItem(first, "metadata"), "timestamp"));
    drop(one);
    drop(two);
}

/* Nobody knows the packages, or which of them are used: it is said. */
static void what_is_not_known(void **state)
{
    struct here *h = make(state);

    cJSON_ReplaceItemInObject(h->a.packages, "resolved", cJSON_CreateFalse());
    AUTO(json) cJSON *all = sbom_of(h);
    assert_int_equal(cJSON_GetArraySize(json_arr(all, "components")), 4);
    assert_null(json_arr(all, "dependencies"));
    assert_string_equal(json_str(cJSON_GetArrayItem(json_arr(all, "compositions"), 0), "aggregate", ""), "unknown");
    cJSON_Delete(STEAL(h->a.packages));
    AUTO(json) cJSON *none = sbom_of(h);
    assert_int_equal(cJSON_GetArraySize(json_arr(none, "components")), 0);
    assert_string_equal(json_str(cJSON_GetArrayItem(json_arr(none, "compositions"), 0), "aggregate", ""), "unknown");
    assert_string_equal(json_str(json_obj(json_obj(none, "metadata"), "component"), "purl", ""),
                        "pkg:cargo/smelt@1.0.0");
    drop(h);
}

static void licenses(void **state)
{
    static const struct {
        const char *given, *expression; /* NULL: it is none, and becomes a name */
    } cases[] = {
        {"MIT", "MIT"},
        {"Apache-2.0 / MIT", "Apache-2.0 OR MIT"},
        {"(MIT OR Apache-2.0) AND Unicode-3.0", "(MIT OR Apache-2.0) AND Unicode-3.0"},
        {"LicenseRef-x", "LicenseRef-x"},
        {"MIT AND", NULL},
        {"OR MIT", NULL},
        {"MIT Apache-2.0", NULL},
        {"(MIT", NULL},
        {"MIT)", NULL},
        {"()", NULL},
        {"see LICENSE, please", NULL},
        {"\xff", NULL},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct here *h = make(state);
        cJSON *slag = cJSON_GetArrayItem(cJSON_GetObjectItem(h->a.packages, "packages"), 3);
        cJSON_ReplaceItemInObject(slag, "license", cJSON_CreateString(cases[i].given));
        AUTO(json) cJSON *o = sbom_of(h);
        const cJSON *l = cJSON_GetArrayItem(json_arr(named(json_arr(o, "components"), "slag"), "licenses"), 0);
        const char *got = json_str(l, "expression", NULL);
        if (cases[i].expression && (!got || strcmp(got, cases[i].expression) != 0))
            fail_msg("'%s' became %s", cases[i].given, got ? got : "a name");
        if (!cases[i].expression && (got || !json_str(json_obj(l, "license"), "name", NULL)))
            fail_msg("'%s' became %s", cases[i].given, got ? got : "nothing");
        drop(h);
    }
}

static void purls(void **state)
{
    static const struct {
        const char *source, *wanted;
    } cases[] = {
        {"\"registry+https://github.com/rust-lang/crates.io-index\"", "pkg:cargo/a@1.0.0"},
        {"null", "pkg:cargo/a@1.0.0"},
        {"\"git+https://x.org/y?rev=1#2\"", "pkg:cargo/a@1.0.0?vcs_url=git%2Bhttps%3A%2F%2Fx.org%2Fy%3Frev%3D1%232"},
        {"\"sparse+https://x.org/i/\"", "pkg:cargo/a@1.0.0?repository_url=https%3A%2F%2Fx.org%2Fi%2F"},
        {"\"odd\"", "pkg:cargo/a@1.0.0?repository_url=odd"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(char_p) char *text = mem_printf("{\"name\":\"a\",\"version\":\"1.0.0\",\"source\":%s}", cases[i].source);
        AUTO(json) cJSON *p = cJSON_Parse(text);
        AUTO(char_p) char *got = sbom_purl(p);
        assert_string_equal(got, cases[i].wanted);
    }
}

static const char *digest_of(const cJSON *resource)
{
    return json_str(json_obj(resource, "digest"), "sha256", NULL);
}

static void a_statement(void **state)
{
    struct here *h = make(state);

    snprintf(h->a.result.sbom.sha256, SHA256_HEX_SIZE, "%s", HEX("5b03"));
    AUTO(json) cJSON *o = provenance_make(&h->a, 61000);
    const cJSON *definition = json_obj(json_obj(o, "predicate"), "buildDefinition");
    const cJSON *run = json_obj(json_obj(o, "predicate"), "runDetails");
    const cJSON *external = json_obj(definition, "externalParameters");
    const cJSON *list = json_arr(definition, "resolvedDependencies"), *item;

    assert_string_equal(json_str(o, "_type", ""), "https://in-toto.io/Statement/v1");
    assert_string_equal(json_str(o, "predicateType", ""), "https://slsa.dev/provenance/v1");
    assert_int_equal(cJSON_GetArraySize(json_arr(o, "subject")), 2);
    assert_string_equal(digest_of(named(json_arr(o, "subject"), "smelt.wasm")), SUM_A);
    assert_string_equal(json_str(definition, "buildType", ""), PROVENANCE_BUILD_TYPE);
    assert_string_equal(json_str(external, "profile", ""), "wasi");
    assert_true(json_bool(json_obj(external, "options"), "debug", false));
    assert_string_equal(digest_of(json_obj(external, "source")), SOURCE);
    assert_string_equal(digest_of(named(list, "source")), SOURCE);
    assert_string_equal(digest_of(named(list, "profile/wasi")), HEX("d197"));
    assert_string_equal(digest_of(named(list, "image")), HEX("0123"));
    assert_string_equal(digest_of(named(list, "Cargo.lock")), LOCK);
    assert_string_equal(json_str(json_obj(named(list, "toolchain"), "annotations"), "rustc", ""), "rustc 1.96.0 (x)");
    /* Used crates by their checksum; those of the tarball are in the tarball. */
    assert_string_equal(digest_of(named(list, "ore")), SUM_B);
    assert_string_equal(json_str(named(list, "gauge"), "uri", ""), "pkg:cargo/gauge@0.2.0%2Bx");
    assert_null(named(list, "flux"));
    assert_null(named(list, "slag"));
    cJSON_ArrayForEach(item, list)
    {
        assert_true(digest_of(item) || json_str(item, "uri", NULL)); /* a ResourceDescriptor needs one of them */
    }
    assert_string_equal(json_str(json_obj(run, "builder"), "id", ""), "https://build.example.org/");
    const cJSON *metadata = json_obj(run, "metadata");
    assert_string_equal(json_str(metadata, "invocationId", ""), "01ARZ3NDEKTSV4RRFFQ69G5FAV/2");
    assert_string_equal(json_str(metadata, "startedOn", ""), "1970-01-01T00:00:01.000Z");
    assert_string_equal(json_str(metadata, "finishedOn", ""), "1970-01-01T00:01:01.000Z");
    assert_string_equal(digest_of(named(json_arr(run, "byproducts"), "sbom")), HEX("5b03"));
    drop(h);
}

static void a_kit_and_a_resolved_lock(void **state)
{
    struct here *h = make(state);

    h->a.has_kit = true;
    h->a.kit = (struct kit){.sha256 = HEX("4177"), .name = "lind-glibc", .version = "2.39"};
    h->a.lock = "resolved";
    h->artifacts[1].kind = (char *)"lock";
    AUTO(json) cJSON *o = provenance_make(&h->a, 1);
    const cJSON *list = json_arr(json_obj(json_obj(o, "predicate"), "buildDefinition"), "resolvedDependencies");
    assert_string_equal(digest_of(named(list, "kit/lind-glibc")), HEX("4177"));
    assert_string_equal(digest_of(named(list, "Cargo.lock")), SUM_B); /* the artifact, not what was uploaded */
    h->a.lock = "none";
    h->a.result.artifacts_count = 1;
    AUTO(json) cJSON *bare = provenance_make(&h->a, 1);
    list = json_arr(json_obj(json_obj(bare, "predicate"), "buildDefinition"), "resolvedDependencies");
    assert_null(named(list, "Cargo.lock"));
    drop(h);
}

static void blob_text(const struct here *h, const struct document *d, struct buf *ret)
{
    AUTO(char_p) char *path = path_blob(h->state_dir, d->sha256);
    struct err err = ERR_INIT;
    char hex[SHA256_HEX_SIZE];

    assert_int_equal(fs_read(path, 1 << 20, ret, &err), 0);
    hash_bytes(ret->p, ret->len, hex);
    assert_string_equal(hex, d->sha256);
    assert_int_equal((int64_t)ret->len, d->size);
}

static void signed_and_kept(void **state)
{
    struct here *h = make(state);
    AUTO(sign_key) struct sign_key *key = NULL;
    AUTO(buf) struct buf sbom = {0}, envelope = {0}, payload = {0};
    struct err err = ERR_INIT;
    bool made;
    size_t which = 9;

    snprintf(h->state_dir, sizeof h->state_dir, "/tmp/test-vouch-XXXXXX");
    assert_non_null(mkdtemp(h->state_dir));
    AUTO(char_p) char *tmp = path_tmp(h->state_dir);
    assert_int_equal(fs_mkdirs(tmp, 0700, &err), 0);
    /* Without a key nothing is said, and it is the server's fault. */
    assert_int_equal(vouch_for(&h->a, &err), -1);
    assert_int_equal(err.kind, ERR_ENGINE);
    assert_string_equal(h->a.result.provenance.sha256, "");
    assert_int_equal(keys_prepare(h->state_dir, &made, &err), 0);
    assert_int_equal(vouch_for(&h->a, &err), 0);

    blob_text(h, &h->a.result.sbom, &sbom);
    blob_text(h, &h->a.result.provenance, &envelope);
    assert_int_equal(keys_current(h->state_dir, &key, &err), 0);
    assert_int_equal(dsse_open(envelope.p, envelope.len, DSSE_IN_TOTO, sign_public(key), 1, &payload, &which, &err), 0);
    AUTO(json) cJSON *o = cJSON_Parse(payload.p);
    assert_string_equal(digest_of(named(json_arr(o, "subject"), "x.json")), SUM_B);
    assert_int_equal(rmdir(tmp), 0); /* nothing is left in it */
    assert_int_equal(fs_remove_tree(h->state_dir, &err), 0);
    drop(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(components_of_the_build),
        cmocka_unit_test(its_graph),
        cmocka_unit_test(the_same_bytes),
        cmocka_unit_test(what_is_not_known),
        cmocka_unit_test(licenses),
        cmocka_unit_test(purls),
        cmocka_unit_test(a_statement),
        cmocka_unit_test(a_kit_and_a_resolved_lock),
        cmocka_unit_test(signed_and_kept),
    };

    return cmocka_run_group_tests(tests, kit_setup, kit_teardown);
}
