/* SPDX-License-Identifier: MIT */
#pragma once

#include "node/node.h"

/*
 * node.sock: local programs ask there for the nodes, and for channels to their services (doc/org.appctl.Node.varlink).
 * What a channel carries it passes on and does not look at.
 */
struct bridge;

struct bridge *bridge_new(struct node *n, struct err *err);
void bridge_free(struct bridge *b);		/* NULL is fine */
