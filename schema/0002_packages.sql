-- The packages that a job's lock pins, as JSON: apart from its row, for few calls read it and it is long.

CREATE TABLE packages (
    job_id TEXT NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    list   TEXT NOT NULL
) STRICT;
