/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/logfile.h"
#include "appctl/output.h"
#include "appctl/reader.h"
#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOG_LINES = 10 };

/*
 * The table is read from the reply's text (see reader.h); an application becomes objects only where there is
 * something to say about it.
 */
#define FIELDS(X) \
	X(NAME, "name") X(STATE, "state") X(SINCE, "since") X(PID, "pid") X(RESTARTS, "restarts") X(WHY, "why") \
	X(WHY_BY, "why_by") X(OPERATOR, "operator") X(STATUS_TEXT, "status_text") X(LAST_EXIT, "last_exit") \
	X(TRANSIENT, "transient") X(ENABLED, "enabled")
enum field {
#define X(id, name) F_##id,
	FIELDS(X)
#undef X
	F_COUNT
};
static const struct slice field_names[F_COUNT] = {
#define X(id, name) { name, sizeof(name) - 1 },
	FIELDS(X)
#undef X
};

static const struct column columns[] = {
	{ "APPLICATION", COLUMN_PLAIN }, { "STATE", COLUMN_PLAIN }, { "SINCE", COLUMN_RIGHT }, { "PID", COLUMN_RIGHT },
	{ "RESTARTS", COLUMN_RIGHT }, { "WANTED", COLUMN_PLAIN }, { "NOTE", COLUMN_CUT }, { NULL, COLUMN_PLAIN },
};

/* A string's text, or a number's; "" for null. */
static const char *
slice_text(struct slice s, struct buf *b)
{
	json_t *v;

	buf_clear(b);
	if (s.len == 0 || slice_is(s, "null"))
		return "";
	if (*s.p != '"') {
		buf_add(b, s.p, s.len);
	} else if (memchr(s.p, '\\', s.len) == NULL) {
		buf_add(b, s.p + 1, s.len - 2);
	} else {
		v = json_loadb(s.p, s.len, JSON_DECODE_ANY, NULL);
		buf_adds(b, json_string_value(v) ? json_string_value(v) : "");
		json_decref(v);
	}
	return buf_text(b);
}

static void
add_last_exit(struct buf *b, const json_t *app)
{
	const json_t *last = json_object_get(app, "last_exit");

	if (!json_is_object(last))
		return;
	add_text(b, text_at(last, "text"));
	if (*text_at(last, "reason"))
		buf_printf(b, " (%s)", text_at(last, "reason"));
}

static void
add_failure(struct buf *b, const json_t *app)
{
	if (*text_at(app, "failure")) {
		add_text(b, text_at(app, "failure"));
		return;
	}
	add_last_exit(b, app);
	if (b->len == 0)
		add_text(b, text_at(app, "reason"));
}

/* What a user wants to know at once about an application that does not simply run. */
static void
add_note(struct buf *b, const json_t *app)
{
	const char *state = text_at(app, "state");

	if (strcmp(state, "waiting") == 0 && json_array_size(json_object_get(app, "waits_for")) > 0) {
		buf_adds(b, "waits for ");
		add_list(b, json_object_get(app, "waits_for"));
	} else if (strcmp(state, "backoff") == 0) {
		add_failure(b, app);
		buf_adds(b, b->len ? "; again in " : "again in ");
		add_duration(b, number_at(app, "restart_in"));
	} else if (strcmp(state, "failed") == 0) {
		add_failure(b, app);
	} else if (*text_at(app, "status_text")) {
		add_text(b, text_at(app, "status_text"));
	} else if (strcmp(text_at(app, "operator"), "down") == 0) {
		buf_adds(b, "stopped by an operator");
	} else if (strcmp(state, "stopped") == 0 && json_is_false(json_object_get(app, "enabled"))) {
		buf_adds(b, "disabled");
	} else if (strcmp(state, "completed") == 0 || strcmp(state, "stopped") == 0) {
		add_last_exit(b, app);
	}
}

/* "role web", "for web", "background", "-". */
static void
add_wanted(struct buf *b, const char *why, const char *by)
{
	if (strncmp(why, "not", 3) == 0)
		buf_addc(b, '-');
	else if (strcmp(why, "role") == 0)
		buf_printf(b, "role %s", by);
	else if (strcmp(why, "required") == 0)
		buf_printf(b, "for %s", by);
	else
		buf_adds(b, why);
}

static enum field
field_of(struct slice name)
{
	unsigned i;

	for (i = 0; i < F_COUNT; i++)
		if (name.len == field_names[i].len && memcmp(name.p, field_names[i].p, name.len) == 0)
			break;
	return i;
}

