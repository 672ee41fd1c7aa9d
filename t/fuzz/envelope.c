/* SPDX-License-Identifier: MIT */
#include "wire/envelope.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
write_again(struct buf *b, const struct envelope *e)
{
	char error[80], message[600];

	switch (e->type) {
	case ENVELOPE_PAIR:
		envelope_put_pair(b, e->slot, e->from, e->to);
		break;
	case ENVELOPE_SEND:
		envelope_put_send(b, e->slot, e->text);
		break;
	case ENVELOPE_SENT:
		envelope_put_sent(b, e->first, e->last);
		break;
	case ENVELOPE_FAILED:
		if (e->text.len > 500 || memchr(e->text.data, '\0', e->text.len) || memchr(e->error.data, '\0', e->error.len))
			return;			/* is written shorter */
		memcpy(error, e->error.data, e->error.len);
		error[e->error.len] = '\0';
		memcpy(message, e->text.data, e->text.len);
		message[e->text.len] = '\0';
		envelope_put_failed(b, e->first, error, message);
	}
}

/* One after the other; what was read, written again, is what was there. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size;
	struct buf b = { 0 };
	struct envelope e;
	struct err err;
	ssize_t n;

	while ((n = envelope_read(at, (size_t)(end - at), &e, &err)) > 0) {
		buf_clear(&b);
		write_again(&b, &e);
		if (b.len > 0 && (b.len != (size_t)n || memcmp(b.data, at, b.len) != 0))
			abort();
		at += n;
	}
	buf_free(&b);
	return 0;
}
