/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Control groups (v2, or the v2 side of a hybrid): one directory for this
 * daemon below its own cgroup, in it one for each application.  No controller is
 * needed: they serve to know all descendants, and to end them.
 *
 * Nothing here allocates, and nothing waits but cgroups_clear().
 */
struct cgroups {
	int dir_fd;			/* -1: there are none */
	char path[PATH_MAX];		/* "" where there are none */
	char leaf[32];			/* the last part of path: appctl-0123abcd */
};

/* id: tells daemons apart.  -1: err says why there are none; c is usable all the same. */
int cgroups_open(struct cgroups *c, uint32_t id, struct err *err);
/* Ends what an earlier daemon of the same id has left, but in groups that are in use (NULL: none is); waits for it.  The number of processes. */
unsigned cgroups_clear(const struct cgroups *c, bool (*in_use)(void *arg, const char *name), void *arg);
bool cgroups_are_populated(const struct cgroups *c);
/* Removes the daemon's directory and what is empty in it. */
void cgroups_close(struct cgroups *c);

/*
 * Names are relative, "web" or "web/part": made where they are not there yet.  A directory's descriptor, or -1.
 */
int cgroup_make(const struct cgroups *c, const char *name);
/* So that cgroup_make() finds it: making one takes about as long as the clone that follows. */
void cgroup_prepare(const struct cgroups *c, const char *name);
bool cgroup_is_populated(const struct cgroups *c, const char *name);	/* by anything alive, below it too */
bool cgroup_has_parts(const struct cgroups *c, const char *name);	/* directories that somebody made in it */
bool cgroup_had_oom_kill(const struct cgroups *c, const char *name);
/* Signals every process in it and below.  The number of them; SIGKILL: at least 1 where it was populated. */
unsigned cgroup_signal(const struct cgroups *c, const char *name, int signo);
/* Is pid in it, or below? */
bool cgroup_has(const struct cgroups *c, const char *name, int pid);
/* The first part of the name of the group that pid is in: an application's.  false: it is elsewhere, or that is longer. */
bool cgroup_of(const struct cgroups *c, int pid, char *name, size_t size);
/* With all that is empty below it; one that is in use stays. */
void cgroup_remove(const struct cgroups *c, const char *name);
