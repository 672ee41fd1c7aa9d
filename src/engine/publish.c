/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/shell.h"
#include "wire/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * Events are kept once, in the ring.  A subscriber is a place in it and at most
 * the rest of one line, or of its greeting: however slow it is, it costs no more.
 */
enum {
	ACCEPT_BATCH = 32,
	REQUEST_MAX = 16 * 1024,
	REQUEST_MS = 10000,		/* for the request, and for taking the greeting */
	SUBSCRIBERS_MAX = 8192,
	PER_USER_MAX = 2048,		/* root and the daemon's own user may have more */
	RUNS_MAX = 64,			/* pieces per write */
	FRAMES_MAX = 16 * 1024,		/* bytes that are framed ahead for a Varlink subscriber */
};

struct subscriber {
	struct subscriber *next, **back;
	struct publisher *p;
	int fd;
	struct watch *watch;
	struct timer *timer;		/* NULL: no deadline runs */
	struct peer peer;
	struct subscription_filter filter;
	enum framing framing;
	bool asked;			/* its request was read: it gets events */
	bool deaf;			/* it writes no more */
	bool ends;			/* to be closed when pending is out */
	uint64_t next_seq;
	struct buf pending;
};

struct publisher {
	struct daemon *d;
	int listen_fd, reserve_fd;
	struct watch *watch;
	struct ring ring;
	uint64_t shown;			/* the first event that is not to be seen yet */
	struct subscriber *first;
	unsigned count;
};

static void serve(struct subscriber *s);

/* --- what is said beside events ------------------------------------------------ */

/* One object, as the subscriber's framing wants it. */
static void
put_frame(struct subscriber *s, const char *object, size_t len)
{
	if (s->framing == FRAMING_VARLINK) {
		buf_adds(&s->pending, "{\"parameters\":{\"event\":");
		buf_add(&s->pending, object, len);
		buf_add(&s->pending, "},\"continues\":true}", sizeof("},\"continues\":true}"));
	} else {
		buf_add(&s->pending, object, len);
		buf_addc(&s->pending, '\n');
	}
}

static void
put_object(struct subscriber *s, struct buf *object)
{
	if (object->failed)
		s->pending.failed = true;
	else
		put_frame(s, object->data, object->len);
	buf_clear(object);
}

static void
put_hello(struct subscriber *s)
{
	const struct daemon *d = s->p->d;
	struct buf o = { 0 };

	buf_printf(&o, "{\"event\":\"hello\",\"instance\":\"%016" PRIx64 "\",\"node\":", d->hello.instance);
	buf_add_json(&o, d->node);
	buf_printf(&o, ",\"seq\":%" PRIu64 "}", s->p->shown - 1);
	put_object(s, &o);
	buf_free(&o);
}

static void
put_app(struct subscriber *s, const struct app *a, struct buf *o)
{
	buf_printf(o, "{\"event\":\"snapshot\",\"app\":\"%s\",\"state\":\"%s\"", a->name, app_state_name(a->state));
	if (a->pid != 0)
		buf_printf(o, ",\"pid\":%ld", (long)a->pid);
	buf_printf(o, ",\"reason\":\"%s\",\"since\":\"", reason_name(a->reason));
	print_time(o, a->since_real_us);
	buf_adds(o, "\"}");
	put_object(s, o);
}

static void
put_snapshot(struct subscriber *s)
{
	static const char *const states[] = {
		[MODE_CHANGING] = "changing", [MODE_STABLE] = "stable", [MODE_FAILED] = "failed",
	};
	const struct engine *e = s->p->d->engine;
	const char *mode = engine_mode(e);
	struct buf o = { 0 };
	uint32_t i;

	for (i = 0; i < engine_app_count(e); i++)
		put_app(s, engine_app(e, i), &o);
	buf_adds(&o, "{\"event\":\"snapshot\",\"mode\":");
	if (mode != NULL)
		buf_add_json(&o, mode);
	else
		buf_adds(&o, "null");
	buf_printf(&o, ",\"state\":\"%s\"}", states[engine_mode_state(e)]);
	put_object(s, &o);
	buf_adds(&o, "{\"event\":\"snapshot_end\"}");
	put_object(s, &o);
	buf_free(&o);
}

