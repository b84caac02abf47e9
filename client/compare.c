/* compare.c - see compare.h. */
#include "client/compare.h"

#include "base/json.h"
#include "client/api.h"
#include "client/note.h"
#include "client/show.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 20, NAMES = 20, NAME_WIDTH = 44 }; /* that are shown; --json has all that the server sends */

static double number(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);

    return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

/* --- cells --- */

/* "1234", or "-" for what is not known. */
static void put_count(struct buf *b, int width, double v)
{
    if (isnan(v))
        buf_printf(b, "%*s", width, "-");
    else
        buf_printf(b, "%*.0f", width, v);
}

/* Red for what grew, green for what shrank, where the terminal wants it. */
static void put_delta(struct buf *b, int width, double v)
{
    AUTO(char_p) char *text = isnan(v) ? mem_strdup("-") : v == 0 ? mem_strdup("0") : mem_printf("%+.0f", v);
    bool colour = note_colour(STDOUT_FILENO) && !isnan(v) && v != 0;

    buf_printf(b, "%*s", width - (int)strlen(text), "");
    buf_printf(b, "%s%s%s", colour ? v > 0 ? "\033[31m" : "\033[32m" : "", text, colour ? "\033[0m" : "");
}

/* Text from the server, on one line and without control. */
static void put_text(struct buf *b, const char *s)
{
    AUTO(buf) struct buf plain = {0};

    note_plain(&plain, s, strlen(s));
    for (size_t i = 0; i < plain.len; i++)
        if (plain.p[i] == '\n' || plain.p[i] == '\t')
            plain.p[i] = ' ';
    buf_put(b, plain.p ? plain.p : "", plain.len);
}

/* The columns that an UTF-8 text takes, taking one for each character. */
static int width_of(const char *s)
{
    int n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* Left-aligned; what is too long goes first on a line of its own. */
static void put_name(struct buf *b, const char *s)
{
    AUTO(buf) struct buf name = {0};

    put_text(&name, s);
    int width = width_of(name.p ? name.p : "");
    buf_printf(b, "  %s", name.p ? name.p : "");
    if (width > NAME_WIDTH)
        buf_printf(b, "\n  %*s", NAME_WIDTH, "");
    else
        buf_printf(b, "%*s", NAME_WIDTH - width, "");
}

static void put_row(struct buf *b, const char *name, const cJSON *row)
{
    double percent = number(row, "percent");

    put_name(b, name);
    put_count(b, 12, number(row, "from"));
    put_count(b, 12, number(row, "to"));
    put_delta(b, 12, number(row, "delta"));
    if (!isnan(percent))
        buf_printf(b, "  %+.2f %%", percent);
    buf_puts(b, "\n");
}

/* --- tables --- */

/* Of a list of {"name","from","to","delta"} what has changed. */
static void put_rows(struct buf *b, const char *title, const cJSON *list)
{
    const cJSON *row;
    int shown = 0, left = 0;

    cJSON_ArrayForEach(row, list)
    {
        if (number(row, "delta") == 0)
            continue;
        if (shown == ROWS) {
            left++;
            continue;
        }
        if (shown++ == 0)
            buf_printf(b, "\n%s\n", title);
        put_row(b, json_str(row, "name", "?"), row);
    }
    if (left > 0)
        buf_printf(b, "  and %d more: --json shows them\n", left);
}

static void put_names(struct buf *b, char sign, const cJSON *list)
{
    const cJSON *v;
    int n = 0;

    cJSON_ArrayForEach(v, list)
    {
        const char *module = json_str(v, "module", NULL), *type = json_str(v, "type", NULL);
        if (n++ == NAMES) {
            buf_printf(b, "  and %d more: --json shows them\n", cJSON_GetArraySize(list) - NAMES);
            return;
        }
        buf_printf(b, "  %c ", sign);
        if (module) {
            put_text(b, module);
            buf_puts(b, ".");
        }
        put_text(b, json_str(v, "name", "?"));
        if (type) {
            buf_puts(b, "  ");
            put_text(b, type);
        }
        buf_puts(b, "\n");
    }
}

static void put_changes(struct buf *b, const char *key, const cJSON *answer)
{
    const cJSON *change = json_obj(answer, key);
    const cJSON *added = json_arr(change, "added"), *removed = json_arr(change, "removed");

    if (!cJSON_GetArraySize(added) && !cJSON_GetArraySize(removed))
        return;
    buf_printf(b, "\n%s\n", key);
    put_names(b, '+', added);
    put_names(b, '-', removed);
}

/* A text as it is, anything else as JSON; "-" for nothing. */
static void put_value(struct buf *b, const cJSON *v)
{
    AUTO(char_p) char *text = cJSON_IsString(v) ? mem_strdup(v->valuestring) : json_text(v);

    put_text(b, !v || cJSON_IsNull(v) ? "-" : text);
}

static void put_settings(struct buf *b, const char *title, const cJSON *list)
{
    const cJSON *v;

    if (cJSON_GetArraySize(list) > 0)
        buf_printf(b, "\n%s\n", title);
    cJSON_ArrayForEach(v, list)
    {
        buf_puts(b, "  ");
        put_text(b, json_str(v, "name", "?"));
        buf_puts(b, "  ");
        put_value(b, cJSON_GetObjectItemCaseSensitive(v, "from"));
        buf_puts(b, " -> ");
        put_value(b, cJSON_GetObjectItemCaseSensitive(v, "to"));
        buf_puts(b, "\n");
    }
}

static void put_versions(struct buf *b, const cJSON *list)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, list)
    {
        if (v != list->child)
            buf_puts(b, ", ");
        put_value(b, v);
    }
    if (!cJSON_GetArraySize(list))
        buf_puts(b, "-");
}

