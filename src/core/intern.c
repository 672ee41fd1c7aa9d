/* SPDX-License-Identifier: MIT */
#include "core/intern.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a, 64 bits folded to 32. */
static uint32_t
hash_bytes(const unsigned char *bytes, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u;

	while (len-- > 0)
		h = (h ^ *bytes++) * 0x100000001b3u;
	return (uint32_t)(h ^ h >> 32);
}

static size_t
find(const struct intern *in, const void *bytes, uint32_t len, uint32_t hash)
{
	size_t i = hash & (in->cap - 1);
	const struct intern_slot *s;

	for (; (s = &in->slots[i])->bytes != NULL; i = (i + 1) & (in->cap - 1))
		if (s->hash == hash && s->len == len && memcmp(s->bytes, bytes, len) == 0)
			break;
	return i;
}

static int
grow(struct intern *in)
{
	struct intern bigger = { .cap = in->cap ? in->cap * 2 : 256 };
	size_t i, at;

	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return -1;
	for (i = 0; i < in->cap; i++) {
		if (in->slots[i].bytes == NULL)
			continue;
		for (at = in->slots[i].hash & (bigger.cap - 1); bigger.slots[at].bytes != NULL; )
			at = (at + 1) & (bigger.cap - 1);
		bigger.slots[at] = in->slots[i];
	}
	free(in->slots);
	in->slots = bigger.slots;
	in->cap = bigger.cap;
	return 0;
}

const void *
intern_bytes(struct intern *in, const void *bytes, size_t len)
{
	uint32_t hash = hash_bytes(bytes, len);
	void *copy;
	size_t i;

	if ((in->used + 1) * 3 > in->cap * 2 && grow(in) < 0)
		goto fail;
	i = find(in, bytes, (uint32_t)len, hash);
	if (in->slots[i].bytes != NULL)
		return in->slots[i].bytes;
	copy = arena_alloc(in->arena, len ? len : 1);
	if (copy == NULL)
		goto fail;
	memcpy(copy, bytes, len);
	in->slots[i] = (struct intern_slot){ copy, hash, (uint32_t)len };
	in->used++;
	return copy;
fail:
	in->failed = true;
	return NULL;
}

const char *
intern_string(struct intern *in, const char *s)
{
	return s ? intern_bytes(in, s, strlen(s) + 1) : NULL;
}

void
intern_fini(struct intern *in)
{
	free(in->slots);
	in->slots = NULL;
	in->cap = in->used = 0;
}
