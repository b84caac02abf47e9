/*
 * store.h - the SQLite store: jobs, their attempts, artifacts and labels.
 *
 * One writer thread inside the store owns the only writing connection (WAL,
 * synchronous=FULL) and puts the requests that wait together into one commit.
 * Every store_* call that writes may come from any thread and returns when
 * its commit is on disk, so it must not come from the thread that runs the HTTP
 * loop. Reads go through a `struct store_reader`, one for each thread.
 *
 * A run of a job is named by (id, attempt). Whatever an older attempt still
 * reports is refused with STORE_STALE.
 *
 * Glossary: job - one crate for one profile. group - jobs of one upload.
 * source - an uploaded tarball, by sha256. artifact - a file that a job made;
 * its bytes lie in the blob folder by sha256, never here. document - what the server says of a job that
 * succeeded (its provenance, its bill of materials); kept as artifacts are. Times are
 * milliseconds since 1970, 0 is "not yet". Texts are UTF-8, owned by the struct.
 */
#pragma once

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"

#include <stdint.h>

struct store;
struct store_reader;

/* Every failure of a write says whose it was: ERR_ENGINE is the server's own disk or memory (nothing of the call was
 * stored, the store lives on and may be asked again), ERR_INTERNAL a bug. Texts that are too long are cut: error
 * messages, hints and reasons at 2 KiB, log excerpts at 16 KiB, warnings at 1 KiB, those of diagnostics at 4 KiB. */

/* Open or create, and bring to the newest schema; refuses (ERR_UNAVAILABLE) a newer one, naming both versions, and
 * another program's database. The path's folder must exist.
 * Starts the writer thread. */
int store_open(const char *path, struct store **ret, struct err *err);
void store_free(struct store *s); /* finishes what waits, checkpoints */
int store_reader_open(struct store *s, struct store_reader **ret, struct err *err);
void store_reader_free(struct store_reader *r);

enum job_state {
    JOB_QUEUED,
    JOB_FETCHING,
    JOB_BUILDING,
    JOB_LINKING,
    JOB_CHECKING,
    JOB_SUCCEEDED,
    JOB_FAILED,
    JOB_CANCELED
};
#define JOB_STATES 8
const char *job_state_name(enum job_state s);
int job_state_from_name(const char *name); /* -1: none */
bool job_finished(enum job_state s);

struct job_toolchain {
    char *name;   /* the pin: "nightly-2026-05-20" */
    char *rustc;  /* what compiled it: "rustc 1.96.0 (...)" */
    char *image;  /* the image's id */
    char *origin; /* "debian" */
};

struct job_error {
    enum err_kind kind; /* ERR_NONE: none */
    char *message, *hint, *log_excerpt;
};

/* An error of the compiler's. What a build printed, held to limits and cleaned, and no more than that: it decides nothing. */
struct job_diagnostic {
    char *file;           /* or NULL: it has no place */
    int64_t line, column; /* from 1; 0: none */
    char *code;           /* "E0308", or NULL */
    char *text;
    char *label;    /* what stands below the marked place, or NULL */
    char *rendered; /* as the log has it; NULL: there is none, or it was not asked for */
};

struct job_diagnostics {
    bool known; /* a compiler has run */
    bool cut;   /* there was more than is told here, or counted */
    int64_t errors_count, warnings_count;
    struct job_diagnostic *errors; /* the first ones */
    size_t errors_kept;
};
void job_diagnostics_clear(struct job_diagnostics *d);

struct job_phase {
    char *name; /* fetch, build, link, check, collect */
    int attempt;
    double seconds, cpu_seconds;
    int64_t peak_memory_bytes, bytes_written;
};

struct artifact {
    char *name;
    char *role; /* primary | side | debug */
    char *kind; /* wasm | elf | ar | tar | json | text | lock ... */
    int64_t size, gzip_size;
    char sha256[SHA256_HEX_SIZE];
    cJSON *metadata; /* object or NULL */
    cJSON *contract; /* {host, verdict, checks} or NULL */
    cJSON *trial;    /* {host, verdict, output} or NULL */
};

/* How a job was built, for whoever builds it again: workers/replay.h says what the record holds. */
struct job_replay {
    cJSON *record;                       /* object; NULL: there is none */
    char lock_sha256[SHA256_HEX_SIZE];   /* blob: the Cargo.lock that was used; "": none */
    char mounts_sha256[SHA256_HEX_SIZE]; /* blob: a tar of what was mounted into its containers */
};
void job_replay_clear(struct job_replay *r);

