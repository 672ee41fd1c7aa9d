/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "appctl/monitor.h"

#include "appctl/output.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tables of what is now: how rows of the database become lines. */

enum kind {
	KIND_TEXT,
	KIND_COUNT,
	KIND_SIZE,			/* bytes */
	KIND_SPEED,			/* bytes a second */
	KIND_PROCESSORS,		/* as percent of one */
	KIND_SHARE,			/* of 1, as percent */
	KIND_LOAD,
	KIND_SECONDS,			/* how long */
	KIND_TIME,
};

struct shown {
	const char *key, *title;
	enum kind kind;
};

enum { SHOWN_MAX = 20, EVENTS_MAX = 200 };

void
add_size(struct buf *b, double bytes)
{
	static const char units[] = "BKMGTP";
	double v = fabs(bytes);
	size_t i = 0;

	while (v >= 1023.95 && i + 1 < sizeof(units) - 1) {
		v /= 1024;
		i++;
	}
	buf_printf(b, i == 0 || v >= 99.95 ? "%s%.0f%c" : "%s%.1f%c", bytes < 0 ? "-" : "", v, units[i]);
}

static void
add_value(struct buf *b, const json_t *v, enum kind kind)
{
	double n = json_number_value(v);

	if (v == NULL || json_is_null(v))
		return;
	switch (kind) {
	case KIND_TEXT:
		add_text(b, json_string_value(v) ? json_string_value(v) : "");
		break;
	case KIND_COUNT:
		buf_printf(b, "%.0f", n);
		break;
	case KIND_SIZE:
		add_size(b, n);
		break;
	case KIND_SPEED:
		if (n >= 0.5 || n <= -0.5) {
			add_size(b, n);
			buf_adds(b, "/s");
		}
		break;
	case KIND_PROCESSORS:
	case KIND_SHARE:
		buf_printf(b, "%.1f", n * 100);
		break;
	case KIND_LOAD:
		buf_printf(b, "%.2f", n);
		break;
	case KIND_SECONDS:
		add_duration(b, n);
		break;
	case KIND_TIME:
		add_time(b, n);
		break;
	}
}

static void
print_rows(const json_t *rows, const struct shown *shown)
{
	struct column columns[SHOWN_MAX + 1] = { { 0 } };
	struct buf b = { 0 };
	struct table *t;
	struct table_line *line;
	unsigned i;
	size_t j;
	json_t *row;

	for (i = 0; shown[i].key != NULL && i < SHOWN_MAX; i++) {
		columns[i].name = shown[i].title;
		columns[i].kind = shown[i].kind != KIND_TEXT && shown[i].kind != KIND_TIME ? COLUMN_RIGHT :
				  shown[i + 1].key == NULL ? COLUMN_CUT : COLUMN_PLAIN;
	}
	t = table_new(columns);
	json_array_foreach((json_t *)rows, j, row) {
		line = table_add(t, NULL);
		for (i = 0; shown[i].key != NULL && i < SHOWN_MAX; i++) {
			buf_clear(&b);
			add_value(&b, json_object_get(row, shown[i].key), shown[i].kind);
			table_set(line, i, buf_text(&b));
		}
	}
	table_print(t);
	buf_free(&b);
}

/* --- the head of top and apps: a line for a node --- */

/* Of all processors.  The kernel counts ticks: over a short interval they may come to a little more than it had. */
static double
busy(const json_t *node)
{
	return fmin((number_at(node, "cpu_user") + number_at(node, "cpu_system")) / fmax(number_at(node, "cpus"), 1), 1);
}

static void
print_head(const char *name, const json_t *node, const json_t *sample)
{
	struct buf b = { 0 };
	double ts = sample ? number_at(sample, "ts") : number_at(node, "ts");

	add_text(&b, name);
	buf_adds(&b, ": ");
	if (ts > 0) {
		add_time(&b, ts);
		buf_adds(&b, ", ");
		add_duration(&b, now_real() - ts);
		buf_adds(&b, " ago");
	} else {
		buf_adds(&b, "no sample");
	}
	if (node != NULL) {
		buf_printf(&b, "; %.0f processors, %.0f %% busy, load %.2f %.2f %.2f; memory ", number_at(node, "cpus"),
			   busy(node) * 100, number_at(node, "load1"), number_at(node, "load5"),
			   number_at(node, "load15"));
		add_size(&b, number_at(node, "mem_total") - number_at(node, "mem_available"));
		buf_adds(&b, " of ");
		add_size(&b, number_at(node, "mem_total"));
		buf_printf(&b, "; %.0f processes", number_at(node, "processes"));
	}
	puts(buf_text(&b));
	buf_free(&b);
}

