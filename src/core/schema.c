/* SPDX-License-Identifier: MIT */
#include "core/value.h"

#include "base/suggest.h"
#include "core/restart.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* --- log --- */

static const struct choice log_types[] = {
	{ "inherit", LOG_TO_INHERIT }, { "file", LOG_TO_FILE }, { "null", LOG_TO_NULL },
	{ "syslog", CHOICE_UNSUPPORTED }, { "journal", CHOICE_UNSUPPORTED }, { NULL, 0 },
};

static const struct key log_keys[] = {
	{ .name = "type", .kind = &kind_choice, .offset = offsetof(struct app_def, log), .choices = log_types },
	{ .name = "path", .kind = &kind_path, .offset = offsetof(struct app_def, log_path) },
	{ .name = "max_size", .flags = KEY_UNSUPPORTED },
	{ .name = "keep", .flags = KEY_UNSUPPORTED },
	{ 0 },
};

static bool
is_group(struct reader *r, const struct item *it)
{
	if (it->type == ITEM_GROUP)
		return true;
	reader_fail(r, it, NULL, "must be a group, not %s %s", it->type == ITEM_ARRAY || it->type == ITEM_INT ? "an" : "a",
		    item_type_name(it->type));
	return false;
}

static void
read_log(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	struct app_def *d = base;
	void *bases[2] = { d, NULL };

	(void)k;
	if (!is_group(r, it))
		return;
	read_group(r, log_keys, it->first, NULL, bases);
	if (item_member(it, "type") == NULL)
		reader_fail(r, it, "file, inherit or null", "needs a type");
	else if (d->log == LOG_TO_FILE && item_member(it, "path") == NULL)
		reader_fail(r, it, NULL, "type file needs a path");
	else if (d->log != LOG_TO_FILE && d->log_path != NULL)
		reader_fail(r, item_member(it, "path"), NULL, "path belongs to type file only");
}

static bool
print_log(const struct key *k, const void *base, struct buf *out)
{
	(void)k;
	print_group(log_keys, base, out);
	return true;
}

static const struct kind kind_log = { read_log, print_log };

/* --- backoff --- */

static const struct key backoff_keys[] = {
	{ .name = "min", .kind = &kind_duration, .offset = offsetof(struct backoff, min_ms) },
	{ .name = "max", .kind = &kind_duration, .offset = offsetof(struct backoff, max_ms) },
	{ .name = "factor", .kind = &kind_number, .offset = offsetof(struct backoff, factor), .lo = 1, .hi = 1000 },
	{ .name = "jitter", .kind = &kind_number, .offset = offsetof(struct backoff, jitter), .lo = 0, .hi = 1 },
	{ .name = "reset_after", .kind = &kind_duration, .offset = offsetof(struct backoff, reset_after_ms) },
	{ 0 },
};

static const struct backoff default_backoff = {
	.min_ms = 100, .max_ms = 60000, .reset_after_ms = 10000, .factor = 2, .jitter = 0.5, .immediate_first = true,
};

static void
read_backoff(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	struct app_def *d = base;
	struct backoff b;
	void *bases[2] = { &b, NULL };

	(void)k;
	if (!is_group(r, it))
		return;
	memset(&b, 0, sizeof(b));
	b.min_ms = default_backoff.min_ms;
	b.max_ms = default_backoff.max_ms;
	b.reset_after_ms = default_backoff.reset_after_ms;
	b.factor = default_backoff.factor;
	b.jitter = default_backoff.jitter;
	read_group(r, backoff_keys, it->first, NULL, bases);
	if (item_member(it, "max") == NULL && b.max_ms < b.min_ms)
		b.max_ms = b.min_ms;
	if (b.min_ms > b.max_ms)
		reader_fail(r, it, NULL, "min is above max");
	d->backoff = intern_bytes(r->in, &b, sizeof(b));
}

static bool
print_backoff(const struct key *k, const void *base, struct buf *out)
{
	(void)k;
	print_group(backoff_keys, ((const struct app_def *)base)->backoff, out);
	return true;
}

static const struct kind kind_backoff = { read_backoff, print_backoff };

/* --- ready --- */

static const struct choice ready_types[] = {
	{ "none", READY_NONE }, { "notify", READY_NOTIFY }, { "fd", READY_FD }, { "exec", READY_EXEC },
	{ "tcp", READY_TCP }, { "unix", READY_UNIX }, { "http", READY_HTTP }, { NULL, 0 },
};