struct document {
    char sha256[SHA256_HEX_SIZE]; /* "": there is none */
    int64_t size;
};

struct job {
    char id[ULID_SIZE];
    char *group; /* or NULL */
    enum job_state state;
    char *profile;
    cJSON *options;                   /* canonical: every option that was given, typed */
    cJSON *labels;                    /* object of strings */
    char *crate_name, *crate_version; /* NULL until known */
    char source_sha256[SHA256_HEX_SIZE];
    int64_t source_size;
    char *lock; /* uploaded | resolved | none */
    char *submitted_by;
    char *retry_of; /* id or NULL */
    int priority;   /* -100 to 100, higher first */
    int64_t created_at, started_at, finished_at;
    int64_t not_before;     /* a server's own failure waits until then */
    int attempt;            /* 0 before the first run */
    int uncounted_attempts; /* of `attempt`, how many do not count against max_attempts (restarts of the daemon) */
    bool cancel_requested;
    char *wait_reason; /* why it waits again, for queue.reason; or NULL */
    struct job_toolchain toolchain;
    struct job_error error;
    double cpu_seconds;
    int64_t peak_memory_bytes, bytes_written;
    struct job_phase *phases;
    size_t phases_count;
    char **warnings;
    size_t warnings_count;
    struct job_diagnostics diagnostics;
    struct artifact *artifacts; /* primary first */
    size_t artifacts_count;
    cJSON *verification;      /* of verify=1: object or NULL */
    struct job_replay replay; /* for store_finish; store_get leaves it empty */
    struct document provenance, sbom;
};
void job_free(struct job *j); /* NULL is fine */
void artifact_clear(struct artifact *a);
AUTO_DEFINE(job, struct job *, job_free, NULL)

/* --- accepting --- */

struct job_new {
    char id[ULID_SIZE]; /* chosen by the caller */
    const char *profile;
    const cJSON *options, *labels;
    const char *source_sha256;
    int64_t source_size;
    const char *submitted_by;
    const char *retry_of; /* or NULL */
    int priority;
};

/* An Idempotency-Key: the same key with the same fingerprint within 24 h finds the earlier answer. */
struct idempotency {
    const char *key;         /* NULL: none */
    const char *fingerprint; /* sha256 of query and body */
};

enum {
    STORE_STALE = 1,
    STORE_QUEUE_FULL = 2,
    STORE_REPLAY = 3,
    STORE_MISMATCH = 4,
    STORE_NONE = 5,
    STORE_FINISHED = 6
};

/* Insert jobs (one, or a group of several under group_id) and the source's row in one transaction.
 * STORE_QUEUE_FULL: max_queue would be passed, nothing was stored. STORE_REPLAY: the key was used for the same
 * request; *ret_ids gets the earlier jobs' ids, comma-separated, and *ret_group its group or NULL (caller owns).
 * STORE_MISMATCH: it was used for another one. */
int store_add(struct store *s, const struct job_new *jobs, size_t count, const char *group_id,
              const struct idempotency *idem, int64_t max_queue, char **ret_ids, char **ret_group, struct err *err);

/* --- working --- */

/* Take the next waiting job: highest priority, then oldest; its attempt is counted up, state FETCHING, started_at set.
 * STORE_NONE: nothing to do. The caller owns *ret. */
int store_claim(struct store *s, struct job **ret, struct err *err);

/* Move a running attempt on. STORE_STALE: this attempt is not the running one any more. */
int store_set_state(struct store *s, const char *id, int attempt, enum job_state state, struct err *err);

/* What became known while it runs; NULL fields stay as they are. */
struct job_facts {
    const char *crate_name, *crate_version, *lock;
    const struct job_toolchain *toolchain;
    const cJSON *packages; /* that its lock pins: workers/packages.h says what is in it */
};
int store_set_facts(struct store *s, const char *id, int attempt, const struct job_facts *facts, struct err *err);
/* A text that the job has already is not added again; at most 200 are kept, the last one says that there were more. */
int store_add_warning(struct store *s, const char *id, int attempt, const char *text, struct err *err);

/* The end of an attempt, in one transaction. `result` carries state SUCCEEDED, FAILED or CANCELED, error, phases,
 * warnings (appended), resources, diagnostics, artifacts and documents; the rest of it is ignored. STORE_STALE as above. A job whose cancel
 * was requested in the meantime and that succeeded stays succeeded. FAILED and CANCELED without an error get the kind
 * internal and canceled. CPU seconds and bytes written are added to those of earlier attempts, peak memory is the
 * highest. Artifact names are unique within a job. verification and replay are kept with a job that succeeded. */
