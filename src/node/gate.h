/* SPDX-License-Identifier: MIT */
#pragma once

#include "node/channel.h"
#include "node/conn.h"
#include "node/node.h"

#include <jansson.h>

/*
 * A peer's way to a Varlink service of this machine.  Every call is read, judged, and written anew from what was read, so
 * that the service cannot read it otherwise; the next one waits until the one before it is answered, so that refusals
 * stand where their answers belong.  A call that is no JSON, has a member twice or is too long ends the channel, and
 * so does one that is cut.  A peer may have so many ways to it (way.h).
 */

/* May change the call.  NULL: it is passed on; else the reply that refuses it.  caller: NODE/NAME, or NULL: a node itself. */
typedef json_t *gate_judge(const struct channel *c, const char *caller, json_t *call);

/* Connects to the socket at that path (lent) of the runtime directory, and accepts; or refuses. */
void gate_open(struct node *n, struct channel *c, const json_t *args, const char *path, gate_judge *judge);

/* The connection alone.  NULL: the channel was refused. */
struct conn *gate_connect(struct node *n, struct channel *c, const char *path, const struct conn_handler *h, void *arg);
