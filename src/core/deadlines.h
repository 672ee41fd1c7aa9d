/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/app.h"

/*
 * The applications that have a deadline, the earliest first: a binary heap in
 * which each application knows its place (app->timer), so that one can be taken out.
 */
struct deadlines {		/* zero-initialise */
	struct app **heap;	/* heap[1] is the earliest */
	uint32_t n, cap;
};

/* Room for n applications; -1: no memory.  After it, setting a deadline cannot fail. */
int deadlines_reserve(struct deadlines *d, uint32_t n);
void deadlines_set(struct deadlines *d, struct app *a, int64_t deadline_ms);	/* 0: none */
struct app *deadlines_first(const struct deadlines *d);				/* NULL: none */
void deadlines_free(struct deadlines *d);
