/* SPDX-License-Identifier: MIT */
#include "wire/handover.h"

#include "base/crc32.h"

#include <assert.h>
#include <string.h>

struct record {
	uint32_t len;			/* of the payload, which is padded to 8 bytes */
	uint16_t type, pad;
};

static_assert(sizeof(struct handover_header) % 8 == 0 && sizeof(struct record) % 8 == 0, "records stay aligned");

enum { TEXT_MAX = 64 * 1024 };

static void
put(struct buf *out, enum handover_type type, const void *fixed, size_t fixed_len, const char *const *texts, size_t n)
{
	struct record r = { .len = (uint32_t)fixed_len, .type = (uint16_t)type };
	static const char zero[8];
	size_t i;

	for (i = 0; i < n; i++)
		r.len += (uint32_t)strnlen(texts[i], TEXT_MAX) + 1;
	buf_add(out, &r, sizeof(r));
	buf_add(out, fixed, fixed_len);
	for (i = 0; i < n; i++) {
		buf_add(out, texts[i], strnlen(texts[i], TEXT_MAX));
		buf_addc(out, '\0');
	}
	buf_add(out, zero, -r.len & 7);
}

void
handover_begin(struct buf *out)
{
	buf_clear(out);
	buf_add(out, &(struct handover_header){ .magic = HANDOVER_MAGIC, .version = HANDOVER_VERSION },
		sizeof(struct handover_header));
}

void
handover_put_keeper(struct buf *out, const struct handover_keeper *k, const struct handover_texts *t)
{
	const char *const texts[] = { t->runtime_dir, t->cgroup_path, t->cgroup_leaf, t->version };

	put(out, HANDOVER_KEEPER, k, sizeof(*k), texts, 4);
}

void
handover_put_kid(struct buf *out, const struct handover_kid *k, const char *name, const char *cgroup)
{
	const char *const texts[] = { name, cgroup };

	put(out, HANDOVER_KID, k, sizeof(*k), texts, 2);
}

void
handover_put_orphan(struct buf *out, const struct handover_orphan *o)
{
	put(out, HANDOVER_ORPHAN, o, sizeof(*o), NULL, 0);
}

/* What the checksum covers begins behind itself. */
static uint32_t
crc_of(const void *data, size_t len)
{
	const size_t from = offsetof(struct handover_header, len);

	return crc32_of(0, (const char *)data + from, len - from);
}

void
handover_end(struct buf *out)
{
	struct handover_header *h;

	if (out->failed)
		return;
	h = (struct handover_header *)(void *)out->data;
	h->len = out->len;
	h->crc = crc_of(out->data, out->len);
}

/* Exactly n texts, the last byte being the last one's NUL. */
static int
take_texts(const char *s, size_t len, const char **texts, size_t n)
{
	const char *end = s + len, *nul;
	size_t i;

	for (i = 0; i < n; i++) {
		nul = s < end ? memchr(s, '\0', (size_t)(end - s)) : NULL;
		if (nul == NULL)
			return -1;
		texts[i] = s;
		s = nul + 1;
	}
	return s == end ? 0 : -1;
}

static int
take_keeper(const char *payload, size_t len, struct handover_item *out)
{
	const char *texts[4];

	if (len < sizeof(out->keeper) || take_texts(payload + sizeof(out->keeper), len - sizeof(out->keeper), texts, 4) < 0)
		return -1;
	memcpy(&out->keeper, payload, sizeof(out->keeper));
	out->texts = (struct handover_texts){ texts[0], texts[1], texts[2], texts[3] };
	return out->keeper.up_len <= sizeof(out->keeper.up_address) ? 0 : -1;
}

static int
take_kid(const char *payload, size_t len, struct handover_item *out)
{
	const char *texts[2];

	if (len < sizeof(out->kid) || take_texts(payload + sizeof(out->kid), len - sizeof(out->kid), texts, 2) < 0)
		return -1;
	memcpy(&out->kid, payload, sizeof(out->kid));
	out->name = texts[0];
	out->cgroup = texts[1];
	return out->kid.inc != 0 && out->kid.pid >= 0 ? 0 : -1;
}

static int
take_orphan(const char *payload, size_t len, struct handover_item *out)
{
	if (len != sizeof(out->orphan))
		return -1;
	memcpy(&out->orphan, payload, sizeof(out->orphan));
	return 0;
}

int
handover_next(const void *data, size_t len, size_t *at, struct handover_item *out)
{
	static int (*const takes[HANDOVER_TYPE_END])(const char *payload, size_t len, struct handover_item *out) = {
		[HANDOVER_KEEPER] = take_keeper, [HANDOVER_KID] = take_kid, [HANDOVER_ORPHAN] = take_orphan,
	};
	const char *payload;
	struct record r;
	size_t padded;

	if (*at == len)
		return 0;
	if (*at > len || len - *at < sizeof(r))
		return -1;
	memcpy(&r, (const char *)data + *at, sizeof(r));
	padded = ((size_t)r.len + 7) & ~(size_t)7;
	if (r.type == 0 || r.type >= HANDOVER_TYPE_END || padded > len - *at - sizeof(r))
		return -1;
	payload = (const char *)data + *at + sizeof(r);
	*out = (struct handover_item){ .type = r.type };
	if (takes[r.type](payload, r.len, out) < 0)
		return -1;
	*at += sizeof(r) + padded;
	return 1;
}

enum handover_found
handover_check(const void *data, size_t len, uint32_t *version)
{
	size_t at = sizeof(struct handover_header);
	struct handover_item item;
	struct handover_header h;
	bool keeper_seen = false;
	int more;

	*version = 0;
	if (len < sizeof(h))
		return HANDOVER_DAMAGED;
	memcpy(&h, data, sizeof(h));
	if (h.magic != HANDOVER_MAGIC)
		return HANDOVER_DAMAGED;
	*version = h.version;
	if (h.version != HANDOVER_VERSION)
		return HANDOVER_OTHER_VERSION;
	if (h.len != len || h.crc != crc_of(data, len))
		return HANDOVER_DAMAGED;
	while ((more = handover_next(data, len, &at, &item)) == 1) {
		if ((item.type == HANDOVER_KEEPER) == keeper_seen)
			return HANDOVER_DAMAGED;
		keeper_seen = true;
	}
	return more == 0 && keeper_seen ? HANDOVER_GOOD : HANDOVER_DAMAGED;
}
