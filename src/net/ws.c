/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "net/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	READ_SIZE = 64 * 1024,
	READ_TURN = 4 * READ_SIZE,	/* of one socket, before others have their turn */
	OUT_KEEP = 4096,		/* memory that an idle socket keeps */
	CLOSE_MS = 1000,		/* for the goodbye */
	PINGS_MAX = 100,		/* a second */
	CODE_NONE = 1005,
};

/* What was read and is not taken yet is copied out of it before anybody else reads. */
static char scratch[READ_SIZE];

void
ws_arm(struct ws *w)
{
	int what = w->state == WS_TLS ? w->tls_wants
				      : (w->state == WS_OPEN && !w->reading ? 0 : LOOP_READ) | (w->out.len > w->out_at ? LOOP_WRITE : 0);

	if (w->watch != NULL)
		watch_set(w->watch, what);
	if (w->kick)
		timer_at(w->timer, clock_mono_ms());
	else if (w->armed_ms != w->due_ms)
		timer_at(w->timer, w->due_ms);
	w->armed_ms = w->kick ? -1 : w->due_ms;
}

/* --- The goodbye ------------------------------------------------------------ */

/* From now on nothing is read for its meaning; it ends when all is out and the peer has gone, or after a while. */
static void
go_away(struct ws *w)
{
	w->state = WS_CLOSING;
	w->due_ms = clock_mono_ms() + (w->fd >= 0 ? CLOSE_MS : 0);
	dial_free(w->dial);
	w->dial = NULL;
}

/* w->why is said already; to the peer a code and a reason, where it can understand them. */
static void
close_with(struct ws *w, unsigned code, const char *reason)
{
	if (w->state >= WS_CHALLENGE)
		frames_put_close(w->frames, &w->out, code, reason);
	go_away(w);
}

void
ws_free(struct ws *w)
{
	dial_free(w->dial);
	watch_free(w->watch);
	timer_free(w->timer);
	tls_free(w->tls);
	tls_keys_free(w->keys);
	if (w->fd >= 0)
		close(w->fd);
	frames_free(w->frames);
	buf_free(&w->in);
	buf_free(&w->out);
	free(w->challenge);
	free(w);
}

void
ws_end(struct ws *w)
{
	if (w->listener != NULL)
		listener_forget(w->listener, w);
	if (w->opened || !w->server)
		w->handler->closed(w->arg, w, w->why.msg);
	ws_free(w);
}

void
ws_drop(struct ws *w)
{
	if (w == NULL)
		return;
	if (w->listener != NULL)
		listener_forget(w->listener, w);
	ws_free(w);
}

/* All is out: no more will come. */
static void
shut(struct ws *w)
{
	if (w->shut)
		return;
	w->shut = true;
	if (w->tls != NULL)
		tls_bye(w->tls);
	shutdown(w->fd, SHUT_WR);
}

/* --- Out -------------------------------------------------------------------- */

static ssize_t
write_some(struct ws *w, const char *data, size_t len)
{
	ssize_t n;

	if (w->tls != NULL)
		return tls_write(w->tls, data, len, &w->why);
	n = send(w->fd, data, len, MSG_NOSIGNAL);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? 0 : err_set(&w->why, errno, "send");
}

/* As much as the kernel takes. */
static int
flush(struct ws *w)
{
	ssize_t n;

	while (w->out_at < w->out.len) {
		n = write_some(w, w->out.data + w->out_at, w->out.len - w->out_at);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		w->out_at += (size_t)n;
	}
	if (w->out_at == w->out.len) {
		w->out_at = 0;
		if (w->out.cap > OUT_KEEP)
			buf_free(&w->out);
		else
			buf_clear(&w->out);
	} else if (w->out_at > w->out.len / 2) {
		buf_consume(&w->out, w->out_at);
		w->out_at = 0;
	}
	return 0;
}

/* Sends what is queued, and tells when that is all.  -1: the connection is broken. */
static int
send_out(struct ws *w)
{
	bool had = w->out.len > 0;

	if (flush(w) < 0)
		return -1;
	if (w->out.len > 0)
		return 0;
	if (w->state == WS_CLOSING)
		shut(w);
	else if (w->state == WS_OPEN && had && w->handler->drained != NULL)
		w->handler->drained(w->arg, w);
	return 0;
}

