/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "appctld/keeper.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

/*
 * What the engine is told.  There is no queue: what is due stands in flags, is
 * put into one packet's room when the link takes it, and is told anew to the next engine.
 */
enum { PONG_WITHIN_MS = 2000, ACK_WITHIN_MS = 10000, MEMORY_RETRY_MS = 50 };

static void
want_room(struct keeper *k, bool wanted)
{
	struct epoll_event ev = { .events = EPOLLIN | (wanted ? EPOLLOUT : 0u), .data.u32 = WATCH_LINK };

	if (k->engine.blocked == wanted)
		return;
	if (epoll_ctl(k->epoll_fd, EPOLL_CTL_MOD, k->engine.link, &ev) == 0)
		k->engine.blocked = wanted;
	else
		arm(k, DUE_TELL, MEMORY_RETRY_MS);
}

/* Sends what stands in k->out, with fd where that is one.  false: not now, or not to this engine at all. */
static bool
send_out(struct keeper *k, int fd)
{
	if (k->engine.link < 0 || k->engine.doomed)
		return false;
	if (k->out.len == 0)
		return true;
	if (link_send(k->engine.link, k->out.data, k->out.len, &fd, fd >= 0 ? 1 : 0) == 0) {
		buf_clear(&k->out);
		return true;
	}
	if (errno == EAGAIN)
		want_room(k, true);
	else if (errno == ENOMEM || errno == ENOBUFS || errno == ETOOMANYREFS)
		arm(k, DUE_TELL, MEMORY_RETRY_MS);
	else if (errno != EPIPE && errno != ECONNRESET)		/* those: its death is told by SIGCHLD */
		engine_kill(k, strerror(errno));
	return false;
}

/* Into k->out, which goes out when it is full and at the end of each turn; what has a descriptor goes at once. */
static bool
say(struct keeper *k, enum link_type type, uint64_t inc, const void *fixed, size_t len, const char *text, int fd)
{
	if (k->engine.link < 0 || k->engine.doomed)
		return false;
	if ((fd >= 0 || k->out.len + MESSAGE_ROOM > OUT_ROOM) && !send_out(k, -1))
		return false;
	link_put(&k->out, type, inc, fixed, len, text);
	if (fd < 0)
		return true;
	if (send_out(k, fd))
		return true;
	buf_clear(&k->out);
	return false;
}

static bool
say_failed(struct keeper *k, uint64_t inc, uint32_t step, int error)
{
	const struct link_spawn_failed m = { .error = error, .step = step };

	return say(k, LINK_SPAWN_FAILED, inc, &m, sizeof(m), NULL, -1);
}

static bool
say_child(struct keeper *k, const struct kid *kid)
{
	const struct link_child m = {
		.pid = kid->pid, .status = kid->status,
		.exited = (kid->flags & KID_EXITED) != 0, .tree_left = (kid->flags & KID_TREE_LEFT) != 0,
		.oom = (kid->flags & KID_OOM) != 0, .has_ready_fd = kid->ready_fd >= 0,
		.last_signal_step = kid->last_signal_step, .kind = kid->kind,
	};

	return say(k, LINK_CHILD, kid->inc, &m, sizeof(m), kid_name(kid), kid->ready_fd);
}

static bool
say_spawned(struct keeper *k, const struct kid *kid)
{
	const struct link_spawned m = { .pid = kid->pid, .has_ready_fd = kid->ready_fd >= 0 };

	return say(k, LINK_SPAWNED, kid->inc, &m, sizeof(m), NULL, kid->ready_fd);
}

static bool
say_exited(struct keeper *k, const struct kid *kid)
{
	const struct link_exited m = {
		.pid = kid->pid, .status = kid->status,
		.tree_left = (kid->flags & KID_TREE_LEFT) != 0, .oom = (kid->flags & KID_OOM) != 0,
	};

	return say(k, LINK_EXITED, kid->inc, &m, sizeof(m), NULL, -1);
}

