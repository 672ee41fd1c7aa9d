/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "net/frames.h"

#include "net/random.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

enum {
	CONTROL_MAX = 125,
	FRAGMENTS_MAX = 4096,		/* of one message */
	KEEP = 4096,			/* bytes of memory that an idle socket keeps for a message */
	FRAME_HEAD_MAX = 14,
};

struct frames {
	wslay_frame_context_ptr wslay;
	bool server, binary;
	const char *in;			/* lent */
	size_t in_len;
	struct buf *out;
	size_t message_max;
	struct buf message;
	bool in_message;		/* its last fragment has not come */
	bool message_done;		/* it was handed out */
	unsigned fragments;
	/* The frame that is being received. */
	bool in_frame;
	uint64_t frame_left;
	char control[CONTROL_MAX + 1];
	size_t control_len;
	bool bad;
};

static ssize_t
give(uint8_t *buf, size_t len, int flags, void *arg)
{
	struct frames *f = arg;
	size_t n = len < f->in_len ? len : f->in_len;

	(void)flags;
	if (n == 0)
		return -1;
	memcpy(buf, f->in, n);
	f->in += n;
	f->in_len -= n;
	return (ssize_t)n;
}

static ssize_t
take(const uint8_t *data, size_t len, int flags, void *arg)
{
	struct frames *f = arg;

	(void)flags;
	buf_add(f->out, data, len);
	return f->out->failed ? -1 : (ssize_t)len;
}

static int
make_mask(uint8_t *buf, size_t len, void *arg)
{
	(void)arg;
	random_bytes(buf, len);
	return 0;
}

struct frames *
frames_new(bool server, size_t message_max)
{
	const struct wslay_frame_callbacks callbacks = { take, give, make_mask };
	struct frames *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->server = server;
	f->message_max = message_max;
	if (wslay_frame_context_init(&f->wslay, &callbacks, f) != 0) {
		free(f);
		return NULL;
	}
	return f;
}

void
frames_free(struct frames *f)
{
	if (f == NULL)
		return;
	wslay_frame_context_free(f->wslay);
	buf_free(&f->message);
	free(f);
}

void
frames_set_message_max(struct frames *f, size_t message_max)
{
	f->message_max = message_max;
}

void
frames_expect_binary(struct frames *f)
{
	f->binary = true;
}

void
frames_feed(struct frames *f, const void *data, size_t len)
{
	f->in = data;
	f->in_len = len;
}

const char *
frames_rest(const struct frames *f, size_t *len)
{
	*len = f->in_len;
	return f->in;
}

void
frames_trim(struct frames *f)
{
	if (!f->in_message && f->message.cap > KEEP) {
		buf_free(&f->message);
		f->message_done = false;
	}
}

static enum frames_kind
bad(struct frames *f, struct frames_event *out, unsigned code, const char *why)
{
	f->bad = true;
	*out = (struct frames_event){ why, strlen(why), code };
	return FRAMES_BAD;
}

/* What is wrong with a frame that begins; NULL: nothing. */
static const char *
begin_frame(struct frames *f, const struct wslay_frame_iocb *io, unsigned *code)
{
	*code = WSLAY_CODE_PROTOCOL_ERROR;
	if (io->rsv != 0)
		return "a reserved bit";
	if (io->mask != (f->server ? 1 : 0))
		return f->server ? "a frame that is not masked" : "a masked frame";
	f->in_frame = true;
	f->frame_left = io->payload_length;
	if (wslay_is_ctrl_frame(io->opcode)) {
		f->control_len = 0;
		return io->opcode > WSLAY_PONG ? "an opcode that there is not" : NULL;
	}
	if (io->opcode > WSLAY_BINARY_FRAME)
		return "an opcode that there is not";
	if ((io->opcode == WSLAY_CONTINUATION_FRAME) != f->in_message)
		return f->in_message ? "a message within another" : "a fragment of no message";
	*code = WSLAY_CODE_UNSUPPORTED_DATA;
	if (io->opcode == (f->binary ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME))
		return f->binary ? "a text message" : "a binary message";
	if (!f->in_message) {
		f->in_message = true;
		f->fragments = 0;
	}
	*code = WSLAY_CODE_MESSAGE_TOO_BIG;
	if (io->payload_length > f->message_max - f->message.len)
		return "a message that is too long";
	return ++f->fragments > FRAGMENTS_MAX ? "a message in too many fragments" : NULL;
}

/* NUL-terminated. */
static bool
is_utf8(const char *s, size_t len)
{
	const char *end = s + len;
	uint64_t word;
	size_t n;

	while (s < end) {
		while (end - s >= 8) {
			memcpy(&word, s, 8);
			if (word & 0x8080808080808080u)
				break;
			s += 8;
		}
		if (s == end)
			break;
		n = utf8_len((const unsigned char *)s);
		if (n == 0)
			return false;
		s += n;
	}
	return true;
}

