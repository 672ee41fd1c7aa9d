/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
fail(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (w->failure[0])
		return;
	va_start(ap, fmt);
	vsnprintf(w->failure, sizeof(w->failure), fmt, ap);
	va_end(ap);
}

static void
trace(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (!w->trace)
		return;
	printf("# %8lld ", (long long)w->now.mono_ms);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* ---- the keeper ---- */

static struct kid *
find_kid(struct world *w, uint64_t inc)
{
	size_t i;

	for (i = 0; i < w->kid_count; i++)
		if (w->kids[i].inc == inc)
			return &w->kids[i];
	return NULL;
}

static struct kid *
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
static void
keeper_spawn(struct world *w, const struct effect *ef)
{
	struct kid *k;

	if (ef->inc <= w->last_inc) {
		fail(w, "%s: incarnation %llu was ordered twice", ef->app->name, (unsigned long long)ef->inc);
		return;
	}
	w->last_inc = ef->inc;
	if (ef->kind == CHILD_MAIN && live_main(w, ef->app->name) != NULL)
		fail(w, "%s was started while it was still there", ef->app->name);
	if (w->kid_count == w->kid_cap) {
		w->kid_cap = w->kid_cap ? w->kid_cap * 2 : 64;
		w->kids = realloc(w->kids, w->kid_cap * sizeof(*w->kids));
	}
	k = &w->kids[w->kid_count++];
	*k = (struct kid){ .inc = ef->inc, .kind = ef->kind, .alive = true };
	memcpy(k->name, ef->app->name, sizeof(k->name));
	if (!w->calm && dice_chance(&w->dice, 4)) {
		trace(w, "%llu cannot be spawned", (unsigned long long)ef->inc);
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

static void
kid_exits(struct world *w, struct kid *k, int status)
{
	if (status == 0)
		stop_command_worked(w, k);
	k->alive = false;
	k->exited = true;
	k->told = false;
	k->status = status;
	k->tree = !w->calm && k->kind == CHILD_MAIN && dice_chance(&w->dice, 15);
	trace(w, "%s/%d (%llu) ends with %d%s", k->name, k->kind, (unsigned long long)k->inc, status, k->tree ? ", tree left" : "");
}

static void
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

static void
keeper_ack(struct world *w, uint64_t inc)
{
	struct kid *k = find_kid(w, inc);

	if (k == NULL)
		return;
	if (k->alive)
		fail(w, "%s: the end of %llu was acknowledged before it came", k->name, (unsigned long long)inc);
	if (k->tree)
		fail(w, "%s: descendants of %llu were left alone", k->name, (unsigned long long)inc);
	*k = w->kids[--w->kid_count];
}

/* ---- what the engine has saved, and what is published ---- */

static void
save_app(struct world *w, const struct app *a)
{
	struct app_saved s;
	size_t i;

	engine_save_app(a, &s);
	for (i = 0; i < w->saved_app_count; i++)
		if (strcmp(w->saved_apps[i].name, s.name) == 0)
			break;
	if (i == w->saved_app_count) {
		w->saved_apps = realloc(w->saved_apps, ++w->saved_app_count * sizeof(s));
	}
	w->saved_apps[i] = s;
}

static void
forget_app(struct world *w, const char *name)
{
	size_t i;

	for (i = 0; i < w->saved_app_count; i++) {
		if (strcmp(w->saved_apps[i].name, name) == 0) {
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

static struct app_saved *
saved_app(struct world *w, const char *name)
{
	size_t i;

	for (i = 0; i < w->saved_app_count; i++)
		if (strcmp(w->saved_apps[i].name, name) == 0)
			return &w->saved_apps[i];
	return NULL;
}

static struct told *
told_of(struct world *w, const char *name)
{
	size_t i;

	for (i = 0; i < w->told_count; i++)
		if (strcmp(w->told[i].name, name) == 0)
			return &w->told[i];
	if (w->told_count == sizeof(w->told) / sizeof(w->told[0]))
		abort();
	snprintf(w->told[w->told_count].name, sizeof(w->told[0].name), "%s", name);
	return &w->told[w->told_count++];
}

/* Each beginning has one end, and nothing ends that did not begin. */
static void
check_pairs(struct world *w, const struct event *ev)
{
	struct told *t = told_of(w, ev->app);
	bool *open = ev->category == EVENT_APP_STARTING || ev->category == EVENT_APP_EXITED ? &t->started : &t->running;
	bool begins = ev->category == EVENT_APP_STARTING || ev->category == EVENT_APP_RUNNING;

	if (*open == begins)
		fail(w, "event %llu: %s of %s %s", (unsigned long long)ev->seq, event_category_name(ev->category), ev->app,
		     begins ? "while the last one is still open" : "that was not open");
	*open = begins;
}

static void
publish(struct world *w, const struct event *ev)
{
	trace(w, "event %llu %s %s %s", (unsigned long long)ev->seq, event_category_name(ev->category), ev->app ? ev->app : "",
	      reason_name(ev->reason));
	if (ev->seq != w->last_seq + 1)
		fail(w, "event %llu follows event %llu", (unsigned long long)ev->seq, (unsigned long long)w->last_seq);
	w->last_seq = ev->seq;
	if (ev->category == EVENT_APP_STARTING || ev->category == EVENT_APP_EXITED || ev->category == EVENT_APP_RUNNING ||
	    ev->category == EVENT_APP_STOPPED)
		check_pairs(w, ev);
	if (ev->category == EVENT_SHUTDOWN)
		w->shutdown_at_ms = w->now.mono_ms;
}

/* ---- the promises ---- */

/* The slow and obvious reading of "starts only when all it must wait for is running". */
static void
check_may_start(struct world *w, const struct app *a)
{
	const struct graph *g = engine_graph(w->engine);
	struct edges preds = graph_preds(g, a->vertex);
	const struct app *p;
	uint32_t i;

	for (i = 0; i < preds.n; i++) {
		if (preds.v[i].other == graph_barrier(g))
			continue;
		p = engine_app(w->engine, preds.v[i].other);
		if (p->state == APP_LOAD_ONLY || app_is_up(p))
			continue;
		if (preds.v[i].kind == EDGE_REQUIRES || (p->wanted && p->state != APP_COMPLETED))
			fail(w, "%s was started although %s is %s", a->name, p->name, app_state_name(p->state));
	}
	for (i = 0; !a->def->is_protected && i < engine_app_count(w->engine); i++) {
		p = engine_app(w->engine, i);
		if (p->next_def != NULL && p->next_def->is_protected && p->wanted && p->state != APP_LOAD_ONLY &&
		    p->state != APP_COMPLETED && !app_is_up(p))
			fail(w, "%s was started before protected %s was up (%s)", a->name, p->name, app_state_name(p->state));
	}
}

static void
check_may_stop(struct world *w, const struct app *a)
{
	const struct graph *g = engine_graph(w->engine);
	struct edges succs = graph_succs(g, a->vertex);
	const struct app *s;
	uint32_t i;

	for (i = 0; i < succs.n; i++) {
		if (succs.v[i].other == graph_barrier(g))
			continue;
		s = engine_app(w->engine, succs.v[i].other);
		if (!app_at_rest(s) && (!s->wanted || s->restart_asked))
			fail(w, "%s was told to stop although %s, which is going down too, is %s", a->name, s->name,
			     app_state_name(s->state));
	}
}

/* At a first signal, the state has not yet moved on: the effects of one call are looked at together. */
static void
check_effect(struct world *w, const struct effect *ef)
{
	const struct app *a;

	if (ef->type == EFFECT_SPAWN && ef->kind == CHILD_MAIN && ef->inc == ef->app->inc[CHILD_MAIN] && !w->engine_is_new)
		check_may_start(w, ef->app);
	if (ef->type != EFFECT_EVENT || ef->event.category != EVENT_APP_STOPPING || w->hurried ||
	    (w->shutdown_at_ms != 0 && w->now.mono_ms >= w->shutdown_at_ms + SHUTDOWN_LIMIT_MS))
		return;
	a = engine_find(w->engine, ef->event.app);
	if (a != NULL && a->asked && a->state == APP_STOPPING)
		check_may_stop(w, a);
}

/* ---- the shell around the engine ---- */

static void
carry_out(struct world *w, const struct effect *ef)
{
	switch (ef->type) {
	case EFFECT_SPAWN:
		trace(w, "spawn %s/%d as %llu", ef->app->name, ef->kind, (unsigned long long)ef->inc);
		keeper_spawn(w, ef);
		break;
	case EFFECT_SIGNAL:
		trace(w, "signal %d to %llu%s", ef->signo, (unsigned long long)ef->inc, ef->whole_tree ? " and its tree" : "");
		keeper_signal(w, ef);
		break;
	case EFFECT_ACK:
		keeper_ack(w, ef->inc);
		break;
	case EFFECT_ADOPT: {
		struct kid *k = find_kid(w, ef->inc);

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

static void engine_dies(struct world *w);

/* Saves, commits, carries out; on the way the engine may die, before the commit or after any effect. */
static void
settle_step(struct world *w)
{
	struct effects *ef = engine_effects(w->engine);
	bool dies = !w->calm && dice_chance(&w->dice, 3);
	size_t i, until = ef->n;
	struct app *a;

	if (dies && dice_chance(&w->dice, 30)) {
		engine_dies(w);			/* nothing of this step has happened */
		return;
	}
	for (i = 0; i < ef->n; i++)
		check_effect(w, &ef->v[i]);
	while ((a = engine_take_dirty(w->engine)) != NULL)
		save_app(w, a);
	if (engine_take_dirty_self(w->engine))
		engine_save(w->engine, &w->saved);
	for (i = 0; i < ef->n; i++) {
		if (ef->v[i].type == EFFECT_EVENT)
			publish(w, &ef->v[i].event);
		if (ef->v[i].type == EFFECT_FORGET)
			forget_app(w, ef->v[i].app->name);
	}
	if (engine_model(w->engine) != w->saved_model) {
		model_unref(w->saved_model);
		w->saved_model = model_ref((struct model *)engine_model(w->engine));
	}
	w->engine_is_new = false;
	if (dies)
		until = ef->n ? dice_roll(&w->dice, (uint32_t)ef->n + 1) : 0;
	for (i = 0; i < until; i++)
		carry_out(w, &ef->v[i]);
	engine_effects_done(w->engine);
	if (dies) {
		engine_dies(w);
		return;
	}
	if (w->pidfile_of != 0) {
		enum child_kind kind;

		a = engine_find_inc(w->engine, w->pidfile_of, &kind);
		w->pidfile_of = 0;
		if (a != NULL) {
			engine_pidfile(w->engine, a, w->calm || dice_chance(&w->dice, 85) ? w->next_pid++ : 0);
			settle_step(w);
		}
	}
}

/* The state is refused: what a new engine has is the files, the keeper's table and numbers that were not used yet. */
static void
lose_state(struct world *w)
{
	size_t i;

	trace(w, "the state is lost");
	w->saved_app_count = 0;
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

static void
recover(struct world *w)
{
	struct err err;
	size_t i;

	if (!w->calm && !w->saved.shutting_down && dice_chance(&w->dice, 5))
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
			fail(w, "recovery: %s", err.msg);
	for (i = 0; i < w->saved_app_count; i++)
		if (engine_restore_app(w->engine, &w->saved_apps[i]) < 0)
			fail(w, "recovery: %s was refused", w->saved_apps[i].name);
	for (i = 0; i < w->kid_count; i++) {
		/* The table tells who is alive; ends are told after it, each for itself. */
		w->kids[i].told = w->kids[i].alive;
		if (w->kids[i].alive || w->kids[i].exited)
			engine_found_child(w->engine, w->kids[i].name, w->kids[i].kind, w->kids[i].inc, w->kids[i].pid);
	}
	w->engine_is_new = true;
	engine_resume(w->engine, w->last_inc);
	settle_step(w);
}

static void
engine_dies(struct world *w)
{
	trace(w, "the engine dies");
	w->deaths++;
	w->pidfile_of = 0;
	engine_free(w->engine);
	w->engine = NULL;
}

/* Tells the engine something: begin, one call, settle. */
#define TELL(w, call) \
	do { \
		if ((w)->engine == NULL) \
			recover(w); \
		if ((w)->engine != NULL) { \
			engine_at((w)->engine, (w)->now); \
			call; \
			settle_step(w); \
		} \
	} while (0)

/* ---- what happens ---- */

static struct app *
any_app(struct world *w)
{
	uint32_t n = engine_app_count(w->engine);

	return n ? engine_app(w->engine, dice_roll(&w->dice, n)) : NULL;
}

/* One piece of news from the keeper, if there is any.  true: there was. */
static bool
tell_news(struct world *w)
{
	size_t i, at, start = w->kid_count ? dice_roll(&w->dice, (uint32_t)w->kid_count) : 0;
	struct kid *k;

	for (i = 0; i < w->kid_count; i++) {
		at = (start + i) % w->kid_count;
		k = &w->kids[at];
		if (k->told)
			continue;
		k->told = true;
		if (k->exited) {
			struct exit_facts facts = { .status = k->status, .pid = k->pid, .tree_left = k->tree };
			uint64_t inc = k->inc;

			TELL(w, engine_exited(w->engine, inc, facts));
		} else if (k->alive) {
			uint64_t inc = k->inc;
			pid_t pid = k->pid;

			TELL(w, engine_spawned(w->engine, inc, pid));
		} else {
			uint64_t inc = k->inc;

			*k = w->kids[--w->kid_count];
			TELL(w, engine_spawn_failed(w->engine, inc, "exec", 2));
		}
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
	int64_t next = next_moment(w);

	if (next == 0)
		return false;
	if (next > w->now.mono_ms) {
		w->now.real_us += (next - w->now.mono_ms) * 1000;
		w->now.mono_ms = next;
	}
	TELL(w, engine_tick(w->engine));
	return true;
}

static void
run_transient(struct world *w)
{
	struct model *m = dice_transient(&w->dice, w->run_number++ % 50);
	struct err err;

	if (w->saved_transient_count == 60) {
		model_unref(m);
		return;
	}
	if (engine_run(w->engine, model_ref(m), &err) == NULL) {
		model_unref(m);
		model_unref(m);
		return;
	}
	/* The shell saves the definition in the same commit. */
	w->saved_transients[w->saved_transient_count++] = m;
	settle_step(w);
}

static void
somebody_asks(struct world *w)
{
	struct err err = { 0 };
	struct app *a = any_app(w);
	char mode[8];

	engine_at(w->engine, w->now);
	if (a == NULL)
		return;
	switch (dice_roll(&w->dice, 12)) {
	case 0:
	case 1:
		snprintf(mode, sizeof(mode), "m%u", dice_roll(&w->dice, 3));
		trace(w, "asked: mode %s", mode);
		engine_set_mode(w->engine, mode, &err);
		break;
	case 2:
		trace(w, "asked: start %s", a->name);
		engine_start(w->engine, a, &err);
		break;
	case 3:
	case 4:
		trace(w, "asked: stop %s", a->name);
		engine_stop(w->engine, a, dice_chance(&w->dice, 60), &err);
		break;
	case 5:
		trace(w, "asked: restart %s", a->name);
		engine_restart(w->engine, a, &err);
		break;
	case 6: {
		struct model *m = dice_model(&w->dice, 8);

		trace(w, "asked: reload with %u applications", m->app_count);
		if (engine_reload(w->engine, m, &err) < 0)
			model_unref(m);
		break;
	}
	case 7:
		trace(w, "asked: run");
		run_transient(w);
		return;
	case 8:
		engine_await(w->engine, dice_chance(&w->dice, 50), ++w->token,
			     dice_chance(&w->dice, 50) ? w->now.mono_ms + dice_roll(&w->dice, 3000) : 0, &err);
		break;
	case 9:
		engine_await_app(w->engine, a, dice_chance(&w->dice, 50), ++w->token,
				 dice_chance(&w->dice, 50) ? w->now.mono_ms + dice_roll(&w->dice, 3000) : 0, &err);
		break;
	case 10:
		engine_kill(w->engine, a, dice_chance(&w->dice, 50) ? SIGKILL : SIGTERM, &err);
		break;
	default:
		if (!dice_chance(&w->dice, 2))
			break;
		trace(w, "asked: shutdown");
		w->hurried = dice_chance(&w->dice, 20);
		engine_shutdown(w->engine, 0, REASON_OPERATOR, w->hurried);
		break;
	}
	settle_step(w);
}

void
world_begin(struct world *w, uint64_t seed, bool tracing)
{
	struct err err;
	struct model *m;

	*w = (struct world){ .dice = { seed }, .now = { 1000, 1000000 }, .next_pid = 100, .trace = tracing };
	m = dice_model(&w->dice, 8);
	w->saved_model = model_ref(m);
	w->engine = engine_new(m, "sim", seed + 1);
	engine_at(w->engine, w->now);
	engine_boot(w->engine, NULL, &err);
	/* A first engine that dies before its first commit leaves nothing: the next one boots. */
	w->calm = true;
	settle_step(w);
	w->calm = false;
}

/* Which application is started or stopped out of turn shows at the effect; this holds at all times. */
static void
check_always(struct world *w)
{
	const struct app_saved *s;
	struct app *a;
	uint32_t i;

	for (i = 0; w->engine != NULL && i < engine_app_count(w->engine); i++) {
		a = engine_app(w->engine, i);
		s = saved_app(w, a->name);
		if (s != NULL && s->state != a->state)
			fail(w, "%s is %s but was saved as %s", a->name, app_state_name(a->state), app_state_name(s->state));
		if ((a->state == APP_STARTING || a->state == APP_RUNNING || a->state == APP_STOPPING) != (a->inc[CHILD_MAIN] != 0))
			fail(w, "%s is %s with incarnation %llu", a->name, app_state_name(a->state),
			     (unsigned long long)a->inc[CHILD_MAIN]);
		if (a->announced && a->state != APP_RUNNING && a->state != APP_STOPPING)
			fail(w, "%s is %s and its app_running is still open", a->name, app_state_name(a->state));
	}
}

void
world_step(struct world *w)
{
	w->steps++;
	if (w->engine == NULL)
		recover(w);
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
	check_always(w);
}

/* What must hold when nothing is going to happen any more. */
static void
check_settled(struct world *w)
{
	size_t i, n = engine_outstanding(w->engine, NULL);
	struct app *a;

	for (i = 0; i < engine_app_count(w->engine); i++) {
		a = engine_app(w->engine, (uint32_t)i);
		if (!a->wanted && !app_at_rest(a))
			fail(w, "settled, but %s is not wanted and %s", a->name, app_state_name(a->state));
		if (a->wanted && (a->state == APP_STOPPED || a->state == APP_STARTING || a->state == APP_BACKOFF))
			fail(w, "settled, but %s is wanted and %s", a->name, app_state_name(a->state));
		if (a->wanted && a->state == APP_WAITING && a->standing != STANDING_BAD)
			fail(w, "settled, but %s waits for %s, which is not bad", a->name,
			     engine_waits_for(w->engine, a) ? engine_waits_for(w->engine, a)->name : "nothing");
	}
	if (n > 0 && engine_mode_state(w->engine) == MODE_STABLE)
		fail(w, "the mode is called stable with %zu outstanding", n);
	if (n == 0 && engine_mode_state(w->engine) != MODE_STABLE)
		fail(w, "the mode is not called stable with nothing outstanding");
	for (i = 0; i < w->kid_count; i++) {
		if (w->kids[i].exited)
			fail(w, "the end of %s (%llu) is never acknowledged", w->kids[i].name, (unsigned long long)w->kids[i].inc);
		if (w->kids[i].kind == CHILD_MAIN && engine_find(w->engine, w->kids[i].name) == NULL)
			fail(w, "%s runs and nobody knows it", w->kids[i].name);
	}
}

static void
check_exited(struct world *w)
{
	size_t i;

	for (i = 0; i < w->kid_count; i++)
		if (w->kids[i].kind == CHILD_MAIN && w->kids[i].alive && !w->kids[i].outlived_kill)
			fail(w, "the engine asked to exit while %s was there", w->kids[i].name);
}

void
world_settle(struct world *w)
{
	unsigned patience = 20000;
	size_t i;

	w->calm = true;
	if (w->engine == NULL && !w->exited)
		recover(w);
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
		fail(w, "it never comes to rest");
	else
		check_settled(w);
}

static void
trace_apps(struct world *w)
{
	static const char *const standings[] = { "good", "pending", "bad" };
	struct edges preds;
	struct app *a;
	uint32_t i, j;

	for (i = 0; w->trace && w->engine != NULL && i < engine_app_count(w->engine); i++) {
		a = engine_app(w->engine, i);
		printf("#   %s type %d restart %d%s%s wish %d %s, %s, up %d holds %d, after", a->name, a->def->type, a->def->restart,
		       a->def->is_protected ? " protected" : "", a->wanted ? " wanted" : "", a->wish, app_state_name(a->state),
		       standings[a->standing], a->up, a->holds);
		preds = graph_preds(engine_graph(w->engine), i);
		for (j = 0; j < preds.n; j++)
			printf(" %u(%d)", preds.v[j].other, preds.v[j].kind);
		putchar('\n');
	}
}

void
world_end(struct world *w)
{
	trace_apps(w);
	engine_free(w->engine);
	free(w->kids);
	free(w->saved_apps);
	model_unref(w->saved_model);
	while (w->saved_transient_count > 0)
		model_unref(w->saved_transients[--w->saved_transient_count]);
}
