/* compare.h - bloomery compare A B: in what two jobs differ, as a table. Main thread. */
#pragma once

#include "client/call.h"

int compare_run(struct call *c); /* the exit code; EXIT_FAILED: it grew by more than --fail-on-growth allows */
