/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "net/guard.h"

#include <stdlib.h>

struct slot {
	uint64_t address;		/* 0: free */
	int64_t used_ms;
	int64_t not_before_ms;
	unsigned open;			/* that are authenticating */
	unsigned failures;		/* since the last success */
};

struct guard {
	unsigned per_address_max;
	int64_t credit_ms;		/* a bucket of handshakes, counted in time */
	int64_t filled_ms;
	struct slot slots[GUARD_ADDRESSES];
};

enum { COST_MS = 1000 / GUARD_RATE };	/* of one handshake */

struct guard *
guard_new(unsigned per_address_max, int64_t now_ms)
{
	struct guard *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	g->per_address_max = per_address_max;
	g->credit_ms = GUARD_BURST * COST_MS;
	g->filled_ms = now_ms;
	return g;
}

void
guard_free(struct guard *g)
{
	free(g);
}

int64_t
guard_wait(struct guard *g, int64_t now_ms)
{
	g->credit_ms += now_ms - g->filled_ms;
	g->filled_ms = now_ms;
	if (g->credit_ms > GUARD_BURST * COST_MS)
		g->credit_ms = GUARD_BURST * COST_MS;
	return g->credit_ms < COST_MS ? COST_MS - g->credit_ms : 0;
}

/* The slot of that address, else the one that can best be given up; there is one, as fewer authenticate than there are slots. */
static struct slot *
find(struct guard *g, uint64_t address)
{
	struct slot *s, *oldest = NULL;

	for (s = g->slots; s < g->slots + GUARD_ADDRESSES; s++) {
		if (s->address == address)
			return s;
		if (s->open == 0 && (oldest == NULL || s->used_ms < oldest->used_ms))
			oldest = s;
	}
	return oldest;
}

bool
guard_enter(struct guard *g, uint64_t address, int64_t now_ms)
{
	struct slot *s = find(g, address);

	if (s == NULL)
		return false;
	if (s->address != address)
		*s = (struct slot){ .address = address };
	if (now_ms < s->not_before_ms || s->open >= g->per_address_max)
		return false;
	s->used_ms = now_ms;
	s->open++;
	g->credit_ms -= COST_MS;
	return true;
}

static int64_t
delay_after(unsigned failures)
{
	unsigned beyond = failures > GUARD_FREE_FAILURES ? failures - GUARD_FREE_FAILURES : 0;

	if (beyond == 0)
		return 0;
	return beyond > 9 ? GUARD_DELAY_MAX_MS : (int64_t)GUARD_DELAY_MS << (beyond - 1);
}

void
guard_leave(struct guard *g, uint64_t address, enum guard_outcome how, int64_t now_ms)
{
	struct slot *s = find(g, address);

	if (s == NULL || s->address != address)
		return;
	s->open--;
	s->used_ms = now_ms;
	if (how == GUARD_PROVEN)
		s->failures = 0;
	if (how != GUARD_FAILED)
		return;
	s->failures += s->failures < 1000;
	s->not_before_ms = now_ms + delay_after(s->failures);
}
