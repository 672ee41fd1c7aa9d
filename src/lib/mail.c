/* SPDX-License-Identifier: MIT */
#include "lib/node.h"
#include "lib/stream.h"
#include "wire/mail_line.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	WRITE_FROM = 32 * 1024,		/* so much is sent at once */
	QUEUED_MAX = 256 * 1024,	/* then appctl_post() waits */
};

struct answer {
	int64_t first, last;
	char *code, *message;		/* NULL: they were sent */
};

struct appctl_mail {
	struct stream s;
	struct buf out;
	struct buf unescaped;
	bool broken;
	char *self;
	int64_t posted, answered;
	struct buf answers;		/* struct answer: not given out */
	struct buf messages;		/* lines that came while something else was waited for */
	size_t messages_at;
	struct buf copy;		/* texts of the last message */
	bool reading, empty, present;
	bool refused;			/* the answer to appctl_read() */
	struct appctl_error refusal;
};

struct appctl_mail *
appctl_mail_new(const char *runtime_dir, struct appctl_error *e)
{
	struct appctl_mail *m = calloc(1, sizeof(*m));
	int code;

	appctl_error_clear(e);
	if (m == NULL) {
		error_memory(e);
		return NULL;
	}
	if (stream_init(&m->s, runtime_dir, NULL, "node/mail", '\n', e) < 0 || stream_connect(&m->s, &code, e) < 0) {
		if (e->status == APPCTL_UNREACHABLE && m->s.path != NULL)
			error_set(e, APPCTL_UNREACHABLE, "appctl-node cannot be reached at %s: %s; messages need the application "
				  "appctl-node running here (appctl-node(8))", m->s.path, strerror(code));
		appctl_mail_free(m);
		return NULL;
	}
	return m;
}

static void
answer_fini(struct answer *a)
{
	free(a->code);
	free(a->message);
}

void
appctl_mail_free(struct appctl_mail *m)
{
	struct answer a;
	size_t i;

	if (m == NULL)
		return;
	for (i = 0; i < m->answers.len; i += sizeof(a)) {
		memcpy(&a, m->answers.data + i, sizeof(a));
		answer_fini(&a);
	}
	stream_fini(&m->s);
	buf_free(&m->out);
	buf_free(&m->unescaped);
	buf_free(&m->answers);
	buf_free(&m->messages);
	buf_free(&m->copy);
	appctl_error_clear(&m->refusal);
	free(m->self);
	free(m);
}

/* --- what comes --- */

static int
broke(struct appctl_mail *m, int code, struct appctl_error *e)
{
	m->broken = true;
	error_set(e, m->posted > m->answered ? APPCTL_FAILED : APPCTL_UNREACHABLE, "%sthe connection to appctl-node broke%s%s",
		  m->posted > m->answered ? "outcome unknown: " : "", code ? ": " : "", code ? strerror(code) : "");
	if (m->posted > m->answered)
		snprintf(e->name, sizeof(e->name), "%s", APPCTL_OUTCOME_UNKNOWN);
	return -1;
}

static char *
copy_of(struct mail_text t)
{
	return strndup(t.data, t.len);
}

static int
note_answer(struct appctl_mail *m, const struct mail_line *l, struct appctl_error *e)
{
	struct answer a = { .first = (int64_t)l->first, .last = (int64_t)l->last };

	if (l->kind == MAIL_FAILED) {
		a.first = a.last = (int64_t)l->n;
		a.code = copy_of(l->error);
		a.message = copy_of(l->message);
		if (a.code == NULL || a.message == NULL) {
			answer_fini(&a);
			return error_memory(e);
		}
	}
	m->answered += a.last - a.first + 1;
	buf_add(&m->answers, &a, sizeof(a));
	return m->answers.failed ? error_memory(e) : 0;
}

static int
refused(const struct mail_line *l, struct appctl_error *e)
{
	char *code = copy_of(l->error), *message = copy_of(l->message);

	if (code != NULL && message != NULL)
		error_code(e, "mailbox", code, message);
	else
		error_memory(e);
	free(code);
	free(message);
	return -1;
}

/* Whatever is no message.  -1: e. */
static int
take_other(struct appctl_mail *m, const struct mail_line *l, struct appctl_error *e)
{
	switch (l->kind) {
	case MAIL_SENT:
	case MAIL_FAILED:
		return note_answer(m, l, e);
	case MAIL_EMPTY:
		m->empty = true;
		return 0;
	case MAIL_SELF:
		free(m->self);
		m->self = copy_of(l->self);
		return m->self ? 0 : error_memory(e);
	case MAIL_REFUSED:
		m->reading = false;
		m->refused = true;
		refused(l, &m->refusal);
		return 0;
	case MAIL_ERROR:
		m->broken = true;
		return refused(l, e);
	default:
		return error_set(e, APPCTL_FAILED, "what answers at %s is not appctl-node", m->s.path);
	}
}

