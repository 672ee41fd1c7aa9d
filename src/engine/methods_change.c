/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "engine/control.h"

#include "base/log.h"
#include "conf/load.h"
#include "core/guest.h"
#include "core/plan.h"
#include "engine/shell.h"
#include "loop/loop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Methods that change something.  What they change is committed (by
 * daemon_settle()) before their reply is written.
 */

/* -- mode -- */

static void
mode_is_there(struct call *c, enum outcome outcome)
{
	if (call_mode_trouble(c, outcome))
		return;
	buf_printf(call_begin(c), "{\"mode\":\"%s\"}", c->name);
	call_end(c);
}

void
method_set_mode(struct call *c)
{
	const char *name = arg_string(c, "mode");
	bool await = arg_bool(c, "await");
	struct err err;

	if (call_mode(c, name) == NULL)
		return;
	snprintf(c->name, sizeof(c->name), "%s", name);
	daemon_at(c->d);
	if (engine_set_mode(c->d->engine, name, &err) < 0)
		return call_failed(c, &err);
	if (await &&
	    engine_await(c->d->engine, true, call_wait(c, mode_is_there), arg_deadline(c, "timeout"), &err) < 0)
		call_failed(c, &err);
	daemon_settle(c->d);
	if (!await)
		mode_is_there(c, OUTCOME_DONE);
}

/* -- one application -- */

static void
order_is_done(struct call *c, enum outcome outcome)
{
	if (call_app_trouble(c, outcome))
		return;
	buf_adds(call_begin(c), c->note ? c->note : "{}");
	call_end(c);
}

/* The order was given: replies at once, or when it has come about. */
static void
reply_or_await(struct call *c, struct app *a)
{
	bool await = arg_bool(c, "await");
	struct err err;

	memcpy(c->name, a->name, sizeof(c->name));
	if (await && engine_await_app(c->d->engine, a, false, call_wait(c, order_is_done),
				      arg_deadline(c, "timeout"), &err) < 0)
		call_failed(c, &err);
	daemon_settle(c->d);
	if (!await)
		order_is_done(c, OUTCOME_DONE);
}

void
method_start(struct call *c)
{
	struct app *a = call_app(c);
	struct err err;

	if (a == NULL)
		return;
	daemon_at(c->d);
	if (engine_start(c->d->engine, a, &err) < 0)
		return call_failed(c, &err);
	reply_or_await(c, a);
}

void
method_restart(struct call *c)
{
	struct app *a = call_app(c);
	struct err err;

	if (a == NULL)
		return;
	daemon_at(c->d);
	if (engine_restart(c->d->engine, a, &err) < 0)
		return call_failed(c, &err);
	reply_or_await(c, a);
}

static void
has_dependents(struct call *c, const struct app *a, struct app *const *v, size_t n)
{
	struct buf *b = call_begin_error(c, "HasDependents");

	buf_printf(b, "{\"name\":\"%s\",\"dependents\":", a->name);
	render_names(v, n, b);
	buf_addc(b, '}');
	call_end(c);
}

static void
note_stopped(struct call *c, struct app *const *v, size_t n)
{
	struct buf note = { 0 };

	buf_adds(&note, "{\"stopped\":");
	render_names(v, n, &note);
	buf_addc(&note, '}');
	c->note = buf_take(&note);
}

/* v: room for all that may depend on a, and a itself. */
static void
stop(struct call *c, struct app *a, struct app **v)
{
	size_t n = engine_dependents_up(c->d->engine, a, v);
	struct err err;

	if (n > 0 && !arg_bool(c, "with_dependents"))
		return has_dependents(c, a, v, n);
	v[n++] = a;
	note_stopped(c, v, n);
	if (c->note == NULL)
		return call_no_memory(c);
	daemon_at(c->d);
	if (engine_stop(c->d->engine, a, true, &err) < 0)
		return call_failed(c, &err);
	reply_or_await(c, a);
}

