/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <signal.h>
#include <stdio.h>

/* What operators ask for, as the dice say. */

static struct app *
any_app(struct world *w)
{
	uint32_t n = engine_app_count(w->engine);

	return n ? engine_app(w->engine, dice_roll(&w->dice, n)) : NULL;
}

static void
reload(struct world *w)
{
	struct model *m = dice_model(&w->dice, 8);
	struct err err;

	world_trace(w, "asked: reload with %u applications", m->app_count);
	if (engine_reload(w->engine, m, &err) < 0)
		model_unref(m);
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
	world_settle_step(w);
	if (w->engine == NULL && saved_app(w, m->apps[0].name) == NULL)
		model_unref(w->saved_transients[--w->saved_transient_count]);	/* there was no commit */
}

void
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
		world_trace(w, "asked: mode %s", mode);
		engine_set_mode(w->engine, mode, &err);
		break;
	case 2:
		world_trace(w, "asked: start %s", a->name);
		engine_start(w->engine, a, &err);
		break;
	case 3:
	case 4:
		world_trace(w, "asked: stop %s", a->name);
		engine_stop(w->engine, a, dice_chance(&w->dice, 60), &err);
		break;
	case 5:
		world_trace(w, "asked: restart %s", a->name);
		engine_restart(w->engine, a, &err);
		break;
	case 6:
		reload(w);
		break;
	case 7:
		world_trace(w, "asked: run");
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
		world_trace(w, "asked: shutdown");
		w->hurried = dice_chance(&w->dice, 20);
		engine_shutdown(w->engine, 0, REASON_OPERATOR, w->hurried);
		break;
	}
	world_settle_step(w);
}
