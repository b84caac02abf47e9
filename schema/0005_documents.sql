-- What the server says of a job that succeeded, beside its artifacts: the bytes lie in the blob folder.

CREATE TABLE documents (
    job_id TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    name   TEXT    NOT NULL CHECK (name IN ('provenance', 'sbom')),
    sha256 TEXT    NOT NULL CHECK (length(sha256) = 64),
    size   INTEGER NOT NULL CHECK (size > 0),
    PRIMARY KEY (job_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX documents_sha256 ON documents (sha256);
