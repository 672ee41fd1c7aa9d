/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "engine/control.h"
#include "engine/varlink_text.h"

#include "loop/loop.h"

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

/* One parameter of a signature: `name: type`, the type with ? where it may be left out. */
struct param {
	const char *name, *type;
	size_t name_len, type_len;
	bool optional;
};

/* Moves *at behind it; false: that was all. */
static bool
next_param(const char **at, struct param *out)
{
	const char *s = *at;

	if (*s == '\0')
		return false;
	out->name = s;
	out->name_len = strcspn(s, ":");
	s += out->name_len + 2;
	out->optional = *s == '?';
	s += out->optional;
	out->type = s;
	out->type_len = strcspn(s, ",");
	s += out->type_len;
	*at = *s ? s + 2 : s;
	return true;
}

static bool
is_strings(const json_t *v)
{
	size_t i;

	if (!json_is_array(v))
		return false;
	for (i = 0; i < json_array_size(v); i++)
		if (!json_is_string(json_array_get(v, i)))
			return false;
	return true;
}

static bool
has_type(const json_t *v, const struct param *p)
{
	switch (p->type[0]) {
	case 's':
		return json_is_string(v);
	case 'b':
		return json_is_boolean(v);
	case 'i':
		return json_is_integer(v);
	case 'f':
		return json_is_number(v) && json_number_value(v) >= 0;	/* all floats here are durations */
	case 'o':
		return json_is_object(v);
	default:
		return is_strings(v);
	}
}

/* A wrong or missing one was answered: false. */
static bool
check_param(struct call *c, const struct param *p, size_t *known)
{
	char name[64], why[128];
	json_t *v;

	snprintf(name, sizeof(name), "%.*s", (int)p->name_len, p->name);
	v = json_object_get(c->args, name);
	*known += v != NULL;
	if (v == NULL || (p->optional && json_is_null(v))) {
		if (!p->optional)
			call_invalid(c, name, "is missing");
		return p->optional;
	}
	if (has_type(v, p))
		return true;
	snprintf(why, sizeof(why), "must be %s%.*s", p->type[0] == 'f' ? "a duration in seconds, a non-negative " : "of type ",
		 (int)p->type_len, p->type);
	call_invalid(c, name, why);
	return false;
}

static bool
is_in(const char *signature, const char *name)
{
	const char *at = signature;
	struct param p;

	while (next_param(&at, &p))
		if (strlen(name) == p.name_len && memcmp(name, p.name, p.name_len) == 0)
			return true;
	return false;
}

static bool
check_params(struct call *c, const char *signature)
{
	const char *at = signature, *key;
	size_t known = 0;
	struct param p;
	json_t *v;

	while (next_param(&at, &p))
		if (!check_param(c, &p, &known))
			return false;
	if (known == json_object_size(c->args))
		return true;
	json_object_foreach(c->args, key, v) {
		if (is_in(signature, key))
			continue;
		call_invalid(c, key, "is no parameter of this method");
		break;
	}
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
