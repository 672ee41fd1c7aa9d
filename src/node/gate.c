/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/gate.h"

#include "conf/json.h"
#include "node/conn.h"
#include "node/way.h"
#include "wire/varlink.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REFUSAL_ROOM = 512 };		/* more than a refusal is long */

struct gate {
	struct way way;
	struct channel *channel;
	struct conn *conn;
	gate_judge *judge;
	char *caller;			/* NULL: a node itself */
	struct varlink_reader calls;
	bool pending;			/* a call is being answered */
	bool calls_ended;		/* no more come */
	struct buf tail;		/* of the message that is being answered: its last bytes */
	size_t untold;			/* bytes of the channel that wait in the connection's buffer */
};

static void
gate_free(struct gate *g)
{
	way_leave(&g->way);
	conn_free(g->conn);
	varlink_fini(&g->calls);
	free(g->caller);
	buf_free(&g->tail);
	free(g);
}

static void
gate_end(struct gate *g, json_t *take_how)
{
	channel_close(g->channel, take_how);
	gate_free(g);
}

/* --- calls ------------------------------------------------------------------- */

static void
answer(struct gate *g, json_t *take_reply)
{
	char *text = json_dumps(take_reply, JSON_COMPACT);
	size_t len = text ? strlen(text) + 1 : 0;

	json_decref(take_reply);
	if (text != NULL && len <= REFUSAL_ROOM)
		channel_write(g->channel, 0, text, len);
	free(text);
}

/* false: the gate is gone. */
static bool
pass_on(struct gate *g, const json_t *call)
{
	char *text = json_dumps(call, JSON_COMPACT);

	if (text == NULL) {
		gate_end(g, channel_error("failed", "no memory"));
		return false;
	}
	g->pending = !json_is_true(json_object_get(call, "oneway"));
	conn_write(g->conn, text, strlen(text) + 1);
	free(text);
	return true;
}

/* false: the gate is gone. */
static bool
take_call(struct gate *g, const struct varlink_message *m)
{
	json_t *call = json_read(m->text, m->len, NULL, NULL), *refusal;
	bool there = true;

	if (!json_is_object(call)) {
		json_decref(call);
		gate_end(g, channel_error("invalid", "a call that is no JSON object, or has a member twice"));
		return false;
	}
	refusal = g->judge(g->channel, g->caller, call);
	if (refusal == NULL)
		there = pass_on(g, call);
	else if (!json_is_true(json_object_get(call, "oneway")))
		answer(g, json_incref(refusal));
	json_decref(refusal);
	json_decref(call);
	return there;
}

/* Bytes that are done with: what waits for its turn, here or on the way to appctld, holds the peer up. */
static void
tell_used(struct gate *g)
{
	size_t waits = varlink_pending(&g->calls) + conn_queued(g->conn);

	if (g->untold <= waits)
		return;
	channel_took(g->channel, 0, g->untold - waits);
	g->untold = waits;
}

static void
take_calls(struct gate *g)
{
	struct varlink_message m;
	int r = 1;

	while (!g->pending && channel_room(g->channel, 0) >= REFUSAL_ROOM && (r = varlink_next(&g->calls, &m)) > 0)
		if (!take_call(g, &m))
			return;
	if (r < 0 || (r == 0 && !g->pending && varlink_pending(&g->calls) == CHANNEL_WINDOW)) {
		gate_end(g, channel_error("invalid", "a call of %d bytes or more", CHANNEL_WINDOW));
		return;
	}
	tell_used(g);
	if (g->calls_ended && varlink_pending(&g->calls) == 0)
		conn_finish(g->conn);
	else if (g->calls_ended && r == 0 && !g->pending)
		gate_end(g, channel_error("invalid", "a call without its end"));
}

static void
channel_data(void *arg, struct channel *c, unsigned stream, const char *data, size_t len)
{
	struct gate *g = arg;

	if (stream != 0) {
		channel_took(c, stream, len);
		return;
	}
	g->untold += len;
	if (varlink_put(&g->calls, data, len) < 0)
		gate_end(g, channel_error("failed", "no memory"));
	else
		take_calls(g);
}

