/* SPDX-License-Identifier: MIT */
#pragma once

#include "node/channel.h"

#include <jansson.h>

/*
 * Service "tasks": the channel's bytes are a connection to this machine's task supervisor (org.appctl.Tasks).  Each call is
 * looked at: its command must be one that the peer may run here, its caller is who the channel says, and a peer that may not
 * operate this node's applications reaches no task but those of its own node.
 */
void tasks_opened(struct node *n, struct channel *c, const json_t *args);
