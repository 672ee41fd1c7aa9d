/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/mail.h"

#include "base/log.h"
#include "core/event.h"
#include "node/caller.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * mail.sock.  Who is there is asked once, when it comes; before that is known nothing of what it says is looked at.
 * A client is read only as fast as its messages find room and it takes its answers, so none needs more memory
 * than its own limits.
 */
enum {
	CLIENTS_MAX = 1024,
	CLIENTS_OF_USER = 256,		/* not of root and the daemon's user */
	PUSHED_MAX = 128 * 1024,	/* messages that it has not taken from the socket */
	QUEUED_MAX = 512 * 1024,	/* and answers: then it is not read.  Far more than PUSHED_MAX: what it says is done must get through */
	PIECE = 64 * 1024,		/* messages that are made into lines at once */
	HELD_MAX = 16 * 1024 * 1024,	/* of lines that have not ended, all clients together */
	HALF_MS = 10000,		/* for a line to end */
};

struct mail_client {
	TAILQ_ENTRY(mail_client) entry, answered_entry;
	struct mail *m;
	uint64_t id;
	struct conn *conn;
	uid_t uid;
	struct caller *asked;		/* until it is known who it is */
	char self[MAIL_NODE_MAX + 1 + MAIL_NAME_MAX + 1];
	const char *name;		/* of self; NULL: not known yet */
	struct buf in;			/* lines that were not dealt with */
	size_t in_at;
	int64_t half_ms;		/* since when the last one has not ended; 0: it has */
	bool ended, closing;
	struct mail_wait wait;
	bool waits_for_room;		/* on the way to a node */

	uint64_t sent;			/* messages that it has sent */
	uint64_t unanswered;		/* of those */
	uint64_t ok_first, ok_last;	/* owed: {"sent":[…]}; 0: nothing */
	bool is_owed;

	struct inbox *reading;		/* NULL: none */
	bool flowing;			/* what comes there is given to it */
	bool stops_at_end;		/* "wait":false */
};

static void process(struct mail_client *cl);

/* --- lines to it --- */

static void
write_line(struct mail_client *cl)
{
	struct buf *b = &cl->m->line;

	if (b->failed) {
		buf_free(b);
		conn_finish(cl->conn);		/* one line that is missing: none may follow */
		return;
	}
	conn_write(cl->conn, b->data, b->len);
	buf_clear(b);
}

static void
tell_sent(struct mail_client *cl)
{
	if (cl->ok_first == 0)
		return;
	buf_clear(&cl->m->line);
	mail_put_sent(&cl->m->line, cl->ok_first, cl->ok_last);
	cl->ok_first = 0;
	write_line(cl);
}

static void
say_error(struct mail_client *cl, const char *code, const char *text)
{
	buf_clear(&cl->m->line);
	mail_put_error(&cl->m->line, code, text);
	write_line(cl);
	cl->closing = true;
	conn_finish(cl->conn);
	cl->half_ms = clock_mono_ms();
	timer_at(cl->m->half, cl->half_ms);
}

static void
owe(struct mail_client *cl)
{
	if (cl->is_owed)
		return;
	cl->is_owed = true;
	TAILQ_INSERT_TAIL(&cl->m->answered, cl, answered_entry);
}

static void
answer(void *arg, uint64_t first, uint64_t last, const char *code, const char *text)
{
	struct mail_client *cl = arg;

	owe(cl);
	if (code != NULL) {
		tell_sent(cl);
		buf_clear(&cl->m->line);
		mail_put_failed(&cl->m->line, first, code, text);
		write_line(cl);
	} else if (cl->ok_first != 0 && cl->ok_last + 1 == first) {
		cl->ok_last = last;
	} else {
		tell_sent(cl);
		cl->ok_first = first;
		cl->ok_last = last;
	}
}

void
mail_client_answer(struct mail *m, uint64_t id, uint64_t first, uint64_t last, const char *code, const char *text)
{
	struct mail_client *cl = u64map_get(&m->by_id, id);

	if (cl == NULL)
		return;
	cl->unanswered -= last - first + 1;
	answer(cl, first, last, code, text);
}

/* --- its end --- */

