/* SPDX-License-Identifier: MIT */
#include "wire/ring.h"

#include <stdlib.h>
#include <string.h>

enum { DATA_MIN = 4096, MARKS_MIN = 64 };

uint64_t
ring_next_seq(const struct ring *r)
{
	return r->first_seq + r->count;
}

static struct ring_mark *
mark_of(const struct ring *r, uint64_t seq)
{
	return &r->marks[seq & (r->mark_cap - 1)];
}

unsigned
ring_category(const struct ring *r, uint64_t seq)
{
	return mark_of(r, seq)->category;
}

uint64_t
ring_at(const struct ring *r, uint64_t seq)
{
	return seq == ring_next_seq(r) ? r->head : mark_of(r, seq)->at;
}

uint64_t
ring_seq_at(const struct ring *r, uint64_t at)
{
	uint64_t low = r->first_seq, high = ring_next_seq(r), middle;

	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (mark_of(r, middle)->at <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

int
ring_pieces(const struct ring *r, uint64_t from, uint64_t to, struct ring_piece out[2])
{
	size_t begin = from & (r->cap - 1), len = to - from, left = r->cap - begin;

	if (len == 0)
		return 0;
	out[0] = (struct ring_piece){ .data = r->data + begin, .len = len < left ? len : left };
	if (len <= left)
		return 1;
	out[1] = (struct ring_piece){ .data = r->data, .len = len - left };
	return 2;
}

static void
copy_in(struct ring *r, const char *data, size_t len)
{
	size_t begin = r->head & (r->cap - 1), left = r->cap - begin;

	memcpy(r->data + begin, data, len < left ? len : left);
	if (len > left)
		memcpy(r->data, data + left, len - left);
	r->head += len;
}

static void
drop_first(struct ring *r)
{
	r->first_seq++;
	r->count--;
	r->tail = ring_at(r, r->first_seq);
}

static void
drop_all(struct ring *r, uint64_t next_seq)
{
	r->tail = r->head;
	r->first_seq = next_seq;
	r->count = 0;
}

/* A larger circle: every byte keeps its number, and so gets another place. */
static int
grow_data(struct ring *r, size_t cap)
{
	struct ring old = *r;
	struct ring_piece p[2];
	char *data = malloc(cap);
	int i, n;

	if (data == NULL)
		return -1;
	n = ring_pieces(&old, old.tail, old.head, p);
	r->data = data;
	r->cap = cap;
	r->head = r->tail;
	for (i = 0; i < n; i++)
		copy_in(r, p[i].data, p[i].len);
	free(old.data);
	return 0;
}

static int
grow_marks(struct ring *r)
{
	uint32_t cap = r->mark_cap ? r->mark_cap * 2 : MARKS_MIN;
	struct ring_mark *marks = malloc(cap * sizeof(*marks));
	uint64_t seq;

	if (marks == NULL)
		return -1;
	for (seq = r->first_seq; seq < ring_next_seq(r); seq++)
		marks[seq & (cap - 1)] = *mark_of(r, seq);
	free(r->marks);
	r->marks = marks;
	r->mark_cap = cap;
	return 0;
}

/* Room for one more line of that length; -1: no memory. */
static int
make_room(struct ring *r, size_t len)
{
	size_t cap = r->cap ? r->cap : DATA_MIN;

	while (r->head - r->tail + len > r->cap) {
		while (cap < RING_BYTES && cap < r->head - r->tail + len)
			cap *= 2;
		if (r->count < RING_EVENTS && cap < r->head - r->tail + len)
			cap *= 2;
		if (cap != r->cap && grow_data(r, cap) == 0)
			continue;
		if (r->count == 0)
			return -1;
		drop_first(r);
	}
	if (r->count < r->mark_cap || grow_marks(r) == 0)
		return 0;
	if (r->count == 0)
		return -1;
	drop_first(r);
	return 0;
}

int
ring_reserve(struct ring *r)
{
	return (r->cap > 0 || grow_data(r, DATA_MIN) == 0) && (r->mark_cap > 0 || grow_marks(r) == 0) ? 0 : -1;
}

void
ring_add(struct ring *r, uint64_t seq, unsigned category, const char *line, size_t len)
{
	if (seq != ring_next_seq(r))
		drop_all(r, seq);
	if (make_room(r, len) < 0) {
		drop_all(r, seq + 1);
		return;
	}
	*mark_of(r, seq) = (struct ring_mark){ .at = r->head, .category = category };
	copy_in(r, line, len);
	r->count++;
}

void
ring_free(struct ring *r)
{
	free(r->data);
	free(r->marks);
	*r = (struct ring){ 0 };
}
