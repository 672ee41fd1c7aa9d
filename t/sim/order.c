/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * order [SYSTEMS]
 *
 * Start and stop order against a second implementation, slow and obvious: it reads the
 * definitions as they are written (no graph), and every round starts, or stops, all that may.
 * The engine's world goes in the same rounds: what was ordered in one is there before the next.
 */
enum { MAX = 16 };

struct system {
	const struct model *m;
	bool wanted[MAX], up[MAX], stopped[MAX];
};

static bool
names(const struct refs *refs, uint32_t app)
{
	uint32_t i;

	for (i = 0; i < refs->n; i++)
		if (refs->v[i].app == app)
			return true;
	return false;
}

/* Do the definitions put b before a? */
static bool
is_written_before(const struct system *s, uint32_t b, uint32_t a)
{
	const struct app_def *da = &s->m->apps[a], *db = &s->m->apps[b];

	return names(&da->applications, b) || names(&da->optional_applications, b) || names(&da->start_after, b) ||
	       names(&db->start_before, a) || (db->is_protected && !da->is_protected);
}

/* Must b be up before a starts?  What only orders counts where b is wanted. */
static bool
comes_before(const struct system *s, uint32_t b, uint32_t a)
{
	return is_written_before(s, b, a) && (s->wanted[b] || names(&s->m->apps[a].applications, b));
}

static bool
has_process(const struct system *s, uint32_t a)
{
	return s->m->apps[a].command.argv.n > 0;
}

/* One without a process is up as soon as what it waits for is; until nothing changes. */
static void
raise_load_only(struct system *s)
{
	bool changed = true, may;
	uint32_t a, b;

	while (changed) {
		changed = false;
		for (a = 0; a < s->m->app_count; a++) {
			if (has_process(s, a) || s->up[a])
				continue;
			for (may = true, b = 0; b < s->m->app_count; b++)
				may &= b == a || !comes_before(s, b, a) || s->up[b];
			s->up[a] = may;
			changed |= may;
		}
	}
}

/* All that may start now, as bits. */
static uint32_t
starters(struct system *s)
{
	uint32_t a, b, found = 0;
	bool may;

	raise_load_only(s);
	for (a = 0; a < s->m->app_count; a++) {
		may = s->wanted[a] && has_process(s, a) && !s->up[a];
		for (b = 0; b < s->m->app_count; b++)
			may &= b == a || !comes_before(s, b, a) || s->up[b];
		found |= (uint32_t)may << a;
	}
	return found;
}

/*
 * In a shutdown everything goes down: a waits for each that is written after it and has not stopped, also
 * by way of others, whether those are up or not.
 */
static bool
holds(const struct system *s, uint32_t a, bool *seen)
{
	uint32_t b;

	for (b = 0; b < s->m->app_count; b++) {
		if (b == a || seen[b] || !is_written_before(s, a, b))
			continue;
		seen[b] = true;
		if ((s->up[b] && has_process(s, b) && !s->stopped[b]) || holds(s, b, seen))
			return true;
	}
	return false;
}

static uint32_t
stoppers(const struct system *s)
{
	bool seen[MAX];
	uint32_t a, found = 0;

	for (a = 0; a < s->m->app_count; a++) {
		memset(seen, 0, sizeof(seen));
		if (has_process(s, a) && s->up[a] && !s->stopped[a] && !holds(s, a, seen))
			found |= 1u << a;
	}
	return found;
}

/* What the engine orders in this round, as bits; its orders wait in todo[]. */
static uint32_t
ordered(struct engine *e, enum effect_type type, uint64_t *todo)
{
	struct effects *ef = engine_effects(e);
	uint32_t found = 0;
	size_t i;

	for (i = 0; i < ef->n; i++) {
		if (ef->v[i].type != type || ef->v[i].kind != CHILD_MAIN)
			continue;
		found |= 1u << ef->v[i].app->vertex;
		todo[ef->v[i].app->vertex] = ef->v[i].inc;
	}
	engine_effects_done(e);
	return found;
}

