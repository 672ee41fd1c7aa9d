/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
save_app(struct world *w, const struct app *a)
{
	struct app_saved s;
	size_t i, size;

	engine_save_app(a, &s);
	for (i = 0; i < w->saved_app_count; i++)
		if (strcmp(w->saved_apps[i]->name, s.name) == 0)
			break;
	if (i == w->saved_app_count) {
		w->saved_apps = realloc(w->saved_apps, ++w->saved_app_count * sizeof(*w->saved_apps));
		w->saved_apps[i] = NULL;
	}
	/* What is not stored is not there to be read. */
	size = app_saved_size(&s);
	w->saved_apps[i] = realloc(w->saved_apps[i], size);
	memcpy(w->saved_apps[i], &s, size);
}

static void
forget_app(struct world *w, const char *name)
{
	size_t i;

	for (i = 0; i < w->saved_app_count; i++) {
		if (strcmp(w->saved_apps[i]->name, name) == 0) {
			free(w->saved_apps[i]);
			w->saved_apps[i] = w->saved_apps[--w->saved_app_count];
			break;
		}
	}
	for (i = 0; i < w->saved_transient_count; i++) {
		if (strcmp(w->saved_transients[i]->apps[0].name, name) == 0) {
			model_unref(w->saved_transients[i]);
			w->saved_transients[i] = w->saved_transients[--w->saved_transient_count];
			break;
		}
	}
}

struct app_saved *
saved_app(struct world *w, const char *name)
{
	size_t i;

	for (i = 0; i < w->saved_app_count; i++)
		if (strcmp(w->saved_apps[i]->name, name) == 0)
			return w->saved_apps[i];
	return NULL;
}

static void
publish(struct world *w, const struct event *ev)
{
	world_trace(w, "event %llu %s %s %s", (unsigned long long)ev->seq, event_category_name(ev->category), ev->app ? ev->app : "",
	      reason_name(ev->reason));
	if (ev->seq != w->last_seq + 1)
		world_fail(w, "event %llu follows event %llu", (unsigned long long)ev->seq, (unsigned long long)w->last_seq);
	w->last_seq = ev->seq;
	if (ev->category == EVENT_APP_STARTING || ev->category == EVENT_APP_EXITED || ev->category == EVENT_APP_RUNNING ||
	    ev->category == EVENT_APP_STOPPED)
		check_pairs(w, ev);
	if (w->lie)
		check_lie(w, ev);
	if (ev->category == EVENT_SHUTDOWN)
		w->shutdown_at_ms = w->now.mono_ms;
}

static void
carry_out(struct world *w, const struct effect *ef)
{
	switch (ef->type) {
	case EFFECT_SPAWN:
		world_trace(w, "spawn %s/%d as %llu", ef->app->name, ef->kind, (unsigned long long)ef->inc);
		keeper_spawn(w, ef);
		break;
	case EFFECT_SIGNAL:
		world_trace(w, "signal %d to %llu%s", ef->signo, (unsigned long long)ef->inc, ef->whole_tree ? " and its tree" : "");
		keeper_signal(w, ef);
		break;
	case EFFECT_ACK:
		keeper_ack(w, ef->inc);
		break;
	case EFFECT_ADOPT: {
		struct kid *k = find_kid(w, ef->inc);

		world_trace(w, "adopt %d as %llu%s", (int)ef->pid, (unsigned long long)ef->inc, k && k->exited ? "" : ", which has not ended");
		if (k != NULL && k->exited) {
			k->exited = false;
			k->alive = true;
			k->pid = ef->pid;
			k->dies_at_ms = w->calm || dice_chance(&w->dice, 60) ? 0 : w->now.mono_ms + dice_roll(&w->dice, 4000);
		}
		break;
	}
	case EFFECT_READ_PIDFILE:
		w->pidfile_of = ef->inc;
		break;
	case EFFECT_ANSWER:
		w->answered++;
		break;
	case EFFECT_EXIT:
		w->exited = true;
		break;
	default:
		break;
	}
}

