/* SPDX-License-Identifier: MIT */
#include "appctl/elsewhere.h"

#include "appctl/attach.h"
#include "appctl/output.h"
#include "appctl/raw.h"
#include "core/model.h"
#include "lib/node.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_UNKNOWN = 255 };		/* the link broke; ssh has the same */

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
stay(struct cmdline *l, const char *node, const struct elsewhere *how, int fd, json_t *reply)
{
	struct attach_end end = { 0 };
	struct appctl_error e = { 0 };
	const json_t *exit;
	int status;

	if (attach(fd, how->terminal, &end, &e) < 0)
		return broken(l, &e);
	if (end.gave_up != 0)
		return 128 + end.gave_up;
	exit = json_object_get(end.how, "exit");
	if (exit == NULL) {
		error_channel(&e, node, end.how);
		status = broken(l, &e);
	} else {
		status = exit_status(l, exit);
		if (l->json && !how->prints_itself)
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

int
elsewhere_run(struct cmdline *l, const char *node, json_t *take_args, const struct elsewhere *how)
{
	struct appctl_error e = { 0 };
	json_t *reply = NULL;
	int fd, status;

	set_json(take_args, "attached", json_boolean(!how->detached));
	if (how->terminal)
		set_json(take_args, "tty", terminal_args());
	fd = node_connect(l->runtime_dir, node, "spawn", take_args, true, &reply, &e);
	if (fd < 0)
		return broken(l, &e);
	status = how->detached ? leave(l, node, fd, reply) : stay(l, node, how, fd, reply);
	json_decref(reply);
	return status;
}

json_t *
elsewhere_args(const struct cmdline *l)
{
	json_t *args = need_json(json_pack("{s:[]}", "command"));
	int i;

	for (i = 0; i < l->operand_count; i++)
		append_json(json_object_get(args, "command"), json_string(l->operands[i]));
	return args;
}

/* As it was given here. */
static void
append_option(json_t *command, const struct given *given)
{
	append_json(command, given->value ? json_sprintf("--%s=%s", given->opt->name, given->value)
					  : json_sprintf("--%s", given->opt->name));
}

int
elsewhere_same(struct cmdline *l, const char *node)
{
	const struct elsewhere how = { .terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO), .prints_itself = true };
	json_t *command = need_json(json_pack("[s]", "appctl"));
	size_t i;
	int n;

	if (l->json)
		append_json(command, json_string("--json"));
	append_json(command, json_string(l->cmd->name));
	for (i = 0; i < l->given_count; i++)
		append_option(command, &l->given[i]);
	append_json(command, json_string("--"));
	for (n = 0; n < l->operand_count; n++)
		append_json(command, json_string(l->operands[n]));
	return elsewhere_run(l, node, need_json(json_pack("{s:o}", "command", command)), &how);
}