/* Whoever may stop this one may not therefore stop all that stands on it. */
static bool
may_stop_all(struct call *c, struct app *const *v, size_t n)
{
	enum access_level held;
	size_t i;

	for (i = 0; i < n; i++) {
		held = access_of(c->d, c->peer, v[i]->name);
		if (held >= ACCESS_OPERATE)
			continue;
		call_not_permitted(c, ACCESS_OPERATE, held, "name", v[i]->name);
		return false;
	}
	return true;
}

void
method_stop(struct call *c)
{
	struct app *a = call_app(c), **v;
	size_t n;

	if (a == NULL)
		return;
	v = calloc((size_t)engine_app_count(c->d->engine) + 2, sizeof(*v));
	if (v == NULL)
		return call_no_memory(c);
	n = engine_dependents_up(c->d->engine, a, v);
	if (!arg_bool(c, "with_dependents") || may_stop_all(c, v, n))
		stop(c, a, v);
	free(v);
}

/* false: it has no process, which was answered. */
static bool
is_running(struct call *c, const struct app *a)
{
	if (a->pid > 0)
		return true;
	call_fail(c, "NotRunning", "name", a->name);
	return false;
}

void
method_reload_application(struct call *c)
{
	struct app *a = call_app(c);
	struct err err;

	if (a == NULL || !is_running(c, a))
		return;
	daemon_at(c->d);
	if (engine_reload_app(c->d->engine, a, &err) < 0)
		return call_failed(c, &err);
	daemon_settle(c->d);
	call_reply(c);
}

void
method_kill(struct call *c)
{
	struct app *a = call_app(c);
	const char *name = arg_string(c, "signal");
	int signo = name ? signal_by_name(name) : SIGTERM;
	struct err err;

	if (a == NULL)
		return;
	if (signo < 0)
		return call_invalid(c, "signal", "is no signal: a name like HUP or SIGHUP, or a number");
	if (!is_running(c, a))
		return;
	daemon_at(c->d);
	if (engine_kill(c->d->engine, a, signo, &err) < 0)
		return call_failed(c, &err);
	daemon_settle(c->d);
	call_reply(c);
}

/* -- reload -- */

static void
add_key_changes(const struct key_changes *keys, struct buf *b)
{
	size_t i;

	buf_addc(b, '[');
	for (i = 0; i < keys->n; i++) {
		buf_printf(b, "%s{\"key\":\"%s\"", i ? "," : "", keys->v[i].key);
		if (keys->v[i].before != NULL) {
			buf_adds(b, ",\"before\":");
			buf_add_json(b, keys->v[i].before);
		}
		if (keys->v[i].after != NULL) {
			buf_adds(b, ",\"after\":");
			buf_add_json(b, keys->v[i].after);
		}
		buf_printf(b, ",\"needs_restart\":%s}", keys->v[i].needs_restart ? "true" : "false");
	}
	buf_addc(b, ']');
}

static void
reply_changes(struct call *c, const struct changes *changes)
{
	struct buf *b = call_begin(c);
	const struct change *v;
	uint32_t i;

	buf_adds(b, "{\"changes\":[");
	for (i = 0; i < changes->n; i++) {
		v = &changes->v[i];
		buf_printf(b, "%s{\"name\":\"%s\",\"change\":\"%s\",\"follows\":\"%s\",\"keys\":", i ? "," : "", v->name,
			   change_kind_name(v->kind), follow_name(v->follow));
		add_key_changes(&v->keys, b);
		buf_addc(b, '}');
	}
	buf_adds(b, "],\"settings\":");
	add_key_changes(&changes->settings, b);
	buf_addc(b, '}');
	call_end(c);
}

/* What it means, or meant, that `to` comes in force after `now`. */
static void
tell_changes(struct call *c, const struct plan_now *now, const struct model *to)
{
	struct changes changes = { 0 };

	if (plan_reload(now, to, &changes) < 0)
		call_no_memory(c);
	else
		reply_changes(c, &changes);
	changes_free(&changes);
}

