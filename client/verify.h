/*
 * verify.h - the commands about signatures: `verify FILE`, which needs no server, and `keys`. Each returns the program's
 * exit code and has said on standard error why it is not 0. Main thread.
 */
#pragma once

#include "client/call.h"

#define VERIFY_KEYS "bloomery-keys.json"     /* beside artifacts: the server's keys when they were downloaded */
#define VERIFY_ATTESTATION ".intoto.json"    /* what the name of an attestation ends with */
#define VERIFY_BILL_OF_MATERIALS ".cdx.json" /* and that of a bill of materials */

int verify_run(struct call *c);  /* verify FILE: EXIT_BUILT it is what it says; EXIT_FAILED it is not; EXIT_BAD_CALL */
int verify_keys(struct call *c); /* keys */
