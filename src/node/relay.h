/* SPDX-License-Identifier: MIT */
#pragma once

#include "node/channel.h"
#include "node/conn.h"

/*
 * Joins an accepted channel's stream 0 with a local connection: bytes both ways, each as fast as the other side takes them.
 * The end of either way ends it on the other side; a channel that closes closes the connection, a connection that breaks, or
 * that has ended both ways, the channel.  It looks after both from then on, and after itself.
 */
struct relay;

/* The channel's callbacks: from its opening or acceptance on, with the relay as arg. */
extern const struct channel_handler relay_channel_handler;
struct relay *relay_new(struct conn *take_conn);	/* NULL: no memory, the connection is closed */
/* The channel is there: it begins. */
void relay_start(struct relay *r, struct channel *c);