/* An exit with descendants waits for them: only the others are to be acknowledged soon. */
static void
expect_ack(struct keeper *k, struct kid *kid)
{
	if (kid->flags & (KID_TREE_LEFT | KID_AWAITS_ACK))
		return;
	kid->flags |= KID_AWAITS_ACK;
	if (k->engine.awaits_ack++ == 0)
		arm(k, DUE_ACK, ACK_WITHIN_MS);
}

/* The others get their time anew: an engine with much to do is no dead one. */
void
tell_acked(struct keeper *k, struct kid *kid)
{
	if (!(kid->flags & KID_AWAITS_ACK))
		return;
	kid->flags &= (uint16_t)~KID_AWAITS_ACK;
	if (--k->engine.awaits_ack > 0)
		arm(k, DUE_ACK, ACK_WITHIN_MS);
	else
		disarm(k, DUE_ACK);
}

/* All that is due for one child, in the order in which it happened. */
static bool
say_kid(struct keeper *k, struct kid *kid)
{
	if (kid->flags & KID_TELL_FAILED) {
		if (!say_failed(k, kid->inc, kid->step, kid->status))
			return false;
		table_remove(&k->table, kid);
		return true;
	}
	if (kid->flags & KID_TELL_REFUSED) {
		if (!say_failed(k, kid->inc, SPAWN_STEP_REFUSED, EEXIST))
			return false;
		kid->flags &= (uint16_t)~KID_TELL_REFUSED;
	}
	if (kid->flags & KID_TELL_SPAWNED) {
		if (!say_spawned(k, kid))
			return false;
		kid->flags &= (uint16_t)~KID_TELL_SPAWNED;
	}
	if (kid->flags & KID_TELL_EXITED) {
		if (!say_exited(k, kid))
			return false;
		kid->flags &= (uint16_t)~KID_TELL_EXITED;
		expect_ack(k, kid);
	}
	return true;
}

static bool
tell_hello(struct keeper *k)
{
	const struct link_hello m = {
		.instance = k->instance, .last_inc = k->last_inc, .started_real_us = k->started_real_us,
		.engine_starts = k->engine.starts,
		.tracking = k->cgroups.dir_fd >= 0 ? TRACKING_CGROUP : TRACKING_SUBREAPER,
		.is_pid1 = k->is_pid1, .shutdown_asked = k->shutdown_asked, .replaced = k->reexec.replaced,
	};

	if (k->engine.tell_hello && !say(k, LINK_HELLO, 0, &m, sizeof(m), k->cgroups.path, -1))
		return false;
	k->engine.tell_hello = false;
	return true;
}

static bool
tell_children(struct keeper *k)
{
	struct kid *kid;

	if (!k->engine.tell_children)
		return true;
	for (kid = table_next(&k->table, NULL); kid != NULL; kid = table_next(&k->table, kid)) {
		if (!(kid->flags & KID_TELL_CHILD))
			continue;
		if (!say_child(k, kid))
			return false;
		kid->flags &= (uint16_t)~(KID_TELL_CHILD | KID_TELL_EXITED);
		if (kid->flags & KID_EXITED)
			expect_ack(k, kid);
	}
	k->engine.tell_children = false;
	return true;
}

static bool
tell_table_end(struct keeper *k)
{
	if (k->engine.tell_table_end && !say(k, LINK_TABLE_END, 0, NULL, 0, NULL, -1))
		return false;
	k->engine.tell_table_end = false;
	return true;
}

static bool
tell_kids(struct keeper *k)
{
	struct kid *kid;

	if (!k->engine.tell_kids)
		return true;
	for (kid = table_next(&k->table, NULL); kid != NULL; kid = table_next(&k->table, kid))
		if ((kid->flags & KID_TELL) && !say_kid(k, kid))
			return false;
	k->engine.tell_kids = false;
	return true;
}