static void
stop_reading(struct mail_client *cl)
{
	if (cl->reading == NULL)
		return;
	cl->reading->reader = NULL;
	mailbox_rewind(cl->reading->box);
	mailbox_rest(cl->reading->box);
	cl->reading = NULL;
	cl->flowing = false;
}

static void
client_free(struct mail_client *cl)
{
	struct mail *m = cl->m;

	stop_reading(cl);
	mail_out_forget(m, cl);
	mail_wait_drop(&cl->wait);
	if (cl->asked != NULL)
		caller_drop(cl->asked);
	if (cl->is_owed)
		TAILQ_REMOVE(&m->answered, cl, answered_entry);
	TAILQ_REMOVE(&m->clients, cl, entry);
	u64map_del(&m->by_id, cl->id);
	m->client_count--;
	m->held -= cl->in.len;
	conn_free(cl->conn);
	buf_free(&cl->in);
	free(cl);
}

/* It has said all, and has heard all that is due. */
static bool
is_done(const struct mail_client *cl)
{
	return (cl->closing || (cl->ended && cl->in_at == cl->in.len && cl->unanswered == 0 && cl->wait.state != WAIT_ASKED)) &&
	       cl->ok_first == 0 && conn_queued(cl->conn) == 0;
}

/* Is it to be read? */
static void
arm(struct mail_client *cl)
{
	bool more = cl->name != NULL && !cl->closing && cl->wait.state != WAIT_ASKED && !cl->waits_for_room &&
		    conn_queued(cl->conn) < QUEUED_MAX;

	conn_read(cl->conn, more ? CONN_ALL : 0);
}

void
mail_clients_tell(struct mail *m)
{
	struct mail_client *cl;

	while ((cl = TAILQ_FIRST(&m->answered)) != NULL) {
		TAILQ_REMOVE(&m->answered, cl, answered_entry);
		cl->is_owed = false;
		tell_sent(cl);
		if (is_done(cl))
			timer_at(m->half, clock_mono_ms());	/* whoever called may still have it in hand */
		arm(cl);
	}
}

/* --- what it reads --- */

/* Printing a time takes longer than all the rest of a line: the second stays the same for many. */
static struct mail_text
time_text(int64_t us)
{
	static struct buf text;
	static int64_t second = -1;
	int64_t rest = us % 1000000;
	size_t i;

	if (us < 0 || us / 1000000 != second || text.failed) {
		buf_free(&text);
		print_time(&text, us);
		second = us / 1000000;
	}
	for (i = 0; i < 6 && us >= 0 && text.len == 27; i++, rest /= 10)
		text.data[25 - i] = (char)('0' + rest % 10);
	return (struct mail_text){ text.data, text.failed ? 0 : text.len };
}

/* Some of what is there.  false: there was nothing. */
static bool
push_piece(struct mail_client *cl)
{
	struct buf *out = &cl->m->line;
	struct mailbox *b = cl->reading->box;
	struct mail_record r = { 0 };
	size_t len, at = 0, used;
	const char *data;
	struct err err;

	if (mailbox_read(b, &data, &len, &err) < 0) {
		log_write(LOG_NODE, LOG_LEVEL_ERROR, "%s", err.msg);
		say_error(cl, "failed", err.msg);
		return false;
	}
	if (len == 0)
		return false;
	buf_clear(out);
	while (out->len < PIECE && (used = mail_record_get(data + at, len - at, &r, NULL)) > 0) {
		mail_put_message(out, r.n, r.from, time_text(r.at_us), r.text);
		at += used;
	}
	mailbox_read_on(b, at, r.n);
	write_line(cl);
	return true;
}

void
mail_client_push(struct mail_client *cl)
{
	if (cl->closing || !cl->flowing)
		return;
	while (!cl->closing && conn_queued(cl->conn) < PUSHED_MAX && push_piece(cl))
		;
	if (!cl->closing && cl->stops_at_end && mailbox_was_read(cl->reading->box)) {
		cl->flowing = false;
		buf_clear(&cl->m->line);
		mail_put_empty(&cl->m->line);
		write_line(cl);
	}
}

static void __attribute__((format(printf, 3, 4)))
refuse_reading(struct mail_client *cl, const char *code, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_clear(&cl->m->line);
	mail_put_refused(&cl->m->line, code, text);
	write_line(cl);
}

