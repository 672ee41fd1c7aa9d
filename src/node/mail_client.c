/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/mail_client.h"

#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * mail.sock.  Who is there is asked once, when it comes; before that is known nothing of what it says is looked at.
 * A client is read only as fast as its messages find room and it takes its answers, so none needs more memory
 * than its own limits.
 */
enum {
	CLIENTS_MAX = 1024,		/* as far as descriptors go: */
	OTHER_FILES = 400,		/* mailboxes, links and what else is open */
	CLIENTS_OF_USER = 256,		/* not of root and the daemon's user */
	/* Answers and messages that it has not taken: then it is not read.  Far more than PUSHED_MAX: what it says is done must get through. */
	QUEUED_MAX = 512 * 1024,
	KEEP = 64 * 1024,		/* of the memory for its lines, between two of them */
	HELD_MAX = 16 * 1024 * 1024,	/* of lines that have not ended, all clients together */
	HALF_MS = 10000,		/* for a line to end */
};

static void process(struct mail_client *cl);

/* Looks at all of them then, or earlier. */
static void
look_at(struct mail *m, int64_t at_ms)
{
	if (m->half_at != 0 && m->half_at <= at_ms)
		return;
	m->half_at = at_ms;
	timer_at(m->half, at_ms);
}

/* --- lines to it --- */

void
client_write_line(struct mail_client *cl)
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
	client_write_line(cl);
}

void
client_say_error(struct mail_client *cl, const char *code, const char *text)
{
	buf_clear(&cl->m->line);
	mail_put_error(&cl->m->line, code, text);
	client_write_line(cl);
	cl->closing = true;
	conn_finish(cl->conn);
	cl->half_ms = clock_mono_ms();
	look_at(cl->m, cl->half_ms);
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
		client_write_line(cl);
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
client_free(struct mail_client *cl)
{
	struct mail *m = cl->m;

	client_stop_reading(cl);
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
			look_at(m, clock_mono_ms());	/* whoever called may still have it in hand */
		arm(cl);
	}
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
		return client_begin_reading(cl, l);
	case MAIL_DONE:
		client_take_done(cl, l->n);
		return true;
	case MAIL_ASK_SELF:
		buf_clear(&cl->m->line);
		mail_put_self(&cl->m->line, cl->self);
		client_write_line(cl);
		return true;
	default:
		client_say_error(cl, "invalid", "that is for this side to say");
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
		client_say_error(cl, "invalid", err.msg);
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
	if (cl->in.len == 0 && cl->in.cap > KEEP)
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
		look_at(cl->m, clock_mono_ms() + HALF_MS / 2);
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
			client_say_error(cl, "invalid", "a line that is too long");
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
		client_say_error(cl, "outcome_unknown", "no memory for answers");
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
		client_say_error(cl, "busy", "too many long lines at once");
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
	const char *name = strchr(address, '/') + 1, *code;
	struct mail_wait none = { 0 };

	cl->asked = NULL;
	if (strlen(address) < sizeof(cl->self) && mail_name_ok(name, strlen(name)))
		strcpy(cl->self, address);
	else
		snprintf(cl->self, sizeof(cl->self), "%s/~%u", cl->m->node->name, (unsigned)cl->uid);
	cl->name = strchr(cl->self, '/') + 1;
	mail_turn(cl->m);
	/* Who comes has a mailbox from then on, but for users that are a number alone: anybody may have thousands of those. */
	cl->has_mailbox = cl->name[0] != '~' || cl->name[1] < '0' || cl->name[1] > '9';
	if (cl->has_mailbox && inbox_find(cl->m, cl->name, strlen(cl->name), true, &none, &code) == NULL)
		log_write(LOG_NODE, LOG_LEVEL_WARNING, "no mailbox for %s: %s", cl->self, buf_cstr(&cl->m->line));
	process(cl);
}

static bool
too_many(const struct mail *m, uid_t uid)
{
	const struct mail_client *cl;
	unsigned n = 0;

	if (m->client_count >= m->clients_max)
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

	m->half_at = 0;
	for (cl = TAILQ_FIRST(&m->clients); cl != NULL; cl = next) {
		next = TAILQ_NEXT(cl, entry);
		if (is_done(cl) || (cl->half_ms != 0 && cl->closing && now - cl->half_ms >= HALF_MS))
			client_free(cl);	/* the second: it does not even take the error */
		else if (cl->half_ms != 0 && now - cl->half_ms >= HALF_MS)
			client_say_error(cl, "timed_out", "a line that does not end");
		else
			any |= cl->half_ms != 0;
	}
	if (any)
		look_at(m, now + HALF_MS / 2);
}

/* Whoever connects must not take the descriptors that mailboxes need. */
static unsigned
clients_max(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return CLIENTS_MAX / 2;
	if (l.rlim_cur <= 2 * OTHER_FILES)
		return OTHER_FILES / 2;
	return l.rlim_cur < CLIENTS_MAX + OTHER_FILES ? (unsigned)l.rlim_cur - OTHER_FILES : CLIENTS_MAX;
}

int
mail_clients_start(struct mail *m, struct err *err)
{
	char path[PATH_MAX];

	m->clients_max = clients_max();
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
