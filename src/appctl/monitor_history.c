/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "appctl/monitor.h"

#include "appctl/output.h"

#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* What a process did, as lines that show its course and as a table of samples. */

enum { SPAN_S = 3600, COURSE_MAX = 120, SAMPLES_SHOWN = 10 };

struct course {
	double value[COURSE_MAX];	/* means; NAN: no sample there */
	double least, most, last;
	bool any;
};

static const struct measure {
	const char *key, *title;
	enum { OF_PROCESSORS, OF_BYTES, OF_SPEED, OF_COUNT } kind;
} measures[] = {
	{ "cpu", "cpu", OF_PROCESSORS }, { "memory", "memory", OF_BYTES }, { "memory_growth", "growth", OF_SPEED },
	{ "io_read", "read", OF_SPEED }, { "io_written", "written", OF_SPEED }, { "threads", "threads", OF_COUNT },
	{ "descriptors", "descriptors", OF_COUNT },
};
enum { MEASURES = sizeof(measures) / sizeof(measures[0]) };

static void
add_measure(struct buf *b, double v, int kind)
{
	switch (kind) {
	case OF_PROCESSORS:
		buf_printf(b, "%.1f %%", v * 100);
		break;
	case OF_COUNT:
		buf_printf(b, "%.0f", v);
		break;
	default:
		add_size(b, v);
		buf_adds(b, kind == OF_SPEED ? "/s" : "");
	}
}

static unsigned
course_width(void)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col < 70)
		return 40;
	return w.ws_col - 50 > 100 ? 100 : w.ws_col - 50u;
}

static void
take_course(const json_t *rows, const char *key, unsigned width, struct course *c)
{
	double from = number_at(json_array_get(rows, 0), "ts"), to = number_at(json_array_get(rows, json_array_size(rows) - 1), "ts"), v;
	unsigned count[COURSE_MAX] = { 0 }, at;
	const json_t *value;
	json_t *row;
	size_t i;

	*c = (struct course){ .least = INFINITY, .most = -INFINITY };
	json_array_foreach((json_t *)rows, i, row) {
		value = json_object_get(row, key);
		if (!json_is_number(value))
			continue;
		v = json_number_value(value);
		at = to > from ? (unsigned)((number_at(row, "ts") - from) / (to - from) * (width - 1)) : 0;
		c->value[at] += v;
		count[at]++;
		c->least = fmin(c->least, v);
		c->most = fmax(c->most, v);
		c->last = v;
		c->any = true;
	}
	for (at = 0; at < width; at++)
		c->value[at] = count[at] ? c->value[at] / count[at] : NAN;
}

static void
add_course(struct buf *b, const struct course *c, unsigned width)
{
	static const char *const blocks[] = { "\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587", "\u2588" };
	static const char *const letters[] = { "_", ".", ":", "-", "=", "+", "*", "#" };
	const char *const *steps = strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? blocks : letters;
	double low = fmin(c->least, 0), high = c->most;
	unsigned i;

	for (i = 0; i < width; i++)
		if (isnan(c->value[i]))
			buf_addc(b, ' ');
		else
			buf_adds(b, steps[high > low ? (unsigned)((c->value[i] - low) / (high - low) * 7.999) : 0]);
}

static void
print_course(const json_t *rows, const struct measure *q, unsigned width)
{
	struct buf b = { 0 };
	struct course c;

	take_course(rows, q->key, width, &c);
	if (!c.any)
		return;
	buf_printf(&b, "%-11s ", q->title);
	add_course(&b, &c, width);
	buf_adds(&b, "  ");
	add_measure(&b, c.least, q->kind);
	buf_adds(&b, " to ");
	add_measure(&b, c.most, q->kind);
	buf_adds(&b, ", last ");
	add_measure(&b, c.last, q->kind);
	puts(buf_text(&b));
	buf_free(&b);
}

static void
print_head(const struct monitor *m, const json_t *rows)
{
	const json_t *first = json_array_get(rows, 0), *last = json_array_get(rows, json_array_size(rows) - 1);
	struct buf b = { 0 };

	add_text(&b, text_at(last, "node"));
	buf_printf(&b, ": pid %s, ", m->pid);
	add_text(&b, text_at(last, "name"));
	if (*text_at(last, "application")) {
		buf_adds(&b, " of application ");
		add_text(&b, text_at(last, "application"));
	}
	buf_printf(&b, "; %zu samples from ", json_array_size(rows));
	add_time(&b, number_at(first, "ts"));
	buf_adds(&b, " to ");
	add_time(&b, number_at(last, "ts"));
	puts(buf_text(&b));
	if (*text_at(last, "command")) {
		buf_clear(&b);
		add_text(&b, text_at(last, "command"));
		printf("  %s\n", buf_text(&b));
	}
	buf_free(&b);
}

