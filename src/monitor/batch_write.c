/* SPDX-License-Identifier: MIT */
#include "monitor/batch.h"

#include "core/event.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Nothing of ours but a list that was just opened ends with a bracket of that kind: a text ends with its quotes. */
static bool
is_first(const struct buf *out)
{
	return out->len == 0 || out->data[out->len - 1] == '[';
}

static void
separate(struct buf *out)
{
	if (!is_first(out))
		buf_addc(out, ',');
}

void
batch_begin(struct buf *out, const struct batch_head *head, const char *const *columns, size_t column_count)
{
	size_t i;

	buf_adds(out, "{\"type\":");
	buf_add_json(out, head->type);
	buf_adds(out, ",\"node\":");
	buf_add_json(out, head->node);
	buf_printf(out, ",\"epoch\":%" PRIu64 ",\"seq\":%" PRIu64 ",\"ts\":\"", head->epoch, head->seq);
	print_time(out, head->ts_us);
	buf_adds(out, "\",\"columns\":[");
	for (i = 0; i < column_count; i++) {
		separate(out);
		buf_add_json(out, columns[i]);
	}
	buf_adds(out, "],\"rows\":[");
}

void
batch_begin_row(struct buf *out)
{
	if (!is_first(out))
		buf_adds(out, "],");
	buf_addc(out, '[');
}

void
batch_int(struct buf *out, int64_t i)
{
	char text[24], *at = text + sizeof(text);
	uint64_t rest = i < 0 ? -(uint64_t)i : (uint64_t)i;

	do {
		*--at = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (i < 0)
		*--at = '-';
	separate(out);
	buf_add(out, at, (size_t)(text + sizeof(text) - at));
}

/* The shorter of the two forms that says the same number. */
void
batch_real(struct buf *out, double d)
{
	char text[40];

	if (!isfinite(d)) {
		batch_null(out);
		return;
	}
	snprintf(text, sizeof(text), "%.15g", d);
	if (strtod(text, NULL) != d)
		snprintf(text, sizeof(text), "%.17g", d);
	separate(out);
	buf_adds(out, text);
}

void
batch_text(struct buf *out, const char *s)
{
	if (s == NULL) {
		batch_null(out);
		return;
	}
	separate(out);
	buf_add_json(out, s);
}

void
batch_bool(struct buf *out, bool b)
{
	separate(out);
	buf_adds(out, b ? "true" : "false");
}

void
batch_null(struct buf *out)
{
	separate(out);
	buf_adds(out, "null");
}

void
batch_end(struct buf *out)
{
	buf_adds(out, is_first(out) ? "]}" : "]]}");
}
