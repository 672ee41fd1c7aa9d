/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/lines.h"

#include <stdlib.h>
#include <string.h>

enum { OUT_KEEP = 64 * 1024 };	/* memory that a line with little to say keeps */

void
line_init(struct line *l, struct node *n, bool odd, struct line *twin)
{
	*l = (struct line){ .node = n, .odd = odd, .twin = twin, .next_id = odd ? 1 : 2 };
	TAILQ_INIT(&l->channels);
}

void
line_fini(struct line *l, const char *why)
{
	struct channel *c;

	while ((c = TAILQ_FIRST(&l->channels)) != NULL)
		channel_lost(c, "outcome_unknown", why);
	if (l->dirty)
		TAILQ_REMOVE(&l->node->lines->dirty, l, dirty_entry);
	l->dirty = false;
	timer_free(l->timer);
	u64map_free(&l->by_id);
	buf_free(&l->out);
}

static void
mark_dirty(struct line *l)
{
	if (l->dirty)
		return;
	l->dirty = true;
	TAILQ_INSERT_TAIL(&l->node->lines->dirty, l, dirty_entry);
	lines_soon(l->node->lines);
}

/* Room for a record in the message that is being gathered. */
static void
make_room(struct line *l, size_t len)
{
	if (l->ws != NULL && l->out.len + RECORD_HEAD + len > RECORD_MESSAGE_MAX)
		line_flush(l);
	mark_dirty(l);
}

void
line_put(struct line *l, enum record_type type, unsigned stream, uint32_t channel, const void *payload, size_t len)
{
	make_room(l, len);
	record_write(&l->out, type, stream, channel, payload, len);
}

void
line_put_credit(struct line *l, unsigned stream, uint32_t channel, uint32_t bytes)
{
	make_room(l, 4);
	record_write_credit(&l->out, stream, channel, bytes);
}

void
line_put_json(struct line *l, enum record_type type, uint32_t channel, const json_t *payload)
{
	char *text = json_dumps(payload, JSON_COMPACT);

	if (text != NULL)
		line_put(l, type, 0, channel, text, strlen(text));
	else
		l->out.failed = true;
	free(text);
}

int
line_take(struct line *l, const char *data, size_t len, struct err *err)
{
	struct record r;
	ssize_t n;

	for (; len > 0; data += n, len -= (size_t)n) {
		n = record_read(data, len, &r, err);
		if (n == 0)
			return err_set(err, 0, "a message that ends within a record");
		if (n < 0 || channel_record(l, &r, err) < 0)
			return -1;
	}
	return 0;
}

/* To oneself: what one end has queued the other takes. */
static void
pass_over(struct line *l)
{
	struct buf out = l->out;
	struct line *twin = l->twin;
	struct err err = { 0 };
	int r;

	l->out = (struct buf){ 0 };
	r = out.failed ? err_set(&err, 0, "no memory") : line_take(twin, out.data, out.len, &err);
	buf_free(&out);
	if (r == 0)
		return;
	line_fini(l, err.msg);
	line_fini(twin, err.msg);
	line_init(l, l->node, l->odd, twin);
	line_init(twin, l->node, !l->odd, l);
}

static void
send_message(struct line *l)
{
	if (l->out.failed || (l->out.len > 0 && ws_send_binary(l->ws, l->out.data, l->out.len) < 0))
		ws_close(l->ws, WS_CODE_INTERNAL, "no memory");
	if (l->out.cap > OUT_KEEP && l->out.len < OUT_KEEP)
		buf_free(&l->out);
	else
		buf_clear(&l->out);
}

void
line_flush(struct line *l)
{
	if (l->out.len == 0 && !l->out.failed)
		return;
	if (l->twin != NULL)
		pass_over(l);
	else
		send_message(l);
}
