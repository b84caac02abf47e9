/*
 * contract.h - does this artifact keep its host's contract? Pure: the rules
 * are the profile's data, the facts are bloomery-inspect's.
 */
#pragma once

#include "base/json.h"
#include "workers/kits.h"
#include "workers/plan.h"
#include "workers/profile.h"

/* The facts that rules look at (bloomery-inspect's); one that is missing breaks its rule. wasm: imports [{module,name}],
 * exports [{name,kind}], memories [{imported,exported}]. ELF: type, pie, interp (text or null), needed, exports and
 * undefined [texts]. ar: defined and undefined [texts]. An `error` says that the file is not what it should be;
 * `truncated` that not all names are listed.
 *
 * `kit` (NULL: none is installed): its lists allowed_imports, wanted_exports and allowed_undefined take the place of the
 * profile's rules imports, exports and undefined. A rule that is "kit" stands for such a list and nothing else: without
 * it the check is not made. */
/* *ret_contract: {"host","verdict":"pass"|"fail"|"skipped","checks":[{"name","ok":bool or null,"detail"}],"reason"?},
 * which the caller owns. Every rule gives one check; ok is null for one that was not made, and the verdict, if nothing
 * is broken, `skipped` with the reason. The detail names symbols (at most 10, then "and N more"). 0: kept, as far as it
 * was checked. 1: broken; err is filled as ERR_CONTRACT with the first broken check's sentence and hint. */
int contract_check(const struct profile *p, const struct plan *plan, const struct kit *kit, const cJSON *metadata,
                   cJSON **ret_contract, struct err *err);
