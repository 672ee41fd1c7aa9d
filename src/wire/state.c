/* SPDX-License-Identifier: MIT */
#include "wire/state.h"

#include "base/crc32.h"

#include <string.h>

enum { RECORD_VERSION = 1 };

size_t
state_record_size(uint32_t len)
{
	return sizeof(struct state_record) + (((size_t)len + 7) & ~(size_t)7);
}

/* The checksum of a record whose payload lies in two parts. */
static uint32_t
record_crc(const struct state_record *r, const void *a, size_t a_len, const void *b, size_t b_len)
{
	uint32_t crc = crc32_of(0, r, offsetof(struct state_record, crc));

	return crc32_of(crc32_of(crc, a, a_len), b, b_len);
}

void
state_put(struct buf *out, enum state_type type, const void *a, size_t a_len, const void *b, size_t b_len)
{
	static const char zero[8];
	struct state_record r = { .type = (uint16_t)type, .version = RECORD_VERSION };

	if (a_len > UINT32_MAX / 4 || b_len > UINT32_MAX / 4) {
		out->failed = true;
		return;
	}
	r.len = (uint32_t)(a_len + b_len);
	r.crc = record_crc(&r, a, a_len, b, b_len);
	buf_add(out, &r, sizeof(r));
	buf_add(out, a, a_len);
	buf_add(out, b, b_len);
	buf_add(out, zero, -r.len & 7);
}

int
state_header_check(const void *data, size_t len, uint32_t boot_crc, uint64_t instance)
{
	struct state_header h;

	if (len < sizeof(h))
		return -1;
	memcpy(&h, data, sizeof(h));
	if (h.magic != STATE_MAGIC || h.version != STATE_VERSION || h.boot_crc != boot_crc || h.instance != instance)
		return -1;
	return h.committed >= sizeof(h) && h.committed <= len && h.committed % 8 == 0 ? 0 : -1;
}

/* Reads the head of the record at `at`; as state_next(). */
static int
read_head(const void *data, size_t committed, size_t at, struct state_record *r)
{
	if (at == committed)
		return 0;
	if (at > committed || committed - at < sizeof(*r))
		return -1;
	memcpy(r, (const char *)data + at, sizeof(*r));
	if (r->version != RECORD_VERSION || r->type == 0 || r->type >= STATE_TYPE_END ||
	    state_record_size(r->len) > committed - at)
		return -1;
	return 1;
}

int
state_next_known(const void *data, size_t committed, size_t *at, struct state_item *out)
{
	struct state_record r;
	int more = read_head(data, committed, *at, &r);

	if (more != 1)
		return more;
	*out = (struct state_item){ .type = r.type, .payload = (const char *)data + *at + sizeof(r), .len = r.len };
	*at += state_record_size(r.len);
	return 1;
}

int
state_next(const void *data, size_t committed, size_t *at, struct state_item *out)
{
	struct state_record r;
	int more = read_head(data, committed, *at, &r);

	if (more == 1 && record_crc(&r, (const char *)data + *at + sizeof(r), r.len, NULL, 0) != r.crc)
		return -1;
	return more == 1 ? state_next_known(data, committed, at, out) : more;
}

void
state_put_config(struct buf *out, const char *path, const char *app, const char *text, size_t text_len)
{
	buf_add(out, path, strlen(path) + 1);
	buf_add(out, app ? app : "", app ? strlen(app) + 1 : 1);
	buf_add(out, text, text_len);
}

/* The string at *at, which moves behind its NUL; NULL: it has no end. */
static const char *
next_string(const char **at, const char *end)
{
	const char *s = *at, *nul = end > s ? memchr(s, '\0', (size_t)(end - s)) : NULL;

	if (nul == NULL)
		return NULL;
	*at = nul + 1;
	return s;
}

int
state_get_config(const void *payload, uint32_t len, struct state_config *out)
{
	const char *at = payload, *end = at + len;

	out->path = next_string(&at, end);
	out->app = out->path ? next_string(&at, end) : NULL;
	if (out->app == NULL)
		return -1;
	if (*out->app == '\0')
		out->app = NULL;
	out->text = at;
	out->text_len = (size_t)(end - at);
	return 0;
}

int
state_get_transient(const void *payload, uint32_t len, const char **name, const char **definition)
{
	const char *at = payload, *end = at + len;

	*name = next_string(&at, end);
	*definition = *name ? next_string(&at, end) : NULL;
	return *definition && at == end ? 0 : -1;
}
