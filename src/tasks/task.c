/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tasks/task.h"

#include "base/cleanup.h"
#include "base/base64.h"
#include "base/log.h"
#include "sys/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

struct tasks {
	struct loop *loop;
	struct jobs *jobs;
	const char *self;
	const struct tasks_settings *settings;
	struct task *first, *last;
	struct timer *timer;		/* when the oldest that has ended is too old */
	int64_t running, done;
	int64_t kept;			/* bytes, of all */
};

/* --- the list ---------------------------------------------------------------- */

static void
unlink_task(struct task *t)
{
	struct tasks *all = t->all;

	*(t->prev ? &t->prev->next : &all->first) = t->next;
	*(t->next ? &t->next->prev : &all->last) = t->prev;
}

static void
append_task(struct tasks *all, struct task *t)
{
	t->prev = all->last;
	*(t->prev ? &t->prev->next : &all->first) = t;
	all->last = t;
}

static void
drop_kept(struct task *t)
{
	int i;

	for (i = 0; i < 2; i++) {
		t->all->kept -= (int64_t)t->kept[i].len;
		buf_free(&t->kept[i]);
	}
}

static void
task_free(struct task *t)
{
	int i;

	if (t->state == TASK_DONE)
		t->all->done--;
	else
		t->all->running--;
	job_forget(t->job);
	for (i = 0; i < 2; i++)
		output_finish(&t->streams[i]);
	drop_kept(t);
	unlink_task(t);
	json_decref(t->args);
	json_decref(t->result);
	free(t);
}

void
task_forget(struct task *t)
{
	t->forgotten = true;
	if (t->state == TASK_DONE && t->followers == NULL)
		task_free(t);
}

struct task *
tasks_first(const struct tasks *all)
{
	return all->first;
}

struct task *
tasks_find(const struct tasks *all, const char *name)
{
	struct task *t;

	for (t = all->first; t != NULL; t = t->next)
		if (strcmp(t->name, name) == 0 && !(t->forgotten && t->state == TASK_DONE))
			return t;
	return NULL;
}

/* The one that ended first and that nobody is being told of; NULL: none. */
static struct task *
oldest(const struct tasks *all)
{
	struct task *t, *found = NULL;

	for (t = all->first; t != NULL; t = t->next)
		if (t->state == TASK_DONE && t->followers == NULL && (found == NULL || t->ended_ms < found->ended_ms))
			found = t;
	return found;
}

static void
tidy(void *arg)
{
	struct tasks *all = arg;
	struct task *t;

	while ((t = oldest(all)) != NULL && (all->done > all->settings->keep ||
					     clock_mono_ms() >= t->ended_ms + all->settings->keep_ms)) {
		log_write(LOG_CONTROL, LOG_LEVEL_INFO, "%s: nobody asked how it ended: forgotten", t->name);
		task_free(t);
	}
	timer_at(all->timer, t ? t->ended_ms + all->settings->keep_ms : 0);
}

/* --- what it prints ----------------------------------------------------------- */

size_t
task_kept(const struct task *t)
{
	return t->kept[0].len + t->kept[1].len;
}

/* Older ones that have ended give way before what runs loses something. */
static void
make_room(struct tasks *all, int64_t len)
{
	struct task *t;

	while (all->kept + len > all->settings->memory && (t = oldest(all)) != NULL)
		task_free(t);
}

static void
keep(struct task *t, unsigned stream, const char *data, size_t len)
{
	struct tasks *all = t->all;
	struct buf *b = &t->kept[stream];
	int64_t room = all->settings->output_size - (int64_t)b->len, all_room;
	size_t fits = room < (int64_t)len ? (size_t)room : len;

	make_room(all, (int64_t)fits);
	all_room = all->settings->memory - all->kept;
	if ((int64_t)fits > all_room)
		fits = all_room > 0 ? (size_t)all_room : 0;
	if (fits > 0 && buf_reserve(b, fits) == NULL) {
		b->failed = false;
		fits = 0;
	}
	buf_add(b, data, fits);
	all->kept += (int64_t)fits;
	t->truncated[stream] |= fits < len;
}

