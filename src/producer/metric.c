/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "producer/metric.h"

#include "base/buf.h"
#include "sys/helper.h"
#include "sys/program.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMEOUT_MS = 5000, OUTPUT_MAX = 64 * 1024, READ_AT_ONCE = 16 * 1024 };

struct metric {
	const struct metric_settings *s;
	struct loop *loop;
	metric_fn *ended;
	void *arg;
	struct helper helper;
	struct watch *output, *end;
	struct timer *timer;
	int end_fd;			/* readable when the command has ended */
	struct buf text;
	int status;
	bool late, too_much;
};

static unsigned
timeout_of(const struct metric *m)
{
	return m->s->timeout_ms ? m->s->timeout_ms : TIMEOUT_MS;
}

static size_t
output_max(const struct metric *m)
{
	return m->s->output_max ? m->s->output_max : OUTPUT_MAX;
}

const char *
metric_name(const struct metric *m)
{
	return m->s->name ? m->s->name : "status";
}

/* --- a run --------------------------------------------------------------------------- */

static void
close_run(struct metric *m)
{
	timer_at(m->timer, 0);
	watch_free(m->output);
	watch_free(m->end);
	m->output = m->end = NULL;
	if (m->end_fd >= 0)
		close(m->end_fd);
	m->end_fd = -1;
	helper_fini(&m->helper);
}

/* Takes what is there; false: the other end is closed. */
static bool
read_output(struct metric *m)
{
	char *room;
	ssize_t n;

	while (!m->too_much) {
		room = buf_reserve(&m->text, READ_AT_ONCE);
		if (room == NULL)
			return false;
		n = read(m->helper.out_fd, room, READ_AT_ONCE);
		if (n <= 0)
			return n < 0 && (errno == EAGAIN || errno == EINTR);
		m->text.len += (size_t)n;
		if (m->text.len > output_max(m)) {
			m->too_much = true;
			helper_kill(&m->helper);
		}
	}
	return false;
}

static void
output_readable(void *arg, int what)
{
	struct metric *m = arg;

	(void)what;
	if (!read_output(m))
		watch_set(m->output, 0);
}

static void
command_ended(void *arg, int what)
{
	struct metric *m = arg;

	(void)what;
	if (!helper_ended(&m->helper, &m->status))
		return;
	read_output(m);
	close_run(m);
	m->ended(m->arg, m);
}

/* It is waited for all the same: what the kernel does not let go is not started a second time. */
static void
time_is_over(void *arg)
{
	struct metric *m = arg;

	m->late = true;
	helper_kill(&m->helper);
}

int
metric_start(struct metric *m, struct err *err)
{
	if (m->helper.pid != 0)
		return err_set(err, EBUSY, "%s: the command before has not ended", metric_name(m));
	buf_clear(&m->text);
	m->late = m->too_much = false;
	if (helper_start_group(&m->helper, m->s->argv, err) < 0)
		return err_wrap(err, "%s", metric_name(m));
	m->end_fd = program_watch(m->helper.pid);
	m->output = watch_new(m->loop, m->helper.out_fd, LOOP_READ, output_readable, m);
	m->end = m->end_fd < 0 ? NULL : watch_new(m->loop, m->end_fd, LOOP_READ, command_ended, m);
	if (m->output == NULL || m->end == NULL) {
		close_run(m);
		return err_set(err, ENOMEM, "%s: cannot watch the command", metric_name(m));
	}
	timer_at(m->timer, clock_mono_ms() + timeout_of(m));
	return 0;
}

/* --- what came of it -------------------------------------------------------------------- */

static int
check_end(const struct metric *m, struct err *err)
{
	const char *name = metric_name(m);

	if (m->too_much)
		return err_set(err, 0, "%s: the command printed more than %zu bytes", name, output_max(m));
	if (m->late)
		return err_set(err, 0, "%s: the command took longer than %u ms and was killed", name, timeout_of(m));
	if (m->text.failed)
		return err_set(err, ENOMEM, "%s: output", name);
	if (WIFSIGNALED(m->status))
		return err_set(err, 0, "%s: the command was ended by signal %d", name, WTERMSIG(m->status));
	if (WEXITSTATUS(m->status) != 0)
		return err_set(err, 0, "%s: the command ended with %d", name, WEXITSTATUS(m->status));
	return 0;
}

static int
write_status(struct metric *m, struct outbox *out, struct err *err)
{
	struct buf *row;

	while (m->text.len > 0 && strchr(" \t\r\n", m->text.data[m->text.len - 1]) != NULL)
		m->text.len--;
	outbox_begin(out, TABLE_NODE_STATUS);
	row = outbox_row(out);
	if (row != NULL)
		batch_text(row, buf_cstr(&m->text));
	outbox_end(out);
	return row == NULL ? err_set(err, ENOMEM, "status") : 0;
}

/* The columns of a metric: all names that its objects have. */
struct names {
	const char *v[CUSTOM_COLUMNS_MAX];
	size_t count;
};

