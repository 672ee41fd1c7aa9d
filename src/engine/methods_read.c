/* SPDX-License-Identifier: MIT */
#include "engine/control.h"

#include "core/explain.h"
#include "core/plan.h"
#include "engine/shell.h"
#include "loop/loop.h"

#include <stdlib.h>
#include <string.h>

/* Methods that ask and change nothing. */

/* {"PARAMETER":NAME,"nearest":…} */
static void
unknown(struct call *c, const char *error, const char *parameter, const char *name, const char *nearest)
{
	struct buf *b = call_begin_error(c, error);

	buf_printf(b, "{\"%s\":", parameter);
	buf_add_json(b, name);
	if (nearest != NULL)
		buf_printf(b, ",\"nearest\":\"%s\"", nearest);
	buf_addc(b, '}');
	call_end(c);
}

static struct app *
find_app(struct call *c, const char *name)
{
	struct app *a = engine_find(c->d->engine, name);

	if (a == NULL)
		unknown(c, "NoSuchApplication", "name", name, model_suggest_app(engine_model(c->d->engine), name));
	return a;
}

struct app *
call_app(struct call *c)
{
	return find_app(c, arg_string(c, "name"));
}

const struct mode *
call_mode(struct call *c, const char *name)
{
	const struct model *m = engine_model(c->d->engine);
	const struct mode *mode = model_find_mode(m, name);

	if (mode == NULL)
		unknown(c, "UnknownMode", "mode", name, model_suggest_mode(m, name));
	return mode;
}

/* -- status -- */

/* false: one of the names is unknown, which was answered. */
static bool
names_are_known(struct call *c, const json_t *names)
{
	size_t i;

	for (i = 0; i < json_array_size(names); i++)
		if (find_app(c, json_string_value(json_array_get(names, i))) == NULL)
			return false;
	return true;
}

static void
add_apps(struct call *c, const struct roles_of *roles, const json_t *names, struct buf *b)
{
	uint32_t n = names ? (uint32_t)json_array_size(names) : engine_app_count(c->d->engine), i;
	struct app *a;

	for (i = 0; i < n; i++) {
		a = names ? engine_find(c->d->engine, json_string_value(json_array_get(names, i)))
			  : engine_app(c->d->engine, i);
		buf_adds(b, i ? "," : "");
		render_app(c->d, roles, a, b);
	}
}

void
method_status(struct call *c)
{
	const json_t *names = json_object_get(c->args, "names");
	const struct roles_of *roles = control_roles(c->control);
	struct buf *b;

	if (!json_is_array(names))
		names = NULL;
	if (roles == NULL)
		return call_no_memory(c);
	if (!names_are_known(c, names))
		return;
	b = call_begin(c);
	buf_addc(b, '{');
	render_node(c->d, c->peer, b);
	buf_adds(b, ",\"applications\":[");
	add_apps(c, roles, names, b);
	buf_adds(b, "]}");
	call_end(c);
}

void
method_show(struct call *c)
{
	struct app *a = call_app(c);
	const struct app_def *def;
	struct buf *b;

	if (a == NULL)
		return;
	def = a->next_def ? a->next_def : a->def;
	b = call_begin(c);
	buf_adds(b, "{\"definition\":");
	render_definition(def, access_of(c->d, c->peer, a->name) >= ACCESS_OPERATE && !json_is_false(json_object_get(c->args, "values")), b);
	if (def->at.file != NULL) {
		buf_adds(b, ",\"origin\":");
		render_origin(&def->at, b);
	}
	buf_addc(b, '}');
	call_end(c);
}

/* -- modes -- */

static void
add_mode_member(struct call *c, const char *before, struct buf *b)
{
	const char *mode = engine_mode(c->d->engine);

	if (mode != NULL)
		buf_printf(b, "%s\"mode\":\"%s\"", before, mode);
}

void
method_get_mode(struct call *c)
{
	static const char *const states[] = { "changing", "stable", "failed" };
	const struct model *m = engine_model(c->d->engine);
	const char *name = engine_mode(c->d->engine);
	const struct mode *mode = name ? model_find_mode(m, name) : NULL;
	struct buf *b = call_begin(c);
	uint32_t i;

	buf_printf(b, "{\"state\":\"%s\"", states[engine_mode_state(c->d->engine)]);
	add_mode_member(c, ",", b);
	buf_adds(b, ",\"roles\":[");
	for (i = 0; mode != NULL && i < mode->n; i++)
		buf_printf(b, "%s\"%s\"", i ? "," : "", m->roles[mode->roles[i]].name);
	buf_adds(b, "]}");
	call_end(c);
}

