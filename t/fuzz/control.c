/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "engine/control.h"
#include "engine/shell.h"

#include "conf/load.h"
#include "core/plan.h"
#include "loop/loop.h"
#include "wire/varlink.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From here on memory may run out, or not; t/unit/no_memory.c makes it so. */
void memory_may_run_out(bool may);
__attribute__((weak)) void
memory_may_run_out(bool may)
{
	(void)may;
}

/*
 * What a peer may send to control.sock: framing, calls and methods over a real
 * engine.  The world around is one in which everything that is ordered is
 * there at once.  Every reply has to be JSON, whatever came.
 */
static const char site[] =
	"applications: {\n"
	"  db: { command = [\"db\"]; environment = [\"A=b\"]; };\n"
	"  web: { command = \"web\"; applications = [\"db\"]; reload_signal = \"HUP\"; };\n"
	"  job: { command = [\"job\"]; type = \"oneshot\"; start_before = [\"web\"]; };\n"
	"  late: { command = [\"late\"]; ready = { type = \"notify\"; }; restart = \"temporary\"; };\n"
	"  load: { };\n"
	"};\n"
	"roles: { storage = [\"db\"]; active = [\"web\", \"job\"]; slow = [\"late\"]; };\n"
	"modes: { normal = [\"storage\", \"active\"]; less = [\"storage\"]; more = [\"slow\", \"active\"]; };\n"
	"default_mode = \"normal\"; protected = [\"load\"];\n";
static const char site_after[] =
	"applications: {\n"
	"  db: { command = [\"db\", \"-v\"]; };\n"
	"  web: { command = \"web\"; applications = [\"db\"]; };\n"
	"  new: { command = [\"new\"]; };\n"
	"};\n"
	"roles: { storage = [\"db\"]; active = [\"web\"]; };\n"
	"modes: { normal = [\"storage\", \"active\"]; less = [\"storage\"]; more = [\"active\"]; };\n";

static struct model *
model_of(const char *text, struct problems *ps)
{
	struct fragment f = { .path = "site.conf", .text = text, .text_len = strlen(text) };
	struct conf_set set = { 0 };
	struct model *m = NULL;

	if (conf_parse(&f, 1, &set, ps) == 0)
		m = model_build(set.v, set.n, ps);
	conf_set_free(&set);
	return m;
}

/* The one connection. */
static struct {
	struct daemon d;
	struct call *call;		/* the call at hand; NULL: none */
	struct roles_of *roles;
	uint64_t last_token;
} world;

void
daemon_at(struct daemon *d)
{
	engine_at(d->engine, (struct moment){ 1000, 1000 });
}

static void
carry_out(struct engine *e, const struct effect *f)
{
	struct call *c = world.call;

	if (f->type == EFFECT_SPAWN)
		engine_spawned(e, f->inc, 100);
	else if (f->type == EFFECT_SIGNAL && f->kind == CHILD_MAIN)
		engine_exited(e, f->inc, (struct exit_facts){ .status = f->signo });
	else if (f->type == EFFECT_ANSWER && c != NULL && (c->token == f->token || c->end_token == f->token)) {
		*(c->end_token == f->token ? &c->end_token : &c->token) = 0;
		if (!c->done)
			c->answer(c, f->outcome);
	}
}

void
daemon_settle(struct daemon *d)
{
	struct effect *copy;
	size_t n, i;

	while ((n = engine_effects(d->engine)->n) > 0) {
		memory_may_run_out(false);
		copy = malloc(n * sizeof(*copy));
		memory_may_run_out(true);
		memcpy(copy, engine_effects(d->engine)->v, n * sizeof(*copy));
		engine_effects_done(d->engine);
		for (i = 0; i < n; i++)
			carry_out(d->engine, &copy[i]);
		free(copy);
	}
	while (engine_take_dirty(d->engine) != NULL)
		;
}

struct model *
daemon_read_config(struct daemon *d, struct problems *ps)
{
	(void)d;
	return model_of(site_after, ps);
}

void
daemon_reload(struct daemon *d, bool only_new, reload_done *done, void *arg)
{
	struct problems ps = { 0 };
	struct model *m;
	struct err err;

	(void)only_new;
	memory_may_run_out(false);
	m = model_of(site_after, &ps);
	memory_may_run_out(true);
	if (engine_reload(d->engine, m, &err) < 0) {
		model_unref(m);
		problem_add(&ps, (struct origin){ 0 }, NULL, NULL, "%s", err.msg);
	} else {
		daemon_settle(d);
	}
	done(arg, &ps);
	problems_free(&ps);
}

enum access_level
access_of(const struct daemon *d, const struct peer *peer, const char *app)
{
	(void)d;
	if (peer->uid != 0)
		return app != NULL && strcmp(app, "web") == 0 ? ACCESS_OPERATE : ACCESS_READ;
	return app != NULL && strcmp(app, "db") == 0 ? ACCESS_READ : ACCESS_ADMIN;
}

