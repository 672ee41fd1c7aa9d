/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/buf.h"
#include "node/service.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/*
 * An appctl-node with services for tests:
 *	echo	gives back what comes on each stream, and what is told
 *	sink	takes all of stream 0; closes with {"bytes":…} at its end
 *	source	writes args.bytes on stream 0 and ends it
 *	mute	neither accepts nor refuses
 *	claim	opens echo at the node that has opened it, in the name of args.as, and is accepted or refused as that is
 */
struct test_channel {
	struct buf pending[CHANNEL_STREAMS];	/* of echo: no room yet */
	bool ended[CHANNEL_STREAMS];
	json_int_t bytes;			/* of sink: taken; of source: left */
};

static void
closed(void *arg, struct channel *c, const json_t *how)
{
	struct test_channel *t = arg;
	int i;

	(void)c;
	(void)how;
	for (i = 0; i < CHANNEL_STREAMS; i++)
		buf_free(&t->pending[i]);
	free(t);
}

/* --- echo --- */

static void
echo_some(struct test_channel *t, struct channel *c, unsigned stream)
{
	struct buf *b = &t->pending[stream];
	size_t n = channel_room(c, stream);

	if (n > b->len)
		n = b->len;
	channel_write(c, stream, b->data, n);
	channel_took(c, stream, n);
	buf_consume(b, n);
	if (b->len == 0 && t->ended[stream])
		channel_finish(c, stream);
}

static void
echo_data(void *arg, struct channel *c, unsigned stream, const char *data, size_t len)
{
	struct test_channel *t = arg;

	buf_add(&t->pending[stream], data, len);
	echo_some(t, c, stream);
}

static void
echo_room(void *arg, struct channel *c, unsigned stream)
{
	echo_some(arg, c, stream);
}

static void
echo_ended(void *arg, struct channel *c, unsigned stream)
{
	struct test_channel *t = arg;

	t->ended[stream] = true;
	echo_some(t, c, stream);
}

static void
echo_told(void *arg, struct channel *c, const json_t *message)
{
	(void)arg;
	channel_tell(c, json_deep_copy(message));
}

static const struct channel_handler echo_handler = {
	.data = echo_data, .ended = echo_ended, .told = echo_told, .room = echo_room, .closed = closed,
};

static void
echo_opened(struct node *n, struct channel *c, const json_t *args)
{
	const json_t *caller = json_object_get(args, "caller");

	(void)n;
	channel_accept(c, json_pack("{s:s, s:s}", "peer", channel_peer(c), "caller", json_is_string(caller) ? json_string_value(caller) : ""),
		       &echo_handler, calloc(1, sizeof(struct test_channel)));
}

/* --- sink --- */

static void
sink_data(void *arg, struct channel *c, unsigned stream, const char *data, size_t len)
{
	struct test_channel *t = arg;

	(void)data;
	t->bytes += (json_int_t)len;
	channel_took(c, stream, len);
}

static void
sink_ended(void *arg, struct channel *c, unsigned stream)
{
	struct test_channel *t = arg;

	(void)stream;
	channel_close(c, json_pack("{s:I}", "bytes", t->bytes));
	free(t);
}

static const struct channel_handler sink_handler = { .data = sink_data, .ended = sink_ended, .closed = closed };

static void
sink_opened(struct node *n, struct channel *c, const json_t *args)
{
	(void)n;
	(void)args;
	channel_accept(c, NULL, &sink_handler, calloc(1, sizeof(struct test_channel)));
}

/* --- source --- */

static void
source_room(void *arg, struct channel *c, unsigned stream)
{
	static const char zeros[CHANNEL_WINDOW];
	struct test_channel *t = arg;
	size_t n = channel_room(c, stream);

	if (stream != 0)
		return;
	if ((json_int_t)n > t->bytes)
		n = (size_t)t->bytes;
	channel_write(c, 0, zeros, n);
	t->bytes -= (json_int_t)n;
	if (t->bytes == 0)
		channel_finish(c, 0);
}

static const struct channel_handler source_handler = { .room = source_room, .closed = closed };

static void
source_opened(struct node *n, struct channel *c, const json_t *args)
{
	struct test_channel *t = calloc(1, sizeof(*t));

	(void)n;
	t->bytes = json_integer_value(json_object_get(args, "bytes"));
	channel_accept(c, NULL, &source_handler, t);
	source_room(t, c, 0);
}

static void
mute_opened(struct node *n, struct channel *c, const json_t *args)
{
	(void)n;
	(void)c;
	(void)args;
}

/* --- claim --- */

static void
claim_ended(void *arg, struct channel *c, const json_t *how)
{
	(void)arg;
	(void)c;
	(void)how;
}

static void
claim_taken(void *arg, struct channel *back, const json_t *reply)
{
	static const struct channel_handler handler = { .closed = claim_ended };

	channel_accept(arg, json_incref((json_t *)(uintptr_t)reply), &handler, NULL);
	channel_close(back, NULL);
}

static void
claim_refused(void *arg, struct channel *back, const json_t *how)
{
	(void)back;
	channel_refuse(arg, json_string_value(json_object_get(how, "error")), "%s", json_string_value(json_object_get(how, "message")));
}

static void
claim_opened(struct node *n, struct channel *c, const json_t *args)
{
	static const struct channel_handler handler = { .accepted = claim_taken, .closed = claim_refused };

	channel_open(n, channel_peer(c), "echo", json_pack("{s:O}", "caller", json_object_get(args, "as")), &handler, c);
}

const struct service services[] = {
	{ .name = "echo", .opened = echo_opened },
	{ .name = "sink", .opened = sink_opened },
	{ .name = "source", .opened = source_opened },
	{ .name = "mute", .opened = mute_opened },
	{ .name = "claim", .opened = claim_opened },
	{ .name = NULL },
};
