/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "node/channel.h"

#include <jansson.h>

/*
 * What a node does for others: services, each opened by its name.  services.c has the list.
 */
struct service {
	const char *name;
	/* A channel was opened to it: accepts or refuses, now or later.  args are lent; args.caller is who asks: NODE/NAME. */
	void (*opened)(struct node *n, struct channel *c, const json_t *args);
	/* Before the sandbox and the first channel; may be NULL.  -1: the node does not start. */
	int (*start)(struct node *n, struct err *err);
	void (*stop)(struct node *n);		/* at the end, also where start() failed or did not come; may be NULL */
};

extern const struct service services[];		/* ends with a name of NULL */