/* After how many effects of this step the engine dies; -1: before its commit; more than there are: it does not. */
static long
roll_death(struct world *w, size_t effects)
{
	if (w->scripted)
		return w->die_after;
	if (w->calm || !dice_chance(&w->dice, 3))
		return LONG_MAX;
	if (dice_chance(&w->dice, 30))
		return -1;
	return effects ? (long)dice_roll(&w->dice, (uint32_t)effects + 1) : 0;
}

/* Saves, commits, carries out; on the way the engine may die, before the commit or after any effect. */
void
world_settle_step(struct world *w)
{
	struct effects *ef = engine_effects(w->engine);
	long until = roll_death(w, ef->n);
	struct app *a;
	size_t i;

	if (until < 0) {
		world_engine_dies(w);		/* nothing of this step has happened */
		return;
	}
	for (i = 0; i < ef->n; i++)
		check_effect(w, &ef->v[i]);
	for (i = 0; i < ef->n; i++)
		if (ef->v[i].type == EFFECT_FORGET)
			forget_app(w, ef->v[i].app->name);
	while ((a = engine_take_dirty(w->engine)) != NULL)
		save_app(w, a);
	if (engine_take_dirty_self(w->engine))
		engine_save(w->engine, &w->saved);
	for (i = 0; i < ef->n; i++)
		if (ef->v[i].type == EFFECT_EVENT)
			publish(w, &ef->v[i].event);
	if (engine_model(w->engine) != w->saved_model) {
		model_unref(w->saved_model);
		w->saved_model = model_ref((struct model *)engine_model(w->engine));
	}
	w->engine_is_new = false;
	w->gathered = 0;
	for (i = 0; i < ef->n && (long)i < until; i++)
		carry_out(w, &ef->v[i]);
	engine_effects_done(w->engine);
	if (until != LONG_MAX) {
		world_engine_dies(w);
		return;
	}
	if (w->pidfile_of != 0) {
		enum child_kind kind;

		a = engine_find_inc(w->engine, w->pidfile_of, &kind);
		w->pidfile_of = 0;
		if (a != NULL) {
			engine_pidfile(w->engine, a, w->calm || dice_chance(&w->dice, 85) ? w->next_pid++ : 0);
			world_settle_step(w);
		}
	}
}

/* The state is refused: what a new engine has is the files, the keeper's table and numbers that were not used yet. */
static void
lose_state(struct world *w)
{
	size_t i;

	world_trace(w, "the state is lost");
	while (w->saved_app_count > 0)
		free(w->saved_apps[--w->saved_app_count]);
	while (w->saved_transient_count > 0)
		model_unref(w->saved_transients[--w->saved_transient_count]);
	w->last_seq += 1000;
	w->saved = (struct engine_saved){ .next_inc = w->last_inc + 1, .next_seq = w->last_seq + 1 };
	snprintf(w->saved.mode, sizeof(w->saved.mode), "%s", w->saved_model->default_mode ? w->saved_model->default_mode : "");
	w->told_count = 0;
	memset(w->told, 0, sizeof(w->told));
	for (i = 0; i < w->kid_count; i++)
		if (w->kids[i].kind == CHILD_MAIN && (w->kids[i].alive || w->kids[i].exited))
			told_of(w, w->kids[i].name)->started = true;
}

void
world_recover(struct world *w)
{
	struct err err;
	size_t i;

	if (!w->calm && !w->scripted && !w->saved.shutting_down && dice_chance(&w->dice, 5))
		lose_state(w);
	/* That a spawn failed is said once: the keeper keeps nothing of it. */
	for (i = w->kid_count; i > 0; i--)
		if (!w->kids[i - 1].alive && !w->kids[i - 1].exited)
			w->kids[i - 1] = w->kids[--w->kid_count];
	w->engine = engine_new(model_ref(w->saved_model), "sim", dice_roll(&w->dice, 1u << 30) + 1);
	engine_at(w->engine, w->now);
	engine_restore(w->engine, &w->saved);
	for (i = 0; i < w->saved_transient_count; i++)
		if (engine_restore_transient(w->engine, model_ref(w->saved_transients[i]), &err) < 0)
			world_fail(w, "recovery: %s", err.msg);
	for (i = 0; i < w->saved_app_count; i++)
		if (engine_restore_app(w->engine, w->saved_apps[i]) < 0)
			world_fail(w, "recovery: %s was refused", w->saved_apps[i]->name);
	for (i = 0; i < w->kid_count; i++) {
		/* The table tells who is alive; ends are told after it, each for itself. */
		w->kids[i].told = w->kids[i].alive;
		if (w->kids[i].alive || w->kids[i].exited)
			engine_found_child(w->engine, w->kids[i].name, w->kids[i].kind, w->kids[i].inc, w->kids[i].pid,
					   w->kids[i].last_step);
	}
	w->engine_is_new = true;
	engine_resume(w->engine, w->last_inc);
	check_no_old_news(w);
	world_settle_step(w);
}

