/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* The keeper and its children, as far as an engine can tell. */

struct kid *
find_kid(struct world *w, uint64_t inc)
{
	size_t i;

	for (i = 0; i < w->kid_count; i++)
		if (w->kids[i].inc == inc)
			return &w->kids[i];
	return NULL;
}

struct kid *
live_main(struct world *w, const char *name)
{
	size_t i;

	for (i = 0; i < w->kid_count; i++)
		if (w->kids[i].kind == CHILD_MAIN && strcmp(w->kids[i].name, name) == 0 && (w->kids[i].alive || w->kids[i].tree))
			return &w->kids[i];
	return NULL;
}

static void
roll_fate(struct world *w, struct kid *k, const struct app *a)
{
	struct dice *d = &w->dice;
	int64_t now = w->now.mono_ms;

	if (w->scripted)
		return;
	k->stubborn = !w->calm && dice_chance(d, 10);
	k->undying = !w->calm && dice_chance(d, 1);
	k->ready_at_ms = dice_chance(d, 90) || w->calm ? now + 1 + dice_roll(d, 500) : 0;
	if (k->kind != CHILD_MAIN || a->def->type == APP_ONESHOT || (a->def->type == APP_FORKING))
		k->dies_at_ms = now + 1 + dice_roll(d, 800);
	else if (!w->calm && dice_chance(d, 40))
		k->dies_at_ms = now + 1 + dice_roll(d, 6000);
	k->status = w->calm || dice_chance(d, 60) ? 0 : dice_chance(d, 50) ? 1 << 8 : SIGSEGV;
	k->tree = false;
}

/* Where the order goes wrong, the keeper answers at once. */
void
keeper_spawn(struct world *w, const struct effect *ef)
{
	struct kid *k;

	if (ef->inc <= w->last_inc) {
		world_fail(w, "%s: incarnation %llu was ordered twice", ef->app->name, (unsigned long long)ef->inc);
		return;
	}
	w->last_inc = ef->inc;
	if (ef->kind == CHILD_MAIN && live_main(w, ef->app->name) != NULL)
		world_fail(w, "%s was started while it was still there", ef->app->name);
	if (w->kid_count == w->kid_cap) {
		w->kid_cap = w->kid_cap ? w->kid_cap * 2 : 64;
		w->kids = realloc(w->kids, w->kid_cap * sizeof(*w->kids));
	}
	k = &w->kids[w->kid_count++];
	*k = (struct kid){ .inc = ef->inc, .kind = ef->kind, .alive = true };
	memcpy(k->name, ef->app->name, sizeof(k->name));
	if (!w->calm && !w->scripted && dice_chance(&w->dice, 4)) {
		world_trace(w, "%llu cannot be spawned", (unsigned long long)ef->inc);
		k->alive = false;		/* SPAWN_FAILED will be told */
		return;
	}
	k->pid = w->next_pid++;
	roll_fate(w, k, ef->app);
}

/* A stop command that ended well has told the main process. */
static void
stop_command_worked(struct world *w, const struct kid *k)
{
	struct kid *m = k->kind == CHILD_STOP ? live_main(w, k->name) : NULL;

	if (m != NULL && m->alive && !m->stubborn && !m->undying) {
		m->dies_at_ms = w->now.mono_ms + 1;
		m->status = SIGTERM;
	}
}

void
kid_exits(struct world *w, struct kid *k, int status)
{
	if (status == 0)
		stop_command_worked(w, k);
	k->alive = false;
	k->exited = true;
	k->told = false;
	k->status = status;
	k->tree = !w->calm && !w->scripted && k->kind == CHILD_MAIN && dice_chance(&w->dice, 15);
	world_trace(w, "%s/%d (%llu) ends with %d%s", k->name, k->kind, (unsigned long long)k->inc, status, k->tree ? ", tree left" : "");
}

void
keeper_signal(struct world *w, const struct effect *ef)
{
	struct kid *k = find_kid(w, ef->inc);

	if (k == NULL || (ef->step != 0 && ef->step <= k->last_step))
		return;
	if (ef->step != 0)
		k->last_step = ef->step;
	if (ef->whole_tree && (ef->signo == SIGKILL || !k->stubborn))
		k->tree = false;
	if (k->undying && ef->signo == SIGKILL)
		k->outlived_kill = true;
	if (!k->alive || k->undying)
		return;
	if (ef->signo == SIGKILL || (!k->stubborn && ef->signo == SIGTERM))
		k->dies_at_ms = w->now.mono_ms + (ef->signo == SIGKILL ? 0 : dice_roll(&w->dice, 300)), k->status = ef->signo;
}

void
keeper_ack(struct world *w, uint64_t inc)
{
	struct kid *k = find_kid(w, inc);

	if (k == NULL)
		return;
	if (k->alive)
		world_fail(w, "%s: the end of %llu was acknowledged before it came", k->name, (unsigned long long)inc);
	if (k->tree)
		world_fail(w, "%s: descendants of %llu were left alone", k->name, (unsigned long long)inc);
	*k = w->kids[--w->kid_count];
}
