/* main.c - the `bloomery` command: its arguments, and the commands that are one call. */
#include "base/clock.h"
#include "base/json.h"
#include "client/api.h"
#include "client/build.h"
#include "client/compare.h"
#include "client/note.h"
#include "client/settings.h"
#include "client/show.h"
#include "client/verify.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "usage: bloomery COMMAND [ARGUMENTS]\n"
    "\n"
    "  build [PATH] --profile P[,Q]   pack, submit, follow the log, download, summarise\n"
    "  submit [PATH] --profile P[,Q]  pack and submit; prints the id\n"
    "  status [ID]                    a job, or the newest jobs (-o state=, profile=, crate=, group=, limit=)\n"
    "  log ID                         a job's log, followed until it is finished\n"
    "  get ID [NAME...]               download artifacts into --out (.)\n"
    "  cancel ID...                   cancel jobs\n"
    "  compare A B                    what changed from job A to job B: sizes, names, toolchain, dependencies\n"
    "  profiles [NAME]                what can be built, and with which options\n"
    "  verify FILE                    is it what its attestation says? Needs no server\n"
    "  keys                           the server's public keys; with --json a file for --key\n"
    "\n"
    "PATH is a crate's folder (.), a Cargo.toml, or a tarball. Several profiles make a group: one upload, a job\n"
    "for each, and a folder for each below --out. ID is a job's or a group's. A and B are ids of jobs, or the newest\n"
    "job that succeeded: latest:profile=P,crate=C,label.KEY=VALUE, or a part of that (profile and crate are else "
    "those\n"
    "of the other one).\n"
    "\n"
    "  -p, --profile P[,Q]    what to build for\n"
    "  -d, --out DIR          where artifacts go (target/bloomery/PROFILE)\n"
    "  -o, --option K=V       any option of the server or the profile; repeatable\n"
    "      --label K=V        mark the job; repeatable\n"
    "      --env K=V          environment of the build; repeatable\n"
    "      --bin NAME  --package NAME  --manifest-path P  --features A,B  --no-default-features\n"
    "      --cargo-profile P  --locked  --debug  --toolchain T  --max-size N  --trial on|off\n"
    "      --priority N  --bypass-cache  --verify\n"
    "      --include PATTERN  pack files that look like credentials all the same; repeatable\n"
    "      --detach           do not wait\n"
    "      --timeout S        wait no longer than this\n"
    "      --artifact NAME    compare this artifact instead of the primary one\n"
    "      --fail-on-growth P compare: exit code 1 if the artifact grew by more than P percent\n"
    "      --attestation F    of verify (FILE.intoto.json, or another of that kind beside FILE)\n"
    "      --key F            of verify: whom to trust, a public key in PEM or the JSON of `keys`\n"
    "                         (~/.config/bloomery/keys.json, else " VERIFY_KEYS " beside FILE)\n"
    "      --json             the result as JSON on standard output\n"
    "      --server URL       else BLOOMERY_SERVER, ~/.config/bloomery/config (server = URL),\n"
    "                         " SETTINGS_DEFAULT_SERVER "\n"
    "\n"
    "Exit codes: 0 built (or verified), 1 the build failed, the artifact grew too much or is not what it claims to "
    "be,\n"
    "2 bad call, 3 server unreachable or failing, 4 time-out or detached before the end.\n";

enum {
    OPT_VALUE = 256,
    OPT_SWITCH,
    OPT_LABEL,
    OPT_ENV,
    OPT_INCLUDE,
    OPT_DETACH,
    OPT_TIMEOUT,
    OPT_JSON,
    OPT_SERVER,
    OPT_GROWTH,
    OPT_KEY,
    OPT_ATTESTATION
};

static const struct option options[] = {
    {"profile", required_argument, NULL, 'p'},
    {"out", required_argument, NULL, 'd'},
    {"option", required_argument, NULL, 'o'},
    {"help", no_argument, NULL, 'h'},
    {"label", required_argument, NULL, OPT_LABEL},
    {"env", required_argument, NULL, OPT_ENV},
    {"include", required_argument, NULL, OPT_INCLUDE},
    {"detach", no_argument, NULL, OPT_DETACH},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"json", no_argument, NULL, OPT_JSON},
    {"server", required_argument, NULL, OPT_SERVER},
    {"fail-on-growth", required_argument, NULL, OPT_GROWTH},
    {"artifact", required_argument, NULL, OPT_VALUE},
    {"key", required_argument, NULL, OPT_KEY},
    {"attestation", required_argument, NULL, OPT_ATTESTATION},
    {"bin", required_argument, NULL, OPT_VALUE},
    {"package", required_argument, NULL, OPT_VALUE},
    {"manifest-path", required_argument, NULL, OPT_VALUE},
    {"features", required_argument, NULL, OPT_VALUE},
    {"cargo-profile", required_argument, NULL, OPT_VALUE},
    {"toolchain", required_argument, NULL, OPT_VALUE},
    {"max-size", required_argument, NULL, OPT_VALUE},
    {"trial", required_argument, NULL, OPT_VALUE},
    {"priority", required_argument, NULL, OPT_VALUE},
    {"no-default-features", no_argument, NULL, OPT_SWITCH},
    {"locked", no_argument, NULL, OPT_SWITCH},
    {"debug", no_argument, NULL, OPT_SWITCH},
    {"bypass-cache", no_argument, NULL, OPT_SWITCH},
    {"verify", no_argument, NULL, OPT_SWITCH},
    {NULL, 0, NULL, 0},
};

