/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "engine/control.h"

#include "core/control.h"
#include "core/explain.h"
#include "loop/loop.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/*
 * Status of 1,000 applications is written here several times a second where
 * somebody watches: straight into the buffer, without a tree of values and
 * without printf in what every row has.  Names are [A-Za-z][-A-Za-z0-9_]* and
 * need no escapes.
 */

#define ADD(out, literal) buf_add(out, literal, sizeof(literal) - 1)

/* Which roles an application is in, and which modes by those: indices, for all applications in one array each. */
struct roles_of {
	struct model *model;
	uint32_t *role_at, *roles;	/* roles[role_at[app]..role_at[app + 1]) */
	uint32_t *mode_at, *modes;
};

const struct model *
roles_of_model(const struct roles_of *r)
{
	return r->model;
}

void
roles_of_free(struct roles_of *r)
{
	if (r == NULL)
		return;
	model_unref(r->model);
	free(r->role_at);
	free(r->roles);
	free(r->mode_at);
	free(r->modes);
	free(r);
}

/* Counting sort by application: first how many each has, then where each begins. */
static int
fill_roles(struct roles_of *r)
{
	const struct model *m = r->model;
	uint32_t i, j, total = 0, *at;

	r->role_at = at = calloc((size_t)m->app_count + 2, sizeof(*at));
	for (i = 0; i < m->role_count; i++)
		total += m->roles[i].n;
	r->roles = calloc((size_t)total + 1, sizeof(*r->roles));
	if (at == NULL || r->roles == NULL)
		return -1;
	for (i = 0; i < m->role_count; i++)
		for (j = 0; j < m->roles[i].n; j++)
			at[m->roles[i].apps[j] + 2]++;
	for (i = 2; i < m->app_count + 2; i++)
		at[i] += at[i - 1];
	for (i = 0; i < m->role_count; i++)
		for (j = 0; j < m->roles[i].n; j++)
			r->roles[at[m->roles[i].apps[j] + 1]++] = i;
	return 0;
}

static bool
mode_has_role(const struct mode *mode, uint32_t role)
{
	uint32_t i;

	for (i = 0; i < mode->n; i++)
		if (mode->roles[i] == role)
			return true;
	return false;
}

static bool
mode_has_app(const struct roles_of *r, const struct mode *mode, uint32_t app)
{
	uint32_t i;

	for (i = r->role_at[app]; i < r->role_at[app + 1]; i++)
		if (mode_has_role(mode, r->roles[i]))
			return true;
	return false;
}

static int
fill_modes(struct roles_of *r)
{
	const struct model *m = r->model;
	size_t n = 0, cap = (size_t)m->app_count + 16;
	uint32_t app, i, *v;

	r->mode_at = calloc((size_t)m->app_count + 1, sizeof(*r->mode_at));
	r->modes = calloc(cap, sizeof(*r->modes));
	if (r->mode_at == NULL || r->modes == NULL)
		return -1;
	for (app = 0; app < m->app_count; app++) {
		for (i = 0; i < m->mode_count; i++) {
			if (!mode_has_app(r, &m->modes[i], app))
				continue;
			if (n == cap) {
				v = realloc(r->modes, (cap *= 2) * sizeof(*v));
				if (v == NULL)
					return -1;
				r->modes = v;
			}
			r->modes[n++] = i;
		}
		r->mode_at[app + 1] = (uint32_t)n;
	}
	return 0;
}

struct roles_of *
roles_of_new(const struct model *m)
{
	struct roles_of *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->model = model_ref((struct model *)m);
	if (fill_roles(r) < 0 || fill_modes(r) < 0) {
		roles_of_free(r);
		return NULL;
	}
	return r;
}

static void
add_number(struct buf *out, int64_t number)
{
	char digits[24];
	size_t at = sizeof(digits);
	uint64_t n = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

	do
		digits[--at] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	if (number < 0)
		digits[--at] = '-';
	buf_add(out, digits + at, sizeof(digits) - at);
}

/* Seconds with six digits behind the point. */
static void
add_time(struct buf *out, int64_t us)
{
	char digits[7] = ".000000";
	int64_t rest = us % 1000000;
	int i;

	add_number(out, us / 1000000);
	for (i = 6; i > 0; i--, rest /= 10)
		digits[i] = (char)('0' + rest % 10);
	buf_add(out, digits, sizeof(digits));
}

static void
add_name(struct buf *out, const char *name)
{
	buf_addc(out, '"');
	buf_adds(out, name);
	buf_addc(out, '"');
}

static void
add_bool(struct buf *out, bool b)
{
	if (b)
		ADD(out, "true");
	else
		ADD(out, "false");
}

