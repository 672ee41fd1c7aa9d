/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "conf/load.h"
#include "engine/shell.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* A wish to read the configuration; one is worked on at a time. */
struct load {
	struct load *next;
	bool only_new;
	load_done *at_start;		/* NULL: it is a reload */
	reload_done *done;
	void *arg;
};

struct loader {
	struct daemon *d;
	struct load *first;		/* the one that is worked on, and those that wait */
	/* Of the first: */
	struct model *m;
	struct conf_set set, before;	/* before: what is in force, where only what is new is taken */
	struct names_request *asking;	/* until it is submitted */
	struct buf files;		/* struct fragment[]: what the model was made of */
	struct problems ps;
};

static void work(struct loader *l);

/* The last rule that names a module decides; a rule without modules names all. */
void
load_log_levels(struct daemon *d)
{
	const struct model *m = engine_model(d->engine);
	uint32_t i, k;

	log_set_level(LOG_MODULE_COUNT, LOG_LEVEL_INFO);
	for (i = 0; i < m->log_rule_count; i++) {
		const struct log_rule *r = &m->log_rules[i];

		if (r->modules.n == 0)
			log_set_level(LOG_MODULE_COUNT, (enum log_level)r->level);
		for (k = 0; k < r->modules.n; k++) {
			int module = log_module_by_name(r->modules.v[k]);

			if (module >= 0)
				log_set_level((enum log_module)module, (enum log_level)r->level);
		}
	}
	daemon_share_log_levels(d);
}

struct model *
daemon_read_config(struct daemon *d, struct problems *ps)
{
	struct conf_set set;
	struct model *m = NULL;

	if (conf_read(d->config_path, &set, ps) == 0)
		m = model_build(set.v, set.n, ps);
	conf_set_free(&set);
	if (m == NULL)
		return NULL;
	names_check(d->names, m, ps);
	if (!problems_any(ps))
		return m;
	model_unref(m);
	return NULL;
}

static const struct fragment *
find_path(const struct conf_set *set, const char *path)
{
	size_t i;

	for (i = 0; i < set->n; i++) {
		if (strcmp(set->v[i].path, path) == 0)
			return &set->v[i];
	}
	return NULL;
}

/* The files in force as they were accepted, into l->before. */
static int
read_before(struct loader *l)
{
	struct state_view v;
	struct fragment *texts = NULL;
	size_t n = 0;
	int failed = state_look(l->d->state, &v);

	if (failed == 0)
		failed = state_files(&v, &texts, &n);
	if (failed == 0)
		failed = conf_parse(texts, n, &l->before, &l->ps);
	else
		problems_no_memory(&l->ps);
	free(texts);
	state_unmap(&v);
	return failed;
}

/*
 * New applications alone: files that were there are taken as they were, so that
 * nothing that is known changes; a new application comes with a drop-in of its own.
 */
static int
gather_new(struct loader *l)
{
	size_t i;

	if (read_before(l) < 0)
		return -1;
	buf_add(&l->files, l->before.v, l->before.n * sizeof(*l->before.v));
	for (i = 0; i < l->set.n; i++) {
		if (find_path(&l->before, l->set.v[i].path) == NULL)
			buf_add(&l->files, &l->set.v[i], sizeof(l->set.v[i]));
	}
	return 0;
}

/* All names are asked for, also those of a configuration that is refused: a user shall see everything at once. */
static bool
note_name(void *arg, const char *name, bool is_group)
{
	names_want(arg, name, is_group);
	return true;
}

static bool
name_may_exist(void *arg, const char *name, bool is_group)
{
	return names_may_exist(arg, name, is_group);
}

static void
build(struct loader *l, name_is_known *ask, void *arg)
{
	l->m = model_build_asking((const struct fragment *)(const void *)l->files.data,
				  l->files.len / sizeof(struct fragment), ask, arg, &l->ps);
}

static void
read_files(struct loader *l)
{
	if (conf_read(l->d->config_path, &l->set, &l->ps) < 0)
		return;
	if (!l->first->only_new)
		buf_add(&l->files, l->set.v, l->set.n * sizeof(*l->set.v));
	else if (gather_new(l) < 0)
		return;
	if (l->files.failed)
		problems_no_memory(&l->ps);
	else
		build(l, note_name, l->asking);
}

