/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"

#include <string.h>

static const struct opt reload_opts[] = {
	{ "dry-run", 'n', NULL, COMPLETE_NOTHING, "check and show what would change, but change nothing" },
	{ "new", 0, NULL, COMPLETE_NOTHING, "take only drop-ins that were not there before, and what they bring" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};
static const struct opt no_opts[] = { { NULL, 0, NULL, COMPLETE_NOTHING, NULL } };

static void
print_key_changes(const json_t *keys, const char *indent)
{
	const char *before, *after;
	size_t i;
	const json_t *k;

	json_array_foreach((json_t *)keys, i, k) {
		before = text_at(k, "before");
		after = text_at(k, "after");
		printf("%s", indent);
		print_text(stdout, text_at(k, "key"));
		fputs(": ", stdout);
		print_text(stdout, *before ? before : "(not set)");
		fputs(" -> ", stdout);
		print_text(stdout, *after ? after : "(not set)");
		putchar('\n');
	}
}

/* "web: changed, restart" and a line for each key. */
static void
print_changes(const json_t *reply)
{
	const json_t *changes = json_object_get(reply, "changes"), *settings = json_object_get(reply, "settings"), *c;
	size_t i;

	if (json_array_size(changes) == 0 && json_array_size(settings) == 0)
		puts("nothing changes");
	json_array_foreach((json_t *)changes, i, c) {
		print_text(stdout, text_at(c, "name"));
		fputs(": ", stdout);
		print_text(stdout, strcmp(text_at(c, "change"), "same") == 0 ? "not changed itself" : text_at(c, "change"));
		if (strcmp(text_at(c, "follows"), "nothing") != 0)
			printf(", %s follows", text_at(c, "follows"));
		putchar('\n');
		print_key_changes(json_object_get(c, "keys"), "  ");
	}
	print_key_changes(settings, "");
}

static int
print_reply(struct cmdline *l, json_t *take_reply)
{
	if (take_reply == NULL)
		return l->status;
	if (l->json) {
		print_json(take_reply);
		return 0;
	}
	print_changes(take_reply);
	json_decref(take_reply);
	return 0;
}

static int
reload_new(struct cmdline *l)
{
	json_t *reply = ask(l, "CheckForNewApplications", NULL);
	struct buf b = { 0 };

	if (reply == NULL)
		return l->status;
	if (l->json) {
		print_json(reply);
		return 0;
	}
	add_list(&b, json_object_get(reply, "added"));
	if (b.len > 0)
		printf("added: %s\n", buf_text(&b));
	else
		puts("no new applications: no drop-in with one was added (\"appctl diff\" shows what else has changed)");
	buf_free(&b);
	json_decref(reply);
	return 0;
}

static int
run_reload(struct cmdline *l)
{
	bool dry = has(l, &reload_opts[0]);

	if (has(l, &reload_opts[1]))
		return dry ? usage_error(l, "--new cannot be tried with --dry-run") : reload_new(l);
	return print_reply(l, ask(l, "Reload", dry ? need_json(json_pack("{s:b}", "dry_run", 1)) : NULL));
}

const struct cmd cmd_reload = {
	.name = "reload", .operands = "", .summary = "read the configuration again and apply what differs",
	.about = "A configuration with errors changes nothing: all of them are shown, and the exit status is 2.",
	.opts = reload_opts, .min = 0, .max = 0, .first = COMPLETE_NOTHING, .others = COMPLETE_NOTHING, .run = run_reload,
};

static int
run_diff(struct cmdline *l)
{
	return print_reply(l, ask(l, "Diff", NULL));
}

const struct cmd cmd_diff = {
	.name = "diff", .operands = "", .summary = "show what \"reload\" would change, key by key, and what follows",
	.opts = no_opts, .min = 0, .max = 0, .first = COMPLETE_NOTHING, .others = COMPLETE_NOTHING, .run = run_diff,
};
