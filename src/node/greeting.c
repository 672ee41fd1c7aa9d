/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/peers_internal.h"

#include "base/log.h"
#include "conf/json.h"
#include "sys/alarm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	GREETING_MS = 5000,		/* for a hello, or for the answer to ours */
	COMPARE_MS = 2000,		/* for the answer of the older one of two of a name */
	GREETING_MAX = 1024,		/* bytes */
	ALARM_MS = 60000,		/* between two alarms about those who were turned away */
};

/* What a greeting is refused with. */
#define REASON_DIALLING "already_dialling"
#define REASON_SECOND "second_node"

/* --- lines --- */

static void greeting_due(void *arg);

static struct line *
line_new(struct node *n, struct peer *p, enum line_state state)
{
	struct line *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	line_init(l, n, state == LINE_DIALLED, NULL);
	l->peer = p;
	l->state = state;
	l->timer = timer_new(n->loop, greeting_due, l);
	if (l->timer == NULL) {
		free(l);
		return NULL;
	}
	p->line_count++;
	TAILQ_INSERT_TAIL(&p->peers->greeting, l, greeting_entry);
	return l;
}

const char *
line_peer(const struct line *l)
{
	return l->peer ? l->peer->name : l->node->name;
}

static void
leave_peer(struct line *l)
{
	struct peer *p = l->peer;

	if (p->coming == l)
		p->coming = NULL;
	if (p->rival == l)
		p->rival = NULL;
	if (p->line == l)
		p->line = NULL;
}

static void
line_free(struct line *l, const char *why)
{
	leave_peer(l);
	l->peer->line_count--;
	if (l->state != LINE_UP)
		TAILQ_REMOVE(&l->peer->peers->greeting, l, greeting_entry);
	line_fini(l, why);
	free(l);
}

void
line_drop(struct line *l)
{
	ws_drop(l->ws);
	line_free(l, "the link was given up");
}

/* Nothing more is heard of it; closed() ends it. */
static void
say_goodbye(struct line *l, unsigned code, const char *why)
{
	leave_peer(l);
	l->state = LINE_ENDING;
	timer_at(l->timer, 0);
	ws_close(l->ws, code, why);
	ws_push(l->ws);
}

static int
send_record(struct line *l, enum record_type type, json_t *take_object)
{
	char *text = take_object ? json_dumps(take_object, JSON_COMPACT) : NULL;
	struct buf out = { 0 };
	int r = -1;

	if (text != NULL || type == RECORD_OK)
		record_write(&out, type, 0, 0, text, text ? strlen(text) : 0);
	if (out.len > 0 && !out.failed)
		r = ws_send_binary(l->ws, out.data, out.len);
	if (r == 0)
		ws_push(l->ws);
	json_decref(take_object);
	free(text);
	buf_free(&out);
	return r;
}

