/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Who may begin to authenticate: so many at once from one address, so many a second in all, and who has failed
 * waits, longer each time.  Of fixed size.  The time is the caller's.
 */
enum {
	GUARD_ADDRESSES = 1024,		/* that are remembered; more than may authenticate at once */
	GUARD_RATE = 200,		/* handshakes a second, on the average */
	GUARD_BURST = 200,		/* and as many at once */
	GUARD_FREE_FAILURES = 3,	/* that cost nothing */
	GUARD_DELAY_MS = 100,		/* after the next one; doubled by each */
	GUARD_DELAY_MAX_MS = 30000,
};

struct guard;

struct guard *guard_new(unsigned per_address_max, int64_t now_ms);	/* NULL: no memory */
void guard_free(struct guard *g);

/* In how many ms the next handshake may begin; 0: now. */
int64_t guard_wait(struct guard *g, int64_t now_ms);
/* One from this address begins; false: this address may not now. */
bool guard_enter(struct guard *g, uint64_t address, int64_t now_ms);
/* It has authenticated, failed, or gone without either. */
enum guard_outcome { GUARD_PROVEN, GUARD_FAILED, GUARD_GONE };
void guard_leave(struct guard *g, uint64_t address, enum guard_outcome how, int64_t now_ms);
