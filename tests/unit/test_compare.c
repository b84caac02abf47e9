/* test_compare.c - the answer to GET /v1/compare as a whole, and how a client names the jobs that it compares. */
#include "daemon/compare.h"
#include "daemon/selector.h"
#include "tests/unit/profile_kit.h"

#include <stdio.h>
#include <string.h>

#define OLD_ID "01ARZ3NDEKTSV4RRFFQ69G5FA1"
#define NEW_ID "01ARZ3NDEKTSV4RRFFQ69G5FA2"

/* --- naming jobs --- */

static void test_selectors(void **state)
{
    static const struct {
        const char *text, *words;
    } good[] = {
        {"latest", "any"},
        {"latest:", "any"},
        {"latest:profile=wasm", "profile wasm"},
        {"latest:label.branch=main", "label branch=main"},
        {"latest:label.branch=main,crate=smelt,profile=musl,label.ci=1",
         "profile musl, crate smelt, label branch=main, label ci=1"},
        {"latest:label.note=a,b=c,crate=x", "crate x, label note=a,b=c"},
        {"latest:label.empty=", "label empty="},
        {"latest:label.a=b,", "label a=b,"},
    };
    static const struct {
        const char *text;
        enum err_kind kind;
        const char *says;
    } bad[] = {
        {"", ERR_NOT_FOUND, "there is no job ''"},
        {"newest", ERR_NOT_FOUND, "there is no job 'newest'"},
        {"latestlabel.a=b", ERR_NOT_FOUND, "there is no job 'latestlabel.a=b'"},
        {"latest:branch=main", ERR_BAD_REQUEST, "does not know 'branch=main'"},
        {"latest:label.branch", ERR_BAD_REQUEST, "label.KEY=VALUE"},
        {"latest:label.=main", ERR_BAD_REQUEST, "label.KEY=VALUE"},
        {"latest:profile=a,profile=b", ERR_BAD_REQUEST, "says profile twice"},
        {"latest:crate=a,label.x=y,crate=b", ERR_BAD_REQUEST, "says crate twice"},
        {"latest:,", ERR_BAD_REQUEST, "does not know ','"},
    };
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct selector s;
        assert_int_equal(selector_parse("from", good[i].text, &s, &err), 0);
        AUTO(char_p) char *words = selector_words(&s);
        assert_true(s.latest);
        assert_string_equal(words, good[i].words);
        selector_clear(&s);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct selector s;
        assert_true(selector_parse("from", bad[i].text, &s, &err) < 0);
        assert_int_equal(err.kind, bad[i].kind);
        if (!strstr(err.msg, bad[i].says) || strncmp(err.msg, "from", 4) != 0)
            fail_msg("%s: %s", bad[i].text, err.msg);
        selector_clear(&s);
    }
    struct selector s;
    assert_int_equal(selector_parse("to", OLD_ID, &s, &err), 0);
    assert_false(s.latest);
    assert_string_equal(s.id, OLD_ID);
    selector_clear(&s);
}

static void test_too_many_labels(void **state)
{
    AUTO(buf) struct buf b = {0};
    struct err err = ERR_INIT;
    struct selector s;

    (void)state;
    buf_puts(&b, "latest:label.a=0");
    for (int i = 1; i <= SELECTOR_LABELS; i++)
        buf_printf(&b, ",label.a%d=%d", i, i);
    assert_true(selector_parse("from", b.p, &s, &err) < 0);
    assert_int_equal(err.kind, ERR_BAD_REQUEST);
    selector_clear(&s);
}

/* --- the answer --- */

static const char module[] =
    "{'kind':'wasm','imports':[{'module':'env','name':'log','kind':'function'}],'exports':[{'name':'add','kind':'"
    "function'}],"
    "'sizes':{'by_section':[{'name':'code','bytes':90},{'name':'(outside sections)','bytes':10}],'code_bytes':80,"
    "'by_crate':[{'crate':'std','bytes':50,'functions':3},{'crate':'smelt','bytes':30,'functions':1}],"
    "'largest_functions':[{'name':'smelt::main','crate':'smelt','bytes':30}]}}";
static const char grown[] =
    "{'kind':'wasm','imports':[],'exports':[{'name':'add','kind':'function'},{'name':'sub','kind':'function'}],"
    "'sizes':{'by_section':[{'name':'code','bytes':115},{'name':'(outside sections)','bytes':10}],'code_bytes':105,"
    "'by_crate':[{'crate':'std','bytes':50,'functions':3},{'crate':'smelt','bytes':55,'functions':2}],"
    "'largest_functions':[{'name':'smelt::main','crate':'smelt','bytes':55}]}}";
