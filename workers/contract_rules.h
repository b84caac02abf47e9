/*
 * contract_rules.h - what the rules of contract.c, contract_wasm.c and contract_elf.c share: a check being made, and lists of
 * symbols. Private to them. Pure; any thread.
 *
 * A rule is a function of the check and its value in the profile's contract, whose type profile_check.c has held. It
 * records one check, kept or broken. One that cannot be looked at, because its fact is not there, is broken.
 */
#pragma once

#include "base/buf.h"
#include "workers/contract.h"

#include <string.h>

#define CONTRACT_MAX_SYMBOL 120 /* bytes of one name in a sentence */

struct checking {
    const struct contract *what;
    const cJSON *rules, *facts;
    const struct kit *kit; /* or NULL */
    const char *kit_name;  /* what the profile calls its kit */
    cJSON *checks;
    char *first, *hint; /* of the first broken rule */
    char *unchecked;    /* of the first that was not looked at */
};

/* Takes detail. hint may be NULL. */
void contract_record(struct checking *c, const char *name, bool ok, char *detail, const char *hint);

/* The check was not made. Takes why. */
void contract_not_checked(struct checking *c, const char *name, char *why);

/* Broken, as the inspector says nothing of it. */
void contract_no_fact(struct checking *c, const char *name, const char *fact);

/* Were names left out of the facts? Then the rule is broken, as not all of them can be looked at. */
bool contract_cut(struct checking *c, const char *name);

/* What others can call by name: of an archive, what its members define. NULL: the facts do not say. */
const cJSON *contract_exports(const struct checking *c);

/* --- symbols for a sentence: at most ten of them are named --- */

struct names {
    struct buf text;
    size_t count;
};

void contract_name(struct names *n, const char *name);
char *contract_names(struct names *n); /* the caller owns it; *n is empty after */

/* --- what a rule allows, ready to be asked often: a kit may list a hundred thousand symbols, a hostile artifact as many --- */

struct allowed {
    const char **names; /* sorted; whole names */
    size_t count;
    const char **prefixes; /* "wasi_snapshot_preview1.*" */
    size_t prefix_count;
};

struct allowed contract_allow(const cJSON *patterns);
struct allowed contract_whole(const cJSON *names); /* a * is nothing special in them */
bool contract_allows(const struct allowed *a, const char *name);

static inline void auto_allowed(struct allowed *a)
{
    mem_free(a->names);
    mem_free(a->prefixes);
}

/* --- the rules, each for the kinds of artifact that schema/profile.schema.json names --- */

typedef void contract_rule(struct checking *c, const cJSON *rule);

contract_rule contract_imports, contract_exports_function, contract_memory, contract_features, contract_instrumented;
contract_rule contract_type, contract_interp, contract_needed, contract_executable, contract_soname,
    contract_libc_floor, contract_tls, contract_fs, contract_machine, contract_panic, contract_exports_listed,
    contract_undefined, contract_undefined_all, contract_tls_model, contract_not_defined;
