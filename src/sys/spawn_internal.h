/* SPDX-License-Identifier: MIT */
#pragma once

#include "sys/spawn.h"

/*
 * What the two halves of spawn.h share: spawn.c makes children, spawn_steps.c is what they do until they have their programs.
 */

/* What parent and child share until the child has its program.  The order's texts lie elsewhere. */
struct spawn_place {
	const struct spawner *s;
	struct spawn_job job;
	struct spawn_order order;
	struct spawn_lend lend[SPAWN_LEND_MAX];
	bool enter_cgroup;		/* the clone did not do it */
	bool only_cgroup;		/* the first step is all there is to do */
	int log_fd;
	volatile uint32_t step;
	volatile int error;
	uint32_t busy;			/* the kernel makes it 0, and wakes who waits for that, when the child is out of this memory */
	pid_t pid;
};

/* Where a child begins, on its own stack; does not come back. */
int spawn_live_as_child(void *place);
