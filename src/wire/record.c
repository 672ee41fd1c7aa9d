/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "wire/record.h"

#include <stdbool.h>

static void
put_u32(unsigned char *p, uint32_t n)
{
	p[0] = (unsigned char)n;
	p[1] = (unsigned char)(n >> 8);
	p[2] = (unsigned char)(n >> 16);
	p[3] = (unsigned char)(n >> 24);
}

static uint32_t
get_u32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool
has_stream(enum record_type type)
{
	return type == RECORD_DATA || type == RECORD_END || type == RECORD_CREDIT;
}

static bool
length_fits(enum record_type type, size_t len)
{
	switch (type) {
	case RECORD_OK:
	case RECORD_END:
		return len == 0;
	case RECORD_CREDIT:
		return len == 4;
	default:
		return len > 0 && len <= RECORD_PAYLOAD_MAX;
	}
}

ssize_t
record_read(const char *data, size_t len, struct record *out, struct err *err)
{
	const unsigned char *p = (const unsigned char *)data;

	if (len < RECORD_HEAD)
		return 0;
	*out = (struct record){ (enum record_type)p[4], p[5], get_u32(p + 8), data + RECORD_HEAD, get_u32(p) };
	if (out->type < RECORD_HELLO || out->type >= RECORD_TYPES)
		return err_set(err, 0, "a record of type %u", p[4]);
	if (p[6] != 0 || p[7] != 0 || out->stream >= (has_stream(out->type) ? RECORD_STREAMS : 1))
		return err_set(err, 0, "a record with an unusable head");
	if (!length_fits(out->type, out->len))
		return err_set(err, 0, "a record of type %u with %zu bytes", p[4], out->len);
	return len - RECORD_HEAD < out->len ? 0 : (ssize_t)(RECORD_HEAD + out->len);
}

void
record_write(struct buf *out, enum record_type type, unsigned stream, uint32_t channel, const void *payload, size_t len)
{
	unsigned char head[RECORD_HEAD] = { 0 };

	if (buf_reserve(out, RECORD_HEAD + len) == NULL)	/* all of it, or nothing */
		return;
	put_u32(head, (uint32_t)len);
	head[4] = (unsigned char)type;
	head[5] = (unsigned char)stream;
	put_u32(head + 8, channel);
	buf_add(out, head, sizeof(head));
	buf_add(out, payload, len);
}

void
record_write_credit(struct buf *out, unsigned stream, uint32_t channel, uint32_t bytes)
{
	unsigned char payload[4];

	put_u32(payload, bytes);
	record_write(out, RECORD_CREDIT, stream, channel, payload, sizeof(payload));
}

uint32_t
record_credit(const struct record *r)
{
	return get_u32((const unsigned char *)r->payload);
}