static int bad_call(const char *message)
{
    struct err err = ERR_INIT;

    err_set(&err, ERR_BAD_REQUEST, "%s", message);
    err_hint(&err, "bloomery --help says how");
    note_error(&err);
    return EXIT_BAD_CALL;
}

/* --- options --- */

static void add_query(struct call *c, const char *key, const char *value)
{
    AUTO(char_p) char *k = http_escape(key);
    AUTO(char_p) char *v = http_escape(value);

    buf_printf(&c->query, "&%s=%s", k, v);
    c->manifest_given = c->manifest_given || strcmp(key, "manifest_path") == 0;
}

/* "K=V", with a prefix before K. False: it is none. */
static bool add_pair(struct call *c, const char *prefix, const char *pair)
{
    const char *equals = strchr(pair, '=');

    if (!equals || equals == pair)
        return false;
    AUTO(char_p) char *key = mem_printf("%s%.*s", prefix, (int)(equals - pair), pair);
    add_query(c, key, equals + 1);
    return true;
}

/* The server's name of an option: "--no-default-features" is no_default_features. */
static void add_long(struct call *c, const char *name, const char *value)
{
    AUTO(char_p) char *key = mem_strdup(name);

    for (char *p = key; *p; p++)
        if (*p == '-')
            *p = '_';
    add_query(c, key, value);
}

static bool add_profile(struct call *c, struct buf *profiles, const char *value)
{
    if (profiles->len > 0)
        buf_puts(profiles, ",");
    buf_puts(profiles, value);
    c->profiles = profiles->p;
    return value[0] != '\0';
}

static bool set_timeout(struct call *c, const char *text)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end || !(seconds > 0) || seconds > 1e7)
        return false;
    c->timeout_ms = (int64_t)(seconds * 1000);
    return true;
}

static bool set_growth(struct call *c, const char *text)
{
    char *end;
    double percent = strtod(text, &end);

    if (end == text || (*end && strcmp(end, "%") != 0) || !(percent >= 0) || percent > 1e9)
        return false;
    c->growth = percent;
    return true;
}

/* NULL, or what is wrong. */
static const char *take_option(struct call *c, struct buf *profiles, int opt, const char *name)
{
    switch (opt) {
    case 'p':
        return add_profile(c, profiles, optarg) ? NULL : "--profile wants a name";
    case 'd':
        c->out = optarg;
        return NULL;
    case 'o':
        return add_pair(c, "", optarg) ? NULL : "-o wants KEY=VALUE";
    case OPT_LABEL:
        return add_pair(c, "label.", optarg) ? NULL : "--label wants KEY=VALUE";
    case OPT_ENV:
        return add_pair(c, "env.", optarg) ? NULL : "--env wants KEY=VALUE";
    case OPT_INCLUDE:
        files_add(&c->keep, optarg);
        return NULL;
    case OPT_VALUE:
        add_long(c, name, optarg);
        return NULL;
    case OPT_SWITCH:
        add_long(c, name, "true");
        return NULL;
    case OPT_DETACH:
        c->detach = true;
        return NULL;
    case OPT_JSON:
        c->json = true;
        return NULL;
    case OPT_KEY:
        c->key = optarg;
        return NULL;
    case OPT_ATTESTATION:
        c->attestation = optarg;
        return NULL;
    case OPT_SERVER:
        c->server = optarg;
        return NULL;
    case OPT_TIMEOUT:
        return set_timeout(c, optarg) ? NULL : "--timeout wants seconds";
    case OPT_GROWTH:
        return set_growth(c, optarg) ? NULL : "--fail-on-growth wants a percentage, 0 or more";
    default:
        return "that is no option of bloomery";
    }
}