static void
refuse(struct line *l, const char *reason, const char *fmt, ...)
{
	char message[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	log_write(LOG_NODE, LOG_LEVEL_INFO, "node %s at %s is refused: %s", l->peer->name, ws_peer_address(l->ws), message);
	send_record(l, RECORD_REFUSE, json_pack("{s:s, s:s}", "reason", reason, "message", message));
	say_goodbye(l, WS_CODE_POLICY, "refused");
}

/* It is up from here on. */
static void
take_up(struct line *l)
{
	struct peer *p = l->peer;

	TAILQ_REMOVE(&p->peers->greeting, l, greeting_entry);
	if (p->coming == l)
		p->coming = NULL;
	if (p->rival == l)
		p->rival = NULL;
	peer_up(p, l);
}

static void
accept_line(struct line *l)
{
	peer_drop_dial(l->peer);
	if (send_record(l, RECORD_OK, NULL) == 0)
		take_up(l);
	else
		say_goodbye(l, WS_CODE_INTERNAL, "no memory");
}

/* --- the acceptor's side --- */

static bool
may_tell(struct peer *p)
{
	int64_t now_ms = clock_mono_ms();

	if (p->told_ms != 0 && now_ms - p->told_ms < ALARM_MS)
		return false;
	p->told_ms = now_ms;
	return true;
}

static void
refuse_second(struct line *l)
{
	if (may_tell(l->peer))
		alarm_raise("a second node of the name %s, at %s, is refused: the first one, at %s, is alive", l->peer->name,
			    ws_peer_address(l->ws), l->peer->address);
	refuse(l, REASON_SECOND, "a second node of the name %s: the first one is alive", l->peer->name);
}

/* The old link gives way to the new one. */
static void
replace(struct line *l, const char *why)
{
	struct line *old = l->peer->line;

	peer_down(l->peer, why);
	line_drop(old);
	accept_line(l);
}

/* Of two processes of one name the older one stays, if there is one. */
static void
compare(struct line *l)
{
	struct peer *p = l->peer;

	if (p->rival != NULL) {
		refuse_second(l);
		return;
	}
	p->rival = l;
	l->state = LINE_COMPARED;
	timer_at(l->timer, clock_mono_ms() + COMPARE_MS);
	ws_ping(p->line->ws);
}

static void
judge(struct line *l)
{
	struct peer *p = l->peer;
	const char *own = l->node->name;

	if (strcmp(p->name, own) == 0) {
		if (may_tell(p))
			alarm_raise("a second node of the name %s, which is this one's, is at %s: it is refused", own, ws_peer_address(l->ws));
		refuse(l, REASON_SECOND, "the node that was dialled is called %s, too", own);
	} else if (p->line != NULL && strcmp(p->line->instance, l->instance) == 0) {
		replace(l, "it has dialled anew");
	} else if (p->line != NULL) {
		compare(l);
	} else if (p->coming != NULL && strcmp(own, p->name) < 0) {
		refuse(l, REASON_DIALLING, "node %s is dialling itself", own);
	} else {
		accept_line(l);
	}
}

static void
take_hello(struct line *l, const struct record *r)
{
	json_t *hello = r->type == RECORD_HELLO ? json_read(r->payload, r->len, NULL, NULL) : NULL;
	const char *instance = json_string_value(json_object_get(hello, "instance"));
	json_int_t version = json_integer_value(json_object_get(hello, "version"));

	if (instance == NULL || strlen(instance) != sizeof(l->instance) - 1) {
		say_goodbye(l, WS_CODE_PROTOCOL, "a hello was expected");
	} else if (version != RECORD_VERSION) {
		refuse(l, "version", "version %lld of the protocol, and not %d", (long long)version, RECORD_VERSION);
	} else {
		strcpy(l->instance, instance);
		judge(l);
	}
	json_decref(hello);
}

/* --- the dialler's side --- */

static void
take_refusal(struct line *l, const struct record *r)
{
	json_t *refusal = json_read(r->payload, r->len, NULL, NULL);
	const char *reason = json_string_value(json_object_get(refusal, "reason"));
	const char *message = json_string_value(json_object_get(refusal, "message"));
	struct peer *p = l->peer;

	say_goodbye(l, WS_CODE_NORMAL, "");
	if (reason != NULL && strcmp(reason, REASON_DIALLING) == 0)
		peer_wait_for_it(p);
	else
		peer_dial_failed(p, PEER_REFUSED, message ? message : "it refuses");
	json_decref(refusal);
}

static void
take_answer(struct line *l, const struct record *r)
{
	struct peer *p = l->peer;

	if (r->type == RECORD_OK) {
		take_up(l);
	} else if (r->type == RECORD_REFUSE) {
		take_refusal(l, r);
	} else {
		say_goodbye(l, WS_CODE_PROTOCOL, "an answer to hello was expected");
		peer_dial_failed(p, PEER_DOWN, "it does not answer as a node does");
	}
}

/* --- what comes --- */

/* The first record of a message, while the line is not up; bytes taken. */
static size_t
greet(struct line *l, const char *data, size_t len)
{
	struct record r;
	struct err err = { 0 };
	ssize_t n = record_read(data, len < GREETING_MAX ? len : GREETING_MAX, &r, &err);

	if (n <= 0 || (l->state == LINE_CAME && (size_t)n != len) || l->state == LINE_COMPARED) {
		if (l->state == LINE_ASKED)
			peer_dial_failed(l->peer, PEER_DOWN, "it does not answer as a node does");
		say_goodbye(l, WS_CODE_PROTOCOL, "no greeting");
	} else if (l->state == LINE_CAME) {
		take_hello(l, &r);
	} else {
		take_answer(l, &r);
	}
	return n > 0 ? (size_t)n : len;
}

static void
binary(void *arg, struct ws *w, const char *data, size_t len)
{
	struct line *l = arg;
	struct err err = { 0 };
	size_t n = 0;

	(void)w;
	if (l->state == LINE_ENDING)
		return;
	if (l->state != LINE_UP)
		n = greet(l, data, len);
	if (l->state != LINE_UP || n == len)
		return;
	if (line_take(l, data + n, len - n, &err) < 0) {
		log_write(LOG_NODE, LOG_LEVEL_WARNING, "node %s has sent %s", line_peer(l), err.msg);
		ws_close(l->ws, WS_CODE_PROTOCOL, err.msg);
	} else {
		lines_answer(l->node->lines, l);	/* it is sent after this */
	}
}

static void
answered(void *arg, struct ws *w, int64_t round_trip_us)
{
	struct line *l = arg;
	struct peer *p = l->peer;

	(void)w;
	if (p->line != l)
		return;
	p->round_trip_us = round_trip_us;
	if (p->rival != NULL)
		refuse_second(p->rival);
}

static void
closed(void *arg, struct ws *w, const char *why)
{
	struct line *l = arg;
	struct peer *p = l->peer;
	enum line_state state = l->state;
	bool was_refused = ws_was_refused(w);
	struct line *rival = p->rival;

	if (state == LINE_UP)
		peer_down(p, why);
	line_free(l, why);
	if (state == LINE_DIALLED || state == LINE_ASKED)
		peer_dial_failed(p, was_refused ? PEER_REFUSED : PEER_DOWN, why);
	if (state == LINE_UP && rival != NULL)
		accept_line(rival);
}

static void
greeting_due(void *arg)
{
	struct line *l = arg;
	struct peer *p = l->peer;

	switch (l->state) {
	case LINE_COMPARED:
		replace(l, "it does not answer, and another process of that name has come");
		break;
	case LINE_ASKED:
		say_goodbye(l, WS_CODE_POLICY, "no answer to hello");
		peer_dial_failed(p, PEER_DOWN, "it has not answered the greeting");
		break;
	case LINE_CAME:
		say_goodbye(l, WS_CODE_POLICY, "no hello");
		break;
	default:
		break;
	}
}

/* --- opening --- */

static void *
opened_dial(void *arg, struct ws *w)
{
	struct line *l = arg;

	l->state = LINE_ASKED;
	timer_at(l->timer, clock_mono_ms() + GREETING_MS);
	if (send_record(l, RECORD_HELLO, json_pack("{s:i, s:s}", "version", RECORD_VERSION, "instance", l->node->instance)) < 0)
		ws_close(w, WS_CODE_INTERNAL, "no memory");
	return l;
}

struct line *
line_dial(struct node *n, struct peer *p, const struct ws_settings *s, struct err *err)
{
	static const struct ws_handler handler = { .opened = opened_dial, .binary = binary, .answered = answered, .closed = closed };
	struct line *l = line_new(n, p, LINE_DIALLED);

	if (l == NULL) {
		err_set(err, ENOMEM, "dial");
		return NULL;
	}
	l->ws = ws_connect(n->loop, s, &handler, l, err);
	if (l->ws != NULL)
		return l;
	line_free(l, err->msg);
	return NULL;
}

static void *
opened_came(void *arg, struct ws *w)
{
	struct peers *ps = arg;
	struct peer *p = node_name_is_valid(ws_peer_node(w)) ? peers_get(ps, ws_peer_node(w)) : NULL;
	struct line *l = p ? line_new(ps->node, p, LINE_CAME) : NULL;

	if (l == NULL) {
		ws_close(w, WS_CODE_POLICY, p ? "no memory" : "no name of a node");
		return NULL;
	}
	l->ws = w;
	timer_at(l->timer, clock_mono_ms() + GREETING_MS);
	return l;
}

/* One that found no memory is being closed: there is no line. */
static void
came_binary(void *arg, struct ws *w, const char *data, size_t len)
{
	if (arg != NULL)
		binary(arg, w, data, len);
}

static void
came_closed(void *arg, struct ws *w, const char *why)
{
	if (arg != NULL)
		closed(arg, w, why);
}

static void
came_answered(void *arg, struct ws *w, int64_t round_trip_us)
{
	if (arg != NULL)
		answered(arg, w, round_trip_us);
}

/* Those who do not know the cookie, and there may be many of them. */
static void
refused(void *arg, const char *address, const char *why, bool at_fault)
{
	struct peers *ps = arg;
	int64_t now_ms = clock_mono_ms();

	log_write(LOG_NODE, at_fault ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "turned away %s: %s", address, why);
	if (!at_fault)
		return;
	ps->refused++;
	if (ps->refused_ms != 0 && now_ms - ps->refused_ms < ALARM_MS)
		return;
	if (ps->refused > 1)
		alarm_raise("turned away %s, and %u before it, that are no nodes with our cookie: %s", address, ps->refused - 1, why);
	else
		alarm_raise("turned away %s, which is no node with our cookie: %s", address, why);
	ps->refused_ms = now_ms;
	ps->refused = 0;
}

struct ws_listener *
greeting_listen(struct peers *ps, struct err *err)
{
	static const struct ws_handler handler = {
		.opened = opened_came, .binary = came_binary, .answered = came_answered, .closed = came_closed, .refused = refused,
	};

	return ws_listen(ps->node->loop, &ps->settings, &handler, ps, err);
}
