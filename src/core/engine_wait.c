/* SPDX-License-Identifier: MIT */
#include "core/engine_internal.h"

#include <errno.h>
#include <stdlib.h>

/*
 * How the mode stands, and who waits for it.  Each application's standing is
 * counted; a change of one costs one look, however many there are.
 */
bool
engine_is_dead_end(const struct app *a)
{
	return a->standing == STANDING_BAD || (a->state == APP_COMPLETED && a->def->type != APP_ONESHOT);
}

/* The first that a waits for in vain; NULL: none. */
static struct app *
dead_end_before(const struct engine *e, const struct app *a)
{
	struct edges preds = graph_preds(e->graph, a->vertex);
	uint32_t i;

	/* Where all goes well, which is nearly always, nobody looks at all that come before. */
	for (i = 0; e->dead_ends > 0 && i < preds.n; i++)
		if (engine_edge_counts(e, &preds.v[i]) && e->apps[preds.v[i].other]->dead_end)
			return e->apps[preds.v[i].other];
	return NULL;
}

static enum standing
standing_of(const struct engine *e, const struct app *a)
{
	if (!a->wanted) {
		if (!e->shutting_down && a->wish == WISH_DOWN && a->next_def != NULL && e->want[a->vertex].why != WHY_NOT)
			return STANDING_BAD;
		return app_at_rest(a) ? STANDING_GOOD : STANDING_PENDING;
	}
	switch (a->state) {
	case APP_RUNNING:
		return a->restart_asked ? STANDING_PENDING : STANDING_GOOD;
	case APP_COMPLETED:
		return STANDING_GOOD;
	case APP_FAILED:
		return a->transient ? STANDING_GOOD : STANDING_BAD;	/* the mode does not ask for it */
	case APP_LOAD_ONLY:
		return dead_end_before(e, a) ? STANDING_BAD : STANDING_GOOD;
	case APP_WAITING:
		return dead_end_before(e, a) ? STANDING_BAD : STANDING_PENDING;
	case APP_STOPPING:
		return a->step == STEP_UNKILLABLE ? STANDING_BAD : STANDING_PENDING;
	default:
		return STANDING_PENDING;
	}
}

/* Those that wait behind a may have become hopeless, or have hope again. */
static void
touch_waiting_succs(struct engine *e, struct app *a)
{
	struct edges succs = graph_succs(e->graph, a->vertex);
	struct app *s;
	uint32_t i;

	for (i = 0; i < succs.n; i++) {
		s = e->apps[succs.v[i].other];
		if (s->state == APP_WAITING || s->state == APP_LOAD_ONLY)
			engine_recount_later(e, s);
	}
}

static void
recount(struct engine *e, struct app *a)
{
	enum standing before = a->standing, now = standing_of(e, a);

	if (now != before) {
		a->standing = (uint8_t)now;
		engine_soil(e, a);
		if (!engine_is_barrier(e, a)) {
			e->standing[before]--;
			e->standing[now]++;
			e->bad_news |= now == STANDING_BAD;
		}
	}
	if (engine_is_dead_end(a) == a->dead_end)
		return;
	a->dead_end = !a->dead_end;
	if (a->dead_end)
		e->dead_ends++;
	else
		e->dead_ends--;
	touch_waiting_succs(e, a);
}

static const char *
list_bad(struct engine *e)
{
	struct buf b = { 0 };
	struct app *a, *blocker;
	const char *text, *comma = "";
	uint32_t i;

	buf_adds(&b, "\"apps\":[");
	for (i = 0; i < e->app_count; i++) {
		a = e->apps[i];
		if (a->standing != STANDING_BAD)
			continue;
		buf_printf(&b, "%s{\"app\":\"%s\",\"state\":\"%s\",\"reason\":\"%s\"", comma, a->name,
			   app_state_name(a->state), reason_name(a->wish == WISH_DOWN ? a->cause : a->reason));
		comma = ",";
		blocker = a->state == APP_WAITING ? dead_end_before(e, a) : NULL;
		if (blocker != NULL)
			buf_printf(&b, ",\"waits_for\":\"%s\"", blocker->name);
		buf_addc(&b, '}');
	}
	buf_addc(&b, ']');
	text = arena_strdup(e->scratch, buf_cstr(&b));
	if (b.failed)
		e->out_of_memory = true;
	buf_free(&b);
	return text;
}

