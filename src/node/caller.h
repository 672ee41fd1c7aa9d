/* SPDX-License-Identifier: MIT */
#pragma once

#include "node/node.h"

#include <sys/types.h>

/*
 * Who a local process is, as an address: NODE/APPLICATION, or NODE/~USER for one of no application.
 */
struct caller;

/* address is lent for the call. */
typedef void caller_fn(void *arg, const char *address);

/* Asks; fn is called from the loop.  NULL: no memory. */
struct caller *caller_ask(struct node *n, pid_t pid, uid_t uid, caller_fn *fn, void *arg);
/* Asks no more; before fn was called only. */
void caller_drop(struct caller *q);
