-- A database as 0001_jobs left it: one job each succeeded, failed, running and waiting. Made with sqlite3's .dump.
PRAGMA application_id = 1114402169; PRAGMA user_version = 1;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE sources (
    sha256     TEXT    NOT NULL PRIMARY KEY CHECK (length(sha256) = 64),
    size       INTEGER NOT NULL CHECK (size >= 0),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO sources VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1234,1795233133588);
INSERT INTO sources VALUES('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',1234,1795233133588);
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
INSERT INTO jobs VALUES('01M7Y3QD0M2CRJZFW81VN03TJR','01ARZ3NDEKTSV4RRFFQ69G5FAV','succeeded','kept','{"bin":["a"],"locked":true}','ledger','1.2.3','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','resolved','team',NULL,0,1795233133588,1795233133591,1795233133594,0,1,0,0,NULL,'nightly-2026-05-20','rustc 1.96.0','sha256:1','debian',2.25,0,0,NULL,NULL,NULL,NULL);
INSERT INTO jobs VALUES('01M7Y3QD0M2CRJZFW81VN03TJS','01ARZ3NDEKTSV4RRFFQ69G5FAV','failed','other','{"bin":["a"],"locked":true}',NULL,NULL,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','none','team',NULL,0,1795233133588,1795233133595,1795233133596,0,1,0,0,NULL,NULL,NULL,NULL,NULL,0.0,0,0,'compile','mismatched types','a hint','error[E0308]');
INSERT INTO jobs VALUES('01M7Y3QD0M2CRJZFW81VN03TJT','01ARZ3NDEKTSV4RRFFQ69G5FAV','fetching','other','{"bin":["a"],"locked":true}',NULL,NULL,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','none','team',NULL,0,1795233133588,1795233133598,0,0,1,0,0,NULL,NULL,NULL,NULL,NULL,0.0,0,0,NULL,NULL,NULL,NULL);
INSERT INTO jobs VALUES('01M7Y3QD0M2CRJZFW81VN03TJV','01ARZ3NDEKTSV4RRFFQ69G5FAV','queued','other','{"bin":["a"],"locked":true}',NULL,NULL,'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','none','team',NULL,0,1795233133588,0,0,0,0,0,0,NULL,NULL,NULL,NULL,NULL,0.0,0,0,NULL,NULL,NULL,NULL);
CREATE TABLE job_labels (
    key    TEXT NOT NULL,
    value  TEXT NOT NULL,
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    PRIMARY KEY (key, value, job_id)
) STRICT, WITHOUT ROWID;
INSERT INTO job_labels VALUES('branch','main','01M7Y3QD0M2CRJZFW81VN03TJR');
INSERT INTO job_labels VALUES('who','it''s','01M7Y3QD0M2CRJZFW81VN03TJR');
INSERT INTO job_labels VALUES('branch','main','01M7Y3QD0M2CRJZFW81VN03TJS');
INSERT INTO job_labels VALUES('who','it''s','01M7Y3QD0M2CRJZFW81VN03TJS');
INSERT INTO job_labels VALUES('branch','main','01M7Y3QD0M2CRJZFW81VN03TJT');
INSERT INTO job_labels VALUES('who','it''s','01M7Y3QD0M2CRJZFW81VN03TJT');
INSERT INTO job_labels VALUES('branch','main','01M7Y3QD0M2CRJZFW81VN03TJV');
INSERT INTO job_labels VALUES('who','it''s','01M7Y3QD0M2CRJZFW81VN03TJV');
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
INSERT INTO phases VALUES('01M7Y3QD0M2CRJZFW81VN03TJR',0,1,'build',2.5,2.25,1048576);
CREATE TABLE warnings (
    job_id TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq    INTEGER NOT NULL,
    text   TEXT    NOT NULL,
    PRIMARY KEY (job_id, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO warnings VALUES('01M7Y3QD0M2CRJZFW81VN03TJR',0,'a key of .cargo/config.toml was left out');
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
INSERT INTO artifacts VALUES('01M7Y3QD0M2CRJZFW81VN03TJR',0,'ledger.wasm','primary','wasm',100,50,'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc','{"imports":[],"exports":["memory"]}','{"imports":[],"exports":["memory"]}','{"imports":[],"exports":["memory"]}');
INSERT INTO artifacts VALUES('01M7Y3QD0M2CRJZFW81VN03TJR',1,'Cargo.lock','side','lock',10,9,'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd',NULL,NULL,NULL);
CREATE TABLE idempotency_keys (
    key         TEXT    NOT NULL PRIMARY KEY,
    fingerprint TEXT    NOT NULL,
    ids         TEXT    NOT NULL,
    group_id    TEXT,
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO idempotency_keys VALUES('team/key','fingerprint','01M7Y3QD0M2CRJZFW81VN03TJR,01M7Y3QD0M2CRJZFW81VN03TJS,01M7Y3QD0M2CRJZFW81VN03TJT,01M7Y3QD0M2CRJZFW81VN03TJV','01ARZ3NDEKTSV4RRFFQ69G5FAV',1795233133588);
CREATE TABLE totals (
    profile    TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('succeeded', 'failed', 'canceled')),
    error_kind TEXT    NOT NULL, -- '' where there was no error
    count      INTEGER NOT NULL,
    seconds    REAL    NOT NULL,
    PRIMARY KEY (profile, state, error_kind)
) STRICT, WITHOUT ROWID;
INSERT INTO totals VALUES('kept','succeeded','',1,0.0030000000000000000624);
INSERT INTO totals VALUES('other','failed','compile',1,0.0010000000000000000208);
CREATE INDEX jobs_queue ON jobs (priority DESC, id) WHERE state = 'queued';
CREATE INDEX jobs_waiting ON jobs (not_before) WHERE state = 'queued' AND not_before > 0;
CREATE INDEX jobs_state ON jobs (state, id);
CREATE INDEX jobs_profile ON jobs (profile, id);
CREATE INDEX jobs_crate ON jobs (crate_name, id);
CREATE INDEX jobs_group ON jobs (group_id, id) WHERE group_id IS NOT NULL;
CREATE INDEX jobs_source ON jobs (source_sha256);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at > 0;
CREATE INDEX jobs_recent ON jobs (profile, finished_at, started_at) WHERE state = 'succeeded';
CREATE UNIQUE INDEX job_labels_job ON job_labels (job_id, key);
CREATE UNIQUE INDEX artifacts_name ON artifacts (job_id, name);
CREATE INDEX artifacts_sha256 ON artifacts (sha256);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
COMMIT;
