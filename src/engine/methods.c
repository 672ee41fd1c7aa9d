/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "engine/control.h"
#include "engine/varlink_text.h"

#include "core/control.h"
#include "loop/loop.h"
#include "serve/service_text.h"
#include "serve/signature.h"

#include <stdio.h>
#include <string.h>

#define INTERFACE "org.appctl.Control"
#define SERVICE "org.varlink.service"

static const struct method {
	struct control_method is;
	method_fn *run;
} methods[] = {
#define X(name, function, level, signature) { { name, ACCESS_##level, signature }, method_##function },
	CONTROL_METHODS(X)
#undef X
};

static method_fn get_info, get_interface_description;
static const struct method service_methods[] = {
	{ { "GetInfo", ACCESS_NONE, "" }, get_info },
	{ { "GetInterfaceDescription", ACCESS_NONE, "interface: string" }, get_interface_description },
};

static void
get_info(struct call *c)
{
	struct buf *b = call_begin(c);

	buf_adds(b, "{\"vendor\":\"appctl\",\"product\":\"appctld\",\"version\":\"" PACKAGE_VERSION "\","
		 "\"url\":\"https://varlink.org\",\"interfaces\":[\"" SERVICE "\",\"" INTERFACE "\"]}");
	call_end(c);
}

static void
get_interface_description(struct call *c)
{
	const char *name = arg_string(c, "interface"), *text;
	struct buf *b;

	if (strcmp(name, INTERFACE) == 0)
		text = control_interface_text;
	else if (strcmp(name, SERVICE) == 0)
		text = service_interface_text;
	else
		return call_fail(c, SERVICE ".InterfaceNotFound", "interface", name);
	b = call_begin(c);
	buf_adds(b, "{\"description\":");
	buf_add_json(b, text);
	buf_addc(b, '}');
	call_end(c);
}

const char *
arg_string(const struct call *c, const char *name)
{
	return json_string_value(json_object_get(c->args, name));
}

bool
arg_bool(const struct call *c, const char *name)
{
	return json_is_true(json_object_get(c->args, name));
}

int64_t
arg_deadline(const struct call *c, const char *name)
{
	const json_t *v = json_object_get(c->args, name);
	const double year_ms = 365.25 * 24 * 3600 * 1000;
	double ms = json_number_value(v) * 1000;

	if (!json_is_number(v) || ms > 100 * year_ms)
		return 0;
	return clock_mono_ms() + (int64_t)(ms + 0.999);		/* rounded up: never before its time */
}

static bool
check_params(struct call *c, const char *signature)
{
	struct signature_fault fault;

	if (signature_fits(signature, c->args, &fault))
		return true;
	call_invalid(c, fault.parameter, fault.why);
	return false;
}

static bool
check_access(struct call *c, const struct method *m)
{
	enum access_level held = access_of(c->d, c->peer, control_is_of_one(&m->is) ? arg_string(c, "name") : NULL);

	if (held >= m->is.level)
		return true;
	c->guest = m->run == method_run && access_run_as(c->d, c->peer, NULL) != NULL;
	if (!c->guest)
		call_not_permitted(c, m->is.level, held, NULL, NULL);
	return c->guest;
}

static const struct method *
find_in(const struct method *v, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(v[i].is.name, name) == 0)
			return &v[i];
	return NULL;
}

static bool
is_interface(const char *name, size_t len, const char *interface)
{
	return strlen(interface) == len && memcmp(name, interface, len) == 0;
}

/* NULL: there is none, which was answered. */
static const struct method *
find_method(struct call *c, const char *name)
{
	const char *dot = strrchr(name, '.');
	const struct method *m;
	size_t len = dot ? (size_t)(dot - name) : 0;
	char interface[256];

	if (dot != NULL && is_interface(name, len, INTERFACE))
		m = find_in(methods, sizeof(methods) / sizeof(*methods), dot + 1);
	else if (dot != NULL && is_interface(name, len, SERVICE))
		m = find_in(service_methods, sizeof(service_methods) / sizeof(*service_methods), dot + 1);
	else {
		snprintf(interface, sizeof(interface), "%.*s", (int)(dot ? len : strlen(name)), name);
		call_fail(c, SERVICE ".InterfaceNotFound", "interface", interface);
		return NULL;
	}
	if (m == NULL)
		call_fail(c, SERVICE ".MethodNotFound", "method", name);
	return m;
}

void
methods_call(struct call *c)
{
	const char *name = json_string_value(json_object_get(c->message, "method"));
	const struct method *m = find_method(c, name);

	if (m == NULL)
		return;
	if (json_is_true(json_object_get(c->message, "upgrade"))) {
		call_fail(c, SERVICE ".MethodNotImplemented", "method", name);
		return;
	}
	if (check_params(c, m->is.signature) && check_access(c, m))
		m->run(c);
}