static void
read_port(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	(void)k;
	if (it->type != ITEM_INT || it->i < 1 || it->i > UINT16_MAX)
		reader_fail(r, it, NULL, "must be an integer from 1 to 65535");
	else
		((struct ready *)base)->port = (uint16_t)it->i;
}

static bool
print_port(const struct key *k, const void *base, struct buf *out)
{
	const struct ready *ready = base;

	(void)k;
	buf_printf(out, "%u", ready->port);
	return ready->port != 0;
}

static const struct kind kind_port = { read_port, print_port };

static bool
print_fd(const struct key *k, const void *base, struct buf *out)
{
	return ((const struct ready *)base)->type == READY_FD && kind_int.print(k, base, out);
}

static void
read_fd(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	kind_int.read(r, k, it, base);
}

static const struct kind kind_fd = { read_fd, print_fd };

enum { READY_FD_DEFAULT = 3, READY_FD_MAX = 1023, READY_TIMEOUT_MS = 60000, READY_INTERVAL_MS = 100 };

#define READY(field) offsetof(struct ready, field)
static const struct key ready_keys[] = {
	{ .name = "type", .kind = &kind_choice, .offset = READY(type), .choices = ready_types },
	{ .name = "timeout", .kind = &kind_duration, .offset = READY(timeout_ms), .lo = 1, .hi = true },
	{ .name = "interval", .kind = &kind_duration, .offset = READY(interval_ms), .lo = 1 },
	{ .name = "fd", .kind = &kind_fd, .offset = READY(fd), .lo = READY_FD_DEFAULT, .hi = READY_FD_MAX },
	{ .name = "command", .kind = &kind_command, .offset = READY(command) },
	{ .name = "host", .kind = &kind_string, .offset = READY(host) },
	{ .name = "port", .kind = &kind_port },
	{ .name = "path", .kind = &kind_path, .offset = READY(path) },
	{ .name = "url", .kind = &kind_url, .offset = READY(url) },
	{ 0 },
};

/* Which keys belong to which type, and which of them it cannot do without; none belongs to `none`. */
static const struct {
	enum ready_type type;
	const char *key;
	bool needed;
} ready_fits[] = {
	{ READY_NOTIFY, "timeout", false },
	{ READY_FD, "timeout", false }, { READY_FD, "fd", false },
	{ READY_EXEC, "timeout", false }, { READY_EXEC, "interval", false }, { READY_EXEC, "command", true },
	{ READY_TCP, "timeout", false }, { READY_TCP, "interval", false }, { READY_TCP, "host", false },
	{ READY_TCP, "port", true },
	{ READY_UNIX, "timeout", false }, { READY_UNIX, "interval", false }, { READY_UNIX, "path", true },
	{ READY_HTTP, "timeout", false }, { READY_HTTP, "interval", false }, { READY_HTTP, "url", true },
};
enum { READY_FITS = sizeof(ready_fits) / sizeof(ready_fits[0]) };

static bool
ready_key_fits(enum ready_type type, const char *key)
{
	size_t i;

	for (i = 0; i < READY_FITS; i++)
		if (ready_fits[i].type == type && strcmp(ready_fits[i].key, key) == 0)
			return true;
	return strcmp(key, "type") == 0;
}

static void
check_ready(struct reader *r, const struct item *group, enum ready_type type)
{
	const struct item *it;
	size_t i;

	for (i = 0; i < READY_FITS; i++)
		if (ready_fits[i].type == type && ready_fits[i].needed && item_member(group, ready_fits[i].key) == NULL)
			reader_fail(r, group, NULL, "type %s needs %s", ready_type_name(type), ready_fits[i].key);
	for (it = group->first; it != NULL; it = it->next) {
		if (key_by_name(ready_keys, it->name) == NULL || ready_key_fits(type, it->name))
			continue;
		r->path[r->depth++] = it->name;
		reader_fail(r, it, NULL, "does not belong to type %s", ready_type_name(type));
		r->depth--;
	}
}

static void
ready_defaults(struct ready *ready)
{
	memset(ready, 0, sizeof(*ready));
	ready->timeout_ms = READY_TIMEOUT_MS;
	ready->interval_ms = READY_INTERVAL_MS;
	ready->fd = READY_FD_DEFAULT;
}