static int
add_name(struct names *names, const char *name, struct err *err)
{
	size_t i;

	for (i = 0; i < names->count; i++)
		if (strcmp(names->v[i], name) == 0)
			return 0;
	if (!custom_name_ok(name, strlen(name)))
		return err_set(err, 0, "\"%.60s\" is no name of a column: " CUSTOM_NAME_RULE, name);
	if (names->count == CUSTOM_COLUMNS_MAX)
		return err_set(err, 0, "more than %d columns", CUSTOM_COLUMNS_MAX);
	names->v[names->count++] = name;
	return 0;
}

static int
add_names(struct names *names, json_t *object, struct err *err)
{
	const char *name;
	json_t *value;

	if (!json_is_object(object))
		return err_set(err, 0, "an object is expected for each row");
	json_object_foreach(object, name, value) {
		if (json_is_object(value) || json_is_array(value))
			return err_set(err, 0, "\"%.60s\": a number, a text, true, false or null is expected", name);
		if (add_name(names, name, err) < 0)
			return -1;
	}
	return 0;
}

static void
write_value(struct buf *row, const json_t *value)
{
	if (json_is_integer(value))
		batch_int(row, json_integer_value(value));
	else if (json_is_real(value))
		batch_real(row, json_real_value(value));
	else if (json_is_string(value))
		batch_text(row, json_string_value(value));
	else if (json_is_boolean(value))
		batch_bool(row, json_is_true(value));
	else
		batch_null(row);
}

static int
write_rows(json_t *rows, const char *type, struct outbox *out, struct err *err)
{
	struct names names = { .count = 0 };
	struct buf *row = NULL;
	json_t *object;
	size_t i, k;

	json_array_foreach(rows, i, object)
		if (add_names(&names, object, err) < 0)
			return err_wrap(err, "row %zu", i + 1);
	if (json_array_size(rows) == 0)
		return 0;
	if (names.count == 0)
		return err_set(err, 0, "no values");
	outbox_begin_columns(out, type, names.v, names.count);
	json_array_foreach(rows, i, object) {
		row = outbox_row(out);
		for (k = 0; row != NULL && k < names.count; k++)
			write_value(row, json_object_get(object, names.v[k]));
	}
	if (row == NULL) {
		outbox_cancel(out);
		return err_set(err, 0, "too many rows, or no memory for them");
	}
	outbox_end(out);
	return 0;
}

/* An object alone is an array of one. */
static json_t *
parse(const struct metric *m, struct err *err)
{
	json_error_t at;
	json_t *value = json_loadb(m->text.data ? m->text.data : "", m->text.len, JSON_REJECT_DUPLICATES, &at), *rows;

	if (value == NULL) {
		err_set(err, 0, "line %d: %s", at.line, at.text);
		return NULL;
	}
	if (json_is_array(value))
		return value;
	rows = json_array();
	if (rows == NULL || json_array_append_new(rows, value) < 0) {
		json_decref(rows);
		err_set(err, ENOMEM, "output");
		return NULL;
	}
	return rows;
}

static int
write_custom(const struct metric *m, struct outbox *out, struct err *err)
{
	char type[sizeof(CUSTOM_PREFIX) + CUSTOM_NAME_MAX];
	json_t *rows = parse(m, err);
	int result = -1;

	snprintf(type, sizeof(type), CUSTOM_PREFIX "%s", m->s->name);
	if (rows != NULL)
		result = write_rows(rows, type, out, err);
	json_decref(rows);
	return result < 0 ? err_wrap(err, "%s: output of the command", m->s->name) : 0;
}

int
metric_write(struct metric *m, struct outbox *out, struct err *err)
{
	if (check_end(m, err) < 0)
		return -1;
	return m->s->name == NULL ? write_status(m, out, err) : write_custom(m, out, err);
}

/* --- made and given back -------------------------------------------------------------------- */

struct metric *
metric_new(struct loop *l, const struct metric_settings *s, metric_fn *ended, void *arg, struct err *err)
{
	struct metric *m;

	if (s->name != NULL && !custom_name_ok(s->name, strlen(s->name))) {
		err_set(err, 0, "metric \"%.60s\": a name is " CUSTOM_NAME_RULE, s->name);
		return NULL;
	}
	m = calloc(1, sizeof(*m));
	if (m != NULL) {
		*m = (struct metric){ .s = s, .loop = l, .ended = ended, .arg = arg, .end_fd = -1 };
		m->helper = (struct helper){ .out_fd = -1, .group = true };
		m->timer = timer_new(l, time_is_over, m);
	}
	if (m == NULL || m->timer == NULL) {
		free(m);
		err_set(err, ENOMEM, "metric");
		return NULL;
	}
	return m;
}

void
metric_free(struct metric *m)
{
	if (m == NULL)
		return;
	close_run(m);
	timer_free(m->timer);
	buf_free(&m->text);
	free(m);
}
