/*
 * contract.h - does this artifact keep its host's contract? Pure: the rules
 * are the profile's data, the facts are bloomery-inspect's.
 */
#pragma once

#include "base/json.h"
#include "workers/plan.h"
#include "workers/profile.h"

/* The facts that rules look at (bloomery-inspect's); one that is missing breaks its rule. wasm: imports [{module,name}],
 * exports [{name,kind}], memories [{imported,exported}]. ELF: type, pie, interp (text or null), needed [texts]. An `error`
 * says that the file is not what it should be; `truncated` that not all imports are listed. */
/* *ret_contract: {"host","verdict":"pass"|"fail"|"skipped","checks":[{"name","ok":bool,"detail"}],"reason"?}, which
 * the caller owns. Every rule gives one check that was really made; the detail names symbols (at most 10, then "and
 * N more"). 0: kept. 1: broken; err is filled as ERR_CONTRACT with the first broken check's sentence and hint. */
int contract_check(const struct profile *p, const struct plan *plan, const cJSON *metadata, cJSON **ret_contract,
                   struct err *err);
