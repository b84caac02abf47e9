/* usage.c - see usage.h. */
#include "workers/usage.h"

#include "base/clock.h"
#include "base/size.h"

void usage_begin(struct attempt *a, const char *name)
{
    struct cgroup_usage use;

    cgroup_read(&a->cgroup, &use);
    cgroup_reset_peak(&a->cgroup);
    a->phase = (struct attempt_phase){
        .name = name, .began = clock_monotonic_ms(), .cpu_before = use.cpu_seconds, .written_before = a->bytes_written};
}

void usage_disk(struct attempt *a, struct work_use *ret)
{
    work_usage(&a->work, ret);
    if (ret->bytes > a->bytes_there)
        a->bytes_written += ret->bytes - a->bytes_there;
    a->bytes_there = ret->bytes;
}

/* The present phase until now; its name is borrowed. */
static struct job_phase measure(struct attempt *a, struct cgroup_usage *ret)
{
    const struct attempt_phase *p = &a->phase;
    struct work_use disk;

    cgroup_read(&a->cgroup, ret);
    usage_disk(a, &disk);
    return (struct job_phase){
        .name = (char *)p->name,
        .attempt = a->job->attempt,
        .seconds = (double)(clock_monotonic_ms() - p->began) / 1000,
        .cpu_seconds = ret->cpu_seconds > p->cpu_before ? ret->cpu_seconds - p->cpu_before : 0,
        .peak_memory_bytes = ret->peak_memory_bytes,
        .bytes_written = a->bytes_written - p->written_before,
    };
}

void usage_end(struct attempt *a)
{
    struct job *r = &a->result;
    struct cgroup_usage use;
    struct job_phase now = measure(a, &use);

    now.name = mem_strdup(now.name);
    r->phases = mem_resize(r->phases, (r->phases_count + 1) * sizeof *r->phases);
    r->phases[r->phases_count++] = now;
    r->cpu_seconds = use.cpu_seconds;
    if (use.peak_memory_bytes > r->peak_memory_bytes)
        r->peak_memory_bytes = use.peak_memory_bytes;
    r->bytes_written = a->bytes_written;
}

char *usage_text(const struct job_phase *p)
{
    AUTO(char_p) char *memory = size_text(p->peak_memory_bytes), *written = size_text(p->bytes_written);

    return mem_printf("%.1f s, %.1f s of CPU time, %s of memory, %s written", p->seconds, p->cpu_seconds, memory,
                      written);
}

char *usage_so_far(struct attempt *a)
{
    struct cgroup_usage use;
    const struct job_phase now = measure(a, &use);

    return usage_text(&now);
}
