/* SPDX-License-Identifier: MIT */
#pragma once

#include "monitor/settings.h"

/* What appctl-tasks is told by its environment: TASKS_… */
#define TASKS_PREFIX "TASKS"

struct tasks_settings {
	int64_t max;			/* tasks that run at once */
	int64_t keep;			/* that have ended and wait to be awaited */
	int64_t keep_ms;
	int64_t output_size;		/* kept of each stream of one task, */
	int64_t memory;			/* and of all together */
	const char *user;		/* NULL: who may be run is appctld's to say */
};

extern const struct setting tasks_settings_table[];
extern const size_t tasks_settings_count;