static void
tell_problems(struct call *c, const struct problems *ps)
{
	struct buf *b;

	if (ps->no_memory)
		return call_no_memory(c);
	b = call_begin_error(c, "InvalidConfiguration");
	buf_adds(b, "{\"problems\":");
	problems_print_json(ps, b);
	buf_addc(b, '}');
	call_end(c);
}

static void
would_change(struct call *c, struct model *to)
{
	struct plan_now *now = plan_now_of(c->d->engine);
	struct err err;

	if (now == NULL)
		return call_no_memory(c);
	if (now->mode[0] != '\0' && model_find_mode(to, now->mode) == NULL) {
		err_set(&err, 0, "mode %s, which is set, is not defined any more: set another mode first", now->mode);
		call_failed(c, &err);
	} else {
		tell_changes(c, now, to);
	}
	plan_now_free(now);
}

void
method_diff(struct call *c)
{
	struct problems ps = { 0 };
	struct model *to = daemon_read_config(c->d, &ps);

	if (to == NULL)
		tell_problems(c, &ps);
	else
		would_change(c, to);
	model_unref(to);
	problems_free(&ps);
}

/* What a reload under way has of the call that asked for it: the call itself may have gone. */
struct reloading {
	struct control *control;
	uint64_t token;
	void (*reply)(struct call *c);
};

static void
reloaded(void *arg, const struct problems *ps)
{
	struct reloading *r = arg;
	struct call *c = control_find(r->control, r->token);

	if (c != NULL) {
		if (problems_any(ps))
			tell_problems(c, ps);
		else
			r->reply(c);
		control_wake(c);
	}
	free(r);
}

static void
begin_reload(struct call *c, bool only_new, void (*reply)(struct call *c))
{
	struct reloading *r = malloc(sizeof(*r));

	c->before = plan_now_of(c->d->engine);
	if (r == NULL || c->before == NULL) {
		free(r);
		return call_no_memory(c);
	}
	*r = (struct reloading){ c->control, call_wait(c, NULL), reply };
	daemon_reload(c->d, only_new, reloaded, r);
}

static void
reply_reloaded(struct call *c)
{
	tell_changes(c, c->before, engine_model(c->d->engine));
}

void
method_reload(struct call *c)
{
	if (arg_bool(c, "dry_run"))
		method_diff(c);
	else
		begin_reload(c, false, reply_reloaded);
}

static void
reply_added(struct call *c)
{
	const struct model *m = engine_model(c->d->engine);
	struct buf *b = call_begin(c);
	const char *comma = "";
	uint32_t i;

	buf_adds(b, "{\"added\":[");
	for (i = 0; i < m->app_count; i++) {
		if (model_find_app(c->before->model, m->apps[i].name) != APP_NONE)
			continue;
		buf_printf(b, "%s\"%s\"", comma, m->apps[i].name);
		comma = ",";
	}
	buf_adds(b, "]}");
	call_end(c);
}

void
method_check_for_new_applications(struct call *c)
{
	begin_reload(c, true, reply_added);
}

/* -- the daemon itself -- */

/* Checks all names before any level is set: false, and answered, where one is unknown. */
static bool
check_log_modules(struct call *c, const json_t *modules)
{
	char why[128];
	size_t i;

	for (i = 0; i < json_array_size(modules); i++) {
		const char *name = json_string_value(json_array_get(modules, i));

		if (log_module_by_name(name) >= 0)
			continue;
		snprintf(why, sizeof(why), "%.40s is no module that logs: SetLogLevel without arguments lists them", name);
		call_invalid(c, "modules", why);
		return false;
	}
	return true;
}

static void
set_log_levels(struct daemon *d, enum log_level level, const json_t *modules)
{
	size_t i;

	if (json_array_size(modules) == 0)
		log_set_level(LOG_MODULE_COUNT, level);
	for (i = 0; i < json_array_size(modules); i++)
		log_set_level((enum log_module)log_module_by_name(json_string_value(json_array_get(modules, i))), level);
	daemon_share_log_levels(d);
}

