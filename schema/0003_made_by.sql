-- Which jobs made these bytes, newest first: the index gives the order, too.

DROP INDEX artifacts_sha256;
CREATE INDEX artifacts_sha256 ON artifacts (sha256, job_id, seq);