static void
read_ready(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	struct app_def *d = base;
	size_t before = r->ps->n + r->ps->unsaid;
	struct ready ready;
	void *bases[2] = { &ready, NULL };

	(void)k;
	if (!is_group(r, it))
		return;
	ready_defaults(&ready);
	read_group(r, ready_keys, it->first, NULL, bases);
	if (item_member(it, "type") == NULL)
		reader_fail(r, it, "none, notify, fd, exec, tcp, unix or http", "needs a type");
	else if (r->ps->n + r->ps->unsaid == before)
		check_ready(r, it, ready.type);
	if (ready.type == READY_TCP && ready.host == NULL)
		ready.host = intern_string(r->in, "127.0.0.1");
	d->ready = intern_bytes(r->in, &ready, sizeof(ready));
}

static bool
print_ready(const struct key *k, const void *base, struct buf *out)
{
	const struct ready *ready = ((const struct app_def *)base)->ready;

	(void)k;
	if (ready->type == READY_NONE)
		buf_adds(out, "{\"type\":\"none\"}");
	else
		print_group(ready_keys, ready, out);
	return true;
}

static const struct kind kind_ready = { read_ready, print_ready };

/* --- on_give_up --- */

static void
read_give_up(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	struct app_def *d = base;

	(void)k;
	if (it->type != ITEM_STRING)
		reader_fail(r, it, NULL, "must be a string, not a %s", item_type_name(it->type));
	else if (strcmp(it->s, "none") == 0)
		d->on_give_up = GIVE_UP_NONE;
	else if (strcmp(it->s, "shutdown") == 0)
		d->on_give_up = GIVE_UP_SHUTDOWN;
	else if (strncmp(it->s, "mode ", 5) == 0) {
		d->on_give_up = GIVE_UP_MODE;
		d->give_up_mode = intern_string(r->in, it->s + 5 + strspn(it->s + 5, " "));
	} else
		reader_fail(r, it, "none, mode NAME or shutdown", "\"%.40s\" is none of its values", it->s);
}

static bool
print_give_up(const struct key *k, const void *base, struct buf *out)
{
	const struct app_def *d = base;

	(void)k;
	if (d->on_give_up == GIVE_UP_MODE)
		buf_printf(out, "\"mode %s\"", d->give_up_mode);
	else
		buf_adds(out, d->on_give_up == GIVE_UP_SHUTDOWN ? "\"shutdown\"" : "\"none\"");
	return true;
}

static const struct kind kind_give_up = { read_give_up, print_give_up };

/* --- enabled: kept the other way round, for what is not said is no --- */

static void
read_enabled(struct reader *r, const struct key *k, const struct item *it, void *base)
{
	struct app_def *d = base;

	kind_bool.read(r, k, it, base);
	if (it->type == ITEM_BOOL)
		d->disabled = !it->b;
}

static bool
print_enabled(const struct key *k, const void *base, struct buf *out)
{
	(void)k;
	buf_adds(out, ((const struct app_def *)base)->disabled ? "false" : "true");
	return true;
}

static const struct kind kind_enabled = { read_enabled, print_enabled };

/* --- applications --- */

static const struct choice app_types[] = {
	{ "process", APP_PROCESS }, { "oneshot", APP_ONESHOT }, { "forking", APP_FORKING }, { NULL, 0 },
};

static const struct choice restart_types[] = {
	{ "permanent", RESTART_PERMANENT }, { "transient", RESTART_TRANSIENT }, { "temporary", RESTART_TEMPORARY },
	{ NULL, 0 },
};

