/* SPDX-License-Identifier: MIT */
#include "core/app.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define GO(state, action) { APP_##state, DO_##action }
#define KEEP(state) { APP_##state, DO_NONE }

/*
 * For every state, what each input leads to.  SETTLE names no state of its own: app_settle() does.
 * IN_EXITED and IN_GONE of a state that has no process cannot be told apart from a late word of
 * an earlier incarnation, and change nothing; the engine drops those before they get here.
 */
static const struct transition table[APP_STATE_COUNT][APP_INPUT_COUNT] = {
	[APP_STOPPED] = {
		[IN_GO]		= GO(STARTING, SPAWN),
		[IN_HOLD]	= KEEP(WAITING),
		[IN_DOWN]	= GO(STOPPED, REST),
		[IN_SPAWNED]	= KEEP(STOPPED),
		[IN_READY]	= KEEP(STOPPED),
		[IN_EXITED]	= KEEP(STOPPED),
		[IN_GONE]	= KEEP(STOPPED),
		[IN_TIMEOUT]	= KEEP(STOPPED),
	},
	[APP_WAITING] = {
		[IN_GO]		= GO(STARTING, SPAWN),
		[IN_HOLD]	= KEEP(WAITING),
		[IN_DOWN]	= GO(STOPPED, REST),
		[IN_SPAWNED]	= KEEP(WAITING),
		[IN_READY]	= KEEP(WAITING),
		[IN_EXITED]	= KEEP(WAITING),
		[IN_GONE]	= KEEP(WAITING),
		[IN_TIMEOUT]	= KEEP(WAITING),
	},
	[APP_STARTING] = {
		[IN_GO]		= KEEP(STARTING),
		[IN_HOLD]	= KEEP(STARTING),	/* what it waited for fell meanwhile: that stops nobody */
		[IN_DOWN]	= GO(STOPPING, STOP),
		[IN_SPAWNED]	= GO(RUNNING, ANNOUNCE),
		[IN_READY]	= GO(RUNNING, ANNOUNCE),
		[IN_EXITED]	= GO(STOPPING, SWEEP),
		[IN_GONE]	= GO(STOPPED, SETTLE),
		[IN_TIMEOUT]	= GO(STOPPING, STOP),
	},
	[APP_RUNNING] = {
		[IN_GO]		= KEEP(RUNNING),
		[IN_HOLD]	= KEEP(RUNNING),
		[IN_DOWN]	= GO(STOPPING, STOP),
		[IN_SPAWNED]	= KEEP(RUNNING),
		[IN_READY]	= KEEP(RUNNING),
		[IN_EXITED]	= GO(STOPPING, SWEEP),
		[IN_GONE]	= GO(STOPPED, SETTLE),
		[IN_TIMEOUT]	= KEEP(RUNNING),
	},
	[APP_STOPPING] = {
		[IN_GO]		= KEEP(STOPPING),	/* wanted again: it starts anew once it has ended */
		[IN_HOLD]	= KEEP(STOPPING),
		[IN_DOWN]	= KEEP(STOPPING),
		[IN_SPAWNED]	= KEEP(STOPPING),
		[IN_READY]	= KEEP(STOPPING),
		[IN_EXITED]	= GO(STOPPING, SWEEP),
		[IN_GONE]	= GO(STOPPED, SETTLE),
		[IN_TIMEOUT]	= GO(STOPPING, ESCALATE),
	},
	[APP_BACKOFF] = {
		[IN_GO]		= KEEP(BACKOFF),
		[IN_HOLD]	= KEEP(BACKOFF),
		[IN_DOWN]	= GO(STOPPED, REST),
		[IN_SPAWNED]	= KEEP(BACKOFF),
		[IN_READY]	= KEEP(BACKOFF),
		[IN_EXITED]	= KEEP(BACKOFF),
		[IN_GONE]	= KEEP(BACKOFF),
		[IN_TIMEOUT]	= KEEP(WAITING),	/* and is looked at again at once */
	},
	[APP_FAILED] = {
		[IN_GO]		= KEEP(FAILED),
		[IN_HOLD]	= KEEP(FAILED),
		[IN_DOWN]	= GO(STOPPED, REST),
		[IN_SPAWNED]	= KEEP(FAILED),
		[IN_READY]	= KEEP(FAILED),
		[IN_EXITED]	= KEEP(FAILED),
		[IN_GONE]	= KEEP(FAILED),
		[IN_TIMEOUT]	= KEEP(FAILED),
	},
	[APP_COMPLETED] = {
		[IN_GO]		= KEEP(COMPLETED),
		[IN_HOLD]	= KEEP(COMPLETED),
		[IN_DOWN]	= GO(STOPPED, REST),
		[IN_SPAWNED]	= KEEP(COMPLETED),
		[IN_READY]	= KEEP(COMPLETED),
		[IN_EXITED]	= KEEP(COMPLETED),
		[IN_GONE]	= KEEP(COMPLETED),
		[IN_TIMEOUT]	= KEEP(COMPLETED),
	},
	[APP_LOAD_ONLY] = {
		[IN_GO]		= KEEP(LOAD_ONLY),
		[IN_HOLD]	= KEEP(LOAD_ONLY),
		[IN_DOWN]	= KEEP(LOAD_ONLY),
		[IN_SPAWNED]	= KEEP(LOAD_ONLY),
		[IN_READY]	= KEEP(LOAD_ONLY),
		[IN_EXITED]	= KEEP(LOAD_ONLY),
		[IN_GONE]	= KEEP(LOAD_ONLY),
		[IN_TIMEOUT]	= KEEP(LOAD_ONLY),
	},
};

