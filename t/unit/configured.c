/* SPDX-License-Identifier: MIT */
#include "configured.h"

#include "conf/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct model *
model_of(const char *text)
{
	struct fragment f = { .path = "test.conf", .text = text, .text_len = strlen(text) };
	struct problems ps = { 0 };
	struct conf_set set = { 0 };
	struct model *m = NULL;
	struct buf why = { 0 };

	if (conf_parse(&f, 1, &set, &ps) == 0)
		m = model_build(set.v, set.n, &ps);
	if (m == NULL) {
		problems_print(&ps, &why);
		fail_msg("%s", buf_cstr(&why));
	}
	conf_set_free(&set);
	problems_free(&ps);
	return m;
}

struct engine *
engine_of(const char *text, const char *mode)
{
	struct engine *e = engine_new(model_of(text), "here", 1);
	struct err err;

	assert_non_null(e);
	engine_at(e, (struct moment){ CONFIGURED_NOW_MS, 0 });
	if (engine_boot(e, mode, &err) < 0)
		fail_msg("%s", err.msg);
	return e;
}

static void
carry_out_one(struct engine *e, const struct effect *f)
{
	if (f->type == EFFECT_SPAWN)
		engine_spawned(e, f->inc, 100 + (pid_t)f->inc);
	else if (f->type == EFFECT_SIGNAL && f->kind == CHILD_MAIN)
		engine_exited(e, f->inc, (struct exit_facts){ .status = f->signo });
}

void
carry_out(struct engine *e)
{
	struct effect *copy;
	size_t n, i;

	while ((n = engine_effects(e)->n) > 0) {
		copy = malloc(n * sizeof(*copy));
		memcpy(copy, engine_effects(e)->v, n * sizeof(*copy));
		engine_effects_done(e);
		for (i = 0; i < n; i++)
			carry_out_one(e, &copy[i]);
		free(copy);
	}
	while (engine_take_dirty(e) != NULL)
		;
}

void
drop_effects(struct engine *e)
{
	engine_effects_done(e);
	while (engine_take_dirty(e) != NULL)
		;
}

struct app *
app_of(const struct engine *e, const char *name)
{
	struct app *a = engine_find(e, name);

	assert_non_null(a);
	return a;
}
