/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "appctld/keeper.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "sys/process.h"
#include "sys/tree.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS_UNKNOWN = 255 << 8 };	/* of an adopted process whose end was not seen: as if it exited with 255 */

static bool
in_cgroup(const struct keeper *k, const struct kid *kid)
{
	return k->cgroups.dir_fd >= 0 && kid_cgroup(kid)[0] != '\0';
}

static struct tree
tree_of(const struct kid *kid)
{
	return (struct tree){
		.keeper = getpid(), .pid = kid->pid, .ended = (kid->flags & KID_EXITED) != 0, .inc = kid->inc,
	};
}

/* --- Starting ------------------------------------------------------------------- */

static void
spawn_failed(struct keeper *k, struct kid *kid, const struct spawn_failure *why)
{
	log_write(LOG_SPAWN, LOG_LEVEL_DEBUG, "%s: %s: %s", kid_name(kid), spawn_step_name(why->step), strerror(why->error));
	child_close_ready(kid);
	kid->flags |= KID_FAILED;
	kid->step = (uint8_t)why->step;
	kid->status = why->error;
	tell_kid(k, kid, KID_TELL_FAILED);
}

/* ready[0] stays here, ready[1] becomes the child's. */
static int
open_ready(const struct spawn_order *o, int ready[2])
{
	int failed;

	ready[0] = ready[1] = -1;
	if (!(o->fixed.flags & SPAWN_READY_FD))
		return 0;
	failed = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ready);
	if (failed)
		return -1;
	ready[1] = move_up(ready[1]);
	return ready[1] < 0 ? -1 : 0;
}

/* The order of the lent descriptors is that of the numbers. */
static void
fill_passed(struct keeper *k, const struct spawn_order *o, struct spawn_job *job)
{
	size_t next = 0;
	int n;

	for (n = 0; n < 3; n++)
		job->passed[n] = o->fixed.stdio[n] == STDIO_PASSED ? k->in.fds[next++] : -1;
}

/* With more orders to come nobody waits for this one. */
static int
spawn_in(struct keeper *k, struct kid *kid, const struct spawn_order *o, const char **take_vector, struct spawn_failure *why)
{
	autofree const char **vector = take_vector;
	struct spawn_job job = { .order = o, .cgroup_fd = -1, .runtime_fd = k->runtime.dir_fd, .inc = kid->inc };
	struct spawn_lend lend = { -1, o->fixed.ready_fd };
	autoclose int cgroup_fd = -1;
	autoclose int theirs = -1;
	int ready[2];

	*why = (struct spawn_failure){ SPAWN_STEP_DESCRIPTORS, EMFILE };
	if (k->in.fds_lost)
		return -1;
	fill_passed(k, o, &job);
	if (in_cgroup(k, kid)) {
		job.cgroup_fd = cgroup_fd = cgroup_make(&k->cgroups, o->cgroup);
		*why = (struct spawn_failure){ SPAWN_STEP_CGROUP, errno };
		if (cgroup_fd < 0)
			return -1;
	}
	if (open_ready(o, ready) < 0) {
		*why = (struct spawn_failure){ SPAWN_STEP_DESCRIPTORS, errno };
		kid->ready_fd = ready[0];
		return -1;
	}
	kid->ready_fd = ready[0];
	theirs = lend.from = ready[1];
	if (theirs >= 0) {
		job.lend = &lend;
		job.lend_count = 1;
	}
	job.take_vector = vector;
	vector = NULL;
	return spawn_begin(&k->spawner, &job, link_in_more(&k->in), why);
}

static void
start(struct keeper *k, struct kid *kid, const struct spawn_order *o, const char **take_vector)
{
	struct spawn_failure why;

	kid->kind = o->fixed.kind;
	kid->stop_signal = (uint8_t)o->fixed.label.stop_signal;
	kid->shutdown_ms = o->fixed.label.shutdown_ms;
	if (spawn_in(k, kid, o, take_vector, &why) < 0)
		spawn_failed(k, kid, &why);
}

static bool
land_one(struct keeper *k)
{
	struct spawn_landed landed;
	struct kid *kid;

	if (!spawn_land(&k->spawner, &landed))
		return false;
	kid = table_by_inc(&k->table, landed.inc);
	if (landed.pid < 0) {
		spawn_failed(k, kid, &landed.why);
	} else {
		table_set_pid(&k->table, kid, landed.pid);
		tell_kid(k, kid, KID_TELL_SPAWNED);
	}
	return true;
}

