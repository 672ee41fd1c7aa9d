/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "monitor/proctext.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One process as the monitor knows it, from one sample to the next: what it uses and how
 * fast, whether that is worth sending, whether it is beyond a limit.  pid and start name it, so a pid that comes
 * again is another process.  Pure.
 */
enum {				/* why it is in the sample; also the order of words in column reasons */
	REASON_CPU = 1,
	REASON_MEMORY = 2,
	REASON_GROWTH = 4,
	REASON_IO = 8,
	REASON_VIP = 16,
	REASON_APPLICATION = 32,	/* of an incident */
};

enum suspect_kind { SUSPECT_MEMORY, SUSPECT_DESCRIPTORS, SUSPECT_THREADS, SUSPECT_PROCESSES, SUSPECT_KIND_COUNT };
extern const char *const suspect_kind_name[SUSPECT_KIND_COUNT];

struct process {
	struct proc_stat stat;		/* of the last sample */
	int64_t at_ns;			/* when that was (CLOCK_BOOTTIME); 0: never */
	int64_t memory;			/* bytes */
	double cpu, growth;		/* since the sample before; NAN: not known yet */
	uint64_t bytes_read, bytes_written;
	int64_t io_at_ns;		/* when these were read; 0: never */
	double io_read, io_written;	/* NAN: not known */
	int64_t descriptors;		/* -1: not known */
	int32_t application;		/* its number; -1: none */
	uint8_t reasons;
	uint8_t suspected;		/* bits: 1 << enum suspect_kind */
	bool vip;
	bool gone;			/* it has ended since the sample before */
};

/* A process seen for the first time. */
void process_init(struct process *p);
/*
 * Takes in what stat and statm said at now_ns.  resident: pages; where statm was not read, those it had before.
 * True: it is the same process as before; else *p begins anew.
 */
bool process_take(struct process *p, const struct proc_stat *stat, int64_t memory, int64_t now_ns, long ticks);
void process_take_io(struct process *p, uint64_t bytes_read, uint64_t bytes_written, int64_t now_ns);

/* The cells of PROCESS_COLUMNS.  What stands beside them in the row is known only where it was asked for. */
struct process_more {
	const char *application;
	const char *command;		/* NULL: not known */
	const char *waits_in;		/* NULL: not known, or it runs */
	int64_t uid;			/* -1: not known */
};
void process_row(struct buf *row, const struct process *p, const struct process_more *more);

/*
 * Is value beyond limit (0: there is none) for the first time?  *suspected keeps one bit for the kind: set here, taken back below
 * nine tenths of the limit.
 */
bool suspect_crosses(uint8_t *suspected, enum suspect_kind kind, int64_t value, int64_t limit);

/* The largest `max` of all that are offered, in no order.  Zero-initialise; v has room for max. */
struct top {
	struct top_entry { double key; struct process *process; } *v;
	size_t count, max;
};
void top_offer(struct top *t, struct process *p, double key, double least);	/* below least, or NAN: not worth it */
