/*
 * limits.h - everything that is bounded, by name and with its default.
 *
 * The names are those of the settings (docs/configuration.md), of
 * /v1/profiles and of the refusals. One table, LIMITS, makes the struct, the
 * defaults and the configuration: a limit that is not there does not exist.
 */
#pragma once

#include <stdint.h>

/*    name               default                 what it bounds */
#define LIMITS(X)                                                                                                      \
    X(max_body_bytes, INT64_C(1) << 30, "a request's body, in bytes")                                                  \
    X(max_unpacked_bytes, INT64_C(4) << 30, "an unpacked tarball, in bytes")                                           \
    X(max_files, 200000, "entries of a tarball")                                                                       \
    X(max_path_bytes, 1024, "a path inside a tarball, in bytes")                                                       \
    X(max_ratio, 200, "unpacked bytes for each byte of a tarball")                                                     \
    X(upload_stall_seconds, 60, "time without a byte before an upload is given up")                                    \
    X(max_upload_seconds, 3600, "time that a whole upload may take")                                                   \
    X(max_uploads, 32, "uploads received at the same time; more wait for a place")                                     \
    X(max_queue, 1000, "jobs that wait at the same time")                                                              \
    X(max_connections, 4000, "open HTTP connections")                                                                  \
    X(max_attempts, 3, "runs of one job, when the server's own failures end them")                                     \
    X(job_memory_bytes, INT64_C(4) << 30, "memory of a job's container, in bytes; swap is the same")                   \
    X(job_pids, 1024, "processes and threads of a job")                                                                \
    X(job_wall_seconds, 1800, "wall time of a job's build")                                                            \
    X(job_cpu_seconds, 3600, "CPU time of a job's build")                                                              \
    X(job_cpus, 0, "processors that a job may use at once; 0 is all")                                                  \
    X(work_bytes, INT64_C(8) << 30, "a job's work folder, in bytes")                                                   \
    X(work_inodes, 800000, "files in a job's work folder")                                                             \
    X(max_log_bytes, INT64_C(16) << 20, "a job's log; head and tail are kept")                                         \
    X(max_artifact_bytes, INT64_C(512) << 20, "one artifact, in bytes")                                                \
    X(max_artifacts, 64, "artifacts of one job")                                                                       \
    X(fetch_seconds, 600, "time to fetch a job's dependencies")                                                        \
    X(trial_seconds, 10, "time that a trial may run, where the profile says nothing")                                  \
    X(inspect_seconds, 120, "CPU time of one inspection")                                                              \
    X(drain_seconds, 60, "time that running jobs get to finish at shutdown")                                           \
    X(min_free_bytes, INT64_C(2) << 30, "free space of the state folder below which nothing new is accepted")          \
    X(keep_days, 30, "days that a finished job and its files are kept; 0 keeps them for ever")                         \
    X(image_keep_days, 1, "days that a container image is kept after nothing needs it any more; 0 keeps it for ever")  \
    X(max_archive_bytes, INT64_C(1) << 30, "one archive of a toolchain, in bytes")                                     \
    X(download_stall_seconds, 30, "time without a byte before such a download is begun anew from there")

struct limits {
#define X(name, value, what) int64_t name;
    LIMITS(X)
#undef X
};

#define LIMITS_DEFAULT                                                                                                 \
    {                                                                                                                  \
        LIMITS_VALUES                                                                                                  \
    }
#define LIMITS_VALUE_(name, value, what) .name = value,
#define LIMITS_VALUES LIMITS(LIMITS_VALUE_)
