/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/service.h"

const struct service services[] = {
	{ .name = NULL },
};
