/* SPDX-License-Identifier: MIT */
#pragma once

#include "node/channel.h"
#include "node/node.h"

/*
 * Peers' ways to a socket of this machine, counted: a peer has a limited number of them, all together have, and what is
 * done here finds room.  Part of what the way is kept by; zero-initialise it.
 */
struct way {
	struct way *next, **back;
	const struct channel *channel;
	const char *to;
};

/* false: there are too many to that socket already, and the channel was refused. */
bool way_is_free(const struct node *n, struct channel *c, const char *to);
/* to: lent, and compared. */
void way_take(struct node *n, struct way *w, const struct channel *c, const char *to);
void way_leave(struct way *w);		/* also where it was never taken */
