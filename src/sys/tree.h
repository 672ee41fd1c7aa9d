/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The descendants of a child where there is no cgroup to know them by: whatever
 * is in the child's session, bears its incarnation in the environment
 * (APPCTL_INCARNATION=…), or descends from one that does.  The keeper is their sub-reaper, so all of them hang below it.
 * As well as that can be done: a process that left the session, cleared its environment and lost its parent is missed.
 *
 * Nothing here allocates but tree_environment(); each question reads /proc.
 */
#define TREE_MARKER "APPCTL_INCARNATION="

struct tree {
	pid_t keeper;		/* what all children hang below */
	pid_t pid;		/* of the main process */
	bool ended;		/* the main process was reaped: another may bear its number */
	uint64_t inc;
	bool no_orphans;	/* the keeper has no child but those it started: all of the tree still hangs below the main process */
};

/* Is there any descendant beside the main process? */
bool tree_is_left(const struct tree *t);
/* Signals main process and descendants; SIGKILL again and again until no new one is found.  Their number. */
unsigned tree_signal(const struct tree *t, int signo);
/* Does pid belong to it? */
bool tree_has(const struct tree *t, pid_t pid);

/* Has this process (of one thread) a live child that the caller does not know?  True too where /proc cannot say. */
bool tree_has_orphans(bool (*known)(void *arg, pid_t pid), void *arg);
/* Kills those among them that bear the marker of any incarnation.  Their number; what they leave are children next time. */
unsigned tree_kill_orphans(bool (*known)(void *arg, pid_t pid), void *arg);
/* Calls `each` for every child of this process (of one thread), ended or not, until it says false.  -1: /proc cannot say. */
int tree_each_child(bool (*each)(void *arg, pid_t pid), void *arg);
/* Is it alive, and does it lead a session, as all do that the keeper starts? */
bool tree_leads_session(pid_t pid);
/* What follows `key` ("NAME=") in the environment that pid was started with; a program may have written over that.  false: it is not there, or longer. */
bool tree_environment(pid_t pid, const char *key, char *value, size_t size);
/* The parent of pid; -1: it is not there. */
pid_t tree_parent(pid_t pid);
