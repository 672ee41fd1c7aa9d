/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "node/spawn.h"

#include "base/log.h"
#include "job/job.h"
#include "node/service.h"
#include "node/settings.h"
#include "node/stdio.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SPAWNS_MAX = 1024 };		/* at once, for all nodes */

struct spawn {
	struct spawn *next, **prev;	/* in `all` */
	struct node *node;
	struct channel *channel;	/* NULL: gone */
	bool accepted;
	bool linked, terminal, attached;
	struct stdio *stdio;		/* NULL: the command has none of ours */
	struct job *job;		/* NULL: it has ended */
	struct job_end end;
};

static struct jobs *jobs;		/* all that this process runs */
static struct spawn *all;
static unsigned count;

static void
spawn_free(struct spawn *s)
{
	*s->prev = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	job_forget(s->job);
	stdio_free(s->stdio);
	free(s);
	count--;
}

static void
close_with(struct spawn *s, json_t *how)
{
	struct channel *c = s->channel;

	s->channel = NULL;
	channel_close(c, how);
}

/* -- the channel, once it is accepted -- */

static void
channel_data(void *arg, struct channel *c, unsigned stream, const char *data, size_t len)
{
	struct spawn *s = arg;

	if (stream == 0 && s->stdio != NULL)
		stdio_data(s->stdio, data, len);
	else
		channel_took(c, stream, len);
}

static void
channel_ended(void *arg, struct channel *c, unsigned stream)
{
	struct spawn *s = arg;

	(void)c;
	if (stream == 0 && s->stdio != NULL)
		stdio_end_input(s->stdio);
}

static void
channel_has_room(void *arg, struct channel *c, unsigned stream)
{
	struct spawn *s = arg;

	(void)c;
	if (s->stdio != NULL)
		stdio_has_room(s->stdio, stream);
}

static struct terminal_size
size_in(const json_t *object)
{
	return (struct terminal_size){
		.rows = (int)json_integer_value(json_object_get(object, "rows")),
		.columns = (int)json_integer_value(json_object_get(object, "columns")),
	};
}

static void
channel_told(void *arg, struct channel *c, const json_t *message)
{
	struct spawn *s = arg;
	const json_t *resize = json_object_get(message, "resize"), *signal = json_object_get(message, "signal");
	struct terminal_size size = size_in(resize);

	(void)c;
	if (resize != NULL && s->stdio != NULL)
		stdio_resize(s->stdio, &size);
	if (json_is_string(signal) && s->job != NULL)
		job_kill(s->job, json_string_value(signal));
}

/* The caller has gone, or the way to it. */
static void
channel_closed(void *arg, struct channel *c, const json_t *how)
{
	struct spawn *s = arg;

	(void)c;
	(void)how;
	s->channel = NULL;
	if (s->job == NULL) {
		spawn_free(s);
	} else if (s->linked) {
		log_write(LOG_NODE, LOG_LEVEL_INFO, "%s is stopped: its caller has gone", job_name(s->job));
		stdio_free(s->stdio);
		s->stdio = NULL;
		job_stop(s->job);
	} else if (s->stdio != NULL) {
		stdio_leave(s->stdio);
	}
}

static const struct channel_handler channel_handler = {
	.data = channel_data, .ended = channel_ended, .told = channel_told, .room = channel_has_room, .closed = channel_closed,
};

/* -- the command -- */

static void
started(void *arg, struct job *j, pid_t pid)
{
	struct spawn *s = arg;
	json_t *self = json_sprintf("%s/%s", s->node->name, job_name(j));
	json_t *reply = json_pack("{s:s, s:i, s:o}", "name", job_name(j), "pid", (int)pid, "self", self);

	s->accepted = true;
	channel_accept(s->channel, reply, &channel_handler, s);
	if (s->stdio != NULL)
		stdio_start(s->stdio, s->channel);
	else
		close_with(s, NULL);
}

/* The output is through: so is the call. */
static void
drained(void *arg)
{
	struct spawn *s = arg;
	json_t *how = json_pack("{s:o}", "exit", job_end_json(&s->end));

	if (s->channel != NULL)
		close_with(s, how);
	else
		json_decref(how);
	spawn_free(s);
}

static void
ended(void *arg, struct job *j, const struct job_end *end)
{
	struct spawn *s = arg;

	(void)j;
	s->job = NULL;
	s->end = *end;
	if (s->channel != NULL && s->stdio != NULL)
		stdio_drain(s->stdio, drained, s);
	else
		drained(s);
}

