-- What the second build of verify=1 came to, as the API shows it.
ALTER TABLE jobs ADD COLUMN verification TEXT;

-- What a job ran, step by step, so that others can run it again. The files that it names lie among the blobs.
CREATE TABLE replays (
    job_id        TEXT NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    record        TEXT NOT NULL,
    lock_sha256   TEXT CHECK (length(lock_sha256) = 64),
    mounts_sha256 TEXT NOT NULL CHECK (length(mounts_sha256) = 64)
) STRICT, WITHOUT ROWID;
CREATE INDEX replays_lock ON replays (lock_sha256);
CREATE INDEX replays_mounts ON replays (mounts_sha256);