void
method_set_log_level(struct call *c)
{
	const char *name = arg_string(c, "level");
	const json_t *modules = json_object_get(c->args, "modules");
	struct buf *b;
	int m;

	if (name != NULL && log_level_by_name(name) < 0)
		return call_invalid(c, "level", "must be error, warning, info or debug");
	if (!check_log_modules(c, modules))
		return;
	if (name != NULL)
		set_log_levels(c->d, (enum log_level)log_level_by_name(name), modules);
	b = call_begin(c);
	buf_adds(b, "{\"levels\":{");
	for (m = 0; m < LOG_MODULE_COUNT; m++)
		buf_printf(b, "%s\"%s\":\"%s\"", m ? "," : "", log_module_name((enum log_module)m),
			   log_level_name(log_get_level((enum log_module)m)));
	buf_adds(b, "}}");
	call_end(c);
}

void
method_shutdown(struct call *c)
{
	call_reply(c);
	call_flush(c);
	daemon_at(c->d);
	engine_shutdown(c->d->engine, 0, REASON_OPERATOR, arg_bool(c, "hurry"));
	daemon_settle(c->d);
}

/* -- reexec -- */

/* {"version":…,"new_version":…,"replaced":…}: done once Status says that number, or a greater one. */
static void
reexec_answered(struct call *c, enum outcome outcome)
{
	const char *text = daemon_reexec_text(c->d);
	struct buf *b;

	if (outcome != OUTCOME_DONE)
		return call_fail(c, "Failed", "message", text);
	b = call_begin(c);
	buf_adds(b, "{\"version\":\"" PACKAGE_VERSION "\",\"new_version\":");
	buf_add_json(b, text);
	buf_printf(b, ",\"replaced\":%u}", c->d->hello.replaced + 1);
	call_end(c);
}

void
method_reexec(struct call *c)
{
	struct err err;

	if (daemon_reexec(c->d, call_wait(c, reexec_answered), &err) < 0)
		call_failed(c, &err);
}

/* -- run -- */

/* {"name":…,"pid":…,"last_exit":…}, as far as they are known. */
static void
tell_run(struct call *c, const struct app *a, bool ended)
{
	struct buf *b = call_begin(c);

	buf_printf(b, "{\"name\":\"%s\"", c->name);
	if (a != NULL && a->pid > 0)
		buf_printf(b, ",\"pid\":%d", (int)a->pid);
	if (ended && a->has_exit) {
		buf_adds(b, ",\"last_exit\":");
		render_last_exit(a, b);
	}
	buf_addc(b, '}');
	if (ended || !c->more)
		call_end(c);
	else
		call_continue(c);
}

/*
 * It has started, or ended, or can be neither.  A call with `more` waits for
 * start and end under two tokens; which came first does not matter.
 */
static void
run_came_on(struct call *c, enum outcome outcome)
{
	struct app *a = engine_find(c->d->engine, c->name);
	bool over = a != NULL && (a->state == APP_COMPLETED || a->state == APP_FAILED || a->state == APP_STOPPED);

	if (a == NULL)
		call_app_trouble(c, OUTCOME_REPLACED);
	else if (over ? a->state == APP_FAILED && !a->has_exit : outcome == OUTCOME_FAILED)
		call_app_trouble(c, OUTCOME_FAILED);	/* there never was a process */
	else
		tell_run(c, a, over);
}

/* Descriptors go with the application; on failure they are still the call's, which closes them. */
static void
hand_over_fds(struct call *c, const struct app *a)
{
	struct spawn_fds fds = { { c->fds[0], c->fds[1], c->fds[2] } };

	child_keep_fds(c->d, a, fds);
	c->fds[0] = c->fds[1] = c->fds[2] = -1;
}

static void
run_model(struct call *c, struct model *m, const char *definition)
{
	struct app *a;
	struct err err;

	daemon_at(c->d);
	a = engine_run(c->d->engine, m, &err);
	if (a == NULL) {
		model_unref(m);
		return call_failed(c, &err);
	}
	a->run_by = c->guest ? c->peer->uid + 1 : 0;
	state_put_transient(c->d->state, c->name, definition);
	hand_over_fds(c, a);
	if (engine_await_app(c->d->engine, a, false, call_wait(c, run_came_on), 0, &err) < 0 ||
	    (c->more && engine_await_app(c->d->engine, a, true, call_wait_for_end(c, run_came_on), 0, &err) < 0))
		call_failed(c, &err);
	daemon_settle(c->d);
}

