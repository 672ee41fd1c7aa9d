/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/log.h"
#include "base/strmap.h"
#include "conf/load.h"
#include "engine/shell.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* What could not be read for want of memory is there still. */
static const char no_memory[] = "no memory to recover";

enum { EXIT_CONFIG = 2 };	/* the keeper takes it for a configuration error while READY was not said */

static uint64_t
seed(void)
{
	uint64_t s = 0;

	if (getrandom(&s, sizeof(s), GRND_NONBLOCK) != sizeof(s))
		s = (uint64_t)clock_real_us();
	return s;
}

static const char *
node_name(const struct model *m)
{
	static char name[NODE_MAX_LEN + 1];

	if (m->node != NULL)
		snprintf(name, sizeof(name), "%s", m->node);
	else if (gethostname(name, sizeof(name) - 1) < 0)
		strcpy(name, "localhost");
	return name;
}

static void
new_engine(struct daemon *d, struct model *take_m)
{
	if (d->node == NULL)
		d->node = node_name(take_m);
	d->engine = engine_new(take_m, d->node, seed());
	if (d->engine == NULL)
		daemon_give_up("no memory for the engine");
	load_log_levels(d);
	daemon_at(d);
}

/* The keeper's table, then what follows from it. */
static void
resume(struct daemon *d)
{
	struct shell *sh = d->shell;
	const struct child_told *t = (const struct child_told *)(const void *)sh->told.data;
	size_t i, n = sh->told.len / sizeof(*t);

	for (i = 0; i < n; i++)
		engine_found_child(d->engine, t[i].name, t[i].child.kind, t[i].inc, t[i].child.pid,
				   t[i].child.last_signal_step);
	engine_resume(d->engine, d->hello.last_inc);
	daemon_settle(d);
	for (i = 0; i < n; i++) {
		if (t[i].ready_fd >= 0)
			ready_watch(d, t[i].inc, t[i].ready_fd);
		if (t[i].child.exited)
			daemon_exited(d, t[i].inc, t[i].child.pid, (struct exit_facts){ .status = t[i].child.status,
				      .tree_left = t[i].child.tree_left, .oom = t[i].child.oom });
	}
	daemon_settle(d);
}

/* From here on the engine is at work. */
static void
begin_work(struct daemon *d)
{
	d->control = control_new(d, ENGINE_FD_CONTROL);
	if (d->control == NULL)
		daemon_give_up("no memory for the control socket");
	publisher_begin(d->publisher);
	notify_resume(d->shell->notify);
	keeper_say(d->link, LINK_READY, 0, NULL, 0, NULL);
	buf_free(&d->shell->told);
	if (d->hello.shutdown_asked) {
		daemon_at(d);
		engine_shutdown(d->engine, 0, REASON_SHUTDOWN, false);
	}
	daemon_settle(d);
	malloc_trim(0);
}

struct model *
state_model(const struct state_view *v)
{
	struct problems ps = { 0 };
	struct conf_set set = { 0 };
	struct fragment *texts;
	struct model *m = NULL;
	size_t n;

	if (state_files(v, &texts, &n) < 0)
		daemon_give_up(no_memory);
	if (n > 0 && conf_parse(texts, n, &set, &ps) == 0)
		m = model_build(set.v, set.n, &ps);
	if (ps.no_memory)
		daemon_give_up(no_memory);
	conf_set_free(&set);
	problems_free(&ps);
	free(texts);
	return m;
}

static void
restore_transient(struct daemon *d, const struct state_item *item)
{
	struct problems ps = { 0 };
	struct err err = { 0 };
	struct arena *a = arena_new();
	const char *name, *definition;
	struct item *parsed;
	struct model *m = NULL;

	if (a != NULL && state_get_transient(item->payload, item->len, &name, &definition) == 0) {
		parsed = conf_item_from_json(a, definition, &ps);
		m = parsed ? model_build_transient(name, parsed, &ps) : NULL;
	}
	if (m == NULL || engine_restore_transient(d->engine, m, &err) < 0) {
		if (a == NULL || ps.no_memory || err.code == ENOMEM)
			daemon_give_up(no_memory);
		log_write(LOG_STATE, LOG_LEVEL_WARNING, "a transient application is not known any more");
		model_unref(m);
	}
	problems_free(&ps);
	arena_free(a);
}

/* A saved application, as far as it was stored; -1: it is none. */
static int
read_app(const struct state_item *item, struct app_saved *out)
{
	memset(out, 0, sizeof(*out));
	if (item->type != STATE_APP || item->len < APP_SAVED_MIN || item->len > sizeof(*out))
		return -1;
	memcpy(out, item->payload, item->len);
	if (memchr(out->name, '\0', sizeof(out->name)) == NULL || out->restart_count > RESTART_MAX)
		return -1;
	return app_saved_size(out) == item->len ? 0 : -1;
}

/* Where the last records of every name are; the values are their places.  A transient one's definition comes before its state. */
struct last {
	struct strmap apps, definitions;
};

static void
index_one(struct last *last, const struct state_item *item, size_t begin)
{
	const char *name, *definition;
	struct app_saved a;
	int failed = 0;

	if (read_app(item, &a) == 0)
		failed = strmap_put(&last->apps, item->payload, (uint32_t)(begin / 8));
	else if (item->type == STATE_TRANSIENT && state_get_transient(item->payload, item->len, &name, &definition) == 0)
		failed = strmap_put(&last->definitions, name, (uint32_t)(begin / 8));
	else if (item->type == STATE_APP_GONE && item->len > 0 && ((const char *)item->payload)[item->len - 1] == '\0')
		strmap_del(&last->apps, item->payload);
	if (failed)
		daemon_give_up(no_memory);
}

