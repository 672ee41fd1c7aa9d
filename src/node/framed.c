/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/framed.h"

#include "base/buf.h"
#include "conf/json.h"
#include "wire/record.h"

#include <stdlib.h>
#include <string.h>

enum { OUT_MAX = 4 * 1024 * 1024 };	/* objects that the client does not read; bytes are bounded by their windows */

struct framed {
	struct conn *conn;
	struct channel *channel;	/* NULL: the client has closed it */
	struct buf in;			/* what is no whole record yet */
	size_t told[CHANNEL_STREAMS];	/* room that the client knows of */
	size_t untold[CHANNEL_STREAMS];	/* bytes of the channel that wait in the connection's buffer */
};

static void
framed_free(struct framed *f)
{
	conn_free(f->conn);
	buf_free(&f->in);
	free(f);
}

/* The connection's side ends it. */
static void
end(struct framed *f, json_t *take_how)
{
	channel_close(f->channel, take_how);
	conn_leave(f->conn);
	f->conn = NULL;
	framed_free(f);
}

/* --- to the client --- */

static void
put(struct framed *f, enum record_type type, unsigned stream, const void *payload, size_t len)
{
	struct buf out = { 0 };

	record_write(&out, type, stream, 0, payload, len);
	if (out.failed)
		conn_finish(f->conn);
	else
		conn_write(f->conn, out.data, out.len);
	buf_free(&out);
}

static void
put_json(struct framed *f, enum record_type type, const json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);

	if (text != NULL)
		put(f, type, 0, text, strlen(text));
	else
		conn_finish(f->conn);
	free(text);
}

static void
channel_data(void *arg, struct channel *c, unsigned stream, const char *data, size_t len)
{
	struct framed *f = arg;

	put(f, RECORD_DATA, stream, data, len);
	if (conn_queued(f->conn) == 0)
		channel_took(c, stream, len);
	else
		f->untold[stream] += len;
}

static void
channel_stream_ended(void *arg, struct channel *c, unsigned stream)
{
	(void)c;
	put(arg, RECORD_END, stream, NULL, 0);
}

static void
channel_told(void *arg, struct channel *c, const json_t *message)
{
	struct framed *f = arg;

	(void)c;
	put_json(f, RECORD_TELL, message);
	if (conn_queued(f->conn) > OUT_MAX)
		end(f, channel_error("failed", "the program that has the channel does not read"));
}

static void
channel_has_room(void *arg, struct channel *c, unsigned stream)
{
	struct framed *f = arg;
	struct buf out = { 0 };
	size_t room = channel_room(c, stream);

	record_write_credit(&out, stream, 0, (uint32_t)(room - f->told[stream]));
	f->told[stream] = room;
	if (out.failed)
		conn_finish(f->conn);
	else
		conn_write(f->conn, out.data, out.len);
	buf_free(&out);
}

static void
channel_closed(void *arg, struct channel *c, const json_t *how)
{
	struct framed *f = arg;

	(void)c;
	put_json(f, RECORD_CLOSE, how);
	conn_leave(f->conn);
	f->conn = NULL;
	framed_free(f);
}

const struct channel_handler framed_channel_handler = {
	.data = channel_data, .ended = channel_stream_ended, .told = channel_told, .room = channel_has_room, .closed = channel_closed,
};

/* --- from the client --- */

static int
take_object(struct framed *f, const struct record *r, struct err *err)
{
	json_t *object = json_read(r->payload, r->len, NULL, NULL);

	if (!json_is_object(object)) {
		json_decref(object);
		return err_set(err, 0, "an object that is none");
	}
	if (r->type == RECORD_TELL) {
		channel_tell(f->channel, object);
		return 0;
	}
	channel_close(f->channel, object);
	f->channel = NULL;
	return 0;
}

static int
take_record(struct framed *f, const struct record *r, struct err *err)
{
	switch (r->type) {
	case RECORD_DATA:
		if (r->len > f->told[r->stream])
			return err_set(err, 0, "more bytes than there is room for");
		f->told[r->stream] -= r->len;
		channel_write(f->channel, r->stream, r->payload, r->len);
		return 0;
	case RECORD_END:
		channel_finish(f->channel, r->stream);
		f->told[r->stream] = 0;
		return 0;
	case RECORD_TELL:
	case RECORD_CLOSE:
		return take_object(f, r, err);
	default:
		return err_set(err, 0, "a record of type %d", r->type);
	}
}

/* Records at the start of data; bytes taken, or -1: err. */
static ssize_t
take_records(struct framed *f, const char *data, size_t len, struct err *err)
{
	size_t taken = 0;
	struct record r;
	ssize_t n;

	while (f->channel != NULL) {
		n = record_read(data + taken, len - taken, &r, err);
		if (n < 0 || (n > 0 && take_record(f, &r, err) < 0))
			return -1;
		if (n == 0)
			break;
		taken += (size_t)n;
	}
	return (ssize_t)taken;
}

static void
conn_data(void *arg, struct conn *conn, const char *data, size_t len)
{
	struct framed *f = arg;
	struct err err = { 0 };
	bool kept = f->in.len > 0;
	json_t *how;
	ssize_t n;

	(void)conn;
	if (kept)
		buf_add(&f->in, data, len);
	n = kept && f->in.failed ? err_set(&err, 0, "no memory") : take_records(f, kept ? f->in.data : data, kept ? f->in.len : len, &err);
	if (n < 0) {
		how = channel_error("invalid", "what the program sent is of no use: %s", err.msg);
		put_json(f, RECORD_CLOSE, how);
		end(f, how);
		return;
	}
	if (f->channel == NULL) {
		framed_free(f);
		return;
	}
	if (kept)
		buf_consume(&f->in, (size_t)n);
	else if ((size_t)n < len)
		buf_add(&f->in, data + n, len - (size_t)n);
	if (f->in.len == 0)
		buf_free(&f->in);
}

static void
conn_ended(void *arg, struct conn *conn)
{
	(void)conn;
	end(arg, NULL);
}

static void
conn_drained(void *arg, struct conn *conn)
{
	struct framed *f = arg;
	unsigned i;

	(void)conn;
	for (i = 0; i < CHANNEL_STREAMS; i++) {
		if (f->untold[i] > 0)
			channel_took(f->channel, i, f->untold[i]);
		f->untold[i] = 0;
	}
}

static void
conn_broken(void *arg, struct conn *conn, const char *why)
{
	(void)conn;
	(void)why;
	end(arg, NULL);
}

static const struct conn_handler conn_handler = { conn_data, conn_ended, conn_drained, conn_broken };

struct framed *
framed_new(struct conn *take_conn)
{
	struct framed *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		conn_free(take_conn);
		return NULL;
	}
	f->conn = take_conn;
	return f;
}

void
framed_start(struct framed *f, struct channel *c)
{
	unsigned i;

	f->channel = c;
	for (i = 0; i < CHANNEL_STREAMS; i++)
		f->told[i] = channel_room(c, i);
	conn_set_handler(f->conn, &conn_handler, f);
	conn_read(f->conn, CONN_ALL);
}
