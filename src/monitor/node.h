/* SPDX-License-Identifier: MIT */
#pragma once

#include "base/buf.h"
#include "monitor/proctext.h"

#include <stdbool.h>
#include <stdint.h>

/* The machine as a whole at one moment, and its row of table `node`.  Pure. */
enum node_text {			/* files of /proc, in the order of their names below */
	NODE_STAT, NODE_MEMINFO, NODE_LOADAVG, NODE_UPTIME, NODE_DISKSTATS, NODE_NET,
	NODE_PRESSURE_CPU, NODE_PRESSURE_MEMORY, NODE_PRESSURE_IO,
	NODE_TEXT_COUNT
};
extern const char *const node_text_path[NODE_TEXT_COUNT];	/* below /proc */

struct node_snapshot {
	int64_t at_ns;			/* CLOCK_BOOTTIME; 0: there is none */
	uint32_t known;			/* bits: texts that were read */
	struct proc_cpu cpu;
	struct proc_memory memory;
	struct proc_load load;
	double uptime;
	uint64_t disk_read, disk_written, net_received, net_sent;
	uint64_t some[3], full[3];	/* pressure: cpu, memory, io */
	unsigned processes;
};

/* Takes one text in. */
void node_take(struct node_snapshot *n, enum node_text what, const char *text, size_t len);
/* Its row, with what changed since `before`.  ticks: of the kernel's clock in a second. */
void node_row(struct buf *row, const struct node_snapshot *before, const struct node_snapshot *now, long ticks);