static void
came(void *arg, unsigned stream, const char *data, size_t len)
{
	struct task *t = arg;

	if (t->owner != NULL)
		follow_output(t, stream, data, len);
	else if (!t->forgotten)
		keep(t, stream, data, len);
}

/* --- its life ----------------------------------------------------------------- */

static void
started(void *arg, struct job *j, pid_t pid)
{
	struct task *t = arg;

	(void)j;
	(void)pid;
	t->state = TASK_RUNNING;
	follow_started(t);
}

static void
task_done(struct task *t)
{
	int i;

	t->job = NULL;
	for (i = 0; i < 2; i++)
		output_finish(&t->streams[i]);
	t->state = TASK_DONE;
	t->all->running--;
	t->all->done++;
	t->ended_us = clock_real_us();
	t->ended_ms = clock_mono_ms();
}

static void
ended(void *arg, struct job *j, const struct job_end *end)
{
	struct task *t = arg;
	struct tasks *all = t->all;

	(void)j;
	task_done(t);
	t->result = job_end_json(end);
	follow_ended(t);
	if (t->forgotten)
		task_forget(t);
	tidy(all);
}

static void
failed(void *arg, struct job *j, const struct appctl_error *e)
{
	struct task *t = arg;

	(void)j;
	log_write(LOG_CONTROL, LOG_LEVEL_WARNING, "%s: %s", t->name, e->message);
	task_done(t);
	follow_failed(t, e);
	task_forget(t);
}

static const struct job_handler handler = { started, ended, failed };

void
task_stop(struct task *t)
{
	if (t->job != NULL)
		job_stop(t->job);
}

/* --- a start ------------------------------------------------------------------- */

static const char *
text_of(const json_t *args, const char *key)
{
	return json_string_value(json_object_get(args, key));
}

/* Copies what the call says, where it says it. */
static void
pass_on(json_t *definition, const json_t *args, const char *key)
{
	json_t *v = json_object_get(args, key);

	if (v != NULL && !json_is_null(v))
		json_object_set(definition, key, v);
}

static json_t *
environment_of(const json_t *args)
{
	json_t *environment = json_copy(json_object_get(args, "environment"));
	const char *caller = text_of(args, "caller");

	if (!json_is_object(environment)) {
		json_decref(environment);
		environment = json_object();
	}
	if (caller != NULL)
		json_object_set_new(environment, "APPCTL_CALLER", json_string(caller));
	return environment;
}

/* OTP's own for a supervisor of tasks: three restarts in five seconds, unless the call says otherwise. */
static void
set_restart(json_t *definition, const json_t *args)
{
	const char *restart = text_of(args, "restart");

	json_object_set_new(definition, "restart", json_string(restart ? restart : "temporary"));
	if (restart == NULL || strcmp(restart, "temporary") == 0)
		return;
	json_object_set_new(definition, "intensity", json_integer(3));
	json_object_set_new(definition, "period", json_real(5.0));
	pass_on(definition, args, "intensity");
	pass_on(definition, args, "period");
}

/* NULL: no memory. */
static json_t *
definition_of(const struct tasks *all, const json_t *args)
{
	const char *caller = text_of(args, "caller");
	json_t *definition = json_pack("{s:O, s:o, s:s++}", "command", json_object_get(args, "command"),
				       "environment", environment_of(args), "description", "task", caller ? " of " : "", caller ? caller : "");

	if (definition == NULL)
		return NULL;
	set_restart(definition, args);
	pass_on(definition, args, "shutdown");
	pass_on(definition, args, "directory");
	if (all->settings->user != NULL)
		json_object_set_new(definition, "user", json_string(all->settings->user));
	if (all->self != NULL)
		json_object_set_new(definition, "applications", json_pack("[{s:s, s:s}]", "name", all->self, "on_exit", "stop"));
	return definition;
}

