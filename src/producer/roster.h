/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "base/u64map.h"
#include "monitor/process.h"
#include "producer/procfs.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The processes that are kept in mind from sample to sample, in places whose number never changes.  A place keeps
 * descriptors of its process's stat and statm as long as there are enough of them: reading these again is
 * most of what a sample costs, and a descriptor of a process that has ended says so even where its pid is in use again.
 */
struct place {
	struct process p;		/* first, so that one is found by the other */
	int stat_fd, statm_fd;		/* -1: not kept */
	uint32_t round;			/* the last update that saw it */
	bool taken;
	bool fresh;			/* new, or it has another name, since the last update */
	bool active;			/* it has used the processor since the last update */
	bool wanted;			/* the owner's: never gives up its place */
	bool no_io;			/* we may not read its io */
	uint32_t next_free;
};

struct roster {
	struct place *v;		/* the first `used` may be taken */
	unsigned max, used;
	unsigned processes;		/* of the node, at the last update */
	unsigned known;			/* of them in the roster */
	unsigned descriptors, descriptors_max;
	int64_t at_ns;			/* of the last update */
	/* private */
	struct procfs *fs;
	struct u64map by_pid;
	uint32_t round, free_first;
	unsigned refused, hand;
	pid_t cursor;
	bool full;
};

int roster_init(struct roster *r, struct procfs *fs, unsigned max, unsigned descriptors_max, struct err *err);
void roster_fini(struct roster *r);

/*
 * Looks at all of /proc.  A process that has ended since the last time stays until the next, with p.gone; its pid is free at once.
 * -1: errno, nothing was changed.
 */
int roster_update(struct roster *r);
struct place *roster_find(const struct roster *r, pid_t pid);	/* NULL: not in it, or gone */
/* Does it still run?  Asked after files that were found by its pid. */
bool roster_still(struct roster *r, const struct place *pl);
