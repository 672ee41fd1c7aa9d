/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "monitor/batch.h"

#include <stdint.h>

/*
 * What the nodes sent last of themselves and their applications, for /metrics.  Bounded: the first NODES_MAX nodes, of
 * each the first APPLICATIONS_MAX applications; who has been silent for FORGET_MS makes room.
 */
enum { NODES_MAX = 4096, APPLICATIONS_MAX = 256, APPLICATION_NAME_MAX = 255, STALE_MS = 300000, FORGET_MS = 3600000 };

struct seen;

struct seen *seen_new(void);			/* NULL: no memory */
void seen_free(struct seen *s);			/* NULL is fine */
/* Looks at a batch of table node or app_top; where memory is missing it looks away. */
void seen_batch(struct seen *s, const struct batch *b, int64_t mono_ms);
/* OpenMetrics, without the last line; who is stale is left out. */
void seen_print(const struct seen *s, struct buf *out, int64_t mono_ms);
/* text as a label's value, with its quotes. */
void seen_label(struct buf *out, const char *text);
