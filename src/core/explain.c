/* SPDX-License-Identifier: MIT */
#include "core/explain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

void
explain_exit(int status, struct buf *out)
{
	if (WIFSIGNALED(status))
		buf_printf(out, "signal %s%s", signal_name(WTERMSIG(status)), WCOREDUMP(status) ? " (core dumped)" : "");
	else
		buf_printf(out, "exit %d", WEXITSTATUS(status));
}

static void
say_seconds(struct buf *out, int64_t ms)
{
	if (ms < 0)
		ms = 0;
	if (ms < 1000)
		buf_printf(out, "%" PRId64 " ms", ms);
	else if (ms < 10000)
		buf_printf(out, "%" PRId64 ".%" PRId64 " s", ms / 1000, ms % 1000 / 100);
	else
		buf_printf(out, "%" PRId64 " s", ms / 1000);
}

/* What of the definition the step was about; NULL: nothing that helps. */
static const char *
step_object(const struct app *a)
{
	const struct circumstances *as = a->def->as;

	if (a->exit_reason != REASON_SPAWN_FAILED || a->def->command.argv.n == 0)
		return NULL;
	if (strcmp(a->fail_step, "exec") == 0)
		return a->def->command.argv.v[0];
	if (strcmp(a->fail_step, "directory") == 0)
		return as->directory;
	return strcmp(a->fail_step, "log") == 0 ? a->def->log_path : NULL;
}

static void
say_lookup(const struct app *a, struct buf *out)
{
	const struct circumstances *as = a->def->as;

	buf_adds(out, "lookup: ");
	if (as->user != NULL)
		buf_printf(out, "user %s", as->user);
	if (as->group != NULL)
		buf_printf(out, "%sgroup %s", as->user != NULL ? " or " : "", as->group);
	if (as->user == NULL && as->group == NULL)
		buf_adds(out, "a group of it");
	buf_adds(out, " is not known");
}

void
explain_spawn_failure(const struct app *a, struct buf *out)
{
	const char *object;

	if (strcmp(a->fail_step, "lookup") == 0 && a->fail_errno == ENOENT)
		return say_lookup(a, out);
	object = step_object(a);
	buf_printf(out, "%s%s%s: %s", a->fail_step, object ? " " : "", object ? object : "", strerror(a->fail_errno));
}

/* ", after exit 1": how its last process ended, or why there was none. */
static void
say_last_end(const struct app *a, const char *before, struct buf *out)
{
	if (a->fail_step != NULL) {
		buf_printf(out, "%sit could not be started (", before);
		explain_spawn_failure(a, out);
		buf_addc(out, ')');
	} else if (a->has_exit) {
		buf_adds(out, before);
		if (a->exit_reason == REASON_START_TIMEOUT)
			buf_adds(out, "it was not ready in time, and ended with ");
		else if (a->exit_reason == REASON_NOT_READY)
			buf_adds(out, "its readiness check ended without success, and it with ");
		else if (a->exit_reason == REASON_OOM)
			buf_adds(out, "it ran out of memory, and ended with ");
		else
			buf_adds(out, "it ended with ");
		explain_exit(a->exit_status, out);
	}
}

static void
say_failed(const struct app *a, struct buf *out)
{
	switch (a->reason) {
	case REASON_GAVE_UP:
		buf_printf(out, "failed: more than %d restarts within ", a->def->intensity);
		say_seconds(out, a->def->period_ms);
		say_last_end(a, "; at last ", out);
		break;
	case REASON_ENDED:
		if (a->fail_step != NULL) {
			say_last_end(a, "failed: ", out);
			break;
		}
		buf_printf(out, "failed: restart = \"%s\" does not start it again", restart_type_name(a->def->restart));
		say_last_end(a, "; ", out);
		break;
	default:
		buf_printf(out, "failed: %s", reason_name(a->reason));
		say_last_end(a, "; ", out);
	}
}

static void
say_ready_by(const struct ready *r, struct buf *out)
{
	switch (r->type) {
	case READY_NOTIFY:
		buf_adds(out, "has not said READY=1 yet");
		break;
	case READY_FD:
		buf_printf(out, "has not written a newline to descriptor %d yet", r->fd);
		break;
	case READY_EXEC:
		buf_printf(out, "%s does not succeed yet", r->command.argv.v[r->command.shell ? r->command.argv.n - 1 : 0]);
		break;
	case READY_TCP:
		buf_printf(out, "%s port %u does not accept connections yet", r->host ? r->host : "localhost", r->port);
		break;
	case READY_UNIX:
		buf_printf(out, "%s does not accept connections yet", r->path);
		break;
	case READY_HTTP:
		buf_printf(out, "%s does not answer with success yet", r->url);
		break;
	default:
		buf_adds(out, "its process has not been started yet");
	}
}