static enum frames_kind
end_close(struct frames *f, struct frames_event *out)
{
	unsigned code;

	if (f->control_len == 0) {
		*out = (struct frames_event){ "", 0, WSLAY_CODE_NO_STATUS_RCVD };
		return FRAMES_CLOSE;
	}
	if (f->control_len == 1)
		return bad(f, out, WSLAY_CODE_PROTOCOL_ERROR, "half a close code");
	code = (unsigned)(uint8_t)f->control[0] << 8 | (uint8_t)f->control[1];
	if (code < 1000 || code >= 5000 || (code > 1014 && code < 3000) || (code >= 1004 && code <= 1006))
		return bad(f, out, WSLAY_CODE_PROTOCOL_ERROR, "a close code that may not be sent");
	if (!is_utf8(f->control + 2, f->control_len - 2))
		return bad(f, out, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA, "a reason that is no UTF-8");
	*out = (struct frames_event){ f->control + 2, f->control_len - 2, code };
	return FRAMES_CLOSE;
}

static enum frames_kind
end_control(struct frames *f, unsigned opcode, struct frames_event *out)
{
	f->control[f->control_len] = '\0';
	if (opcode == WSLAY_CONNECTION_CLOSE)
		return end_close(f, out);
	*out = (struct frames_event){ f->control, f->control_len, 0 };
	return opcode == WSLAY_PING ? FRAMES_PING : FRAMES_PONG;
}

static enum frames_kind
end_message(struct frames *f, struct frames_event *out)
{
	f->in_message = false;
	f->message_done = true;
	*out = (struct frames_event){ buf_cstr(&f->message), f->message.len, 0 };
	if (f->message.failed)
		return bad(f, out, WSLAY_CODE_INTERNAL_SERVER_ERROR, "no memory");
	if (f->binary)
		return FRAMES_BINARY;
	if (!is_utf8(out->data, out->len))
		return bad(f, out, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA, "a text that is no UTF-8");
	return FRAMES_TEXT;
}

/* A piece of a frame's payload, perhaps its last. */
static enum frames_kind
take_payload(struct frames *f, const struct wslay_frame_iocb *io, struct frames_event *out)
{
	bool control = wslay_is_ctrl_frame(io->opcode);

	if (control) {
		memcpy(f->control + f->control_len, io->data, io->data_length);
		f->control_len += io->data_length;
	} else {
		buf_add(&f->message, io->data, io->data_length);
		if (f->message.failed)
			return bad(f, out, WSLAY_CODE_INTERNAL_SERVER_ERROR, "no memory");
	}
	f->frame_left -= io->data_length;
	if (f->frame_left > 0)
		return FRAMES_NONE;
	f->in_frame = false;
	if (control)
		return end_control(f, io->opcode, out);
	return io->fin ? end_message(f, out) : FRAMES_NONE;
}

enum frames_kind
frames_next(struct frames *f, struct frames_event *out)
{
	struct wslay_frame_iocb io;
	enum frames_kind kind;
	const char *why;
	unsigned code;
	ssize_t n;

	if (f->bad)
		return FRAMES_NONE;
	if (f->message_done) {
		f->message_done = false;
		buf_clear(&f->message);
	}
	do {
		n = wslay_frame_recv(f->wslay, &io);
		if (n == WSLAY_ERR_WANT_READ)
			return FRAMES_NONE;
		if (n < 0)
			return bad(f, out, WSLAY_CODE_PROTOCOL_ERROR, "bytes that are no frame");
		why = f->in_frame ? NULL : begin_frame(f, &io, &code);
		if (why != NULL)
			return bad(f, out, code, why);
		kind = take_payload(f, &io, out);
	} while (kind == FRAMES_NONE);
	return kind;
}

static int
put(struct frames *f, struct buf *out, unsigned opcode, const void *data, size_t len)
{
	struct wslay_frame_iocb io = { .fin = 1, .opcode = (uint8_t)opcode, .payload_length = len, .mask = !f->server,
				       .data = data, .data_length = len };
	ssize_t n;

	/* With room made, taking cannot fail in the middle of a frame. */
	if (buf_reserve(out, len + FRAME_HEAD_MAX) == NULL) {
		out->failed = false;
		return -1;
	}
	f->out = out;
	do {
		n = wslay_frame_send(f->wslay, &io);
		if (n < 0)
			abort();
		io.data += n;
		io.data_length -= (size_t)n;
	} while (io.data_length > 0);
	return 0;
}

int
frames_put_text(struct frames *f, struct buf *out, const char *data, size_t len)
{
	return put(f, out, WSLAY_TEXT_FRAME, data, len);
}

int
frames_put_binary(struct frames *f, struct buf *out, const char *data, size_t len)
{
	return put(f, out, WSLAY_BINARY_FRAME, data, len);
}

int
frames_put_ping(struct frames *f, struct buf *out, const char *data, size_t len)
{
	return put(f, out, WSLAY_PING, data, len);
}

int
frames_put_pong(struct frames *f, struct buf *out, const char *data, size_t len)
{
	return put(f, out, WSLAY_PONG, data, len);
}

int
frames_put_close(struct frames *f, struct buf *out, unsigned code, const char *reason)
{
	char payload[CONTROL_MAX];
	size_t len = strnlen(reason, CONTROL_MAX - 2);

	payload[0] = (char)(code >> 8);
	payload[1] = (char)code;
	memcpy(payload + 2, reason, len);
	return put(f, out, WSLAY_CONNECTION_CLOSE, payload, len + 2);
}