static bool
tell_signals(struct keeper *k)
{
	struct link_number m;

	while (k->engine.tell_signals != 0) {
		m.number = __builtin_ctzll(k->engine.tell_signals);
		if (!say(k, LINK_GOT_SIGNAL, 0, &m, sizeof(m), NULL, -1))
			return false;
		k->engine.told_signals |= 1ULL << m.number;
		k->engine.tell_signals &= k->engine.tell_signals - 1;
	}
	return true;
}

static bool
tell_pings(struct keeper *k)
{
	if (k->engine.tell_ping && !say(k, LINK_PING, 0, NULL, 0, NULL, -1))
		return false;
	k->engine.tell_ping = false;
	return true;
}

static bool
tell_of_reexec(struct keeper *k)
{
	struct engine_proc *e = &k->engine;

	if (e->tell_reexec != LINK_NONE && !say(k, e->tell_reexec, 0, NULL, 0, k->reexec.text, -1))
		return false;
	e->tell_reexec = LINK_NONE;
	return true;
}

void
tell_flush(struct keeper *k)
{
	if (k->out.len > 0)
		(void)send_out(k, -1);		/* where it cannot go, that is noted and tried again */
}

void
tell_pump(struct keeper *k)
{
	static bool (*const in_order[])(struct keeper *k) = {
		tell_hello, tell_children, tell_table_end, tell_kids, tell_signals, tell_pings, tell_of_reexec,
	};
	size_t i;

	if (k->engine.link < 0 || k->engine.doomed)
		return;
	disarm(k, DUE_TELL);
	want_room(k, false);
	if (!send_out(k, -1))
		return;
	for (i = 0; i < sizeof(in_order) / sizeof(*in_order); i++)
		if (!in_order[i](k))
			return;
	tell_flush(k);
}

static bool
has_the_table(const struct engine_proc *e)
{
	return !e->tell_hello && !e->tell_children && !e->tell_table_end;
}

/* Straight away where nothing waits before it. */
void
tell_kid(struct keeper *k, struct kid *kid, unsigned flag)
{
	struct engine_proc *e = &k->engine;

	if (e->link < 0)
		return;
	kid->flags |= (uint16_t)flag;
	if (e->tell_kids || !has_the_table(e) || !say_kid(k, kid))
		e->tell_kids = true;
}

/*
 * SPAWNED and the like are for what this engine ordered; that it has been told as CHILD or not at all.
 * The signals stay: no engine has heard them.
 */
void
tell_new_engine(struct keeper *k)
{
	struct kid *kid;

	for (kid = table_next(&k->table, NULL); kid != NULL; kid = table_next(&k->table, kid))
		kid->flags |= KID_TELL_CHILD;
	k->engine.tell_hello = k->engine.tell_children = k->engine.tell_table_end = true;
	k->engine.tell_kids = k->engine.tell_ping = false;
	k->engine.tell_reexec = LINK_NONE;
	buf_clear(&k->out);
	tell_pump(k);
}

void
tell_signal(struct keeper *k, int signo)
{
	k->engine.tell_signals |= 1ULL << signo;
	tell_ping(k);
}

void
tell_reexec(struct keeper *k, enum link_type type)
{
	k->engine.tell_reexec = type;
	tell_pump(k);
}

/* The deadline begins with the question, also where the link is too full to take it. */
void
tell_ping(struct keeper *k)
{
	if (k->engine.link < 0 || k->engine.ping_open || !k->engine.ready) {
		tell_pump(k);
		return;
	}
	k->engine.tell_ping = k->engine.ping_open = true;
	arm(k, DUE_PONG, PONG_WITHIN_MS);
	tell_pump(k);
}

/* Its answer stands behind what it has said before: one with much to say is no dead one. */
void
tell_heard(struct keeper *k)
{
	if (k->engine.ping_open && k->deadlines[DUE_PONG] != 0)
		arm(k, DUE_PONG, PONG_WITHIN_MS);
}

void
tell_failed_now(struct keeper *k, uint64_t inc, uint32_t step, int error)
{
	if (!has_the_table(&k->engine) || !say_failed(k, inc, step, error))
		engine_kill(k, "there is no memory to remember what it has to be told");
}
