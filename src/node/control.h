/* SPDX-License-Identifier: MIT */
#pragma once

#include "node/allow.h"
#include "node/service.h"

/* Services: this node's control.sock, as far as the peer may, and its events.sock. */
void control_opened(struct node *n, struct channel *c, const json_t *args);
void events_opened(struct node *n, struct channel *c, const json_t *args);

/* Whether that Varlink call of a peer is passed on: NULL, or the reply that refuses it. */
json_t *gate_judge(const struct allow *a, const json_t *call);
