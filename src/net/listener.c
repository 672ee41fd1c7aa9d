/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "net/socket.h"

#include "net/guard.h"
#include "net/lookup.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	ACCEPT_TURN = 16,
	UNPROVEN_MAX = 256,		/* that authenticate at once; for one more the oldest has to go */
	PAUSE_MS = 100,			/* where no descriptor or memory is left */
};

TAILQ_HEAD(ws_list, ws);

struct ws_listener {
	struct loop *loop;
	const struct ws_settings *settings;
	const struct ws_handler *handler;
	void *arg;
	struct tls_keys *keys;
	int fd;
	struct watch *watch;
	struct timer *timer;		/* ends a pause */
	struct guard *guard;
	struct ws_list unproven, open;	/* the oldest first */
	unsigned unproven_count, count, count_max;
};

static void
pause_for(struct ws_listener *wl, int64_t ms)
{
	watch_set(wl->watch, 0);
	timer_at(wl->timer, clock_mono_ms() + ms);
}

static void
pause_ends(void *arg)
{
	struct ws_listener *wl = arg;

	watch_set(wl->watch, LOOP_READ);
}

void
listener_proven(struct ws_listener *wl, struct ws *w)
{
	guard_leave(wl->guard, w->address_key, GUARD_PROVEN, clock_mono_ms());
	TAILQ_REMOVE(&wl->unproven, w, entry);
	wl->unproven_count--;
	TAILQ_INSERT_TAIL(&wl->open, w, entry);
}

void
listener_forget(struct ws_listener *wl, struct ws *w)
{
	wl->count--;
	if (w->opened) {
		TAILQ_REMOVE(&wl->open, w, entry);
		return;
	}
	guard_leave(wl->guard, w->address_key, w->failed ? GUARD_FAILED : GUARD_GONE, clock_mono_ms());
	TAILQ_REMOVE(&wl->unproven, w, entry);
	wl->unproven_count--;
	if (wl->handler->refused != NULL)
		wl->handler->refused(wl->arg, w->address, w->why.msg, w->failed);
}

/* Room for one more, where need be by ending the one that has not authenticated for the longest time. */
static bool
make_room(struct ws_listener *wl)
{
	struct ws *oldest = TAILQ_FIRST(&wl->unproven);

	if (wl->unproven_count < UNPROVEN_MAX && wl->count < wl->count_max)
		return true;
	if (oldest == NULL)
		return false;
	err_set(&oldest->why, 0, "others came while it did not authenticate");
	ws_end(oldest);
	return true;
}

static void
take(struct ws_listener *wl, int fd, const struct sockaddr *peer)
{
	struct ws_taken t = { wl, wl->loop, wl->settings, wl->handler, wl->arg, wl->keys, fd, peer };
	uint64_t key = tcp_address_key(peer);
	struct ws *w = NULL;
	int r;

	if (!make_room(wl) || !guard_enter(wl->guard, key, clock_mono_ms())) {
		close(fd);
		return;
	}
	r = ws_accept(&t, &w);
	if (w == NULL) {
		guard_leave(wl->guard, key, GUARD_GONE, clock_mono_ms());
		return;
	}
	wl->count++;
	wl->unproven_count++;
	TAILQ_INSERT_TAIL(&wl->unproven, w, entry);
	if (r < 0)
		ws_end(w);
}

static void
somebody_came(void *arg, int what)
{
	struct ws_listener *wl = arg;
	struct sockaddr_storage peer;
	int64_t wait_ms;
	int i, fd;

	(void)what;
	for (i = 0; i < ACCEPT_TURN; i++) {
		wait_ms = guard_wait(wl->guard, clock_mono_ms());
		if (wait_ms > 0) {
			pause_for(wl, wait_ms);
			return;
		}
		fd = tcp_accept(wl->fd, &peer);
		if (fd < 0 && errno != EAGAIN)
			pause_for(wl, PAUSE_MS);
		if (fd < 0)
			return;
		take(wl, fd, (struct sockaddr *)&peer);
	}
}

static int
open_listener(struct ws_listener *wl, struct err *err)
{
	const struct ws_settings *s = wl->settings;
	struct addrinfo *list;

	if (s->use_tls && (wl->keys = tls_keys_new(s, true, err)) == NULL)
		return -1;
	list = lookup_to_listen(s->host, s->port, err);
	if (list == NULL)
		return -1;
	wl->fd = tcp_listen(list, err);
	freeaddrinfo(list);
	if (wl->fd < 0)
		return -1;
	wl->guard = guard_new(s->per_address_max ? s->per_address_max : 32, clock_mono_ms());
	wl->timer = timer_new(wl->loop, pause_ends, wl);
	wl->watch = watch_new(wl->loop, wl->fd, LOOP_READ, somebody_came, wl);
	if (wl->guard == NULL || wl->timer == NULL || wl->watch == NULL)
		return err_set(err, ENOMEM, "listen");
	return 0;
}

struct ws_listener *
ws_listen(struct loop *l, const struct ws_settings *s, const struct ws_handler *h, void *arg, struct err *err)
{
	struct ws_listener *wl;

	if (ws_check_settings(s, err) < 0)
		return NULL;
	wl = calloc(1, sizeof(*wl));
	if (wl == NULL) {
		err_set(err, ENOMEM, "listen");
		return NULL;
	}
	wl->loop = l;
	wl->settings = s;
	wl->handler = h;
	wl->arg = arg;
	wl->fd = -1;
	wl->count_max = s->connections_max ? s->connections_max : 4096;
	TAILQ_INIT(&wl->unproven);
	TAILQ_INIT(&wl->open);
	if (open_listener(wl, err) == 0)
		return wl;
	ws_listener_free(wl);
	return NULL;
}

int
ws_listener_reload(struct ws_listener *wl, struct err *err)
{
	struct tls_keys *keys = NULL;

	if (wl->settings->use_tls && (keys = tls_keys_new(wl->settings, true, err)) == NULL)
		return -1;
	tls_keys_free(wl->keys);
	wl->keys = keys;
	return 0;
}

unsigned
ws_listener_port(const struct ws_listener *wl)
{
	return tcp_port(wl->fd);
}

void
ws_listener_free(struct ws_listener *wl)
{
	struct ws *w;

	if (wl == NULL)
		return;
	TAILQ_FOREACH(w, &wl->open, entry)
		w->listener = NULL;
	while ((w = TAILQ_FIRST(&wl->unproven)) != NULL) {
		err_set(&w->why, 0, "nobody is taken in any more");
		ws_end(w);
	}
	watch_free(wl->watch);
	timer_free(wl->timer);
	guard_free(wl->guard);
	tls_keys_free(wl->keys);
	if (wl->fd >= 0)
		close(wl->fd);
	free(wl);
}
