/* SPDX-License-Identifier: MIT */
#include "appctl/output.h"

#include <libsmartcols.h>
#include <locale.h>
#include <unistd.h>

/* struct table and struct table_line are libsmartcols' own under names of ours: no other file knows that library. */

static void
or_end(const void *p)
{
	if (p == NULL)
		no_memory();
}

static int
flags_of(const struct column *c)
{
	switch (c->kind) {
	case COLUMN_RIGHT:
		return SCOLS_FL_RIGHT;
	case COLUMN_TREE:
		return SCOLS_FL_TREE;
	case COLUMN_CUT:
		return isatty(STDOUT_FILENO) ? SCOLS_FL_TRUNC : 0;
	default:
		return 0;
	}
}

struct table *
table_new(const struct column *columns)
{
	struct libscols_table *t;

	setlocale(LC_CTYPE, "");	/* here, for only a table has to know how wide a character is */
	t = scols_new_table();
	or_end(t);
	if (use_colors())
		scols_table_enable_colors(t, 1);
	for (; columns->name != NULL; columns++)
		or_end(scols_table_new_column(t, columns->name, 0, flags_of(columns)));
	return (struct table *)t;
}

struct table_line *
table_add(struct table *t, struct table_line *parent)
{
	struct libscols_line *l = scols_table_new_line((struct libscols_table *)t, (struct libscols_line *)parent);

	or_end(l);
	return (struct table_line *)l;
}

void
table_set(struct table_line *line, unsigned column, const char *text)
{
	if (scols_line_set_data((struct libscols_line *)line, column, text) < 0)
		or_end(NULL);
}

void
table_color(struct table_line *line, unsigned column, const char *state)
{
	const char *color = state_color(state);

	if (*color)
		scols_cell_set_color(scols_line_get_cell((struct libscols_line *)line, column), color);
}

void
table_print(struct table *take_t)
{
	struct libscols_table *t = (struct libscols_table *)take_t;

	if (scols_print_table(t) < 0 && !ferror(stdout))
		no_memory();
	scols_unref_table(t);
}

void
table_free(struct table *t)
{
	scols_unref_table((struct libscols_table *)t);
}
