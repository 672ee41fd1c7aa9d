/* SPDX-License-Identifier: MIT */
#include "appctl/elsewhere.h"
#include "appctl/output.h"

enum { OPT_TERMINAL, OPT_NAME, OPT_NO_LINK, OPT_DETACH, OPT_ENV, OPT_DIRECTORY };

static const struct opt spawn_opts[] = {
	[OPT_TERMINAL] = { "tty", 't', NULL, COMPLETE_NOTHING, "give it a terminal, as large as this one: for shells and editors" },
	[OPT_NAME] = { "name", 0, "NAME", COMPLETE_NOTHING, "its name there (default: made up)" },
	[OPT_NO_LINK] = { "no-link", 0, NULL, COMPLETE_NOTHING, "let it go on when this program or the link ends" },
	[OPT_DETACH] = { "detach", 'd', NULL, COMPLETE_NOTHING, "do not stay: print its address when it has been started, and end" },
	[OPT_ENV] = { "env", 'e', "NAME=VALUE", COMPLETE_NOTHING, "add that to its environment; may be given more than once" },
	[OPT_DIRECTORY] = { "directory", 'C', "DIR", COMPLETE_NOTHING, "run it there" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};

/* NULL: said, l->status is set. */
static json_t *
make_args(struct cmdline *l)
{
	const char *name = value_of(l, &spawn_opts[OPT_NAME]), *directory = value_of(l, &spawn_opts[OPT_DIRECTORY]);
	json_t *args = elsewhere_args(l);

	set_json(args, "linked", json_boolean(!has(l, &spawn_opts[OPT_NO_LINK])));
	if (name != NULL)
		set_json(args, "name", json_string(name));
	if (directory != NULL)
		set_json(args, "directory", json_string(directory));
	l->status = set_environment(l, &spawn_opts[OPT_ENV], args);
	if (l->status == 0)
		return args;
	json_decref(args);
	return NULL;
}

static int
run_spawn(struct cmdline *l)
{
	const struct elsewhere how = { .terminal = has(l, &spawn_opts[OPT_TERMINAL]), .detached = has(l, &spawn_opts[OPT_DETACH]) };
	json_t *args;

	if (l->node == NULL)
		return usage_error(l, "on which node? Name it with -n");
	if (how.detached && how.terminal)
		return usage_error(l, "--tty and --detach exclude each other");
	args = make_args(l);
	return args != NULL ? elsewhere_run(l, l->node, args, &how) : l->status;
}

const struct cmd cmd_spawn = {
	.name = "spawn", .operands = "-n NODE [--] COMMAND [ARGUMENT...]", .summary = "run a command on another node, with its input and output here",
	.about = "Standard input, output and error cross; INT, TERM, QUIT and HUP are passed on, with --tty all keys; the exit status is the "
		 "command's, or 128 and the number of the signal that ended it.  The end of either side ends the other.  255: "
		 "the link broke, and what became of the command is not known.",
	.opts = spawn_opts, .min = 1, .max = -1, .first = COMPLETE_NOTHING, .others = COMPLETE_FILES, .own_options_end = true,
	.run = run_spawn, .there = THERE_BY_ITSELF,
};
