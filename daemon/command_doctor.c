/* command_doctor.c - see command.h: bloomeryd doctor [--json]. */
#include "base/version.h"
#include "daemon/command.h"
#include "daemon/server.h"
#include "workers/doctor.h"

#include <stdio.h>
#include <string.h>

/* What others said (the Engine, servers) is no terminal's business. */
static void print(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < 32 || *text == 127 ? '?' : *text);
}

static void print_people(const struct doctor_findings *f, const size_t counts[3])
{
    for (size_t i = 0; i < f->count; i++) {
        const struct doctor_finding *x = &f->p[i];
        AUTO(char_p) char *name = x->about ? mem_printf("%s %s", x->name, x->about) : mem_strdup(x->name);
        printf("%-4s  %-24s  ", doctor_level_name(x->level), name);
        print(x->detail);
        if (x->hint) {
            printf("\n      -> ");
            print(x->hint);
        }
        putchar('\n');
    }
    printf("\n%zu ok, %zu warnings, %zu failures\n", counts[DOCTOR_OK], counts[DOCTOR_WARN], counts[DOCTOR_FAIL]);
}

static void print_json(const struct doctor_findings *f, const size_t counts[3])
{
    AUTO(json) cJSON *o = cJSON_CreateObject();
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; i < f->count; i++) {
        cJSON *c = cJSON_CreateObject();
        json_put_str(c, "name", f->p[i].name);
        json_put_str(c, "about", f->p[i].about);
        json_put_str(c, "level", doctor_level_name(f->p[i].level));
        json_put_str(c, "detail", f->p[i].detail);
        json_put_str(c, "hint", f->p[i].hint);
        cJSON_AddItemToArray(list, c);
    }
    cJSON_AddBoolToObject(o, "ok", counts[DOCTOR_FAIL] == 0);
    cJSON_AddItemToObject(o, "checks", list);
    AUTO(char_p) char *text = json_text(o);
    puts(text);
}

int command_doctor(int argc, char **argv, const struct config *c)
{
    struct profiles *profiles = NULL;
    struct doctor_findings findings = {0};
    struct err profiles_error = ERR_INIT;
    size_t counts[3] = {0};
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;

    if (argc > 2 || (argc == 2 && !json)) {
        fprintf(stderr, "bloomeryd: doctor [--json]\n");
        return 2;
    }
    server_profiles(c, &profiles, &profiles_error);
    struct doctor_config cfg = {.state_dir = c->state,
                                .engine_socket = c->engine_socket,
                                .helper_dir = c->helper_dir,
                                .ca_bundle = c->ca_bundle,
                                .work_mode = c->work_mode,
                                .version = BLOOMERY_VERSION,
                                .slots = (int)c->slots,
                                .build_uid = (uid_t)c->build_uid,
                                .build_uids = 2 * c->slots + 1, /* the last one checks uploads */
                                .files = c->limits.max_connections + SERVER_SPARE_FILES,
                                .limits = c->limits,
                                .profiles = profiles,
                                .profiles_error = &profiles_error};
    config_images(c, &cfg.images);
    doctor_examine(&cfg, &findings);
    for (size_t i = 0; i < findings.count; i++)
        counts[findings.p[i].level]++;
    if (json)
        print_json(&findings, counts);
    else
        print_people(&findings, counts);
    doctor_clear(&findings);
    profiles_unref(profiles);
    return counts[DOCTOR_FAIL] ? 1 : 0;
}
