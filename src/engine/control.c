/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "engine/control.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "core/plan.h"
#include "loop/loop.h"
#include "wire/varlink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/*
 * control.sock: connections and their calls.  Nothing here waits: what a peer
 * does not take stays in its connection's buffer, and no further call of it is
 * handled until it has gone; a peer that takes nothing for STALL_MS loses its
 * connection.  So what one connection can hold is one message and one reply.
 */
enum {
	CONNS_MAX = 1024,		/* in all */
	CONNS_OF_UID_MAX = 200,
	CONNS_FOR_ROOT = 16,		/* of CONNS_MAX, for root and the daemon's own user */
	MESSAGE_MS = 10000,		/* from a message's first byte to its last */
	STALL_MS = 10000,
	GONE_CHECK_MS = 5000,
	ACCEPT_BATCH = 8,		/* in one turn: who is in already does not wait for all who come */
	RETRY_MS = 100,
	READ_CHUNK = 64 * 1024,
	CALLS_PER_TURN = 4,		/* of one connection, before others have theirs */
	PASSED_MAX = 16,		/* descriptors that came and belong to no call yet */
	ROOM = 1024,			/* that each connection's buffer has at least: errors find it */
	KEEP_ROOM = 64 * 1024,		/* more is given back when it was sent */
	OUT_TOTAL_MAX = 64 * 1024 * 1024,
};

struct passed {
	uint64_t end;			/* of the bytes it came with, in the stream */
	int fd;
};

struct conn {
	struct control *control;
	struct conn *next, *prev;
	int fd;
	struct peer peer;
	struct watch *watch;
	struct timer *timer;
	struct varlink_reader reader;
	struct passed passed[PASSED_MAX];
	unsigned passed_count;
	struct buf out;
	size_t sent;			/* of out */
	size_t counted;			/* of out, in control->out_total */
	struct call call;
	bool busy;			/* call waits for its answer */
	bool eof;			/* the peer sends nothing more */
	bool closing;			/* when out is empty */
	bool moved;			/* its descriptor was handed over */
	int64_t message_ms;		/* when the incomplete message must be complete; 0: there is none */
	int64_t stall_ms;		/* when the peer must have taken something; 0: nothing is to be taken */
};

struct control {
	struct daemon *d;
	int listen_fd;
	int reserve;			/* given up to accept, and refuse, when there is no other descriptor left */
	struct watch *watch;
	struct timer *retry;		/* accepting again, after even that did not help */
	struct conn *conns;
	unsigned count;
	uint64_t last_token;		/* of calls that wait */
	size_t out_total;		/* bytes in all out buffers */
	struct roles_of *roles;
};

/* -- waiting -- */

uint64_t
control_token(struct control *control)
{
	return ++control->last_token;
}

struct call *
control_find(struct control *control, uint64_t token)
{
	struct conn *n;

	for (n = control->conns; n != NULL; n = n->next)
		if (n->busy && (n->call.token == token || n->call.end_token == token))
			return &n->call;
	return NULL;
}

/*
 * The reply is sent, and further calls are handled, from the loop: whoever answers
 * is in the middle of something that another call must not change.
 */
void
control_wake(struct call *c)
{
	watch_set(c->conn->watch, LOOP_READ | LOOP_WRITE);
}

void
control_answer(struct control *control, uint64_t token, enum outcome outcome)
{
	struct call *c = control_find(control, token);
	bool end;

	if (c == NULL)
		return;
	end = token == c->end_token;
	if (end)
		c->end_token = 0;
	else
		c->token = 0;
	if (!c->done)
		c->answer(c, outcome);
	control_wake(c);
}

/* Whatever the call still holds; its waits are forgotten. */
static void
call_fini(struct call *c)
{
	unsigned i;

	if (c->token != 0)
		engine_forget_waiter(c->d->engine, c->token);
	if (c->end_token != 0)
		engine_forget_waiter(c->d->engine, c->end_token);
	for (i = 0; i < CALL_FDS_MAX; i++)
		if (c->fds[i] >= 0)
			close(c->fds[i]);
	plan_now_free(c->before);
	free(c->note);
	json_decref(c->message);
	*c = (struct call){ .fds = { -1, -1, -1 } };
}

/* -- one connection -- */