/* --- what is now, node by node --- */

static const struct shown top_shown[] = {
	{ "pid", "PID", KIND_COUNT }, { "application", "APPLICATION", KIND_TEXT }, { "name", "NAME", KIND_TEXT }, { "state", "S", KIND_TEXT },
	{ "cpu", "CPU%", KIND_PROCESSORS }, { "memory", "MEMORY", KIND_SIZE }, { "memory_growth", "GROWTH", KIND_SPEED },
	{ "io_read", "READ", KIND_SPEED }, { "io_written", "WRITTEN", KIND_SPEED }, { "threads", "THR", KIND_COUNT },
	{ "descriptors", "FDS", KIND_COUNT }, { "waits_in", "WAITS IN", KIND_TEXT }, { "reasons", "WHY", KIND_TEXT }, { NULL, NULL, KIND_TEXT },
};

static const struct shown apps_shown[] = {
	{ "application", "APPLICATION", KIND_TEXT }, { "processes", "PROCESSES", KIND_COUNT }, { "threads", "THREADS", KIND_COUNT },
	{ "cpu", "CPU%", KIND_PROCESSORS }, { "memory", "MEMORY", KIND_SIZE }, { "io_read", "READ", KIND_SPEED },
	{ "io_written", "WRITTEN", KIND_SPEED }, { NULL, NULL, KIND_TEXT },
};

static int
by_cpu(const void *a, const void *b)
{
	double x = number_at(*(json_t *const *)a, "cpu"), y = number_at(*(json_t *const *)b, "cpu");

	if (x == y) {
		x = number_at(*(json_t *const *)a, "memory");
		y = number_at(*(json_t *const *)b, "memory");
	}
	return (x < y) - (x > y);
}

static json_t *
sorted(json_t *take_rows)
{
	size_t n = json_array_size(take_rows), i;
	json_t **v = calloc(n + 1, sizeof(json_t *)), *out = need_json(json_array());

	if (v == NULL)
		no_memory();
	for (i = 0; i < n; i++)
		v[i] = json_array_get(take_rows, i);
	qsort(v, n, sizeof(json_t *), by_cpu);
	for (i = 0; i < n; i++)
		append_json(out, json_incref(v[i]));
	free(v);
	json_decref(take_rows);
	return out;
}

/* The last sample of that table; NULL: said. */
static json_t *
latest(const struct monitor *m, const char *table, const char *node, int *status)
{
	const struct asked a = { .node = node, .latest = true, .until = m->until, .since = m->since };
	struct err err;
	json_t *rows = source_rows(m->source, table, &a, &err);

	if (rows == NULL)
		*status = monitor_lost(m, &err);
	return rows;
}

/* {"node":NAME,"sample":{…},"rows":[…]} */
static json_t *
now_of(const struct monitor *m, const char *table, const char *node, int *status)
{
	json_t *rows = latest(m, table, node, status), *machine = rows ? latest(m, "node", node, status) : NULL, *first;

	if (machine == NULL) {
		json_decref(rows);
		return NULL;
	}
	first = json_array_get(machine, 0);
	rows = sorted(rows);
	rows = need_json(json_pack("{s:s, s:O?, s:o}", "node", node, "machine", first, "rows", rows));
	json_decref(machine);
	return rows;
}

static void
print_now(const json_t *now, const struct shown *shown, bool first)
{
	const json_t *machine = json_object_get(now, "machine"), *rows = json_object_get(now, "rows");

	if (!first)
		putchar('\n');
	print_head(text_at(now, "node"), json_is_object(machine) ? machine : NULL, json_array_get(rows, 0));
	if (json_array_size(rows) > 0)
		print_rows(rows, shown);
}

static int
show_now(const struct monitor *m, const char *table, const struct shown *shown)
{
	int status = 0;
	json_t *nodes = monitor_nodes(m, &status), *name, *now, *all = need_json(json_array());
	size_t i;

	json_array_foreach(nodes, i, name) {
		now = now_of(m, table, json_string_value(name), &status);
		if (now == NULL)
			break;
		if (!m->json)
			print_now(now, shown, i == 0);
		append_json(all, now);
	}
	if (status == 0 && m->json)
		print_json(need_json(json_pack("{s:O}", "nodes", all)));
	else if (status == 0 && json_array_size(nodes) == 0)
		puts("no node has sent anything yet");
	json_decref(all);
	json_decref(nodes);
	return status;
}

