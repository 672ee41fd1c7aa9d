/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "loop/loop.h"

#include <netdb.h>

/*
 * Names to addresses without stopping the loop: the name service is asked in a thread, as it may take its time.
 * Whoever gives up a lookup does not wait for that thread; of those that are still under way there is a limit.
 */
struct lookup;

/* list is lent for the call; NULL: err says why.  The lookup may be freed in it. */
typedef void lookup_fn(void *arg, const struct addrinfo *list, const struct err *err);

/* port is a number.  NULL: err. */
struct lookup *lookup_new(struct loop *l, const char *host, const char *port, lookup_fn *fn, void *arg, struct err *err);
void lookup_free(struct lookup *k);			/* NULL is fine */

/* Only what needs no asking: an address.  NULL: it is a name, or no memory.  freeaddrinfo(3) gives it back. */
struct addrinfo *lookup_numeric(const char *host, const char *port);
/* Where to listen; asks the name service and waits for it.  host NULL or "": everywhere.  NULL: err. */
struct addrinfo *lookup_to_listen(const char *host, const char *port, struct err *err);
