/* SPDX-License-Identifier: MIT */
#include "appctl/attach.h"
#include "appctl/cmd.h"
#include "appctl/output.h"
#include "appctl/raw.h"
#include "core/model.h"
#include "lib/node.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_UNKNOWN = 255 };		/* the link broke; ssh has the same */
enum { OPT_NODE, OPT_TERMINAL, OPT_NAME, OPT_NO_LINK, OPT_DETACH, OPT_ENV, OPT_DIRECTORY };

static const struct opt spawn_opts[] = {
	[OPT_NODE] = { "node", 'n', "NODE", COMPLETE_NODES, "the node to run it on" },
	[OPT_TERMINAL] = { "tty", 't', NULL, COMPLETE_NOTHING, "give it a terminal, as large as this one: for shells and editors" },
	[OPT_NAME] = { "name", 0, "NAME", COMPLETE_NOTHING, "its name there (default: made up)" },
	[OPT_NO_LINK] = { "no-link", 0, NULL, COMPLETE_NOTHING, "let it go on when this program or the link ends" },
	[OPT_DETACH] = { "detach", 'd', NULL, COMPLETE_NOTHING, "do not stay: print its address when it has been started, and end" },
	[OPT_ENV] = { "env", 'e', "NAME=VALUE", COMPLETE_NOTHING, "add that to its environment; may be given more than once" },
	[OPT_DIRECTORY] = { "directory", 'C', "DIR", COMPLETE_NOTHING, "run it there" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};

static json_t *
terminal_args(void)
{
	json_t *tty = need_json(json_object());
	const char *term = getenv("TERM");
	int rows, columns;

	window_size(&rows, &columns);
	set_json(tty, "rows", json_integer(rows));
	set_json(tty, "columns", json_integer(columns));
	set_json(tty, "term", json_string(term != NULL && *term != '\0' ? term : "dumb"));
	return tty;
}

/* NULL: said, l->status is set. */
static json_t *
make_args(struct cmdline *l)
{
	json_t *args = need_json(json_pack("{s:[], s:b, s:b}", "command", "linked", !has(l, &spawn_opts[OPT_NO_LINK]),
					   "attached", !has(l, &spawn_opts[OPT_DETACH])));
	const char *name = value_of(l, &spawn_opts[OPT_NAME]), *directory = value_of(l, &spawn_opts[OPT_DIRECTORY]);
	int i;

	for (i = 0; i < l->operand_count; i++)
		append_json(json_object_get(args, "command"), json_string(l->operands[i]));
	if (name != NULL)
		set_json(args, "name", json_string(name));
	if (directory != NULL)
		set_json(args, "directory", json_string(directory));
	if (has(l, &spawn_opts[OPT_TERMINAL]))
		set_json(args, "tty", terminal_args());
	l->status = set_environment(l, &spawn_opts[OPT_ENV], args);
	if (l->status == 0)
		return args;
	json_decref(args);
	return NULL;
}

/* One document: what it was, and how it ended. */
static void
print_whole(const char *node, json_t *reply, const json_t *exit)
{
	json_t *doc = need_json(json_deep_copy(reply));

	set_json(doc, "node", json_string(node));
	if (exit != NULL)
		set_json(doc, "last_exit", json_deep_copy(exit));
	print_json(doc);
}

/* As of a shell: its own status, or 128 and the number of its signal. */
static int
exit_status(struct cmdline *l, const json_t *exit)
{
	const json_t *code = json_object_get(exit, "code");
	int signo = signal_by_name(text_at(exit, "signal"));

	if (json_is_integer(code))
		return (int)json_integer_value(code);
	return signo > 0 ? 128 + signo : fail_here(l, APPCTL_FAILED, "how the command ended was not seen");
}

static int
broken(struct cmdline *l, struct appctl_error *e)
{
	bool unknown = strcmp(e->name, APPCTL_OUTCOME_UNKNOWN) == 0;
	int status = fail(l, e);

	return unknown ? EXIT_UNKNOWN : status;
}

static int
stay(struct cmdline *l, const char *node, int fd, json_t *reply)
{
	struct attach_end end = { 0 };
	struct appctl_error e = { 0 };
	const json_t *exit;
	int status;

	if (attach(fd, has(l, &spawn_opts[OPT_TERMINAL]), &end, &e) < 0)
		return broken(l, &e);
	if (end.gave_up != 0)
		return 128 + end.gave_up;
	exit = json_object_get(end.how, "exit");
	if (exit == NULL) {
		error_channel(&e, node, end.how);
		status = broken(l, &e);
	} else {
		status = exit_status(l, exit);
		if (l->json)
			print_whole(node, reply, exit);
	}
	json_decref(end.how);
	return status;
}

static int
leave(struct cmdline *l, const char *node, int fd, json_t *reply)
{
	close(fd);
	if (l->json)
		print_whole(node, reply, NULL);
	else
		puts(text_at(reply, "self"));
	return 0;
}

static int
run_spawn(struct cmdline *l)
{
	const char *node = value_of(l, &spawn_opts[OPT_NODE]);
	struct appctl_error e = { 0 };
	json_t *args, *reply = NULL;
	int fd, status;

	if (node == NULL)
		return usage_error(l, "on which node? Name it with -n");
	if (has(l, &spawn_opts[OPT_DETACH]) && has(l, &spawn_opts[OPT_TERMINAL]))
		return usage_error(l, "--tty and --detach exclude each other");
	args = make_args(l);
	if (args == NULL)
		return l->status;
	fd = node_connect(l->runtime_dir, node, "spawn", args, true, &reply, &e);
	if (fd < 0)
		return broken(l, &e);
	status = has(l, &spawn_opts[OPT_DETACH]) ? leave(l, node, fd, reply) : stay(l, node, fd, reply);
	json_decref(reply);
	return status;
}

const struct cmd cmd_spawn = {
	.name = "spawn", .operands = "-n NODE [--] COMMAND [ARGUMENT...]", .summary = "run a command on another node, with its input and output here",
	.about = "Standard input, output and error cross; INT, TERM, QUIT and HUP are passed on, with --tty all keys; the exit status is the "
		 "command's, or 128 and the number of the signal that ended it.  The end of either side ends the other.  255: "
		 "the link broke, and what became of the command is not known.",
	.opts = spawn_opts, .min = 1, .max = -1, .first = COMPLETE_NOTHING, .others = COMPLETE_FILES, .own_options_end = true,
	.run = run_spawn,
};