/* Takes the application that stands there.  false: it is none. */
static bool
read_fields(struct reader *r, struct slice *f, struct slice *whole)
{
	struct reader app = reader_enter(r);
	struct slice name, value;
	enum field i;

	memset(f, 0, F_COUNT * sizeof(*f));
	whole->p = r->p;
	while (reader_member(&app, &name)) {
		i = field_of(name);
		value = reader_value(&app);
		if (i < F_COUNT && !slice_is(value, "null"))
			f[i] = value;
	}
	reader_leave(r, &app);
	whole->len = (size_t)(r->p - whole->p);
	return !r->bad && f[F_NAME].len > 0 && f[F_STATE].len > 0;
}

static bool
needs_note(const struct slice *f)
{
	if (slice_is(f[F_STATE], "\"running\"") || slice_is(f[F_STATE], "\"load_only\""))
		return f[F_STATUS_TEXT].len > 0;
	if (slice_is(f[F_STATE], "\"stopped\"") || slice_is(f[F_STATE], "\"completed\""))
		return f[F_OPERATOR].len > 0 || f[F_LAST_EXIT].len > 0 || slice_is(f[F_ENABLED], "false");
	return true;
}

struct row {
	struct buf text, by, out;	/* used again for each row */
	json_t *ended;			/* names: what was run and is over has no row of its own */
};

static void
set_times(struct table_line *line, const struct slice *f, struct row *row)
{
	double since = strtod(slice_text(f[F_SINCE], &row->text), NULL);

	buf_clear(&row->out);
	if (since > 0)
		add_duration(&row->out, now_real() - since);
	table_set(line, 2, buf_text(&row->out));
	table_set(line, 3, slice_text(f[F_PID], &row->text));
	if (!slice_is(f[F_RESTARTS], "0"))
		table_set(line, 4, slice_text(f[F_RESTARTS], &row->text));
}

static void
set_wanted(struct table_line *line, const struct slice *f, struct row *row)
{
	buf_clear(&row->out);
	add_wanted(&row->out, slice_text(f[F_WHY], &row->text), slice_text(f[F_WHY_BY], &row->by));
	table_set(line, 5, buf_text(&row->out));
}

static void
set_note(struct table_line *line, struct slice app, struct row *row)
{
	json_t *object = json_loadb(app.p, app.len, 0, NULL);

	buf_clear(&row->out);
	add_note(&row->out, object);
	json_decref(object);
	table_set(line, 6, buf_text(&row->out));
}

static bool
was_run(const struct slice *f)
{
	return slice_is(f[F_TRANSIENT], "true") && (slice_is(f[F_STATE], "\"completed\"") ||
	       slice_is(f[F_STATE], "\"failed\"") || slice_is(f[F_STATE], "\"stopped\""));
}

static bool
add_row(struct table *t, struct reader *r, struct row *row)
{
	struct slice f[F_COUNT], whole;
	struct table_line *line;
	const char *state;

	if (!read_fields(r, f, &whole))
		return false;
	if (was_run(f)) {
		append_json(row->ended, json_string(slice_text(f[F_NAME], &row->text)));
		return true;
	}
	line = table_add(t, NULL);
	table_set(line, 0, slice_text(f[F_NAME], &row->text));
	state = slice_text(f[F_STATE], &row->text);
	table_set(line, 1, state);
	table_color(line, 1, state);
	set_times(line, f, row);
	set_wanted(line, f, row);
	if (needs_note(f))
		set_note(line, whole, row);
	return true;
}

/* The table of the applications that stand there, and the names of what was run and has ended. */
static struct table *
read_applications(struct reader *r, json_t *ended)
{
	struct table *t = table_new(columns);
	struct reader apps = reader_enter(r);
	struct row row = { .ended = ended };

	while (reader_element(&apps) && add_row(t, &apps, &row))
		;
	reader_leave(r, &apps);
	buf_free(&row.text);
	buf_free(&row.by);
	buf_free(&row.out);
	return t;
}

/* "alice: mode normal, stable; roles active and basic" */
static void
print_headline(const json_t *head)
{
	struct buf b = { 0 };

	add_text(&b, text_at(head, "node"));
	if (*text_at(head, "current_mode")) {
		buf_adds(&b, ": mode ");
		add_text(&b, text_at(head, "current_mode"));
		buf_adds(&b, ", ");
	} else {
		buf_adds(&b, ": no mode is set, ");
	}
	fputs(buf_text(&b), stdout);
	print_state(text_at(head, "mode_state"));
	buf_clear(&b);
	if (json_array_size(json_object_get(head, "current_roles")) > 0) {
		buf_adds(&b, "; roles ");
		add_list(&b, json_object_get(head, "current_roles"));
	}
	if (true_at(head, "shutting_down"))
		buf_adds(&b, "; shutting down");
	puts(buf_text(&b));
	buf_free(&b);
}

