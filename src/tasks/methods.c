/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tasks/task.h"

#include <string.h>

#define START_PARAMETERS \
	"command: []string, name: ?string, caller: ?string, environment: ?[string]string, directory: ?string, " \
	"shutdown: ?string, restart: ?string, intensity: ?int, period: ?float, input: ?string"

static const char *
text_of(const json_t *args, const char *key)
{
	return json_string_value(json_object_get(args, key));
}

static void
method_run(struct serve_call *c)
{
	const json_t *linked = json_object_get(c->args, "linked");
	struct task *t = task_start(c->service, c);

	if (t == NULL)
		return;
	t->linked = !json_is_false(linked);
	follow(t, c, FOLLOW_OWNER, json_object_get(c->args, "timeout"));
}

static void
method_start(struct serve_call *c)
{
	struct task *t = task_start(c->service, c);

	if (t != NULL)
		follow(t, c, FOLLOW_START, NULL);
}

/* Of that node, or whoever started it: NODE/NAME. */
static bool
is_of(const struct task *t, const char *node)
{
	const char *caller = text_of(t->args, "caller");
	size_t len = node ? strlen(node) : 0;

	return node == NULL || (caller != NULL && strncmp(caller, node, len) == 0 && caller[len] == '/');
}

/* NULL: NoSuchTask was answered. */
static struct task *
named(struct serve_call *c)
{
	const char *name = text_of(c->args, "name");
	struct task *t = tasks_find(c->service, name);

	if (t != NULL && is_of(t, text_of(c->args, "from")))
		return t;
	serve_error(c, "NoSuchTask", json_pack("{s:s}", "name", name));
	return NULL;
}

static void
method_await(struct serve_call *c)
{
	struct task *t = named(c);

	if (t != NULL)
		follow(t, c, FOLLOW_END, json_object_get(c->args, "timeout"));
}

static void
method_stop(struct serve_call *c)
{
	struct task *t = named(c);

	if (t == NULL)
		return;
	task_stop(t);
	follow(t, c, FOLLOW_STOP, NULL);
}

static json_t *
describe(const struct task *t)
{
	static const char *const states[] = { "starting", "running", "done" };
	const char *restart = text_of(t->args, "restart");
	pid_t pid = t->job ? job_pid(t->job) : 0;
	json_t *v = json_pack("{s:s, s:O, s:s*, s:b, s:s, s:f, s:s, s:s*, s:I, s:O*}", "name", t->name,
			      "command", json_object_get(t->args, "command"), "caller", text_of(t->args, "caller"),
			      "linked", t->linked, "state", states[t->state], "since", (double)t->since_us / 1e6,
			      "restart", restart ? restart : "temporary", "shutdown", text_of(t->args, "shutdown"),
			      "kept", (json_int_t)task_kept(t), "result", t->result);

	if (pid > 0)
		json_object_set_new(v, "pid", json_integer(pid));
	if (t->state == TASK_DONE)
		json_object_set_new(v, "ended", json_real((double)t->ended_us / 1e6));
	return v;
}

static void
method_list(struct serve_call *c)
{
	json_t *list = json_array();
	const struct task *t;

	for (t = tasks_first(c->service); t != NULL; t = t->next)
		json_array_append_new(list, describe(t));
	serve_reply(c, json_pack("{s:o}", "tasks", list), false);
}

const struct serve_method tasks_methods[] = {
	{ "Run", START_PARAMETERS ", timeout: ?float, linked: ?bool", method_run },
	{ "Start", START_PARAMETERS, method_start },
	{ "Await", "name: string, timeout: ?float, from: ?string", method_await },
	{ "Stop", "name: string, from: ?string", method_stop },
	{ "List", "", method_list },
};
const size_t tasks_method_count = sizeof(tasks_methods) / sizeof(tasks_methods[0]);
