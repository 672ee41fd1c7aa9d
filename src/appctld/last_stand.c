/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "appctld/keeper.h"

#include "base/log.h"
#include "sys/process.h"

#include <signal.h>

/*
 * The keeper alone ends everything, for a shutdown while no engine can stay up:
 * one child after the other, the latest started first, each with the signal and the
 * time limit that came with the order to spawn it, then its whole tree by SIGKILL.
 */
enum {
	EACH_AT_MOST_MS = 60000,	/* "infinity" does not hold a machine */
	ALL_AT_MOST_MS = 300000,	/* from then on the rest is killed */
	AFTER_KILL_MS = 2000,		/* then it is said to be unkillable, and left */
	LEAVE_WITHIN_MS = 2000,
};

static struct kid *
latest(const struct keeper *k)
{
	struct kid *kid, *found = NULL;

	for (kid = table_next(&k->table, NULL); kid != NULL; kid = table_next(&k->table, kid))
		if (!(kid->flags & (KID_EXITED | KID_FAILED | KID_GIVEN_UP)) && (found == NULL || kid->inc > found->inc))
			found = kid;
	return found;
}

static int64_t
time_limit(const struct keeper *k, const struct kid *kid)
{
	int64_t left = k->stand_end_ms - now_ms();
	int64_t limit = kid->shutdown_ms < EACH_AT_MOST_MS ? kid->shutdown_ms : EACH_AT_MOST_MS;

	if (k->stand_hurry || left <= 0 || limit <= 0)
		return 0;
	return limit < left ? limit : left;
}

static void
kill_it(struct keeper *k, struct kid *kid)
{
	k->stand_killed = true;
	child_signal(k, kid, SIGKILL, true);
	arm(k, DUE_STAND, AFTER_KILL_MS);
}

static void
stop_it(struct keeper *k, struct kid *kid)
{
	int64_t limit = time_limit(k, kid);

	k->stand_inc = kid->inc;
	k->stand_killed = false;
	if (limit == 0) {
		kill_it(k, kid);
		return;
	}
	log_write(LOG_KEEPER, LOG_LEVEL_INFO, "stopping %s (pid %d)", kid_name(kid), (int)kid->pid);
	child_signal(k, kid, kid->stop_signal != 0 ? kid->stop_signal : SIGTERM, false);
	arm(k, DUE_STAND, limit);
}

static void
stop_next(struct keeper *k)
{
	struct kid *kid = latest(k);

	k->stand_inc = 0;
	disarm(k, DUE_STAND);
	if (kid != NULL)
		stop_it(k, kid);
	else
		leave(k, k->exit_status);
}

void
last_stand_begin(struct keeper *k, int status)
{
	struct kid *kid;

	if (k->standing_alone || k->leaving)
		return;
	if (k->table.count > 0) {
		log_write(LOG_KEEPER, LOG_LEVEL_WARNING, "no engine: appctld itself stops what runs, the latest started first");
		notify_up_send(k, "STOPPING=1");
	}
	k->standing_alone = true;
	k->exit_status = status;
	k->stand_end_ms = now_ms() + ALL_AT_MOST_MS;
	engine_kill(k, "its work is taken from it");
	engine_close_link(k);
	for (kid = table_next(&k->table, NULL); kid != NULL; kid = table_next(&k->table, kid))
		if (kid->flags & KID_EXITED && kid->flags & KID_TREE_LEFT)
			child_signal(k, kid, SIGKILL, true);
	stop_next(k);
}

/* Its time is over, or somebody is in a hurry. */
void
last_stand_due(struct keeper *k)
{
	struct kid *kid = table_by_inc(&k->table, k->stand_inc);

	if (k->leaving)
		return;
	if (kid == NULL || kid->flags & KID_EXITED) {
		stop_next(k);
		return;
	}
	if (!k->stand_killed) {
		log_write(LOG_KEEPER, LOG_LEVEL_WARNING, "%s (pid %d) did not end in time: killed", kid_name(kid), (int)kid->pid);
		kill_it(k, kid);
		return;
	}
	log_write(LOG_KEEPER, LOG_LEVEL_ERROR, "%s (pid %d) cannot be killed: left", kid_name(kid), (int)kid->pid);
	kid->flags |= KID_GIVEN_UP;
	stop_next(k);
}

void
last_stand_exited(struct keeper *k, struct kid *kid)
{
	if (kid->flags & KID_TREE_LEFT)
		child_signal(k, kid, SIGKILL, true);
	if (k->standing_alone && !k->leaving && kid->inc == k->stand_inc)
		stop_next(k);
}

/* --- The end ---------------------------------------------------------------------- */

/* The engine ends by itself when its link is closed. */
void
leave(struct keeper *k, int status)
{
	if (k->leaving)
		return;
	k->leaving = true;
	k->exit_status = status;
	children_kill_all(k);
	if (k->reexec.pid != 0)
		process_signal(-k->reexec.pid, SIGKILL);
	engine_close_link(k);
	arm(k, DUE_LEAVE, LEAVE_WITHIN_MS);
	leave_if_alone(k);
}

void
leave_if_alone(struct keeper *k)
{
	if (k->leaving && k->engine.pid == 0 && children_alive(k) == 0 && !cgroups_are_populated(&k->cgroups) &&
	    !children_kill_strays(k))
		k->done = true;
}

void
leave_due(struct keeper *k)
{
	if (k->engine.pid != 0)
		process_signal(k->engine.pid, SIGKILL);
	k->done = true;
}
