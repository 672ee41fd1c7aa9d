/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "monitor/batch.h"
#include "store/catalog.h"
#include "store/store.h"

#include <stdint.h>

/*
 * What a batch becomes.  One of a day before oldest_day keeps no rows, only a gap; one that is more than AHEAD_DAYS ahead of
 * real_us, or that lies before 1970, or that no table takes, is quarantined row by row.  scratch is used again and again.  NULL: no memory.
 */
struct store_batch *prepare_batch(struct catalog *c, struct buf *scratch, const struct batch *b, int64_t real_us, int64_t oldest_day);

/* All its rows become rows of quarantine, with that reason.  -1: no memory, and nothing is changed. */
int prepare_aside(struct store_batch *b, int64_t real_us, const char *why);