static void
print_ended(const json_t *ended)
{
	struct buf b = { 0 };

	if (json_array_size(ended) == 0)
		return;
	buf_adds(&b, "was run, and has ended: ");
	add_list(&b, ended);
	puts(buf_text(&b));
	buf_free(&b);
}

/* The reply's head as an object, its applications as a table. */
static bool
read_reply(struct reader *r, json_t *head, struct table **t, json_t *ended)
{
	struct slice name, value;

	while (reader_member(r, &name)) {
		if (slice_is(name, "applications") && *t == NULL) {
			*t = read_applications(r, ended);
			continue;
		}
		value = reader_value(r);
		if (json_object_setn_new(head, name.p, name.len, json_loadb(value.p, value.len, JSON_DECODE_ANY, NULL)) < 0)
			return false;
	}
	return !r->bad && *t != NULL;
}

static int
not_understood(const struct cmdline *l)
{
	return fail_here(l, APPCTL_UNREACHABLE, "the answer of appctld is not understood: are both of one version?");
}

static int
print_overview(const struct cmdline *l, struct reader *message)
{
	struct reader reply = reader_enter(message);
	struct table *t = NULL;
	json_t *head = need_json(json_object()), *ended = need_json(json_array());
	bool good = read_reply(&reply, head, &t, ended);

	if (good) {
		print_headline(head);
		table_print(t);
		print_ended(ended);
	} else {
		table_free(t);
	}
	json_decref(ended);
	json_decref(head);
	return good ? 0 : not_understood(l);
}

static void
print_log_end(const char *path)
{
	autoclose int fd = logfile_open(path);
	char block[8192];
	ssize_t got;
	off_t at;
	char *line, *rest;

	if (fd < 0 || (at = logfile_last_lines(fd, LOG_LINES)) < 0)
		return;
	got = pread(fd, block, sizeof(block) - 1, at);
	if (got <= 0)
		return;
	block[got] = '\0';
	putchar('\n');
	for (rest = block; (line = strsep(&rest, "\n")) != NULL && (*line || rest);) {
		fputs("  ", stdout);
		print_text(stdout, line);
		putchar('\n');
	}
}

static void
print_field(const char *name, struct buf *b)
{
	if (b->len > 0)
		printf("%12s: %s\n", name, buf_text(b));
	buf_clear(b);
}

static void
print_text_field(const char *name, const json_t *app, const char *key, struct buf *b)
{
	add_text(b, text_at(app, key));
	print_field(name, b);
}

static void
print_list_field(const char *name, const json_t *app, const char *key, struct buf *b)
{
	add_list(b, json_object_get(app, key));
	print_field(name, b);
}

static void
print_state_line(const json_t *app, struct buf *b)
{
	double since = number_at(app, "since");

	printf("%12s: ", "State");
	print_state(text_at(app, "state"));
	if (since > 0) {
		buf_adds(b, " since ");
		add_time(b, since);
		buf_adds(b, " (");
		add_duration(b, now_real() - since);
		buf_addc(b, ')');
	}
	if (*text_at(app, "reason") && strcmp(text_at(app, "reason"), "none") != 0)
		buf_printf(b, ", reason: %s", text_at(app, "reason"));
	if (json_object_get(app, "restart_in") != NULL && !json_is_null(json_object_get(app, "restart_in"))) {
		buf_adds(b, ", starts again in ");
		add_duration(b, number_at(app, "restart_in"));
	}
	puts(buf_text(b));
	buf_clear(b);
}

static void
print_last_exit(const json_t *app, struct buf *b)
{
	const json_t *last = json_object_get(app, "last_exit");

	add_last_exit(b, app);
	if (b->len > 0 && number_at(last, "time") > 0) {
		buf_adds(b, " at ");
		add_time(b, number_at(last, "time"));
	}
	print_field("Last exit", b);
}