void
children_land(struct keeper *k)
{
	while (land_one(k))
		;
}

static void
refuse(struct keeper *k, uint64_t inc)
{
	struct kid *kid = table_by_inc(&k->table, inc);

	if (kid != NULL)
		tell_kid(k, kid, KID_TELL_REFUSED);
	else
		tell_failed_now(k, inc, SPAWN_STEP_REFUSED, EEXIST);
}

void
child_spawn(struct keeper *k, uint64_t inc)
{
	const char **vector = NULL;
	struct spawn_order order;
	struct kid *kid;

	if (inc <= k->last_inc) {
		refuse(k, inc);
		return;
	}
	k->last_inc = inc;
	if (link_get_spawn(k->in.body, k->in.h.body_len, &order, &vector) < 0 ||
	    (kid = table_add(&k->table, inc, order.name, order.cgroup)) == NULL) {
		free(vector);
		tell_failed_now(k, inc, SPAWN_STEP_MEMORY, ENOMEM);
		return;
	}
	if (spawn_is_full(&k->spawner))
		land_one(k);
	start(k, kid, &order, vector);
}

/* --- Signals ---------------------------------------------------------------------- */

static void
signal_main(const struct kid *kid, int signo)
{
	if (kid->pid > 0 && !(kid->flags & (KID_EXITED | KID_FAILED)))
		process_signal(kid->pid, signo);
}

static bool
is_known(void *arg, pid_t pid)
{
	const struct keeper *k = arg;

	return pid == k->engine.pid || pid == k->reexec.pid || table_by_pid(&k->table, pid) != NULL;
}

void
child_signal(struct keeper *k, struct kid *kid, int signo, bool whole_tree)
{
	bool had_main = false;
	struct tree t;

	if (kid->flags & KID_FAILED || signo < 0 || signo > SIGRTMAX)
		return;
	if (!whole_tree) {
		signal_main(kid, signo);
		return;
	}
	if (in_cgroup(k, kid)) {
		/* Once is enough for all but SIGKILL: some programs take a second SIGTERM as an order to hurry. */
		had_main = signo != SIGKILL && kid->pid > 0 && cgroup_has(&k->cgroups, kid_cgroup(kid), kid->pid);
		cgroup_signal(&k->cgroups, kid_cgroup(kid), signo);
		if (!had_main)
			signal_main(kid, signo);
		return;
	}
	if (kid->pid <= 0)
		return;
	t = tree_of(kid);
	t.no_orphans = !tree_has_orphans(is_known, k);
	tree_signal(&t, signo);
}

/* --- Ends --------------------------------------------------------------------------- */

void
child_close_ready(struct kid *kid)
{
	if (kid->ready_fd >= 0)
		close(kid->ready_fd);
	kid->ready_fd = -1;
}

/* Without cgroups: whatever it left has become the keeper's child, so no unknown child is the quick answer. */
static bool
left_a_tree(struct keeper *k, const struct kid *kid)
{
	struct tree t;

	if (in_cgroup(k, kid))
		return cgroup_is_populated(&k->cgroups, kid_cgroup(kid));
	t = tree_of(kid);
	return tree_has_orphans(is_known, k) && tree_is_left(&t);
}

static void
exit_is_known(struct keeper *k, struct kid *kid)
{
	if (left_a_tree(k, kid))
		kid->flags |= KID_TREE_LEFT;
	if (WIFSIGNALED(kid->status) && WTERMSIG(kid->status) == SIGKILL && in_cgroup(k, kid) &&
	    cgroup_had_oom_kill(&k->cgroups, kid_cgroup(kid)))
		kid->flags |= KID_OOM;
	if (k->standing_alone || k->leaving)
		last_stand_exited(k, kid);
	else
		tell_kid(k, kid, KID_TELL_EXITED);
}

static void
has_ended(struct keeper *k, struct kid *kid, int status)
{
	table_set_exited(&k->table, kid, status);
	child_close_ready(kid);
}

static void
remember_orphan(struct keeper *k, pid_t pid, int status)
{
	k->orphans[k->orphan_at++ % ORPHANS] = (struct orphan){ pid, status };
}

/*
 * All that there is first, then the conclusions: a descendant that has ended too is none that is left, and an
 * engine that has ended should hear of nothing any more.
 */
