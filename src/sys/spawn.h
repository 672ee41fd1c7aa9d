/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "wire/link.h"

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

/*
 * Starts programs under the circumstances that spawn orders describe.
 *
 * A child shares memory with its parent until it execs, on a stack of its own, so a large parent costs no page tables
 * and a failure is reported through memory: step and errno.  It makes system calls only: nothing of libc that
 * allocates, locks, looks names up or sets errno.
 *
 * One alone is waited for, as by vfork.  Of several each goes its way while the next is begun: whoever has to wait for a
 * processor (each leads a session, for which the kernel may have a scheduling group) keeps nobody waiting.
 *
 * The caller has one thread, blocks all signals and leaves all dispositions at
 * their default; the child begins with an empty mask.  Descriptors 0, 1 and 2 are open, and those lent
 * (struct spawn_lend) lie above every number that they are lent as.
 */
enum { SPAWN_AT_ONCE = 16, SPAWN_LEND_MAX = 8 };

struct spawner {
	char *stacks;
	struct spawn_place *places;	/* a ring: those that are on their way */
	unsigned first, count;
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
	uint64_t inc;			/* for whoever asks at the landing */
	const char **take_vector;	/* of argv and envp: freed in any case */
};

struct spawn_failure {
	uint32_t step;		/* enum spawn_step */
	int error;
};

/*
 * The pid of the new child, a program that runs; or -1, and why.  Nobody else is on the way.  A child that failed before its
 * program ran is a zombie of the caller for a moment: an unknown pid to whoever reaps.
 */
pid_t spawn_child(struct spawner *s, const struct spawn_job *job, struct spawn_failure *why);

/*
 * Sends a child on its way, on which there is room for SPAWN_AT_ONCE; with `together` others follow.  The texts of the order stay
 * where they are until it has landed; what else the job points to is copied.  -1, and why: there is none.
 */
int spawn_begin(struct spawner *s, const struct spawn_job *job, bool together, struct spawn_failure *why);
bool spawn_is_full(const struct spawner *s);

struct spawn_landed {
	uint64_t inc;
	pid_t pid;			/* as of spawn_child() */
	struct spawn_failure why;
};
/* Waits until the first of those on their way runs its program, or has failed.  false: nobody is on the way. */
bool spawn_land(struct spawner *s, struct spawn_landed *out);

/* Can a child be started in that cgroup?  Tries it, and waits for it.  -1: errno says why not. */
int spawn_try_cgroup(struct spawner *s, int cgroup_fd);