static const char *
code_of(enum appctl_status status)
{
	switch (status) {
	case APPCTL_INVALID:
		return "invalid";
	case APPCTL_NOT_PERMITTED:
		return "not_permitted";
	case APPCTL_TIMED_OUT:
		return "timed_out";
	default:
		return "failed";
	}
}

/* Of a definition that appctld does not take, what is wrong with it: KEY: MESSAGE. */
static void
refuse(struct spawn *s, const struct appctl_error *e)
{
	const json_t *problem = json_array_get(json_object_get(e->parameters, "problems"), 0);
	const char *message = json_string_value(json_object_get(problem, "message"));
	const char *path = json_string_value(json_object_get(problem, "path")), *key = path ? strrchr(path, '.') : NULL;

	if (message != NULL)
		channel_refuse(s->channel, "invalid", "%s: %s", key ? key + 1 : "the command", message);
	else
		channel_refuse(s->channel, code_of(e->status), "%s", e->message);
}

static void
failed(void *arg, struct job *j, const struct appctl_error *e)
{
	struct spawn *s = arg;

	(void)j;
	s->job = NULL;
	refuse(s, e);
	spawn_free(s);
}

static const struct job_handler job_handler = { started, ended, failed };

/* -- what is asked for -- */

/* Under a list of commands, nothing in the environment may make one of them another. */
static bool
is_harmless(const char *name)
{
	static const char *const harmless[] = { "LANG", "LANGUAGE", "TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES", NULL };
	size_t i;

	for (i = 0; harmless[i] != NULL; i++)
		if (strcmp(harmless[i], name) == 0)
			return true;
	return strncmp(name, "LC_", 3) == 0;
}

static bool
is_variable(const char *name, const json_t *value)
{
	return json_is_string(value) && *name != '\0' && strchr(name, '=') == NULL && strncmp(name, "APPCTL_", 7) != 0;
}

/* NULL: fine; else why not, *code. */
static const char *
check_environment(const json_t *environment, const struct allow_list *allowed, const char **code)
{
	const char *name;
	json_t *value;

	*code = "invalid";
	if (environment != NULL && !json_is_object(environment))
		return "environment is no object";
	json_object_foreach((json_t *)(uintptr_t)environment, name, value) {
		if (!is_variable(name, value))
			return "environment: each member is a variable's text, and none begins with APPCTL_";
		*code = "not_permitted";
		if (!allowed->all && !is_harmless(name))
			return "where only certain commands may be run, no other variables than TERM, LANG, LC_* and the like may be set";
		*code = "invalid";
	}
	return NULL;
}

static bool
is_command(const json_t *command)
{
	size_t i;

	for (i = 0; i < json_array_size(command); i++)
		if (!json_is_string(json_array_get(command, i)))
			return false;
	return json_array_size(command) > 0 && json_string_length(json_array_get(command, 0)) > 0;
}

static bool
is_text_or_absent(const json_t *args, const char *key)
{
	const json_t *value = json_object_get(args, key);

	return value == NULL || json_is_string(value);
}

static bool
is_boolean_or_absent(const json_t *args, const char *key)
{
	const json_t *value = json_object_get(args, key);

	return value == NULL || json_is_boolean(value);
}

static bool
is_name_or_absent(const json_t *args, const char *key)
{
	const json_t *value = json_object_get(args, key);

	return value == NULL || (json_is_string(value) && name_is_valid(json_string_value(value)));
}

/* NULL: fine; else why not, *code. */
static const char *
check(const struct node *n, const struct channel *c, const json_t *args, const char **code)
{
	const struct allow_list *allowed = &channel_allow(c)->spawn;
	const json_t *command = json_object_get(args, "command"), *tty = json_object_get(args, "tty");
	const char *why;

	*code = "invalid";
	if (!is_command(command))
		return "command is an array of texts, the first one a program";
	if (!is_name_or_absent(args, "name"))
		return "a name begins with a letter and goes on with letters, digits, - and _";
	if (!is_text_or_absent(args, "directory") || !is_text_or_absent(args, "caller"))
		return "directory and caller are texts";
	if (!is_boolean_or_absent(args, "linked") || !is_boolean_or_absent(args, "attached"))
		return "linked and attached are true or false";
	if (tty != NULL && (!json_is_object(tty) || !is_text_or_absent(tty, "term")))
		return "tty is an object with rows, columns and term";
	*code = "not_permitted";
	if (!allow_command(allowed, json_string_value(json_array_get(command, 0))))
		return "the other node does not let this one run that command";
	if (n->settings->remote_user == NULL && geteuid() == 0)
		return "commands of other nodes run as root only where remote_user says so in the other node's configuration";
	why = check_environment(json_object_get(args, "environment"), allowed, code);
	if (why != NULL || count < SPAWNS_MAX)
		return why;
	*code = "busy";
	return "the other node runs as many commands for others as it may";
}