struct transition
app_next(enum app_state state, enum app_input in)
{
	return table[state][in];
}

bool
app_status_is_good(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The machine, not the application, was short of something: that is no restart of its own. */
static bool
machine_was_short(const struct app *a)
{
	return a->exit_reason == REASON_SPAWN_FAILED &&
	       (a->fail_errno == EAGAIN || a->fail_errno == ENOMEM || a->fail_errno == EMFILE || a->fail_errno == ENFILE ||
		a->fail_errno == ENOSPC);
}

static struct settlement
restart_or_give_up(struct app *a, int64_t now_ms, uint32_t random)
{
	const struct app_def *d = a->def;
	int64_t delay_ms;

	if (d->intensity >= 0 && !machine_was_short(a) &&
	    !restart_allowed(&a->restart_log, (uint32_t)d->intensity, d->period_ms, now_ms))
		return (struct settlement){ SETTLE_FAILED, REASON_GAVE_UP, 0 };
	if (a->up_since_ms != 0 && now_ms - a->up_since_ms >= d->backoff->reset_after_ms)
		a->row = 0;
	delay_ms = backoff_delay(d->backoff, a->row, random);
	if (a->row < UINT32_MAX)
		a->row++;
	a->restarts++;
	return (struct settlement){ SETTLE_RESTART, REASON_RESTART, delay_ms };
}

struct settlement
app_settle(struct app *a, int64_t now_ms, uint32_t random)
{
	bool good = a->has_exit && !a->failed_start && a->exit_reason != REASON_LOST &&
		    a->exit_reason != REASON_SPAWN_FAILED && app_status_is_good(a->exit_status);

	if (!a->wanted || a->asked)
		return (struct settlement){ SETTLE_STOPPED, a->reason, 0 };
	if (good && (a->def->type == APP_ONESHOT || a->def->restart != RESTART_PERMANENT))
		return (struct settlement){ SETTLE_COMPLETED, REASON_NORMAL, 0 };
	if (a->def->restart == RESTART_TEMPORARY && !machine_was_short(a))
		return (struct settlement){ SETTLE_FAILED, REASON_ENDED, 0 };
	return restart_or_give_up(a, now_ms, random);
}

void
app_set_status_text(struct app *a, const char *text)
{
	free(a->status_text);
	a->status_text = *text != '\0' ? strndup(text, STATUS_TEXT_MAX) : NULL;
}

bool
app_is_up(const struct app *a)
{
	switch (a->state) {
	case APP_RUNNING:
		return true;
	case APP_COMPLETED:
		return a->def->type == APP_ONESHOT;
	default:
		return false;
	}
}

bool
app_at_rest(const struct app *a)
{
	switch (a->state) {
	case APP_STARTING:
	case APP_RUNNING:
		return false;
	case APP_STOPPING:
		return a->step == STEP_UNKILLABLE;
	default:
		return true;
	}
}

const char *
app_state_name(enum app_state s)
{
	static const char *const names[] = {
#define X(id, name) name,
		APP_STATES(X)
#undef X
	};

	return names[s];
}

const char *
app_input_name(enum app_input in)
{
	static const char *const names[] = {
#define X(id, name) name,
		APP_INPUTS(X)
#undef X
	};

	return names[in];
}