void
render_names(struct app *const *v, size_t n, struct buf *out)
{
	size_t i;

	buf_addc(out, '[');
	for (i = 0; i < n; i++) {
		if (i > 0)
			buf_addc(out, ',');
		add_name(out, v[i]->name);
	}
	buf_addc(out, ']');
}

/* As a string, and gives text back; where memory ran out for it, it did for the reply. */
static void
add_text(struct buf *out, struct buf *text)
{
	buf_add_json(out, buf_cstr(text));
	out->failed |= text->failed;
	buf_free(text);
}

void
render_origin(const struct origin *at, struct buf *out)
{
	struct buf text = { 0 };

	buf_printf(&text, "%s:%u", at->file, at->line);
	add_text(out, &text);
}

/* "NAME=…" of each, one behind the other with its NUL, and where each begins. */
static void
hide_values(const struct strings *environment, struct buf *texts, struct buf *pointers)
{
	const char *at;
	uint32_t i;

	for (i = 0; i < environment->n; i++)
		buf_printf(texts, "%.*s=…%c", (int)strcspn(environment->v[i], "="), environment->v[i], '\0');
	at = texts->data;
	for (i = 0; i < environment->n && !texts->failed; i++, at += strlen(at) + 1)
		buf_add(pointers, &at, sizeof(at));
}

void
render_definition(const struct app_def *def, bool with_values, struct buf *out)
{
	struct buf texts = { 0 }, pointers = { 0 };
	struct circumstances as;
	struct app_def shown = *def;

	if (!with_values && def->as != NULL && def->as->environment.n > 0) {
		as = *def->as;
		shown.as = &as;
		hide_values(&as.environment, &texts, &pointers);
		as.environment.v = (const char **)(void *)pointers.data;
	}
	if (texts.failed || pointers.failed)
		out->failed = true;
	else
		app_def_print_json(&shown, out);
	buf_free(&texts);
	buf_free(&pointers);
}

void
render_cause(const struct cause *cause, bool comma, struct buf *out)
{
	buf_adds(out, comma ? ",{\"fact\":" : "{\"fact\":");
	buf_add_json(out, cause->fact);
	if (cause->name != NULL) {
		ADD(out, ",\"name\":");
		add_name(out, cause->name);
	}
	if (cause->at.file != NULL) {
		ADD(out, ",\"origin\":");
		render_origin(&cause->at, out);
	}
	buf_addc(out, '}');
}

void
render_last_exit(const struct app *a, struct buf *out)
{
	if (!a->has_exit) {
		ADD(out, "null");
		return;
	}
	ADD(out, "{\"text\":\"");
	explain_exit(a->exit_status, out);
	if (WIFSIGNALED(a->exit_status)) {
		ADD(out, "\",\"signal\":");
		add_name(out, signal_name(WTERMSIG(a->exit_status)));
	} else {
		ADD(out, "\",\"code\":");
		add_number(out, WEXITSTATUS(a->exit_status));
	}
	ADD(out, ",\"reason\":");
	add_name(out, reason_name(a->exit_reason));
	ADD(out, ",\"time\":");
	add_time(out, a->exit_real_us);
	buf_addc(out, '}');
}

/* Those at the near ends of edges that hold up what is at the far end; *comma is what stands before the next. */
static void
add_blockers(struct daemon *d, struct edges preds, const char **comma, struct buf *out)
{
	struct app *b;
	uint32_t i;

	for (i = 0; i < preds.n; i++) {
		b = engine_app(d->engine, preds.v[i].other);
		if (b == NULL || !engine_edge_counts(d->engine, &preds.v[i]))
			continue;
		buf_adds(out, *comma);
		add_name(out, b->name);
		*comma = ",";
	}
}

static void
add_waits_for(struct daemon *d, const struct app *a, struct buf *out)
{
	const struct graph *g = engine_graph(d->engine);
	const char *comma = "";
	struct edges preds = graph_preds(g, a->vertex);
	uint32_t i;

	ADD(out, ",\"waits_for\":[");
	if (a->state == APP_WAITING) {
		add_blockers(d, preds, &comma, out);
		for (i = 0; i < preds.n; i++)
			if (preds.v[i].other == graph_barrier(g))
				add_blockers(d, graph_preds(g, preds.v[i].other), &comma, out);
	}
	buf_addc(out, ']');
}