/* On a terminal the last ones, else all. */
static void
print_samples(const json_t *rows)
{
	struct column columns[MEASURES + 3] = { { "TIME", COLUMN_PLAIN }, { "S", COLUMN_PLAIN } };
	size_t n = json_array_size(rows), i = isatty(STDOUT_FILENO) && n > SAMPLES_SHOWN ? n - SAMPLES_SHOWN : 0;
	struct buf b = { 0 };
	struct table *t;
	struct table_line *line;
	const json_t *row, *v;
	unsigned j;

	for (j = 0; j < MEASURES; j++)
		columns[j + 2] = (struct column){ measures[j].title, COLUMN_RIGHT };
	t = table_new(columns);
	for (; i < n; i++) {
		row = json_array_get(rows, i);
		line = table_add(t, NULL);
		buf_clear(&b);
		add_time(&b, number_at(row, "ts"));
		table_set(line, 0, buf_text(&b));
		table_set(line, 1, text_at(row, "state"));
		for (j = 0; j < MEASURES; j++) {
			v = json_object_get(row, measures[j].key);
			buf_clear(&b);
			if (json_is_number(v))
				add_measure(&b, json_number_value(v), measures[j].kind);
			table_set(line, j + 2, buf_text(&b));
		}
	}
	table_print(t);
	buf_free(&b);
}

/* A number is used again: the process that had it last is meant. */
static json_t *
only_the_last(json_t *take_rows)
{
	const json_t *last = json_array_get(take_rows, json_array_size(take_rows) - 1);
	double started = number_at(last, "started");
	size_t i;

	for (i = json_array_size(take_rows); i > 0; i--)
		if (number_at(json_array_get(take_rows, i - 1), "started") != started)
			json_array_remove(take_rows, i - 1);
	return take_rows;
}

static bool
is_number(const char *text)
{
	return text != NULL && *text != '\0' && strlen(text) <= 10 && text[strspn(text, "0123456789")] == '\0';
}

/* Rows of one node, or a message; NULL: said. */
static json_t *
samples_of(const struct monitor *m, int *status)
{
	const struct asked a = { .node = m->node, .pid = m->pid, .until = m->until, .since = m->since > 0 ? m->since :
		(m->until > 0 ? m->until : now_real()) - SPAN_S };
	struct err err;
	json_t *rows = source_rows(m->source, "prc", &a, &err), *row;
	size_t i;

	if (rows == NULL) {
		*status = monitor_lost(m, &err);
		return NULL;
	}
	if (json_array_size(rows) == 0)
		*status = monitor_fail(m, APPCTL_NOT_FOUND, "there is no sample of pid %s in that time: see --since", m->pid);
	json_array_foreach(rows, i, row)
		if (*status == 0 && strcmp(text_at(row, "node"), text_at(json_array_get(rows, 0), "node")) != 0)
			*status = monitor_fail(m, APPCTL_INVALID, "more than one node has a pid %s (%s, %s): say which with --node", m->pid,
					       text_at(row, "node"), text_at(json_array_get(rows, 0), "node"));
	if (*status == 0)
		return only_the_last(rows);
	json_decref(rows);
	return NULL;
}

int
view_history(const struct monitor *m)
{
	int status = 0;
	json_t *nodes, *rows;
	unsigned i, width = course_width();

	if (!is_number(m->pid))
		return monitor_fail(m, APPCTL_INVALID, "\"%s\" is no pid", m->pid ? m->pid : "");
	nodes = monitor_nodes(m, &status);
	rows = nodes ? samples_of(m, &status) : NULL;
	json_decref(nodes);
	if (rows == NULL)
		return status;
	if (m->json) {
		print_json(need_json(json_pack("{s:O}", "samples", rows)));
	} else {
		setlocale(LC_CTYPE, "");
		print_head(m, rows);
		for (i = 0; i < MEASURES; i++)
			print_course(rows, &measures[i], width);
		putchar('\n');
		print_samples(rows);
	}
	json_decref(rows);
	return 0;
}
