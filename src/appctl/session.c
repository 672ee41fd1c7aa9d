/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "appctl/cmd.h"
#include "appctl/output.h"
#include "appctl/progress.h"

#include <stdarg.h>
#include <string.h>

struct appctl *
session(struct cmdline *l)
{
	struct appctl_error e = { 0 };

	if (l->client == NULL) {
		l->client = appctl_new_on(l->runtime_dir, l->node, &e);
		if (l->client == NULL)
			l->status = fail(l, &e);
	}
	return l->client;
}

json_t *
ask(struct cmdline *l, const char *method, json_t *take_params)
{
	struct appctl_error e = { 0 };
	json_t *reply;

	if (session(l) == NULL) {
		json_decref(take_params);
		return NULL;
	}
	reply = appctl_call(l->client, method, take_params, &e);
	if (reply == NULL)
		l->status = fail(l, &e);
	return reply;
}

json_t *
ask_and_wait(struct cmdline *l, const char *method, json_t *take_params, const char *app)
{
	struct appctl_error e = { 0 };
	json_t *reply = NULL;

	if (session(l) == NULL) {
		json_decref(take_params);
		return NULL;
	}
	if (appctl_begin(l->client, method, take_params, 0, NULL, 0, &e) == 0)
		reply = progress_wait(l, app, &e);
	if (reply == NULL)
		l->status = fail(l, &e);
	return reply;
}

/* "  db: starting: it is not ready yet" for each. */
static void
complain_outstanding(const json_t *outstanding)
{
	const char *state, *why;
	size_t i;
	const json_t *o;

	json_array_foreach((json_t *)outstanding, i, o) {
		state = text_at(o, "state");
		why = text_at(o, "why");
		fputs("  ", stderr);
		print_text(stderr, text_at(o, "name"));
		/* The reason often begins with the state itself. */
		if (*why == '\0' || strncmp(why, state, strlen(state)) != 0) {
			fputs(": ", stderr);
			print_text(stderr, state);
		}
		if (*why) {
			fputs(": ", stderr);
			print_text(stderr, why);
		}
		fputc('\n', stderr);
	}
}

/* "FILE:LINE: PATH: MESSAGE (HINT)" as the check of a configuration prints it. */
static void
complain_problems(const json_t *problems)
{
	struct buf b = { 0 };
	size_t i;
	const json_t *p;

	json_array_foreach((json_t *)problems, i, p) {
		if (*text_at(p, "file")) {
			add_text(&b, text_at(p, "file"));
			if (number_at(p, "line") > 0)
				buf_printf(&b, ":%.0f", number_at(p, "line"));
			buf_adds(&b, ": ");
		}
		if (*text_at(p, "path")) {
			add_text(&b, text_at(p, "path"));
			buf_adds(&b, ": ");
		}
		add_text(&b, text_at(p, "message"));
		if (*text_at(p, "hint")) {
			buf_adds(&b, " (");
			add_text(&b, text_at(p, "hint"));
			buf_addc(&b, ')');
		}
		buf_addc(&b, '\n');
	}
	fputs(buf_text(&b), stderr);
	buf_free(&b);
}

void
complain(const struct appctl_error *e)
{
	fflush(stdout);
	fputs("appctl: ", stderr);
	print_text(stderr, e->message);
	fputc('\n', stderr);
	complain_outstanding(json_object_get(e->parameters, "outstanding"));
	complain_problems(json_object_get(e->parameters, "problems"));
}

json_t *
error_json(const struct appctl_error *e)
{
	json_t *doc = need_json(json_pack("{s:i, s:s}", "status", (int)e->status, "message", e->message));

	if (*e->name)
		set_json(doc, "name", json_string(e->name));
	if (e->parameters != NULL)
		set_json(doc, "parameters", json_incref(e->parameters));
	return doc;
}

/* A method that is not there has to do with versions: both are named. */
static void
add_versions(const struct cmdline *l, struct appctl_error *e)
{
	struct appctl_error other = { 0 };
	json_t *info;
	size_t len = strlen(e->message);

	if (l->client == NULL || strcmp(e->name, "org.varlink.service.MethodNotFound") != 0)
		return;
	info = appctl_call(l->client, "org.varlink.service.GetInfo", NULL, &other);
	if (info != NULL)
		snprintf(e->message + len, sizeof(e->message) - len, ": appctld is %s, this appctl " PACKAGE_VERSION,
			 text_at(info, "version"));
	json_decref(info);
	appctl_error_clear(&other);
}

int
fail(const struct cmdline *l, struct appctl_error *e)
{
	int status = e->status;

	add_versions(l, e);
	complain(e);
	if (l->json)
		print_json(need_json(json_pack("{s:o}", "error", error_json(e))));
	appctl_error_clear(e);
	return status;
}

int
fail_here(const struct cmdline *l, enum appctl_status status, const char *fmt, ...)
{
	struct appctl_error e = { .status = status };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.message, sizeof(e.message), fmt, ap);
	va_end(ap);
	return fail(l, &e);
}
