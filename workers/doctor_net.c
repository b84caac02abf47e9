/*
 * doctor_net.c - see doctor.h: questions to servers, all at once and each in a thread of its own, so that those that do
 * not answer cost the time of one.
 *
 * A thread that hangs (the resolver knows no deadline of ours) is left behind: it holds the shared struct by a
 * reference, and the last one frees it.
 */
#include "workers/doctor.h"

#include "base/clock.h"
#include "base/http.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ASK_SECONDS 5
#define ASK_MAX 64

struct question {
    char *url;
    pthread_t thread;
    bool running; /* thread is one, to be joined or detached */
    bool answered;
    int status; /* 0: none, error says why */
    struct err error;
};

struct doctor_probes {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned refs; /* the owner and each thread */
    char *ca_bundle;
    struct question q[ASK_MAX]; /* url is not changed once its thread runs */
    size_t count, answered;
};

struct errand {
    struct doctor_probes *p;
    struct question *q;
};

char *doctor_public_url(const char *url)
{
    const char *host = strstr(url, "://");

    host = host ? host + 3 : url;
    size_t len = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', len);
    return mem_printf("%.*s%s", (int)(host - url), url, at ? at + 1 : host);
}

static void drop(struct doctor_probes *p)
{
    pthread_mutex_lock(&p->lock);
    bool last = --p->refs == 0;
    pthread_mutex_unlock(&p->lock);
    if (!last)
        return;
    for (size_t i = 0; i < p->count; i++)
        mem_free(p->q[i].url);
    mem_free(p->ca_bundle);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

static void *ask(void *arg)
{
    struct errand e = *(struct errand *)arg;
    struct http_answer a = {0};
    struct err err = ERR_INIT;

    mem_free(arg);
    struct http *h = http_new(NULL, e.q->url);
    http_trust(h, e.p->ca_bundle);
    const struct http_request req = {.method = "HEAD", .path = "", .seconds = ASK_SECONDS, .max_answer = 64 << 10};
    int rc = http_call(h, &req, &a, &err);
    int status = rc == 0 ? a.status : 0;
    http_answer_free(&a);
    http_free(h);

    pthread_mutex_lock(&e.p->lock);
    e.q->status = status;
    e.q->error = err;
    e.q->answered = true;
    e.p->answered++;
    pthread_cond_signal(&e.p->changed);
    pthread_mutex_unlock(&e.p->lock);
    drop(e.p);
    return NULL;
}

struct doctor_probes *doctor_probes_new(const char *ca_bundle)
{
    struct doctor_probes *p = mem_alloc(sizeof *p);
    pthread_condattr_t attr;

    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &attr);
    pthread_condattr_destroy(&attr);
    p->refs = 1;
    p->ca_bundle = ca_bundle && ca_bundle[0] ? mem_strdup(ca_bundle) : NULL;
    return p;
}

size_t doctor_probes_ask(struct doctor_probes *p, const char *url)
{
    for (size_t i = 0; i < p->count; i++) {
        if (strcmp(p->q[i].url, url) == 0)
            return i;
    }
    if (p->count == ASK_MAX)
        return ASK_MAX;
    struct errand *e = mem_alloc(sizeof *e);
    pthread_mutex_lock(&p->lock);
    struct question *q = &p->q[p->count++];
    q->url = mem_strdup(url);
    *e = (struct errand){p, q};
    p->refs++;
    pthread_mutex_unlock(&p->lock);
    q->running = pthread_create(&q->thread, NULL, ask, e) == 0;
    if (!q->running) {
        pthread_mutex_lock(&p->lock);
        p->refs--;
        p->answered++;
        q->answered = true;
        err_set(&q->error, ERR_INTERNAL, "no thread can be started");
        pthread_mutex_unlock(&p->lock);
        mem_free(e);
    }
    return (size_t)(q - p->q);
}

void doctor_probes_wait(struct doctor_probes *p, int64_t deadline_ms)
{
    struct timespec until = {.tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000};
    int rc = 0;

    pthread_mutex_lock(&p->lock);
    while (p->answered < p->count && rc == 0)
        rc = pthread_cond_timedwait(&p->changed, &p->lock, &until);
    pthread_mutex_unlock(&p->lock);
}

/* http.h puts the URL before what it says: it may hold a password, and it is said already. */
static char *reason(const struct question *q)
{
    size_t len = strlen(q->url);

    while (len > 0 && q->url[len - 1] == '/')
        len--;
    if (strncmp(q->error.msg, q->url, len) == 0 && strncmp(q->error.msg + len, ": ", 2) == 0)
        return mem_strdup(q->error.msg + len + 2);
    return strchr(q->url, '@') ? mem_strdup("it cannot be reached") : mem_strdup(q->error.msg);
}

enum doctor_reach doctor_probes_answer(struct doctor_probes *p, size_t number, char **ret_why)
{
    enum doctor_reach reach = DOCTOR_NO_ANSWER;

    *ret_why = NULL;
    if (number >= p->count) {
        *ret_why = mem_strdup("it was not asked: there are too many");
        return reach;
    }
    pthread_mutex_lock(&p->lock);
    const struct question *q = &p->q[number];
    if (!q->answered) {
        *ret_why = mem_strdup("nothing was heard in time");
    } else if (q->status == 0) {
        *ret_why = reason(q);
    } else if (q->status / 100 == 2 || q->status / 100 == 3 || q->status == 405) {
        reach = DOCTOR_HAS_IT;
    } else {
        /* A server in trouble is no better than none. */
        reach = q->status < 500 ? DOCTOR_LACKS_IT : DOCTOR_NO_ANSWER;
        *ret_why = mem_printf("status %d", q->status);
    }
    pthread_mutex_unlock(&p->lock);
    return reach;
}

void doctor_probes_free(struct doctor_probes *p)
{
    for (size_t i = 0; p && i < p->count; i++) {
        if (!p->q[i].running)
            continue;
        pthread_mutex_lock(&p->lock);
        bool ends = p->q[i].answered;
        pthread_mutex_unlock(&p->lock);
        /* A thread that has answered still has to give back what libraries keep for it. */
        if (ends)
            pthread_join(p->q[i].thread, NULL);
        else
            pthread_detach(p->q[i].thread);
    }
    if (p)
        drop(p);
}
