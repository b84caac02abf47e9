/* test_replay_script.c - the script of a replay: the order of its calls, and words that no shell takes apart. */
#include "daemon/replay_script.h"

#include "base/buf.h"
#include "base/proc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Functions that print how they are called, a line each, its words in brackets. */
static const char spies[] =
    "tell() { for w; do printf '[%s]' \"$w\"; done; echo; }\n"
    "begin() { tell begin \"$@\"; }\nunpack() { tell unpack \"$@\"; }\nput() { tell put \"$@\"; }\n"
    "fresh() { tell fresh \"$@\"; }\nhold() { tell hold \"$@\"; held=H; }\n"
    "step() { tell step \"$@\"; }\nartifact() { tell artifact \"$@\"; }\nverdict() { tell verdict; }\n"
    "image=I work=W tmp=T mounts=M name=N tame='--tame' network='-e http_proxy' held=''\n";

static char *run(const char *json)
{
    AUTO(json) cJSON *doc = NULL;
    AUTO(buf) struct buf out = {0};
    struct err err = ERR_INIT;
    struct proc p = PROC_INIT;
    int status;

    assert_int_equal(json_parse(json, strlen(json), "a test", &doc, &err), 0);
    AUTO(char_p) char *script = replay_script(spies, doc);
    const char *const argv[] = {"sh", "-uc", script, NULL};
    p.argv = argv;
    p.out = &out;
    p.out_max = 1 << 20;
    p.seconds = 60;
    assert_int_equal(proc_run(&p, &status, &err), 0);
    assert_int_equal(status, 0);
    return buf_steal(&out);
}

#define IMAGE "\"image\":{\"id\":\"sha256:1\",\"digest\":\"d\",\"reference\":\"r:1\"},"
#define SOURCE "\"root\":\"x-1\",\"source\":{\"file\":\"source.tar.gz\",\"compression\":\"gzip\",\"sha256\":\"s\"},"
#define WORK "{\"from\":\"work\",\"target\":\"/work\"}"
#define STEPS "{\"from\":\"steps\",\"target\":\"/bloomery/steps\"}"

static void test_a_job_with_all_there_is(void **state)
{
    (void)state;
    AUTO(char_p)
    char *said =
        run("{" IMAGE SOURCE "\"lock\":{\"file\":\"src/Cargo.lock\",\"given\":true},"
            "\"containers\":["
            "{\"command\":[\"sleep\",\"infinity\"],\"user\":\"2:2\",\"mounts\":[" WORK ",{\"from\":\"tmp\"}," STEPS
            "],\"memory_bytes\":1024,\"pids\":7,\"nano_cpus\":1500000000},"
            "{\"command\":null,\"user\":\"1:1\",\"workdir\":\"/work/src\",\"mounts\":[" WORK
            "],\"network\":true,\"tmpfs_bytes\":64},"
            "{\"command\":[\"sleep\",\"infinity\"],\"user\":\"2:2\",\"fresh\":[\"out\",\"tmp\"]}],"
            "\"steps\":["
            "{\"name\":\"fetch\",\"container\":1,\"command\":[\"cargo\",\"fetch\"],\"env\":[\"A=1\"],\"user\":\"1:1\"},"
            "{\"name\":\"cargo\",\"container\":0,\"command\":[\"cargo\",\"build\"],\"env\":[\"A=1\",\"B=x\\u001fy "
            "z\"],\"user\":\"1:1\",\"workdir\":\"/work/src\"},"
            "{\"name\":\"cargo\",\"container\":0,\"command\":[\"cargo\"],\"env\":[],\"user\":\"1:1\"},"
            "{\"name\":\"link\",\"container\":2,\"command\":[\"./link\"],\"user\":\"1:1\"}],"
            "\"artifacts\":[{\"name\":\"a.wasm\",\"file\":\"out/a.wasm\",\"sha256\":\"aa\"}]}");
    assert_string_equal(
        said,
        "[begin][sha256:1][d][r:1]\n"
        "[unpack][1:1][source.tar.gz][gzip][s][x-1]\n"
        "[put][1:1][cargo-config.toml][cargo/config.toml]\n"
        "[put][1:1][Cargo.lock][src/Cargo.lock]\n"
        "[step][fetch][docker][run][--rm][--name][N-step][--entrypoint][][--tame][-e][http_proxy][--user][1:1][--"
        "workdir]"
        "[/work/src][--tmpfs][/tmp:rw,exec,nosuid,nodev,mode=1777,size=64][-v][W:/work][-v][T:/work/"
        "tmp][-e][A=1][I][cargo]"
        "[fetch]\n"
        "[hold][--network][none][--user][2:2][--memory][1024][--memory-swap][1024][--pids-limit][7][--cpus][1."
        "500000000]"
        "[-v][W:/work][-v][T:/work/tmp][-v][T:/tmp][-v][M:/bloomery:ro][I][sleep][infinity]\n"
        "[step][cargo][docker][exec][--user][1:1][--workdir][/work/src][-e][A=1][-e][B=x\x1fy z][H][cargo][build]\n"
        "[step][cargo][docker][exec][--user][1:1][H][cargo]\n"
        "[fresh][1:1][out][tmp]\n"
        "[hold][--network][none][--user][2:2][I][sleep][infinity]\n"
        "[step][link][docker][exec][--user][1:1][H][./link]\n"
        "[artifact][a.wasm][out/a.wasm][aa]\n"
        "[verdict]\n");
}

static void test_hostile_words(void **state)
{
    static const char hostile[] = "a'; touch /tmp/pwned; echo '$(id) `id` \\\\ \\\" $HOME *";

    (void)state;
    AUTO(char_p)
    char *json =
        mem_printf("{" IMAGE SOURCE "\"containers\":[{\"command\":[\"sleep\"]}],\"steps\":[{\"name\":\"%s\","
                   "\"container\":0,\"command\":[\"%s\"],\"env\":[\"E=%s\"]}],\"artifacts\":[{\"name\":\"%s\"}]}",
                   hostile, hostile, hostile, hostile);
    AUTO(char_p) char *said = run(json);
    static const char word[] = "a'; touch /tmp/pwned; echo '$(id) `id` \\ \" $HOME *";
    AUTO(char_p)
    char *wanted =
        mem_printf("[step][%s][docker][exec][-e][E=%s][H][%s]\n[artifact][%s][][]\n", word, word, word, word);
    assert_non_null(strstr(said, wanted));
}

/* A record that is damaged makes a script that does nothing bad, not a crash. */
static void test_odd_records(void **state)
{
    static const char *const odd[] = {"{}", "{\"steps\":[1,null,{}]}", "{\"steps\":[{\"container\":99}]}",
                                      "{\"steps\":[{\"container\":-1,\"command\":\"x\"}],\"containers\":{}}",
                                      "{\"artifacts\":[[]],\"lock\":null,\"image\":7}"};

    (void)state;
    for (size_t i = 0; i < COUNT(odd); i++) {
        AUTO(char_p) char *said = run(odd[i]);
        assert_non_null(strstr(said, "[verdict]\n"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_job_with_all_there_is),
                                       cmocka_unit_test(test_hostile_words), cmocka_unit_test(test_odd_records)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
