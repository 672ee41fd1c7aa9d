/* SPDX-License-Identifier: MIT */
#pragma once

#include "node/channel.h"
#include "node/conn.h"

/*
 * As relay.h, for a connection that carries a whole channel: records of all its streams.
 */
struct framed;

extern const struct channel_handler framed_channel_handler;
struct framed *framed_new(struct conn *take_conn);	/* NULL: no memory, the connection is closed */
void framed_start(struct framed *f, struct channel *c);
