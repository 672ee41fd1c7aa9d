/* SPDX-License-Identifier: MIT */
#include "configured.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* How often mode_failed is said, and of whom. */

enum { CROWD = 1000 };

static char *
a_crowd(void)
{
	struct buf b = { 0 };
	int i;

	buf_adds(&b, "applications: (");
	for (i = 0; i < CROWD; i++)
		buf_printf(&b, "%s{ name = \"a%d\"; command = [\"a\"]; restart = \"temporary\"; }", i ? ", " : "", i);
	buf_adds(&b, "); roles: { all = [");
	for (i = 0; i < CROWD; i++)
		buf_printf(&b, "%s\"a%d\"", i ? ", " : "", i);
	buf_adds(&b, "]; }; modes: { one = [\"all\"]; other = [\"all\"]; };");
	return buf_take(&b);
}

/* What was said since the last look. */
struct said {
	unsigned events, listed, last_listed;
};

static unsigned
count_of(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)) != NULL; text += strlen(what))
		n++;
	return n;
}

static void
listen_to(struct engine *e, struct said *s)
{
	const struct effects *fx = engine_effects(e);
	size_t i;

	for (i = 0; i < fx->n; i++) {
		if (fx->v[i].type != EFFECT_EVENT || fx->v[i].event.category != EVENT_MODE_FAILED)
			continue;
		s->events++;
		s->last_listed = count_of(fx->v[i].event.detail, "\"app\":");
		s->listed += s->last_listed;
	}
	drop_effects(e);
}

static void
fails(struct engine *e, unsigned i)
{
	struct app *a = engine_app(e, i);

	engine_exited(e, a->inc[CHILD_MAIN], (struct exit_facts){ .status = 1 << 8 });
}

static struct engine *
the_crowd_runs(void)
{
	char *text = a_crowd();
	struct engine *e = engine_of(text, "one");

	free(text);
	carry_out(e);
	assert_int_equal(engine_mode_state(e), MODE_STABLE);
	return e;
}

static void
each_of_a_few_is_said_at_once(void **state)
{
	struct engine *e = the_crowd_runs();
	struct said s = { 0 };
	unsigned i;

	(void)state;
	for (i = 1; i <= 5; i++) {
		fails(e, i);
		listen_to(e, &s);
		assert_int_equal(s.events, i);
		assert_int_equal(s.last_listed, i);
	}
	assert_int_equal(engine_deadline(e), 0);
	engine_free(e);
}

static void
a_crowd_is_not_listed_for_each_of_its_members(void **state)
{
	struct engine *e = the_crowd_runs();
	int64_t now_ms = CONFIGURED_NOW_MS;
	struct said s = { 0 };
	unsigned i;

	(void)state;
	for (i = 0; i < CROWD; i++) {
		engine_at(e, (struct moment){ now_ms + i / 10, 0 });
		fails(e, i);
		listen_to(e, &s);
	}
	assert_int_equal(engine_mode_state(e), MODE_FAILED);
	assert_true(engine_deadline(e) > 0 && engine_deadline(e) <= now_ms + CROWD / 10 + 1000);
	engine_at(e, (struct moment){ engine_deadline(e), 0 });
	engine_tick(e);
	listen_to(e, &s);
	assert_int_equal(s.last_listed, CROWD);		/* what is true at last is said */
	assert_true(s.listed < 10 * CROWD);
	assert_int_equal(engine_deadline(e), 0);
	engine_free(e);
}

/* Half of the crowd has failed, and one more, which is not said yet. */
static struct engine *
one_is_held_back(void)
{
	struct engine *e = the_crowd_runs();
	struct said s = { 0 };
	unsigned i;

	for (i = 0; i < CROWD / 2; i++)
		fails(e, i);
	engine_at(e, (struct moment){ engine_deadline(e), 0 });
	engine_tick(e);
	fails(e, i);
	listen_to(e, &s);
	assert_int_equal(s.last_listed, CROWD / 2);
	assert_true(engine_deadline(e) > 0);
	return e;
}

static void
another_mode_says_it_at_once(void **state)
{
	struct engine *e = one_is_held_back();
	struct said s = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(engine_set_mode(e, "other", &err), 0);
	listen_to(e, &s);
	assert_int_equal(s.events, 1);
	assert_int_equal(s.last_listed, CROWD / 2 + 1);
	assert_int_equal(engine_set_mode(e, "one", &err), 0);
	listen_to(e, &s);
	assert_int_equal(s.events, 2);
	engine_free(e);
}

static void
the_next_engine_says_what_was_held_back_and_nothing_else(void **state)
{
	struct engine *old = one_is_held_back(), *e;
	char *text = a_crowd();
	struct engine_saved self;
	struct app_saved saved;
	struct said s = { 0 };
	unsigned i, round;

	(void)state;
	for (round = 0; round < 2; round++) {
		e = engine_new(model_of(text), "here", 2);
		engine_at(e, (struct moment){ CONFIGURED_NOW_MS + 100, 0 });
		engine_save(old, &self);
		engine_restore(e, &self);
		for (i = 0; i < CROWD; i++) {
			engine_save_app(engine_app(old, i), &saved);
			assert_int_equal(engine_restore_app(e, &saved), 0);
			if (engine_app(old, i)->inc[CHILD_MAIN] != 0)
				engine_found_child(e, saved.name, CHILD_MAIN, saved.inc[CHILD_MAIN], saved.pid, 0);
		}
		engine_resume(e, CROWD);
		listen_to(e, &s);
		assert_int_equal(s.events, 1);
		assert_int_equal(s.last_listed, CROWD / 2 + 1);
		engine_free(old);
		old = e;
	}
	engine_free(old);
	free(text);
}

static void
a_shutdown_has_no_more_of_it(void **state)
{
	struct engine *e = one_is_held_back();

	(void)state;
	engine_shutdown(e, 0, REASON_SHUTDOWN, false);
	carry_out(e);
	assert_int_equal(engine_deadline(e), 0);
	engine_free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_of_a_few_is_said_at_once),
		cmocka_unit_test(a_crowd_is_not_listed_for_each_of_its_members),
		cmocka_unit_test(another_mode_says_it_at_once),
		cmocka_unit_test(the_next_engine_says_what_was_held_back_and_nothing_else),
		cmocka_unit_test(a_shutdown_has_no_more_of_it),
	};

	return cmocka_run_group_tests_name("mode_failed", tests, NULL, NULL);
}