void
method_is_mode_stable(struct call *c)
{
	struct buf *b = call_begin(c);

	buf_printf(b, "{\"stable\":%s,\"outstanding\":", engine_is_stable(c->d->engine) ? "true" : "false");
	render_all_outstanding(c->d, b);
	buf_addc(b, '}');
	call_end(c);
}

static void
add_role_members(const struct model *m, struct buf *b)
{
	uint32_t i, j;

	for (i = 0; i < m->role_count; i++) {
		buf_printf(b, "%s\"%s\":[", i ? "," : "", m->roles[i].name);
		for (j = 0; j < m->roles[i].n; j++)
			buf_printf(b, "%s\"%s\"", j ? "," : "", m->apps[m->roles[i].apps[j]].name);
		buf_addc(b, ']');
	}
}

static void
add_mode_roles(const struct model *m, struct buf *b)
{
	uint32_t i, j;

	for (i = 0; i < m->mode_count; i++) {
		buf_printf(b, "%s\"%s\":[", i ? "," : "", m->modes[i].name);
		for (j = 0; j < m->modes[i].n; j++)
			buf_printf(b, "%s\"%s\"", j ? "," : "", m->roles[m->modes[i].roles[j]].name);
		buf_addc(b, ']');
	}
}

void
method_list_modes(struct call *c)
{
	const struct model *m = engine_model(c->d->engine);
	struct buf *b = call_begin(c);
	uint32_t i;

	buf_adds(b, "{\"modes\":[");
	for (i = 0; i < m->mode_count; i++)
		buf_printf(b, "%s\"%s\"", i ? "," : "", m->modes[i].name);
	buf_adds(b, "],\"roles\":{");
	add_role_members(m, b);
	buf_adds(b, "},\"mode_roles\":{");
	add_mode_roles(m, b);
	buf_adds(b, "}}");
	call_end(c);
}

static void
reply_mode(struct call *c)
{
	struct buf *b = call_begin(c);

	buf_addc(b, '{');
	add_mode_member(c, "", b);
	buf_addc(b, '}');
	call_end(c);
}

bool
call_mode_trouble(struct call *c, enum outcome outcome)
{
	struct buf *b;

	switch (outcome) {
	case OUTCOME_DONE:
		return false;
	case OUTCOME_TIMED_OUT:
		b = call_begin_error(c, "TimedOut");
		buf_adds(b, "{\"outstanding\":");
		render_all_outstanding(c->d, b);
		break;
	case OUTCOME_FAILED:
		b = call_begin_error(c, "ModeFailed");
		buf_addc(b, '{');
		add_mode_member(c, "", b);
		buf_printf(b, "%s\"outstanding\":", engine_mode(c->d->engine) ? "," : "");
		render_all_outstanding(c->d, b);
		break;
	default:
		b = call_begin_error(c, engine_shutting_down(c->d->engine) ? "ShuttingDown" : "ModeReplaced");
		buf_addc(b, '{');
		if (!engine_shutting_down(c->d->engine))
			add_mode_member(c, "", b);
	}
	buf_addc(b, '}');
	call_end(c);
	return true;
}

static void
mode_answered(struct call *c, enum outcome outcome)
{
	if (!call_mode_trouble(c, outcome))
		reply_mode(c);
}

void
method_await_stable_mode(struct call *c)
{
	struct err err;

	daemon_at(c->d);
	if (engine_await(c->d->engine, false, call_wait(c, mode_answered), arg_deadline(c, "timeout"), &err) < 0)
		return call_failed(c, &err);
	daemon_settle(c->d);
}

/* -- waits for one application -- */

bool
call_app_trouble(struct call *c, enum outcome outcome)
{
	struct app *a = engine_find(c->d->engine, c->name);
	struct buf why = { 0 }, *b;

	if (outcome == OUTCOME_DONE && a != NULL)
		return false;
	if (a == NULL || outcome == OUTCOME_REPLACED) {
		buf_printf(&why, "application %s has left the configuration", c->name);
		call_fail(c, "Failed", "message", buf_cstr(&why));
	} else if (outcome == OUTCOME_TIMED_OUT) {
		b = call_begin_error(c, "TimedOut");
		buf_adds(b, "{\"outstanding\":[");
		render_outstanding(c->d, a, b);
		buf_adds(b, "]}");
		call_end(c);
	} else {
		explain_why(c->d->engine, a, clock_mono_ms(), &why);
		b = call_begin_error(c, "ApplicationFailed");
		buf_printf(b, "{\"name\":\"%s\",\"state\":\"%s\",\"why\":", a->name, app_state_name(a->state));
		buf_add_json(b, buf_cstr(&why));
		buf_addc(b, '}');
		call_end(c);
	}
	buf_free(&why);
	return true;
}

