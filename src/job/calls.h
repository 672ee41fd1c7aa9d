/* SPDX-License-Identifier: MIT */
#pragma once

#include "lib/appctl.h"
#include "loop/loop.h"

/*
 * Calls to appctld from a program with an event loop: any number may be under way at once, over a few
 * connections that are kept.  An answer comes from the loop, never from within calls_put().  What waits long (Wait,
 * Await…) holds one of CALLS_AT_ONCE connections; more calls than those wait for their turn.
 */
struct calls;

enum { CALLS_AT_ONCE = 16 };		/* appctld limits the connections of a user */

/* runtime_dir as appctl_new() has it; borrowed.  NULL: no memory. */
struct calls *calls_new(struct loop *l, const char *runtime_dir);
/* Nobody hears of what is under way any more.  NULL is fine. */
void calls_free(struct calls *c);

/* reply: the method's, lent; NULL: e says what went wrong, as appctl_call() does.  A call that replies more than once is none for here. */
typedef void calls_fn(void *arg, const json_t *reply, const struct appctl_error *e);

/* take_fds: three descriptors that go along and are closed here, or NULL.  -1: no memory; fn is not called, take_… are gone. */
int calls_put(struct calls *c, const char *method, json_t *take_params, const int *take_fds, calls_fn *fn, void *arg);
/* Of calls with that arg no answer is wanted any more; what was sent is carried out all the same. */
void calls_forget(struct calls *c, const void *arg);
