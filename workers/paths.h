/*
 * paths.h - where things lie beneath the state folder. One place, so that
 * the daemon, the workers and the docs agree.
 *
 *     state/bloomery.db            the store
 *     state/sources/ab/SHA256      uploaded tarballs
 *     state/blobs/ab/SHA256        artifacts
 *     state/logs/JOB.log           logs, appended only
 *     state/tmp/                   uploads in progress; emptied at start
 *     state/work/JOB-ATTEMPT/      work folders; emptied at start
 *     state/keys/                  signing keys (keys.h)
 *     state/kits/SHA256/           installed kits; tmp-* are leftovers of one that was killed
 */
#pragma once

/* Each returns a string that the caller owns. */
char *path_source(const char *state_dir, const char *sha256);
char *path_blob(const char *state_dir, const char *sha256);
char *path_log(const char *state_dir, const char *job);
char *path_tmp(const char *state_dir);
char *path_work(const char *state_dir, const char *job, int attempt);
char *path_kits(const char *state_dir);
char *path_keys(const char *state_dir);
