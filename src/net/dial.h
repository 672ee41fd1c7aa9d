/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "loop/loop.h"

/* A way to a host: its name is looked up, and its addresses are tried one after the other. */
struct dial;

/* fd is the callee's, address "127.0.0.1:8888" lent; fd -1: err says why.  The dial may be freed in it. */
typedef void dial_fn(void *arg, int fd, const char *address, const struct err *err);

/* attempt_ms: for the lookup, and for each address.  fn is called from the loop.  NULL: err. */
struct dial *dial_new(struct loop *l, const char *host, const char *port, int64_t attempt_ms, dial_fn *fn, void *arg, struct err *err);
void dial_free(struct dial *d);				/* NULL is fine */