#define APP(field) .in = IN_APP, .offset = offsetof(struct app_def, field)
#define AS(field) .in = IN_AS, .offset = offsetof(struct circumstances, field)
#define AS_FLAG(field) .flag = offsetof(struct circumstances, field)
static const struct key app_keys[] = {
	{ .name = "description", .kind = &kind_string, APP(description), .flags = KEY_GUEST },
	{ .name = "command", .kind = &kind_command, APP(command), .flags = KEY_RESTART | KEY_GUEST },
	{ .name = "type", .kind = &kind_choice, APP(type), .choices = app_types, .flags = KEY_RESTART | KEY_GUEST },
	{ .name = "pidfile", .kind = &kind_path, APP(pidfile), .flags = KEY_RESTART },

	{ .name = "enabled", .kind = &kind_enabled, APP(disabled) },
	{ .name = "applications", .kind = &kind_refs, APP(applications), .hi = true, .flags = KEY_ORDER | KEY_SET | KEY_GUEST },
	{ .name = "optional_applications", .kind = &kind_refs, APP(optional_applications), .hi = true, .flags = KEY_ORDER | KEY_SET },
	{ .name = "start_before", .kind = &kind_refs, APP(start_before), .flags = KEY_ORDER | KEY_SET },
	{ .name = "start_after", .kind = &kind_refs, APP(start_after), .flags = KEY_ORDER | KEY_SET },

	{ .name = "restart", .kind = &kind_choice, APP(restart), .choices = restart_types, .flags = KEY_GUEST },
	{ .name = "backoff", .kind = &kind_backoff, .in = IN_APP },
	{ .name = "intensity", .kind = &kind_int, APP(intensity), .lo = 0, .hi = RESTART_MAX, .flags = KEY_GUEST },
	{ .name = "period", .kind = &kind_duration, APP(period_ms), .lo = 1, .flags = KEY_GUEST },
	{ .name = "on_give_up", .kind = &kind_give_up, .in = IN_APP },
	{ .name = "essential", .kind = &kind_bool, APP(essential) },
	{ .name = "shutdown", .kind = &kind_shutdown, APP(shutdown_ms), .flags = KEY_GUEST },
	{ .name = "stop_signal", .kind = &kind_signal, APP(stop_signal), .flags = KEY_GUEST },
	{ .name = "stop_command", .kind = &kind_command, APP(stop_command) },
	{ .name = "reload_signal", .kind = &kind_signal, APP(reload_signal) },
	{ .name = "reload_command", .kind = &kind_command, APP(reload_command) },
	{ .name = "ready", .kind = &kind_ready, .in = IN_APP },

	{ .name = "user", .kind = &kind_user, AS(user), .flags = KEY_RESTART | KEY_GUEST },
	{ .name = "group", .kind = &kind_group, AS(group), .flags = KEY_RESTART },
	{ .name = "groups", .kind = &kind_groups, AS(groups), .flags = KEY_RESTART | KEY_SET },
	{ .name = "umask", .kind = &kind_umask, AS(umask), .flags = KEY_RESTART | KEY_GUEST },
	{ .name = "directory", .kind = &kind_path, AS(directory), .flags = KEY_RESTART | KEY_GUEST },
	{ .name = "runtime_directory", .kind = &kind_dir_name, AS(runtime_directory), .flags = KEY_RESTART },
	{ .name = "root", .kind = &kind_path, AS(root), .flags = KEY_RESTART },
	{ .name = "environment", .kind = &kind_env, AS(environment), .flags = KEY_RESTART | KEY_MAP | KEY_GUEST },
	{ .name = "environment_files", .kind = &kind_files, AS(environment_files), .flags = KEY_RESTART | KEY_SET },
	{ .name = "clear_environment", .kind = &kind_bool, AS(clear_environment), .flags = KEY_RESTART | KEY_GUEST },
	{ .name = "nice", .kind = &kind_int, AS(nice), AS_FLAG(has_nice), .lo = -20, .hi = 19, .flags = KEY_RESTART },
	{ .name = "ionice", .kind = &kind_ionice, AS(ionice), .flags = KEY_RESTART },
	{ .name = "oom_score_adj", .kind = &kind_int, AS(oom_score_adj), AS_FLAG(has_oom_score_adj), .lo = -1000, .hi = 1000,
	  .flags = KEY_RESTART },
	{ .name = "cpu_affinity", .kind = &kind_affinity, AS(cpu_affinity), .flags = KEY_RESTART | KEY_SET },
	{ .name = "limits", .kind = &kind_limits, .in = IN_AS, .flags = KEY_RESTART | KEY_MAP },
	{ .name = "capabilities", .kind = &kind_capabilities, .in = IN_AS, .flags = KEY_RESTART | KEY_SET },
	{ .name = "no_new_privileges", .kind = &kind_bool, AS(no_new_privileges), .flags = KEY_RESTART | KEY_GUEST },
	{ .name = "controlling_terminal", .kind = &kind_bool, AS(controlling_terminal), .flags = KEY_RESTART | KEY_GUEST },
	{ .name = "announces_nodes", .kind = &kind_bool, APP(announces_nodes) },
	{ .name = "log", .kind = &kind_log, .in = IN_APP, .flags = KEY_RESTART | KEY_GUEST },

	{ .name = "health", .flags = KEY_UNSUPPORTED },
	{ .name = "watchdog", .flags = KEY_UNSUPPORTED },
	{ .name = "cgroup", .flags = KEY_UNSUPPORTED },
	{ .name = "sockets", .flags = KEY_UNSUPPORTED },
	{ .name = "sandbox", .flags = KEY_UNSUPPORTED },
	{ 0 },
};
enum { APP_KEYS = sizeof(app_keys) / sizeof(app_keys[0]) - 1 };
_Static_assert(APP_KEYS <= 64, "keys are counted in 64 bits");