/* The model in force becomes the one that was read. */
static void
apply(struct loader *l, const struct fragment *files, size_t n)
{
	struct daemon *d = l->d;
	struct err err;

	daemon_at(d);
	if (engine_reload(d->engine, l->m, &err) < 0) {
		problem_add(&l->ps, (struct origin){ .file = d->config_path }, NULL, NULL, "%s", err.msg);
		return;
	}
	l->m = NULL;
	state_put_files(d->state, files, n);
	d->config_read_us = clock_real_us();
	load_log_levels(d);
	daemon_settle(d);
}

/* Nothing has changed; those who follow the events learn that somebody tried, and where to look first. */
static void
tell_refusal(struct loader *l)
{
	struct buf members = { 0 }, first = { 0 };

	problems_sort(&l->ps);
	buf_printf(&members, "\"problems\":%zu", problems_count(&l->ps));
	problems_print_first(&l->ps, &first);
	if (first.len > 0) {
		buf_adds(&members, ",\"first\":");
		buf_add_json(&members, buf_cstr(&first));
	}
	daemon_at(l->d);
	engine_refuse_config(l->d->engine, buf_cstr(&members));
	daemon_settle(l->d);
	buf_free(&first);
	buf_free(&members);
}

static void
clear(struct loader *l)
{
	model_unref(l->m);
	l->m = NULL;
	conf_set_free(&l->set);
	conf_set_free(&l->before);
	l->set = l->before = (struct conf_set){ 0 };
	buf_free(&l->files);
	problems_free(&l->ps);
	l->ps = (struct problems){ 0 };
	malloc_trim(0);
}

static void
conclude(struct loader *l)
{
	struct load *now = l->first;
	const struct fragment *files = (const struct fragment *)(const void *)l->files.data;
	size_t n = l->files.len / sizeof(*files);

	if (l->m != NULL && problems_any(&l->ps)) {
		model_unref(l->m);
		l->m = NULL;
	}
	if (now->at_start != NULL) {
		l->d->config_read_us = clock_real_us();
		now->at_start(l->d, take_ptr(&l->m), files, n, &l->ps);
	} else {
		if (l->m != NULL)
			apply(l, files, n);
		if (problems_any(&l->ps))
			tell_refusal(l);
		now->done(now->arg, &l->ps);
	}
	clear(l);
	l->first = now->next;
	free(now);
	work(l);
}

static void
names_known(void *arg, bool timed_out)
{
	struct loader *l = arg;

	(void)timed_out;
	if (l->m != NULL) {
		names_check(l->d->names, l->m, &l->ps);
	} else {
		problems_free(&l->ps);
		l->ps = (struct problems){ 0 };
		build(l, name_may_exist, l->d->names);
	}
	conclude(l);
}

static void
work(struct loader *l)
{
	if (l->first == NULL)
		return;
	l->asking = names_request_new(names_known, l);
	read_files(l);
	if (!names_submit(l->d->names, l->asking))
		conclude(l);
}

static void
submit(struct loader *l, struct load load)
{
	struct load **last = &l->first, *own = malloc(sizeof(*own));

	if (own == NULL)
		daemon_give_up("no memory to read the configuration");
	*own = load;
	while (*last != NULL)
		last = &(*last)->next;
	*last = own;
	if (l->first == own)
		work(l);
}

void
daemon_reload(struct daemon *d, bool only_new, reload_done *done, void *arg)
{
	submit(d->shell->loader, (struct load){ .only_new = only_new, .done = done, .arg = arg });
}

void
load_at_start(struct daemon *d, load_done *done)
{
	submit(d->shell->loader, (struct load){ .at_start = done });
}

struct loader *
loader_new(struct daemon *d)
{
	struct loader *l = calloc(1, sizeof(*l));

	if (l != NULL)
		l->d = d;
	return l;
}

void
loader_free(struct loader *l)
{
	struct load *now;

	if (l == NULL)
		return;
	clear(l);
	while ((now = l->first) != NULL) {
		l->first = now->next;
		free(now);
	}
	free(l);
}
