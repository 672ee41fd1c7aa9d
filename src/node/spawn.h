/* SPDX-License-Identifier: MIT */
#pragma once

#include "node/channel.h"
#include "node/node.h"

/*
 * Commands for other nodes: a transient application of this node's appctld, its standard descriptors joined with the channel.
 *
 * args: {"command":[…], "name"?, "directory"?, "environment"?: {…}, "tty"?: {"term"?, "rows"?, "columns"?},
 * "linked"? (true), "attached"? (true)}.  ACCEPT when it runs: {"name", "pid", "self": ADDRESS}.  Objects to it:
 * {"resize":{"rows","columns"}}, {"signal":"INT"}.  The channel closes with {"exit":{"code"|"signal","reason","text"}} behind
 * the last of its output.
 *
 * linked: the channel's end, from whatever side, stops it with all its descendants, and so does the end of this process.  Not
 * linked: it goes on, its output read and dropped; without this process its output has no reader any more.
 * At most 1,024 run at once; more are refused, "busy".
 * attached false: no input, output to this node's log, not linked, and the channel closes when it has started.
 */
void spawn_opened(struct node *n, struct channel *c, const json_t *args);
int spawn_start(struct node *n, struct err *err);
void spawn_stop(struct node *n);
