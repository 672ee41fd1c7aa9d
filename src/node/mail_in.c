/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/mail.h"

#include "wire/envelope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Messages from another node: who it is the link has proved, and that goes on each envelope; which of its
 * applications sent it is its word.  They are dealt with in order, and answered in order.
 */
enum { ANSWERS_MAX = 64 * 1024 };	/* that wait for room on the channel: then nothing more is looked at */

struct pair {
	char from[MAIL_NODE_MAX + 1 + MAIL_NAME_MAX + 1];
	char to[MAIL_NAME_MAX + 1];
};

struct mail_in {
	TAILQ_ENTRY(mail_in) entry;
	struct mail *m;
	struct channel *c;
	struct pair *pairs[ENVELOPE_SLOTS];
	struct buf rest;		/* what was not dealt with */
	uint64_t n;			/* messages that were */
	struct buf answers;
	struct mail_wait wait;
};

static void
in_free(struct mail_in *in)
{
	size_t i;

	mail_wait_drop(&in->wait);
	TAILQ_REMOVE(&in->m->ins, in, entry);
	for (i = 0; i < ENVELOPE_SLOTS; i++)
		free(in->pairs[i]);
	buf_free(&in->rest);
	buf_free(&in->answers);
	free(in);
}

void
mail_ins_free(struct mail *m)
{
	while (!TAILQ_EMPTY(&m->ins))
		in_free(TAILQ_FIRST(&m->ins));
}

/* --- answers --- */

static void
answer(void *arg, uint64_t first, uint64_t last, const char *code, const char *text)
{
	struct mail_in *in = arg;

	if (code == NULL)
		envelope_put_sent(&in->answers, first, last);
	else
		envelope_put_failed(&in->answers, first, code, text);
}

static void
write_answers(struct mail_in *in)
{
	size_t len = channel_room(in->c, 0);

	if (len > in->answers.len)
		len = in->answers.len;
	if (len == 0)
		return;
	channel_write(in->c, 0, in->answers.data, len);
	buf_consume(&in->answers, len);
}

/* --- what comes --- */

static int
set_pair(struct mail_in *in, const struct envelope *e)
{
	struct pair *p = in->pairs[e->slot];

	if (p == NULL && (p = in->pairs[e->slot] = malloc(sizeof(*p))) == NULL)
		return -1;
	snprintf(p->from, sizeof(p->from), "%s/%.*s", channel_peer(in->c), (int)e->from.len, e->from.data);
	snprintf(p->to, sizeof(p->to), "%.*s", (int)e->to.len, e->to.data);
	return 0;
}

/* false: not yet. */
static bool
deliver(struct mail_in *in, const struct pair *p, struct mail_text text)
{
	struct mail *m = in->m;
	const char *code = NULL;
	struct inbox *box;

	if (!allow_send(channel_allow(in->c), p->to)) {
		mail_failed(m, ++in->n, "not_permitted", "%s does not let %s send to %s", m->node->name, channel_peer(in->c), p->to);
		return true;
	}
	box = inbox_find(m, p->to, strlen(p->to), false, &in->wait, &code);
	if (box == NULL && code == NULL)
		return false;
	in->n++;
	if (box != NULL)
		code = inbox_add(m, box, p->from, text);
	if (code == NULL)
		mail_brought(m, in->n, box);
	else
		mail_failed(m, in->n, code, "%s", buf_cstr(&m->line));
	return true;
}

/* 1: done with it; 0: not yet; -1: the peer speaks something else, or there is no memory. */
static int
take_envelope(struct mail_in *in, const struct envelope *e)
{
	if (e->type == ENVELOPE_PAIR)
		return set_pair(in, e) < 0 ? -1 : 1;
	if (e->type != ENVELOPE_SEND || in->pairs[e->slot] == NULL)
		return -1;
	return deliver(in, in->pairs[e->slot], e->text) ? 1 : 0;
}

/* Deals with what is there, and ends the turn. */
static void
process(void *arg)
{
	struct mail_in *in = arg;
	struct envelope e;
	struct err err;
	size_t at = 0;
	ssize_t n = 0;
	bool lost;
	int r = 1;

	mail_turn(in->m);
	while (in->answers.len < ANSWERS_MAX && (n = envelope_read(in->rest.data + at, in->rest.len - at, &e, &err)) > 0 &&
	       (r = take_envelope(in, &e)) > 0)
		at += (size_t)n;
	buf_consume(&in->rest, at);
	lost = mail_settle(in->m, answer, in) < 0;
	if (lost || n < 0 || r < 0 || in->answers.failed) {
		channel_close(in->c, channel_error("invalid", "%s", n < 0 ? err.msg : "no envelope that belongs here"));
		in_free(in);
		return;
	}
	channel_took(in->c, 0, at);
	write_answers(in);
}

static void
data(void *arg, struct channel *c, unsigned stream, const char *bytes, size_t len)
{
	struct mail_in *in = arg;

	if (stream == 0)
		buf_add(&in->rest, bytes, len);
	if (stream != 0 || in->rest.failed) {
		channel_close(c, channel_error("invalid", "messages come on stream 0"));
		in_free(in);
		return;
	}
	if (in->wait.state != WAIT_ASKED)
		process(in);
}

static void
room(void *arg, struct channel *c, unsigned stream)
{
	struct mail_in *in = arg;

	(void)c;
	(void)stream;
	write_answers(in);
	if (in->rest.len > 0 && in->wait.state != WAIT_ASKED)
		process(in);
}

static void
closed(void *arg, struct channel *c, const json_t *how)
{
	(void)c;
	(void)how;
	in_free(arg);
}

static const struct channel_handler in_handler = { .data = data, .room = room, .closed = closed };

void
mail_in_opened(struct node *n, struct channel *c, const json_t *args)
{
	struct mail_in *in;

	/* By the socket of this or another node's programs: their names are established on mail.sock. */
	if (json_object_get(args, "caller") != NULL) {
		channel_refuse(c, "not_permitted", "messages are sent over mail.sock");
		return;
	}
	in = calloc(1, sizeof(*in));
	if (in == NULL) {
		channel_refuse(c, "failed", "no memory");
		return;
	}
	in->m = n->mail;
	in->c = c;
	in->wait.fn = process;
	in->wait.arg = in;
	TAILQ_INSERT_TAIL(&n->mail->ins, in, entry);
	channel_accept(c, json_object(), &in_handler, in);
}
