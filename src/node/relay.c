/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/relay.h"

#include "node/way.h"

#include <stdlib.h>

struct relay {
	struct way way;
	bool (*may)(const struct channel *c);	/* NULL: as long as it likes */
	struct conn *conn;
	struct channel *channel;
	size_t untold;			/* bytes of the channel that wait in the connection's buffer */
	bool conn_ended, channel_ended;
};

static void
relay_free(struct relay *r)
{
	way_leave(&r->way);
	conn_free(r->conn);
	free(r);
}

static void
both_ended(struct relay *r)
{
	if (!r->conn_ended || !r->channel_ended || conn_queued(r->conn) > 0)
		return;
	channel_close(r->channel, NULL);
	relay_free(r);
}

static void
let_read(struct relay *r)
{
	conn_read(r->conn, r->conn_ended ? 0 : channel_room(r->channel, 0));
}

/* --- from the connection --- */

static void
conn_data(void *arg, struct conn *conn, const char *data, size_t len)
{
	struct relay *r = arg;

	(void)conn;
	if (r->may != NULL && !r->may(r->channel)) {
		channel_close(r->channel, channel_error("not_permitted", "it is not allowed any more"));
		relay_free(r);
		return;
	}
	channel_write(r->channel, 0, data, len);
	let_read(r);
}

static void
conn_ended(void *arg, struct conn *conn)
{
	struct relay *r = arg;

	(void)conn;
	r->conn_ended = true;
	channel_finish(r->channel, 0);
	both_ended(r);
}

static void
conn_drained(void *arg, struct conn *conn)
{
	struct relay *r = arg;

	(void)conn;
	channel_took(r->channel, 0, r->untold);
	r->untold = 0;
	both_ended(r);
}

static void
conn_broken(void *arg, struct conn *conn, const char *why)
{
	struct relay *r = arg;

	(void)conn;
	(void)why;
	channel_close(r->channel, NULL);
	relay_free(r);
}

static const struct conn_handler conn_handler = { conn_data, conn_ended, conn_drained, conn_broken };

/* --- from the channel --- */

static void
channel_data(void *arg, struct channel *c, unsigned stream, const char *data, size_t len)
{
	struct relay *r = arg;

	if (stream == 0)
		conn_write(r->conn, data, len);
	if (stream != 0 || conn_queued(r->conn) == 0)
		channel_took(c, stream, len);
	else
		r->untold += len;
}

static void
channel_stream_ended(void *arg, struct channel *c, unsigned stream)
{
	struct relay *r = arg;

	(void)c;
	if (stream != 0)
		return;
	r->channel_ended = true;
	conn_finish(r->conn);
	both_ended(r);
}

static void
channel_has_room(void *arg, struct channel *c, unsigned stream)
{
	(void)c;
	if (stream == 0)
		let_read(arg);
}

static void
channel_closed(void *arg, struct channel *c, const json_t *how)
{
	struct relay *r = arg;

	(void)c;
	(void)how;
	way_leave(&r->way);
	conn_leave(r->conn);
	free(r);
}

const struct channel_handler relay_channel_handler = {
	.data = channel_data, .ended = channel_stream_ended, .room = channel_has_room, .closed = channel_closed,
};

struct relay *
relay_new(struct conn *take_conn)
{
	struct relay *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		conn_free(take_conn);
		return NULL;
	}
	r->conn = take_conn;
	conn_read(take_conn, 0);
	return r;
}

void
relay_watch(struct relay *r, struct node *n, const struct channel *c, const char *to, bool (*may)(const struct channel *c))
{
	r->may = may;
	way_take(n, &r->way, c, to);
}

void
relay_start(struct relay *r, struct channel *c)
{
	r->channel = c;
	conn_set_handler(r->conn, &conn_handler, r);
	let_read(r);
}
