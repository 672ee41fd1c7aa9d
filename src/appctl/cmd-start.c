/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"
#include "appctl/progress.h"

#include <string.h>
#include <time.h>

/*
 * start, stop, restart and reload-app.  The order is one short call for each application, so that all are under way
 * together; then each is waited for, by a call that may be repeated when the connection breaks.
 */
enum { OPT_WAIT, OPT_NO_WAIT, OPT_DEPENDENTS };

static const struct opt wait_opts[] = {
	{ "wait", 'w', "[SECONDS]", COMPLETE_NOTHING, "wait for at most that long (default: as long as it takes)" },
	{ "no-wait", 0, NULL, COMPLETE_NOTHING, "do not wait: the order is given, the rest goes on by itself" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};
static const struct opt stop_opts[] = {
	{ "wait", 'w', "[SECONDS]", COMPLETE_NOTHING, "wait for at most that long (default: as long as it takes)" },
	{ "no-wait", 0, NULL, COMPLETE_NOTHING, "do not wait: the order is given, the rest goes on by itself" },
	{ "with-dependents", 0, NULL, COMPLETE_NOTHING, "stop those too that need it, and first" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};
static const struct opt no_opts[] = { { NULL, 0, NULL, COMPLETE_NOTHING, NULL } };

struct orders {
	struct cmdline *l;
	const char *method;
	bool wait;
	double end;		/* on monotonic(); negative: no limit */
	json_t *results;	/* an object for each application */
	int status;		/* the first one that is not 0 */
};

static double
monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
add_result(struct orders *o, const char *name, const char *state)
{
	json_t *result = need_json(json_pack("{s:s}", "name", name));

	if (state != NULL)
		set_json(result, "state", json_string(state));
	append_json(o->results, result);
	if (state != NULL && !o->l->json) {
		printf("%s: ", name);
		print_state(state);
		putchar('\n');
	}
}

static void
add_error(struct orders *o, const char *name, struct appctl_error *e)
{
	complain(e);
	append_json(o->results, need_json(json_pack("{s:s, s:o}", "name", name, "error", error_json(e))));
	if (o->status == 0)
		o->status = e->status;
	appctl_error_clear(e);
}

static bool
is_operand(const struct cmdline *l, const char *name)
{
	int i;

	for (i = 0; i < l->operand_count; i++)
		if (strcmp(l->operands[i], name) == 0)
			return true;
	return false;
}

/* All those in the way are to be stopped by this same command. */
static bool
dependents_are_operands(const struct cmdline *l, const struct appctl_error *e)
{
	const json_t *dependents = json_object_get(e->parameters, "dependents"), *v;
	size_t i;

	json_array_foreach((json_t *)dependents, i, v)
		if (json_string_value(v) == NULL || !is_operand(l, json_string_value(v)))
			return false;
	return json_array_size(dependents) > 0;
}

static json_t *
give_one(struct orders *o, const char *name, bool with_dependents, struct appctl_error *e)
{
	json_t *params = need_json(json_pack("{s:s}", "name", name));

	if (with_dependents)
		set_json(params, "with_dependents", json_true());
	return appctl_call(o->l->client, o->method, params, e);
}

/* Those that were stopped with it are waited for and told as well. */
static void
note_stopped(json_t *ordered, const json_t *reply, const char *name)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(reply, "stopped"), i, v)
		set_json(ordered, json_string_value(v) ? json_string_value(v) : name, json_true());
	set_json(ordered, name, json_true());
}

static void
explain_dependents(struct appctl_error *e)
{
	size_t used = strlen(e->message);

	if (strcmp(e->name, "org.appctl.Control.HasDependents") == 0)
		snprintf(e->message + used, sizeof(e->message) - used, ": stop all of them with --with-dependents");
}

/* Gives the order for each; returns the names it was taken for, in their order. */
static json_t *
give_all(struct orders *o, bool with_dependents)
{
	json_t *ordered = json_object(), *reply;
	struct appctl_error e = { 0 };
	const char *name;
	int i;

	for (i = 0; i < o->l->operand_count; i++) {
		name = o->l->operands[i];
		reply = give_one(o, name, with_dependents, &e);
		if (reply == NULL && dependents_are_operands(o->l, &e))
			reply = give_one(o, name, true, &e);
		if (reply != NULL) {
			note_stopped(ordered, reply, name);
			json_decref(reply);
			continue;
		}
		explain_dependents(&e);
		add_error(o, name, &e);
	}
	return ordered;
}