static void
put_lost(struct subscriber *s, uint64_t from, uint64_t to)
{
	struct buf o = { 0 };

	buf_printf(&o, "{\"event\":\"lost\",\"from\":%" PRIu64 ",\"to\":%" PRIu64 "}", from, to);
	put_object(s, &o);
	buf_free(&o);
}

/* The last thing that it is told. */
static void
put_error(struct subscriber *s, const char *message)
{
	struct buf o = { 0 };

	buf_adds(&o, "{\"event\":\"error\",\"message\":");
	buf_add_json(&o, message);
	buf_addc(&o, '}');
	put_object(s, &o);
	buf_free(&o);
	s->ends = true;
}

/* --- life and end --------------------------------------------------------------- */

static void
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
no_deadline(struct subscriber *s)
{
	timer_free(s->timer);
	s->timer = NULL;
}

static void
time_is_up(void *arg)
{
	struct subscriber *s = arg;

	log_write(LOG_EVENTS, LOG_LEVEL_DEBUG, "a subscriber of user %ld took too long", (long)s->peer.uid);
	subscriber_free(s);
}

/* What it missed, and where it begins. */
static void
put_beginning(struct subscriber *s)
{
	struct publisher *p = s->p;
	const struct subscription_filter *f = &s->filter;
	char message[160];

	s->next_seq = p->shown;
	if (!f->has_since)
		return;
	if (f->instance != 0 && f->instance != p->d->hello.instance) {
		/* Numbers of another appctld say nothing here: all that this one has is new to the subscriber. */
		s->next_seq = 1;
	} else if (f->since >= p->shown) {
		snprintf(message, sizeof(message), "since: there is no event %" PRIu64 " yet, the last one is %" PRIu64,
			 f->since, p->shown - 1);
		put_error(s, message);
	} else {
		s->next_seq = f->since + 1;
	}
}

/* Its request is good: it is greeted, and gets events from then on. */
static void
begin(struct subscriber *s)
{
	s->asked = true;
	put_hello(s);
	put_beginning(s);
	if (s->filter.snapshot && !s->ends)
		put_snapshot(s);
	serve(s);
}

/* --- sending ---------------------------------------------------------------------- */