static void
say_starting(const struct app *a, int64_t now_ms, struct buf *out)
{
	buf_adds(out, "starting: ");
	if (a->def->type == APP_ONESHOT && a->def->ready->type == READY_NONE)
		buf_adds(out, "has not completed yet");
	else if (a->def->type == APP_FORKING && a->def->ready->type == READY_NONE)
		buf_adds(out, "has not gone into the background yet");
	else
		say_ready_by(a->def->ready, out);
	if (a->deadline_ms > now_ms) {
		buf_adds(out, ", and has ");
		say_seconds(out, a->deadline_ms - now_ms);
		buf_adds(out, " left");
	}
}

static void
say_stopping(const struct app *a, int64_t now_ms, struct buf *out)
{
	static const char *const steps[] = {
		[STEP_NONE] = "told to end", [STEP_TERM] = "told to end",
		[STEP_SWEEP] = "what it left behind is being ended", [STEP_KILL] = "killed, and still there",
		[STEP_UNKILLABLE] = "still there after SIGKILL: the kernel holds it",
	};

	buf_printf(out, "stopping (%s): %s", reason_name(a->reason), steps[a->step]);
	if (a->deadline_ms > now_ms && a->step != STEP_UNKILLABLE) {
		buf_adds(out, ", next step in ");
		say_seconds(out, a->deadline_ms - now_ms);
	}
}

static void
say_not_wanted(const struct engine *e, const struct app *a, struct buf *out)
{
	if (engine_shutting_down(e))
		buf_adds(out, "stopped: appctld is shutting down");
	else if (a->wish == WISH_DOWN && a->cause == REASON_DEPENDENCY)
		buf_adds(out, "stopped, because what it requires ended (on_exit)");
	else if (a->wish == WISH_DOWN)
		buf_adds(out, "stopped by an operator, until start or the next mode");
	else if (a->next_def == NULL)
		buf_adds(out, "no longer in the configuration");
	else if (a->next_def->disabled)
		buf_adds(out, "disabled (enabled = false), and nobody has started it");
	else
		buf_printf(out, "not wanted in mode %s", engine_mode(e) ? engine_mode(e) : "(none)");
}

static bool
goes_down(const struct app *a)
{
	return !a->wanted || a->restart_asked;
}

/* What a, which is to go down, waits for: something after it that has not come to rest. */
static const struct app *
holder(const struct engine *e, const struct app *a)
{
	struct edges succs = graph_succs(engine_graph(e), a->vertex);
	const struct app *s;
	uint32_t i;

	for (i = 0; i < succs.n; i++) {
		s = engine_app(e, succs.v[i].other);
		if (s != NULL && s->holds)
			return s;
	}
	return NULL;
}

static bool
is_held(const struct app *a)
{
	return goes_down(a) && (a->state == APP_RUNNING || a->state == APP_STARTING);
}

static enum edge_kind
kind_between(const struct engine *e, const struct app *first, const struct app *then)
{
	struct edges preds = graph_preds(engine_graph(e), then->vertex);
	uint32_t i;

	for (i = 0; i < preds.n; i++)
		if (preds.v[i].other == first->vertex)
			return (enum edge_kind)preds.v[i].kind;
	return EDGE_BARRIER;
}

/* The barrier is no application of the table. */
static bool
is_barrier(const struct engine *e, const struct app *a)
{
	return a->vertex == graph_barrier(engine_graph(e));
}

static void
say_waiting(const struct engine *e, const struct app *a, struct buf *out)
{
	const struct app *b = engine_waits_for(e, a);

	if (b == NULL)
		buf_adds(out, "about to be started");
	else if (is_barrier(e, b))
		buf_adds(out, "waits until the protected applications are up");
	else if (b->wish == WISH_DOWN && b->state == APP_STOPPED)
		buf_printf(out, "waits for %s, which was stopped by an operator", b->name);
	else
		buf_printf(out, "waits for %s, which is %s%s", b->name, app_state_name(b->state),
			   kind_between(e, b, a) == EDGE_REQUIRES ? "" : " and is ordered before it");
}

