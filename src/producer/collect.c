/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "producer/collect.h"

#include "base/log.h"
#include "sys/alarm.h"
#include "producer/follow.h"
#include "producer/metric.h"
#include "producer/sampler.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INCIDENTS_MAX = 16, COMMANDS_MAX = SETTING_NAMED_MAX + 1 };

struct command {
	struct metric_settings settings;
	const char *argv[4];
	struct metric *metric;
	bool ended;			/* and not written */
	bool told;			/* that it fails */
};

struct incident {
	char instance[64];
	int64_t number;
	char application[256], reason[64];
};

struct collect {
	struct loop *loop;
	const struct producer_settings *settings;
	struct hold *hold;
	struct outbox volatile_box;	/* where there is no hold */
	struct ship *ship;
	struct otlp *otlp;
	struct sampler *sampler;
	struct follow *follow;
	struct timer *timer;
	int64_t next_ms, commands_next_ms;
	struct command commands[COMMANDS_MAX];
	size_t command_count;
	struct incident incidents[INCIDENTS_MAX];
	size_t incident_count;
	struct batch batch;		/* for reading what was written */
	bool told_failure;
};

/* --- keeping --- */

static struct outbox *
begin(struct collect *c)
{
	if (c->hold != NULL)
		return hold_begin(c->hold);
	outbox_open(&c->volatile_box, 1, clock_real_us());
	return &c->volatile_box;
}

static int
commit(struct collect *c, const char *note)
{
	struct err err;

	if (c->hold == NULL)
		return 0;
	if (hold_commit(c->hold, note, &err) < 0) {
		if (!c->told_failure)
			log_write(LOG_MONITOR, LOG_LEVEL_ERROR, "a sample is lost: %s", err.msg);
		c->told_failure = true;
		return -1;
	}
	c->told_failure = false;
	if (c->ship != NULL)
		ship_more(c->ship);
	return 0;
}

/* --- suspects --- */

static const struct cell *
cell_of(const struct batch *b, size_t row, const char *name)
{
	size_t i;

	for (i = 0; i < b->column_count; i++)
		if (b->columns[i].text.len == strlen(name) && memcmp(b->columns[i].text.data, name, strlen(name)) == 0)
			return &b->cells[row * b->column_count + i];
	return NULL;
}

static int64_t
number_in(const struct batch *b, size_t row, const char *name)
{
	const struct cell *c = cell_of(b, row, name);

	return c && c->type == CELL_INT ? c->i : 0;
}

#define TEXT_IN(b, row, name) text_len((b), (row), (name)), text_data((b), (row), (name))

static int
text_len(const struct batch *b, size_t row, const char *name)
{
	const struct cell *c = cell_of(b, row, name);

	return c && c->type == CELL_TEXT ? (int)c->text.len : 1;
}

static const char *
text_data(const struct batch *b, size_t row, const char *name)
{
	const struct cell *c = cell_of(b, row, name);

	return c && c->type == CELL_TEXT ? c->text.data : "-";
}

static void
raise_suspect(const struct batch *b, size_t row)
{
	if (number_in(b, row, "pid") == 0)
		alarm_raise("%" PRId64 " %.*s, more than %" PRId64, number_in(b, row, "value"), TEXT_IN(b, row, "kind"),
			    number_in(b, row, "allowed"));
	else
		alarm_raise("process %" PRId64 " (%.*s) of application %.*s: %.*s %" PRId64 ", more than %" PRId64,
			    number_in(b, row, "pid"), TEXT_IN(b, row, "name"), TEXT_IN(b, row, "application"), TEXT_IN(b, row, "kind"),
			    number_in(b, row, "value"), number_in(b, row, "allowed"));
}

/* Suspects are for who watches as well, and gauges for another collector. */
static void
look_through(struct collect *c, struct outbox *out)
{
	static const char suspect[] = "{\"type\":\"suspect\"";
	const struct spool_batch *batches;
	size_t i, row, count;
	struct err err;

	batches = outbox_batches(out, &count);
	for (i = 0; i < count; i++) {
		bool is_suspect = batches[i].len > strlen(suspect) && memcmp(batches[i].text, suspect, strlen(suspect)) == 0;

		if ((!is_suspect && c->otlp == NULL) || batch_read(&c->batch, batches[i].text, batches[i].len, &err) < 0)
			continue;
		for (row = 0; is_suspect && row < c->batch.row_count; row++)
			raise_suspect(&c->batch, row);
		if (c->otlp != NULL)
			otlp_add(c->otlp, &c->batch);
	}
	if (c->otlp != NULL)
		otlp_push(c->otlp);
}

/* --- commands --- */

static void
command_ended(void *arg, struct metric *m)
{
	struct collect *c = arg;
	size_t i;

	for (i = 0; i < c->command_count; i++)
		if (c->commands[i].metric == m)
			c->commands[i].ended = true;
}

static void
write_command(struct command *m, struct outbox *out)
{
	struct err err;

	if (!m->ended)
		return;
	m->ended = false;
	if (metric_write(m->metric, out, &err) == 0) {
		m->told = false;
		return;
	}
	if (!m->told)
		log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "%s", err.msg);
	m->told = true;
}

