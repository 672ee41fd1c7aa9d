/* SPDX-License-Identifier: MIT */
#include "monitor/process.h"

#include "monitor/batch.h"
#include "monitor/rate.h"

#include <math.h>
#include <string.h>

const char *const suspect_kind_name[SUSPECT_KIND_COUNT] = {
	[SUSPECT_MEMORY] = "memory",
	[SUSPECT_DESCRIPTORS] = "descriptors",
	[SUSPECT_THREADS] = "threads",
	[SUSPECT_PROCESSES] = "processes",
};

void
process_init(struct process *p)
{
	*p = (struct process){
		.cpu = NAN, .growth = NAN, .io_read = NAN, .io_written = NAN, .descriptors = -1, .application = -1,
	};
}

bool
process_take(struct process *p, const struct proc_stat *stat, int64_t memory, int64_t now_ns, long ticks)
{
	bool same = p->at_ns != 0 && p->stat.pid == stat->pid && p->stat.started == stat->started;
	int64_t interval_ns = now_ns - p->at_ns;

	if (!same) {
		process_init(p);
	} else if (interval_ns > 0) {
		p->cpu = rate_of(p->stat.ticks, stat->ticks, interval_ns) / (double)ticks;
		p->growth = (double)(memory - p->memory) / ((double)interval_ns / 1e9);
	}
	p->stat = *stat;
	p->memory = memory;
	p->at_ns = now_ns;
	return same;
}

void
process_take_io(struct process *p, uint64_t bytes_read, uint64_t bytes_written, int64_t now_ns)
{
	if (p->io_at_ns != 0 && now_ns > p->io_at_ns) {
		p->io_read = rate_of(p->bytes_read, bytes_read, now_ns - p->io_at_ns);
		p->io_written = rate_of(p->bytes_written, bytes_written, now_ns - p->io_at_ns);
	}
	p->bytes_read = bytes_read;
	p->bytes_written = bytes_written;
	p->io_at_ns = now_ns;
}

static void
reasons_cell(struct buf *row, unsigned reasons)
{
	static const char *const words[] = { "cpu", "memory", "growth", "io", "vip", "application" };
	char text[64] = "";
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if ((reasons & 1u << i) == 0)
			continue;
		if (text[0] != '\0')
			strcat(text, " ");
		strcat(text, words[i]);
	}
	batch_text(row, text);
}

static void
int_or_null(struct buf *row, int64_t n)
{
	if (n < 0)
		batch_null(row);
	else
		batch_int(row, n);
}

void
process_row(struct buf *row, const struct process *p, const struct process_more *more)
{
	const char state[2] = { p->gone ? 'X' : p->stat.state };

	batch_int(row, p->stat.pid);
	batch_int(row, (int64_t)p->stat.started);
	batch_int(row, p->stat.parent);
	batch_text(row, more->application);
	batch_text(row, p->stat.name);
	batch_text(row, more->command);
	int_or_null(row, more->uid);
	batch_text(row, state);
	batch_real(row, rate_rounded(p->cpu, 1e4));
	batch_int(row, p->memory);
	batch_real(row, rate_rounded(p->growth, 1));
	batch_real(row, rate_rounded(p->io_read, 1));
	batch_real(row, rate_rounded(p->io_written, 1));
	batch_int(row, p->stat.threads);
	int_or_null(row, p->descriptors);
	batch_text(row, more->waits_in);
	reasons_cell(row, p->reasons);
}

bool
suspect_crosses(uint8_t *suspected, enum suspect_kind kind, int64_t value, int64_t limit)
{
	uint8_t bit = (uint8_t)(1u << kind);

	if (limit > 0 && value > limit) {
		if (*suspected & bit)
			return false;
		*suspected |= bit;
		return true;
	}
	if (limit <= 0 || value < limit - limit / 10)
		*suspected &= (uint8_t)~bit;
	return false;
}

/* A heap whose root is the smallest, so that most of what is offered costs one comparison. */
static void
sift_down(struct top *t, size_t i)
{
	struct top_entry e = t->v[i];
	size_t child;

	for (; (child = 2 * i + 1) < t->count; i = child) {
		if (child + 1 < t->count && t->v[child + 1].key < t->v[child].key)
			child++;
		if (e.key <= t->v[child].key)
			break;
		t->v[i] = t->v[child];
	}
	t->v[i] = e;
}

static void
sift_up(struct top *t, size_t i)
{
	struct top_entry e = t->v[i];

	for (; i > 0 && t->v[(i - 1) / 2].key > e.key; i = (i - 1) / 2)
		t->v[i] = t->v[(i - 1) / 2];
	t->v[i] = e;
}

void
top_offer(struct top *t, struct process *p, double key, double least)
{
	if (!(key >= least))
		return;
	if (t->count < t->max) {
		t->v[t->count] = (struct top_entry){ key, p };
		sift_up(t, t->count++);
	} else if (t->count > 0 && key > t->v[0].key) {
		t->v[0] = (struct top_entry){ key, p };
		sift_down(t, 0);
	}
}