/* --- In --------------------------------------------------------------------- */

static void
open_socket(struct ws *w)
{
	void *arg;

	w->opened = true;
	w->reading = true;
	w->read_ms = clock_mono_ms();
	w->due_ms = w->read_ms + w->ping_ms;
	frames_set_message_max(w->frames, w->message_max);
	if (w->binary)
		frames_expect_binary(w->frames);
	if (w->listener != NULL)
		listener_proven(w->listener, w);
	arg = w->handler->opened(w->arg, w);
	if (w->server)
		w->arg = arg;
}

static int64_t
mono_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
take_ping(struct ws *w, const struct frames_event *ev)
{
	int64_t now = clock_mono_ms();

	if (now - w->pings_since_ms >= 1000) {
		w->pings_since_ms = now;
		w->pings = 0;
	}
	if (++w->pings > PINGS_MAX) {
		err_set(&w->why, 0, "a flood of pings");
		close_with(w, WS_CODE_POLICY, "a flood of pings");
	} else if (w->out.len < READ_SIZE) {
		/* Who does not read gets no more answers, either. */
		frames_put_pong(w->frames, &w->out, ev->data, ev->len);
	}
}

/* Others than the answer to the last ping say only that the peer is alive. */
static void
take_pong(struct ws *w, const struct frames_event *ev)
{
	if (w->ping_number == 0 || ev->len != sizeof(w->ping_number) || memcmp(ev->data, &w->ping_number, ev->len) != 0)
		return;
	w->ping_number = 0;
	if (w->handler->answered != NULL)
		w->handler->answered(w->arg, w, mono_us() - w->ping_us);
}

static void
take_close(struct ws *w, const struct frames_event *ev)
{
	err_set(&w->why, 0, "the peer closed: %u%s%s", ev->code, ev->len > 0 ? " " : "", ev->data);
	close_with(w, ev->code == CODE_NONE ? WS_CODE_NORMAL : ev->code, "");
}

static void
take_auth(struct ws *w, enum frames_kind kind, const struct frames_event *ev)
{
	if (kind != FRAMES_TEXT) {
		w->failed = true;
		err_set(&w->why, 0, "a frame that is no part of the challenge");
	} else if (auth_message(w, ev->data, ev->len) == 0) {
		if (w->state == WS_OPEN)
			open_socket(w);
		return;
	}
	close_with(w, WS_CODE_POLICY, w->refusal ? w->refusal : "not authenticated");
}

static void
take_frame(struct ws *w, enum frames_kind kind, const struct frames_event *ev)
{
	if (kind == FRAMES_BAD) {
		w->failed = true;
		err_set(&w->why, 0, "%s", ev->data);
		close_with(w, ev->code, ev->data);
	} else if (kind == FRAMES_CLOSE) {
		take_close(w, ev);
	} else if (w->state != WS_OPEN) {
		take_auth(w, kind, ev);
	} else if (kind == FRAMES_TEXT) {
		w->handler->text(w->arg, w, ev->data, ev->len);
	} else if (kind == FRAMES_BINARY) {
		w->handler->binary(w->arg, w, ev->data, ev->len);
	} else if (kind == FRAMES_PONG) {
		take_pong(w, ev);
	} else if (kind == FRAMES_PING) {
		take_ping(w, ev);
	}
}

/* What was read, as long as somebody wants it. */
static void
take_frames(struct ws *w)
{
	struct frames_event ev;
	enum frames_kind kind;

	while (w->state != WS_CLOSING && (w->state != WS_OPEN || w->reading)) {
		kind = frames_next(w->frames, &ev);
		if (kind == FRAMES_NONE)
			break;
		take_frame(w, kind, &ev);
	}
}