static void
await_app(struct call *c, bool end, answer_fn *answer)
{
	struct app *a = call_app(c);
	struct err err;

	if (a == NULL)
		return;
	memcpy(c->name, a->name, sizeof(c->name));
	daemon_at(c->d);
	if (engine_await_app(c->d->engine, a, end, call_wait(c, answer), arg_deadline(c, "timeout"), &err) < 0)
		return call_failed(c, &err);
	daemon_settle(c->d);
}

static void
app_is_as_it_should(struct call *c, enum outcome outcome)
{
	const struct app *a;

	if (call_app_trouble(c, outcome))
		return;
	a = engine_find(c->d->engine, c->name);
	buf_printf(call_begin(c), "{\"state\":\"%s\"}", app_state_name(a->state));
	call_end(c);
}

void
method_await_application(struct call *c)
{
	await_app(c, false, app_is_as_it_should);
}

static void
app_has_ended(struct call *c, enum outcome outcome)
{
	struct app *a;
	struct buf *b;

	if (call_app_trouble(c, outcome))
		return;
	a = engine_find(c->d->engine, c->name);
	b = call_begin(c);
	buf_printf(b, "{\"state\":\"%s\"", app_state_name(a->state));
	if (a->has_exit) {
		buf_adds(b, ",\"last_exit\":");
		render_last_exit(a, b);
	}
	buf_addc(b, '}');
	call_end(c);
}

void
method_wait(struct call *c)
{
	await_app(c, true, app_has_ended);
}

/* -- plan, diff, explain -- */

static void
add_step(struct call *c, const struct plan_step *s, struct buf *b)
{
	buf_printf(b, "{\"name\":\"%s\",\"action\":\"%s\",\"wave\":%u,\"why\":", engine_app(c->d->engine, s->vertex)->name,
		   plan_action_name(s->action), s->wave);
	buf_add_json(b, s->why);
	buf_adds(b, ",\"after\":");
	strings_print_json(&s->after, b);
	buf_addc(b, '}');
}

static void
reply_plan(struct call *c, const struct mode *mode, const struct plan *p)
{
	struct buf *b = call_begin(c);
	uint32_t i;

	buf_adds(b, "{\"steps\":[");
	for (i = 0; i < p->n; i++) {
		buf_adds(b, i ? "," : "");
		add_step(c, &p->v[i], b);
	}
	buf_addc(b, ']');
	if (mode != NULL)
		buf_printf(b, ",\"mode\":\"%s\"", mode->name);
	else
		add_mode_member(c, ",", b);
	buf_addc(b, '}');
	call_end(c);
}

void
method_plan(struct call *c)
{
	const char *name = arg_string(c, "mode");
	const struct mode *mode = NULL;
	struct plan_now *now;
	struct plan plan = { 0 };

	if (name != NULL && (mode = call_mode(c, name)) == NULL)
		return;
	now = plan_now_of(c->d->engine);
	if (now == NULL || plan_mode(now, mode, &plan) < 0)
		call_no_memory(c);
	else
		reply_plan(c, mode, &plan);
	plan_free(&plan);
	plan_now_free(now);
}

void
method_explain(struct call *c)
{
	struct app *a = call_app(c);
	struct causes causes = { 0 };
	struct buf *b;
	uint32_t i;

	if (a == NULL)
		return;
	if (explain(c->d->engine, a, clock_mono_ms(), &causes) < 0) {
		call_no_memory(c);
	} else {
		b = call_begin(c);
		buf_adds(b, "{\"chain\":[");
		for (i = 0; i < causes.n; i++)
			render_cause(&causes.v[i], i > 0, b);
		buf_adds(b, "]}");
		call_end(c);
	}
	causes_free(&causes);
}

void
method_find_application(struct call *c)
{
	json_int_t pid = json_integer_value(json_object_get(c->args, "pid"));
	const struct app *a = pid > 0 && pid <= INT32_MAX ? tree_owner(c->d, (pid_t)pid) : NULL;

	if (a == NULL)
		buf_adds(call_begin(c), "{}");
	else
		buf_printf(call_begin(c), "{\"name\":\"%s\"}", a->name);
	call_end(c);
}

/* -- relations -- */

static const char *const edge_names[] = { "requires", "optional", "order", "barrier" };

