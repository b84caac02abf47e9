/* show.c - see show.h. */
#include "client/show.h"

#include "client/note.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_ERRORS = 20 };

static void out(FILE *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void out(FILE *f, const char *fmt, ...)
{
    AUTO(buf) struct buf text = {0};
    char *raw = NULL;
    va_list ap;

    va_start(ap, fmt);
    int n = vasprintf(&raw, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    note_plain(&text, raw, (size_t)n);
    free(raw);
    if (text.len > 0)
        fwrite(text.p, 1, text.len, f);
}

void show_text(const struct buf *text)
{
    AUTO(buf) struct buf plain = {0};

    note_plain(&plain, text->p ? text->p : "", text->len);
    fwrite(plain.p ? plain.p : "", 1, plain.len, stdout);
    fflush(stdout);
}

void show_json(const cJSON *value)
{
    AUTO(char_p) char *text = json_text(value);

    puts(text);
    fflush(stdout);
}

void show_log(const char *text, size_t len)
{
    AUTO(buf) struct buf plain = {0};

    if (isatty(STDOUT_FILENO)) {
        note_plain(&plain, text, len);
        fwrite(plain.p ? plain.p : "", 1, plain.len, stdout);
    } else {
        fwrite(text, 1, len, stdout);
    }
    fflush(stdout);
}

static double number(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);

    return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

/* A list's length, or a count where the server gives only that. */
static int64_t count_of(const cJSON *o, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);

    if (cJSON_IsArray(v))
        return cJSON_GetArraySize(v);
    return cJSON_IsNumber(v) ? (int64_t)v->valuedouble : -1;
}

static void join(struct buf *b, const cJSON *list, const char *key, int most)
{
    const cJSON *item;
    int n = 0;

    cJSON_ArrayForEach(item, list)
    {
        const char *s = key ? json_str(item, key, "?") : cJSON_IsString(item) ? item->valuestring : "?";
        if (n == most) {
            buf_printf(b, ", ... (%d in all)", cJSON_GetArraySize(list));
            return;
        }
        buf_printf(b, "%s%s", n++ ? ", " : "", s);
    }
}

static void show_wasm(const cJSON *meta)
{
    AUTO(buf) struct buf exports = {0};
    AUTO(buf) struct buf imports = {0};
    const cJSON *memory = cJSON_GetArrayItem(json_arr(meta, "memories"), 0);

    join(&exports, json_arr(meta, "exports"), "name", 8);
    out(stdout, "  exports    %s\n", exports.len ? exports.p : "none");
    const cJSON *item;
    int n = 0;
    cJSON_ArrayForEach(item, json_arr(meta, "imports"))
    {
        if (n == 8) {
            buf_printf(&imports, ", ... (%lld in all)", (long long)count_of(meta, "imports"));
            break;
        }
        buf_printf(&imports, "%s%s.%s", n++ ? ", " : "", json_str(item, "module", "?"), json_str(item, "name", "?"));
    }
    out(stdout, "  imports    %s\n", imports.len ? imports.p : "none");
    if (memory) {
        const double min = number(memory, "min"), max = number(memory, "max");
        AUTO(char_p) char *limit = isnan(max) ? mem_strdup("no maximum") : mem_printf("at most %.0f", max);
        out(stdout, "  memory     %.0f pages of 64 KiB, %s%s%s%s\n", isnan(min) ? 0 : min, limit,
            json_bool(memory, "memory64", false) ? ", 64-bit" : "",
            json_bool(memory, "shared", false) ? ", shared" : "",
            json_bool(memory, "imported", false) ? ", imported" : "");
    }
}

static void show_elf(const cJSON *meta)
{
    AUTO(buf) struct buf needed = {0};

    join(&needed, json_arr(meta, "needed"), NULL, 8);
    out(stdout, "  linking    %s",
        json_bool(meta, "static_pie", false) ? "static PIE"
        : json_bool(meta, "static", false)   ? "static"
                                             : "dynamic");
    if (needed.len > 0)
        out(stdout, ", needs %s", needed.p);
    const char *interp = json_str(meta, "interp", NULL), *id = json_str(meta, "build_id", NULL);
    if (interp)
        out(stdout, ", interpreter %s", interp);
    if (id)
        out(stdout, "\n  build id   %s", id);
    out(stdout, "\n");
}

static void show_verdict(const char *what, const cJSON *v)
{
    const cJSON *check;
    const char *verdict = json_str(v, "verdict", NULL);

    if (!verdict)
        return;
    out(stdout, "  %-10s %s", what, verdict);
    if (*json_str(v, "host", ""))
        out(stdout, " (%s)", json_str(v, "host", ""));
    if (json_str(v, "reason", NULL))
        out(stdout, ": %s", json_str(v, "reason", ""));
    out(stdout, "\n");
    cJSON_ArrayForEach(check, json_arr(v, "checks"))
    {
        if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(check, "ok"))) /* null: it was not made */
            out(stdout, "             %s: %s\n", json_str(check, "name", "?"), json_str(check, "detail", "fails"));
    }
}

