/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/strmap.h"
#include "producer/roster.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Which application a process belongs to: with cgroups the one whose directory it is in; without, the one whose main
 * process it is or descends from, by session or parent, as it was when the process was first seen.
 */
enum { OWNER_NAME_MAX = 63, OWNERS_MAX = 10000 };

struct application {
	char name[OWNER_NAME_MAX + 1];	/* "": this entry is free */
	pid_t pid;			/* of its main process, as events said; 0: not known */
	/* Sums of the present sample. */
	unsigned kept;			/* processes in the roster, those that are gone too */
	unsigned processes, threads;
	double cpu, io_read, io_written;
	int64_t memory;
};

struct owners {
	char leaf[PROC_LEAF_SIZE];	/* appctld's cgroup; "": without cgroups */
	struct application *v;
	unsigned count;
	struct application none;	/* those that belong to none */
	struct strmap by_name;
};

/* leaf: NULL: the one that this process is in. */
int owners_init(struct owners *o, struct procfs *fs, const char *leaf, struct err *err);
void owners_fini(struct owners *o);

void owners_started(struct owners *o, struct roster *r, const char *name, pid_t pid);
void owners_ended(struct owners *o, const char *name);
int32_t owners_find(const struct owners *o, const char *name);		/* -1: none */
const char *owners_name(const struct owners *o, int32_t application);	/* NULL: none */

/* Gives every process that is new to the roster its application. */
void owners_assign(struct owners *o, struct procfs *fs, struct roster *r);
/* All sums anew; applications of which nothing is left make place for others. */
void owners_sum(struct owners *o, const struct roster *r);
