/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "wire/link.h"

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

/*
 * Starts a program under the circumstances that a spawn order describes.
 *
 * The child shares memory with its parent until it execs (a vfork on a stack of
 * its own), so a large parent costs no page tables and a failure is reported through memory: step and errno.
 * It makes system calls only: nothing of libc that allocates, locks or looks names up.
 *
 * The caller has one thread, blocks all signals and leaves all dispositions at
 * their default; the child begins with an empty mask.  Descriptors 0, 1 and 2 are open, and those lent
 * (struct spawn_lend) lie above every number that they are lent as.
 */
struct spawner {
	char *stack;
	struct rlimit nofile;	/* what children get back; the caller may have raised its own */
	int null_fd;
	int last_cap;		/* the highest capability that this kernel knows */
	bool clone3;		/* false once it was seen not to work here */
};

/* Remembers the present RLIMIT_NOFILE as the children's.  -1: err says why. */
int spawner_init(struct spawner *s, struct err *err);
void spawner_fini(struct spawner *s);

struct spawn_lend {
	int from, to;
};

struct spawn_job {
	const struct spawn_order *order;
	int cgroup_fd;			/* a directory; -1: stay in the caller's */
	int runtime_fd;			/* where the order's runtime_directory is made */
	int passed[3];			/* for STDIO_PASSED */
	const struct spawn_lend *lend;	/* beside 0, 1 and 2; nothing else stays open */
	size_t lend_count;
};

struct spawn_failure {
	uint32_t step;		/* enum spawn_step */
	int error;
};

/*
 * The pid of the new child, a program that runs; or -1, and why.  A child that failed before its program
 * ran is a zombie of the caller for a moment: an unknown pid to whoever reaps.
 */
pid_t spawn_child(struct spawner *s, const struct spawn_job *job, struct spawn_failure *why);

/* Can a child be started in that cgroup?  Tries it, and waits for it.  -1: errno says why not. */
int spawn_try_cgroup(struct spawner *s, int cgroup_fd);