/* The rest must wait: it goes where nobody else reads to. */
static int
keep_rest(struct ws *w)
{
	const char *rest;
	size_t len;

	if (w->state == WS_CLOSING)
		return 0;
	rest = frames_rest(w->frames, &len);
	if (len == 0) {
		buf_free(&w->in);
		return 0;
	}
	if (rest < scratch || rest >= scratch + sizeof(scratch))
		return 0;
	buf_add(&w->in, rest, len);
	if (w->in.failed)
		return err_set(&w->why, ENOMEM, "read");
	frames_feed(w->frames, w->in.data, w->in.len);
	return 0;
}

static int
take_head(struct ws *w, const char *data, size_t len)
{
	bool server = w->server;

	if (auth_head(w, data, len) < 0) {
		if (!server)
			return -1;
		go_away(w);
		return 0;
	}
	if (w->state == WS_UPGRADE)
		return 0;
	frames_feed(w->frames, w->in.data, w->in.len);
	take_frames(w);
	return keep_rest(w);
}

static int
take_bytes(struct ws *w, const char *data, size_t len)
{
	if (w->state == WS_CLOSING)
		return 0;
	if (w->state == WS_UPGRADE)
		return take_head(w, data, len);
	frames_feed(w->frames, data, len);
	take_frames(w);
	return keep_rest(w);
}

static ssize_t
read_some(struct ws *w)
{
	ssize_t n;

	if (w->tls != NULL)
		return tls_read(w->tls, scratch, sizeof(scratch), &w->why);
	n = recv(w->fd, scratch, sizeof(scratch), 0);
	if (n > 0)
		return n;
	if (n == 0)
		return err_set(&w->why, 0, "it closed the connection");
	return errno == EAGAIN || errno == EINTR ? 0 : err_set(&w->why, errno, "receive");
}

static bool
rest_is_waiting(const struct ws *w)
{
	size_t len;

	frames_rest(w->frames, &len);
	return len > 0;
}

static bool
wants_read(const struct ws *w)
{
	return w->state != WS_OPEN || (w->reading && !rest_is_waiting(w));
}

/* Usually there is no more for now then; if there is, the loop says so. */
static bool
is_short(const struct ws *w, size_t n)
{
	return w->tls == NULL ? n < sizeof(scratch) : n < TLS_RECORD_MAX && !tls_pending(w->tls);
}

/* -1: the connection has ended; w->why says how, unless that was said before. */
static int
read_in(struct ws *w)
{
	size_t sum = 0;
	struct err why;
	ssize_t n;

	while (wants_read(w)) {
		if (sum >= READ_TURN) {
			w->kick = w->tls != NULL && tls_pending(w->tls);
			break;
		}
		why = w->why;
		n = read_some(w);
		if (n < 0 && w->state == WS_CLOSING)
			w->why = why;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		sum += (size_t)n;
		w->read_ms = clock_mono_ms();
		w->pinged = false;
		if (take_bytes(w, scratch, (size_t)n) < 0)
			return -1;
		if (is_short(w, (size_t)n))
			break;
	}
	frames_trim(w->frames);
	return 0;
}

/* --- What drives it --------------------------------------------------------- */

static int
shake_hands(struct ws *w)
{
	int r = tls_handshake(w->tls, &w->tls_wants, &w->why);

	if (r < 0)
		w->failed = w->why.code != ECONNRESET;
	return r == 1 ? auth_begin(w) : r;
}

static int
advance(struct ws *w, int what)
{
	if (w->state == WS_TLS) {
		if (shake_hands(w) < 0)
			return -1;
		if (w->state == WS_TLS)
			return 0;
	}
	if ((what & LOOP_WRITE) && send_out(w) < 0)
		return -1;
	if (what & LOOP_READ) {
		if (w->state == WS_OPEN) {	/* it may have been waiting */
			take_frames(w);
			if (keep_rest(w) < 0)
				return -1;
		}
		if (read_in(w) < 0)
			return -1;
	}
	/* Answers go at once. */
	return w->out.len > 0 || w->state == WS_CLOSING ? send_out(w) : 0;
}

void
ws_ready(void *arg, int what)
{
	struct ws *w = arg;

	if (advance(w, what) < 0)
		ws_end(w);
	else
		ws_arm(w);
}