static void
channel_ended(void *arg, struct channel *c, unsigned stream)
{
	struct gate *g = arg;

	(void)c;
	if (stream != 0)
		return;
	g->calls_ended = true;
	take_calls(g);
}

static void
let_read(struct gate *g)
{
	conn_read(g->conn, channel_room(g->channel, 0));
}

static void
channel_has_room(void *arg, struct channel *c, unsigned stream)
{
	struct gate *g = arg;

	(void)c;
	if (stream != 0)
		return;
	let_read(g);
	take_calls(g);
}

static void
channel_closed(void *arg, struct channel *c, const json_t *how)
{
	(void)c;
	(void)how;
	gate_free(arg);
}

static const struct channel_handler gate_handler = {
	.data = channel_data, .ended = channel_ended, .room = channel_has_room, .closed = channel_closed,
};

/* --- answers ------------------------------------------------------------------ */

static const char continues[] = ",\"continues\":true}";

/* Reads along where messages end, and whether another one follows to the same call. */
static void
note_answer(struct gate *g, const char *data, size_t len)
{
	const char *end;
	size_t part;

	for (; len > 0; data += part, len -= part) {
		end = memchr(data, '\0', len);
		part = end ? (size_t)(end - data) + 1 : len;
		buf_add(&g->tail, data, part - (end != NULL));
		if (g->tail.len > sizeof(continues))
			buf_consume(&g->tail, g->tail.len - (sizeof(continues) - 1));
		if (end == NULL)
			continue;
		if (g->tail.len < sizeof(continues) - 1 || memcmp(g->tail.data, continues, sizeof(continues) - 1) != 0)
			g->pending = false;
		buf_clear(&g->tail);
	}
}

static void
conn_data(void *arg, struct conn *conn, const char *data, size_t len)
{
	struct gate *g = arg;

	(void)conn;
	channel_write(g->channel, 0, data, len);
	note_answer(g, data, len);
	let_read(g);
	take_calls(g);
}

static void
conn_ended(void *arg, struct conn *conn)
{
	struct gate *g = arg;

	(void)conn;
	gate_end(g, g->pending ? channel_error("outcome_unknown", "the service closed the connection there before it answered") : NULL);
}

static void
conn_drained(void *arg, struct conn *conn)
{
	(void)conn;
	tell_used(arg);
}

static void
conn_broken(void *arg, struct conn *conn, const char *why)
{
	(void)conn;
	gate_end(arg, channel_error("outcome_unknown", "the connection there broke: %s", why));
}

static const struct conn_handler conn_handler = { conn_data, conn_ended, conn_drained, conn_broken };

/* --- opening ------------------------------------------------------------------- */

static struct gate *
gate_new(struct channel *c, const json_t *args, gate_judge *judge)
{
	const char *caller = json_string_value(json_object_get(args, "caller"));
	struct gate *g = calloc(1, sizeof(*g));

	if (g == NULL || (caller != NULL && (g->caller = strdup(caller)) == NULL)) {
		free(g);
		return NULL;
	}
	g->channel = c;
	g->judge = judge;
	return g;
}

void
gate_open(struct node *n, struct channel *c, const json_t *args, const char *path, gate_judge *judge)
{
	struct gate *g;

	if (!way_is_free(n, c, path))
		return;
	g = gate_new(c, args, judge);
	if (g == NULL) {
		channel_refuse(c, "failed", "no memory");
		return;
	}
	g->conn = gate_connect(n, c, path, &conn_handler, g);
	if (g->conn == NULL) {
		gate_free(g);
		return;
	}
	way_take(n, &g->way, c, path);
	channel_accept(c, NULL, &gate_handler, g);
	let_read(g);
}

struct conn *
gate_connect(struct node *n, struct channel *c, const char *path, const struct conn_handler *h, void *arg)
{
	char whole[PATH_MAX];
	struct conn *conn = NULL;
	struct err err = { 0 };

	if ((size_t)snprintf(whole, sizeof(whole), "%s/%s", n->runtime_dir, path) < sizeof(whole))
		conn = conn_to(n->loop, whole, h, arg, &err);
	if (conn == NULL)
		channel_refuse(c, "unreachable", "nobody answers there: %s", err.msg);
	return conn;
}
