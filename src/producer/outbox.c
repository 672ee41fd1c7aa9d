/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "producer/outbox.h"

#include <inttypes.h>
#include <string.h>

/* Kept free of rows: what batch_end() adds, and the row that was begun when little was left. */
enum { ROW_MAX = 64 * 1024 };

static size_t
batch_count(const struct outbox *o)
{
	return o->ends.len / sizeof(size_t);
}

static size_t
end_of(const struct outbox *o, size_t i)
{
	size_t end;

	memcpy(&end, o->ends.data + i * sizeof(end), sizeof(end));
	return end;
}

/* Where the batch that is being written begins. */
static size_t
begin_of_last(const struct outbox *o)
{
	return o->ends.len == 0 ? 0 : end_of(o, batch_count(o) - 1);
}

void
outbox_open(struct outbox *o, uint64_t first_seq, int64_t at_us)
{
	buf_clear(&o->text);
	buf_clear(&o->ends);
	o->first_seq = first_seq;
	o->at_us = at_us;
	o->rows = 0;
}

void
outbox_begin_columns(struct outbox *o, const char *type, const char *const *columns, size_t column_count)
{
	const struct batch_head head = {
		.type = type, .node = o->node, .epoch = o->epoch, .seq = o->first_seq + batch_count(o), .ts_us = o->at_us,
	};

	batch_begin(&o->text, &head, columns, column_count);
	o->rows = 0;
}

void
outbox_begin(struct outbox *o, enum monitor_table t)
{
	const struct table *table = monitor_table(t);
	const char *names[BATCH_COLUMNS_MAX];
	size_t i;

	for (i = 0; i < table->column_count; i++)
		names[i] = table->columns[i].name;
	outbox_begin_columns(o, table->name, names, table->column_count);
}

struct buf *
outbox_row(struct outbox *o)
{
	if (o->text.failed || o->rows >= BATCH_ROWS_MAX || o->text.len - begin_of_last(o) > BATCH_MAX - ROW_MAX)
		return NULL;
	o->rows++;
	batch_begin_row(&o->text);
	return &o->text;
}

void
outbox_cancel(struct outbox *o)
{
	o->text.len = begin_of_last(o);
}

/* A batch that could not be written whole, or that grew too large by one row, is taken back. */
void
outbox_end(struct outbox *o)
{
	size_t begin = begin_of_last(o), end;

	batch_end(&o->text);
	end = o->text.len;
	if (o->rows > 0 && !o->text.failed && end - begin <= BATCH_MAX)
		buf_add(&o->ends, &end, sizeof(end));
	else
		outbox_cancel(o);
}

/* A batch from its text, with other numbers; within a text no quote stands alone, so that the first such member is it. */
static void
add_renumbered(struct buf *out, const char *text, size_t len, uint64_t epoch, uint64_t seq)
{
	static const char member[] = ",\"epoch\":", next[] = ",\"ts\":";
	const char *from = memmem(text, len, member, strlen(member));
	const char *to = from ? memmem(from, len - (size_t)(from - text), next, strlen(next)) : NULL;

	if (to == NULL) {
		out->failed = true;
		return;
	}
	buf_add(out, text, (size_t)(from - text));
	buf_printf(out, "%s%" PRIu64 ",\"seq\":%" PRIu64, member, epoch, seq);
	buf_add(out, to, len - (size_t)(to - text));
}

int
outbox_renumber(struct outbox *o, uint64_t epoch, uint64_t first_seq)
{
	struct buf text = { 0 }, ends = { 0 };
	size_t i, begin = 0, end, n = batch_count(o);

	if (o->epoch == epoch && o->first_seq == first_seq)
		return 0;
	for (i = 0; i < n; i++) {
		end = end_of(o, i);
		add_renumbered(&text, o->text.data + begin, end - begin, epoch, first_seq + i);
		buf_add(&ends, &text.len, sizeof(text.len));
		begin = end;
	}
	buf_free(&o->text);
	buf_free(&o->ends);
	o->text = text;
	o->ends = ends;
	o->epoch = epoch;
	o->first_seq = first_seq;
	if (!text.failed && !ends.failed)
		return 0;
	outbox_open(o, first_seq, o->at_us);
	return -1;
}

const struct spool_batch *
outbox_batches(struct outbox *o, size_t *count)
{
	size_t i, begin = 0, n = o->text.failed || o->ends.failed ? 0 : batch_count(o);
	struct spool_batch b = { .at_us = o->at_us };

	buf_clear(&o->batches);
	for (i = 0; i < n; i++) {
		b.seq = o->first_seq + i;
		b.text = o->text.data + begin;
		b.len = end_of(o, i) - begin;
		begin += b.len;
		buf_add(&o->batches, &b, sizeof(b));
	}
	*count = o->batches.failed ? 0 : n;
	return *count == 0 ? NULL : (const struct spool_batch *)(const void *)o->batches.data;
}

void
outbox_fini(struct outbox *o)
{
	buf_free(&o->text);
	buf_free(&o->ends);
	buf_free(&o->batches);
}