/* Its own; root and the daemon's user read any. */
static bool
may_read(const struct mail_client *cl, struct mail_text app)
{
	return app.data == NULL || (strlen(cl->name) == app.len && memcmp(cl->name, app.data, app.len) == 0) || cl->uid == 0 ||
	       cl->uid == cl->m->owner;
}

static bool
begin_reading(struct mail_client *cl, const struct mail_line *l)
{
	struct mail_text name = l->app.data ? l->app : (struct mail_text){ cl->name, strlen(cl->name) };
	const char *code;
	struct inbox *in;

	if (!may_read(cl, l->app) || !mail_name_ok(name.data, name.len)) {
		refuse_reading(cl, "not_permitted", "%s reads the mailbox of %s only", cl->name, cl->name);
		return true;
	}
	in = inbox_find(cl->m, name.data, name.len, l->app.data == NULL, &cl->wait, &code);
	if (in == NULL && code == NULL)
		return false;
	if (in == NULL) {
		char text[512];

		snprintf(text, sizeof(text), "%s", buf_cstr(&cl->m->line));
		refuse_reading(cl, code, "%s", text);
		return true;
	}
	if (in->reader != NULL && in->reader != cl) {
		refuse_reading(cl, "busy", "somebody else reads the mailbox of %s", in->name);
		return true;
	}
	if (cl->reading != in)
		stop_reading(cl);
	cl->reading = in;
	in->reader = cl;
	mailbox_expire(in->box, post_limits(cl->m->post), &cl->m->now);
	mailbox_rewind(in->box);
	cl->flowing = true;
	cl->stops_at_end = !l->wait;
	mail_client_push(cl);
	return true;
}

static void
take_done(struct mail_client *cl, uint64_t n)
{
	struct err err;

	if (cl->reading == NULL)
		say_error(cl, "invalid", "done without receive");
	else if (mailbox_take(cl->reading->box, n, &err) < 0)
		say_error(cl, "failed", err.msg);
}

void
mail_client_leave(struct mail_client *cl, struct inbox *in)
{
	(void)in;
	stop_reading(cl);
	say_error(cl, "no_such_application", "the application is gone, and its mailbox with it");
}

/* --- what it sends --- */

static bool
is_this_node(const struct mail *m, struct mail_text node)
{
	return node.data == NULL || (strlen(m->node->name) == node.len && memcmp(m->node->name, node.data, node.len) == 0);
}

/* To a mailbox of this node.  false: not yet. */
static bool
send_here(struct mail_client *cl, struct mail_text name, struct mail_text text)
{
	struct mail *m = cl->m;
	const char *code;
	struct inbox *in = inbox_find(m, name.data, name.len, false, &cl->wait, &code);

	if (in == NULL && code == NULL)
		return false;
	cl->sent++;
	if (in != NULL)
		code = inbox_add(m, in, cl->self, text);
	if (code == NULL)
		mail_brought(m, cl->sent, in);
	else
		mail_failed(m, cl->sent, code, "%s", buf_cstr(&m->line));
	return true;
}

static bool
send_there(struct mail_client *cl, struct mail_text node, struct mail_text name, struct mail_text text)
{
	const struct mail_text from = { cl->name, strlen(cl->name) };

	switch (mail_out_add(cl->m, cl, cl->id, cl->sent + 1, node, from, name, text)) {
	case MAIL_OUT_WAIT:
		cl->waits_for_room = true;
		return false;
	case MAIL_OUT_NO_MEMORY:
		mail_failed(cl->m, ++cl->sent, "failed", "no memory");
		return true;
	default:
		cl->sent++;
		cl->unanswered++;
		return true;
	}
}

static bool
send_it(struct mail_client *cl, const struct mail_line *l)
{
	struct mail_text node, name;

	if (!mail_address_split(l->to, &node, &name)) {
		mail_failed(cl->m, ++cl->sent, "invalid", "\"%.*s\" is no address: NODE/APPLICATION, or APPLICATION for this node's",
			    l->to.len > 80 ? 80 : (int)l->to.len, l->to.data);
		return true;
	}
	if (l->text.len > MAIL_TEXT_MAX) {
		mail_failed(cl->m, ++cl->sent, "invalid", "a message has at most %d bytes", MAIL_TEXT_MAX);
		return true;
	}
	return is_this_node(cl->m, node) ? send_here(cl, name, l->text) : send_there(cl, node, name, l->text);
}

