/*
 * build.h - the commands that take a job, or the group that several profiles
 * make, through its life: pack, submit, follow, download. Each returns the program's exit code and has said on
 * standard error why it is not 0. Main thread.
 */
#pragma once

#include "client/call.h"

int build_run(struct call *c);    /* build [PATH] */
int build_submit(struct call *c); /* submit [PATH]: prints the id */
int build_log(struct call *c);    /* log ID */
int build_get(struct call *c);    /* get ID [NAME...] */