static const char packages[] =
    "{'root':0,'resolved':true,'packages':[{'name':'smelt','version':'1.0.0','for':'target'},"
    "{'name':'itoa','version':'%s','for':'target'}]}";

struct fixture {
    struct job jobs[2];
    struct artifact artifacts[2];
    struct compare_side from, to;
    cJSON *owned[6];
};

static int setup(void **state)
{
    struct fixture *f = mem_alloc(sizeof *f);
    AUTO(char_p) char *old = mem_printf(packages, "1.0.0");
    AUTO(char_p) char *now = mem_printf(packages, "1.1.0");

    f->owned[0] = kit_quoted(module);
    f->owned[1] = kit_quoted(grown);
    f->owned[2] = kit_quoted(old);
    f->owned[3] = kit_quoted(now);
    f->owned[4] = kit_quoted("{'features':['a']}");
    f->owned[5] = kit_quoted("{'features':['a','b']}");
    for (int i = 0; i < 2; i++) {
        f->artifacts[i] = (struct artifact){.name = "smelt.wasm",
                                            .role = "primary",
                                            .kind = "wasm",
                                            .size = i ? 125 : 100,
                                            .gzip_size = i ? 60 : 50,
                                            .metadata = f->owned[i]};
        memset(f->artifacts[i].sha256, i ? 'b' : 'a', SHA256_HEX_SIZE - 1);
        f->jobs[i] = (struct job){.state = JOB_SUCCEEDED,
                                  .profile = "wasm",
                                  .crate_name = "smelt",
                                  .crate_version = "1.0.0",
                                  .lock = "uploaded",
                                  .options = f->owned[4 + i],
                                  .toolchain = {"nightly", i ? "rustc 1.98" : "rustc 1.97", "sha256:1", "debian"},
                                  .artifacts = &f->artifacts[i],
                                  .artifacts_count = 1};
        memcpy(f->jobs[i].id, i ? NEW_ID : OLD_ID, ULID_SIZE);
    }
    f->from = (struct compare_side){&f->jobs[0], &f->artifacts[0], f->owned[2]};
    f->to = (struct compare_side){&f->jobs[1], &f->artifacts[1], f->owned[3]};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT(f->owned); i++)
        cJSON_Delete(f->owned[i]);
    mem_free(f);
    return 0;
}

/* The value at key as text with ' for ". The caller owns it. */
static char *at(const cJSON *answer, const char *key)
{
    char *text = json_text(cJSON_GetObjectItemCaseSensitive(answer, key));

    for (char *p = text; *p; p++)
        *p = *p == '"' ? '\'' : *p;
    return text;
}

static void expect(const cJSON *answer, const char *key, const char *want)
{
    AUTO(char_p) char *got = at(answer, key);

    if (strcmp(got, want) != 0)
        fail_msg("%s: %s, not %s", key, got, want);
}

static void test_grown(void **state)
{
    struct fixture *f = *state;
    AUTO(json) cJSON *answer = compare_jobs(&f->from, &f->to);

    expect(answer, "size", "{'from':100,'to':125,'delta':25,'percent':25}");
    expect(answer, "gzip_size", "{'from':50,'to':60,'delta':10,'percent':20}");
    expect(answer, "code_bytes", "{'from':80,'to':105,'delta':25,'percent':31.25}");
    expect(answer, "sections",
           "[{'name':'code','from':90,'to':115,'delta':25},{'name':'(outside sections)','from':10,"
           "'to':10,'delta':0}]");
    expect(answer, "crates",
           "[{'name':'smelt','from':30,'to':55,'delta':25},{'name':'std','from':50,'to':50,'delta':0}]");
    expect(answer, "functions", "[{'name':'smelt::main','crate':'smelt','from':30,'to':55,'delta':25}]");
    expect(answer, "imports", "{'added':[],'removed':[{'module':'env','name':'log','kind':'function'}]}");
    expect(answer, "exports", "{'added':[{'name':'sub','kind':'function'}],'removed':[]}");
    expect(answer, "undefined", "null");
    expect(answer, "toolchain", "[{'name':'rustc','from':'rustc 1.97','to':'rustc 1.98'}]");
    expect(answer, "options", "[{'name':'features','from':['a'],'to':['a','b']}]");
    expect(answer, "dependencies",
           "[{'name':'itoa','change':'version','from':['1.0.0'],'to':['1.1.0'],'for':'target'}]");
    expect(answer, "identical", "false");
    expect(answer, "warnings", "[]");
    expect(answer, "truncated", "[]");
    const cJSON *from = json_obj(answer, "from");
    assert_string_equal(json_str(from, "id", ""), OLD_ID);
    assert_string_equal(json_str(json_obj(from, "artifact"), "url", ""), "/v1/jobs/" OLD_ID "/artifacts/smelt.wasm");
    assert_null(cJSON_GetObjectItemCaseSensitive(json_obj(from, "artifact"), "metadata"));
}

