/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "producer/outbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Takes samples of this machine from /proc: tables node, prc, app_top, fun_top, suspect, and
 * incident when asked.  What needs a difference (cpu, growth, speeds) is null in the first sample.
 *
 * What is read of each process at each sample is one file, stat, on a descriptor that stays open as long as the limit
 * of descriptors (which is raised to its hard value) allows; statm where stat has moved.  Everything else is read
 * of those that are worth sending, of those that are new, and of sample_size others in turn.
 *
 * Memory is bounded by processes_max, all of it taken at the beginning.  Beyond that many processes those that do
 * nothing give up their places to those not looked at yet, an eighth of the places at each sample; who uses the
 * processor stays.  Sums and shares are then of those that are looked at.
 */
struct sampler;

struct sampler_options {
	unsigned top;			/* rows for each of cpu, memory, growth, I/O */
	double cpu_min;			/* processors; below these nothing is worth sending, */
	int64_t memory_min;		/*   bytes, */
	int64_t growth_min;		/*   bytes each second, */
	int64_t io_min;			/*   bytes each second */
	const char *const *vips;	/* names of programs or applications whose processes always are; borrowed */
	size_t vip_count;
	unsigned processes_max;		/* how many are kept in mind; at least 1 */
	unsigned sample_size;		/* how many are asked each time what they wait in and have open */
	/* Beyond these a process is a suspect, told once until it has been below nine tenths of it; 0: no limit. */
	int64_t memory_limit;
	unsigned descriptors_limit, threads_limit;
	unsigned processes_limit;	/* the same for the number of processes of the node */
	const char *cgroup;		/* appctld's ("appctl-0123abcd"); NULL: the one that this process is in */
	const char *proc;		/* NULL: "/proc" */
};

/* o may go afterwards, not its vips.  NULL: err says why. */
struct sampler *sampler_new(const struct sampler_options *o, struct err *err);
void sampler_free(struct sampler *s);			/* NULL is fine */

/* Takes a sample and adds its batches to out, which is open.  -1: /proc cannot be read (err says why) and nothing was added. */
int sampler_take(struct sampler *s, struct outbox *out, struct err *err);

/*
 * What appctld's events say: an application's main process, and its end.  With cgroups they only help;
 * without, a process belongs to the application it descends from.  name is copied.
 */
void sampler_application_started(struct sampler *s, const char *name, pid_t pid);
void sampler_application_ended(struct sampler *s, const char *name);

/* An application that failed: which event said so (instance, number) and why. */
struct sampler_incident {
	const char *instance;
	int64_t number;
	const char *application, *reason;
};

/* Adds a batch `incident`: the application's processes, those that have gone since the last sample too (state X), and the largest of all others. */
int sampler_incident(struct sampler *s, const struct sampler_incident *i, struct outbox *out, struct err *err);

/* Of the last sample. */
struct sampler_counts {
	unsigned processes;		/* of the node */
	unsigned known;			/* looked at */
	unsigned descriptors;		/* kept open */
};
struct sampler_counts sampler_counts(const struct sampler *s);