/* --- the commands that are one call --- */

static int fail(const struct err *err)
{
    note_error(err);
    return api_exit_code(err);
}

static int run_status(struct call *c)
{
    struct err err = ERR_INIT;
    AUTO(json) cJSON *answer = NULL;
    const char *id = c->arg_count > 0 ? c->args[0] : NULL;
    AUTO(char_p)
    char *path = c->query.p ? mem_printf("/v1/jobs?%s", c->query.p + 1) : mem_strdup("/v1/jobs?limit=20");

    if ((id ? api_by_id(c->http, "GET", id, &answer, &err) : api_get(c->http, path, &answer, &err)) < 0)
        return fail(&err);
    if (c->json)
        show_json(answer);
    else if (!id)
        show_jobs(answer);
    else if (json_arr(answer, "jobs"))
        show_group(answer);
    else
        show_job(answer);
    return EXIT_BUILT;
}

static int run_cancel(struct call *c)
{
    struct err err = ERR_INIT;

    if (c->arg_count == 0)
        return bad_call("which job? Say bloomery cancel ID");
    for (size_t i = 0; i < c->arg_count; i++) {
        AUTO(json) cJSON *answer = NULL;
        if (api_by_id(c->http, "DELETE", c->args[i], &answer, &err) < 0)
            return fail(&err);
        if (c->json && answer)
            show_json(answer);
        else
            note_line("canceling %s %s", json_arr(answer, "jobs") ? "group" : "job", c->args[i]);
    }
    return EXIT_BUILT;
}

static int run_profiles(struct call *c)
{
    struct err err = ERR_INIT;
    AUTO(json) cJSON *answer = NULL;
    AUTO(char_p) char *name = c->arg_count > 0 ? http_escape(c->args[0]) : NULL;
    AUTO(char_p) char *path = name ? mem_printf("/v1/profiles/%s", name) : mem_strdup("/v1/profiles");

    if (api_get(c->http, path, &answer, &err) < 0)
        return fail(&err);
    if (c->json)
        show_json(answer);
    else if (name)
        show_profile(answer);
    else
        show_profiles(answer);
    return EXIT_BUILT;
}

static const struct {
    const char *name;
    size_t args_max;
    int (*run)(struct call *c);
} commands[] = {
    {"build", 1, build_run},   {"submit", 1, build_submit},  {"status", 1, run_status},     {"log", 1, build_log},
    {"get", 1000, build_get},  {"cancel", 1000, run_cancel}, {"profiles", 1, run_profiles}, {"compare", 2, compare_run},
    {"verify", 1, verify_run}, {"keys", 0, verify_keys},
};

static int run(struct call *c, const char *name)
{
    struct err err = ERR_INIT;
    AUTO(char_p) char *server = NULL;

    for (size_t i = 0; i < COUNT(commands); i++) {
        if (strcmp(commands[i].name, name) != 0)
            continue;
        if (c->arg_count > commands[i].args_max)
            return bad_call("that is too much on the command line");
        if (settings_server(c->server, &server, &err) < 0)
            return fail(&err);
        c->http = http_new(NULL, server);
        int code = commands[i].run(c);
        http_free(c->http);
        return code;
    }
    AUTO(char_p) char *message = mem_printf("there is no command '%.60s'", name);
    return bad_call(message);
}

int main(int argc, char **argv)
{
    struct call c = {.growth = -1};
    AUTO(buf) struct buf profiles = {0};
    const char *wrong = NULL;
    bool help = false;
    int code = EXIT_BAD_CALL, index = 0;

    signal(SIGPIPE, SIG_IGN);
    for (int opt; !wrong && (opt = getopt_long(argc, argv, "p:d:o:h", options, &index)) != -1;) {
        if (opt == 'h') {
            help = true;
            break;
        }
        wrong = opt == '?' ? "" : take_option(&c, &profiles, opt, options[index].name);
    }
    c.deadline_ms = c.timeout_ms > 0 ? clock_monotonic_ms() + c.timeout_ms : 0;
    if (help || (!wrong && optind < argc && strcmp(argv[optind], "help") == 0))
        code = fputs(USAGE, stdout) < 0 ? EXIT_BAD_CALL : EXIT_BUILT;
    else if (wrong && wrong[0])
        code = bad_call(wrong);
    else if (!wrong && optind >= argc)
        fputs(USAGE, stderr);
    else if (!wrong) {
        c.args = (const char *const *)argv + optind + 1;
        c.arg_count = (size_t)(argc - optind - 1);
        code = run(&c, argv[optind]);
    }
    buf_free(&c.query);
    files_free(&c.keep);
    return code;
}