/* Everybody becomes ready, or ends, at once: their news is told without a look at what it leads to in between. */
static uint32_t
next_round(struct engine *e, uint32_t who, const uint64_t *inc, bool start, uint64_t *todo)
{
	uint32_t a, found = 0;
	struct app *app;

	for (a = 0; a < MAX; a++) {
		if (!(who & 1u << a))
			continue;
		app = engine_app(e, a);
		if (!start) {
			engine_exited(e, inc[a], (struct exit_facts){ .status = SIGTERM });
		} else if (app->def->type == APP_ONESHOT) {
			engine_exited(e, inc[a], (struct exit_facts){ .status = 0 });
		} else {
			engine_spawned(e, inc[a], 100);
			engine_ready(e, app);
		}
		found |= ordered(e, start ? EFFECT_SPAWN : EFFECT_SIGNAL, todo);
	}
	return found;
}

/* A model in which order is all there is to it. */
static struct model *
ordering_model(uint64_t seed)
{
	struct dice d = { .state = seed };
	struct model *m = dice_model(&d, MAX);
	static const struct ready by_fd = { .type = READY_FD, .timeout_ms = 1000 };
	uint32_t i;

	for (i = 0; i < m->app_count; i++) {
		m->apps[i].ready = &by_fd;
		if (m->apps[i].type == APP_FORKING)
			m->apps[i].type = APP_PROCESS;
		m->apps[i].stop_command = (struct command){ 0 };
		m->apps[i].shutdown_ms = 1000;
		m->apps[i].essential = false;
	}
	return m;
}

static bool
check_system(uint64_t seed)
{
	struct system s = { .m = ordering_model(seed) };
	struct engine *e = engine_new(model_ref((struct model *)s.m), "sim", 1);
	uint64_t inc[MAX] = { 0 }, todo[MAX];
	uint32_t ours, theirs = 0, a;
	struct err err;
	bool same;

	engine_at(e, (struct moment){ 1000, 1000 });
	engine_boot(e, NULL, &err);
	for (a = 0; a < s.m->app_count; a++)
		s.wanted[a] = engine_app(e, a)->wanted && !s.m->apps[a].disabled;
	for (theirs = ordered(e, EFFECT_SPAWN, inc);; theirs = next_round(e, theirs, inc, true, todo), memcpy(inc, todo, sizeof(inc))) {
		memcpy(todo, inc, sizeof(todo));
		ours = starters(&s);
		same = ours == theirs;
		if (!same || ours == 0)
			break;
		for (a = 0; a < s.m->app_count; a++)
			s.up[a] |= ours >> a & 1;
	}
	if (same) {
		/* Those that are done, oneshots, have no process to stop. */
		for (a = 0; a < s.m->app_count; a++) {
			s.stopped[a] = s.m->apps[a].type == APP_ONESHOT;
			inc[a] = engine_app(e, a)->inc[CHILD_MAIN];
		}
		engine_shutdown(e, 0, REASON_SHUTDOWN, false);
		for (theirs = ordered(e, EFFECT_SIGNAL, todo);; theirs = next_round(e, theirs, inc, false, todo)) {
			ours = stoppers(&s);
			same = ours == theirs;
			if (!same || ours == 0)
				break;
			for (a = 0; a < s.m->app_count; a++)
				s.stopped[a] |= ours >> a & 1;
		}
	}
	if (!same)
		printf("# system %llu: the engine says %#x where %#x may\n", (unsigned long long)seed, theirs, ours);
	engine_free(e);
	model_unref((struct model *)s.m);
	return same;
}

int
main(int argc, char **argv)
{
	unsigned long systems = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000, i, wrong = 0;

	for (i = 1; i <= systems && wrong < 10; i++)
		wrong += !check_system(i);
	printf("1..1\n%sok 1 - %lu systems start and stop as a slow and obvious reading of their definitions says\n",
	       wrong ? "not " : "", systems);
	return wrong > 0;
}
