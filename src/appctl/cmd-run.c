/* SPDX-License-Identifier: MIT */
#include "appctl/elsewhere.h"
#include "appctl/output.h"
#include "base/cleanup.h"
#include "core/model.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { OPT_NAME, OPT_DETACH, OPT_USER, OPT_GROUP, OPT_DIRECTORY, OPT_ENV, OPT_LOG, OPT_SHUTDOWN, OPT_NICE };

static const struct opt run_opts[] = {
	{ "name", 'n', "NAME", COMPLETE_NOTHING, "the application's name (default: made from the command's)" },
	{ "detach", 'd', NULL, COMPLETE_NOTHING, "do not stay: print its name when it has been started, and end" },
	{ "user", 'u', "USER", COMPLETE_USERS, "run it as that user" },
	{ "group", 'g', "GROUP", COMPLETE_GROUPS, "run it with that group" },
	{ "directory", 'C', "DIR", COMPLETE_DIRECTORIES, "run it there (default: the present directory)" },
	{ "env", 'e', "NAME=VALUE", COMPLETE_NOTHING, "add that to its environment; may be given more than once" },
	{ "log", 'l', "FILE", COMPLETE_FILES, "with --detach: where its output goes" },
	{ "shutdown", 0, "SECONDS", COMPLETE_NOTHING, "how long it may take to end when it is stopped" },
	{ "nice", 0, "N", COMPLETE_NOTHING, "its nice value" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};

/* What is passed on to the command. */
static const struct { int signo; const char *name; } forwarded[] = {
	{ SIGINT, "INT" }, { SIGTERM, "TERM" }, { SIGQUIT, "QUIT" }, { SIGHUP, "HUP" },
};

struct run {
	struct cmdline *l;
	struct appctl *control;		/* for Kill: the session's connection waits for the end */
	char *name;			/* NULL: not known yet */
	int signals;			/* a signalfd */
	int pending;			/* came before the name was known; 0: none */
};

static void
set_text(const struct cmdline *l, json_t *definition, int opt, const char *key)
{
	const char *value = value_of(l, &run_opts[opt]);

	if (value != NULL)
		set_json(definition, key, json_string(value));
}

/* appctld does not stand where we do: a path begins at the root. */
static void
set_path(json_t *object, const char *key, const char *here, const char *path)
{
	autofree char *whole = NULL;

	if (here == NULL || path[0] == '/') {
		set_json(object, key, json_string(path));
		return;
	}
	if (asprintf(&whole, "%s/%s", here, path) < 0)
		no_memory();
	set_json(object, key, json_string(whole));
}

static int
set_numbers(const struct cmdline *l, json_t *definition)
{
	const char *shutdown = value_of(l, &run_opts[OPT_SHUTDOWN]), *nice = value_of(l, &run_opts[OPT_NICE]);
	double seconds;
	char *end;
	long n;

	if (shutdown != NULL) {
		seconds = parse_seconds(shutdown, "--shutdown");
		if (seconds < 0)
			return APPCTL_INVALID;
		set_json(definition, "shutdown", json_real(seconds));
	}
	if (nice == NULL)
		return 0;
	n = strtol(nice, &end, 10);
	if (end == nice || *end != '\0' || n < -20 || n > 19)
		return usage_error(l, "--nice: \"%s\" is not a number from -20 to 19", nice);
	set_json(definition, "nice", json_integer(n));
	return 0;
}

/* An application that is started once, whatever becomes of it.  NULL: said, l->status is set. */
static json_t *
make_definition(struct cmdline *l)
{
	autofree char *here = getcwd(NULL, 0);
	json_t *definition = need_json(json_pack("{s:s, s:[]}", "restart", "temporary", "command"));
	json_t *command = json_object_get(definition, "command"), *log;
	const char *directory = value_of(l, &run_opts[OPT_DIRECTORY]), *path = value_of(l, &run_opts[OPT_LOG]);
	int i;

	for (i = 0; i < l->operand_count; i++)
		append_json(command, json_string(l->operands[i]));
	if (directory != NULL || here != NULL)
		set_path(definition, "directory", here, directory != NULL ? directory : here);
	set_text(l, definition, OPT_USER, "user");
	set_text(l, definition, OPT_GROUP, "group");
	if (path != NULL) {
		log = need_json(json_pack("{s:s}", "type", "file"));
		set_path(log, "path", here, path);
		set_json(definition, "log", log);
	}
	l->status = set_environment(l, &run_opts[OPT_ENV], definition);
	if (l->status == 0)
		l->status = set_numbers(l, definition);
	if (l->status == 0)
		return definition;
	json_decref(definition);
	return NULL;
}

static json_t *
make_params(struct cmdline *l)
{
	json_t *definition = make_definition(l), *params;
	const char *name = value_of(l, &run_opts[OPT_NAME]);

	if (definition == NULL)
		return NULL;
	params = need_json(json_pack("{s:o}", "definition", definition));
	if (name != NULL)
		set_json(params, "name", json_string(name));
	return params;
}

static int
run_detached(struct cmdline *l, json_t *params)
{
	json_t *reply = ask(l, "Run", params);

	if (reply == NULL)
		return l->status;
	if (l->json)
		print_json(json_incref(reply));
	else
		puts(text_at(reply, "name"));
	json_decref(reply);
	return 0;
}

static void
send_signal(struct run *r, int signo)
{
	struct appctl_error e = { 0 };
	size_t i;

	if (r->name == NULL) {
		r->pending = signo;
		return;
	}
	for (i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		if (forwarded[i].signo == signo)
			json_decref(appctl_call(r->control, "Kill",
						need_json(json_pack("{s:s, s:s}", "name", r->name, "signal", forwarded[i].name)), &e));
	if (e.status != APPCTL_DONE && strcmp(e.name, "org.appctl.Control.NotRunning") != 0)
		complain(&e);
	appctl_error_clear(&e);
}

static int
catch_signals(struct run *r)
{
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		sigaddset(&set, forwarded[i].signo);
	sigprocmask(SIG_BLOCK, &set, NULL);
	r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->signals;
}

/* Waits for a reply or a signal. */
static void
pause_for_news(struct run *r)
{
	struct pollfd fds[2] = {
		{ .fd = appctl_fd(r->l->client), .events = POLLIN },
		{ .fd = r->signals, .events = POLLIN },
	};
	struct signalfd_siginfo info;

	if (poll(fds, 2, appctl_wait_ms(r->l->client)) <= 0)
		return;
	while (read(r->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		send_signal(r, (int)info.ssi_signo);
}

static void
learn_name(struct run *r, const json_t *reply)
{
	if (r->name != NULL || *text_at(reply, "name") == '\0')
		return;
	r->name = strdup(text_at(reply, "name"));
	if (r->name != NULL && r->pending != 0)
		send_signal(r, r->pending);
}

/* The last reply to the call under way; NULL: e. */
static json_t *
follow(struct run *r, struct appctl_error *e)
{
	json_t *reply;
	bool last;
	int got;

	for (;;) {
		got = appctl_next(r->l->client, 0, &reply, &last, e);
		if (got < 0)
			return NULL;
		if (got == 0) {
			pause_for_news(r);
			continue;
		}
		learn_name(r, reply);
		if (last)
			return reply;
		json_decref(reply);
	}
}

/* The engine was started anew under us: the command goes on, and its end can be asked for by name. */
static json_t *
follow_by_name(struct run *r, struct appctl_error *e)
{
	struct appctl_error again = { 0 };
	json_t *reply;

	if (r->name == NULL || strcmp(e->name, APPCTL_OUTCOME_UNKNOWN) != 0)
		return NULL;
	if (appctl_begin(r->l->client, "Wait", need_json(json_pack("{s:s}", "name", r->name)), 0, NULL, 0, &again) < 0) {
		appctl_error_clear(&again);
		return NULL;
	}
	reply = follow(r, &again);
	appctl_error_clear(&again);
	return reply;
}

/* Its own status, or 128 and the signal's number, as a shell has it. */
static int
exit_status_of(const struct cmdline *l, const json_t *reply)
{
	const json_t *last = json_object_get(reply, "last_exit"), *code = json_object_get(last, "code");
	const char *name = text_at(last, "signal");

	if (json_is_integer(code))
		return (int)json_integer_value(code);
	if (*name == '\0')
		return fail_here(l, APPCTL_FAILED, "how the command ended was not seen");
	return 128 + signal_by_name(name);
}

static int
run_attached(struct cmdline *l, json_t *params)
{
	const int fds[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	struct run r = { .l = l };
	struct appctl_error e = { 0 };
	json_t *reply = NULL;
	int status;

	if (catch_signals(&r) < 0 || (r.control = appctl_new(appctl_runtime_dir(l->client), &e)) == NULL) {
		json_decref(params);
		return fail(l, &e);
	}
	if (appctl_begin(l->client, "Run", params, APPCTL_MORE, fds, 3, &e) == 0 && (reply = follow(&r, &e)) == NULL)
		reply = follow_by_name(&r, &e);
	if (reply == NULL) {
		status = fail(l, &e);
	} else {
		appctl_error_clear(&e);
		status = exit_status_of(l, reply);
		if (l->json)
			print_json(json_incref(reply));
	}
	json_decref(reply);
	appctl_free(r.control);
	close(r.signals);
	free(r.name);
	return status;
}

/* What is set on another node is that node's affair. */
static int
run_elsewhere(struct cmdline *l)
{
	static const int not_there[] = { OPT_USER, OPT_GROUP, OPT_LOG, OPT_SHUTDOWN, OPT_NICE };
	const struct elsewhere how = { .detached = has(l, &run_opts[OPT_DETACH]) };
	json_t *args;
	size_t i;

	for (i = 0; i < sizeof(not_there) / sizeof(not_there[0]); i++)
		if (has(l, &run_opts[not_there[i]]))
			return usage_error(l, "--%s is nothing to say to another node", run_opts[not_there[i]].name);
	args = elsewhere_args(l);
	set_json(args, "linked", json_false());
	set_text(l, args, OPT_NAME, "name");
	set_text(l, args, OPT_DIRECTORY, "directory");
	l->status = set_environment(l, &run_opts[OPT_ENV], args);
	if (l->status == 0)
		return elsewhere_run(l, l->node, args, &how);
	json_decref(args);
	return l->status;
}

static int
run_run(struct cmdline *l)
{
	bool detach = has(l, &run_opts[OPT_DETACH]);
	json_t *params;

	if (l->node != NULL)
		return run_elsewhere(l);
	if (!detach && value_of(l, &run_opts[OPT_LOG]) != NULL)
		return usage_error(l, "--log goes with --detach: else the command writes where appctl does");
	if (session(l) == NULL)
		return l->status;
	params = make_params(l);
	if (params == NULL)
		return l->status;
	return detach ? run_detached(l, params) : run_attached(l, params);
}

const struct cmd cmd_run = {
	.name = "run", .operands = "[--] COMMAND [ARGUMENT...]", .summary = "run a command as an application, and stay with it",
	.about = "It is supervised like any other while it runs.  Standard input, output and "
		 "error are those of appctl; INT, TERM, QUIT and HUP are passed on; the exit status is the command's, or 128 and "
		 "the number of the signal that ended it.  \"appctl status NAME\" still knows the last 32 that have ended.",
	.opts = run_opts, .min = 1, .max = -1, .first = COMPLETE_COMMANDS, .others = COMPLETE_FILES, .own_options_end = true,
	.run = run_run, .there = THERE_BY_ITSELF,
};
