/* SPDX-License-Identifier: MIT */
#include "bench/prc.h"

static const char *const columns[PRC_COLUMN_COUNT] = {
#define X(name, type) #name,
	PRC_COLUMNS(X)
#undef X
};

void
prc_text(struct buf *out, long rows, int64_t ts_us)
{
	struct batch_head head = { "prc", "alice", 1, 1, ts_us };
	long i;

	buf_clear(out);
	batch_begin(out, &head, columns, PRC_COLUMN_COUNT);
	for (i = 0; i < rows; i++) {
		batch_begin_row(out);
		batch_int(out, 1000 + i);
		batch_int(out, 123456 + i * 7);
		batch_int(out, 1);
		batch_text(out, "web");
		batch_text(out, "nginx");
		batch_text(out, "nginx: worker process");
		batch_int(out, 33);
		batch_text(out, "S");
		batch_real(out, 0.013 * (double)i);
		batch_int(out, 10485760 + i * 4096);
		batch_real(out, 12.5 * (double)i);
		batch_null(out);
		batch_real(out, 1000.5 * (double)i);
		batch_int(out, 1 + i % 8);
		batch_int(out, 20 + i % 50);
		batch_text(out, "ep_poll");
		batch_text(out, "cpu memory");
	}
	batch_end(out);
}
