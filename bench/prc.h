/* SPDX-License-Identifier: MIT */
#pragma once

#include "monitor/batch.h"
#include "monitor/tables.h"

/* A batch of table prc as a producer sends it, all columns, number 1. */
enum {
#define X(name, type) PRC_COLUMN_##name,
	PRC_COLUMNS(X)
#undef X
	PRC_COLUMN_COUNT
};

void prc_text(struct buf *out, long rows, int64_t ts_us);