static void
conn_free(struct conn *n)
{
	struct control *control = n->control;
	unsigned i;

	call_fini(&n->call);
	for (i = 0; i < n->passed_count; i++)
		close(n->passed[i].fd);
	control->out_total -= n->counted;
	buf_free(&n->out);
	varlink_fini(&n->reader);
	watch_free(n->watch);
	timer_free(n->timer);
	if (!n->moved && n->fd >= 0)
		close(n->fd);
	peer_free(&n->peer);
	if (n->prev != NULL)
		n->prev->next = n->next;
	else
		control->conns = n->next;
	if (n->next != NULL)
		n->next->prev = n->prev;
	control->count--;
	free(n);
}

/* Both directions are closed: the peer has gone, not only stopped sending. */
static bool
peer_has_gone(const struct conn *n)
{
	struct pollfd p = { .fd = n->fd };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

/* unseen: nothing would tell that the peer has gone. */
static void
conn_deadline(struct conn *n, bool unseen)
{
	int64_t at = 0;

	if (n->stall_ms != 0)
		at = n->stall_ms;
	else if (n->message_ms != 0)
		at = n->message_ms;
	else if (unseen)
		at = clock_mono_ms() + GONE_CHECK_MS;
	timer_at(n->timer, at);
}

/* What is worth waking up for.  more: calls are left for the next turn. */
static void
conn_watch(struct conn *n, bool more)
{
	int what = 0;

	if (n->out.len > n->sent || more)
		what = LOOP_WRITE;
	else if (!n->eof && (!n->busy || varlink_pending(&n->reader) < READ_CHUNK))
		what = LOOP_READ;
	watch_set(n->watch, what);
	conn_deadline(n, what == 0);
}

/* -1: the connection is of no more use. */
static int
conn_send(struct conn *n)
{
	ssize_t sent;

	while (n->sent < n->out.len) {
		sent = send(n->fd, n->out.data + n->sent, n->out.len - n->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN) {
			if (n->stall_ms == 0)
				n->stall_ms = clock_mono_ms() + STALL_MS;
			return 0;
		}
		if (sent < 0)
			return -1;
		n->sent += (size_t)sent;
		n->stall_ms = 0;
	}
	n->stall_ms = 0;
	n->sent = 0;
	if (n->out.cap > KEEP_ROOM) {
		buf_free(&n->out);
		buf_reserve(&n->out, ROOM);
	}
	buf_clear(&n->out);
	return 0;
}

void
call_flush(struct call *c)
{
	if (conn_send(c->conn) < 0)
		c->conn->closing = true;
}

/* Descriptors that came with the bytes up to `end` of the stream. */
static void
take_passed(struct conn *n, struct msghdr *msg, uint64_t end)
{
	struct cmsghdr *h;
	size_t i, count;
	int fd;

	for (h = CMSG_FIRSTHDR(msg); h != NULL; h = CMSG_NXTHDR(msg, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
			if (n->passed_count < PASSED_MAX)
				n->passed[n->passed_count++] = (struct passed){ end, fd };
			else
				close(fd);
		}
	}
}

/* 1: something came; 0: nothing for now, or the end; -1: broken. */
static int
conn_read(struct conn *n)
{
	static char chunk[READ_CHUNK];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * PASSED_MAX)];
	} control;
	struct iovec iov = { chunk, sizeof(chunk) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t len = recvmsg(n->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (len == 0) {
		n->eof = true;
		return 0;
	}
	if (varlink_put(&n->reader, chunk, (size_t)len) < 0)
		return -1;
	take_passed(n, &msg, varlink_position(&n->reader));
	if (msg.msg_flags & MSG_CTRUNC) {
		log_write(LOG_CONTROL, LOG_LEVEL_WARNING, "pid %d (uid %u): not all of its descriptors could be taken: "
			  "connection closed", (int)n->peer.pid, (unsigned)n->peer.uid);
		return -1;
	}
	return 1;
}

/* The descriptors that came with the message that ends at `end`. */
static void
give_fds(struct conn *n, uint64_t end)
{
	struct call *c = &n->call;
	unsigned i, kept = 0;

	for (i = 0; i < n->passed_count; i++) {
		if (n->passed[i].end > end) {
			n->passed[kept++] = n->passed[i];
			continue;
		}
		if (c->fd_count < CALL_FDS_MAX)
			c->fds[c->fd_count] = n->passed[i].fd;
		else
			close(n->passed[i].fd);
		c->fd_count++;
	}
	n->passed_count = kept;
}

static void
bad_message(struct conn *n, const char *why)
{
	log_write(LOG_CONTROL, LOG_LEVEL_DEBUG, "pid %d (uid %u): %s: connection closed", (int)n->peer.pid,
		  (unsigned)n->peer.uid, why);
	n->call.oneway = false;
	call_invalid(&n->call, "message", why);
	n->closing = true;
}

static void
begin_call(struct conn *n, const struct varlink_message *m)
{
	struct err err;

	n->call = (struct call){ .control = n->control, .d = n->control->d, .conn = n, .peer = &n->peer,
				 .out = &n->out, .fds = { -1, -1, -1 } };
	give_fds(n, m->end);
	n->busy = true;
	if (call_parse(&n->call, m->text, m->len, &err) == 0)
		methods_call(&n->call);
	else if (err.code == ENOMEM)
		call_no_memory(&n->call);
	else
		bad_message(n, err.msg);
}

static void
finish_call(struct conn *n)
{
	if (!n->busy || !n->call.done)
		return;
	n->busy = false;
	n->closing |= n->call.broken;
	call_fini(&n->call);
}

/* A message has MESSAGE_MS from its first byte on, however slowly more of them come. */
static void
mark_incomplete(struct conn *n)
{
	if (n->busy || n->out.len > 0 || varlink_pending(&n->reader) == 0)
		n->message_ms = 0;
	else if (n->message_ms == 0)
		n->message_ms = clock_mono_ms() + MESSAGE_MS;
}

/* Handles the next call.  false: there is none to be handled now. */
static bool
next_call(struct conn *n)
{
	struct varlink_message m;
	int rc;

	if (n->busy || n->closing || n->out.len > 0)
		return false;
	rc = varlink_next(&n->reader, &m);
	if (rc < 0) {
		n->call = (struct call){ .d = n->control->d, .conn = n, .out = &n->out, .fds = { -1, -1, -1 } };
		bad_message(n, "longer than 262144 bytes");
	} else if (rc > 0) {
		n->message_ms = 0;
		begin_call(n, &m);
	}
	return rc != 0;
}

/* What is in all buffers together has a limit too: who goes beyond it loses the connection. */
static bool
count_output(struct conn *n)
{
	n->control->out_total += n->out.len - n->counted;
	n->counted = n->out.len;
	return n->control->out_total <= OUT_TOTAL_MAX;
}

/* Sends, then handles calls until one waits, the socket is full, there are no more or the turn is over.  May free n. */
static void
conn_step(struct conn *n)
{
	bool again = true;
	int calls;

	for (calls = 0; again && calls <= CALLS_PER_TURN; calls++) {
		finish_call(n);
		if (!n->moved && conn_send(n) < 0)
			goto gone;
		again = !n->moved && next_call(n);
		if (!count_output(n))
			goto gone;
	}
	if (n->moved || (n->closing && n->out.len == 0))
		goto gone;
	if (n->eof && !n->busy && n->out.len == 0)
		goto gone;
	mark_incomplete(n);
	conn_watch(n, again);
	return;
gone:
	conn_free(n);
}

static void
conn_ready(void *arg, int what)
{
	struct conn *n = arg;

	if ((what & LOOP_READ) && !n->eof && conn_read(n) < 0) {
		conn_free(n);
		return;
	}
	if (n->eof && n->busy && peer_has_gone(n)) {
		conn_free(n);
		return;
	}
	conn_step(n);
}

static void
conn_late(void *arg)
{
	struct conn *n = arg;

	if (n->stall_ms != 0 || n->message_ms != 0) {
		log_write(LOG_CONTROL, LOG_LEVEL_DEBUG, "pid %d (uid %u): %s: connection closed", (int)n->peer.pid,
			  (unsigned)n->peer.uid,
			  n->stall_ms ? "takes no answer" : "a message was not complete in time");
		conn_free(n);
	} else if (peer_has_gone(n)) {
		conn_free(n);
	} else {
		conn_deadline(n, true);
	}
}

int
call_take_connection(struct call *c)
{
	watch_free(take_ptr(&c->conn->watch));
	c->conn->moved = true;
	c->done = true;
	return c->conn->fd;
}

/* -- accepting -- */

static unsigned
conns_of(const struct control *control, uid_t uid)
{
	const struct conn *n;
	unsigned count = 0;

	for (n = control->conns; n != NULL; n = n->next)
		count += n->peer.uid == uid;
	return count;
}

/* Root gets in when everybody else is kept out. */
static bool
may_connect(const struct control *control, const struct peer *peer)
{
	if (peer->uid == 0)
		return control->count < CONNS_MAX;
	return control->count < CONNS_MAX - CONNS_FOR_ROOT && conns_of(control, peer->uid) < CONNS_OF_UID_MAX;
}

static void
refuse(int fd)
{
	static const char busy[] = "{\"error\":\"org.appctl.Control.Busy\","
				   "\"parameters\":{\"message\":\"too many connections: close some, or try again\"}}";

	if (send(fd, busy, sizeof(busy), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_write(LOG_CONTROL, LOG_LEVEL_DEBUG, "a refused connection takes no answer");
}

/* Takes fd over. */
static struct conn *
conn_new(struct control *control, int fd)
{
	struct conn *n = calloc(1, sizeof(*n));

	if (n == NULL) {
		close(fd);
		return NULL;
	}
	n->control = control;
	n->fd = fd;
	n->call = (struct call){ .fds = { -1, -1, -1 } };
	n->next = control->conns;
	if (n->next != NULL)
		n->next->prev = n;
	control->conns = n;
	control->count++;
	n->watch = watch_new(control->d->loop, fd, LOOP_READ, conn_ready, n);
	n->timer = timer_new(control->d->loop, conn_late, n);
	if (n->watch == NULL || n->timer == NULL || buf_reserve(&n->out, ROOM) == NULL) {
		conn_free(n);
		return NULL;
	}
	return n;
}

static void
welcome(struct control *control, int accepted)
{
	autoclose int fd = accepted;
	struct peer peer = { 0 };
	struct conn *n;
	struct err err;

	if (peer_of(fd, &peer, &err) < 0) {
		log_write(LOG_CONTROL, LOG_LEVEL_WARNING, "%s", err.msg);
		return;
	}
	if (!may_connect(control, &peer)) {
		refuse(fd);
		peer_free(&peer);
		return;
	}
	n = conn_new(control, take_fd(&fd));
	if (n == NULL) {
		peer_free(&peer);
		return;
	}
	n->peer = peer;
	conn_ready(n, LOOP_READ);	/* most have said already what they want */
}

/*
 * No descriptor is left: the one that was kept for this lets the connection be taken
 * and closed, so that its peer is told and the loop does not spin.
 */
static bool
accept_and_close(struct control *control)
{
	int fd;

	if (control->reserve < 0)
		return false;
	close(control->reserve);
	fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		refuse(fd);
		close(fd);
	}
	control->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd >= 0;
}

static void
accept_some(void *arg, int what)
{
	struct control *control = arg;
	int fd, i;

	(void)what;
	for (i = 0; i < ACCEPT_BATCH; i++) {
		fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			welcome(control, fd);
		else if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS)
			break;
		else if (!accept_and_close(control)) {
			watch_set(control->watch, 0);
			timer_at(control->retry, clock_mono_ms() + RETRY_MS);
			break;
		}
	}
}

static void
accept_again(void *arg)
{
	struct control *control = arg;

	if (control->reserve < 0)
		control->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	watch_set(control->watch, LOOP_READ);
}

const struct roles_of *
control_roles(struct control *control)
{
	const struct model *m = engine_model(control->d->engine);

	if (control->roles == NULL || roles_of_model(control->roles) != m) {
		roles_of_free(control->roles);
		control->roles = roles_of_new(m);
	}
	return control->roles;
}

struct control *
control_new(struct daemon *d, int listen_fd)
{
	struct control *control = calloc(1, sizeof(*control));

	if (control == NULL)
		return NULL;
	control->d = d;
	control->listen_fd = listen_fd;
	control->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	control->watch = watch_new(d->loop, listen_fd, LOOP_READ, accept_some, control);
	control->retry = timer_new(d->loop, accept_again, control);
	if (control->watch == NULL || control->retry == NULL) {
		control_free(control);
		return NULL;
	}
	return control;
}

void
control_free(struct control *control)
{
	if (control == NULL)
		return;
	while (control->conns != NULL) {
		/* The last answers, as far as they go without waiting: "shutting down" among them. */
		(void)conn_send(control->conns);
		conn_free(control->conns);
	}
	watch_free(control->watch);
	timer_free(control->retry);
	if (control->reserve >= 0)
		close(control->reserve);
	roles_of_free(control->roles);
	free(control);
}
