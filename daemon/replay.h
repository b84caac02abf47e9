/*
 * replay.h - GET /v1/jobs/{id}/replay: all that it takes to build a job again without Bloomery, as a tar. Loop thread only.
 *
 * Beneath a folder replay-ID:
 *     replay.sh          does it, and compares (replay_script.h)
 *     replay.json        {version, job, profile, crate, options, toolchain, source: {file, compression, sha256, size},
 *                        artifacts: [{name, file, sha256, size}]} and the record of workers/replay.h, but for the outputs
 *     source.tar...      as it came             tree.tar            what of it was unpacked, and how
 *     Cargo.lock         that was used          cargo-config.toml   cargo's configuration
 *     mounts.tar         the profile's folder and the steps', as they were mounted
 */
#pragma once

#include "daemon/http.h"

void replay_get(struct request *r);
