/* SPDX-License-Identifier: MIT */
#include "wire/varlink.h"

#include <string.h>

int
varlink_put(struct varlink_reader *r, const void *data, size_t len)
{
	/* What was taken goes only now, so that a message stays lent until here. */
	if (r->start > 0) {
		r->base += r->start;
		r->seen -= r->start;
		buf_consume(&r->in, r->start);
		r->start = 0;
	}
	buf_add(&r->in, data, len);
	return r->in.failed ? -1 : 0;
}

int
varlink_next(struct varlink_reader *r, struct varlink_message *out)
{
	const char *end = NULL;

	if (r->seen < r->in.len)
		end = memchr(r->in.data + r->seen, '\0', r->in.len - r->seen);
	if (end == NULL) {
		r->seen = r->in.len;
		return varlink_pending(r) > VARLINK_MESSAGE_MAX ? -1 : 0;
	}
	out->text = r->in.data + r->start;
	out->len = (size_t)(end - out->text);
	if (out->len > VARLINK_MESSAGE_MAX)
		return -1;
	r->start = r->seen = (size_t)(end - r->in.data) + 1;
	out->end = r->base + r->start;
	return 1;
}

size_t
varlink_pending(const struct varlink_reader *r)
{
	return r->in.len - r->start;
}

uint64_t
varlink_position(const struct varlink_reader *r)
{
	return r->base + r->in.len;
}

void
varlink_fini(struct varlink_reader *r)
{
	buf_free(&r->in);
	*r = (struct varlink_reader){ 0 };
}
