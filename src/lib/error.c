/* SPDX-License-Identifier: MIT */
#include "lib/lib.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CONTROL "org.appctl.Control."
#define TASKS "org.appctl.Tasks."
#define SERVICE "org.varlink.service."

void
appctl_error_clear(struct appctl_error *e)
{
	json_decref(e->parameters);
	*e = (struct appctl_error){ 0 };
}

int
error_set(struct appctl_error *e, enum appctl_status status, const char *fmt, ...)
{
	va_list ap;

	appctl_error_clear(e);
	e->status = status;
	va_start(ap, fmt);
	vsnprintf(e->message, sizeof(e->message), fmt, ap);
	va_end(ap);
	return -1;
}

int
error_errno(struct appctl_error *e, int code, const char *fmt, ...)
{
	va_list ap;
	size_t used;

	appctl_error_clear(e);
	e->status = code == EACCES || code == EPERM ? APPCTL_NOT_PERMITTED : APPCTL_UNREACHABLE;
	va_start(ap, fmt);
	vsnprintf(e->message, sizeof(e->message), fmt, ap);
	va_end(ap);
	used = strlen(e->message);
	snprintf(e->message + used, sizeof(e->message) - used, ": %s", strerror(code));
	return -1;
}

int
error_memory(struct appctl_error *e)
{
	return error_set(e, APPCTL_FAILED, "no memory");
}

int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static const char *
text_of(const json_t *parameters, const char *key)
{
	const char *s = json_string_value(json_object_get(parameters, key));

	return s ? s : "";
}

/* "web, api and db", or as many as find room. */
static void
add_names(struct buf *b, const json_t *names)
{
	size_t i, n = json_array_size(names);
	const json_t *v;
	const char *name;

	for (i = 0; i < n; i++) {
		v = json_array_get(names, i);
		name = json_is_object(v) ? text_of(v, "name") : json_string_value(v);
		buf_printf(b, "%s%s", i == 0 ? "" : i + 1 == n ? " and " : ", ", name ? name : "?");
	}
}

static void
say_timed_out(struct buf *b, const json_t *p)
{
	buf_adds(b, "timed out");
	if (json_array_size(json_object_get(p, "outstanding")) > 0) {
		buf_adds(b, " waiting for ");
		add_names(b, json_object_get(p, "outstanding"));
	}
}

static void
say_mode_failed(struct buf *b, const json_t *p)
{
	const char *mode = text_of(p, "mode");

	buf_printf(b, "%s%s cannot be reached", *mode ? "mode " : "the state that is wanted", mode);
	if (json_array_size(json_object_get(p, "outstanding")) > 0) {
		buf_adds(b, ": not as they should be: ");
		add_names(b, json_object_get(p, "outstanding"));
	}
}

static void
say_mode_replaced(struct buf *b, const json_t *p)
{
	buf_printf(b, "another mode was set meanwhile: %s", text_of(p, "mode"));
}

static void
say_application_failed(struct buf *b, const json_t *p)
{
	const char *why = text_of(p, "why"), *state = text_of(p, "state");

	if (*why && strncmp(why, state, strlen(state)) == 0)
		buf_printf(b, "%s: %s", text_of(p, "name"), why);	/* it names the state itself */
	else
		buf_printf(b, "%s is %s%s%s", text_of(p, "name"), state, *why ? ": " : "", why);
}

static void
say_unknown(struct buf *b, const char *what, const char *name, const char *nearest)
{
	buf_printf(b, "there is no %s \"%s\"", what, name);
	if (*nearest)
		buf_printf(b, "; did you mean \"%s\"?", nearest);
}

static void
say_unknown_mode(struct buf *b, const json_t *p)
{
	say_unknown(b, "mode", text_of(p, "mode"), text_of(p, "nearest"));
}

static void
say_no_application(struct buf *b, const json_t *p)
{
	say_unknown(b, "application", text_of(p, "name"), text_of(p, "nearest"));
}

static void
say_not_permitted(struct buf *b, const json_t *p)
{
	const char *held = text_of(p, "held"), *name = text_of(p, "name"), *key = text_of(p, "key");
	bool by_node = strcmp(text_of(p, "by"), "node.conf") == 0;

	buf_printf(b, "not permitted: %s%s%s%s needs the level \"%s\", yours is \"%s\" (see %s)",
		   *name || *key ? "" : "this", *key ? "the key " : "", key, name, text_of(p, "needed"), *held ? held : "none",
		   by_node ? "allow in that node's node.conf" : "access in appctld.conf(5)");
}

static void
say_has_dependents(struct buf *b, const json_t *p)
{
	buf_printf(b, "%s is needed by ", text_of(p, "name"));
	add_names(b, json_object_get(p, "dependents"));
}

static void
say_not_running(struct buf *b, const json_t *p)
{
	buf_printf(b, "%s is not running", text_of(p, "name"));
}

