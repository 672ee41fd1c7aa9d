/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/lines.h"

#include "conf/json.h"
#include "node/service.h"
#include "wire/mail_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CREDIT_MIN = CHANNEL_WINDOW / 4,	/* used-up bytes are told from here on */
	PIECE_MAX = 64 * 1024,		/* of one record */
};

_Static_assert((int)CHANNEL_STREAMS == (int)RECORD_STREAMS, "streams");
_Static_assert((int)CHANNEL_TELL_MAX == (int)RECORD_PAYLOAD_MAX, "objects");

/* --- making and ending --- */

void
channel_move(struct channel *c, struct channel_list *to)
{
	if (c->list != NULL)
		TAILQ_REMOVE(c->list, c, entry);
	c->list = to;
	if (to != NULL)
		TAILQ_INSERT_TAIL(to, c, entry);
}

static struct channel *
channel_new(struct node *n, const char *peer)
{
	struct channel *c = calloc(1, sizeof(*c));
	int i;

	if (c == NULL)
		return NULL;
	c->node = n;
	snprintf(c->peer, sizeof(c->peer), "%s", peer);
	for (i = 0; i < CHANNEL_STREAMS; i++)
		c->streams[i].room = c->streams[i].window = CHANNEL_WINDOW;
	return c;
}

static void
leave_line(struct channel *c)
{
	if (c->line == NULL)
		return;
	u64map_del(&c->line->by_id, c->id);
	c->line->offered -= !c->opener;
	c->line = NULL;
}

void
channel_free(struct channel *c)
{
	leave_line(c);
	channel_move(c, NULL);
	json_decref(c->open);
	json_decref(c->how);
	free(c);
}

json_t *
channel_error(const char *code, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return json_pack("{s:s, s:s#}", "error", code, "message", text, (int)strlen(text));
}

/* Whoever has it is told from the loop. */
static void
gone(struct channel *c, json_t *take_how)
{
	leave_line(c);
	json_decref(c->how);
	c->how = take_how;
	c->state = CHANNEL_GONE;
	channel_move(c, &c->node->lines->gone);
	lines_soon(c->node->lines);
}

void
channel_lost(struct channel *c, const char *code, const char *why)
{
	gone(c, channel_error(code, "%s", why));
}

static void
tell_gone(struct channel *c)
{
	const struct channel_handler *h = c->handler;
	json_t *how = c->how ? c->how : json_object();
	void *arg = c->arg;

	c->how = NULL;
	h->closed(arg, c, how);		/* c is its user's no more */
	json_decref(how);
	channel_free(c);
}

void
channels_tell_gone(struct node *n)
{
	struct channel *c;
	bool any;

	do {
		any = false;
		TAILQ_FOREACH(c, &n->lines->gone, entry)
			if (c->handler != NULL) {
				tell_gone(c);
				any = true;
				break;
			}
	} while (any);
}

/* --- opening --- */

struct channel *
channel_open(struct node *n, const char *node, const char *service, json_t *take_args, const struct channel_handler *h, void *arg)
{
	struct channel *c = channel_new(n, node);

	if (c != NULL)
		c->open = json_pack("{s:s, s:o}", "service", service, "args", take_args ? take_args : json_object());
	else
		json_decref(take_args);
	if (c == NULL || c->open == NULL) {
		free(c);
		return NULL;
	}
	c->opener = true;
	c->handler = h;
	c->arg = arg;
	lines_find_way(n->lines, c);
	return c;
}

/* They come round again after 2^31 of them; 0 is no channel. */
static uint32_t
new_id(struct line *l)
{
	uint32_t id;

	do {
		id = l->next_id;
		l->next_id += 2;
	} while (id == 0 || u64map_get(&l->by_id, id) != NULL);
	return id;
}

void
channel_ask(struct channel *c, struct line *l)
{
	uint32_t id = new_id(l);
	char *text = json_dumps(c->open, JSON_COMPACT);

	if (text == NULL || strlen(text) > RECORD_PAYLOAD_MAX || u64map_put(&l->by_id, id, c) < 0) {
		gone(c, channel_error(text ? "invalid" : "failed", text ? "the request is too long" : "no memory"));
		free(text);
		return;
	}
	c->line = l;
	c->id = id;
	c->state = CHANNEL_ASKED;
	json_decref(c->open);
	c->open = NULL;
	channel_move(c, &l->channels);
	line_put(l, RECORD_OPEN, 0, id, text, strlen(text));
	free(text);
}