enum { PERIOD_MS = 5000, SHUTDOWN_MS = 5000 };

const struct key *
schema_find(const char *name)
{
	return key_by_name(app_keys, name);
}

const char *
schema_suggest(const char *name)
{
	const char *names[APP_KEYS];
	size_t i;

	for (i = 0; i < APP_KEYS; i++)
		names[i] = app_keys[i].name;
	return suggest(name, names, APP_KEYS);
}

unsigned
key_flags(const struct key *k)
{
	return k->flags;
}

unsigned
key_index(const struct key *k)
{
	return (unsigned)(k - app_keys);
}

const struct key *
schema_key(unsigned index)
{
	return index < APP_KEYS ? &app_keys[index] : NULL;
}

const char *
key_name(const struct key *k)
{
	return k->name;
}

static const struct item *
member(const struct item *members, const char *name)
{
	for (; members != NULL; members = members->next)
		if (strcmp(members->name, name) == 0)
			return members;
	return NULL;
}

/* Complains at the key of that name, if it is there. */
static void
fail_key(struct reader *r, const struct item *members, const char *key, const char *hint, const char *what)
{
	const struct item *it = member(members, key);

	if (it == NULL)
		return;
	r->path[r->depth++] = key;
	reader_fail(r, it, hint, "%s", what);
	r->depth--;
}

/* Keys that need or exclude each other. */
static void
check_together(struct reader *r, const struct item *members, const struct app_def *d)
{
	static const char *const of_processes[] = { "type", "pidfile", "ready", "stop_command", "reload_command", "reload_signal" };
	size_t i;

	if (member(members, "command") == NULL) {
		for (i = 0; i < sizeof(of_processes) / sizeof(of_processes[0]); i++)
			fail_key(r, members, of_processes[i], "without one an application has no process", "needs a command");
		return;
	}
	if (d->type == APP_FORKING && member(members, "pidfile") == NULL)
		fail_key(r, members, "type", "the daemon's own pid is known by it", "type forking needs a pidfile");
	if (d->type != APP_FORKING)
		fail_key(r, members, "pidfile", NULL, "belongs to type forking only");
	if (d->type == APP_ONESHOT && d->restart == RESTART_PERMANENT)
		fail_key(r, members, "restart", "transient or temporary", "a oneshot cannot be permanent");
	if (d->type == APP_ONESHOT && d->ready->type != READY_NONE)
		fail_key(r, members, "ready", "it is up when it has ended well", "a oneshot has no readiness");
}

static void
app_defaults(struct app_def *d, struct circumstances *as)
{
	memset(as, 0, sizeof(*as));
	as->umask = as->ionice = -1;
	d->intensity = -1;
	d->period_ms = PERIOD_MS;
	d->shutdown_ms = SHUTDOWN_MS;
	d->stop_signal = SIGTERM;
}

void
schema_read_app(struct reader *r, const struct item *members, bool listed, bool transient, struct app_def *d)
{
	struct circumstances as;
	void *base[2] = { d, &as };
	size_t before = r->ps->n + r->ps->unsaid;
	uint32_t names = r->name_count;
	struct ready ready;

	app_defaults(d, &as);
	read_group(r, app_keys, members, listed ? "name" : NULL, base);
	if (member(members, "restart") == NULL)
		d->restart = transient ? RESTART_TEMPORARY : d->type == APP_ONESHOT ? RESTART_TRANSIENT : RESTART_PERMANENT;
	if (d->backoff == NULL)
		d->backoff = intern_bytes(r->in, &default_backoff, sizeof(default_backoff));
	ready_defaults(&ready);
	if (d->ready == NULL)
		d->ready = intern_bytes(r->in, &ready, sizeof(ready));
	d->as = intern_bytes(r->in, &as, sizeof(as));
	/* Users and groups that only a disabled application names are looked up when it is started. */
	if (d->disabled)
		r->name_count = names;
	/* What is misspelt would be missed: one complaint about it is enough. */
	if (!r->in->failed && r->ps->n + r->ps->unsaid == before)
		check_together(r, members, d);
}

