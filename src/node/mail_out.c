/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/mail.h"

#include "base/crc32.h"
#include "base/le.h"
#include "wire/envelope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Messages on their way to another node, over one channel that is kept.  What was written to it and not answered when
 * it ends may have arrived or not; nobody sends it again.  What was not written yet has not been sent.
 */
enum {
	QUEUE_MAX = 1024 * 1024,	/* bytes that are not on the channel yet */
	UNANSWERED_MAX = 32768,
};

/* Messages of one client, counted up. */
struct run {
	uint64_t client, first, count;
};

struct pair {
	struct mail_text from, to;
	char names[2 * MAIL_NAME_MAX];
};

struct mail_out {
	TAILQ_ENTRY(mail_out) entry;
	struct mail *m;
	char node[MAIL_NODE_MAX + 1];
	struct channel *c;
	bool accepted;
	struct pair *pairs[ENVELOPE_SLOTS];
	struct buf queue;		/* whole envelopes */
	struct buf runs;		/* struct run: not answered, in order */
	size_t runs_at;
	uint64_t added, written, answered;	/* messages */
	struct buf in;			/* answers that have not come whole */
	struct buf waiting;		/* struct mail_client *: for room */
};

static void
forget_pairs(struct mail_out *o)
{
	size_t i;

	for (i = 0; i < ENVELOPE_SLOTS; i++) {
		free(o->pairs[i]);
		o->pairs[i] = NULL;
	}
}

static void
out_free(struct mail_out *o)
{
	TAILQ_REMOVE(&o->m->outs, o, entry);
	forget_pairs(o);
	buf_free(&o->queue);
	buf_free(&o->runs);
	buf_free(&o->in);
	buf_free(&o->waiting);
	free(o);
}

/* --- answers --- */

/* The next `count` messages were answered. */
static void
answer(struct mail_out *o, uint64_t count, const char *code, const char *text)
{
	struct run r;
	uint64_t n;

	o->answered += count;
	while (count > 0) {
		memcpy(&r, o->runs.data + o->runs_at, sizeof(r));
		n = code != NULL ? 1 : count < r.count ? count : r.count;	/* each failure is told by itself */
		mail_client_answer(o->m, r.client, r.first, r.first + n - 1, code, text);
		r.first += n;
		r.count -= n;
		count -= n;
		if (r.count > 0)
			memcpy(o->runs.data + o->runs_at, &r, sizeof(r));
		else
			o->runs_at += sizeof(r);
	}
	if (o->runs_at > o->runs.len / 2) {
		buf_consume(&o->runs, o->runs_at);
		o->runs_at = 0;
	}
}

static bool
has_room(const struct mail_out *o)
{
	return o->queue.len < QUEUE_MAX && o->added - o->answered < UNANSWERED_MAX;
}

/* Those who waited go on, as far as they come. */
static void
let_go_on(struct mail_out *o)
{
	struct buf waiting = o->waiting;
	struct mail_client *cl;
	size_t i;

	if (waiting.len == 0 || (o->c != NULL && (o->queue.len > QUEUE_MAX / 2 || !has_room(o))))
		return;
	o->waiting = (struct buf){ 0 };
	for (i = 0; i < waiting.len; i += sizeof(cl)) {
		memcpy(&cl, waiting.data + i, sizeof(cl));
		if (cl != NULL)
			mail_client_go_on(cl);
	}
	buf_free(&waiting);
}

void
mail_out_forget(struct mail *m, struct mail_client *cl)
{
	struct mail_client *other;
	struct mail_out *o;
	size_t i;

	TAILQ_FOREACH(o, &m->outs, entry)
		for (i = 0; i < o->waiting.len; i += sizeof(other)) {
			memcpy(&other, o->waiting.data + i, sizeof(other));
			if (other == cl)
				memset(o->waiting.data + i, 0, sizeof(other));
		}
}

/* --- the channel --- */

static void
write_out(struct mail_out *o)
{
	size_t room, at = 0, len, sends = 0;

	if (!o->accepted || o->queue.len == 0)
		return;
	room = channel_room(o->c, 0);
	while (at < o->queue.len) {
		len = 4 + (le32_get(o->queue.data + at) & 0xffffff);
		if (at + len > room)
			break;
		sends += le32_get(o->queue.data + at) >> 24 == ENVELOPE_SEND;
		at += len;
	}
	if (at == 0)
		return;
	channel_write(o->c, 0, o->queue.data, at);
	o->written += sends;
	buf_consume(&o->queue, at);
}