static void
say_invalid_configuration(struct buf *b, const json_t *p)
{
	size_t n = json_array_size(json_object_get(p, "problems"));

	buf_printf(b, "the configuration has %zu error%s; nothing was changed", n, n == 1 ? "" : "s");
}

static void
say_message(struct buf *b, const json_t *p)
{
	const char *message = text_of(p, "message");

	buf_adds(b, *message ? message : "it failed");
}

static void
say_shutting_down(struct buf *b, const json_t *p)
{
	(void)p;
	buf_adds(b, "appctld is shutting down");
}

static void
say_no_method(struct buf *b, const json_t *p)
{
	const char *method = text_of(p, "method");

	buf_printf(b, "this appctld does not have the method %s; it is of another version",
		   *method ? method : text_of(p, "interface"));
}

static void
say_parameter(struct buf *b, const json_t *p)
{
	const char *why = text_of(p, "message");

	buf_printf(b, "appctld does not accept the parameter \"%s\"%s%s", text_of(p, "parameter"), *why ? ": it " : "", why);
}

static void
say_denied(struct buf *b, const json_t *p)
{
	(void)p;
	buf_adds(b, "not permitted");
}

static void
say_no_task(struct buf *b, const json_t *p)
{
	say_unknown(b, "task", text_of(p, "name"), "");
}

static void
say_task_exists(struct buf *b, const json_t *p)
{
	buf_printf(b, "there is a task %s already; await it, or choose another name", text_of(p, "name"));
}

static void
say_task_timed_out(struct buf *b, const json_t *p)
{
	buf_printf(b, "%s has not ended in time%s", text_of(p, "name"),
		   json_is_true(json_object_get(p, "stopped")) ? "; it is stopped" : "; it goes on");
}

static const struct known_error {
	const char *name;
	enum appctl_status status;
	void (*say)(struct buf *b, const json_t *parameters);
} known_errors[] = {
	{ CONTROL "TimedOut", APPCTL_TIMED_OUT, say_timed_out },
	{ CONTROL "ModeFailed", APPCTL_FAILED, say_mode_failed },
	{ CONTROL "ModeReplaced", APPCTL_FAILED, say_mode_replaced },
	{ CONTROL "ApplicationFailed", APPCTL_FAILED, say_application_failed },
	{ CONTROL "UnknownMode", APPCTL_NOT_FOUND, say_unknown_mode },
	{ CONTROL "NoSuchApplication", APPCTL_NOT_FOUND, say_no_application },
	{ CONTROL "NotPermitted", APPCTL_NOT_PERMITTED, say_not_permitted },
	{ CONTROL "HasDependents", APPCTL_FAILED, say_has_dependents },
	{ CONTROL "NotRunning", APPCTL_FAILED, say_not_running },
	{ CONTROL "InvalidConfiguration", APPCTL_INVALID, say_invalid_configuration },
	{ CONTROL "Failed", APPCTL_FAILED, say_message },
	{ CONTROL "ShuttingDown", APPCTL_FAILED, say_shutting_down },
	{ CONTROL "Busy", APPCTL_FAILED, say_message },
	{ TASKS "NoSuchTask", APPCTL_NOT_FOUND, say_no_task },
	{ TASKS "TaskExists", APPCTL_FAILED, say_task_exists },
	{ TASKS "TimedOut", APPCTL_TIMED_OUT, say_task_timed_out },
	{ TASKS "NotPermitted", APPCTL_NOT_PERMITTED, say_message },
	{ TASKS "Busy", APPCTL_FAILED, say_message },
	{ TASKS "Failed", APPCTL_FAILED, say_message },
	{ SERVICE "MethodNotFound", APPCTL_FAILED, say_no_method },
	{ SERVICE "MethodNotImplemented", APPCTL_FAILED, say_no_method },
	{ SERVICE "InterfaceNotFound", APPCTL_FAILED, say_no_method },
	{ SERVICE "InvalidParameter", APPCTL_INVALID, say_parameter },
	{ SERVICE "PermissionDenied", APPCTL_NOT_PERMITTED, say_denied },
};

int
error_varlink(struct appctl_error *e, const char *name, json_t *parameters)
{
	const struct known_error *k, *end = known_errors + sizeof(known_errors) / sizeof(known_errors[0]);
	struct buf b = { 0 };

	for (k = known_errors; k < end && strcmp(k->name, name) != 0; k++)
		;
	if (k < end)
		k->say(&b, parameters);
	else
		buf_printf(&b, "appctld answered with the error %s", name);
	error_set(e, k < end ? k->status : APPCTL_FAILED, "%s", buf_cstr(&b));
	snprintf(e->name, sizeof(e->name), "%s", name);
	e->parameters = json_incref(parameters);
	buf_free(&b);
	return -1;
}

int
error_of_node(struct appctl_error *e, const char *node)
{
	char message[sizeof(e->message)];

	if (node == NULL)
		return -1;
	snprintf(message, sizeof(message), "%s", e->message);
	snprintf(e->message, sizeof(e->message), "%.255s: %.700s", node, message);
	return -1;
}
