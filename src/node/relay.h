/* SPDX-License-Identifier: MIT */
#pragma once

#include "node/channel.h"
#include "node/conn.h"
#include "node/node.h"

/*
 * Joins an accepted channel's stream 0 with a local connection: bytes both ways, each as fast as the other side takes them.
 * The end of either way ends it on the other side; a channel that closes closes the connection, a connection that breaks, or
 * that has ended both ways, the channel.  It looks after both from then on, and after itself.
 */
struct relay;

/* The channel's callbacks: from its opening or acceptance on, with the relay as arg. */
extern const struct channel_handler relay_channel_handler;
struct relay *relay_new(struct conn *take_conn);	/* NULL: no memory, the connection is closed */
/* It is one of a peer's ways (way.h), and ends when something comes that the peer may not have any more.  Before its start. */
void relay_watch(struct relay *r, struct node *n, const struct channel *c, const char *to, bool (*may)(const struct channel *c));
/* The channel is there: it begins. */
void relay_start(struct relay *r, struct channel *c);
