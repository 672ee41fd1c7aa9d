/* SPDX-License-Identifier: MIT */
#include "core/restart.h"

#include <stdlib.h>

/* A ring of another size than the intensity asks for is begun anew: the configuration changed. */
static bool
fit(struct restart_log *log, uint32_t intensity)
{
	int64_t *ring;

	if (log->size == intensity)
		return true;
	ring = calloc(intensity, sizeof(*ring));
	if (ring == NULL)
		return false;
	free(log->at_ms);
	*log = (struct restart_log){ .at_ms = ring, .size = intensity };
	return true;
}

bool
restart_allowed(struct restart_log *log, uint32_t intensity, int64_t period_ms, int64_t now_ms)
{
	int64_t *oldest;

	if (intensity == 0 || !fit(log, intensity))
		return false;
	/* Once the ring is full, the slot to reuse holds the oldest restart that counts. */
	oldest = &log->at_ms[log->seen % intensity];
	if (log->seen >= intensity && now_ms - *oldest <= period_ms)
		return false;
	*oldest = now_ms;
	log->seen++;
	return true;
}

void
restart_log_free(struct restart_log *log)
{
	free(log->at_ms);
	*log = (struct restart_log){ 0 };
}

int64_t
backoff_delay(const struct backoff *b, uint32_t row, uint32_t random)
{
	double delay = (double)b->min_ms;

	if (b->immediate_first) {
		if (row == 0)
			return 0;
		row--;
	}
	/* Ends early: a long row would overflow any exponent. */
	for (; row > 0 && delay < (double)b->max_ms; row--)
		delay *= b->factor;
	if (delay > (double)b->max_ms)
		delay = (double)b->max_ms;
	return (int64_t)(delay * (1.0 - b->jitter * ((double)random / 4294967296.0)));
}
