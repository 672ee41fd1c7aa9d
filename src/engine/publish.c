/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/log.h"
#include "engine/subscriber.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ACCEPT_BATCH = 8,
	REQUEST_MAX = 16 * 1024,
	REQUEST_MS = 10000,		/* for the request, and for taking the greeting */
	SUBSCRIBERS_MAX = 8192,
	PER_USER_MAX = 2048,		/* root and the daemon's own user may have more */
};

/* --- life and end --------------------------------------------------------------- */

void
subscriber_free(struct subscriber *s)
{
	*s->back = s->next;
	if (s->next != NULL)
		s->next->back = s->back;
	s->p->count--;
	watch_free(s->watch);
	timer_free(s->timer);
	close(s->fd);
	peer_free(&s->peer);
	buf_free(&s->pending);
	free(s);
}

static void
time_is_up(void *arg)
{
	struct subscriber *s = arg;

	log_write(LOG_EVENTS, LOG_LEVEL_DEBUG, "a subscriber of user %ld took too long", (long)s->peer.uid);
	subscriber_free(s);
}

/* --- connections --------------------------------------------------------------------- */

static void
take_request(struct subscriber *s, const char *line, size_t len)
{
	struct err err;

	if (access_of(s->p->d, &s->peer, NULL) < ACCESS_READ)
		return subscriber_refuse(s, "not permitted: level read is needed (see access in appctld.conf)");
	if (subscription_parse(line, len, &s->filter, &err) == 0)
		return subscriber_greet(s);
	/* Not refused, but cut off: whoever comes again finds memory, it may be. */
	if (err.code == ENOMEM)
		return subscriber_free(s);
	subscriber_refuse(s, err.msg);
}

/* The peer writes no more; if it has closed altogether, so do we. */
static void
peer_is_done(struct subscriber *s)
{
	struct pollfd p = { .fd = s->fd };

	if (!s->asked || (poll(&p, 1, 0) == 1 && p.revents & (POLLHUP | POLLERR))) {
		subscriber_free(s);
		return;
	}
	s->deaf = true;
	subscriber_serve(s);
}

/* pending holds the request as far as it came. */
static void
read_request(struct subscriber *s)
{
	char *room = buf_reserve(&s->pending, REQUEST_MAX + 1 - s->pending.len), *eol;
	struct buf request;
	ssize_t n = room ? recv(s->fd, room, REQUEST_MAX + 1 - s->pending.len, MSG_DONTWAIT) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		subscriber_free(s);
		return;
	}
	s->pending.len += (size_t)n;
	eol = memchr(s->pending.data, '\n', s->pending.len);
	if (eol == NULL && s->pending.len <= REQUEST_MAX)
		return;
	request = s->pending;
	s->pending = (struct buf){ 0 };
	if (eol == NULL)
		subscriber_refuse(s, "the request is too long");
	else
		take_request(s, request.data, (size_t)(eol - request.data));
	buf_free(&request);
}