/*
 * The event lists all that is bad.  Said for each of a crowd, that would be as many lists as there are in one: the
 * longer it was, the later comes the next, which then says what is true by then.
 */
static void
say_failed(struct engine *e)
{
	enum { PER_MS = 10, LATEST_MS = 1000 };
	uint32_t hold_ms = e->standing[STANDING_BAD] / PER_MS;

	engine_emit_event(e, (struct event){ .category = EVENT_MODE_FAILED, .mode = engine_mode(e), .detail = list_bad(e) });
	e->say_failed_ms = e->now.mono_ms + (hold_ms < LATEST_MS ? hold_ms : LATEST_MS);
}

/* true: it is said, or there is nothing to be said; false: later. */
static bool
review_failures(struct engine *e, bool is_news)
{
	if (!is_news)
		return true;
	if (e->now.mono_ms < e->say_failed_ms)
		return false;
	say_failed(e);
	return true;
}

static void
review_mode(struct engine *e)
{
	enum mode_state before = e->mode_state;
	bool all_said = true;

	if (e->standing[STANDING_BAD] > 0) {
		e->mode_state = MODE_FAILED;
		all_said = review_failures(e, e->bad_news || before != MODE_FAILED);
	} else if (e->standing[STANDING_PENDING] == 0) {
		e->mode_state = MODE_STABLE;
		if (before != MODE_STABLE)
			engine_emit_event(e, (struct event){ .category = EVENT_MODE_STABLE, .mode = engine_mode(e) });
	} else if (before == MODE_FAILED) {
		e->mode_state = MODE_CHANGING;
	}
	e->bad_news = !all_said;
	if (e->mode_state != before || e->bad_news)
		e->dirty = true;
}

static void
review_shutdown(struct engine *e)
{
	if (e->exited || e->standing[STANDING_PENDING] > 0)
		return;
	e->exited = true;
	e->shutdown_deadline_ms = 0;
	e->dirty = true;
	engine_emit(e, (struct effect){ .type = EFFECT_EXIT, .code = e->exit_code });
}

static void
answer(struct engine *e, size_t at, enum outcome outcome)
{
	engine_emit(e, (struct effect){ .type = EFFECT_ANSWER, .token = e->waiters[at].token, .outcome = outcome });
	e->waiters[at] = e->waiters[--e->waiter_count];
}

/* true: it is decided, and how. */
static bool
is_decided(const struct engine *e, const struct waiter *w, enum outcome *outcome)
{
	enum app_state state;

	if (w->app == NULL) {
		*outcome = e->standing[STANDING_BAD] > 0 ? OUTCOME_FAILED : OUTCOME_DONE;
		return e->standing[STANDING_BAD] > 0 || e->standing[STANDING_PENDING] == 0;
	}
	state = w->app->state;
	if (w->end) {
		*outcome = OUTCOME_DONE;
		return state == APP_COMPLETED || state == APP_FAILED || state == APP_STOPPED;
	}
	*outcome = w->app->wanted && w->app->standing == STANDING_BAD ? OUTCOME_FAILED : OUTCOME_DONE;
	return w->app->wanted ? w->app->standing != STANDING_PENDING : app_at_rest(w->app);
}

static void
answer_waiters(struct engine *e)
{
	enum outcome outcome;
	size_t i = 0;

	while (i < e->waiter_count) {
		if (is_decided(e, &e->waiters[i], &outcome))
			answer(e, i, outcome);
		else
			i++;
	}
}

int64_t
engine_news_deadline(const struct engine *e)
{
	return e->bad_news && !e->shutting_down ? e->say_failed_ms : 0;
}

