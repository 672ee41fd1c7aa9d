/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "engine/subscriber.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
	RUNS_MAX = 64,			/* pieces per write */
	FRAMES_MAX = 16 * 1024,		/* bytes that are framed ahead for a Varlink subscriber */
};

static void
no_deadline(struct subscriber *s)
{
	timer_free(s->timer);
	s->timer = NULL;
}

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
	int tries = 3;
	ssize_t n;

	gather(s, &r);
	if (r.run_count == 0) {
		s->next_seq = r.end;
		return 1;
	}
	msg.msg_iovlen = (size_t)r.iov_count;
	/* Cut off, a follower of a shutdown would come back to nobody: want of memory gets another chance. */
	do
		n = sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && (errno == EINTR || ((errno == ENOMEM || errno == ENOBUFS) && tries-- > 0)));
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
		subscriber_put(s, &line);
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
		subscriber_put_lost(s, s->next_seq, oldest - 1);
		s->next_seq = oldest;
	} else if (s->framing == FRAMING_VARLINK) {
		frame_some(s);
	} else {
		return send_lines(s);
	}
	return 1;
}

void
subscriber_serve(struct subscriber *s)
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