void show_artifact(const cJSON *a, const char *saved_as)
{
    AUTO(char_p) char *size = note_size(json_int(a, "size", 0));
    AUTO(char_p) char *gzip = note_size(json_int(a, "gzip_size", 0));
    const cJSON *meta = json_obj(a, "metadata");
    bool primary = strcmp(json_str(a, "role", ""), "primary") == 0;

    out(stdout, "%s%s%s%s\n", json_str(a, "name", "?"), primary ? "" : "  [", primary ? "" : json_str(a, "role", "?"),
        primary ? "" : "]");
    if (saved_as)
        out(stdout, "  file       %s\n", saved_as);
    out(stdout, "  kind       %s\n", json_str(a, "kind", "?"));
    out(stdout, "  size       %s (%lld bytes), gzip %s\n", size, (long long)json_int(a, "size", 0), gzip);
    out(stdout, "  sha256     %s\n", json_str(a, "sha256", "?"));
    if (json_arr(meta, "memories"))
        show_wasm(meta);
    else if (cJSON_GetObjectItemCaseSensitive(meta, "static"))
        show_elf(meta);
    else if (json_arr(meta, "members"))
        out(stdout, "  members    %lld\n", (long long)count_of(meta, "members"));
    show_verdict("contract", json_obj(a, "contract"));
    show_verdict("trial", json_obj(a, "trial"));
}

/* The compiler's errors as editors know them. */
static void show_errors(const cJSON *diagnostics)
{
    const cJSON *e;
    int64_t shown = 0, all = json_int(diagnostics, "errors_count", 0);

    cJSON_ArrayForEach(e, json_arr(diagnostics, "errors"))
    {
        const char *file = json_str(e, "file", NULL), *code = json_str(e, "code", NULL),
                   *label = json_str(e, "label", "");
        if (shown == MOST_ERRORS)
            break;
        shown++;
        out(stderr, "  ");
        if (file)
            out(stderr, "%s:%lld:%lld: ", file, (long long)json_int(e, "line", 0), (long long)json_int(e, "column", 0));
        out(stderr, "%s: %s", code ? code : "error", json_str(e, "text", "?"));
        out(stderr, label[0] ? " (%s)\n" : "\n", label);
    }
    if (all > shown)
        out(stderr, "  ... and %lld more of %lld errors\n", (long long)(all - shown), (long long)all);
}

static void show_use(FILE *f, const cJSON *o)
{
    AUTO(char_p) char *memory = note_size(json_int(o, "peak_memory_bytes", 0));
    AUTO(char_p) char *written = note_size(json_int(o, "bytes_written", 0));
    double cpu = number(o, "cpu_seconds");

    out(f, "%.1f s of CPU time, %s of memory, %s written\n", isnan(cpu) ? 0 : cpu, memory, written);
}

/* What each phase of the last attempt used; it ended in the last of them. */
static void show_phases(const cJSON *job)
{
    const cJSON *p;

    cJSON_ArrayForEach(p, json_arr(job, "phases"))
    {
        double seconds = number(p, "seconds");
        if (json_int(p, "attempt", 0) != json_int(job, "attempt", 0))
            continue;
        out(stderr, "  %-5s used %.1f s, ", json_str(p, "name", "?"), isnan(seconds) ? 0 : seconds);
        show_use(stderr, p);
    }
}

