/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "engine/control.h"
#include "engine/varlink_text.h"

#include "loop/loop.h"
#include "serve/service_text.h"
#include "serve/signature.h"

#include <stdio.h>
#include <string.h>

#define INTERFACE "org.appctl.Control"
#define SERVICE "org.varlink.service"

/*
 * Every method: the level it needs (over the application of parameter `name`
 * where it has one and the level is operate, else over the node) and its
 * parameters, word for word as the interface description has them.
 */
static const struct method {
	const char *name;
	enum access_level level;
	const char *signature;
	method_fn *run;
} methods[] = {
	{ "Status", ACCESS_READ, "names: ?[]string", method_status },
	{ "GetMode", ACCESS_READ, "", method_get_mode },
	{ "SetMode", ACCESS_OPERATE, "mode: string, await: ?bool, timeout: ?float", method_set_mode },
	{ "AwaitStableMode", ACCESS_READ, "timeout: ?float", method_await_stable_mode },
	{ "IsModeStable", ACCESS_READ, "", method_is_mode_stable },
	{ "ListModes", ACCESS_READ, "", method_list_modes },
	{ "Start", ACCESS_OPERATE, "name: string, await: ?bool, timeout: ?float", method_start },
	{ "Stop", ACCESS_OPERATE, "name: string, with_dependents: ?bool, await: ?bool, timeout: ?float", method_stop },
	{ "Restart", ACCESS_OPERATE, "name: string, await: ?bool, timeout: ?float", method_restart },
	{ "ReloadApplication", ACCESS_OPERATE, "name: string", method_reload_application },
	{ "Kill", ACCESS_OPERATE, "name: string, signal: ?string", method_kill },
	{ "AwaitApplication", ACCESS_READ, "name: string, timeout: ?float", method_await_application },
	{ "Wait", ACCESS_READ, "name: string, timeout: ?float", method_wait },
	{ "Reload", ACCESS_ADMIN, "dry_run: ?bool", method_reload },
	{ "CheckForNewApplications", ACCESS_ADMIN, "", method_check_for_new_applications },
	{ "Diff", ACCESS_ADMIN, "", method_diff },
	{ "Plan", ACCESS_READ, "mode: ?string", method_plan },
	{ "Explain", ACCESS_READ, "name: string", method_explain },
	{ "Dependencies", ACCESS_READ, "name: string", method_dependencies },
	{ "Dependents", ACCESS_READ, "name: string", method_dependents },
	{ "Graph", ACCESS_READ, "", method_graph },
	{ "FindApplication", ACCESS_READ, "pid: int", method_find_application },
	{ "Show", ACCESS_READ, "name: string", method_show },
	{ "SetLogLevel", ACCESS_ADMIN, "level: ?string, modules: ?[]string", method_set_log_level },
	{ "Shutdown", ACCESS_ADMIN, "hurry: ?bool", method_shutdown },
	{ "Reexec", ACCESS_ADMIN, "", method_reexec },
	{ "Subscribe", ACCESS_READ, "categories: ?[]string, since: ?int, instance: ?string, snapshot: ?bool",
		method_subscribe },
	{ "Run", ACCESS_ADMIN, "definition: object, name: ?string", method_run },
};

static method_fn get_info, get_interface_description;
static const struct method service_methods[] = {
	{ "GetInfo", ACCESS_NONE, "", get_info },
	{ "GetInterfaceDescription", ACCESS_NONE, "interface: string", get_interface_description },
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
	bool of_one = m->level == ACCESS_OPERATE && strncmp(m->signature, "name:", 5) == 0;
	enum access_level held = access_of(c->d, c->peer, of_one ? arg_string(c, "name") : NULL);

	if (held >= m->level)
		return true;
	c->guest = m->run == method_run && access_run_as(c->d, c->peer, NULL) != NULL;
	if (!c->guest)
		call_not_permitted(c, m->level, held, NULL, NULL);
	return c->guest;
}

static const struct method *
find_in(const struct method *v, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(v[i].name, name) == 0)
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
	if (check_params(c, m->signature) && check_access(c, m))
		m->run(c);
}