void
explain_why(const struct engine *e, const struct app *a, int64_t now_ms, struct buf *out)
{
	const struct app *h;

	if (is_held(a)) {
		h = holder(e, a);
		buf_printf(out, "is to %s%s%s", a->wanted ? "be restarted" : "stop", h ? ", after " : "", h ? h->name : "");
		return;
	}
	switch (a->state) {
	case APP_STOPPED:
		if (a->wanted)
			buf_adds(out, "about to be started");
		else
			say_not_wanted(e, a, out);
		break;
	case APP_WAITING:
		say_waiting(e, a, out);
		break;
	case APP_STARTING:
		say_starting(a, now_ms, out);
		break;
	case APP_STOPPING:
		say_stopping(a, now_ms, out);
		break;
	case APP_BACKOFF:
		buf_adds(out, "is started again in ");
		say_seconds(out, a->deadline_ms - now_ms);
		buf_printf(out, " (restart %u)", a->restarts);
		say_last_end(a, ": ", out);
		break;
	case APP_FAILED:
		say_failed(a, out);
		break;
	case APP_COMPLETED:
		buf_adds(out, "completed: it ended as it should");
		break;
	case APP_LOAD_ONLY:
		buf_adds(out, "has no command: nothing is started");
		break;
	default:
		buf_adds(out, "running");
	}
}

/* One chain as it is put together. */
struct explaining {
	const struct engine *e;
	int64_t now_ms;
	struct causes *out;
	struct buf text;
	bool failed;
};

/* The sentence in x->text becomes the next cause. */
static void
add(struct explaining *x, const char *name, const struct origin *at)
{
	struct causes *c = x->out;
	struct cause *v;

	if (c->n == c->cap) {
		v = realloc(c->v, (c->cap + 8) * sizeof(*v));
		if (v == NULL) {
			x->failed = true;
			return;
		}
		c->v = v;
		c->cap += 8;
	}
	v = &c->v[c->n++];
	*v = (struct cause){ .fact = arena_strdup(c->arena, buf_cstr(&x->text)), .name = name };
	if (at != NULL)
		v->at = *at;
	if (v->fact == NULL || x->text.failed)
		x->failed = true;
	buf_clear(&x->text);
}

static const struct origin *
ref_to(const struct refs *refs, const char *name)
{
	uint32_t i;

	for (i = 0; i < refs->n; i++)
		if (strcmp(refs->v[i].name, name) == 0)
			return &refs->v[i].at;
	return NULL;
}

/* Where it was written that `first` comes before `then`; the key in *key. */
static const struct origin *
written(const struct app *first, const struct app *then, const char **key)
{
	const struct origin *at;

	if ((at = ref_to(&then->def->applications, first->name)) != NULL)
		*key = "applications";
	else if ((at = ref_to(&then->def->optional_applications, first->name)) != NULL)
		*key = "optional_applications";
	else if ((at = ref_to(&then->def->start_after, first->name)) != NULL)
		*key = "start_after";
	else if ((at = ref_to(&first->def->start_before, then->name)) != NULL)
		*key = "start_before";
	else
		*key = NULL;
	return at;
}

/* The protected application that keeps the barrier down. */
static const struct app *
behind_barrier(const struct engine *e)
{
	struct edges preds = graph_preds(engine_graph(e), graph_barrier(engine_graph(e)));
	const struct app *a;
	uint32_t i;

	for (i = 0; i < preds.n; i++) {
		a = engine_app(e, preds.v[i].other);
		if (a != NULL && !a->up)
			return a;
	}
	return NULL;
}

static const struct app *
blocker_of_load_only(const struct engine *e, const struct app *a)
{
	struct edges preds = graph_preds(engine_graph(e), a->vertex);
	uint32_t i;

	for (i = 0; i < preds.n; i++)
		if (engine_edge_counts(e, &preds.v[i]))
			return engine_app(e, preds.v[i].other);
	return NULL;
}

/* What a waits for now, an application; NULL: nothing. */
static const struct app *
waits_for(const struct engine *e, const struct app *a)
{
	const struct app *b = engine_waits_for(e, a);

	if (a->state == APP_LOAD_ONLY && !a->up)
		return blocker_of_load_only(e, a);
	return b != NULL && is_barrier(e, b) ? behind_barrier(e) : b;
}

static void
add_waiting(struct explaining *x, const struct app *a, const struct app *b)
{
	const char *key;
	const struct origin *at = written(b, a, &key);

	if (key == NULL)
		buf_printf(&x->text, "%s waits for %s, which is protected: those come first", a->name, b->name);
	else if (strcmp(key, "applications") == 0)
		buf_printf(&x->text, "%s waits for %s, which it requires", a->name, b->name);
	else
		buf_printf(&x->text, "%s waits for %s (%s)", a->name, b->name, key);
	add(x, a->name, at);
}