static void
readable(struct subscriber *s)
{
	char unasked[4096];
	ssize_t n;

	if (!s->asked && !s->ends) {
		read_request(s);
		return;
	}
	n = recv(s->fd, unasked, sizeof(unasked), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		peer_is_done(s);
}

static void
subscriber_ready(void *arg, int what)
{
	struct subscriber *s = arg;

	if (what & LOOP_WRITE)
		subscriber_serve(s);	/* may free it: the rest comes with the next turn */
	else
		readable(s);
}

/* take_fd is closed where there is no place for it. */
static struct subscriber *
subscriber_new(struct publisher *p, int take_fd)
{
	struct subscriber *s = calloc(1, sizeof(*s));
	struct err err;

	if (s != NULL)
		s->watch = watch_new(p->d->loop, take_fd, LOOP_READ, subscriber_ready, s);
	if (s == NULL || s->watch == NULL || peer_of(take_fd, &s->peer, &err) < 0) {
		if (s != NULL)
			watch_free(s->watch);
		free(s);
		close(take_fd);
		return NULL;
	}
	s->p = p;
	s->fd = take_fd;
	s->next = p->first;
	s->back = &p->first;
	if (s->next != NULL)
		s->next->back = &s->next;
	p->first = s;
	p->count++;
	return s;
}

static bool
too_many(const struct publisher *p, const struct subscriber *s)
{
	const struct subscriber *o;
	unsigned same = 0;

	if (p->count > SUBSCRIBERS_MAX)
		return true;
	if (s->peer.uid == 0 || s->peer.uid == geteuid())
		return false;
	for (o = p->first; o != NULL; o = o->next)
		same += o->peer.uid == s->peer.uid;
	return same > PER_USER_MAX;
}

static void
welcome(struct publisher *p, int take_fd)
{
	struct subscriber *s = subscriber_new(p, take_fd);

	if (s == NULL)
		return;
	s->timer = timer_new(p->d->loop, time_is_up, s);
	if (s->timer == NULL || too_many(p, s)) {
		subscriber_free(s);
		return;
	}
	timer_at(s->timer, clock_mono_ms() + REQUEST_MS);
	readable(s);		/* most have said already what they want */
}

/* No descriptor is left: the spare one makes room to take the connection and close it, else it would wake us for ever. */
static void
turn_away(struct publisher *p)
{
	int fd;

	if (p->reserve_fd >= 0)
		close(p->reserve_fd);
	fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		close(fd);
	p->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
connection_waits(void *arg, int what)
{
	struct publisher *p = arg;
	int i, fd;

	(void)what;
	for (i = 0; i < ACCEPT_BATCH; i++) {
		fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			welcome(p, fd);
		else if (errno == EMFILE || errno == ENFILE)
			turn_away(p);
		else
			return;
	}
}

/* --- the rest of the shell --------------------------------------------------------------- */

void
publisher_begin(struct publisher *p)
{
	p->shown = engine_last_seq(p->d->engine) + 1;
	watch_set(p->watch, LOOP_READ);
}

void
publisher_adopt(struct publisher *p, int take_fd, const struct subscription_filter *f, enum framing framing)
{
	struct subscriber *s = take_fd < 0 ? NULL : subscriber_new(p, take_fd);

	if (s == NULL)
		return;
	s->filter = *f;
	s->framing = framing;
	subscriber_greet(s);
}

void
publisher_add(struct publisher *p, const struct event *ev, const char *line, size_t len)
{
	ring_add(&p->ring, ev->seq, ev->category, line, len);
}

void
publisher_replay(struct publisher *p, uint64_t seq, unsigned category, const char *line, size_t len)
{
	ring_add(&p->ring, seq, category, line, len);
}

void
publisher_flush(struct publisher *p)
{
	struct subscriber *s, *next;

	if (p->ring.count == 0 || p->shown == ring_next_seq(&p->ring))
		return;
	p->shown = ring_next_seq(&p->ring);
	for (s = p->first; s != NULL; s = next) {
		next = s->next;
		/* Whoever has something pending is waited for already. */
		if (s->asked && s->pending.len == 0)
			subscriber_serve(s);
	}
}

void
publisher_walk(struct publisher *p, publisher_each *fn, void *arg)
{
	const struct ring *r = &p->ring;
	struct ring_piece piece[2];
	struct buf line = { 0 };
	uint64_t seq;
	int i, n;

	for (seq = r->first_seq; seq < ring_next_seq(r); seq++) {
		buf_clear(&line);
		n = ring_pieces(r, ring_at(r, seq), ring_at(r, seq + 1), piece);
		for (i = 0; i < n; i++)
			buf_add(&line, piece[i].data, piece[i].len);
		if (!line.failed)
			fn(arg, seq, ring_category(r, seq), line.data, line.len);
	}
	buf_free(&line);
}

struct publisher *
publisher_new(struct daemon *d, int listen_fd)
{
	struct publisher *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->d = d;
	p->listen_fd = listen_fd;
	p->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	p->shown = 1;
	p->watch = watch_new(d->loop, listen_fd, 0, connection_waits, p);
	if (p->watch == NULL || ring_reserve(&p->ring) < 0) {
		publisher_free(p);
		return NULL;
	}
	return p;
}

void
publisher_free(struct publisher *p)
{
	if (p == NULL)
		return;
	while (p->first != NULL)
		subscriber_free(p->first);
	watch_free(p->watch);
	if (p->reserve_fd >= 0)
		close(p->reserve_fd);
	ring_free(&p->ring);
	free(p);
}