/* What there is to write, as far as it is taken at once. */
static int
flush(struct appctl_mail *m, struct appctl_error *e)
{
	ssize_t n;

	while (m->out.len > 0) {
		n = send(m->s.fd, m->out.data, m->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return errno == EPIPE || errno == ECONNRESET ? 0 : broke(m, errno, e);	/* what it said last is still to be read */
		buf_consume(&m->out, (size_t)n);
	}
	return 0;
}

/* Writes and reads what can be, waiting for either.  1: something happened; 0: not in that time; -1: e. */
static int
pump(struct appctl_mail *m, int64_t end_ms, struct appctl_error *e)
{
	struct pollfd p = { .fd = m->s.fd };
	int r;

	if (m->broken)
		return broke(m, 0, e);
	if (flush(m, e) < 0)
		return -1;
	p.events = (short)(POLLIN | (m->out.len > 0 ? POLLOUT : 0));
	r = poll(&p, 1, until(end_ms));
	if (r < 0 && errno != EINTR)
		return broke(m, errno, e);
	if (r <= 0)
		return 0;
	if ((p.revents & POLLOUT) && flush(m, e) < 0)
		return -1;
	if ((p.revents & (POLLIN | POLLHUP | POLLERR)) && stream_fill(&m->s, 0) < 0)
		return broke(m, errno, e);
	return 1;
}

/*
 * The next line that has come: 1: it is a message, *l; 2: it was something else; 0: there is none; -1: e.
 * keep: a message is put by.
 */
static int
next_line(struct appctl_mail *m, bool keep, struct mail_line *l, struct appctl_error *e)
{
	const char *text;
	struct err err;
	size_t len;

	if (!stream_frame(&m->s, &text, &len))
		return 0;
	if (mail_line_read(l, text, len, &m->unescaped, &err) < 0)
		return error_set(e, APPCTL_FAILED, "what answers at %s is not appctl-node: %s", m->s.path, err.msg);
	if (l->kind != MAIL_MESSAGE)
		return take_other(m, l, e) < 0 ? -1 : 2;
	if (!keep)
		return 1;
	buf_add(&m->messages, text, len);
	buf_addc(&m->messages, '\n');
	return m->messages.failed ? error_memory(e) : 2;
}

/* --- sending --- */

int64_t
appctl_post(struct appctl_mail *m, const char *to, const char *text, size_t len, struct appctl_error *e)
{
	struct mail_line l;
	int r;

	appctl_error_clear(e);
	if (len > MAIL_TEXT_MAX)
		return error_set(e, APPCTL_INVALID, "a message has at most %d bytes, this one %zu", MAIL_TEXT_MAX, len);
	mail_put_send(&m->out, to, text, len);
	if (m->out.failed)
		return error_memory(e);
	m->posted++;
	if (m->out.len >= WRITE_FROM && flush(m, e) < 0)
		return -1;
	while (m->out.len > QUEUED_MAX) {
		if (pump(m, INT64_MAX, e) < 0)
			return -1;
		while ((r = next_line(m, true, &l, e)) > 0)
			;
		if (r < 0)
			return -1;
	}
	return m->posted;
}

int64_t
appctl_unanswered(const struct appctl_mail *m)
{
	return m->posted - m->answered;
}

int
appctl_answered(struct appctl_mail *m, int timeout_ms, struct appctl_answer *out, struct appctl_error *e)
{
	int64_t end_ms = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
	struct mail_line l;
	struct answer a;
	int r;

	appctl_error_clear(e);
	*out = (struct appctl_answer){ 0 };
	while (m->answers.len == 0) {
		r = next_line(m, true, &l, e);
		if (r < 0)
			return -1;
		if (r > 0)
			continue;
		if (m->posted == m->answered)
			return 0;
		r = pump(m, end_ms, e);
		if (r < 0)
			return -1;
		if (r == 0 && end_ms != INT64_MAX && now_ms() >= end_ms)
			return 0;
	}
	memcpy(&a, m->answers.data, sizeof(a));
	buf_consume(&m->answers, sizeof(a));
	out->first = a.first;
	out->last = a.last;
	if (a.code != NULL)
		error_code(&out->error, "message", a.code, a.message);
	answer_fini(&a);
	return 1;
}

int
appctl_send(struct appctl_mail *m, const char *to, const char *text, size_t len, int timeout_ms, struct appctl_error *e)
{
	int64_t n = appctl_post(m, to, text, len, e), end_ms = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
	struct appctl_answer a;
	bool found;
	int r;

	if (n < 0)
		return -1;
	for (;;) {
		r = appctl_answered(m, until(end_ms), &a, e);
		if (r < 0)
			return -1;
		found = r > 0 && a.first <= n && n <= a.last;
		if (found && a.error.status == APPCTL_DONE)
			return 0;
		if (found) {
			*e = a.error;
			return -1;
		}
		appctl_error_clear(&a.error);
		if (r == 0) {
			error_set(e, APPCTL_TIMED_OUT, "outcome unknown: no answer for %d ms", timeout_ms);
			snprintf(e->name, sizeof(e->name), "%s", APPCTL_OUTCOME_UNKNOWN);
			return -1;
		}
	}
}

const char *
appctl_self(struct appctl_mail *m, struct appctl_error *e)
{
	struct mail_line l;
	int r;

	appctl_error_clear(e);
	if (m->self != NULL)
		return m->self;
	mail_put_ask_self(&m->out);
	while (m->self == NULL) {
		r = next_line(m, true, &l, e);
		if (r == 0)
			r = pump(m, INT64_MAX, e);
		if (r < 0)
			return NULL;
	}
	return m->self;
}

/* --- receiving --- */

int
appctl_read(struct appctl_mail *m, const char *app, unsigned flags, struct appctl_error *e)
{
	appctl_error_clear(e);
	m->empty = m->refused = false;
	m->present = (flags & APPCTL_PRESENT) != 0;
	m->reading = true;
	mail_put_receive(&m->out, app, !m->present);
	return m->out.failed ? error_memory(e) : flush(m, e);
}

/* Where it lies in b. */
static size_t
put_by(struct buf *b, struct mail_text t)
{
	size_t at = b->len;

	buf_add(b, t.data, t.len);
	buf_addc(b, '\0');
	return at;
}

static int
give(struct appctl_mail *m, const struct mail_line *l, struct appctl_message *out, struct appctl_error *e)
{
	size_t from, at, text;

	buf_clear(&m->copy);
	from = put_by(&m->copy, l->from);
	at = put_by(&m->copy, l->at);
	text = put_by(&m->copy, l->text);
	if (m->copy.failed)
		return error_memory(e);
	*out = (struct appctl_message){ l->n, m->copy.data + from, m->copy.data + at, m->copy.data + text, l->text.len };
	return 1;
}

/* One that was put by.  0: none was. */
static int
give_kept(struct appctl_mail *m, struct appctl_message *out, struct appctl_error *e)
{
	const char *text = m->messages.data + m->messages_at, *end;
	struct mail_line l;
	struct err err;

	if (m->messages_at == m->messages.len) {
		buf_clear(&m->messages);
		m->messages_at = 0;
		return 0;
	}
	end = memchr(text, '\n', m->messages.len - m->messages_at);
	m->messages_at += (size_t)(end - text) + 1;
	if (mail_line_read(&l, text, (size_t)(end - text), &m->unescaped, &err) < 0)
		return error_set(e, APPCTL_FAILED, "%s", err.msg);
	return give(m, &l, out, e);
}

int
appctl_receive(struct appctl_mail *m, int timeout_ms, struct appctl_message *out, struct appctl_error *e)
{
	int64_t end_ms = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
	struct mail_line l;
	int r;

	appctl_error_clear(e);
	if (!m->reading && !m->refused && appctl_read(m, NULL, 0, e) < 0)
		return -1;
	r = give_kept(m, out, e);
	while (r == 0) {
		r = next_line(m, false, &l, e);
		if (r == 1)
			return give(m, &l, out, e);
		if (r < 0)
			return -1;
		if (m->refused) {
			*e = m->refusal;
			m->refusal = (struct appctl_error){ 0 };
			m->refused = false;
			return -1;
		}
		if (m->empty && m->present)
			return 0;
		if (r == 2) {
			r = 0;
			continue;
		}
		r = pump(m, end_ms, e);
		if (r < 0)
			return -1;
		if (r == 0 && end_ms != INT64_MAX && now_ms() >= end_ms)
			return 0;
		r = 0;
	}
	return r;
}

int
appctl_done(struct appctl_mail *m, uint64_t n, struct appctl_error *e)
{
	appctl_error_clear(e);
	mail_put_done(&m->out, n);
	return m->out.failed ? error_memory(e) : flush(m, e);
}

/* Lines are taken in in order: the answer to this one says that those before it have been. */
int
appctl_mail_flush(struct appctl_mail *m, struct appctl_error *e)
{
	free(m->self);
	m->self = NULL;
	return appctl_self(m, e) ? 0 : -1;
}

int
appctl_mail_fd(const struct appctl_mail *m)
{
	return m->s.fd;
}

int
appctl_mail_events(const struct appctl_mail *m)
{
	return POLLIN | (m->out.len > 0 ? POLLOUT : 0);
}
