/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "loop/loop.h"

#include <ev.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#define FAR_FUTURE 1e13		/* seconds since 1970 */
#define AGAIN_AFTER 0.05	/* seconds */

struct loop {
	struct ev_loop *ev;
	ev_periodic far;
	ev_timer again;
	ev_async wake;
	struct watch *dropped;
};

struct watch {
	ev_io io;		/* first: the callback gets its address */
	struct loop *loop;
	watch_fn *fn;
	void *arg;
	int what;
	struct watch *next_dropped;
	bool is_dropped;
};

struct timer {
	ev_timer timer;		/* first, as above */
	struct loop *loop;
	timer_fn *fn;
	void *arg;
};

static void
never(struct ev_loop *ev, ev_periodic *p, int what)
{
	(void)ev;
	(void)p;
	(void)what;
}

/*
 * Where epoll_ctl(2) fails, for want of memory, libev stops the watcher and
 * says so once.  Nobody would ever hear of that descriptor again, so it is tried again.
 */
static void
watch_again(struct ev_loop *ev, ev_timer *timer, int what)
{
	struct loop *l = ev_userdata(ev);
	struct watch *w;

	(void)timer;
	(void)what;
	while ((w = l->dropped) != NULL) {
		l->dropped = w->next_dropped;
		w->is_dropped = false;
		ev_io_start(ev, &w->io);
	}
}

static void
drop(struct watch *w)
{
	struct loop *l = w->loop;

	w->is_dropped = true;
	w->next_dropped = l->dropped;
	l->dropped = w;
	if (!ev_is_active(&l->again)) {
		ev_timer_set(&l->again, AGAIN_AFTER, 0);
		ev_timer_start(l->ev, &l->again);
	}
}

static void
undrop(struct watch *w)
{
	struct watch **at;

	if (!w->is_dropped)
		return;
	for (at = &w->loop->dropped; *at != w; at = &(*at)->next_dropped)
		;
	*at = w->next_dropped;
	w->is_dropped = false;
}

static void
woken(struct ev_loop *ev, ev_async *wake, int what)
{
	(void)ev;
	(void)wake;
	(void)what;
}

/* What libev says of a watcher that it stopped on its way into epoll_wait(2), it would say after that only. */
static void
before_waiting(struct ev_loop *ev)
{
	struct loop *l = ev_userdata(ev);

	if (ev_pending_count(ev) > 0)
		ev_async_send(ev, &l->wake);
}

static void
after_waiting(struct ev_loop *ev)
{
	(void)ev;
}

struct loop *
loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->ev = ev_loop_new(EVFLAG_NOENV | EVFLAG_NOSIGMASK);
	if (l->ev == NULL) {
		free(l);
		return NULL;
	}
	/*
	 * libev wakes up once a minute to see whether the clock was set, unless a
	 * periodic watcher makes it learn of that by a timerfd.
	 */
	ev_periodic_init(&l->far, never, FAR_FUTURE, 0, NULL);
	ev_periodic_start(l->ev, &l->far);
	ev_init(&l->again, watch_again);
	ev_async_init(&l->wake, woken);
	ev_async_start(l->ev, &l->wake);
	ev_set_userdata(l->ev, l);
	ev_set_loop_release_cb(l->ev, before_waiting, after_waiting);
	return l;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	ev_periodic_stop(l->ev, &l->far);
	ev_timer_stop(l->ev, &l->again);
	ev_async_stop(l->ev, &l->wake);
	ev_loop_destroy(l->ev);
	free(l);
}

void
loop_run(struct loop *l)
{
	ev_run(l->ev, 0);
}

void
loop_stop(struct loop *l)
{
	ev_break(l->ev, EVBREAK_ALL);
}

static void
io_ready(struct ev_loop *ev, ev_io *io, int what)
{
	struct watch *w = (struct watch *)io;

	(void)ev;
	if (what & EV_ERROR) {
		drop(w);
		return;
	}
	w->fn(w->arg, (what & EV_READ ? LOOP_READ : 0) | (what & EV_WRITE ? LOOP_WRITE : 0));
}

static int
ev_events(int what)
{
	return (what & LOOP_READ ? EV_READ : 0) | (what & LOOP_WRITE ? EV_WRITE : 0);
}

struct watch *
watch_new(struct loop *l, int fd, int what, watch_fn *fn, void *arg)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->loop = l;
	w->fn = fn;
	w->arg = arg;
	w->what = what;
	ev_io_init(&w->io, io_ready, fd, ev_events(what));
	if (what != 0 && fd >= 0)
		ev_io_start(l->ev, &w->io);
	return w;
}

void
watch_set(struct watch *w, int what)
{
	int fd = w->io.fd, events = ev_events(what);

	w->what = what;
	if (fd < 0)
		return;
	if (w->is_dropped) {
		undrop(w);
	} else if (ev_is_active(&w->io) ? (w->io.events & (EV_READ | EV_WRITE)) == events : events == 0) {
		return;
	}
	ev_io_stop(w->loop->ev, &w->io);
	ev_io_set(&w->io, fd, events);
	if (events != 0)
		ev_io_start(w->loop->ev, &w->io);
}

/* libev asks the kernel again for a descriptor that was set anew, and adds what the kernel has dropped with the old one. */
void
watch_move(struct watch *w, int fd)
{
	undrop(w);
	ev_io_stop(w->loop->ev, &w->io);
	ev_io_set(&w->io, fd, ev_events(w->what));
	if (fd >= 0 && w->what != 0)
		ev_io_start(w->loop->ev, &w->io);
}

void
watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	undrop(w);
	ev_io_stop(w->loop->ev, &w->io);
	free(w);
}

static void
timer_due(struct ev_loop *ev, ev_timer *timer, int what)
{
	struct timer *t = (struct timer *)timer;

	(void)ev;
	(void)what;
	t->fn(t->arg);
}

struct timer *
timer_new(struct loop *l, timer_fn *fn, void *arg)
{
	struct timer *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->loop = l;
	t->fn = fn;
	t->arg = arg;
	ev_init(&t->timer, timer_due);
	return t;
}

void
timer_at(struct timer *t, int64_t mono_ms)
{
	int64_t left_ms;

	ev_timer_stop(t->loop->ev, &t->timer);
	if (mono_ms == 0)
		return;
	left_ms = mono_ms - clock_mono_ms();
	/* libev counts from the time it last looked at, which a long callback has left behind. */
	ev_now_update(t->loop->ev);
	ev_timer_set(&t->timer, left_ms > 0 ? (double)left_ms / 1e3 : 0, 0);
	ev_timer_start(t->loop->ev, &t->timer);
}

void
timer_free(struct timer *t)
{
	if (t == NULL)
		return;
	ev_timer_stop(t->loop->ev, &t->timer);
	free(t);
}

int64_t
clock_mono_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
clock_real_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