/* false: it has to wait, the line is to be read again. */
static bool
obey(struct mail_client *cl, const struct mail_line *l)
{
	switch (l->kind) {
	case MAIL_SEND:
		return send_it(cl, l);
	case MAIL_RECEIVE:
		return begin_reading(cl, l);
	case MAIL_DONE:
		take_done(cl, l->n);
		return true;
	case MAIL_ASK_SELF:
		buf_clear(&cl->m->line);
		mail_put_self(&cl->m->line, cl->self);
		write_line(cl);
		return true;
	default:
		say_error(cl, "invalid", "that is for this side to say");
		return true;
	}
}

/* One line, without its newline.  false: not yet. */
static bool
take_line(struct mail_client *cl, const char *text, size_t len)
{
	struct mail_line l;
	struct err err;

	if (len == 0)
		return true;
	if (mail_line_read(&l, text, len, &cl->m->unescaped, &err) < 0) {
		say_error(cl, "invalid", err.msg);
		return true;
	}
	return obey(cl, &l);
}

/* What is left is a line that has not ended, or is not to be taken yet. */
static void
keep_rest(struct mail_client *cl)
{
	size_t was = cl->in.len;

	buf_consume(&cl->in, cl->in_at);
	cl->in_at = 0;
	if (cl->in.len == 0 && cl->in.cap > PIECE)
		buf_free(&cl->in);
	cl->m->held -= was - cl->in.len;
}

static void
mind_half_line(struct mail_client *cl)
{
	bool half = cl->in.len > cl->in_at && cl->wait.state != WAIT_ASKED && !cl->waits_for_room;

	if (cl->closing)
		return;
	if (!half || cl->half_ms == 0)
		cl->half_ms = half ? clock_mono_ms() : 0;
	if (half)
		timer_at(cl->m->half, clock_mono_ms() + HALF_MS / 2);
}

static bool
may_go_on(const struct mail_client *cl)
{
	return cl->name != NULL && !cl->closing && cl->wait.state != WAIT_ASKED && !cl->waits_for_room &&
	       conn_queued(cl->conn) < QUEUED_MAX;
}

/* Deals with the lines that are there, and ends the turn. */
static void
process(struct mail_client *cl)
{
	const char *newline;
	size_t len;

	mail_turn(cl->m);
	while (may_go_on(cl) && cl->in_at < cl->in.len) {
		newline = memchr(cl->in.data + cl->in_at, '\n', cl->in.len - cl->in_at);
		len = (size_t)((newline ? newline : cl->in.data + cl->in.len) - (cl->in.data + cl->in_at));
		if (len > MAIL_LINE_MAX) {
			say_error(cl, "invalid", "a line that is too long");
			break;
		}
		if ((newline == NULL && !cl->ended) || !take_line(cl, cl->in.data + cl->in_at, len))
			break;
		cl->in_at += len + (newline != NULL);
	}
	keep_rest(cl);
	mind_half_line(cl);
	owe(cl);
	if (mail_settle(cl->m, answer, cl) < 0)
		say_error(cl, "outcome_unknown", "no memory for answers");
}

void
mail_client_go_on(struct mail_client *cl)
{
	cl->waits_for_room = false;
	process(cl);
}

/* --- the connection --- */

static void
came(void *arg, struct conn *c, const char *data, size_t len)
{
	struct mail_client *cl = arg;

	(void)c;
	if (cl->closing)
		return;
	buf_add(&cl->in, data, len);
	if (cl->in.failed) {
		client_free(cl);
		return;
	}
	cl->m->held += len;
	process(cl);
	if (cl->m->held > HELD_MAX && cl->in.len > CONN_ALL)
		say_error(cl, "busy", "too many long lines at once");
}

static void
ended(void *arg, struct conn *c)
{
	struct mail_client *cl = arg;

	(void)c;
	cl->ended = true;
	process(cl);
	if (is_done(cl))
		client_free(cl);
}

static void
drained(void *arg, struct conn *c)
{
	struct mail_client *cl = arg;

	(void)c;
	if (is_done(cl)) {
		client_free(cl);
		return;
	}
	mail_client_push(cl);
	process(cl);
}

