/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"

#include <string.h>

static const struct opt no_opts[] = { { NULL, 0, NULL, COMPLETE_NOTHING, NULL } };

static const struct column columns[] = {
	{ "STEP", COLUMN_TREE }, { "WHY", COLUMN_PLAIN }, { "AFTER", COLUMN_CUT }, { NULL, COLUMN_PLAIN },
};

static void
add_step(struct table *t, struct table_line *wave, const json_t *step, struct buf *b)
{
	struct table_line *line = table_add(t, wave);

	buf_clear(b);
	add_text(b, text_at(step, "action"));
	buf_addc(b, ' ');
	add_text(b, text_at(step, "name"));
	table_set(line, 0, buf_text(b));
	table_set(line, 1, text_at(step, "why"));
	buf_clear(b);
	add_list(b, json_object_get(step, "after"));
	table_set(line, 2, buf_text(b));
}

/* A branch for each wave, first those of the stops: the steps of one go in parallel. */
static void
print_steps(const json_t *steps)
{
	struct table *t = table_new(columns);
	struct table_line *line = NULL;
	struct buf b = { 0 };
	double wave = -1;
	bool stops = false, stop;
	size_t i;
	const json_t *step;

	json_array_foreach((json_t *)steps, i, step) {
		stop = strcmp(text_at(step, "action"), "stop") == 0;
		if (line == NULL || number_at(step, "wave") != wave || stop != stops) {
			wave = number_at(step, "wave");
			stops = stop;
			buf_clear(&b);
			buf_printf(&b, "%s, wave %.0f", stops ? "stops" : "starts", wave);
			line = table_add(t, NULL);
			table_set(line, 0, buf_text(&b));
		}
		add_step(t, line, step, &b);
	}
	buf_free(&b);
	table_print(t);
}

static int
run_plan(struct cmdline *l)
{
	json_t *reply = ask(l, "Plan", l->operand_count > 0 ? need_json(json_pack("{s:s}", "mode", l->operands[0])) : NULL);

	if (reply == NULL)
		return l->status;
	if (l->json) {
		print_json(reply);
		return 0;
	}
	if (json_array_size(json_object_get(reply, "steps")) > 0)
		print_steps(json_object_get(reply, "steps"));
	else
		puts("nothing to do");
	json_decref(reply);
	return 0;
}

const struct cmd cmd_plan = {
	.name = "plan", .operands = "[MODE]", .summary = "show what a change of mode would stop and start, and why",
	.about = "In waves: the steps of one go in parallel, the next begins as those it comes after are done.  Without MODE: "
		 "what is still to be done for the present one.",
	.opts = no_opts, .min = 0, .max = 1, .first = COMPLETE_MODES, .others = COMPLETE_NOTHING, .run = run_plan,
};

static void
print_chain(const json_t *chain)
{
	size_t i;
	const json_t *cause;

	json_array_foreach((json_t *)chain, i, cause) {
		printf("%*s%s", i > 0 ? (int)(i - 1) * 2 : 0, "", i > 0 ? "because " : "");
		print_text(stdout, text_at(cause, "fact"));
		if (*text_at(cause, "origin")) {
			fputs(" (", stdout);
			print_text(stdout, text_at(cause, "origin"));
			putchar(')');
		}
		putchar('\n');
	}
}

static int
run_explain(struct cmdline *l)
{
	json_t *reply = ask(l, "Explain", need_json(json_pack("{s:s}", "name", l->operands[0])));

	if (reply == NULL)
		return l->status;
	if (l->json) {
		print_json(reply);
		return 0;
	}
	print_chain(json_object_get(reply, "chain"));
	json_decref(reply);
	return 0;
}

const struct cmd cmd_explain = {
	.name = "explain", .operands = "APP", .summary = "show why an application is in the state it is in",
	.about = "One chain of causes, down to the fact that holds it.",
	.opts = no_opts, .min = 1, .max = 1, .first = COMPLETE_APPS, .others = COMPLETE_NOTHING, .run = run_explain,
};
