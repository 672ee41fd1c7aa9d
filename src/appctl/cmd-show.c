/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"

#include <string.h>

static const struct opt no_opts[] = { { NULL, 0, NULL, COMPLETE_NOTHING, NULL } };

static void print_value(const json_t *v, int depth);

static void
print_string(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			printf("\\x%02x", (unsigned char)*s);
		else
			putchar(*s);
	}
	putchar('"');
}

static void
print_group(const json_t *group, int depth)
{
	const char *key;
	const json_t *v;

	fputs("{\n", stdout);
	json_object_foreach((json_t *)group, key, v) {
		if (json_is_null(v))
			continue;
		printf("%*s%s = ", (depth + 1) * 4, "", key);
		print_value(v, depth + 1);
		fputs(";\n", stdout);
	}
	printf("%*s}", depth * 4, "");
}

/* An array holds plain values, a list may hold groups. */
static void
print_sequence(const json_t *values, int depth)
{
	size_t i;
	const json_t *v;
	bool list = false;

	json_array_foreach((json_t *)values, i, v)
		list |= json_is_object(v) || json_is_array(v);
	fputs(list ? "( " : "[", stdout);
	json_array_foreach((json_t *)values, i, v) {
		fputs(i ? ", " : "", stdout);
		print_value(v, depth);
	}
	fputs(list ? " )" : "]", stdout);
}

/* As it would be written in a configuration. */
static void
print_value(const json_t *v, int depth)
{
	if (json_is_object(v))
		print_group(v, depth);
	else if (json_is_array(v))
		print_sequence(v, depth);
	else if (json_is_string(v))
		print_string(json_string_value(v));
	else
		json_dumpf(v, stdout, JSON_ENCODE_ANY | JSON_REAL_PRECISION(16));
}

static int
run_show(struct cmdline *l)
{
	json_t *reply = ask(l, "Show", need_json(json_pack("{s:s}", "name", l->operands[0])));

	if (reply == NULL)
		return l->status;
	if (l->json) {
		print_json(reply);
		return 0;
	}
	if (*text_at(reply, "origin")) {
		fputs("# ", stdout);
		print_text(stdout, text_at(reply, "origin"));
		putchar('\n');
	}
	printf("%s: ", l->operands[0]);
	print_value(json_object_get(reply, "definition"), 0);
	puts(";");
	json_decref(reply);
	return 0;
}

const struct cmd cmd_show = {
	.name = "show", .operands = "APP", .summary = "show an application's definition as it is in force",
	.about = "Written as in a configuration, every key, with where it was defined.",
	.opts = no_opts, .min = 1, .max = 1, .first = COMPLETE_APPS, .others = COMPLETE_NOTHING, .run = run_show,
};