int store_finish(struct store *s, const char *id, int attempt, const struct job *result, struct err *err);

/* Back into the queue after a failure of the server's own, or at shutdown; not before `not_before`. The reason is shown
 * in queue.reason. With count_attempt false, the attempt is not counted against max_attempts (a restart of the daemon).
 * phases and resources of `result` (may be NULL) are kept. A job whose cancel was requested becomes canceled. */
int store_requeue(struct store *s, const char *id, int attempt, const char *reason, int64_t not_before,
                  bool count_attempt, const struct job *result, struct err *err);

/* At start: put every job that was running back into the queue, that attempt not counted. *ret_count: how many. One
 * whose cancel was requested becomes canceled. */
int store_recover(struct store *s, int64_t *ret_count, struct err *err);

/* 0: it was queued and is canceled now. STORE_STALE: it runs, cancel_requested is set: tell its worker.
 * STORE_FINISHED: nothing to cancel. STORE_NONE: no such job. */
int store_cancel(struct store *s, const char *id, struct err *err);

/* --- keeping house --- */

/* Delete jobs that finished before `before`; those of a group only when all of them did. At most `max`. *ret_ids: the ids deleted, NULL-terminated list, the
 * caller frees with store_ids_free. A source goes with its last job. Blobs and sources that nobody refers to are found
 * with store_referenced. */
int store_expire(struct store *s, int64_t before, int max, char ***ret_ids, struct err *err);
void store_ids_free(char **ids);
int store_forget_keys(struct store *s, int64_t before, struct err *err); /* old Idempotency-Keys */

/* --- reading --- */

/* STORE_NONE: no such job. The caller owns *ret. */
int store_get(struct store_reader *r, const char *id, struct job **ret, struct err *err);

/* The packages that a job's lock pins, as store_set_facts got them. STORE_NONE: they are not known. The caller owns *ret. */
int store_packages(struct store_reader *r, const char *id, cJSON **ret, struct err *err);

struct job_filter {
    int state; /* -1: any */
    const char *profile, *crate, *group;
    const char *const *labels; /* KEY=VALUE, NULL-terminated, or NULL; at most one of labels and sha256 */
    const char *sha256;        /* of an artifact that it made */
    const char *before_id;     /* cursor: ids below this one; NULL: from the newest */
    int limit;
};
/* Newest first; limit is held to 1..1000. Artifacts come without metadata, contract and trial, diagnostics without
 * `rendered`. *ret_more: there are older ones. */
int store_list(struct store_reader *r, const struct job_filter *f, struct job ***ret, size_t *ret_count, bool *ret_more,
               struct err *err);
void store_list_free(struct job **jobs, size_t count);

/* The jobs of a group, in the order in which store_add got them; else as store_list. STORE_NONE: no such group. */
int store_group(struct store_reader *r, const char *group_id, struct job ***ret, size_t *ret_count, struct err *err);

struct queue_place {
    int64_t position;   /* 1 is next */
    double eta_seconds; /* from the median of recent jobs of the same profile and the slots; <0: not known */
    int64_t running;    /* jobs running now */
};
/* STORE_NONE: no such job, or it does not wait. */
int store_queue_place(struct store_reader *r, const char *id, int slots, struct queue_place *ret, struct err *err);

struct store_counts {
    int64_t by_state[JOB_STATES];
    int64_t oldest_queued_at; /* 0: none */
};
int store_counts(struct store_reader *r, struct store_counts *ret, struct err *err);

/* Finished jobs by profile, state and error kind since the store was made, for /metrics: an array of
 * {"profile","state","error_kind" or null,"count","seconds"}. */
int store_totals(struct store_reader *r, cJSON **ret, struct err *err);

/* How a job was built. STORE_NONE: nothing is known of that. The caller clears *ret. */
int store_replay(struct store_reader *r, const char *id, struct job_replay *ret, struct err *err);

/* Is this sha256 an artifact, a document, a source or a file of the replay of some job that the store knows? *ret_size for sources. STORE_NONE: no. */
int store_source(struct store_reader *r, const char *sha256, int64_t *ret_size, struct err *err);
int store_referenced(struct store_reader *r, const char *sha256, bool *ret, struct err *err);

/* When the next job that waits for its not_before may run; 0: none waits. */
int store_next_wakeup(struct store_reader *r, int64_t *ret_ms, struct err *err);
