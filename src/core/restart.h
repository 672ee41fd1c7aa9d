/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/model.h"

/*
 * When an application that ended may start again.  Two rules that know nothing
 * of each other: intensity (may it at all) and backoff (how soon).  Pure: the
 * caller passes the time in and acts on the answer.
 */
enum { RESTART_MAX = 1000 };		/* the largest intensity a configuration may ask for */

/*
 * Restart intensity, with OTP's meaning (supervisor.erl, add_restart/1): at most
 * `intensity` restarts in any period_ms, both edges counted as inside.
 */
struct restart_log {			/* zero-initialise; restart_log_free() */
	int64_t *at_ms;			/* ring of the latest restarts, intensity entries */
	uint32_t size;
	uint64_t seen;
};

/* Records a restart at now_ms and returns true; false: one too many (or no memory), give up. */
bool restart_allowed(struct restart_log *log, uint32_t intensity, int64_t period_ms, int64_t now_ms);
void restart_log_free(struct restart_log *log);

/*
 * The delay in ms before restart number `row` (from 0) of a row of quick failures:
 * 0 first where b->immediate_first, then min, min * factor, … up to max, less a random
 * share of at most `jitter` so that a crowd that fell together does not rise together.
 * random: 32 random bits.
 */
int64_t backoff_delay(const struct backoff *b, uint32_t row, uint32_t random);
