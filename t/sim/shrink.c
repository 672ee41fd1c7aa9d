/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Shrinking as property testers do it (after Hypothesis's choice sequences): the run is its tape, so
 * whatever makes the tape shorter or its numbers lower makes a plainer run that is a valid one by itself.
 */
enum { TRIES_MAX = 20000 };

struct shrink {
	struct run *best;
	char promise[sizeof(((struct world *)0)->failure)];
	unsigned tries;
};

bool
run_play(struct run *r, bool trace, struct world *w)
{
	r->tape.at = 0;
	world_begin(w, (struct dice){ .tape = &r->tape }, trace);
	w->lie = r->lie;
	while (w->steps < r->steps && !w->exited && !w->failure[0])
		world_step(w);
	if (!w->failure[0])
		world_settle(w);
	world_end(w);
	return w->failure[0] == '\0';
}

/* Names differ from one run to another by their numbers only. */
static void
without_numbers(const char *failure, char *out)
{
	for (; *failure != '\0'; failure++)
		if (!isdigit((unsigned char)*failure))
			*out++ = *failure;
	*out = '\0';
}

/* Takes r over as the best one where it still breaks the promise; else it is as if it had never been. */
static bool
try_run(struct shrink *s, const struct tape *t, unsigned steps)
{
	struct run r = { .steps = steps, .lie = s->best->lie };
	char promise[sizeof(s->promise)];
	struct world w;
	size_t i;

	if (s->tries++ >= TRIES_MAX)
		return false;
	for (i = 0; i < t->n; i++)
		tape_put(&r.tape, t->v[i]);
	r.tape.played = true;
	if (!run_play(&r, false, &w))
		without_numbers(w.failure, promise);
	if (!w.failure[0] || strcmp(promise, s->promise) != 0) {
		free(r.tape.v);
		return false;
	}
	if (r.tape.n > r.tape.at)
		r.tape.n = r.tape.at;		/* what was not looked at */
	while (r.tape.n > 0 && r.tape.v[r.tape.n - 1] == 0)
		r.tape.n--;
	r.steps = w.steps;
	free(s->best->tape.v);
	*s->best = r;
	return true;
}

static bool
fewer_steps(struct shrink *s)
{
	unsigned less = s->best->steps / 2;
	bool any = false;

	while (less > 0 && s->best->steps > 0) {
		if (less <= s->best->steps && try_run(s, &s->best->tape, s->best->steps - less))
			any = true;
		else
			less /= 2;
	}
	return any;
}

/* The tape without [at, at + len); or with zeros there. */
static bool
try_without(struct shrink *s, size_t at, size_t len, bool zeros)
{
	struct tape t = { 0 };
	bool same = true, done = false;
	size_t i;

	for (i = 0; i < s->best->tape.n; i++) {
		if (i < at || i >= at + len)
			tape_put(&t, s->best->tape.v[i]);
		else if (zeros)
			tape_put(&t, 0);
		same &= i < at || i >= at + len || s->best->tape.v[i] == 0;
	}
	if (!zeros || !same)
		done = try_run(s, &t, s->best->steps);
	free(t.v);
	return done;
}

static bool
fewer_numbers(struct shrink *s, bool zeros)
{
	bool any = false;
	size_t len, at;

	for (len = 256; len > 0; len -= 1 + len / 8) {
		for (at = s->best->tape.n; at > 0;) {
			at = at > len ? at - len : 0;
			any |= try_without(s, at, len, zeros);
			if (at > s->best->tape.n)
				at = s->best->tape.n;
		}
	}
	return any;
}

static bool
lower_one(struct shrink *s, size_t at)
{
	struct tape t = { 0 };
	uint32_t was = s->best->tape.v[at], less = was / 2 + 1;
	bool any = false;
	size_t i;

	while (less > 0 && at < s->best->tape.n && s->best->tape.v[at] > 0) {
		t.n = 0;
		for (i = 0; i < s->best->tape.n; i++)
			tape_put(&t, s->best->tape.v[i]);
		if (less <= t.v[at]) {
			t.v[at] -= less;
			if (try_run(s, &t, s->best->steps)) {
				any = true;
				continue;
			}
		}
		less /= 2;
	}
	free(t.v);
	return any;
}

static bool
lower_numbers(struct shrink *s)
{
	bool any = false;
	size_t at;

	for (at = 0; at < s->best->tape.n; at++)
		if (s->best->tape.v[at] > 0)
			any |= lower_one(s, at);
	return any;
}

void
run_shrink(struct run *r, const char *failure)
{
	struct shrink s = { .best = r };
	bool again = true;

	without_numbers(failure, s.promise);
	while (again && s.tries < TRIES_MAX) {
		again = fewer_steps(&s);
		again |= fewer_numbers(&s, false);
		again |= fewer_numbers(&s, true);
		again |= lower_numbers(&s);
	}
}

/* STEPS:NUMBER,NUMBER,…; "Nx" before a number: it stands there N times. */
void
run_print(const struct run *r)
{
	const struct tape *t = &r->tape;
	size_t i, same;

	printf("%u:", r->steps);
	for (i = 0; i < t->n; i += same) {
		for (same = 1; i + same < t->n && t->v[i + same] == t->v[i]; same++)
			;
		if (same > 1)
			printf("%s%zux%u", i ? "," : "", same, t->v[i]);
		else
			printf("%s%u", i ? "," : "", t->v[i]);
	}
}

int
run_read(struct run *r, const char *text)
{
	unsigned long v, n;
	char *end;

	r->steps = (unsigned)strtoul(text, &end, 10);
	r->tape.played = true;
	if (*end != ':')
		return -1;
	while (*end != '\0' && end[1] != '\0') {
		v = strtoul(end + 1, &end, 10);
		n = 1;
		if (*end == 'x') {
			n = v;
			v = strtoul(end + 1, &end, 10);
		}
		if ((*end != ',' && *end != '\0') || n > 1000000)
			return -1;
		for (; n > 0; n--)
			tape_put(&r->tape, (uint32_t)v);
	}
	return 0;
}