static void
wait_for(struct orders *o, const char *name)
{
	json_t *params = need_json(json_pack("{s:s}", "name", name)), *reply = NULL;
	struct appctl_error e = { 0 };
	double left;

	if (o->end >= 0) {
		left = o->end - monotonic();
		set_json(params, "timeout", json_real(left > 0 ? left : 0));
	}
	if (appctl_begin(o->l->client, "AwaitApplication", params, 0, NULL, 0, &e) == 0)
		reply = progress_wait(o->l, name, &e);
	if (reply == NULL)
		add_error(o, name, &e);
	else
		add_result(o, name, text_at(reply, "state"));
	json_decref(reply);
}

static int
run_orders(struct orders *o, bool with_dependents)
{
	json_t *ordered, *v;
	const char *name;

	if (session(o->l) == NULL)
		return o->l->status;
	o->results = json_array();
	ordered = give_all(o, with_dependents);
	json_object_foreach(ordered, name, v) {
		if (o->wait)
			wait_for(o, name);
		else
			add_result(o, name, NULL);
	}
	json_decref(ordered);
	if (o->l->json)
		print_json(need_json(json_pack("{s:o}", "applications", o->results)));
	else
		json_decref(o->results);
	return o->status;
}

static int
run_waiting(struct cmdline *l, const char *method, bool with_dependents)
{
	const struct opt *opts = l->cmd->opts;
	const char *limit = value_of(l, &opts[OPT_WAIT]);
	struct orders o = { .l = l, .method = method, .wait = !has(l, &opts[OPT_NO_WAIT]), .end = -1 };
	double seconds;

	if (has(l, &opts[OPT_WAIT]) && !o.wait)
		return usage_error(l, "--wait and --no-wait contradict each other");
	if (limit != NULL) {
		seconds = parse_seconds(limit, "--wait");
		if (seconds < 0)
			return APPCTL_INVALID;
		o.end = monotonic() + seconds;
	}
	return run_orders(&o, with_dependents);
}

static int
run_start(struct cmdline *l)
{
	return run_waiting(l, "Start", false);
}

static int
run_stop(struct cmdline *l)
{
	return run_waiting(l, "Stop", has(l, &stop_opts[OPT_DEPENDENTS]));
}

static int
run_restart(struct cmdline *l)
{
	return run_waiting(l, "Restart", false);
}

static int
run_reload_app(struct cmdline *l)
{
	struct orders o = { .l = l, .method = "ReloadApplication", .end = -1 };

	return run_orders(&o, false);
}

const struct cmd cmd_start = {
	.name = "start", .operands = "APP...", .summary = "start applications and wait until they are up",
	.about = "What they require is started too, unless an operator stopped it.  A start holds until \"stop\" or the next change "
		 "of mode, and clears what failed.  Ctrl-C ends the waiting, not the start.",
	.opts = wait_opts, .min = 1, .max = -1, .first = COMPLETE_APPS, .others = COMPLETE_APPS, .run = run_start,
};

const struct cmd cmd_stop = {
	.name = "stop", .operands = "APP...", .summary = "stop applications and wait until they are down",
	.about = "It holds until \"start\" or the next change of mode.  Refused while others that run need one of them, unless these "
		 "are named too.  Ctrl-C ends the waiting, not the stop.",
	.opts = stop_opts, .min = 1, .max = -1, .first = COMPLETE_APPS, .others = COMPLETE_APPS, .run = run_stop,
};

const struct cmd cmd_restart = {
	.name = "restart", .operands = "APP...", .summary = "stop and start applications and wait until they are up",
	.about = "Those that depend on them are not touched.  Ctrl-C ends the waiting, not the restart.",
	.opts = wait_opts, .min = 1, .max = -1, .first = COMPLETE_APPS, .others = COMPLETE_APPS, .run = run_restart,
};

const struct cmd cmd_reload_app = {
	.name = "reload-app", .operands = "APP...", .summary = "make applications read their own configuration again",
	.about = "By the reload_signal or reload_command of each.",
	.opts = no_opts, .min = 1, .max = -1, .first = COMPLETE_APPS, .others = COMPLETE_APPS, .run = run_reload_app,
};