static void
add_state(struct explaining *x, const struct app *a)
{
	buf_printf(&x->text, "%s: ", a->name);
	explain_why(x->e, a, x->now_ms, &x->text);
	add(x, a->name, &a->def->at);
}

static void
add_mode(struct explaining *x, const char *role_name)
{
	const struct model *m = engine_model(x->e);
	const char *name = engine_mode(x->e);
	const struct mode *mode = name ? model_find_mode(m, name) : NULL;

	if (mode == NULL)
		return;
	if (role_name != NULL)
		buf_printf(&x->text, "role %s is in mode %s, which is set", role_name, name);
	else
		buf_printf(&x->text, "mode %s is set", name);
	add(x, mode->name, &mode->at);
}

static void
add_role(struct explaining *x, const struct app *a, const struct role *role)
{
	buf_printf(&x->text, "%s is in role %s", a->name, role->name);
	add(x, role->name, &role->at);
	add_mode(x, role->name);
}

/* Because of what a is wanted, through all that require it. */
static void
add_wanted(struct explaining *x, const struct app *a)
{
	const struct want *w = engine_want(x->e, a);
	const struct app *by;
	uint32_t left = engine_app_count(x->e);
	const char *key;

	for (; w->why == WHY_REQUIRED && left > 0; left--) {
		by = engine_app(x->e, w->by);
		if (by == NULL)
			return;
		buf_printf(&x->text, "%s is wanted because %s requires it", a->name, by->name);
		add(x, by->name, written(a, by, &key));
		a = by;
		w = engine_want(x->e, a);
	}
	switch (w->why) {
	case WHY_ROLE:
		add_role(x, a, &engine_model(x->e)->roles[w->by]);
		return;
	case WHY_ALL:
		buf_adds(&x->text, "no mode is set: all applications are wanted");
		break;
	case WHY_BACKGROUND:
		buf_printf(&x->text, "%s is in no role: it is wanted in every mode", a->name);
		break;
	case WHY_PROTECTED:
		buf_printf(&x->text, "%s is protected: it is wanted in every mode", a->name);
		break;
	case WHY_OPERATOR:
		buf_printf(&x->text, "%s was started by an operator", a->name);
		break;
	default:
		return;
	}
	add(x, a->name, &a->def->at);
}

static bool
is_member(const struct role *role, uint32_t app)
{
	uint32_t i;

	for (i = 0; i < role->n; i++)
		if (role->apps[i] == app)
			return true;
	return false;
}

/* Nothing wants it: the roles that it is in, and the mode that has none of them. */
static void
add_unwanted(struct explaining *x, const struct app *a)
{
	const struct model *m = engine_model(x->e);
	uint32_t i;

	if (a->wish == WISH_DOWN || a->next_def == NULL || a->next_def->disabled || engine_shutting_down(x->e) || a->vertex >= m->app_count)
		return;
	for (i = 0; i < m->role_count; i++) {
		if (!is_member(&m->roles[i], a->vertex))
			continue;
		buf_printf(&x->text, "%s is in role %s, which that mode does not have", a->name, m->roles[i].name);
		add(x, m->roles[i].name, &m->roles[i].at);
	}
	add_mode(x, NULL);
}

/* What a is held by; NULL: nothing, its own state is the fact. */
static const struct app *
add_link(struct explaining *x, const struct app *a)
{
	const struct app *b;

	if (is_held(a) && (b = holder(x->e, a)) != NULL) {
		buf_printf(&x->text, "%s is to go down, after %s", a->name, b->name);
		add(x, a->name, NULL);
		return b;
	}
	b = waits_for(x->e, a);
	if (b != NULL)
		add_waiting(x, a, b);
	return b;
}

int
explain(const struct engine *e, const struct app *a, int64_t now_ms, struct causes *out)
{
	struct explaining x = { .e = e, .now_ms = now_ms, .out = out };
	uint32_t left = engine_app_count(e) + 1;
	const struct app *next;

	out->arena = arena_new();
	if (out->arena == NULL)
		return -1;
	while (left-- > 0 && (next = add_link(&x, a)) != NULL)
		a = next;
	add_state(&x, a);
	if (!a->wanted)
		add_unwanted(&x, a);
	else if (a->state != APP_FAILED && a->state != APP_BACKOFF && a->state != APP_STARTING)
		add_wanted(&x, a);
	buf_free(&x.text);
	return x.failed ? -1 : 0;
}

void
causes_free(struct causes *c)
{
	free(c->v);
	arena_free(c->arena);
	*c = (struct causes){ 0 };
}