static void
start_commands(struct collect *c, int64_t now_ms)
{
	struct err err;
	size_t i;

	if (c->command_count == 0 || now_ms < c->commands_next_ms)
		return;
	c->commands_next_ms = now_ms + c->settings->command_interval_ms;
	for (i = 0; i < c->command_count; i++)
		if (metric_start(c->commands[i].metric, &err) < 0 && err.code != EBUSY)
			log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "%s", err.msg);
}

static int
add_command(struct collect *c, const char *name, const char *text, struct err *err)
{
	struct command *m = &c->commands[c->command_count++];

	m->argv[0] = "/bin/sh";
	m->argv[1] = "-c";
	m->argv[2] = text;
	m->settings.name = name;
	m->settings.argv = m->argv;
	m->settings.timeout_ms = (unsigned)c->settings->command_timeout_ms;
	m->metric = metric_new(c->loop, &m->settings, command_ended, c, err);
	return m->metric ? 0 : -1;
}

static int
add_commands(struct collect *c, struct err *err)
{
	const struct setting_named *named = &c->settings->metrics;
	size_t i;

	for (i = 0; i < named->count; i++)
		if (add_command(c, named->v[i].name, named->v[i].value, err) < 0)
			return -1;
	return c->settings->status_command ? add_command(c, NULL, c->settings->status_command, err) : 0;
}

/* --- samples --- */

static void
sample(void *arg)
{
	struct collect *c = arg;
	int64_t now_ms = clock_mono_ms(), interval_ms = c->settings->interval_ms;
	struct outbox *out;
	struct err err;
	size_t i;

	if (c->ship != NULL && ship_is_up(c->ship))
		hold_tell_gaps(c->hold);
	out = begin(c);
	if (sampler_take(c->sampler, out, &err) < 0)
		log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "%s", err.msg);
	for (i = 0; i < c->command_count; i++)
		write_command(&c->commands[i], out);
	look_through(c, out);
	commit(c, NULL);
	start_commands(c, now_ms);
	/* What was slept through is not made up for. */
	c->next_ms += interval_ms;
	if (c->next_ms <= now_ms)
		c->next_ms = now_ms + interval_ms;
	timer_at(c->timer, c->next_ms);
}

/* --- events --- */

static struct outbox *
events_begin(void *arg)
{
	return begin(arg);
}

static void
write_incidents(struct collect *c, struct outbox *out)
{
	struct err err;
	size_t i;

	for (i = 0; i < c->incident_count; i++) {
		const struct incident *n = &c->incidents[i];
		const struct sampler_incident what = { n->instance, n->number, n->application, n->reason };

		if (sampler_incident(c->sampler, &what, out, &err) < 0)
			log_write(LOG_MONITOR, LOG_LEVEL_WARNING, "%s", err.msg);
	}
	c->incident_count = 0;
}

static int
events_done(void *arg, const char *note)
{
	struct collect *c = arg;

	write_incidents(c, c->hold ? hold_outbox(c->hold) : &c->volatile_box);
	return commit(c, note);
}

static void
events_process(void *arg, const char *application, pid_t pid)
{
	struct collect *c = arg;

	if (pid > 0)
		sampler_application_started(c->sampler, application, pid);
	else
		sampler_application_ended(c->sampler, application);
}

static void
events_failed(void *arg, const char *instance, int64_t number, const char *application, const char *reason)
{
	struct collect *c = arg;
	struct incident *n;

	if (c->incident_count == INCIDENTS_MAX)
		return;
	n = &c->incidents[c->incident_count++];
	n->number = number;
	snprintf(n->instance, sizeof(n->instance), "%s", instance);
	snprintf(n->application, sizeof(n->application), "%s", application);
	snprintf(n->reason, sizeof(n->reason), "%s", reason);
}

static int
follow_events(struct collect *c)
{
	static const struct follow_handler handler = {
		.begin = events_begin, .done = events_done, .process = events_process, .failed = events_failed,
	};

	if (!c->settings->events)
		return 0;
	c->follow = follow_new(c->loop, c->settings->runtime_dir, c->hold ? hold_note(c->hold) : "", &handler, c);
	return c->follow ? 0 : -1;
}

struct collect *
collect_new(struct loop *l, const struct producer_settings *s, struct hold *hold, struct ship *ship, struct otlp *otlp,
	    struct err *err)
{
	const struct sampler_options options = producer_sampler_options(s);
	struct collect *c = calloc(1, sizeof(*c));

	err_set(err, ENOMEM, "collect");
	if (c == NULL)
		return NULL;
	c->loop = l;
	c->settings = s;
	c->hold = hold;
	c->ship = ship;
	c->otlp = otlp;
	c->volatile_box.node = s->node;
	c->volatile_box.epoch = 1;	/* of no meaning: nobody numbers these */
	c->sampler = sampler_new(&options, err);
	c->timer = timer_new(l, sample, c);
	if (c->sampler == NULL || c->timer == NULL || add_commands(c, err) < 0 || follow_events(c) < 0) {
		collect_free(c);
		return NULL;
	}
	c->next_ms = clock_mono_ms() + 1;
	timer_at(c->timer, c->next_ms);
	return c;
}

void
collect_free(struct collect *c)
{
	size_t i;

	if (c == NULL)
		return;
	follow_free(c->follow);
	for (i = 0; i < c->command_count; i++)
		metric_free(c->commands[i].metric);
	timer_free(c->timer);
	sampler_free(c->sampler);
	outbox_fini(&c->volatile_box);
	batch_free(&c->batch);
	free(c);
}
