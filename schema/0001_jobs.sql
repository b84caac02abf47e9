-- The first schema. Times are milliseconds since 1970, 0 is "not yet"; ids are ULIDs, so their order is time's.

CREATE TABLE sources (
    sha256     TEXT    NOT NULL PRIMARY KEY CHECK (length(sha256) = 64),
    size       INTEGER NOT NULL CHECK (size >= 0),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    id                 TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 26),
    group_id           TEXT,
    state              TEXT    NOT NULL CHECK (state IN ('queued', 'fetching', 'building', 'linking', 'checking',
                                                         'succeeded', 'failed', 'canceled')),
    profile            TEXT    NOT NULL,
    options            TEXT    NOT NULL,
    crate_name         TEXT,
    crate_version      TEXT,
    source_sha256      TEXT    NOT NULL REFERENCES sources (sha256),
    lock               TEXT    NOT NULL DEFAULT 'none' CHECK (lock IN ('uploaded', 'resolved', 'none')),
    submitted_by       TEXT    NOT NULL,
    retry_of           TEXT,
    priority           INTEGER NOT NULL CHECK (priority BETWEEN -100 AND 100),
    created_at         INTEGER NOT NULL,
    started_at         INTEGER NOT NULL DEFAULT 0,
    finished_at        INTEGER NOT NULL DEFAULT 0,
    not_before         INTEGER NOT NULL DEFAULT 0,
    attempt            INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    uncounted_attempts INTEGER NOT NULL DEFAULT 0 CHECK (uncounted_attempts BETWEEN 0 AND attempt),
    cancel_requested   INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
    wait_reason        TEXT,
    toolchain_name     TEXT,
    toolchain_rustc    TEXT,
    toolchain_image    TEXT,
    toolchain_origin   TEXT,
    cpu_seconds        REAL    NOT NULL DEFAULT 0,
    peak_memory_bytes  INTEGER NOT NULL DEFAULT 0,
    bytes_written      INTEGER NOT NULL DEFAULT 0,
    error_kind         TEXT,
    error_message      TEXT,
    error_hint         TEXT,
    error_log_excerpt  TEXT,
    CHECK ((state IN ('succeeded', 'failed', 'canceled')) = (finished_at > 0)),
    CHECK ((state IN ('failed', 'canceled')) = (error_kind IS NOT NULL))
) STRICT;

-- The queue is short and the table is long: its order has an index of its own.
CREATE INDEX jobs_queue ON jobs (priority DESC, id) WHERE state = 'queued';
CREATE INDEX jobs_waiting ON jobs (not_before) WHERE state = 'queued' AND not_before > 0;
CREATE INDEX jobs_state ON jobs (state, id);
CREATE INDEX jobs_profile ON jobs (profile, id);
CREATE INDEX jobs_crate ON jobs (crate_name, id);
CREATE INDEX jobs_group ON jobs (group_id, id) WHERE group_id IS NOT NULL;
CREATE INDEX jobs_source ON jobs (source_sha256);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at > 0;
CREATE INDEX jobs_recent ON jobs (profile, finished_at, started_at) WHERE state = 'succeeded';

CREATE TABLE job_labels (
    key    TEXT NOT NULL,
    value  TEXT NOT NULL,
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    PRIMARY KEY (key, value, job_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX job_labels_job ON job_labels (job_id, key);

CREATE TABLE phases (
    job_id            TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq               INTEGER NOT NULL,
    attempt           INTEGER NOT NULL,
    name              TEXT    NOT NULL,
    seconds           REAL    NOT NULL,
    cpu_seconds       REAL    NOT NULL,
    peak_memory_bytes INTEGER NOT NULL,
    PRIMARY KEY (job_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE warnings (
    job_id TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq    INTEGER NOT NULL,
    text   TEXT    NOT NULL,
    PRIMARY KEY (job_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE artifacts (
    job_id    TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq       INTEGER NOT NULL,
    name      TEXT    NOT NULL,
    role      TEXT    NOT NULL CHECK (role IN ('primary', 'side', 'debug')),
    kind      TEXT    NOT NULL,
    size      INTEGER NOT NULL CHECK (size >= 0),
    gzip_size INTEGER NOT NULL CHECK (gzip_size >= 0),
    sha256    TEXT    NOT NULL CHECK (length(sha256) = 64),
    metadata  TEXT,
    contract  TEXT,
    trial     TEXT,
    PRIMARY KEY (job_id, seq)
) STRICT;
CREATE UNIQUE INDEX artifacts_name ON artifacts (job_id, name);
CREATE INDEX artifacts_sha256 ON artifacts (sha256);

CREATE TABLE idempotency_keys (
    key         TEXT    NOT NULL PRIMARY KEY,
    fingerprint TEXT    NOT NULL,
    ids         TEXT    NOT NULL,
    group_id    TEXT,
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- What finished since the store was made: outlives the jobs.
CREATE TABLE totals (
    profile    TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('succeeded', 'failed', 'canceled')),
    error_kind TEXT    NOT NULL, -- '' where there was no error
    count      INTEGER NOT NULL,
    seconds    REAL    NOT NULL,
    PRIMARY KEY (profile, state, error_kind)
) STRICT, WITHOUT ROWID;