static void
print_wanted(const json_t *app, struct buf *b)
{
	const char *operator = text_at(app, "operator");

	if (true_at(app, "wanted")) {
		buf_adds(b, "yes, ");
		add_wanted(b, text_at(app, "why"), text_at(app, "why_by"));
	} else {
		buf_adds(b, json_is_false(json_object_get(app, "enabled")) ? "no, disabled" : "no");
	}
	if (*operator)
		buf_printf(b, " (an operator's %s holds)", strcmp(operator, "up") == 0 ? "start" : "stop");
	print_field("Wanted", b);
}

static void
print_process(const json_t *app, struct buf *b)
{
	if (number_at(app, "pid") > 0)
		buf_printf(b, "%.0f", number_at(app, "pid"));
	print_field("Pid", b);
	print_text_field("Tracking", app, "tracking", b);
	print_text_field("Says", app, "status_text", b);
	print_last_exit(app, b);
	print_text_field("Failure", app, "failure", b);
	buf_printf(b, "%.0f", number_at(app, "restarts"));
	print_field("Restarts", b);
}

static void
print_long(const json_t *app)
{
	struct buf b = { 0 };

	add_text(&b, text_at(app, "name"));
	if (*text_at(app, "description")) {
		buf_adds(&b, " - ");
		add_text(&b, text_at(app, "description"));
	}
	puts(buf_text(&b));
	buf_clear(&b);
	print_state_line(app, &b);
	print_process(app, &b);
	print_wanted(app, &b);
	print_list_field("Waits for", app, "waits_for", &b);
	print_list_field("Roles", app, "roles", &b);
	print_list_field("Modes", app, "modes", &b);
	print_list_field("Runs also on", app, "running_remotely", &b);
	print_text_field("Type", app, "type", &b);
	print_text_field("Defined", app, "origin", &b);
	print_text_field("Log", app, "log", &b);
	buf_free(&b);
	if (*text_at(app, "log"))
		print_log_end(text_at(app, "log"));
}

static int
print_applications_long(const struct cmdline *l, struct reader *message)
{
	struct reader reply = reader_enter(message);
	struct slice name, value;
	json_t *apps = NULL, *app;
	size_t i;

	while (reader_member(&reply, &name)) {
		value = reader_value(&reply);
		if (slice_is(name, "applications") && apps == NULL)
			apps = json_loadb(value.p, value.len, 0, NULL);
	}
	json_array_foreach(apps, i, app) {
		if (i > 0)
			putchar('\n');
		print_long(app);
	}
	json_decref(apps);
	return apps != NULL ? 0 : not_understood(l);
}

static int
print_document(struct slice reply)
{
	if (isatty(STDOUT_FILENO)) {
		print_json(json_loadb(reply.p, reply.len, 0, NULL));
		return 0;
	}
	fwrite(reply.p, 1, reply.len, stdout);
	putchar('\n');
	return 0;
}

static json_t *
wanted_names(const struct cmdline *l)
{
	json_t *names = json_array(), *params = json_object();
	int i;

	for (i = 0; i < l->operand_count; i++)
		append_json(names, json_string(l->operands[i]));
	if (l->operand_count > 0)
		set_json(params, "names", json_incref(names));
	json_decref(names);
	return params;
}

/* What the reply's message says is at hand as text: it is printed as it is asked for. */
static int
print_reply(const struct cmdline *l, struct slice text)
{
	struct reader message = reader_of(text);
	struct slice name;

	while (reader_member(&message, &name)) {
		if (!slice_is(name, "parameters"))
			reader_value(&message);
		else if (l->json)
			return print_document(reader_value(&message));
		else if (l->operand_count > 0)
			return print_applications_long(l, &message);
		else
			return print_overview(l, &message);
	}
	return not_understood(l);
}

static int
run_status(struct cmdline *l)
{
	struct appctl_error e = { 0 };
	struct slice text;

	if (session(l) == NULL)
		return l->status;
	if (appctl_begin(l->client, "Status", wanted_names(l), 0, NULL, 0, &e) < 0 ||
	    appctl_next_text(l->client, -1, &text.p, &text.len, NULL, &e) < 0)
		return fail(l, &e);
	return print_reply(l, text);
}

static const struct opt no_opts[] = { { NULL, 0, NULL, COMPLETE_NOTHING, NULL } };

const struct cmd cmd_status = {
	.name = "status", .operands = "[APP...]", .summary = "show what applications do, and why",
	.about = "Without names: the node, its mode and a line for each application.  With names: all that is known of "
		 "each, and the last lines of its log file.",
	.opts = no_opts, .min = 0, .max = -1, .first = COMPLETE_APPS, .others = COMPLETE_APPS, .run = run_status,
};
