/* SPDX-License-Identifier: MIT */
#include "core/deadlines.h"

#include <stdlib.h>

static void
place(struct deadlines *d, uint32_t at, struct app *a)
{
	d->heap[at] = a;
	a->timer = at;
}

static void
sift_up(struct deadlines *d, uint32_t at)
{
	struct app *a = d->heap[at];

	for (; at > 1 && d->heap[at / 2]->deadline_ms > a->deadline_ms; at /= 2)
		place(d, at, d->heap[at / 2]);
	place(d, at, a);
}

static void
sift_down(struct deadlines *d, uint32_t at)
{
	struct app *a = d->heap[at];
	uint32_t child;

	while ((child = at * 2) <= d->n) {
		if (child < d->n && d->heap[child + 1]->deadline_ms < d->heap[child]->deadline_ms)
			child++;
		if (d->heap[child]->deadline_ms >= a->deadline_ms)
			break;
		place(d, at, d->heap[child]);
		at = child;
	}
	place(d, at, a);
}

static void
remove_at(struct deadlines *d, uint32_t at)
{
	struct app *last = d->heap[d->n--];

	d->heap[at]->timer = 0;
	if (at > d->n)
		return;
	place(d, at, last);
	sift_up(d, at);
	sift_down(d, last->timer);
}

int
deadlines_reserve(struct deadlines *d, uint32_t n)
{
	struct app **heap;

	if (n < d->cap)
		return 0;
	heap = realloc(d->heap, (n + 1) * sizeof(*heap));
	if (heap == NULL)
		return -1;
	d->heap = heap;
	d->cap = n + 1;
	return 0;
}

void
deadlines_set(struct deadlines *d, struct app *a, int64_t deadline_ms)
{
	if (a->timer != 0)
		remove_at(d, a->timer);
	a->deadline_ms = deadline_ms;
	if (deadline_ms == 0)
		return;
	place(d, ++d->n, a);
	sift_up(d, d->n);
}

struct app *
deadlines_first(const struct deadlines *d)
{
	return d->n > 0 ? d->heap[1] : NULL;
}

void
deadlines_free(struct deadlines *d)
{
	free(d->heap);
	*d = (struct deadlines){ 0 };
}
