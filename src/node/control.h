/* SPDX-License-Identifier: MIT */
#pragma once

#include "node/service.h"

/* Services: this node's control.sock, as far as the peer may, its events.sock, and the list of nodes that it knows. */
void control_opened(struct node *n, struct channel *c, const json_t *args);
void events_opened(struct node *n, struct channel *c, const json_t *args);
void nodes_opened(struct node *n, struct channel *c, const json_t *args);
