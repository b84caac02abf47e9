/*
 * statement.h - what an attestation says: an in-toto statement with SLSA provenance, once its signature was found good. It
 * is still held to a shape before anything is taken from it. Pure; any thread.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

/* ERR_BAD_REQUEST: it is no in-toto statement v1, says something else than SLSA provenance v1, or names nothing. The
 * caller owns *ret. */
int statement_parse(const char *text, size_t len, cJSON **ret, struct err *err);

/* Which of the artifacts that it is about has these bytes: its name, borrowed; NULL: none. */
const char *statement_subject(const cJSON *statement, const char *sha256);

/* The same of what came of the build beside them: the bill of materials. */
const char *statement_byproduct(const cJSON *statement, const char *sha256);

/* s, or a remark where it is NULL or cannot stand in a line: nobody shall forge another line with it. */
const char *statement_word(const char *s);

/* What it says, in sentences; but for the file, of which it says nothing yet. */
char *statement_tell(const cJSON *statement);