void
world_engine_dies(struct world *w)
{
	world_trace(w, "the engine dies");
	w->deaths++;
	w->pidfile_of = 0;
	w->gathered = 0;
	engine_free(w->engine);
	w->engine = NULL;
}

/* The shell tells all that has come before it settles: so does this one, now and then. */
static bool
gathers_more(struct world *w)
{
	if (w->calm || w->scripted || w->gathered >= 3 || !dice_chance(&w->dice, 15))
		return false;
	w->gathered++;
	return true;
}

/* Tells the engine something: begin, one call, settle. */
#define TELL(w, call) \
	do { \
		if ((w)->engine == NULL) \
			world_recover(w); \
		if ((w)->engine != NULL) { \
			engine_at((w)->engine, (w)->now); \
			call; \
			if (!gathers_more(w)) \
				world_settle_step(w); \
		} \
	} while (0)

void
world_tell_kid(struct world *w, struct kid *k)
{
	struct exit_facts facts = { .status = k->status, .pid = k->pid, .tree_left = k->tree };
	uint64_t inc = k->inc;
	pid_t pid = k->pid;

	k->told = true;
	world_trace(w, "told of %llu: %s", (unsigned long long)inc, k->exited ? "it ended" : k->alive ? "it is there" : "it could not be");
	if (k->exited) {
		TELL(w, engine_exited(w->engine, inc, facts));
	} else if (k->alive) {
		TELL(w, engine_spawned(w->engine, inc, pid));
	} else {
		*k = w->kids[--w->kid_count];
		TELL(w, engine_spawn_failed(w->engine, inc, "exec", 2));
	}
}

/* One piece of news from the keeper, if there is any.  true: there was. */
static bool
tell_news(struct world *w)
{
	size_t i, at, start = w->kid_count ? dice_roll(&w->dice, (uint32_t)w->kid_count) : 0;

	for (i = 0; i < w->kid_count; i++) {
		at = (start + i) % w->kid_count;
		if (w->kids[at].told)
			continue;
		world_tell_kid(w, &w->kids[at]);
		return true;
	}
	return false;
}

static bool
tree_went(struct world *w)
{
	uint32_t i;
	struct app *a;
	struct kid *k;

	for (i = 0; w->engine != NULL && i < engine_app_count(w->engine); i++) {
		a = engine_app(w->engine, i);
		if (a->state != APP_STOPPING || !a->main_ended)
			continue;
		k = find_kid(w, a->inc[CHILD_MAIN]);
		if (k == NULL || k->tree)
			continue;
		TELL(w, engine_tree_gone(w->engine, a));
		return true;
	}
	return false;
}

/* Children whose time has come: they end, or say that they are ready. */
static bool
children_act(struct world *w)
{
	enum child_kind kind;
	struct app *a;
	size_t i;

	for (i = 0; i < w->kid_count; i++) {
		struct kid *k = &w->kids[i];

		if (!k->alive)
			continue;
		if (k->dies_at_ms != 0 && k->dies_at_ms <= w->now.mono_ms && !(k->undying && k->status == SIGKILL)) {
			kid_exits(w, k, k->status);
			return true;
		}
		if (k->kind == CHILD_MAIN && k->ready_at_ms != 0 && k->ready_at_ms <= w->now.mono_ms && w->engine != NULL) {
			a = engine_find_inc(w->engine, k->inc, &kind);
			k->ready_at_ms = 0;
			if (a != NULL && a->def->ready->type == READY_FD) {
				TELL(w, engine_ready(w->engine, a));
				/* The readiness socket is peeked at: what was not committed is seen again. */
				k = find_kid(w, k->inc);
				if (k != NULL && w->engine == NULL)
					k->ready_at_ms = w->now.mono_ms;
				return true;
			}
		}
	}
	return false;
}