/* It ended: what was written is not known of, the rest was not sent. */
static void
fail_all(struct mail_out *o, const char *code, const char *text)
{
	uint64_t sent = o->written - o->answered, rest = o->added - o->written;
	struct mail *m = o->m;

	o->c = NULL;
	o->accepted = false;
	o->written = o->added;
	buf_clear(&o->queue);
	buf_clear(&o->in);
	forget_pairs(o);
	if (sent > 0)
		answer(o, sent, "outcome_unknown", text);
	if (rest > 0)
		answer(o, rest, strcmp(code, "outcome_unknown") == 0 ? "unreachable" : code, text);
	let_go_on(o);
	mail_settle(m, NULL, NULL);
}

static void
accepted(void *arg, struct channel *c, const json_t *reply)
{
	struct mail_out *o = arg;

	(void)c;
	(void)reply;
	o->accepted = true;
	write_out(o);
	let_go_on(o);
}

/* Codes that answers may bring, as constants. */
static const char *
known_code(struct mail_text code)
{
	static const char *const codes[] = {
		"no_such_node", "no_such_application", "no_such_mailbox", "no_such_service", "not_permitted", "unreachable", "invalid",
		"mailbox_full", "timed_out", "busy", "refused", "outcome_unknown",
	};
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strlen(codes[i]) == code.len && memcmp(codes[i], code.data, code.len) == 0)
			return codes[i];
	return "failed";
}

/* Answers come in the order of what they answer.  -1: this one does not. */
static int
take_answer(struct mail_out *o, const struct envelope *e)
{
	char text[600];

	if ((e->type != ENVELOPE_SENT && e->type != ENVELOPE_FAILED) || e->first != o->answered + 1 || e->last > o->written)
		return -1;
	if (e->type == ENVELOPE_SENT) {
		answer(o, e->last - e->first + 1, NULL, NULL);
		return 0;
	}
	snprintf(text, sizeof(text), "%.*s", (int)e->text.len, e->text.data);
	answer(o, 1, known_code(e->error), text);
	return 0;
}

static void
give_up(struct mail_out *o, const char *why)
{
	channel_close(o->c, channel_error("invalid", "%s", why));
	fail_all(o, "failed", why);
}

static void
data(void *arg, struct channel *c, unsigned stream, const char *bytes, size_t len)
{
	struct mail_out *o = arg;
	struct envelope e;
	struct err err;
	size_t at = 0;
	ssize_t n;

	channel_took(c, stream, len);
	buf_add(&o->in, bytes, len);
	if (o->in.failed) {
		give_up(o, "no memory for answers");
		return;
	}
	while ((n = envelope_read(o->in.data + at, o->in.len - at, &e, &err)) > 0) {
		if (take_answer(o, &e) < 0) {
			give_up(o, "answers that answer nothing");
			return;
		}
		at += (size_t)n;
	}
	if (n < 0) {
		give_up(o, err.msg);
		return;
	}
	buf_consume(&o->in, at);
	let_go_on(o);
	mail_settle(o->m, NULL, NULL);
}

static void
room(void *arg, struct channel *c, unsigned stream)
{
	(void)c;
	(void)stream;
	write_out(arg);
	let_go_on(arg);
}

static void
closed(void *arg, struct channel *c, const json_t *how)
{
	const char *code = json_string_value(json_object_get(how, "error"));
	const char *text = json_string_value(json_object_get(how, "message"));
	struct mail_out *o = arg;
	char why[600];

	(void)c;
	snprintf(why, sizeof(why), "%s: %s", o->node, text ? text : "the other node closed the way to its mailboxes");
	fail_all(o, known_code((struct mail_text){ code ? code : "unreachable", strlen(code ? code : "unreachable") }), why);
}

static const struct channel_handler out_handler = { .accepted = accepted, .data = data, .room = room, .closed = closed };

/* --- in --- */

