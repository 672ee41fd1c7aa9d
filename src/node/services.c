/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/service.h"

#include "node/spawn.h"

const struct service services[] = {
	{ "spawn", spawn_opened, spawn_start, spawn_stop },
	{ .name = NULL },
};
