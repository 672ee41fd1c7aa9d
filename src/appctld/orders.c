/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "appctld/keeper.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* How many packets of orders before the keeper looks at its signals again. */
enum { PACKETS_AT_ONCE = 4, UP_READY_WITHIN_MS = 30000, END_WITHIN_MS = 1000 };

static struct kid *
kid_of(struct keeper *k)
{
	return table_by_inc(&k->table, k->in.h.inc);
}

static void
on_ready(struct keeper *k)
{
	disarm(k, DUE_READY);
	k->engine.ready = k->engine.ever_ready = true;
	k->engine.ready_at_ms = now_ms();
	if (k->up.fd >= 0 && !k->up.said_ready && k->deadlines[DUE_UP_READY] == 0)
		arm(k, DUE_UP_READY, UP_READY_WITHIN_MS);
}

static void
on_spawn(struct keeper *k)
{
	child_spawn(k, k->in.h.inc);
}

/* Each step once: an engine that died before it noted that it gave the order gives it again. */
static void
on_signal(struct keeper *k)
{
	const struct link_signal *m = k->in.body;
	struct kid *kid = kid_of(k);

	if (kid == NULL || (m->step != 0 && m->step <= kid->last_signal_step))
		return;
	if (m->step != 0)
		kid->last_signal_step = m->step;
	child_signal(k, kid, m->signo, m->whole_tree != 0);
}

static void
on_ack(struct keeper *k)
{
	struct kid *kid = kid_of(k);

	if (kid != NULL)
		child_forget(k, kid, false);
}

static void
on_ack_again(struct keeper *k)
{
	struct kid *kid = kid_of(k);

	if (kid != NULL)
		child_forget(k, kid, true);
}

static void
on_relabel(struct keeper *k)
{
	const struct link_label *m = k->in.body;
	struct kid *kid = kid_of(k);

	if (kid == NULL)
		return;
	kid->stop_signal = (uint8_t)m->stop_signal;
	kid->shutdown_ms = m->shutdown_ms;
}

static void
on_adopt(struct keeper *k)
{
	const struct link_number *m = k->in.body;
	struct kid *kid = kid_of(k);

	if (kid != NULL && m->number > 0 && m->number <= INT32_MAX)
		child_adopt(k, kid, (pid_t)m->number);
}

static void
on_ready_seen(struct keeper *k)
{
	struct kid *kid = kid_of(k);

	if (kid != NULL)
		child_close_ready(kid);
}

static void
on_state(struct keeper *k)
{
	autoclose int fd = k->in.fds_lost ? -1 : link_in_take_fd(&k->in, 0);
	int replaced = -1;

	/* In the place of the old one, so that no free number is needed. */
	do {
		if (fd >= 0)
			replaced = dup3(fd, k->state_fd, O_CLOEXEC);
	} while (fd >= 0 && replaced < 0 && (errno == EINTR || errno == EBUSY));
	if (replaced < 0) {
		engine_kill(k, "its state cannot be kept");
		engine_close_link(k);		/* what it ordered after that is not covered by any state */
	}
}

static void
on_status(struct keeper *k)
{
	notify_up_status(k, link_text(&k->in.h, k->in.body));
}

static void
on_stopping(struct keeper *k)
{
	notify_up_send(k, "STOPPING=1");
}

static void
on_exit_order(struct keeper *k)
{
	const struct link_number *m = k->in.body;

	leave(k, (int)(m->number & 0xff));
}

static void
on_pong(struct keeper *k)
{
	disarm(k, DUE_PONG);
	k->engine.ping_open = false;
	k->engine.told_signals = 0;
	if (k->engine.ping_for_watchdog)
		notify_up_send(k, "WATCHDOG=1");
	k->engine.ping_for_watchdog = false;
}

static void
on_log_levels(struct keeper *k)
{
	const struct link_log_levels *m = k->in.body;
	int i;

	static_assert(LOG_MODULE_COUNT <= sizeof(m->level), "there is room for every module");
	for (i = 0; i < LOG_MODULE_COUNT; i++)
		if (m->level[i] <= LOG_LEVEL_DEBUG)
			log_set_level((enum log_module)i, (enum log_level)m->level[i]);
}

static void
obey(struct keeper *k)
{
	static void (*const orders[LINK_TYPE_END])(struct keeper *k) = {
		[LINK_READY] = on_ready, [LINK_SPAWN] = on_spawn, [LINK_SIGNAL] = on_signal, [LINK_ACK] = on_ack, [LINK_ACK_AGAIN] = on_ack_again,
		[LINK_RELABEL] = on_relabel, [LINK_ADOPT] = on_adopt, [LINK_READY_SEEN] = on_ready_seen,
		[LINK_STATE] = on_state, [LINK_STATUS] = on_status, [LINK_STABLE] = notify_up_ready,
		[LINK_LOG_LEVELS] = on_log_levels, [LINK_REEXEC] = reexec_begin, [LINK_STOPPING] = on_stopping, [LINK_EXIT] = on_exit_order, [LINK_PONG] = on_pong,
	};

	log_write(LOG_KEEPER, LOG_LEVEL_DEBUG, "engine: %s %llu", link_type_name(k->in.h.type),
		  (unsigned long long)k->in.h.inc);
	if (k->in.h.type != LINK_SPAWN)
		children_land(k);
	orders[k->in.h.type](k);
	if (!link_in_more(&k->in))
		children_land(k);
}

/* A link that has ended says that the engine ends, or is of no use; SIGCHLD starts the next. */
static void
link_failed(struct keeper *k)
{
	if (errno == ECONNRESET && k->reexec.agreed)
		;		/* it gives way */
	else if (errno == EPROTO)
		engine_kill(k, "it sent what is no message");
	else if (errno == ECONNRESET)
		arm(k, DUE_READY, END_WITHIN_MS);	/* most likely it ends by itself, with a status of its own */
	else
		engine_kill(k, strerror(errno));
	engine_close_link(k);
}

/* false: nothing more to read now. */
static bool
read_one(struct keeper *k)
{
	int got = link_recv(k->engine.link, &k->in, true);

	if (got > 0) {
		obey(k);
	} else if (got < 0) {
		children_land(k);	/* what follows their orders in the packet was no message */
		link_failed(k);
	}
	return got > 0 && k->engine.link >= 0 && !k->engine.doomed && !k->leaving;
}

void
orders_read(struct keeper *k)
{
	int packets = 0;

	while (k->engine.link >= 0 && !k->engine.doomed && packets < PACKETS_AT_ONCE) {
		if (!read_one(k))
			break;
		if (link_in_more(&k->in))
			continue;
		packets++;
		tell_heard(k);
		tell_flush(k);		/* the engine has something to do meanwhile */
	}
	link_in_drop_fds(&k->in);
}

/* What a dead engine had still ordered is done: it may have told others so. */
void
orders_drain(struct keeper *k)
{
	while (k->engine.link >= 0 && !k->leaving && link_recv(k->engine.link, &k->in, true) > 0)
		obey(k);
	children_land(k);
	link_in_drop_fds(&k->in);
}
