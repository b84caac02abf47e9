/* test_compare_list.c - in what two lists differ: each list alone, then far too long ones. */
#include "daemon/compare_list.h"
#include "tests/unit/profile_kit.h"

#include <stdio.h>
#include <string.h>

/* What a comparison gives, as text with ' for "; the cut lists after it. The caller owns it. */
static char *text_of(cJSON *answer, const cJSON *cut)
{
    AUTO(json) cJSON *a = answer;
    AUTO(char_p) char *text = json_text(a);
    AUTO(char_p) char *lists = json_text(cut);
    char *all = mem_printf("%s%s", text, cJSON_GetArraySize(cut) ? lists : "");

    for (char *p = all; *p; p++)
        *p = *p == '"' ? '\'' : *p;
    return all;
}

static cJSON *quoted(const char *text)
{
    return text ? kit_quoted(text) : NULL;
}

/* --- names --- */

static void test_names(void **state)
{
    static const struct {
        const char *from, *to, *want;
    } cases[] = {
        {"[]", "[]", "{'added':[],'removed':[]}"},
        {"['a','b']", "['b','c']", "{'added':[{'name':'c'}],'removed':[{'name':'a'}]}"},
        {"['b','a','a']", "['a','b']", "{'added':[],'removed':[]}"},
        {"[{'name':'add','kind':'function'}]", "[{'name':'add','kind':'global'}]",
         "{'added':[{'name':'add','kind':'global'}],'removed':[{'name':'add','kind':'function'}]}"},
        {"[{'module':'env','name':'log','kind':'function','type':'(i32) -> ()'}]",
         "[{'module':'env','name':'log','kind':'function','type':'(i64) -> ()'},{'module':'a','name':'z'}]",
         "{'added':[{'module':'a','name':'z'},{'module':'env','name':'log','kind':'function','type':'(i64) -> ()'}],"
         "'removed':[{'module':'env','name':'log','kind':'function','type':'(i32) -> ()'}]}"},
        {"[7,null,{}]", "[['x']]", "{'added':[],'removed':[]}"},
        {NULL, "[]", "null"},
        {"['a']", NULL, "null"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(json) cJSON *from = quoted(cases[i].from);
        AUTO(json) cJSON *to = quoted(cases[i].to);
        AUTO(json) cJSON *cut = cJSON_CreateArray();
        AUTO(char_p) char *got = text_of(compare_list_names(from, to, "exports", cut), cut);
        assert_string_equal(got, cases[i].want);
    }
}

/* --- sizes --- */

static void test_sizes(void **state)
{
    static const struct {
        const char *from, *to, *want;
    } cases[] = {
        {"[]", "[]", "[]"},
        {"[{'name':'code','bytes':100},{'name':'data','bytes':9}]",
         "[{'name':'data','bytes':9},{'name':'code','bytes':70}]",
         "[{'name':'code','from':100,'to':70,'delta':-30},{'name':'data','from':9,'to':9,'delta':0}]"},
        {"[{'name':'a','bytes':1}]", "[{'name':'b','bytes':2}]",
         "[{'name':'b','from':0,'to':2,'delta':2},{'name':'a','from':1,'to':0,'delta':-1}]"},
        /* of one name: their sum */
        {"[{'name':'a','bytes':1},{'name':'a','bytes':2}]", "[{'name':'a','bytes':3}]",
         "[{'name':'a','from':3,'to':3,'delta':0}]"},
        /* a list that leaves something out says nothing of what it does not have; the other one does */
        {"[{'name':'a','bytes':50},{'name':'(others)','bytes':5}]", "[{'name':'b','bytes':60}]",
         "[{'name':'b','from':null,'to':60,'delta':null},{'name':'a','from':50,'to':0,'delta':-50},"
         "{'name':'(others)','from':5,'to':0,'delta':-5}]"},
        {"[7,{},{'name':3}]", "[{'name':'a','bytes':'x'}]", "[{'name':'a','from':0,'to':0,'delta':0}]"},
        {NULL, "[]", "null"},
        {"[]", NULL, "null"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(json) cJSON *from = quoted(cases[i].from);
        AUTO(json) cJSON *to = quoted(cases[i].to);
        AUTO(json) cJSON *cut = cJSON_CreateArray();
        AUTO(char_p) char *got = text_of(compare_list_sizes(from, to, "name", "sections", cut), cut);
        assert_string_equal(got, cases[i].want);
    }
}

/* --- functions --- */

static void test_functions(void **state)
{
    static const struct {
        const char *from, *to, *want;
    } cases[] = {
        {"[{'name':'f','crate':'x','bytes':10}]",
         "[{'name':'f','crate':'x','bytes':30},{'name':'g','crate':null,'bytes':5}]",
         "[{'name':'f','crate':'x','from':10,'to':30,'delta':20},{'name':'g','crate':null,'from':0,'to':5,'delta':5}]"},
        {"[{'name':'f','bytes':10}]", "[{'name':'f','bytes':10}]", "[]"},
        {"[{'name':'f','bytes':10}]", "[{'name':'f','bytes':4}]", "[]"},
        /* of several of one name, as generic ones are, the largest goes with the largest */
        {"[{'name':'f','bytes':9},{'name':'f','bytes':2}]",
         "[{'name':'f','bytes':2},{'name':'f','bytes':12},{'name':'f','bytes':1}]",
         "[{'name':'f','crate':null,'from':9,'to':12,'delta':3},{'name':'f','crate':null,'from':0,'to':1,'delta':1}]"},
        /* the same name in another crate is another function */
        {"[{'name':'f','crate':'a','bytes':9}]", "[{'name':'f','crate':'b','bytes':9}]",
         "[{'name':'f','crate':'b','from':0,'to':9,'delta':9}]"},
        {"[{'name':null,'bytes':9}]", "[{'name':null,'bytes':99}]", "[]"},
        {NULL, "[]", "null"},
        {"[]", NULL, "null"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(json) cJSON *from = quoted(cases[i].from);
        AUTO(json) cJSON *to = quoted(cases[i].to);
        AUTO(json) cJSON *cut = cJSON_CreateArray();
        AUTO(char_p) char *got = text_of(compare_list_functions(from, to), cut);
        assert_string_equal(got, cases[i].want);
    }
}

/* A full list does not say that what is not in it was not there: only that it was smaller. */
static void test_functions_of_a_full_list(void **state)
{
    AUTO(json) cJSON *from = cJSON_CreateArray();
    AUTO(json)
    cJSON *to = kit_quoted("[{'name':'new','bytes':1010},{'name':'small','bytes':1000},{'name':'f19','bytes':1500}]");
    AUTO(json) cJSON *cut = cJSON_CreateArray();

    (void)state;
    for (int i = 0; i < COMPARE_INSPECTED; i++) {
        cJSON *o = cJSON_CreateObject();
        char name[16];
        snprintf(name, sizeof name, "f%d", i);
        json_put_str(o, "name", name);
        json_put_int(o, "bytes", 1000 + i);
        cJSON_AddItemToArray(from, o);
    }
    AUTO(char_p) char *got = text_of(compare_list_functions(from, to), cut);
    assert_string_equal(got, "[{'name':'f19','crate':null,'from':1019,'to':1500,'delta':481},"
                             "{'name':'new','crate':null,'from':null,'to':1010,'delta':null}]");
}

/* --- settings --- */

static void test_settings(void **state)
{
    static const struct {
        const char *from, *to, *want;
    } cases[] = {
        {"{}", "{}", "[]"},
        {"{'a':1,'b':['x'],'c':true}", "{'c':true,'b':['x','y'],'d':null}",
         "[{'name':'a','from':1,'to':null},{'name':'b','from':['x'],'to':['x','y']},{'name':'d','from':null,'to':null}"
         "]"},
        {NULL, "{'a':1}", "[{'name':'a','from':null,'to':1}]"},
        {"{'a':1}", NULL, "[{'name':'a','from':1,'to':null}]"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(json) cJSON *from = quoted(cases[i].from);
        AUTO(json) cJSON *to = quoted(cases[i].to);
        AUTO(json) cJSON *cut = cJSON_CreateArray();
        AUTO(char_p) char *got = text_of(compare_list_settings(from, to), cut);
        assert_string_equal(got, cases[i].want);
    }
}

/* --- packages --- */

#define LIST(resolved, root, packages) "{'root':" root ",'resolved':" resolved ",'packages':[" packages "]}"
#define PACKAGE(name, version, source, checksum, use)                                                                  \
    "{'name':'" name "','version':'" version "','source':" source ",'checksum':" checksum ",'for':" use "}"

static void test_packages(void **state)
{
    static const char from[] = LIST(
        "true", "0",
        PACKAGE("app", "1.0.0", "null", "null", "'target'") "," PACKAGE("cc", "1.0.0", "'r'", "'c1'", "'host'") "," PACKAGE(
            "gone", "0.1.0", "'r'", "'g'",
            "'target'") "," PACKAGE("rand", "0.7.0", "'r'", "'7'",
                                    "'target'") "," PACKAGE("same", "1.2.3", "'r'", "'s'",
                                                            "'target'") "," PACKAGE("swap", "1.0.0", "'r'", "'1'",
                                                                                    "'target'") "," PACKAGE("windows",
                                                                                                            "0.1.0",
                                                                                                            "'r'",
                                                                                                            "'w'",
                                                                                                            "null"));
    static const char to[] =
        LIST(
            "true", "0",
            PACKAGE("app", "1.1.0", "null", "null", "'target'") "," PACKAGE("cc", "1.0.1", "'r'", "'c2'", "'host'") "," PACKAGE(
                "new", "0.3.0", "null", "null",
                "'target'") "," PACKAGE("rand", "0.7.0", "'r'", "'7'",
                                        "'target'") "," PACKAGE("rand", "0.8.0", "'r'", "'8'",
                                                                "'host'") "," PACKAGE("same", "1.2.3", "'r'", "null",
                                                                                      "'target'") "," PACKAGE("swap",
                                                                                                              "1.0.0",
                                                                                                              "null",
                                                                                                              "null",
                                                                                                              "'target"
                                                                                                              "'") "," PACKAGE("windows",
                                                                                                                               "0.2.0",
                                                                                                                               "'r'",
                                                                                                                               "'x'",
                                                                                                                               "null"));
    AUTO(json) cJSON *a = kit_quoted(from);
    AUTO(json) cJSON *b = kit_quoted(to);
    AUTO(json) cJSON *cut = cJSON_CreateArray();
    AUTO(char_p) char *got = text_of(compare_list_packages(a, b, cut), cut);
    AUTO(char_p) char *same = text_of(compare_list_packages(a, a, cut), cut);
    AUTO(char_p) char *unknown = text_of(compare_list_packages(a, NULL, cut), cut);

    (void)state;
    assert_string_equal(got,
                        "[{'name':'cc','change':'version','from':['1.0.0'],'to':['1.0.1'],'for':'host'},"
                        "{'name':'gone','change':'removed','from':['0.1.0'],'to':[],'for':'target'},"
                        "{'name':'new','change':'added','from':[],'to':['0.3.0'],'for':'target'},"
                        "{'name':'rand','change':'version','from':['0.7.0'],'to':['0.7.0','0.8.0'],'for':'target'},"
                        "{'name':'swap','change':'source','from':['1.0.0 (r, sha256 1)'],'to':['1.0.0 (path)'],"
                        "'for':'target'}]");
    assert_string_equal(same, "[]");
    assert_string_equal(unknown, "null");
    /* Where one side does not know what is used, everything that the locks pin counts. */
    cJSON_ReplaceItemInObjectCaseSensitive(b, "resolved", cJSON_CreateFalse());
    AUTO(char_p) char *locks = text_of(compare_list_packages(a, b, cut), cut);
    assert_non_null(strstr(locks, "{'name':'windows','change':'version','from':['0.1.0'],'to':['0.2.0'],'for':null}"));
}

/* --- far too long --- */

/* 100,000 names and sizes, none of which is in both, in the worst order. Walked side by side this is nothing; searched it
 * would be 10^10 comparisons. */
static void test_long_lists(void **state)
{
    enum { MANY = 100000 };
    AUTO(json) cJSON *from = cJSON_CreateArray();
    AUTO(json) cJSON *to = cJSON_CreateArray();
    AUTO(json) cJSON *packages = cJSON_CreateObject();
    AUTO(json) cJSON *none = cJSON_CreateObject();
    AUTO(json) cJSON *cut = cJSON_CreateArray();
    char name[32];

    (void)state;
    cJSON *list = cJSON_AddArrayToObject(packages, "packages");
    for (int i = MANY; i > 0; i--) {
        cJSON *old = cJSON_CreateObject(), *now = cJSON_CreateObject(), *package = cJSON_CreateObject();
        snprintf(name, sizeof name, "old%06d", i);
        json_put_str(old, "name", name);
        json_put_int(old, "bytes", i);
        json_put_str(package, "name", name);
        json_put_str(package, "version", "1.0.0");
        snprintf(name, sizeof name, "new%06d", i);
        json_put_str(now, "name", name);
        json_put_int(now, "bytes", i);
        cJSON_AddItemToArray(from, old);
        cJSON_AddItemToArray(to, now);
        cJSON_AddItemToArray(list, package);
    }
    AUTO(json) cJSON *names = compare_list_names(from, to, "exports", cut);
    AUTO(json) cJSON *sizes = compare_list_sizes(from, to, "name", "sections", cut);
    AUTO(json) cJSON *functions = compare_list_functions(from, to);
    AUTO(json) cJSON *moved = compare_list_packages(none, packages, cut);
    AUTO(char_p) char *lists = json_text(cut);
    assert_int_equal(cJSON_GetArraySize(json_arr(names, "added")), COMPARE_NAMES);
    assert_int_equal(cJSON_GetArraySize(json_arr(names, "removed")), COMPARE_NAMES);
    assert_string_equal(json_str(json_arr(names, "added")->child, "name", ""), "new000001");
    assert_int_equal(cJSON_GetArraySize(sizes), COMPARE_SIZES);
    assert_int_equal(json_int(sizes->child, "delta", 0), MANY);
    assert_int_equal(cJSON_GetArraySize(functions), COMPARE_FUNCTIONS);
    assert_int_equal(cJSON_GetArraySize(moved), COMPARE_PACKAGES);
    assert_string_equal(lists, "[\"exports\",\"sections\",\"dependencies\"]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),      cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_functions),  cmocka_unit_test(test_functions_of_a_full_list),
        cmocka_unit_test(test_settings),   cmocka_unit_test(test_packages),
        cmocka_unit_test(test_long_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
