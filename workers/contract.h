/*
 * contract.h - does this artifact keep its host's contract? Pure: the rules
 * are the profile's data, the facts are bloomery-inspect's.
 */
#pragma once

#include "base/json.h"
#include "workers/kits.h"
#include "workers/plan.h"
#include "workers/profile.h"

/* An artifact and what is wanted of it; all borrowed. */
struct contract {
    const struct profile *profile;
    const struct plan_output *output; /* whose artifact it is: what {name} and {lib} mean */
    const char *kind;                 /* wasm | elf | ar | json */
    const cJSON *rules;               /* the profile's contract, or that of a side; NULL: none */
    const cJSON *facts;
    const cJSON *listed;   /* the names that rule exports_listed asks for, [texts]; NULL: they could not be read */
    char *const *exports;  /* what the crate wants exported besides; NULL: nothing */
    const struct kit *kit; /* the installed one, or NULL */
    bool side;             /* a kit's lists are for the primary, where the rules do not ask for them */
};

/* The facts that rules look at (bloomery-inspect's); one that is missing breaks its rule. wasm: imports [{module,name}],
 * exports [{name,kind}], memories [{imported,exported,shared,min,max}], features ["+atomics"]. ELF: type, pie, interp (text or
 * null), needed, exports and undefined [texts], machine, soname and libc_floor (text or null), tls, tls_symbols, sections,
 * tls_model, fs. ar: defined and undefined [texts], machines [texts], tls_model.
 * An `error` says that the file is not what it should be; `truncated` that not all names are listed.
 *
 * The kit's lists allowed_imports, wanted_exports and allowed_undefined take the place of the rules imports, exports and
 * undefined. A rule that is "kit" stands for such a list and nothing else: without it the check is not made.
 *
 * *ret_contract: {"host","verdict":"pass"|"fail"|"skipped","checks":[{"name","ok":bool or null,"detail"}],"reason"?},
 * which the caller owns. Every rule gives one check; ok is null for one that was not made, and the verdict, if nothing
 * is broken, `skipped` with the reason. The detail names symbols (at most 10, then "and N more"). 0: kept, as far as it
 * was checked. 1: broken; err is filled as ERR_CONTRACT with the first broken check's sentence and hint. */
int contract_check(const struct contract *what, cJSON **ret_contract, struct err *err);

/* Of a file that has no inspector, such as a tar: the verdict over those of its sides, of which `sides` is
 * [{"name","contract"}]; a check for each. As above. */
int contract_of_sides(const struct profile *p, const cJSON *sides, cJSON **ret_contract, struct err *err);