static bool
is_true(const json_t *args, const char *key, bool otherwise)
{
	const json_t *value = json_object_get(args, key);

	return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

/* -- its definition -- */

static void
set_text(json_t *object, const char *key, const char *value)
{
	if (value != NULL)
		json_object_set_new(object, key, json_string(value));
}

/* What appctld sets is there too; of ours that alone which says who and where we are, if it runs as us. */
static json_t *
make_environment(const struct node *n, const json_t *args)
{
	static const char *const ours[] = { "HOME", "USER", "LOGNAME", "SHELL", "LANG", NULL };
	json_t *environment = json_object();
	size_t i;

	for (i = 0; ours[i] != NULL && n->settings->remote_user == NULL; i++)
		set_text(environment, ours[i], getenv(ours[i]));
	json_object_update(environment, json_object_get(args, "environment"));
	set_text(environment, "TERM", json_string_value(json_object_get(json_object_get(args, "tty"), "term")));
	set_text(environment, "APPCTL_CALLER", json_string_value(json_object_get(args, "caller")));
	return environment;
}

/* NULL: no memory. */
static json_t *
make_definition(const struct spawn *s, const json_t *args)
{
	const char *caller = json_string_value(json_object_get(args, "caller")), *directory = json_string_value(json_object_get(args, "directory"));
	json_t *d = json_pack("{s:s, s:b, s:b, s:O, s:o, s:b}", "restart", "temporary", "no_new_privileges", 1, "clear_environment", 1,
			      "command", json_object_get(args, "command"), "environment", make_environment(s->node, args),
			      "controlling_terminal", (int)s->terminal);

	if (d == NULL)
		return NULL;
	if (caller != NULL)
		json_object_set_new(d, "description", json_sprintf("for %s", caller));
	set_text(d, "user", s->node->settings->remote_user);
	set_text(d, "directory", directory ? directory : "/");
	/* Nobody may be there to end it when this process is killed: appctld does. */
	if (s->linked && s->node->app != NULL)
		json_object_set_new(d, "applications", json_pack("[{s:s, s:s}]", "name", s->node->app, "on_exit", "stop"));
	return d;
}

static int
run(struct spawn *s, const json_t *args, struct err *err)
{
	const json_t *tty = json_object_get(args, "tty"), *given = json_object_get(args, "name");
	struct terminal_size size = size_in(tty);
	const char *name;
	char made[64];
	int fds[3];

	if (s->attached && (s->stdio = stdio_new(s->node->loop, s->terminal ? &size : NULL, fds, err)) == NULL)
		return -1;
	job_make_name(made, sizeof(made), "spawn");
	name = given ? json_string_value(given) : made;
	s->job = job_run(jobs, name, make_definition(s, args), s->attached ? fds : NULL,
			 &job_handler, s);
	return s->job != NULL ? 0 : err_set(err, 0, "there is a command %s already, or no memory", name);
}

void
spawn_opened(struct node *n, struct channel *c, const json_t *args)
{
	const char *code, *why = check(n, c, args, &code);
	struct spawn *s = why ? NULL : calloc(1, sizeof(*s));
	struct err err;

	if (s == NULL) {
		channel_refuse(c, why ? code : "failed", "%s", why ? why : "no memory");
		return;
	}
	s->node = n;
	s->channel = c;
	s->attached = is_true(args, "attached", true);
	s->linked = s->attached && is_true(args, "linked", true);
	s->terminal = s->attached && json_is_object(json_object_get(args, "tty"));
	s->next = all;
	s->prev = &all;
	if (all != NULL)
		all->prev = &s->next;
	all = s;
	count++;
	if (run(s, args, &err) == 0)
		return;
	channel_refuse(c, "failed", "%s", err.msg);
	spawn_free(s);
}

int
spawn_start(struct node *n, struct err *err)
{
	jobs = jobs_new(n->loop, n->runtime_dir);
	return jobs != NULL ? 0 : err_set(err, 0, "no memory");
}

void
spawn_stop(struct node *n)
{
	(void)n;
	while (all != NULL) {
		if (all->channel != NULL && all->accepted)
			close_with(all, channel_error("outcome_unknown", "appctl-node of the other node ends"));
		else if (all->channel != NULL)
			channel_refuse(all->channel, "outcome_unknown", "appctl-node of the other node ends");
		spawn_free(all);
	}
	jobs_free(jobs);
	jobs = NULL;
}
