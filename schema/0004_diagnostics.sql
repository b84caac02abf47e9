-- What the compiler said, as data, and what each phase wrote. Counts are NULL where no compiler has run.

ALTER TABLE jobs ADD COLUMN errors_count INTEGER;
ALTER TABLE jobs ADD COLUMN warnings_count INTEGER;
ALTER TABLE jobs ADD COLUMN diagnostics_cut INTEGER NOT NULL DEFAULT 0 CHECK (diagnostics_cut IN (0, 1));
ALTER TABLE phases ADD COLUMN bytes_written INTEGER NOT NULL DEFAULT 0;

CREATE TABLE diagnostics (
    job_id   TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq      INTEGER NOT NULL,
    file     TEXT,
    line     INTEGER NOT NULL, -- 0: it has none
    column   INTEGER NOT NULL,
    code     TEXT,
    text     TEXT    NOT NULL,
    label    TEXT,
    rendered TEXT,
    PRIMARY KEY (job_id, seq)
) STRICT, WITHOUT ROWID;
