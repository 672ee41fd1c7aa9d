/* SPDX-License-Identifier: MIT */
#include "wire/record.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read, written again, is what was read. */
static void
write_again(const struct record *r, const uint8_t *at, size_t len)
{
	struct buf out = { 0 };

	if (r->type == RECORD_CREDIT)
		record_write_credit(&out, r->stream, r->channel, record_credit(r));
	else
		record_write(&out, r->type, r->stream, r->channel, r->payload, r->len);
	if (out.failed || out.len != len || memcmp(out.data, at, len) != 0)
		abort();
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record r, part;
	struct err err = { 0 };
	ssize_t n;

	while ((n = record_read((const char *)data, size, &r, &err)) > 0) {
		if ((size_t)n > size || r.len > RECORD_PAYLOAD_MAX || r.stream >= RECORD_STREAMS || r.payload + r.len != (const char *)data + n)
			abort();
		/* A byte less is not enough. */
		if (record_read((const char *)data, (size_t)n - 1, &part, &err) != 0)
			abort();
		write_again(&r, data, (size_t)n);
		data += n;
		size -= (size_t)n;
	}
	if (n < 0 && err.msg[0] == '\0')
		abort();
	return 0;
}