static void put_dependencies(struct buf *b, const cJSON *list)
{
    const cJSON *v;

    if (cJSON_GetArraySize(list) > 0)
        buf_puts(b, "\ndependencies\n");
    cJSON_ArrayForEach(v, list)
    {
        const char *change = json_str(v, "change", "");
        buf_printf(b, "  %c ", strcmp(change, "added") == 0 ? '+' : strcmp(change, "removed") == 0 ? '-' : ' ');
        put_text(b, json_str(v, "name", "?"));
        buf_puts(b, "  ");
        put_versions(b, json_arr(v, "from"));
        buf_puts(b, " -> ");
        put_versions(b, json_arr(v, "to"));
        if (strcmp(json_str(v, "for", ""), "host") == 0)
            buf_puts(b, "  (build only)");
        buf_puts(b, "\n");
    }
}

static void put_side(struct buf *b, const char *which, const cJSON *side)
{
    const cJSON *crate = json_obj(side, "crate"), *artifact = json_obj(side, "artifact");
    AUTO(char_p)
    char *line = mem_printf("%s  %s  %s %s  %s  %.12s", json_str(side, "id", "?"), json_str(side, "profile", "?"),
                            json_str(crate, "name", "-"), json_str(crate, "version", ""),
                            json_str(artifact, "name", "?"), json_str(artifact, "sha256", ""));

    buf_printf(b, "%-5s ", which);
    put_text(b, line);
    buf_puts(b, "\n");
}

static void show(const cJSON *answer)
{
    AUTO(buf) struct buf b = {0};
    const cJSON *v;

    put_side(&b, "from", json_obj(answer, "from"));
    put_side(&b, "to", json_obj(answer, "to"));
    cJSON_ArrayForEach(v, json_arr(answer, "warnings"))
    {
        buf_puts(&b, "warning: ");
        put_value(&b, v);
        buf_puts(&b, "\n");
    }
    if (json_bool(answer, "identical", false))
        buf_puts(&b, "the artifacts are the same, byte for byte\n");
    buf_printf(&b, "\n  %-*s%12s%12s%12s\n", NAME_WIDTH, "bytes", "from", "to", "change");
    put_row(&b, "size", json_obj(answer, "size"));
    if (json_obj(answer, "gzip_size"))
        put_row(&b, "gzip", json_obj(answer, "gzip_size"));
    if (json_obj(answer, "code_bytes"))
        put_row(&b, "code", json_obj(answer, "code_bytes"));
    put_rows(&b, "sections", json_arr(answer, "sections"));
    put_rows(&b, "crates (code)", json_arr(answer, "crates"));
    put_rows(&b, "functions that grew", json_arr(answer, "functions"));
    static const char *const names[] = {"imports", "exports", "undefined", "needed", "defined"};
    for (size_t i = 0; i < COUNT(names); i++)
        put_changes(&b, names[i], answer);
    put_settings(&b, "toolchain", json_arr(answer, "toolchain"));
    put_settings(&b, "options", json_arr(answer, "options"));
    put_dependencies(&b, json_arr(answer, "dependencies"));
    cJSON_ArrayForEach(v, json_arr(answer, "truncated"))
    {
        buf_puts(&b, "\nthe server left out a part of: ");
        put_value(&b, v);
        buf_puts(&b, "\n");
    }
    fwrite(b.p, 1, b.len, stdout);
    fflush(stdout);
}

/* --- the command --- */

/* Says so where the artifact grew by more than was allowed. */
static bool grew_too_much(const struct call *c, const cJSON *answer)
{
    const cJSON *size = json_obj(answer, "size");
    double from = number(size, "from"), to = number(size, "to");

    if (c->growth < 0 || !(to > from + from * c->growth / 100))
        return false;
    AUTO(char_p) char *by = from > 0 ? mem_printf("%.2f %%", 100 * (to - from) / from) : mem_strdup("from nothing");
    note_line("%s grew by %s, more than the %g %% that are allowed",
              json_str(json_obj(json_obj(answer, "to"), "artifact"), "name", "the artifact"), by, c->growth);
    return true;
}

int compare_run(struct call *c)
{
    struct err err = ERR_INIT;
    AUTO(json) cJSON *answer = NULL;

    if (c->arg_count != 2) {
        err_set(&err, ERR_BAD_REQUEST, "compare what with what? Say bloomery compare A B");
        err_hint(&err, "each is a job's id, or latest:profile=P,crate=C,label.KEY=VALUE");
        note_error(&err);
        return EXIT_BAD_CALL;
    }
    AUTO(char_p) char *from = http_escape(c->args[0]);
    AUTO(char_p) char *to = http_escape(c->args[1]);
    AUTO(char_p) char *path = mem_printf("/v1/compare?from=%s&to=%s%s", from, to, c->query.p ? c->query.p : "");
    if (api_get(c->http, path, &answer, &err) < 0) {
        note_error(&err);
        return api_exit_code(&err);
    }
    if (c->json)
        show_json(answer);
    else
        show(answer);
    return grew_too_much(c, answer) ? EXIT_FAILED : EXIT_BUILT;
}