static void
broken(void *arg, struct conn *c, const char *why)
{
	(void)c;
	(void)why;
	client_free(arg);
}

static const struct conn_handler client_handler = { came, ended, drained, broken };

static void
known(void *arg, const char *address)
{
	struct mail_client *cl = arg;
	const char *slash = strchr(address, '/');
	const char *code;
	struct mail_wait none = { 0 };

	cl->asked = NULL;
	snprintf(cl->self, sizeof(cl->self), "%s", address);
	cl->name = slash ? cl->self + (slash - address) + 1 : cl->self;
	mail_turn(cl->m);
	/* Who comes has a mailbox from then on. */
	if (!mail_name_ok(cl->name, strlen(cl->name)) || inbox_find(cl->m, cl->name, strlen(cl->name), true, &none, &code) == NULL)
		log_write(LOG_NODE, LOG_LEVEL_WARNING, "no mailbox for %s: %s", cl->self, buf_cstr(&cl->m->line));
	process(cl);
}

static bool
too_many(const struct mail *m, uid_t uid)
{
	const struct mail_client *cl;
	unsigned n = 0;

	if (m->client_count >= CLIENTS_MAX)
		return true;
	if (uid == 0 || uid == m->owner)
		return false;
	TAILQ_FOREACH(cl, &m->clients, entry)
		n += cl->uid == uid;
	return n >= CLIENTS_OF_USER;
}

static void
turn_away(int fd)
{
	struct buf b = { 0 };

	mail_put_error(&b, "busy", "there are too many connections");
	if (!b.failed)
		send(fd, b.data, b.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	buf_free(&b);
	close(fd);
}

static void
accepted(void *arg, int fd)
{
	struct mail *m = arg;
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(who);
	struct mail_client *cl;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 || too_many(m, who.uid) || (cl = calloc(1, sizeof(*cl))) == NULL) {
		turn_away(fd);
		return;
	}
	cl->m = m;
	cl->uid = who.uid;
	cl->id = ++m->last_id;
	cl->wait.fn = (void (*)(void *))process;
	cl->wait.arg = cl;
	TAILQ_INSERT_TAIL(&m->clients, cl, entry);
	m->client_count++;
	cl->conn = conn_new(m->node->loop, fd, &client_handler, cl);
	if (cl->conn == NULL || u64map_put(&m->by_id, cl->id, cl) < 0 ||
	    (cl->asked = caller_ask(m->node, who.pid, who.uid, known, cl)) == NULL) {
		client_free(cl);
		return;
	}
	conn_read(cl->conn, 0);
}

/* Those that are done with, and lines that should have ended by now. */
static void
look_around(void *arg)
{
	struct mail *m = arg;
	int64_t now = clock_mono_ms();
	struct mail_client *cl, *next;
	bool any = false;

	for (cl = TAILQ_FIRST(&m->clients); cl != NULL; cl = next) {
		next = TAILQ_NEXT(cl, entry);
		if (is_done(cl) || (cl->half_ms != 0 && cl->closing && now - cl->half_ms >= HALF_MS))
			client_free(cl);	/* the second: it does not even take the error */
		else if (cl->half_ms != 0 && now - cl->half_ms >= HALF_MS)
			say_error(cl, "timed_out", "a line that does not end");
		else
			any |= cl->half_ms != 0;
	}
	if (any)
		timer_at(m->half, now + HALF_MS / 2);
}

int
mail_clients_start(struct mail *m, struct err *err)
{
	char path[PATH_MAX];

	m->half = timer_new(m->node->loop, look_around, m);
	if (m->half == NULL)
		return err_set(err, ENOMEM, "mail.sock");
	if (node_path(m->node, "mail.sock", path, sizeof(path), err) < 0)
		return -1;
	m->listener = conn_listen(m->node->loop, path, 0666, accepted, m, err);
	return m->listener ? 0 : -1;
}

void
mail_clients_stop(struct mail *m)
{
	struct mail_client *cl;

	conn_listener_free(m->listener);
	while ((cl = TAILQ_FIRST(&m->clients)) != NULL)
		client_free(cl);
	u64map_free(&m->by_id);
	timer_free(m->half);
}