void
channel_accept(struct channel *c, json_t *take_reply, const struct channel_handler *h, void *arg)
{
	json_t *reply = take_reply ? take_reply : json_object();

	c->handler = h;
	c->arg = arg;
	if (c->state == CHANNEL_GONE) {
		lines_soon(c->node->lines);
	} else {
		c->state = CHANNEL_OPEN;
		line_put_json(c->line, RECORD_ACCEPT, c->id, reply);
	}
	json_decref(reply);
}

void
channel_refuse(struct channel *c, const char *code, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	channel_close(c, channel_error(code, "%s", text));
}

void
channel_close(struct channel *c, json_t *take_how)
{
	json_t *how = take_how ? take_how : json_object();

	if (c->line != NULL)
		line_put_json(c->line, RECORD_CLOSE, c->id, how);
	json_decref(how);
	channel_free(c);
}

void
channel_set_handler(struct channel *c, const struct channel_handler *h, void *arg)
{
	c->handler = h;
	c->arg = arg;
}

/* --- what an end says --- */

size_t
channel_room(const struct channel *c, unsigned stream)
{
	const struct channel_stream *s = &c->streams[stream];

	return c->state == CHANNEL_OPEN && !s->finished ? s->room : 0;
}

void
channel_write(struct channel *c, unsigned stream, const void *data, size_t len)
{
	const char *p = data;
	size_t piece;

	if (len > channel_room(c, stream))
		abort();
	c->streams[stream].room -= (uint32_t)len;
	for (; len > 0; p += piece, len -= piece) {
		piece = len < PIECE_MAX ? len : PIECE_MAX;
		line_put(c->line, RECORD_DATA, stream, c->id, p, piece);
	}
}

void
channel_finish(struct channel *c, unsigned stream)
{
	if (c->state != CHANNEL_OPEN || c->streams[stream].finished)
		return;
	c->streams[stream].finished = true;
	line_put(c->line, RECORD_END, stream, c->id, NULL, 0);
}

void
channel_tell(struct channel *c, json_t *take)
{
	if (c->state == CHANNEL_OPEN)
		line_put_json(c->line, RECORD_TELL, c->id, take);
	json_decref(take);
}

void
channel_took(struct channel *c, unsigned stream, size_t len)
{
	struct channel_stream *s = &c->streams[stream];

	s->owed += (uint32_t)len;
	if (c->state != CHANNEL_OPEN || s->ended || s->owed < CREDIT_MIN)
		return;
	line_put_credit(c->line, stream, c->id, s->owed);
	s->window += s->owed;
	s->owed = 0;
}

const char *
channel_peer(const struct channel *c)
{
	return c->peer;
}

bool
channel_is_local(const struct channel *c)
{
	return strcmp(c->peer, c->node->name) == 0;
}

const struct allow *
channel_allow(const struct channel *c)
{
	const struct peer_settings *p = node_settings_peer(c->node->settings, c->peer);

	return p ? &p->allow : &c->node->settings->allow;
}

/* --- what the other end says --- */

static json_t *
read_object(const struct record *r, struct err *err)
{
	json_t *object = json_read(r->payload, r->len, NULL, NULL);

	if (json_is_object(object))
		return object;
	json_decref(object);
	err_set(err, 0, "a record of type %d that is no JSON object", r->type);
	return NULL;
}

