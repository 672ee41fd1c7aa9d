/* SPDX-License-Identifier: MIT */
#include "wire/mail_file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_record(const char *at, size_t used, const struct mail_record *r)
{
	struct mail_record again;
	struct buf b = { 0 };

	mail_record_put(&b, r);
	if (b.len != used || mail_record_get(b.data, b.len, &again, NULL) != used || again.n != r->n || again.text.len != r->text.len ||
	    memcmp(b.data + MAIL_RECORD_HEAD, at + MAIL_RECORD_HEAD, used - MAIL_RECORD_HEAD) != 0)
		abort();
	buf_free(&b);
}

/* A mailbox, head and records. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size;
	struct mail_record r;
	struct mail_head h;
	size_t used, wanted;

	if (size < MAIL_HEAD)
		return 0;
	mail_head_get(at, &h);
	at += MAIL_HEAD;
	while ((used = mail_record_get(at, (size_t)(end - at), &r, &wanted)) > 0) {
		if (wanted != used)
			abort();
		check_record(at, used, &r);
		at += used;
	}
	return 0;
}