void
engine_review(struct engine *e)
{
	struct app *a;

	while (e->touched_len > 0) {
		a = e->touched[--e->touched_len];
		a->touched = false;
		recount(e, a);
	}
	if (e->shutting_down)
		review_shutdown(e);
	else
		review_mode(e);
	answer_waiters(e);
}

void
engine_answer_mode_waiters(struct engine *e, enum outcome outcome, bool only_this_mode)
{
	size_t i = 0;

	while (i < e->waiter_count) {
		if (e->waiters[i].app == NULL && (e->waiters[i].this_mode || !only_this_mode))
			answer(e, i, outcome);
		else
			i++;
	}
}

void
engine_answer_app_waiters(struct engine *e, struct app *a, enum outcome outcome)
{
	size_t i = 0;

	while (i < e->waiter_count) {
		if (e->waiters[i].app == a)
			answer(e, i, outcome);
		else
			i++;
	}
}

void
engine_expire_waiters(struct engine *e)
{
	size_t i = 0;

	while (i < e->waiter_count) {
		if (e->waiters[i].deadline_ms != 0 && e->waiters[i].deadline_ms <= e->now.mono_ms)
			answer(e, i, OUTCOME_TIMED_OUT);
		else
			i++;
	}
}

int64_t
engine_waiter_deadline(const struct engine *e)
{
	int64_t first = 0, ms;
	size_t i;

	for (i = 0; i < e->waiter_count; i++) {
		ms = e->waiters[i].deadline_ms;
		if (ms != 0 && (first == 0 || ms < first))
			first = ms;
	}
	return first;
}

static int
add_waiter(struct engine *e, struct waiter w, struct err *err)
{
	size_t cap = e->waiter_cap ? e->waiter_cap * 2 : 8;
	struct waiter *v;

	if (e->waiter_count == e->waiter_cap) {
		v = realloc(e->waiters, cap * sizeof(*v));
		if (v == NULL)
			return err_set(err, ENOMEM, "wait");
		e->waiters = v;
		e->waiter_cap = cap;
	}
	e->waiters[e->waiter_count++] = w;
	/* A limit of nothing at all: decided now or timed out. */
	answer_waiters(e);
	engine_expire_waiters(e);
	return 0;
}

int
engine_await(struct engine *e, bool this_mode, uint64_t token, int64_t deadline_ms, struct err *err)
{
	if (e->shutting_down)
		return err_set(err, 0, "appctld is shutting down");
	return add_waiter(e, (struct waiter){ .token = token, .this_mode = this_mode, .deadline_ms = deadline_ms }, err);
}

int
engine_await_app(struct engine *e, struct app *a, bool end, uint64_t token, int64_t deadline_ms, struct err *err)
{
	return add_waiter(e, (struct waiter){ .token = token, .app = a, .end = end, .deadline_ms = deadline_ms }, err);
}

void
engine_forget_waiter(struct engine *e, uint64_t token)
{
	size_t i;

	for (i = 0; i < e->waiter_count; i++) {
		if (e->waiters[i].token == token) {
			e->waiters[i] = e->waiters[--e->waiter_count];
			return;
		}
	}
}

bool
engine_is_stable(const struct engine *e)
{
	return e->standing[STANDING_PENDING] == 0 && e->standing[STANDING_BAD] == 0;
}

size_t
engine_outstanding(const struct engine *e, struct app **v)
{
	size_t n = 0;
	uint32_t i;

	for (i = 0; i < e->app_count; i++) {
		if (e->apps[i]->standing == STANDING_GOOD)
			continue;
		if (v != NULL)
			v[n] = e->apps[i];
		n++;
	}
	return n;
}

struct app *
engine_waits_for(const struct engine *e, const struct app *a)
{
	struct app *dead_end = a->state == APP_WAITING ? dead_end_before(e, a) : NULL;

	return dead_end != NULL || a->state != APP_WAITING ? dead_end : engine_blocker(e, a);
}