static void
add_roles(const struct roles_of *r, const struct app *a, struct buf *out)
{
	const struct model *m = r->model;
	bool known = a->vertex < m->app_count;	/* neither transient nor leaving */
	uint32_t app = known ? a->vertex : 0, i;

	ADD(out, ",\"roles\":[");
	for (i = r->role_at[app]; known && i < r->role_at[app + 1]; i++) {
		if (i > r->role_at[app])
			buf_addc(out, ',');
		add_name(out, m->roles[r->roles[i]].name);
	}
	ADD(out, "],\"modes\":[");
	for (i = r->mode_at[app]; known && i < r->mode_at[app + 1]; i++) {
		if (i > r->mode_at[app])
			buf_addc(out, ',');
		add_name(out, m->modes[r->modes[i]].name);
	}
	buf_addc(out, ']');
}

static const char *
why_by(struct daemon *d, const struct want *w)
{
	if (w->why == WHY_ROLE)
		return engine_model(d->engine)->roles[w->by].name;
	if (w->why == WHY_REQUIRED && engine_app(d->engine, w->by) != NULL)
		return engine_app(d->engine, w->by)->name;
	return NULL;
}

static void
add_wish(struct daemon *d, const struct app *a, struct buf *out)
{
	const struct want *w = engine_want(d->engine, a);
	const char *by = why_by(d, w);

	ADD(out, ",\"wanted\":");
	add_bool(out, a->wanted);
	ADD(out, ",\"why\":");
	add_name(out, why_name(w->why));
	if (by != NULL) {
		ADD(out, ",\"why_by\":");
		add_name(out, by);
	}
	if (a->wish == WISH_UP)
		ADD(out, ",\"operator\":\"up\"");
	else if (a->wish == WISH_DOWN && a->cause != REASON_DEPENDENCY)
		ADD(out, ",\"operator\":\"down\"");
}

static void
add_failure(const struct app *a, struct buf *out)
{
	struct buf text = { 0 };

	if (a->fail_step == NULL)
		return;
	explain_spawn_failure(a, &text);
	ADD(out, ",\"failure\":");
	add_text(out, &text);
}

static void
add_process(const struct app *a, struct buf *out)
{
	if (a->pid > 0) {
		ADD(out, ",\"pid\":");
		add_number(out, a->pid);
	}
	if (a->status_text != NULL) {
		ADD(out, ",\"status_text\":");
		buf_add_json(out, a->status_text);
	}
	ADD(out, ",\"restarts\":");
	add_number(out, a->restarts);
	if (a->state == APP_BACKOFF) {
		ADD(out, ",\"restart_in\":");
		add_time(out, a->deadline_ms > clock_mono_ms() ? (a->deadline_ms - clock_mono_ms()) * 1000 : 0);
	}
	if (a->has_exit) {
		ADD(out, ",\"last_exit\":");
		render_last_exit(a, out);
	}
	add_failure(a, out);
}

static const char *
tracking_name(const struct daemon *d)
{
	return d->hello.tracking == TRACKING_CGROUP ? "cgroup" : "subreaper";
}

static bool
runs_here(const struct app *a)
{
	return a->state == APP_RUNNING || (a->state == APP_COMPLETED && a->def->type == APP_ONESHOT);
}

static void
add_definition(const struct daemon *d, const struct app *a, struct buf *out)
{
	const struct app_def *def = a->next_def ? a->next_def : a->def;

	if (def->description != NULL) {
		ADD(out, ",\"description\":");
		buf_add_json(out, def->description);
	}
	ADD(out, ",\"type\":");
	add_name(out, app_type_name(def->type));
	ADD(out, ",\"tracking\":");
	add_name(out, tracking_name(d));
	ADD(out, ",\"protected\":");
	add_bool(out, def->is_protected);
	ADD(out, ",\"background\":");
	add_bool(out, !def->in_role && !a->transient && !def->disabled);
	ADD(out, ",\"transient\":");
	add_bool(out, a->transient);
	ADD(out, ",\"enabled\":");
	add_bool(out, !def->disabled);
	if (def->at.file != NULL) {
		ADD(out, ",\"origin\":");
		render_origin(&def->at, out);
	}
	if (def->log == LOG_TO_FILE && def->log_path != NULL) {
		ADD(out, ",\"log\":");
		buf_add_json(out, def->log_path);
	}
}

void
render_app(struct daemon *d, const struct roles_of *r, const struct app *a, struct buf *out)
{
	ADD(out, "{\"name\":");
	add_name(out, a->name);
	ADD(out, ",\"state\":");
	add_name(out, app_state_name(a->state));
	ADD(out, ",\"since\":");
	add_time(out, a->since_real_us);
	ADD(out, ",\"reason\":");
	add_name(out, reason_name(a->reason));
	add_wish(d, a, out);
	add_process(a, out);
	add_waits_for(d, a, out);
	add_roles(r, a, out);
	ADD(out, ",\"running_locally\":");
	add_bool(out, runs_here(a));
	ADD(out, ",\"running_remotely\":[]");
	add_definition(d, a, out);
	buf_addc(out, '}');
}

