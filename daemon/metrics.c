/* metrics.c - see metrics.h. */
#include "daemon/metrics.h"

#include "base/fs.h"
#include "daemon/app.h"
#include "daemon/follow.h"
#include "daemon/upload.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void head(struct buf *b, const char *name, const char *type, const char *help)
{
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(struct buf *b, const char *name, const char *type, const char *help, double value)
{
    head(b, name, type, help);
    buf_printf(b, "%s %.17g\n", name, value);
}

/* A label's value between quotes. */
static void quoted(struct buf *b, const char *s)
{
    for (; *s; s++)
        if (*s == '\\' || *s == '"')
            buf_printf(b, "\\%c", *s);
        else if (*s == '\n')
            buf_puts(b, "\\n");
        else
            buf_put(b, s, 1);
}

static void put_total(struct buf *b, const char *name, const cJSON *row, double value)
{
    buf_printf(b, "%s{profile=\"", name);
    quoted(b, json_str(row, "profile", ""));
    buf_puts(b, "\",state=\"");
    quoted(b, json_str(row, "state", ""));
    buf_puts(b, "\",error_kind=\"");
    quoted(b, json_str(row, "error_kind", ""));
    buf_printf(b, "\"} %.17g\n", value);
}

static double number(const cJSON *row, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(row, key);

    return cJSON_IsNumber(v) ? v->valuedouble : 0;
}

static void put_jobs(struct app *app, struct buf *b)
{
    struct store_counts counts;
    AUTO(json) cJSON *totals = NULL;
    struct err err = ERR_INIT;
    const cJSON *row;

    if (app_counts(app, &counts, &err) == 0) {
        head(b, "bloomery_jobs", "gauge", "Jobs in the store by state.");
        for (int i = 0; i < JOB_STATES; i++)
            buf_printf(b, "bloomery_jobs{state=\"%s\"} %lld\n", job_state_name((enum job_state)i),
                       (long long)counts.by_state[i]);
        one(b, "bloomery_queue_oldest_seconds", "gauge", "Age of the job that waits longest.",
            counts.oldest_queued_at ? (double)(clock_now_ms() - counts.oldest_queued_at) / 1000 : 0);
    }
    if (store_totals(app->reader, &totals, &err) < 0)
        return;
    head(b, "bloomery_jobs_finished_total", "counter", "Finished jobs since the store was made.");
    cJSON_ArrayForEach(row, totals) put_total(b, "bloomery_jobs_finished_total", row, number(row, "count"));
    head(b, "bloomery_jobs_run_seconds_total", "counter", "Wall time of finished jobs.");
    cJSON_ArrayForEach(row, totals) put_total(b, "bloomery_jobs_run_seconds_total", row, number(row, "seconds"));
}

static void put_http(struct app *app, struct buf *b)
{
    static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    struct http_counts http;
    struct follow_counts follow;

    http_counts(app->http, &http);
    follow_counts(app->follow, &follow);
    head(b, "bloomery_http_requests_total", "counter", "HTTP requests by class of status; none: the client went away.");
    for (size_t i = 0; i < COUNT(classes); i++)
        if (i != 1)
            buf_printf(b, "bloomery_http_requests_total{status=\"%s\"} %lld\n", classes[i],
                       (long long)http.requests[i]);
    one(b, "bloomery_http_connections", "gauge", "Open HTTP connections.", (double)http.connections);
    one(b, "bloomery_http_received_bytes_total", "counter", "Bytes of request bodies.", (double)http.body_bytes);
    one(b, "bloomery_uploads", "gauge", "Uploads under way.", (double)uploads_active(app->uploads));
    one(b, "bloomery_log_followers", "gauge", "Clients that follow a log.", (double)follow.followers);
    one(b, "bloomery_waiters", "gauge", "Clients that wait for a job's end.", (double)follow.waiters);
}

static int64_t resident_bytes(void)
{
    AUTO(buf) struct buf b = {0};
    struct err err = ERR_INIT;
    long long size = 0, resident = 0;

    if (fs_read("/proc/self/statm", 4096, &b, &err) < 0 || sscanf(b.p, "%lld %lld", &size, &resident) != 2)
        return 0;
    return resident * sysconf(_SC_PAGESIZE);
}

void metrics_get(struct request *r)
{
    struct app *app = r->app;
    struct answer a = ANSWER_INIT;
    struct buf *b = &a.body;
    struct pool_status status = {0};
    struct err err = ERR_INIT;
    int64_t available = 0;

    pool_status(app->pool, &status);
    put_jobs(app, b);
    one(b, "bloomery_slots", "gauge", "Build slots.", status.slots);
    one(b, "bloomery_slots_busy", "gauge", "Build slots that run a job.", status.busy);
    one(b, "bloomery_engine_up", "gauge", "Whether the Docker Engine answered the last call.", status.engine_ok);
    if (fs_free_bytes(app->state_dir, &available, &err) == 0)
        one(b, "bloomery_state_free_bytes", "gauge", "Free space of the state folder.", (double)available);
    put_http(app, b);
    one(b, "bloomery_draining", "gauge", "Whether the server is shutting down.", app->draining);
    one(b, "process_resident_memory_bytes", "gauge", "Resident memory of the daemon.", (double)resident_bytes());
    one(b, "process_start_time_seconds", "gauge", "When the daemon started, in seconds since 1970.",
        (double)app->started_ms / 1000);
    a.status = 200;
    answer_header(&a, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    http_answer(r, &a);
}
