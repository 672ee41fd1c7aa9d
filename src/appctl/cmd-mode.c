/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"

#include <string.h>

static const struct opt mode_opts[] = {
	{ "wait", 'w', "[SECONDS]", COMPLETE_NOTHING, "wait until the mode is stable, for at most that long" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};
static const struct opt no_opts[] = { { NULL, 0, NULL, COMPLETE_NOTHING, NULL } };

/* current: a name, or an array of names. */
static bool
is_current(const json_t *current, const char *name)
{
	size_t i;
	const json_t *v;

	if (json_is_string(current))
		return strcmp(json_string_value(current), name) == 0;
	json_array_foreach((json_t *)current, i, v)
		if (is_current(v, name))
			return true;
	return false;
}

/* Modes and their roles, or roles and their applications; what is in force has a star. */
static void
print_known(const json_t *lists, const char *what, const char *of, const json_t *current)
{
	const struct column columns[] = {
		{ "", COLUMN_PLAIN }, { what, COLUMN_PLAIN }, { of, COLUMN_PLAIN }, { NULL, COLUMN_PLAIN },
	};
	struct table *t = table_new(columns);
	struct table_line *line;
	struct buf b = { 0 };
	const char *name;
	json_t *list;

	json_object_foreach((json_t *)lists, name, list) {
		line = table_add(t, NULL);
		table_set(line, 0, is_current(current, name) ? "*" : " ");
		table_set(line, 1, name);
		buf_clear(&b);
		add_list(&b, list);
		table_set(line, 2, buf_text(&b));
	}
	buf_free(&b);
	table_print(t);
}

static void
print_mode(const json_t *now, const json_t *known)
{
	const char *mode = text_at(now, "mode");

	if (*mode) {
		fputs("mode ", stdout);
		print_text(stdout, mode);
	} else {
		fputs("no mode is set: everything is wanted", stdout);
	}
	fputs(", ", stdout);
	print_state(text_at(now, "state"));
	putchar('\n');
	if (json_object_size(json_object_get(known, "mode_roles")) > 0) {
		putchar('\n');
		print_known(json_object_get(known, "mode_roles"), "MODE", "ROLES", json_object_get(now, "mode"));
	}
	if (json_object_size(json_object_get(known, "roles")) > 0) {
		putchar('\n');
		print_known(json_object_get(known, "roles"), "ROLE", "APPLICATIONS", json_object_get(now, "roles"));
	}
}

static int
show_mode(struct cmdline *l)
{
	json_t *now = ask(l, "GetMode", NULL), *known;

	if (now == NULL)
		return l->status;
	known = ask(l, "ListModes", NULL);
	if (known == NULL) {
		json_decref(now);
		return l->status;
	}
	if (l->json) {
		set_json(now, "known", known);
		print_json(now);
		return 0;
	}
	print_mode(now, known);
	json_decref(known);
	json_decref(now);
	return 0;
}

/* AwaitStableMode, for the mode that was set or, NULL, whichever it is. */
static int
await_mode(struct cmdline *l, const char *mode, double seconds)
{
	json_t *limit = seconds >= 0 ? need_json(json_pack("{s:f}", "timeout", seconds)) : NULL;
	json_t *reply = ask_and_wait(l, "AwaitStableMode", limit, NULL);
	const char *reached;

	if (reply == NULL)
		return l->status;
	reached = text_at(reply, "mode");
	if (mode != NULL && strcmp(reached, mode) != 0) {
		l->status = fail_here(l, APPCTL_FAILED, "another mode was set meanwhile: %s", *reached ? reached : "none");
		json_decref(reply);
		return l->status;
	}
	if (l->json) {
		print_json(reply);
		return 0;
	}
	if (*reached)
		printf("mode %s is stable\n", reached);
	else
		printf("all that is wanted is running\n");
	json_decref(reply);
	return 0;
}

static int
run_mode(struct cmdline *l)
{
	const char *limit = value_of(l, &mode_opts[0]);
	double seconds = -1;
	json_t *reply;

	if (limit != NULL && (seconds = parse_seconds(limit, "--wait")) < 0)
		return APPCTL_INVALID;
	if (l->operand_count == 0)
		return has(l, &mode_opts[0]) ? await_mode(l, NULL, seconds) : show_mode(l);
	reply = ask(l, "SetMode", need_json(json_pack("{s:s}", "mode", l->operands[0])));
	if (reply == NULL)
		return l->status;
	if (!has(l, &mode_opts[0]) && l->json)
		print_json(json_incref(reply));
	json_decref(reply);
	return has(l, &mode_opts[0]) ? await_mode(l, l->operands[0], seconds) : 0;
}

const struct cmd cmd_mode = {
	.name = "mode", .operands = "[NAME]", .summary = "show the mode and the known ones, or change it",
	.about = "The change is decided at once and goes on by itself; --wait waits for its end.  It is the difference of two "
		 "sets: what leaves is stopped, what enters is started, what stays is not touched.",
	.opts = mode_opts, .min = 0, .max = 1, .first = COMPLETE_MODES, .others = COMPLETE_NOTHING, .run = run_mode,
};

static int
run_await(struct cmdline *l)
{
	double seconds = -1;

	if (l->operand_count > 0 && (seconds = parse_seconds(l->operands[0], "await")) < 0)
		return APPCTL_INVALID;
	return await_mode(l, NULL, seconds);
}

const struct cmd cmd_await = {
	.name = "await", .operands = "[SECONDS]", .summary = "wait until the mode is stable",
	.about = "Ends at once where it is, and where it cannot be: then with 1 and what is in the way.  When the time is "
		 "over: 4 and what is outstanding.",
	.opts = no_opts, .min = 0, .max = 1, .first = COMPLETE_NOTHING, .others = COMPLETE_NOTHING, .run = run_await,
};