void
render_outstanding(struct daemon *d, const struct app *a, struct buf *out)
{
	struct buf why = { 0 };

	ADD(out, "{\"name\":");
	add_name(out, a->name);
	ADD(out, ",\"state\":");
	add_name(out, app_state_name(a->state));
	ADD(out, ",\"why\":");
	explain_why(d->engine, a, clock_mono_ms(), &why);
	add_text(out, &why);
	buf_addc(out, '}');
}

void
render_all_outstanding(struct daemon *d, struct buf *out)
{
	size_t n = engine_outstanding(d->engine, NULL), i;
	struct app **v = calloc(n + 1, sizeof(*v));

	if (v == NULL) {
		out->failed = true;
		return;
	}
	engine_outstanding(d->engine, v);
	buf_addc(out, '[');
	for (i = 0; i < n; i++) {
		if (i > 0)
			buf_addc(out, ',');
		render_outstanding(d, v[i], out);
	}
	buf_addc(out, ']');
	free(v);
}

static void
add_mode(struct daemon *d, struct buf *out)
{
	static const char *const states[] = { "changing", "stable", "failed" };
	const struct model *m = engine_model(d->engine);
	const char *name = engine_mode(d->engine);
	const struct mode *mode = name ? model_find_mode(m, name) : NULL;
	uint32_t i;

	if (name != NULL) {
		ADD(out, ",\"current_mode\":");
		add_name(out, name);
	}
	ADD(out, ",\"current_roles\":[");
	for (i = 0; mode != NULL && i < mode->n; i++) {
		if (i > 0)
			buf_addc(out, ',');
		add_name(out, m->roles[mode->roles[i]].name);
	}
	ADD(out, "],\"mode_state\":");
	add_name(out, states[engine_mode_state(d->engine)]);
	ADD(out, ",\"stable\":");
	add_bool(out, engine_is_stable(d->engine));
	ADD(out, ",\"shutting_down\":");
	add_bool(out, engine_shutting_down(d->engine));
}

struct listing {
	const struct daemon *d;
	const struct peer *peer;
};

static bool
is_allowed(const struct listing *l, const struct app *a)
{
	return engine_want(l->d->engine, a)->why != WHY_NOT;
}

static bool
is_here(const struct listing *l, const struct app *a)
{
	(void)l;
	return runs_here(a);
}

static bool
is_operable(const struct listing *l, const struct app *a)
{
	return access_of(l->d, l->peer, a->name) >= ACCESS_OPERATE;
}

static void
add_names_of(const struct listing *l, bool (*is)(const struct listing *l, const struct app *a), struct buf *out)
{
	uint32_t n = engine_app_count(l->d->engine), i;
	bool any = false;
	struct app *a;

	buf_addc(out, '[');
	for (i = 0; i < n; i++) {
		a = engine_app(l->d->engine, i);
		if (!is(l, a))
			continue;
		if (any)
			buf_addc(out, ',');
		any = true;
		add_name(out, a->name);
	}
	buf_addc(out, ']');
}

static void
add_allowed(const struct listing *listing, struct buf *out)
{
	enum access_level held = access_of(listing->d, listing->peer, NULL), l;

	ADD(out, ",\"allowed\":[");
	for (l = ACCESS_READ; l <= held; l++) {
		if (l > ACCESS_READ)
			buf_addc(out, ',');
		add_name(out, access_level_name(l));
	}
	ADD(out, "],\"allowed_applications\":");
	add_names_of(listing, is_allowed, out);
	if (held >= ACCESS_OPERATE)
		return;
	ADD(out, ",\"operable\":");
	add_names_of(listing, is_operable, out);
}

void
render_node(struct daemon *d, const struct peer *peer, struct buf *out)
{
	const struct listing listing = { d, peer };

	ADD(out, "\"node\":");
	buf_add_json(out, d->node);
	buf_printf(out, ",\"version\":\"" PACKAGE_VERSION "\",\"instance\":\"%016" PRIx64 "\",\"pid\":%d,\"replaced\":%u",
		   d->hello.instance, (int)getppid(), d->hello.replaced);
	ADD(out, ",\"tracking\":");
	add_name(out, tracking_name(d));
	add_mode(d, out);
	ADD(out, ",\"running_locally\":");
	add_names_of(&listing, is_here, out);
	ADD(out, ",\"running_remotely\":[]");
	add_allowed(&listing, out);
}