static const struct service *
find_service(const char *name)
{
	const struct service *s;

	for (s = services; s->name != NULL; s++)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

/* Nobody speaks for another node's programs. */
static bool
caller_is_good(const struct channel *c, const json_t *args)
{
	const json_t *caller = json_object_get(args, "caller");
	const char *text = json_string_value(caller);
	size_t len = strlen(c->peer);

	if (caller == NULL)
		return true;
	return text != NULL && strncmp(text, c->peer, len) == 0 && text[len] == '/' && mail_name_ok(text + len + 1, strlen(text + len + 1));
}

static void
offer(struct channel *c, const json_t *open)
{
	const json_t *args = json_object_get(open, "args");
	const char *name = json_string_value(json_object_get(open, "service"));
	const struct service *s = name ? find_service(name) : NULL;

	if (!json_is_object(args) || !caller_is_good(c, args))
		channel_refuse(c, "invalid", "what the channel is opened with is not as expected");
	else if (s == NULL)
		channel_refuse(c, "no_such_service", "node %s has no service %.40s", c->node->name, name ? name : "");
	else if (c->line->offered > LINE_CHANNELS_MAX)
		channel_refuse(c, "busy", "node %s has %d channels open with %s", c->node->name, LINE_CHANNELS_MAX, c->peer);
	else
		s->opened(c->node, c, args);
}

static int
take_open(struct line *l, const struct record *r, struct err *err)
{
	struct channel *c;
	json_t *open;

	if (r->channel == 0 || (r->channel & 1) == l->odd || u64map_get(&l->by_id, r->channel) != NULL)
		return err_set(err, 0, "a channel with the number %u", r->channel);
	open = read_object(r, err);
	if (open == NULL)
		return -1;
	c = channel_new(l->node, line_peer(l));
	if (c == NULL || u64map_put(&l->by_id, r->channel, c) < 0) {
		free(c);
		json_decref(open);
		return err_set(err, 0, "no memory for a channel");
	}
	c->line = l;
	c->id = r->channel;
	c->state = CHANNEL_OFFERED;
	l->offered++;
	channel_move(c, &l->channels);
	offer(c, open);
	json_decref(open);
	return 0;
}

static int
take_accept(struct channel *c, const struct record *r, struct err *err)
{
	json_t *reply;

	if (c->state != CHANNEL_ASKED)
		return err_set(err, 0, "a channel that is accepted twice, or by who opened it");
	reply = read_object(r, err);
	if (reply == NULL)
		return -1;
	c->state = CHANNEL_OPEN;
	if (c->handler->accepted != NULL)
		c->handler->accepted(c->arg, c, reply);
	json_decref(reply);
	return 0;
}

static int
take_data(struct channel *c, const struct record *r, struct err *err)
{
	struct channel_stream *s = &c->streams[r->stream];

	if (s->ended || r->len > s->window)
		return err_set(err, 0, s->ended ? "bytes behind their end" : "more bytes than there is room for");
	s->window -= (uint32_t)r->len;
	if (c->handler->data != NULL)
		c->handler->data(c->arg, c, r->stream, r->payload, r->len);
	else
		channel_took(c, r->stream, r->len);
	return 0;
}

static int
take_end(struct channel *c, const struct record *r, struct err *err)
{
	if (c->streams[r->stream].ended)
		return err_set(err, 0, "a stream that ends twice");
	c->streams[r->stream].ended = true;
	if (c->handler->ended != NULL)
		c->handler->ended(c->arg, c, r->stream);
	return 0;
}

static int
take_credit(struct channel *c, const struct record *r, struct err *err)
{
	struct channel_stream *s = &c->streams[r->stream];
	uint32_t n = record_credit(r);

	if (n > CHANNEL_WINDOW - s->room)
		return err_set(err, 0, "more credit than there can be");
	s->room += n;
	if (!s->finished && n > 0 && c->handler->room != NULL)
		c->handler->room(c->arg, c, r->stream);
	return 0;
}

static int
take_tell(struct channel *c, const struct record *r, struct err *err)
{
	json_t *message = read_object(r, err);

	if (message == NULL)
		return -1;
	if (c->handler->told != NULL)
		c->handler->told(c->arg, c, message);
	json_decref(message);
	return 0;
}

static int
take_close(struct channel *c, const struct record *r, struct err *err)
{
	json_t *how = read_object(r, err);

	if (how == NULL)
		return -1;
	gone(c, how);
	if (c->handler != NULL)
		tell_gone(c);		/* in order with what came before it */
	return 0;
}

static int
take_open_channel(struct channel *c, const struct record *r, struct err *err)
{
	if (c->state != CHANNEL_OPEN)
		return err_set(err, 0, "a record of type %d on a channel that is not accepted", r->type);
	switch (r->type) {
	case RECORD_DATA:
		return take_data(c, r, err);
	case RECORD_END:
		return take_end(c, r, err);
	case RECORD_TELL:
		return take_tell(c, r, err);
	default:
		return take_credit(c, r, err);
	}
}

int
channel_record(struct line *l, const struct record *r, struct err *err)
{
	struct channel *c;

	if (r->type < RECORD_OPEN)
		return err_set(err, 0, "a record of type %d after the greeting", r->type);
	if (r->type == RECORD_OPEN)
		return take_open(l, r, err);
	c = u64map_get(&l->by_id, r->channel);
	if (c == NULL)			/* it was closed here while that was on its way */
		return 0;
	if (r->type == RECORD_ACCEPT)
		return take_accept(c, r, err);
	if (r->type == RECORD_CLOSE)
		return take_close(c, r, err);
	return take_open_channel(c, r, err);
}