const char *
access_run_as(const struct daemon *d, const struct peer *peer, const char *user)
{
	(void)d;
	(void)peer;
	return user == NULL || strcmp(user, "nobody") == 0 ? "nobody" : NULL;
}

struct app *
tree_owner(struct daemon *d, pid_t pid)
{
	(void)pid;
	return engine_find(d->engine, "db");
}

int
daemon_reexec(struct daemon *d, uint64_t token, struct err *err)
{
	(void)d;
	(void)token;
	return err_set(err, 0, "there is no keeper");
}

const char *
daemon_reexec_text(const struct daemon *d)
{
	(void)d;
	return "";
}

void
publisher_adopt(struct publisher *p, int taken, const struct subscription_filter *f, enum framing framing)
{
	(void)p;
	(void)taken;
	(void)f;
	(void)framing;
}

void
daemon_share_log_levels(struct daemon *d)
{
	(void)d;
}

void
child_keep_fds(struct daemon *d, const struct app *a, struct spawn_fds taken)
{
	(void)d;
	(void)a;
	(void)taken;
}

void
state_put_transient(struct state_file *s, const char *name, const char *definition)
{
	(void)s;
	(void)name;
	(void)definition;
}

uint64_t
control_token(struct control *control)
{
	(void)control;
	return ++world.last_token;
}

struct call *
control_find(struct control *control, uint64_t token)
{
	(void)control;
	return world.call != NULL && world.call->token == token ? world.call : NULL;
}

void
control_wake(struct call *c)
{
	(void)c;
}

int
call_take_connection(struct call *c)
{
	c->done = true;
	return -1;
}

void
call_flush(struct call *c)
{
	(void)c;
}

const struct roles_of *
control_roles(struct control *control)
{
	const struct model *m = engine_model(world.d.engine);

	(void)control;
	if (world.roles == NULL || roles_of_model(world.roles) != m) {
		roles_of_free(world.roles);
		world.roles = roles_of_new(m);
	}
	return world.roles;
}

int64_t
clock_mono_ms(void)
{
	return 1000;
}

/* Replies are JSON objects, each with its NUL. */
static void
check_replies(const struct buf *out)
{
	size_t at = 0, len;
	json_t *reply;

	while (at < out->len) {
		len = strnlen(out->data + at, out->len - at);
		if (at + len == out->len)
			abort();
		reply = json_loadb(out->data + at, len, JSON_REJECT_DUPLICATES, NULL);
		if (!json_is_object(reply))
			abort();
		json_decref(reply);
		at += len + 1;
	}
}

static void
one_call(const struct varlink_message *m, bool more, uid_t uid)
{
	const struct peer peer = { .pid = 1, .uid = uid };
	struct buf out = { 0 };
	struct call c = { .d = &world.d, .peer = &peer, .out = &out, .fds = { -1, -1, -1 } };
	struct err err;

	world.call = &c;
	buf_reserve(&out, 1024);		/* as every connection has */
	memory_may_run_out(true);
	if (call_parse(&c, m->text, m->len, &err) < 0) {
		call_invalid(&c, "message", err.msg);
	} else {
		c.more |= more;
		methods_call(&c);
	}
	memory_may_run_out(false);
	if (!c.done && (c.token | c.end_token) == 0)
		abort();	/* neither answered nor waiting to be */
	world.call = NULL;
	if (c.token != 0)
		engine_forget_waiter(world.d.engine, c.token);
	if (c.end_token != 0)
		engine_forget_waiter(world.d.engine, c.end_token);
	check_replies(&out);
	plan_now_free(c.before);
	free(c.note);
	json_decref(c.message);
	buf_free(&out);
}

static void
begin(void)
{
	static struct model *m;		/* the same for all runs: nobody changes a model */
	struct problems ps = { 0 };
	struct err err;

	if (m == NULL)
		m = model_of(site, &ps);
	world.d = (struct daemon){ .node = "here", .config_path = "site.conf" };
	world.d.engine = engine_new(model_ref(m), "here", 1);
	daemon_at(&world.d);
	if (engine_boot(world.d.engine, NULL, &err) < 0)
		abort();
	daemon_settle(&world.d);
	memory_may_run_out(false);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct varlink_reader r = { 0 };
	struct varlink_message m;

	begin();
	if (varlink_put(&r, data, size) == 0)
		while (varlink_next(&r, &m) == 1) {
			one_call(&m, size % 2 == 0, 0);
			one_call(&m, size % 2 == 0, 1000);	/* who may less, and run as a guest */
		}
	varlink_fini(&r);
	roles_of_free(world.roles);
	world.roles = NULL;
	engine_free(world.d.engine);
	return 0;
}