void show_warnings(const cJSON *job)
{
    const int64_t count = json_int(json_obj(job, "diagnostics"), "warnings_count", 0);
    const cJSON *w;

    cJSON_ArrayForEach(w, json_arr(job, "warnings"))
    {
        if (cJSON_IsString(w))
            note_line("warning: %s", w->valuestring);
    }
    if (count > 0)
        note_line("%lld %s of the compiler's: bloomery log %s", (long long)count, count == 1 ? "warning" : "warnings",
                  json_str(job, "id", "ID"));
}

void show_failure(const cJSON *job)
{
    const cJSON *e = json_obj(job, "error");
    bool colour = note_colour(STDERR_FILENO);
    const char *excerpt = json_str(e, "log_excerpt", NULL), *hint = json_str(e, "hint", NULL);

    fflush(stdout);
    fprintf(stderr, "%s", colour ? "\033[1;31m" : "");
    out(stderr, "%s", json_str(e, "kind", json_str(job, "state", "failed")));
    fprintf(stderr, "%s", colour ? "\033[0m" : "");
    out(stderr, ": %s\n", json_str(e, "message", "the job did not succeed"));
    if (hint)
        out(stderr, "  hint: %s\n", hint);
    show_errors(json_obj(job, "diagnostics"));
    show_phases(job);
    if (excerpt) {
        out(stderr, "  --- from the log ---\n");
        for (const char *p = excerpt; *p; p += strcspn(p, "\n"), p += *p == '\n') {
            AUTO(char_p) char *line = mem_strndup(p, strcspn(p, "\n"));
            out(stderr, "  %s\n", line);
        }
    }
    out(stderr, "  whole log: bloomery log %s\n", json_str(job, "id", "ID"));
}

char *show_queue(const cJSON *job)
{
    const cJSON *q = json_obj(job, "queue");
    const char *reason = json_str(q, "reason", NULL);
    AUTO(buf) struct buf b = {0};

    if (strcmp(json_str(job, "state", ""), "queued") != 0)
        return mem_strdup("");
    buf_puts(&b, "queued");
    if (json_int(q, "position", -1) >= 0)
        buf_printf(&b, " at position %lld", (long long)json_int(q, "position", 0));
    if (json_int(q, "eta_seconds", -1) > 0)
        buf_printf(&b, ", about %lld s", (long long)json_int(q, "eta_seconds", 0));
    if (reason && reason[0])
        buf_printf(&b, " (%s)", reason);
    return buf_steal(&b);
}

void show_job(const cJSON *job)
{
    const cJSON *crate = json_obj(job, "crate"), *item;
    AUTO(char_p) char *queue = show_queue(job);

    out(stdout, "job        %s\n", json_str(job, "id", "?"));
    out(stdout, "state      %s\n", queue[0] ? queue : json_str(job, "state", "?"));
    out(stdout, "profile    %s\n", json_str(job, "profile", "?"));
    if (crate)
        out(stdout, "crate      %s %s\n", json_str(crate, "name", "?"), json_str(crate, "version", ""));
    out(stdout, "created    %s\n", json_str(job, "created_at", "?"));
    if (json_str(job, "finished_at", NULL))
        out(stdout, "finished   %s\n", json_str(job, "finished_at", ""));
    if (json_str(job, "cached_from", NULL))
        out(stdout, "cached     from %s\n", json_str(job, "cached_from", ""));
    if (cJSON_GetArraySize(json_arr(job, "phases")) > 0) {
        const char *between = "";
        out(stdout, "phases     ");
        cJSON_ArrayForEach(item, json_arr(job, "phases"))
        {
            double seconds = number(item, "seconds");
            out(stdout, "%s%s %.1f s", between, json_str(item, "name", "?"), isnan(seconds) ? 0 : seconds);
            between = ", ";
        }
        out(stdout, "\n");
    }
    if (json_int(job, "attempt", 0) > 0) {
        out(stdout, "used       ");
        show_use(stdout, json_obj(job, "resources"));
    }
    const cJSON *said = json_obj(job, "diagnostics");
    if (said)
        out(stdout, "compiler   %lld errors, %lld warnings\n", (long long)json_int(said, "errors_count", 0),
            (long long)json_int(said, "warnings_count", 0));
    cJSON_ArrayForEach(item, json_arr(job, "warnings"))
    {
        if (cJSON_IsString(item))
            out(stdout, "warning    %s\n", item->valuestring);
    }
    if (json_obj(job, "verification"))
        out(stdout, "verified   %s\n", json_str(json_obj(job, "verification"), "verdict", "?"));
    cJSON_ArrayForEach(item, json_arr(job, "artifacts"))
    {
        AUTO(char_p) char *size = note_size(json_int(item, "size", 0));
        out(stdout, "artifact   %s  %s  %s\n", json_str(item, "name", "?"), size, json_str(item, "sha256", ""));
    }
    fflush(stdout);
    if (json_obj(job, "error"))
        show_failure(job);
}