/* A name of its own for one that was given none: run-1, run-2… */
static void
find_name(struct call *c)
{
	unsigned i = 1;

	do
		snprintf(c->name, sizeof(c->name), "run-%u", i++);
	while (engine_find(c->d->engine, c->name) != NULL);
}

/* false: it cannot be had, which was answered. */
static bool
take_name(struct call *c)
{
	const char *name = arg_string(c, "name");
	struct err err;

	if (name == NULL) {
		find_name(c);
		return true;
	}
	if (!name_is_valid(name)) {
		call_invalid(c, "name", "must begin with a letter and go on with letters, digits, - and _");
		return false;
	}
	snprintf(c->name, sizeof(c->name), "%s", name);
	if (engine_find(c->d->engine, name) == NULL)
		return true;
	err_set(&err, 0, "there is an application %s already: choose another name", name);
	call_failed(c, &err);
	return false;
}

/* One that a guest says he needs must be one that he could start himself, or that he is a process of. */
static bool
guest_may_need(struct call *c, const char *name)
{
	enum access_level held = access_of(c->d, c->peer, name);
	const struct app *own = held < ACCESS_OPERATE ? tree_owner(c->d, c->peer->pid) : NULL;

	if (held >= ACCESS_OPERATE || (own != NULL && strcmp(own->name, name) == 0))
		return true;
	call_not_permitted(c, ACCESS_OPERATE, held, "name", name);
	return false;
}

/* false: he may not, which was answered. */
static bool
guest_may_run(struct call *c, const struct item *definition, const struct app_def *d)
{
	const char *key = guest_refused(definition, d);
	uint32_t i;

	if (key == NULL && access_run_as(c->d, c->peer, d->as->user) == NULL)
		key = "user";
	if (key != NULL) {
		call_not_permitted(c, ACCESS_ADMIN, access_of(c->d, c->peer, NULL), "key", key);
		return false;
	}
	for (i = 0; i < d->applications.n; i++)
		if (!guest_may_need(c, d->applications.v[i].name))
			return false;
	return true;
}

/* What a guest's definition says in any case.  -1: no memory. */
static int
make_guests(struct call *c, json_t *definition)
{
	const char *user = access_run_as(c->d, c->peer, NULL);

	if (json_object_get(definition, "user") == NULL && json_object_set_new(definition, "user", json_string(user)) < 0)
		return -1;
	return json_object_set_new(definition, "no_new_privileges", json_true());
}

static void
run(struct call *c, const char *definition)
{
	struct problems ps = { 0 };
	struct arena *arena = arena_new();
	struct item *item = arena ? conf_item_from_json(arena, definition, &ps) : NULL;
	struct model *m = item ? model_build_transient(c->name, item, &ps) : NULL;

	if (m != NULL && c->guest && !guest_may_run(c, item, &m->apps[0]))
		model_unref(m);
	else if (m != NULL)
		run_model(c, m, definition);
	else if (problems_any(&ps))
		tell_problems(c, &ps);
	else
		call_no_memory(c);
	problems_free(&ps);
	arena_free(arena);
}

void
method_run(struct call *c)
{
	char *definition;

	if (c->fd_count != 0 && c->fd_count != 3)
		return call_invalid(c, "definition", "comes with three descriptors, stdin, stdout and stderr, or with none");
	if (!take_name(c))
		return;
	if (c->guest && make_guests(c, json_object_get(c->args, "definition")) < 0)
		return call_no_memory(c);
	definition = json_dumps(json_object_get(c->args, "definition"), JSON_COMPACT);
	if (definition == NULL)
		return call_no_memory(c);
	run(c, definition);
	free(definition);
}
