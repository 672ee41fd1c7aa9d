/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"

#include <string.h>

enum { WIDTH = 78, LEFT = 32 };		/* columns: of a paragraph; of what stands beside its explanation */

/* "-r, --runtime-dir DIR" or "    --wait[=SECONDS]". */
static void
add_option(struct buf *b, const struct opt *o)
{
	if (o->letter)
		buf_printf(b, "-%c, --%s", o->letter, o->name);
	else
		buf_printf(b, "    --%s", o->name);
	if (o->value != NULL && o->value[0] == '[')
		buf_printf(b, "[=%s", o->value + 1);
	else if (o->value != NULL)
		buf_printf(b, " %s", o->value);
}

static void
print_options(const struct opt *o)
{
	struct buf b = { 0 };

	for (; o->name != NULL; o++) {
		buf_clear(&b);
		add_option(&b, o);
		printf("  %-30s %s\n", buf_text(&b), o->help);
	}
	buf_free(&b);
}

/* As wide as any terminal. */
static void
print_paragraph(const char *s)
{
	size_t used = 0, len;

	while (*s) {
		len = strcspn(s, " ");
		if (used > 0 && used + 1 + len > WIDTH) {
			putchar('\n');
			used = 0;
		}
		used += (size_t)printf("%s%.*s", used > 0 ? " " : "", (int)len, s);
		s += len;
		s += strspn(s, " ");
	}
	putchar('\n');
}

static void
print_command_help(const struct cmd *c)
{
	printf("Usage: appctl %s%s%s%s\n\n%c%s.\n", c->name, c->opts->name ? " [OPTION...]" : "",
	       *c->operands ? " " : "", c->operands, c->summary[0] + ('A' - 'a'), c->summary + 1);
	if (c->about != NULL) {
		putchar('\n');
		print_paragraph(c->about);
	}
	if (c->opts->name != NULL) {
		printf("\nOptions:\n");
		print_options(c->opts);
	}
	printf("\nOptions of every command:\n");
	print_options(global_opts);
}

void
print_help(const struct cmd *cmd)
{
	size_t i;
	int left;

	if (cmd != NULL) {
		print_command_help(cmd);
		return;
	}
	printf("Usage: appctl [OPTION...] COMMAND [ARGUMENT...]\n\n"
	       "Controls appctld, which starts, watches and stops applications.\n\nCommands:\n");
	for (i = 0; commands[i] != NULL; i++) {
		left = printf("  %s %s", commands[i]->name, commands[i]->operands);
		printf("%*s %s\n", left < LEFT ? LEFT - left : 0, "", commands[i]->summary);
	}
	printf("\nOptions:\n");
	print_options(global_opts);
	printf("\n\"appctl COMMAND --help\" tells more of each.  See appctl(1).\n\n"
	       "Exit status: 0 done; 1 it failed; 2 usage or configuration error; 3 no such thing;\n"
	       "4 timed out; 5 not permitted; 6 appctld cannot be reached.\n");
}