/* A walk in breadth from one application: everything is met on a shortest way. */
struct walk {
	struct call *c;
	bool backwards;			/* to what comes before */
	uint32_t *queue, *depth;	/* depth: by vertex, 0: not met */
	uint32_t n;
	struct buf *out;
};

static struct edges
edges_of(const struct walk *w, uint32_t vertex)
{
	const struct graph *g = engine_graph(w->c->d->engine);

	return w->backwards ? graph_preds(g, vertex) : graph_succs(g, vertex);
}

static void
meet(struct walk *w, uint32_t from, const struct edge *edge)
{
	const struct app *a = engine_app(w->c->d->engine, edge->other), *by = engine_app(w->c->d->engine, from);

	w->depth[edge->other] = w->depth[from] + 1;
	buf_printf(w->out, "%s{\"name\":\"%s\",\"kind\":\"%s\",\"depth\":%u,\"by\":\"%s\",\"state\":\"%s\"}",
		   w->n > 1 ? "," : "", a->name, edge_names[edge->kind], w->depth[edge->other] - 1, by->name,
		   app_state_name(a->state));
	w->queue[w->n++] = edge->other;
}

/* The stronger kind first: where two edges lead to one, it is met by that. */
static void
walk_on(struct walk *w, uint32_t from)
{
	struct edges edges = edges_of(w, from);
	int kind;
	uint32_t i;

	for (kind = EDGE_REQUIRES; kind <= EDGE_ORDER; kind++)
		for (i = 0; i < edges.n; i++)
			if (edges.v[i].kind == kind && w->depth[edges.v[i].other] == 0)
				meet(w, from, &edges.v[i]);
}

static void
relations(struct call *c, bool backwards)
{
	struct app *a = call_app(c);
	struct walk w = { .c = c, .backwards = backwards };
	uint32_t size = graph_size(engine_graph(c->d->engine)), i;

	if (a == NULL)
		return;
	w.queue = calloc(size, sizeof(*w.queue));
	w.depth = calloc(size, sizeof(*w.depth));
	if (w.queue == NULL || w.depth == NULL) {
		call_no_memory(c);
	} else {
		w.out = call_begin(c);
		buf_adds(w.out, "{\"relations\":[");
		w.queue[w.n++] = a->vertex;
		w.depth[a->vertex] = 1;
		for (i = 0; i < w.n; i++)
			walk_on(&w, w.queue[i]);
		buf_adds(w.out, "]}");
		call_end(c);
	}
	free(w.queue);
	free(w.depth);
}

void
method_dependencies(struct call *c)
{
	relations(c, true);
}

void
method_dependents(struct call *c)
{
	relations(c, false);
}

static void
add_edges_of(struct call *c, const struct app *a, const char **comma, struct buf *b)
{
	struct edges succs = graph_succs(engine_graph(c->d->engine), a->vertex);
	uint32_t i;

	for (i = 0; i < succs.n; i++) {
		if (succs.v[i].kind == EDGE_BARRIER)
			continue;
		buf_printf(b, "%s{\"before\":\"%s\",\"after\":\"%s\",\"kind\":\"%s\"}", *comma, a->name,
			   engine_app(c->d->engine, succs.v[i].other)->name, edge_names[succs.v[i].kind]);
		*comma = ",";
	}
}

void
method_graph(struct call *c)
{
	uint32_t n = engine_app_count(c->d->engine), i;
	struct buf *b = call_begin(c);
	const char *comma = "";

	buf_adds(b, "{\"applications\":[");
	for (i = 0; i < n; i++)
		buf_printf(b, "%s\"%s\"", i ? "," : "", engine_app(c->d->engine, i)->name);
	buf_adds(b, "],\"edges\":[");
	for (i = 0; i < n; i++)
		add_edges_of(c, engine_app(c->d->engine, i), &comma, b);
	buf_adds(b, "]}");
	call_end(c);
}

/* -- events -- */

void
method_subscribe(struct call *c)
{
	struct subscription_filter filter;
	struct err err;
	char *text;
	int rc;

	if (!c->more) {
		buf_adds(call_begin_error(c, "org.varlink.service.ExpectedMore"), "{}");
		call_end(c);
		return;
	}
	text = c->args ? json_dumps(c->args, JSON_COMPACT) : strdup("{}");
	if (text == NULL)
		return call_no_memory(c);
	rc = subscription_parse(text, strlen(text), &filter, &err);
	free(text);
	if (rc < 0)
		return call_invalid(c, "categories", err.msg);
	publisher_adopt(c->d->publisher, call_take_connection(c), &filter, FRAMING_VARLINK);
}
