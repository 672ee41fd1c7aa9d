/* SPDX-License-Identifier: MIT */
#pragma once

#include "lib/lib.h"

#include <stdbool.h>

/*
 * Channels to services of other nodes, by way of this node's appctl-node (org.appctl.Node).
 */

/* The nodes that this node, or that other one (NULL: this), knows: the reply of ListNodes.  NULL: e says why. */
json_t *node_list(const char *runtime_dir, const char *node, struct appctl_error *e);

/*
 * Connects to that service and waits until it has accepted: *reply (may be NULL) is what it answered.  A connected
 * socket, which is the channel from here on: its bytes, or records (wire/record.h) where framed.  -1: e says why.
 */
int node_connect(const char *runtime_dir, const char *node, const char *service, json_t *take_args, bool framed,
	json_t **reply, struct appctl_error *e);

/* {"error":CODE,"message":…} of a channel that was refused or has closed, said of that node.  -1. */
int error_channel(struct appctl_error *e, const char *node, const json_t *how);
/* CODE and message, said of a node or address.  -1. */
int error_code(struct appctl_error *e, const char *of, const char *code, const char *message);
