/* SPDX-License-Identifier: MIT */
#include "wire/envelope.h"

#include "base/le.h"

#include <string.h>

enum { HEAD = 4, ERROR_MAX = 64, MESSAGE_MAX = 512 };

static int
read_slot(struct envelope *e, const char *p, size_t len, struct err *err)
{
	if (len < 4)
		return err_set(err, 0, "an envelope that is too short");
	e->slot = le32_get(p);
	return e->slot < ENVELOPE_SLOTS ? 0 : err_set(err, 0, "an envelope of slot %u", e->slot);
}

static int
read_pair(struct envelope *e, const char *p, size_t len, struct err *err)
{
	size_t from_len;

	if (read_slot(e, p, len, err) < 0)
		return -1;
	from_len = len > 4 ? (unsigned char)p[4] : 0;
	if (len < 5 + from_len)
		return err_set(err, 0, "a pair that is too short");
	e->from = (struct mail_text){ p + 5, from_len };
	e->to = (struct mail_text){ p + 5 + from_len, len - 5 - from_len };
	if (!mail_name_ok(e->from.data, e->from.len) || !mail_name_ok(e->to.data, e->to.len))
		return err_set(err, 0, "a pair without names");
	return 0;
}

static int
read_send(struct envelope *e, const char *p, size_t len, struct err *err)
{
	if (read_slot(e, p, len, err) < 0)
		return -1;
	e->text = (struct mail_text){ p + 4, len - 4 };
	return 0;
}

static int
read_sent(struct envelope *e, const char *p, size_t len, struct err *err)
{
	if (len != 16)
		return err_set(err, 0, "an answer of %zu bytes", len);
	e->first = le64_get(p);
	e->last = le64_get(p + 8);
	return e->first > 0 && e->first <= e->last ? 0 : err_set(err, 0, "an answer to nothing");
}

static int
read_failed(struct envelope *e, const char *p, size_t len, struct err *err)
{
	size_t error_len = len > 8 ? (unsigned char)p[8] : 0;

	if (len < 9 + error_len || error_len == 0 || error_len > ERROR_MAX)
		return err_set(err, 0, "a failure that says nothing");
	e->first = e->last = le64_get(p);
	e->error = (struct mail_text){ p + 9, error_len };
	e->text = (struct mail_text){ p + 9 + error_len, len - 9 - error_len };
	return e->first > 0 ? 0 : err_set(err, 0, "an answer to nothing");
}

ssize_t
envelope_read(const char *data, size_t len, struct envelope *out, struct err *err)
{
	uint32_t head;
	size_t body;
	int r;

	if (len < HEAD)
		return 0;
	head = le32_get(data);
	body = head & 0xffffff;
	*out = (struct envelope){ .type = (enum envelope_type)(head >> 24) };
	if (out->type < ENVELOPE_PAIR || out->type > ENVELOPE_FAILED || body > ENVELOPE_MAX - HEAD)
		return err_set(err, 0, "an envelope of type %u with %zu bytes", head >> 24, body);
	if (len - HEAD < body)
		return 0;
	data += HEAD;
	r = out->type == ENVELOPE_PAIR ? read_pair(out, data, body, err) : out->type == ENVELOPE_SEND ? read_send(out, data, body, err) :
	    out->type == ENVELOPE_SENT ? read_sent(out, data, body, err) : read_failed(out, data, body, err);
	return r < 0 ? -1 : (ssize_t)(HEAD + body);
}

/* Room for all of it, or nothing is written.  NULL: no memory. */
static char *
begin(struct buf *out, enum envelope_type type, size_t body)
{
	char *p = buf_reserve(out, HEAD + body);

	if (p == NULL)
		return NULL;
	le32_put(p, (uint32_t)body | (uint32_t)type << 24);
	out->len += HEAD + body;
	return p + HEAD;
}

void
envelope_put_pair(struct buf *out, uint32_t slot, struct mail_text from, struct mail_text to)
{
	char *p = begin(out, ENVELOPE_PAIR, 5 + from.len + to.len);

	if (p == NULL)
		return;
	le32_put(p, slot);
	p[4] = (char)from.len;
	memcpy(p + 5, from.data, from.len);
	memcpy(p + 5 + from.len, to.data, to.len);
}

void
envelope_put_send(struct buf *out, uint32_t slot, struct mail_text text)
{
	char *p = begin(out, ENVELOPE_SEND, 4 + text.len);

	if (p == NULL)
		return;
	le32_put(p, slot);
	if (text.len > 0)
		memcpy(p + 4, text.data, text.len);
}

void
envelope_put_sent(struct buf *out, uint64_t first, uint64_t last)
{
	char *p = begin(out, ENVELOPE_SENT, 16);

	if (p == NULL)
		return;
	le64_put(p, first);
	le64_put(p + 8, last);
}

void
envelope_put_failed(struct buf *out, uint64_t n, const char *error, const char *message)
{
	size_t error_len = strnlen(error, ERROR_MAX), message_len = strnlen(message, MESSAGE_MAX);
	char *p = begin(out, ENVELOPE_FAILED, 9 + error_len + message_len);

	if (p == NULL)
		return;
	le64_put(p, n);
	p[8] = (char)error_len;
	memcpy(p + 9, error, error_len);
	memcpy(p + 9 + error_len, message, message_len);
}
