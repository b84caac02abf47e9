/* weight.h - what makes an artifact large, in a few words for people. Pure; any thread. */
#pragma once

#include "base/json.h"

/* metadata: what bloomery-inspect read (docs/api.md), or NULL. "code 812.4 KiB, data 120.0 KiB, name 80.1 KiB; of its code std
 * 410.0 KiB, regex 210.3 KiB, smelt 12.0 KiB": the largest sections, and the crates with the most code, where names are
 * known. One line without control characters, at most 1 KiB; NULL
 * where nothing is known. The caller owns it. */
char *weight_text(const cJSON *metadata);
