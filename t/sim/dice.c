/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
tape_put(struct tape *t, uint32_t v)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 1024;
		t->v = realloc(t->v, t->cap * sizeof(*t->v));
		if (t->v == NULL)
			abort();
	}
	t->v[t->n++] = v;
}

static uint32_t
throw(struct dice *d, uint32_t sides)
{
	/* splitmix64 (Steele, Lea, Flood 2014). */
	uint64_t z = (d->state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ (z >> 31)) >> 32) % sides;
}

uint32_t
dice_roll(struct dice *d, uint32_t sides)
{
	uint32_t v;

	if (d->tape == NULL)
		return throw(d, sides);
	if (d->tape->played) {
		v = d->tape->at < d->tape->n ? d->tape->v[d->tape->at] % sides : 0;
		d->tape->at++;
	} else {
		v = throw(d, sides);
		tape_put(d->tape, v);
	}
	return v;
}

bool
dice_chance(struct dice *d, uint32_t percent)
{
	return dice_roll(d, 100) >= 100 - percent;
}

static const char *
numbered(struct arena *a, char letter, uint32_t number)
{
	char name[16];

	snprintf(name, sizeof(name), "%c%u", letter, number);
	return arena_strdup(a, name);
}

static void
add_ref(struct arena *a, struct refs *refs, uint32_t app, const char *name, enum on_exit on_exit)
{
	struct ref *v = arena_alloc(a, (refs->n + 1) * sizeof(*v));

	if (refs->n > 0)
		memcpy(v, refs->v, refs->n * sizeof(*v));
	v[refs->n++] = (struct ref){ .app = app, .name = name, .on_exit = on_exit };
	refs->v = v;
}

static void
roll_command(struct dice *d, struct arena *a, struct app_def *def)
{
	static const char *argv[] = { "x" };

	if (dice_chance(d, 10))
		return;
	def->command.argv = (struct strings){ argv, 1 };
	def->type = dice_chance(d, 25) ? APP_ONESHOT : dice_chance(d, 10) ? APP_FORKING : APP_PROCESS;
	if (dice_chance(d, 10))
		def->stop_command.argv = def->command.argv;
	(void)a;
}

static void
roll_readiness(struct dice *d, struct arena *a, struct app_def *def)
{
	struct ready *r = arena_alloc(a, sizeof(*r));

	r->type = READY_NONE;
	r->timeout_ms = 3000;
	if (def->type != APP_ONESHOT && dice_chance(d, 50))
		r->type = dice_chance(d, 50) ? READY_FD : READY_EXEC;
	def->ready = r;
}

static void
roll_endings(struct dice *d, struct arena *a, struct app_def *def)
{
	struct backoff *b = arena_alloc(a, sizeof(*b));

	*b = (struct backoff){ .min_ms = 100, .max_ms = 2000, .factor = 2, .jitter = 0.5, .reset_after_ms = 5000,
		.immediate_first = dice_chance(d, 50) };
	def->backoff = b;
	def->restart = def->type == APP_ONESHOT ? RESTART_TRANSIENT : (enum restart_type)dice_roll(d, 3);
	def->intensity = dice_chance(d, 40) ? (int)dice_roll(d, 4) : -1;
	def->period_ms = 5000;
	def->stop_signal = SIGTERM;
	def->shutdown_ms = dice_chance(d, 15) ? 0 : dice_chance(d, 10) ? DURATION_INFINITE : 2000;
	def->essential = dice_chance(d, 2);
	def->on_give_up = dice_chance(d, 85) ? GIVE_UP_NONE : dice_chance(d, 70) ? GIVE_UP_MODE : GIVE_UP_SHUTDOWN;
	def->give_up_mode = "m0";
	def->run_hash = 1 + dice_roll(d, 2) + 8 * def->type + 64 * (def->command.argv.n > 0);
}