static void
send_ping(struct ws *w)
{
	if (++w->pings_sent == 0)
		w->pings_sent = 1;
	w->ping_number = w->pings_sent;
	w->ping_us = mono_us();
	frames_put_ping(w->frames, &w->out, (const char *)&w->ping_number, sizeof(w->ping_number));
}

/* Nothing was read for ping_ms: a ping.  For twice that: it is dead.  Who does not read lives on, and says so by pongs. */
static int
heartbeat(struct ws *w)
{
	int64_t now = clock_mono_ms(), silent_ms = now - w->read_ms;

	if (!w->reading) {
		if (w->out.len < READ_SIZE)
			frames_put_pong(w->frames, &w->out, "", 0);
		w->due_ms = now + w->ping_ms / 2;
		return send_out(w);
	}
	if (silent_ms >= 2 * w->ping_ms)
		return err_set(&w->why, 0, "nothing was heard of it for %lld ms", (long long)silent_ms);
	if (silent_ms < w->ping_ms) {
		w->due_ms = w->read_ms + w->ping_ms;
		return 0;
	}
	if (!w->pinged)
		send_ping(w);
	w->pinged = true;
	w->due_ms = w->read_ms + 2 * w->ping_ms;
	return send_out(w);
}

static int
time_is_up(struct ws *w)
{
	if (w->state == WS_OPEN)
		return heartbeat(w);
	if (w->state == WS_CLOSING)
		return -1;
	err_set(&w->why, ETIMEDOUT, "not authenticated");
	if (w->state < WS_CHALLENGE)
		return -1;
	close_with(w, WS_CODE_POLICY, "not authenticated in time");
	return send_out(w);
}

void
ws_timer_due(void *arg)
{
	struct ws *w = arg;
	int r = 0;

	w->armed_ms = -1;
	if (w->broken) {
		ws_end(w);
		return;
	}
	if (w->kick) {
		w->kick = false;
		r = advance(w, LOOP_READ);
	}
	if (r == 0 && w->due_ms != 0 && clock_mono_ms() >= w->due_ms)
		r = time_is_up(w);
	if (r < 0)
		ws_end(w);
	else
		ws_arm(w);
}

/* --- What its user asks of it ----------------------------------------------- */

const char *
ws_peer_node(const struct ws *w)
{
	return w->peer;
}

uint64_t
ws_peer_epoch(const struct ws *w)
{
	return w->peer_epoch;
}

const char *
ws_peer_address(const struct ws *w)
{
	return w->address;
}

int
ws_send(struct ws *w, const char *data, size_t len)
{
	if (w->state != WS_OPEN)
		return 0;
	if (frames_put_text(w->frames, &w->out, data, len) < 0)
		return -1;
	ws_arm(w);
	return 0;
}

int
ws_send_binary(struct ws *w, const char *data, size_t len)
{
	if (w->state != WS_OPEN)
		return 0;
	return frames_put_binary(w->frames, &w->out, data, len);
}

void
ws_push(struct ws *w)
{
	if (w->fd < 0 || w->broken || w->state < WS_OPEN)
		return;
	if (send_out(w) < 0) {
		w->broken = true;
		w->kick = true;
	}
	ws_arm(w);
}

void
ws_ping(struct ws *w)
{
	if (w->state != WS_OPEN)
		return;
	send_ping(w);
	ws_push(w);
}

bool
ws_was_refused(const struct ws *w)
{
	return !w->opened && w->failed;
}

size_t
ws_queued(const struct ws *w)
{
	return w->out.len - w->out_at;
}

void
ws_read(struct ws *w, bool on)
{
	int64_t now = clock_mono_ms();

	if (w->state != WS_OPEN || w->reading == on)
		return;
	w->reading = on;
	w->kick = on;
	if (on)
		w->read_ms = now;
	w->pinged = false;
	w->due_ms = now + (on ? w->ping_ms : w->ping_ms / 2);
	ws_arm(w);
}

void
ws_close(struct ws *w, unsigned code, const char *reason)
{
	if (w->state == WS_CLOSING)
		return;
	err_set(&w->why, 0, "closed here: %u %s", code, reason);
	close_with(w, code, reason);
	ws_arm(w);
}