static const void *
home_of(const struct key *k, const struct app_def *d)
{
	return k->in == IN_AS ? (const void *)d->as : d;
}

bool
schema_print_key(const struct key *k, const struct app_def *d, struct buf *out)
{
	size_t before = out->len;

	if (!(k->flags & KEY_UNSUPPORTED) && k->kind->print(k, home_of(k, d), out))
		return true;
	out->len = before;
	return false;
}

/* FNV-1a, 64 bits. */
static uint64_t
hash_on(uint64_t h, const char *bytes, size_t len)
{
	while (len-- > 0)
		h = (h ^ (unsigned char)*bytes++) * 0x100000001b3u;
	return h;
}

/*
 * Over the texts of keys, so that it is the same in the next version of the program; what is as by
 * default does not count, so that a new key changes nothing for those who do not use it.
 */
uint64_t
schema_run_hash(const struct app_def *d, struct buf *scratch)
{
	static const struct circumstances as = { .umask = -1, .ionice = -1 };
	static const struct app_def plain = { .as = &as };
	uint64_t h = 0xcbf29ce484222325u;
	const struct key *k;
	size_t len;

	for (k = app_keys; k->name != NULL && !scratch->failed; k++) {
		if (!(k->flags & KEY_RESTART))
			continue;
		buf_clear(scratch);
		if (!schema_print_key(k, d, scratch))
			continue;
		len = scratch->len;
		if (schema_print_key(k, &plain, scratch) && scratch->len == 2 * len &&
		    memcmp(scratch->data, scratch->data + len, len) == 0)
			continue;
		h = hash_on(h, k->name, strlen(k->name) + 1);
		h = hash_on(h, scratch->data, len);
	}
	return h;
}

void
app_def_print_json(const struct app_def *d, struct buf *out)
{
	const struct key *k;
	const char *between = "";
	size_t before;

	buf_addc(out, '{');
	for (k = app_keys; k->name != NULL; k++) {
		before = out->len;
		buf_printf(out, "%s\"%s\":", between, k->name);
		if (schema_print_key(k, d, out))
			between = ",";
		else
			out->len = before;
	}
	buf_addc(out, '}');
}

static char *
key_text(const struct key *k, const struct app_def *d)
{
	struct buf text = { 0 };

	if (!schema_print_key(k, d, &text)) {
		buf_free(&text);
		return NULL;
	}
	return buf_take(&text);
}

static int
add_change(struct key_changes *out, struct key_change change)
{
	size_t cap = out->cap ? out->cap * 2 : 8;
	struct key_change *v;

	if (out->n == out->cap) {
		v = realloc(out->v, cap * sizeof(*v));
		if (v == NULL)
			return -1;
		out->v = v;
		out->cap = cap;
	}
	out->v[out->n++] = change;
	return 0;
}

int
app_def_diff(const struct app_def *before, const struct app_def *after, struct key_changes *out)
{
	struct key_change c;
	const struct key *k;

	for (k = app_keys; k->name != NULL; k++) {
		c = (struct key_change){ k->name, key_text(k, before), key_text(k, after), k->flags & KEY_RESTART };
		if ((c.before == NULL && c.after == NULL) ||
		    (c.before != NULL && c.after != NULL && strcmp(c.before, c.after) == 0)) {
			free(c.before);
			free(c.after);
		} else if (add_change(out, c) < 0) {
			free(c.before);
			free(c.after);
			return -1;
		}
	}
	return 0;
}

void
key_changes_free(struct key_changes *c)
{
	size_t i;

	for (i = 0; i < c->n; i++) {
		free(c->v[i].before);
		free(c->v[i].after);
	}
	free(c->v);
	*c = (struct key_changes){ 0 };
}

static const char *
choice_name(const struct choice *choices, int value)
{
	for (; choices->name != NULL && choices->value != value; choices++)
		;
	return choices->name ? choices->name : "";
}

const char *
app_type_name(enum app_type t)
{
	return choice_name(app_types, (int)t);
}

const char *
restart_type_name(enum restart_type t)
{
	return choice_name(restart_types, (int)t);
}

const char *
ready_type_name(enum ready_type t)
{
	return choice_name(ready_types, (int)t);
}