static struct mail_out *
out_of(struct mail *m, struct mail_text node)
{
	struct mail_out *o;

	TAILQ_FOREACH(o, &m->outs, entry)
		if (strlen(o->node) == node.len && memcmp(o->node, node.data, node.len) == 0)
			return o;
	o = calloc(1, sizeof(*o));
	if (o == NULL)
		return NULL;
	o->m = m;
	memcpy(o->node, node.data, node.len);
	TAILQ_INSERT_TAIL(&m->outs, o, entry);
	return o;
}

static bool
same(struct mail_text a, struct mail_text b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* The slot of that pair, told where it is not the one that was there.  -1: no memory. */
static int
slot_of(struct mail_out *o, struct mail_text from, struct mail_text to)
{
	uint32_t slot = crc32_of(crc32_of(0, from.data, from.len), to.data, to.len) % ENVELOPE_SLOTS;
	struct pair *p = o->pairs[slot];

	if (p != NULL && same(p->from, from) && same(p->to, to))
		return (int)slot;
	if (p == NULL && (p = o->pairs[slot] = malloc(sizeof(*p))) == NULL)
		return -1;
	memcpy(p->names, from.data, from.len);
	memcpy(p->names + from.len, to.data, to.len);
	p->from = (struct mail_text){ p->names, from.len };
	p->to = (struct mail_text){ p->names + from.len, to.len };
	envelope_put_pair(&o->queue, slot, p->from, p->to);
	if (!o->queue.failed)
		return (int)slot;
	free(p);
	o->pairs[slot] = NULL;
	return -1;
}

/* There is room for one more run. */
static void
note_run(struct mail_out *o, uint64_t id, uint64_t n)
{
	struct run r;

	if (o->runs.len > o->runs_at) {
		memcpy(&r, o->runs.data + o->runs.len - sizeof(r), sizeof(r));
		if (r.client == id && r.first + r.count == n) {
			r.count++;
			memcpy(o->runs.data + o->runs.len - sizeof(r), &r, sizeof(r));
			return;
		}
	}
	r = (struct run){ id, n, 1 };
	buf_add(&o->runs, &r, sizeof(r));
}

static bool
wait_for_room(struct mail_out *o, struct mail_client *cl)
{
	buf_add(&o->waiting, &cl, sizeof(cl));
	if (!o->waiting.failed)
		return true;
	o->waiting.failed = false;
	return false;
}

/* The whole of it, or nothing. */
static int
put(struct mail_out *o, uint64_t id, uint64_t n, struct mail_text from, struct mail_text to, struct mail_text text)
{
	int slot = buf_reserve(&o->runs, sizeof(struct run)) ? slot_of(o, from, to) : -1;

	if (slot >= 0)
		envelope_put_send(&o->queue, (uint32_t)slot, text);
	if (slot < 0 || o->queue.failed) {
		o->runs.failed = o->queue.failed = false;
		return -1;
	}
	note_run(o, id, n);
	o->added++;
	return 0;
}

enum mail_out_added
mail_out_add(struct mail *m, struct mail_client *cl, uint64_t id, uint64_t n, struct mail_text node, struct mail_text from,
	     struct mail_text to, struct mail_text text)
{
	struct mail_out *o = out_of(m, node);

	if (o != NULL && !has_room(o))
		return wait_for_room(o, cl) ? MAIL_OUT_WAIT : MAIL_OUT_NO_MEMORY;
	if (o != NULL && o->c == NULL)
		o->c = channel_open(m->node, o->node, "mail", json_object(), &out_handler, o);
	if (o == NULL || o->c == NULL || put(o, id, n, from, to, text) < 0)
		return MAIL_OUT_NO_MEMORY;
	return MAIL_OUT_ADDED;
}

void
mail_outs_write(struct mail *m)
{
	struct mail_out *o, *next;

	for (o = TAILQ_FIRST(&m->outs); o != NULL; o = next) {
		next = TAILQ_NEXT(o, entry);
		write_out(o);
		if (o->c == NULL && o->added == o->answered && o->waiting.len == 0)
			out_free(o);
	}
}

void
mail_outs_free(struct mail *m)
{
	struct mail_out *o;

	while ((o = TAILQ_FIRST(&m->outs)) != NULL)
		out_free(o);
}