static int64_t
next_moment(struct world *w)
{
	int64_t next = w->engine ? engine_deadline(w->engine) : 0, at;
	size_t i;

	for (i = 0; i < w->kid_count; i++) {
		if (!w->kids[i].alive)
			continue;
		at = w->kids[i].dies_at_ms;
		if (at > w->now.mono_ms && (next == 0 || at < next))
			next = at;
		at = w->kids[i].ready_at_ms;
		if (at > w->now.mono_ms && (next == 0 || at < next))
			next = at;
	}
	return next;
}

static bool
time_passes(struct world *w)
{
	int64_t next;

	/* Nobody waits with what is to be done until time has passed. */
	if (w->gathered > 0) {
		world_settle_step(w);
		return true;
	}
	next = next_moment(w);
	if (next == 0)
		return false;
	if (next > w->now.mono_ms) {
		w->now.real_us += (next - w->now.mono_ms) * 1000;
		w->now.mono_ms = next;
	}
	TELL(w, engine_tick(w->engine));
	return true;
}

void
world_begin_with(struct world *w, struct model *m, uint64_t seed, bool tracing)
{
	struct err err;

	w->now = (struct moment){ 1000, 1000000 };
	w->next_pid = 100;
	w->trace = tracing;
	w->saved_model = model_ref(m);
	w->engine = engine_new(m, "sim", seed + 1);
	engine_at(w->engine, w->now);
	engine_boot(w->engine, NULL, &err);
	/* A first engine that dies before its first commit leaves nothing: the next one boots. */
	w->calm = true;
	w->die_after = LONG_MAX;
	world_settle_step(w);
	w->calm = false;
}

void
world_begin(struct world *w, struct dice dice, bool tracing)
{
	struct model *m;

	*w = (struct world){ .dice = dice };
	m = dice_model(&w->dice, 8);
	world_begin_with(w, m, dice_roll(&w->dice, 1u << 30), tracing);
}

void
world_step(struct world *w)
{
	w->steps++;
	if (w->engine == NULL)
		world_recover(w);
	if (w->exited || w->engine == NULL)
		return;
	if (dice_chance(&w->dice, 12))
		somebody_asks(w);
	else if (dice_chance(&w->dice, 60) && tell_news(w))
		;
	else if (tree_went(w) || children_act(w))
		;
	else if (!tell_news(w))
		time_passes(w);
	if (w->gathered == 0)
		check_always(w);
}

void
world_settle(struct world *w)
{
	unsigned patience = 20000;
	size_t i;

	w->calm = true;
	if (w->engine != NULL && w->gathered > 0)
		world_settle_step(w);
	if (w->engine == NULL && !w->exited)
		world_recover(w);
	/* An infinite patience with a stubborn child would be just that. */
	for (i = 0; i < w->kid_count; i++) {
		const struct app *a = w->engine ? engine_find(w->engine, w->kids[i].name) : NULL;

		if (w->kids[i].dies_at_ms == 0 && a != NULL && (a->state == APP_STOPPING || a->def->type == APP_ONESHOT)) {
			w->kids[i].dies_at_ms = w->now.mono_ms + 1;
			w->kids[i].status = SIGTERM;
		}
		w->kids[i].undying = w->kids[i].stubborn = w->kids[i].tree = false;
	}
	while (!w->exited && patience-- > 0)
		if (!tell_news(w) && !tree_went(w) && !children_act(w) && !time_passes(w))
			break;
	if (w->exited)
		check_exited(w);
	else if (patience == 0)
		world_fail(w, "it never comes to rest");
	else
		check_settled(w);
}

void
world_end(struct world *w)
{
	trace_apps(w);
	engine_free(w->engine);
	free(w->kids);
	while (w->saved_app_count > 0)
		free(w->saved_apps[--w->saved_app_count]);
	free(w->saved_apps);
	model_unref(w->saved_model);
	while (w->saved_transient_count > 0)
		model_unref(w->saved_transients[--w->saved_transient_count]);
}