/* Edges lead from earlier to later applications only, so there is no cycle; protected ones come first. */
static void
roll_edges(struct dice *d, struct model *m)
{
	uint32_t i, j;
	struct app_def *later, *earlier;

	for (i = 0; i < m->app_count; i++) {
		for (j = 0; j < i; j++) {
			later = &m->apps[i];
			earlier = &m->apps[j];
			if (dice_chance(d, 20))
				add_ref(m->arena, &later->applications, j, earlier->name,
					dice_chance(d, 70) ? ON_EXIT_IGNORE : (enum on_exit)dice_roll(d, 3));
			else if (dice_chance(d, 8))
				add_ref(m->arena, &later->start_after, j, earlier->name, ON_EXIT_IGNORE);
			else if (dice_chance(d, 8))
				add_ref(m->arena, &earlier->start_before, i, later->name, ON_EXIT_IGNORE);
			else if (dice_chance(d, 5))
				add_ref(m->arena, &later->optional_applications, j, earlier->name, ON_EXIT_IGNORE);
		}
	}
}

static void
roll_modes(struct dice *d, struct model *m)
{
	uint32_t i, j;
	struct role *r;
	struct mode *mode;

	m->role_count = 3;
	m->roles = arena_alloc(m->arena, m->role_count * sizeof(*m->roles));
	for (i = 0; i < m->role_count; i++) {
		r = &m->roles[i];
		r->name = numbered(m->arena, 'r', i);
		r->apps = arena_alloc(m->arena, m->app_count * sizeof(*r->apps));
		for (j = 0; j < m->app_count; j++) {
			if (dice_chance(d, 35)) {
				r->apps[r->n++] = j;
				m->apps[j].in_role = true;
			}
		}
	}
	m->mode_count = 3;
	m->modes = arena_alloc(m->arena, m->mode_count * sizeof(*m->modes));
	for (i = 0; i < m->mode_count; i++) {
		mode = &m->modes[i];
		mode->name = numbered(m->arena, 'm', i);
		mode->roles = arena_alloc(m->arena, m->role_count * sizeof(*mode->roles));
		for (j = 0; j < m->role_count; j++)
			if (dice_chance(d, 50))
				mode->roles[mode->n++] = j;
	}
	m->default_mode = dice_chance(d, 80) ? "m0" : NULL;
}

/* What needs one that is disabled is disabled too: anything else would be refused. */
static void
roll_disabled(struct dice *d, struct model *m)
{
	uint32_t i, j;

	for (i = 0; i < m->app_count; i++) {
		m->apps[i].disabled = dice_chance(d, 8);
		for (j = 0; j < m->apps[i].applications.n; j++)
			m->apps[i].disabled |= m->apps[m->apps[i].applications.v[j].app].disabled;
	}
}

struct model *
dice_model(struct dice *d, uint32_t max_apps)
{
	struct arena *a = arena_new();
	struct model *m = calloc(1, sizeof(*m));
	uint32_t i, guarded = dice_chance(d, 30) ? dice_roll(d, 3) : 0;

	m->arena = a;
	m->refs = 1;
	m->app_count = 1 + dice_roll(d, max_apps);
	m->apps = arena_alloc(a, m->app_count * sizeof(*m->apps));
	m->shutdown_timeout_ms = SHUTDOWN_LIMIT_MS;
	for (i = 0; i < m->app_count; i++) {
		m->apps[i].name = numbered(a, 'a', i);
		roll_command(d, a, &m->apps[i]);
		roll_readiness(d, a, &m->apps[i]);
		roll_endings(d, a, &m->apps[i]);
		m->apps[i].is_protected = i < guarded;
	}
	roll_edges(d, m);
	roll_modes(d, m);
	roll_disabled(d, m);
	return m;
}

struct model *
dice_transient(struct dice *d, unsigned number)
{
	struct model *m = dice_model(d, 1);
	static const char *argv[] = { "x" };

	m->apps[0].name = numbered(m->arena, 't', number);
	m->apps[0].command.argv = (struct strings){ argv, 1 };
	m->apps[0].type = APP_PROCESS;
	m->apps[0].restart = RESTART_TEMPORARY;
	m->apps[0].essential = m->apps[0].is_protected = false;
	return m;
}
