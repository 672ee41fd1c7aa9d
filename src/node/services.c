/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/service.h"

#include "node/control.h"
#include "node/mail.h"
#include "node/spawn.h"
#include "node/tasks.h"

const struct service services[] = {
	{ .name = "control", .opened = control_opened },
	{ .name = "events", .opened = events_opened },
	{ .name = "nodes", .opened = nodes_opened },
	{ "mail", mail_in_opened, mail_start, mail_stop },
	{ "spawn", spawn_opened, spawn_start, spawn_stop },
	{ .name = "tasks", .opened = tasks_opened },
	{ .name = NULL },
};