int
view_top(const struct monitor *m)
{
	return show_now(m, "prc", top_shown);
}

int
view_apps(const struct monitor *m)
{
	return show_now(m, "app_top", apps_shown);
}

/* --- nodes --- */

static const struct shown nodes_shown[] = {
	{ "node", "NODE", KIND_TEXT }, { "age", "LAST", KIND_SECONDS }, { "cpus", "CPUS", KIND_COUNT }, { "busy", "BUSY%", KIND_SHARE },
	{ "load1", "LOAD", KIND_LOAD }, { "mem_used", "MEMORY", KIND_SIZE }, { "mem_total", "OF", KIND_SIZE }, { "swap_used", "SWAP", KIND_SIZE },
	{ "disk_read", "READ", KIND_SPEED }, { "disk_written", "WRITTEN", KIND_SPEED }, { "net_received", "RECEIVED", KIND_SPEED },
	{ "net_sent", "SENT", KIND_SPEED }, { "processes", "PROCESSES", KIND_COUNT }, { "uptime", "UPTIME", KIND_SECONDS },
	{ "status", "STATUS", KIND_TEXT }, { NULL, NULL, KIND_TEXT },
};

/* What is not measured but follows. */
static void
complete_node(json_t *row, const json_t *status)
{
	const json_t *cpu = json_object_get(row, "cpu_user");

	set_json(row, "age", json_real(now_real() - number_at(row, "ts")));
	set_json(row, "busy", json_is_number(cpu) ? json_real(busy(row)) : json_null());
	set_json(row, "mem_used", json_real(number_at(row, "mem_total") - number_at(row, "mem_available")));
	set_json(row, "swap_used", json_real(number_at(row, "swap_total") - number_at(row, "swap_free")));
	set_json(row, "status", status ? json_incref(json_object_get(status, "status")) : json_null());
}

static int
add_node(const struct monitor *m, const char *name, json_t *all)
{
	int failed = 0;
	json_t *rows = latest(m, "node", name, &failed), *status = rows ? latest(m, "node_status", name, &failed) : NULL;
	json_t *row = rows && json_array_size(rows) > 0 ? json_incref(json_array_get(rows, 0)) : need_json(json_pack("{s:s}", "node", name));

	if (failed == 0 && json_array_size(rows) > 0)
		complete_node(row, json_array_get(status, 0));
	append_json(all, row);
	json_decref(status);
	json_decref(rows);
	return failed;
}

int
view_nodes(const struct monitor *m)
{
	int status = 0;
	json_t *names = monitor_nodes(m, &status), *name, *all = need_json(json_array());
	size_t i;

	json_array_foreach(names, i, name)
		if (status == 0)
			status = add_node(m, json_string_value(name), all);
	if (status == 0 && m->json)
		print_json(need_json(json_pack("{s:O}", "nodes", all)));
	else if (status == 0 && json_array_size(all) == 0)
		puts("no node has sent anything yet");
	else if (status == 0)
		print_rows(all, nodes_shown);
	json_decref(all);
	json_decref(names);
	return status;
}

/* --- events --- */

static const struct shown events_shown[] = {
	{ "at", "TIME", KIND_TIME }, { "node", "NODE", KIND_TEXT }, { "event", "EVENT", KIND_TEXT }, { "application", "APPLICATION", KIND_TEXT },
	{ "pid", "PID", KIND_COUNT }, { "reason", "REASON", KIND_TEXT }, { NULL, NULL, KIND_TEXT },
};

int
view_events(const struct monitor *m)
{
	int status = 0;
	json_t *names = monitor_nodes(m, &status), *rows;
	const struct asked a = { .node = m->node, .since = m->since, .until = m->until, .limit = m->since > 0 ? 0 : EVENTS_MAX };
	struct err err;

	if (names == NULL)
		return status;
	json_decref(names);
	rows = source_rows(m->source, "event", &a, &err);
	if (rows == NULL)
		return monitor_lost(m, &err);
	if (m->json)
		print_json(need_json(json_pack("{s:O}", "events", rows)));
	else if (json_array_size(rows) == 0)
		puts("no events");
	else
		print_rows(rows, events_shown);
	json_decref(rows);
	return 0;
}