/* 1: all of pending is out; 0: the socket takes no more now; -1: the peer is gone. */
static int
send_pending(struct subscriber *s)
{
	ssize_t n;

	while (s->pending.len > 0) {
		n = send(s->fd, s->pending.data, s->pending.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		buf_consume(&s->pending, (size_t)n);
	}
	buf_free(&s->pending);
	return 1;
}

static bool
is_asked_for(const struct subscriber *s, uint64_t seq)
{
	return s->filter.categories == 0 || s->filter.categories & 1u << ring_category(&s->p->ring, seq);
}

/* The events [*from, *to) that follow one another in the ring and are all asked for; false: no more of them. */
static bool
next_run(const struct subscriber *s, uint64_t at, uint64_t *from, uint64_t *to)
{
	uint64_t end = s->p->shown;

	if (s->filter.categories == 0) {
		*from = at;
		*to = end;
		return at < end;
	}
	while (at < end && !is_asked_for(s, at))
		at++;
	*from = at;
	while (at < end && is_asked_for(s, at))
		at++;
	*to = at;
	return *from < *to;
}

/* What one write is to take. */
struct runs {
	struct iovec iov[RUNS_MAX];
	int iov_count;
	struct { uint64_t from, to; } run[RUNS_MAX];	/* events */
	int run_count;
	uint64_t end;					/* the event behind all that was looked at */
};

static void
gather(const struct subscriber *s, struct runs *r)
{
	const struct ring *ring = &s->p->ring;
	struct ring_piece piece[2];
	uint64_t from, to;
	int i, n;

	r->iov_count = r->run_count = 0;
	r->end = s->next_seq;
	while (r->iov_count + 2 <= RUNS_MAX) {
		if (!next_run(s, r->end, &from, &to)) {
			r->end = s->p->shown;
			return;
		}
		n = ring_pieces(ring, ring_at(ring, from), ring_at(ring, to), piece);
		for (i = 0; i < n; i++)
			r->iov[r->iov_count++] = (struct iovec){ (void *)(uintptr_t)piece[i].data, piece[i].len };
		r->run[r->run_count].from = from;
		r->run[r->run_count++].to = to;
		r->end = to;
	}
}

/* The rest of a line of which a part went out: the ring may go on without it. */
static void
keep_rest(struct subscriber *s, uint64_t from, uint64_t to)
{
	struct ring_piece piece[2];
	int i, n = ring_pieces(&s->p->ring, from, to, piece);

	for (i = 0; i < n; i++)
		buf_add(&s->pending, piece[i].data, piece[i].len);
}

/* n bytes of those runs went out. */
static void
advance(struct subscriber *s, const struct runs *r, size_t n)
{
	const struct ring *ring = &s->p->ring;
	uint64_t begin = 0, end, at;
	int i;

	for (i = 0; i < r->run_count; i++) {
		begin = ring_at(ring, r->run[i].from);
		end = ring_at(ring, r->run[i].to);
		if (n < end - begin)
			break;
		n -= end - begin;
	}
	if (i == r->run_count) {
		s->next_seq = r->end;
		return;
	}
	at = begin + n;
	s->next_seq = ring_seq_at(ring, at);
	if (ring_at(ring, s->next_seq) != at)
		keep_rest(s, at, ring_at(ring, ++s->next_seq));
}

/* As send_pending(). */
static int
send_lines(struct subscriber *s)
{
	struct runs r;
	struct msghdr msg = { .msg_iov = r.iov };
	ssize_t n;

	gather(s, &r);
	if (r.run_count == 0) {
		s->next_seq = r.end;
		return 1;
	}
	msg.msg_iovlen = (size_t)r.iov_count;
	do
		n = sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	advance(s, &r, (size_t)n);
	return 1;
}

static void
frame_some(struct subscriber *s)
{
	const struct ring *ring = &s->p->ring;
	struct ring_piece piece[2];
	struct buf line = { 0 };
	int i, n;

	for (; s->next_seq < s->p->shown && s->pending.len < FRAMES_MAX; s->next_seq++) {
		if (!is_asked_for(s, s->next_seq))
			continue;
		n = ring_pieces(ring, ring_at(ring, s->next_seq), ring_at(ring, s->next_seq + 1) - 1, piece);
		for (i = 0; i < n; i++)
			buf_add(&line, piece[i].data, piece[i].len);
		put_object(s, &line);
	}
	buf_free(&line);
}

/* One step: what is pending, what was lost, what there is.  As send_pending(), and 2: it has all. */
static int
send_some(struct subscriber *s)
{
	const struct ring *ring = &s->p->ring;
	uint64_t oldest = ring->count > 0 && ring->first_seq < s->p->shown ? ring->first_seq : s->p->shown;

	if (s->pending.failed)
		return -1;
	if (s->pending.len > 0)
		return send_pending(s);
	if (s->ends)
		return -1;
	if (s->timer != NULL)
		no_deadline(s);
	if (s->next_seq == s->p->shown)
		return 2;
	if (s->next_seq < oldest) {
		put_lost(s, s->next_seq, oldest - 1);
		s->next_seq = oldest;
	} else if (s->framing == FRAMING_VARLINK) {
		frame_some(s);
	} else {
		return send_lines(s);
	}
	return 1;
}

/* Sends until it has all, or takes no more. */
static void
serve(struct subscriber *s)
{
	int rc;

	do
		rc = send_some(s);
	while (rc == 1);
	if (rc < 0)
		subscriber_free(s);
	else
		watch_set(s->watch, (s->deaf ? 0 : LOOP_READ) | (rc == 0 ? LOOP_WRITE : 0));
}

/* --- connections --------------------------------------------------------------------- */

static void
refuse(struct subscriber *s, const char *message)
{
	put_error(s, message);
	serve(s);
}

static void
take_request(struct subscriber *s, const char *line, size_t len)
{
	struct err err;

	if (access_of(s->p->d, &s->peer, NULL) < ACCESS_READ)
		return refuse(s, "not permitted: level read is needed (see access in appctld.conf)");
	if (subscription_parse(line, len, &s->filter, &err) < 0)
		return refuse(s, err.msg);
	begin(s);
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
	serve(s);
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
		refuse(s, "the request is too long");
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
		serve(s);	/* may free it: the rest comes with the next turn */
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
}

/* No descriptor is left: the spare one makes room to take the connection and close it, else it would wake us for ever. */
static void
turn_away(struct publisher *p)
{
	int fd;

	if (p->reserve_fd < 0)
		return;
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
	begin(s);
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
			serve(s);
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
	if (p->watch == NULL) {
		free(p);
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