void show_group(const cJSON *group)
{
    const cJSON *job, *item;

    out(stdout, "group      %s\n", json_str(group, "id", "?"));
    out(stdout, "state      %s\n", json_str(group, "state", "?"));
    cJSON_ArrayForEach(job, json_arr(group, "jobs"))
    {
        const cJSON *e = json_obj(job, "error");
        const char *between = " ";
        AUTO(char_p) char *queue = show_queue(job);
        out(stdout, "%-10s %s  %s", json_str(job, "profile", "?"), json_str(job, "id", "?"),
            queue[0] ? queue : json_str(job, "state", "?"));
        if (e)
            out(stdout, "  %s: %s", json_str(e, "kind", "?"), json_str(e, "message", ""));
        cJSON_ArrayForEach(item, json_arr(job, "artifacts"))
        {
            AUTO(char_p) char *size = note_size(json_int(item, "size", 0));
            out(stdout, "%s %s (%s)", between, json_str(item, "file", json_str(item, "name", "?")), size);
            between = ",";
        }
        out(stdout, "\n");
    }
    fflush(stdout);
}

void show_jobs(const cJSON *list)
{
    const cJSON *job;

    cJSON_ArrayForEach(job, json_arr(list, "jobs"))
    {
        const cJSON *crate = json_obj(job, "crate"), *e = json_obj(job, "error");
        AUTO(char_p) char *name = mem_printf("%s %s", json_str(crate, "name", "-"), json_str(crate, "version", ""));
        out(stdout, "%s  %-10s %-14s %-28s %.19s %s\n", json_str(job, "id", "?"), json_str(job, "state", "?"),
            json_str(job, "profile", "?"), name, json_str(job, "created_at", ""), json_str(e, "kind", ""));
    }
    if (json_str(list, "next", NULL))
        out(stderr, "there are more; -o cursor=%s shows the next\n", json_str(list, "next", ""));
}

void show_profiles(const cJSON *list)
{
    const cJSON *p;

    cJSON_ArrayForEach(p, json_arr(list, "profiles"))
    {
        const char *why = json_str(p, "why", NULL);
        bool ready = json_bool(p, "available", false);
        out(stdout, "%-18s %-36s %s%s%s\n", json_str(p, "name", "?"), json_str(p, "target", ""),
            ready ? "available" : "not available", !ready && why ? ": " : "", !ready && why ? why : "");
    }
}

void show_profile(const cJSON *p)
{
    AUTO(char_p) char *text = cJSON_Print(p);

    out(stdout, "%s\n", text ? text : "");
}

void show_keys(const cJSON *keys)
{
    const cJSON *k;

    cJSON_ArrayForEach(k, json_arr(keys, "keys"))
    {
        const char *until = json_str(k, "retired_at", NULL);
        out(stdout, "%s  %s to %s\n", json_str(k, "kid", "?"), json_str(k, "created_at", "?"),
            until ? until : "now: it signs");
    }
}
