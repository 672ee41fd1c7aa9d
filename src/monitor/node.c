/* SPDX-License-Identifier: MIT */
#include "monitor/node.h"

#include "monitor/batch.h"
#include "monitor/rate.h"

#include <math.h>

const char *const node_text_path[NODE_TEXT_COUNT] = {
	[NODE_STAT] = "stat",
	[NODE_MEMINFO] = "meminfo",
	[NODE_LOADAVG] = "loadavg",
	[NODE_UPTIME] = "uptime",
	[NODE_DISKSTATS] = "diskstats",
	[NODE_NET] = "self/net/dev",
	[NODE_PRESSURE_CPU] = "pressure/cpu",
	[NODE_PRESSURE_MEMORY] = "pressure/memory",
	[NODE_PRESSURE_IO] = "pressure/io",
};

static bool
take_text(struct node_snapshot *n, enum node_text what, const char *text, size_t len)
{
	int i;

	switch (what) {
	case NODE_STAT:
		return proc_cpu_read(text, len, &n->cpu);
	case NODE_MEMINFO:
		return proc_memory_read(text, len, &n->memory);
	case NODE_LOADAVG:
		return proc_load_read(text, len, &n->load);
	case NODE_UPTIME:
		return proc_uptime_read(text, len, &n->uptime);
	case NODE_DISKSTATS:
		return proc_disks_read(text, len, &n->disk_read, &n->disk_written);
	case NODE_NET:
		return proc_net_read(text, len, &n->net_received, &n->net_sent);
	case NODE_PRESSURE_CPU:
	case NODE_PRESSURE_MEMORY:
	case NODE_PRESSURE_IO:
		i = (int)what - NODE_PRESSURE_CPU;
		return proc_pressure_read(text, len, &n->some[i], &n->full[i]);
	case NODE_TEXT_COUNT:
		break;
	}
	return false;
}

void
node_take(struct node_snapshot *n, enum node_text what, const char *text, size_t len)
{
	if (take_text(n, what, text, len))
		n->known |= 1u << what;
}

/* A speed is known where both snapshots have the text that it comes from. */
struct pair {
	const struct node_snapshot *before, *now;
	struct buf *row;
};

static bool
knows(const struct pair *p, enum node_text what)
{
	return (p->now->known & 1u << what) != 0;
}

static void
speed(const struct pair *p, enum node_text what, uint64_t before, uint64_t now, double unit, double parts)
{
	bool both = knows(p, what) && (p->before->known & 1u << what) && p->before->at_ns != 0;
	double rate = both ? rate_of(before, now, p->now->at_ns - p->before->at_ns) : NAN;

	batch_real(p->row, rate_rounded(rate / unit, parts));
}

static void
size(const struct pair *p, enum node_text what, uint64_t bytes)
{
	if (knows(p, what))
		batch_int(p->row, (int64_t)bytes);
	else
		batch_null(p->row);
}

static void
count(const struct pair *p, enum node_text what, int64_t n)
{
	if (knows(p, what) && n >= 0)
		batch_int(p->row, n);
	else
		batch_null(p->row);
}

static void
processors(const struct pair *p, long ticks)
{
	const struct proc_cpu *a = &p->before->cpu, *b = &p->now->cpu;
	double unit = (double)ticks;

	count(p, NODE_STAT, b->cpus);
	speed(p, NODE_STAT, a->user, b->user, unit, 1e4);
	speed(p, NODE_STAT, a->system, b->system, unit, 1e4);
	speed(p, NODE_STAT, a->iowait, b->iowait, unit, 1e4);
	speed(p, NODE_STAT, a->steal, b->steal, unit, 1e4);
}

/* Stalled microseconds as a share of the time that passed. */
static void
pressure(const struct pair *p)
{
	const struct node_snapshot *a = p->before, *b = p->now;

	speed(p, NODE_PRESSURE_CPU, a->some[0], b->some[0], 1e6, 1e4);
	speed(p, NODE_PRESSURE_MEMORY, a->some[1], b->some[1], 1e6, 1e4);
	speed(p, NODE_PRESSURE_MEMORY, a->full[1], b->full[1], 1e6, 1e4);
	speed(p, NODE_PRESSURE_IO, a->some[2], b->some[2], 1e6, 1e4);
	speed(p, NODE_PRESSURE_IO, a->full[2], b->full[2], 1e6, 1e4);
}

void
node_row(struct buf *row, const struct node_snapshot *before, const struct node_snapshot *now, long ticks)
{
	const struct pair p = { before, now, row };
	int i;

	processors(&p, ticks);
	for (i = 0; i < 3; i++)
		batch_real(row, knows(&p, NODE_LOADAVG) ? now->load.load[i] : NAN);
	size(&p, NODE_MEMINFO, now->memory.total);
	size(&p, NODE_MEMINFO, now->memory.available);
	size(&p, NODE_MEMINFO, now->memory.swap_total);
	size(&p, NODE_MEMINFO, now->memory.swap_free);
	pressure(&p);
	speed(&p, NODE_DISKSTATS, before->disk_read, now->disk_read, 1, 1);
	speed(&p, NODE_DISKSTATS, before->disk_written, now->disk_written, 1, 1);
	speed(&p, NODE_NET, before->net_received, now->net_received, 1, 1);
	speed(&p, NODE_NET, before->net_sent, now->net_sent, 1, 1);
	batch_int(row, now->processes);
	count(&p, NODE_LOADAVG, now->load.threads);
	count(&p, NODE_STAT, now->cpu.running);
	count(&p, NODE_STAT, now->cpu.blocked);
	batch_real(row, knows(&p, NODE_UPTIME) ? now->uptime : NAN);
}