/* What it reads: a file in memory, so that nobody has to write while it reads.  -1: errno, or EINVAL: no base64. */
static int
open_input(const json_t *args)
{
	const char *text = text_of(args, "input");
	struct buf bytes = { 0 };
	int fd = -1;

	if (text == NULL)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	errno = EINVAL;
	if (base64_read(&bytes, text, strlen(text)) == 0)
		fd = memfd_sealed("appctl-task", bytes.data, bytes.len);
	buf_free(&bytes);
	return fd;
}

/* -1: errno. */
static int
open_streams(struct task *t, int fds[3])
{
	fds[0] = open_input(t->args);
	if (fds[0] >= 0 && output_open(&t->streams[0], t->all->loop, 0, &fds[1], came, t) == 0 &&
	    output_open(&t->streams[1], t->all->loop, 1, &fds[2], came, t) == 0)
		return 0;
	return -1;
}

static void
close_fds(const int fds[3])
{
	int i;

	for (i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void
fail_call(struct serve_call *c, const char *error, const char *message)
{
	serve_error(c, error, json_pack("{s:s}", "message", message));
}

/* false: c was answered. */
static bool
may_start(const struct tasks *all, struct serve_call *c)
{
	const char *name = text_of(c->args, "name");

	if (json_array_size(json_object_get(c->args, "command")) == 0)
		serve_error(c, "org.varlink.service.InvalidParameter",
			    json_pack("{s:s, s:s}", "parameter", "command", "message", "names no program"));
	else if (name != NULL && strlen(name) >= TASK_NAME_MAX)
		serve_error(c, "org.varlink.service.InvalidParameter",
			    json_pack("{s:s, s:s}", "parameter", "name", "message", "is too long"));
	else if (name != NULL && tasks_find(all, name) != NULL)
		serve_error(c, "TaskExists", json_pack("{s:s}", "name", name));
	else if (all->running >= all->settings->max)
		fail_call(c, "Busy", "too many tasks run already");
	else
		return true;
	return false;
}

static struct task *
task_new(struct tasks *all, json_t *args)
{
	struct task *t = calloc(1, sizeof(*t));
	const char *name = text_of(args, "name");

	if (t == NULL)
		return NULL;
	*t = (struct task){ .all = all, .args = json_incref(args), .since_us = clock_real_us() };
	if (name != NULL)
		snprintf(t->name, sizeof(t->name), "%s", name);
	else
		job_make_name(t->name, sizeof(t->name), "task");
	append_task(all, t);
	all->running++;
	return t;
}

struct task *
task_start(struct tasks *all, struct serve_call *c)
{
	int fds[3] = { -1, -1, -1 };
	json_t *definition;
	struct task *t;

	if (!may_start(all, c))
		return NULL;
	t = task_new(all, c->args);
	if (t != NULL && open_streams(t, fds) < 0) {
		fail_call(c, "Failed", errno == EINVAL ? "input is not base64" : strerror(errno));
		close_fds(fds);
		task_free(t);
		return NULL;
	}
	definition = t ? definition_of(all, c->args) : NULL;
	if (definition != NULL)
		t->job = job_run(all->jobs, t->name, definition, fds, &handler, t);
	else
		close_fds(fds);
	if (t != NULL && t->job != NULL)
		return t;
	fail_call(c, "Failed", "no memory");
	if (t != NULL)
		task_free(t);
	return NULL;
}

/* --- all ------------------------------------------------------------------------ */

struct tasks *
tasks_new(struct loop *l, const char *runtime_dir, const char *self, const struct tasks_settings *s)
{
	struct tasks *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return NULL;
	*all = (struct tasks){ .loop = l, .self = self, .settings = s };
	all->jobs = jobs_new(l, runtime_dir);
	all->timer = timer_new(l, tidy, all);
	if (all->jobs == NULL || all->timer == NULL) {
		tasks_free(all);
		return NULL;
	}
	return all;
}

void
tasks_free(struct tasks *all)
{
	if (all == NULL)
		return;
	while (all->first != NULL)
		task_free(all->first);
	timer_free(all->timer);
	jobs_free(all->jobs);
	free(all);
}

struct loop *
tasks_loop(const struct tasks *all)
{
	return all->loop;
}
