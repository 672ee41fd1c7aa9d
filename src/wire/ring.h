/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The history of events: the last lines, one behind the other in one circle of
 * bytes, so that any run of them can be written as it lies, in at most two pieces.
 * Numbers are without gaps: first_seq + i is the i-th event that is kept.
 *
 * It grows up to RING_BYTES, beyond that only to hold RING_EVENTS.  Pure.
 */
enum { RING_BYTES = 512 * 1024, RING_EVENTS = 1000 };

struct ring_mark {
	uint64_t at : 56;		/* bytes that ever went before it */
	uint64_t category : 8;
};

struct ring {				/* zero-initialise; ring_free() */
	char *data;
	size_t cap;			/* a power of two */
	uint64_t tail, head;		/* bytes that ever went out and in */
	struct ring_mark *marks;
	uint32_t mark_cap;		/* a power of two */
	uint64_t first_seq;		/* of the oldest that is kept; with count 0: of the next one */
	uint32_t count;
};

struct ring_piece {
	const char *data;
	size_t len;
};

/* Room for the first events, so that each is kept however little memory there is later.  -1: no memory. */
int ring_reserve(struct ring *r);
/*
 * Adds one; the oldest go where there is no room and no memory for more, all of them where seq does
 * not follow the last one.  A line that is longer than all there is room for is not kept: then the ring is empty.
 */
void ring_add(struct ring *r, uint64_t seq, unsigned category, const char *line, size_t len);
uint64_t ring_next_seq(const struct ring *r);				/* first_seq + count */
/* Of an event that is kept. */
unsigned ring_category(const struct ring *r, uint64_t seq);
/* Where the line of seq begins, in bytes that ever went in; of ring_next_seq(): head. */
uint64_t ring_at(const struct ring *r, uint64_t seq);
/* The event that holds that byte. */
uint64_t ring_seq_at(const struct ring *r, uint64_t at);
/* Bytes [from, to) as they lie: the number of pieces, 0 to 2.  Lent until the next ring_add(). */
int ring_pieces(const struct ring *r, uint64_t from, uint64_t to, struct ring_piece out[2]);
void ring_free(struct ring *r);