static void
index_last(const struct state_view *v, struct last *last)
{
	size_t at = sizeof(struct state_header), begin = at;
	struct state_item item;

	for (; state_next(v->data, v->committed, &at, &item) == 1; begin = at)
		index_one(last, &item, begin);
}

static void
restore_event(struct daemon *d, const struct state_item *item)
{
	struct state_event e;

	if (item->len < sizeof(e))
		return;
	memcpy(&e, item->payload, sizeof(e));
	publisher_replay(d->publisher, e.seq, e.category, (const char *)item->payload + sizeof(e), item->len - sizeof(e));
}

/* The engine as a whole first: the rest is measured by it. */
static void
restore_self(struct daemon *d, const struct state_view *v)
{
	size_t at = sizeof(struct state_header);
	struct engine_saved self;
	struct state_item item;
	bool found = false;

	while (state_next_known(v->data, v->committed, &at, &item) == 1) {
		if (item.type == STATE_ENGINE && item.len == sizeof(self)) {
			memcpy(&self, item.payload, sizeof(self));
			self.mode[NAME_MAX_LEN] = '\0';
			found = true;
		}
	}
	if (found)
		engine_restore(d->engine, &self);
}

static void
restore_all(struct daemon *d, const struct state_view *v)
{
	struct last last = { 0 };
	size_t at = sizeof(struct state_header), begin = at;
	struct state_item item;
	struct app_saved a;

	restore_self(d, v);
	index_last(v, &last);
	for (; state_next_known(v->data, v->committed, &at, &item) == 1; begin = at) {
		if (item.type == STATE_EVENT)
			restore_event(d, &item);
		else if (item.type == STATE_TRANSIENT && strmap_get(&last.definitions, item.payload) == begin / 8 &&
			 strmap_get(&last.apps, item.payload) != STRMAP_NONE)
			restore_transient(d, &item);
		else if (read_app(&item, &a) == 0 && strmap_get(&last.apps, a.name) == begin / 8)
			engine_restore_app(d->engine, &a);
	}
	strmap_free(&last.apps);
	strmap_free(&last.definitions);
}

/* Whoever waits for a name has asked for it, too. */
static void
names_known(void *arg, bool timed_out)
{
	(void)arg;
	(void)timed_out;
}

/* From what the last engine committed.  false: there is nothing, or nothing that can be trusted. */
static bool
recover(struct daemon *d)
{
	struct state_view v = { 0 };
	enum state_found found = state_check(d->state, &v);
	struct model *m = found == STATE_GOOD ? state_model(&v) : NULL;

	if (m == NULL) {
		if (found == STATE_DAMAGED)
			log_write(LOG_STATE, LOG_LEVEL_ERROR, "the state is damaged or of another version: refused");
		state_unmap(&v);
		return false;
	}
	new_engine(d, m);
	restore_all(d, &v);
	state_go_on(d->state, &v);
	state_unmap(&v);
	names_ask(d->names, engine_model(d->engine), names_known, d);
	log_write(LOG_ENGINE, LOG_LEVEL_INFO, "a new engine goes on: %u applications, %zu processes, last event %llu",
		  engine_app_count(d->engine), d->shell->told.len / sizeof(struct child_told),
		  (unsigned long long)engine_last_seq(d->engine));
	resume(d);
	begin_work(d);
	return true;
}

/*
 * Processes are there, but no state: they are adopted by their names.  Which
 * events were published is not known; the numbers go on beyond any that can have been.
 */
static void
adopt_table(struct daemon *d)
{
	const struct model *m = engine_model(d->engine);
	const char *mode = d->shell->start_mode ? d->shell->start_mode : m->default_mode;
	struct engine_saved self = { .next_inc = d->hello.last_inc + 1 };
	int64_t age_us = clock_real_us() - d->hello.started_real_us;

	self.next_seq = 1 + (uint64_t)(age_us > 0 ? age_us / 1000 : 0) + d->hello.last_inc * 8;
	if (mode != NULL && model_find_mode(m, mode) != NULL)
		snprintf(self.mode, sizeof(self.mode), "%s", mode);
	log_write(LOG_STATE, LOG_LEVEL_WARNING, "rebuilding the state from the files and the processes that are there");
	engine_restore(d->engine, &self);
	resume(d);
}

/* While no engine ever worked, the keeper ends too. */
static _Noreturn void
exit_at_start(void)
{
	fflush(stderr);
	exit(EXIT_CONFIG);
}

static _Noreturn void
refuse(struct problems *ps)
{
	struct buf text = { 0 };

	if (ps->no_memory)
		daemon_give_up("no memory to read the configuration");
	problems_sort(ps);
	problems_print(ps, &text);
	fputs(buf_cstr(&text), stderr);
	exit_at_start();
}

static void
start_with(struct daemon *d, struct model *take_m, const struct fragment *files, size_t n, struct problems *ps)
{
	struct err err;

	if (take_m == NULL)
		refuse(ps);
	state_begin(d->state);
	state_put_files(d->state, files, n);
	new_engine(d, take_m);
	if (d->hello.last_inc > 0) {
		adopt_table(d);
	} else if (engine_boot(d->engine, d->shell->start_mode, &err) < 0) {
		fprintf(stderr, "appctld: %s\n", err.msg);
		exit_at_start();
	}
	begin_work(d);
}

void
daemon_start(struct daemon *d)
{
	if (!recover(d))
		load_at_start(d, start_with);
}