static void test_with_itself(void **state)
{
    struct fixture *f = *state;
    AUTO(json) cJSON *answer = compare_jobs(&f->from, &f->from);

    expect(answer, "size", "{'from':100,'to':100,'delta':0,'percent':0}");
    expect(answer, "identical", "true");
    expect(answer, "functions", "[]");
    expect(answer, "dependencies", "[]");
    expect(answer, "warnings", "['both are the same job']");
}

/* Jobs of an older Bloomery, and what has no names in it: null, and a sentence. */
static void test_not_known(void **state)
{
    struct fixture *f = *state;

    f->from.packages = NULL;
    cJSON_DeleteItemFromObjectCaseSensitive(f->artifacts[0].metadata, "sizes");
    cJSON_ReplaceItemInObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(f->artifacts[1].metadata, "sizes"),
                                           "by_crate", cJSON_CreateNull());
    cJSON_AddTrueToObject(f->artifacts[1].metadata, "truncated");
    f->artifacts[0].gzip_size = 0;
    AUTO(json) cJSON *answer = compare_jobs(&f->from, &f->to);

    expect(answer, "size", "{'from':100,'to':125,'delta':25,'percent':25}");
    expect(answer, "gzip_size", "null");
    expect(answer, "code_bytes", "null");
    expect(answer, "sections", "null");
    expect(answer, "crates", "null");
    expect(answer, "functions", "null");
    expect(answer, "dependencies", "null");
    expect(answer, "exports", "{'added':[{'name':'sub','kind':'function'}],'removed':[]}");
    expect(answer, "warnings",
           "['of smelt.wasm of job " OLD_ID " the sizes by section and crate are not known',"
           "'smelt.wasm of job " NEW_ID " has no names of functions in it: its sizes by crate are not known',"
           "'the lists of smelt.wasm of job " NEW_ID
           " were too long to be kept whole: names may seem added or removed that "
           "are not','the packages that job " OLD_ID " is made of are not known']");
}

static void test_different(void **state)
{
    struct fixture *f = *state;

    f->jobs[1].profile = "musl";
    f->jobs[1].crate_name = "other";
    f->jobs[1].state = JOB_FAILED;
    f->jobs[1].error.kind = ERR_CONTRACT;
    f->artifacts[1].kind = "elf";
    AUTO(json) cJSON *answer = compare_jobs(&f->from, &f->to);

    expect(answer, "size", "{'from':100,'to':125,'delta':25,'percent':25}");
    expect(answer, "sections", "null");
    expect(answer, "imports", "null");
    expect(answer, "warnings",
           "['the jobs are of different profiles, wasm and musl: what differs may come from that alone',"
           "'the jobs are of different crates, smelt and other',"
           "'job " NEW_ID " has not succeeded (contract): what it made is compared all the same',"
           "'the artifacts are of different kinds, wasm and elf: only their sizes are compared']");
}

static void test_from_nothing(void **state)
{
    struct fixture *f = *state;

    f->artifacts[0].size = 0;
    f->artifacts[0].metadata = NULL;
    AUTO(json) cJSON *answer = compare_jobs(&f->from, &f->to);

    expect(answer, "size", "{'from':0,'to':125,'delta':125,'percent':null}");
    expect(answer, "sections", "null");
    expect(answer, "warnings", "['of smelt.wasm of job " OLD_ID " the sizes by section and crate are not known']");
}

static void test_not_looked_into(void **state)
{
    struct fixture *f = *state;

    f->artifacts[0].kind = f->artifacts[1].kind = "tar";
    AUTO(json) cJSON *answer = compare_jobs(&f->from, &f->to);

    expect(answer, "sections", "null");
    expect(answer, "exports", "null");
    expect(answer, "warnings", "['files of the kind tar are not looked into: only their sizes are compared']");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_selectors),
        cmocka_unit_test(test_too_many_labels),
        cmocka_unit_test_setup_teardown(test_grown, setup, teardown),
        cmocka_unit_test_setup_teardown(test_with_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_known, setup, teardown),
        cmocka_unit_test_setup_teardown(test_different, setup, teardown),
        cmocka_unit_test_setup_teardown(test_from_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_looked_into, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
