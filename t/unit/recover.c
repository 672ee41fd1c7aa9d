/* SPDX-License-Identifier: MIT */
#include "configured.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* What a new engine makes of what an old one committed. */

/* The engine dies; a new one finds its state, and the child that was ordered last, of which nobody was told yet. */
static struct engine *
next_engine(struct engine *old, const char *text, const char *app)
{
	struct engine *e = engine_new(model_of(text), "here", 2);
	uint64_t inc = app_of(old, app)->inc[CHILD_MAIN];
	struct engine_saved self;
	struct app_saved saved;

	engine_save(old, &self);
	engine_save_app(app_of(old, app), &saved);
	engine_free(old);
	engine_at(e, (struct moment){ CONFIGURED_NOW_MS, 0 });
	engine_restore(e, &self);
	assert_int_equal(engine_restore_app(e, &saved), 0);
	engine_found_child(e, app, CHILD_MAIN, inc, 100, 0);
	engine_resume(e, inc);
	return e;
}

static const char plain[] = "applications: { web: { command = [\"web\"]; }; };";
static const char notifying[] =
	"applications: { web: { command = [\"web\"]; ready = { type = \"notify\"; timeout = 30.0; }; }; };";

static void
a_start_goes_on_where_it_was(void **state)
{
	struct engine *e = next_engine(engine_of(notifying, NULL), notifying, "web");

	(void)state;
	assert_int_equal(app_of(e, "web")->state, APP_STARTING);
	assert_int_equal(engine_deadline(e), CONFIGURED_NOW_MS + 30000);
	engine_free(e);
}

static void
one_whose_definition_changed_since_it_was_ordered_does_not_start_for_ever(void **state)
{
	struct engine *old = engine_of(plain, NULL), *e;
	struct err err;

	(void)state;
	assert_int_equal(engine_reload(old, model_of(notifying), &err), 0);
	e = next_engine(old, notifying, "web");
	assert_int_equal(app_of(e, "web")->state, APP_RUNNING);
	engine_free(e);
}

/* The only effect of that type, of that incarnation; NULL: there is none. */
static const struct effect *
effect_of(struct engine *e, enum effect_type type, uint64_t inc)
{
	const struct effects *ef = engine_effects(e);
	size_t i;

	for (i = 0; i < ef->n; i++)
		if (ef->v[i].type == type && ef->v[i].inc == inc)
			return &ef->v[i];
	return NULL;
}

static struct engine *
engine_without_state(const char *text)
{
	struct engine *e = engine_new(model_of(text), "here", 1);
	const struct engine_saved self = { .next_inc = 10, .next_seq = 100 };

	engine_at(e, (struct moment){ CONFIGURED_NOW_MS, 0 });
	engine_restore(e, &self);
	return e;
}

/* A signal whose step the keeper takes for one that it has sent would never be sent. */
static void
without_a_state_the_steps_of_an_end_that_began_count_on(void **state)
{
	struct engine *e = engine_without_state(plain);
	struct err err;

	(void)state;
	engine_found_child(e, "web", CHILD_MAIN, 9, 100, 3);
	engine_resume(e, 9);
	drop_effects(e);
	assert_int_equal(engine_stop(e, app_of(e, "web"), false, &err), 0);
	assert_int_equal(effect_of(e, EFFECT_SIGNAL, 9)->step, 4);
	engine_free(e);
}

/* The keeper may still hold the end of one that came before: its acknowledgement was lost with the state. */
static void
without_a_state_the_latest_of_a_name_is_the_one(void **state)
{
	uint64_t other;
	int order;

	(void)state;
	for (order = 0; order < 2; order++) {
		struct engine *e = engine_without_state(plain);

		other = order ? 7 : 9;
		engine_found_child(e, "web", CHILD_MAIN, other, 100, 0);
		engine_found_child(e, "web", CHILD_MAIN, 16 - other, 101, 0);
		engine_resume(e, 9);
		assert_int_equal(app_of(e, "web")->inc[CHILD_MAIN], 9);
		assert_int_equal(app_of(e, "web")->state, APP_RUNNING);
		assert_null(effect_of(e, EFFECT_SIGNAL, 9));
		engine_exited(e, 7, (struct exit_facts){ 0 });
		assert_non_null(effect_of(e, EFFECT_ACK, 7));
		assert_int_equal(app_of(e, "web")->state, APP_RUNNING);
		engine_free(e);
	}
}

static void
an_order_to_adopt_that_was_not_sent_is_sent_whatever_else_the_keeper_has(void **state)
{
	static const char forking[] = "applications: { web: { command = [\"web\"]; type = \"forking\"; pidfile = \"/p\";"
				      " ready = { type = \"exec\"; command = \"ok\"; }; }; };";
	struct engine *old = engine_of(forking, NULL), *e;
	struct app *a = app_of(old, "web");
	uint64_t inc = a->inc[CHILD_MAIN], probe;
	struct engine_saved self;
	struct app_saved saved;

	(void)state;
	engine_spawned(old, inc, 100);
	engine_exited(old, inc, (struct exit_facts){ .pid = 100 });
	engine_pidfile(old, a, 101);
	probe = a->inc[CHILD_PROBE];
	assert_int_not_equal(probe, 0);
	engine_save(old, &self);
	engine_save_app(a, &saved);
	engine_free(old);

	e = engine_new(model_of(forking), "here", 2);
	engine_at(e, (struct moment){ CONFIGURED_NOW_MS, 0 });
	engine_restore(e, &self);
	assert_int_equal(engine_restore_app(e, &saved), 0);
	engine_found_child(e, "web", CHILD_MAIN, inc, 100, 0);
	engine_found_child(e, "web", CHILD_PROBE, probe, 102, 0);
	engine_resume(e, probe);
	assert_int_equal(effect_of(e, EFFECT_ADOPT, inc)->pid, 101);
	engine_free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_goes_on_where_it_was),
		cmocka_unit_test(one_whose_definition_changed_since_it_was_ordered_does_not_start_for_ever),
		cmocka_unit_test(without_a_state_the_steps_of_an_end_that_began_count_on),
		cmocka_unit_test(without_a_state_the_latest_of_a_name_is_the_one),
		cmocka_unit_test(an_order_to_adopt_that_was_not_sent_is_sent_whatever_else_the_keeper_has),
	};

	return cmocka_run_group_tests_name("recover", tests, NULL, NULL);
}
