/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/err.h"
#include "loop/loop.h"
#include "producer/hold.h"
#include "producer/otlp.h"
#include "producer/settings.h"
#include "producer/ship.h"

/*
 * What happens each interval: a sample is taken, what the commands printed is added, all of it is
 * kept in one transaction and goes out.  Between samples, appctld's events do the same as they come.
 */
struct collect;

/* Everything is borrowed; ship or otlp may be NULL, hold is NULL where nothing but otlp takes what is collected.  NULL: err. */
struct collect *collect_new(struct loop *l, const struct producer_settings *s, struct hold *hold, struct ship *ship,
	struct otlp *otlp, struct err *err);
void collect_free(struct collect *c);			/* NULL is fine */