void
children_reap(struct keeper *k)
{
	uint32_t first = KID_NONE, at;
	bool engine_is_gone = false, trial_is_over = false;
	int status, engine_status = 0, trial_status = 0;
	struct kid *kid;
	bool stopped;
	pid_t pid;

	while ((pid = process_reap(&status, &stopped)) > 0) {
		if (stopped) {
			if (pid == k->engine.pid)
				engine_kill(k, "it was stopped by a signal");
			continue;
		}
		kid = table_by_pid(&k->table, pid);
		if (pid == k->engine.pid) {
			engine_is_gone = true;
			engine_status = status;
		} else if (pid == k->reexec.pid) {
			trial_is_over = true;
			trial_status = status;
		} else if (kid != NULL) {
			has_ended(k, kid, status);
			kid->next = first;
			first = (uint32_t)(kid - k->table.kids);
		} else {
			remember_orphan(k, pid, status);
		}
	}
	for (at = first; at != KID_NONE; at = first) {
		kid = &k->table.kids[at];
		first = kid->next;
		exit_is_known(k, kid);
	}
	if (trial_is_over)
		reexec_trial_ended(k, trial_status);
	if (engine_is_gone)
		engine_ended(k, engine_status);
	else if (k->leaving || k->standing_alone)
		leave_if_alone(k);
}

/* One in which somebody was killed for want of memory says so for ever, so the next child gets a fresh one. */
void
child_forget(struct keeper *k, struct kid *kid, bool again)
{
	if (!(kid->flags & KID_EXITED))
		return;
	tell_acked(k, kid);
	if (in_cgroup(k, kid) && (!again || kid->flags & KID_OOM || cgroup_has_parts(&k->cgroups, kid_cgroup(kid))))
		cgroup_remove(&k->cgroups, kid_cgroup(kid));
	table_remove(&k->table, kid);
}

/* --- Daemons that fork ------------------------------------------------------------------ */

static int
status_of_orphan(const struct keeper *k, pid_t pid)
{
	unsigned i;

	for (i = 1; i <= ORPHANS; i++)
		if (k->orphans[(k->orphan_at - i) % ORPHANS].pid == pid)
			return k->orphans[(k->orphan_at - i) % ORPHANS].status;
	return STATUS_UNKNOWN;
}

static bool
is_own_orphan(const struct keeper *k, const struct kid *kid, pid_t pid)
{
	if (pid <= 0 || pid == k->engine.pid || pid == k->reexec.pid || table_by_pid(&k->table, pid) != NULL || tree_parent(pid) != getpid())
		return false;
	return !in_cgroup(k, kid) || cgroup_has(&k->cgroups, kid_cgroup(kid), pid);
}

/* One that is not there (any more) is told as ended, by its own status where that was seen. */
void
child_adopt(struct keeper *k, struct kid *kid, pid_t pid)
{
	bool is_ours = is_own_orphan(k, kid, pid);

	if (!(kid->flags & KID_EXITED)) {
		log_write(LOG_KEEPER, LOG_LEVEL_WARNING, "%s: its main process (pid %d) still runs: pid %d is not adopted",
			  kid_name(kid), (int)kid->pid, (int)pid);
		return;
	}
	tell_acked(k, kid);
	kid->flags &= (uint16_t)~(KID_TREE_LEFT | KID_OOM | KID_TELL_EXITED);
	if (is_ours) {
		table_set_pid(&k->table, kid, pid);
		return;
	}
	log_write(LOG_KEEPER, LOG_LEVEL_WARNING, "%s: pid %d is no process that it left: not adopted", kid_name(kid), (int)pid);
	kid->status = status_of_orphan(k, pid);
	exit_is_known(k, kid);
}

/* --- All of them -------------------------------------------------------------------------- */

unsigned
children_alive(const struct keeper *k)
{
	const struct kid *kid;
	unsigned n = 0;

	for (kid = table_next(&k->table, NULL); kid != NULL; kid = table_next(&k->table, kid))
		n += !(kid->flags & (KID_EXITED | KID_FAILED | KID_GIVEN_UP));
	return n;
}

void
children_kill_all(struct keeper *k)
{
	struct kid *kid;

	for (kid = table_next(&k->table, NULL); kid != NULL; kid = table_next(&k->table, kid))
		if (!(kid->flags & KID_EXITED) || kid->flags & KID_TREE_LEFT)
			child_signal(k, kid, SIGKILL, true);
}

/* What left its application's control group, by rights that only root's have, hangs below the keeper at last. */
bool
children_kill_strays(struct keeper *k)
{
	return tree_kill_orphans(is_known, k) > 0;
}
