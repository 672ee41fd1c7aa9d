/* SPDX-License-Identifier: MIT */
#include "texts.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

/* An application named a with those keys. */
static struct model *
with(const char *keys)
{
	struct buf text = { 0 };
	struct model *m;

	buf_printf(&text, "applications: { a: { command = [\"x\"]; %s }; b: { }; };\nmodes: { safe = []; };\n", keys);
	m = good(buf_cstr(&text));
	buf_free(&text);
	return m;
}

static void
expect(const char *keys, const char *member)
{
	struct model *m = with(keys);

	if (!says(json_of(m, "a"), member))
		fail_msg("%s: %s not in %s", keys, member, json_of(m, "a"));
	model_unref(m);
}

/* Refused with just this said, the place and "applications.a." left out. */
static void
wrong(const char *keys, const char *expected)
{
	struct buf text = { 0 }, all = { 0 };

	buf_printf(&text, "applications: { a: {\n%s }; b: { }; };\nmodes: { safe = []; };\n", keys);
	buf_printf(&all, "m.conf:2: applications.a.%s\n", expected);
	refused(buf_cstr(&text), buf_cstr(&all));
	buf_free(&text);
	buf_free(&all);
}

static void
defaults_are_as_documented(void **state)
{
	struct model *m = with("");
	const struct app_def *d = app_of(m, "a");

	(void)state;
	assert_int_equal(d->type, APP_PROCESS);
	assert_int_equal(d->restart, RESTART_PERMANENT);
	assert_int_equal(d->intensity, -1);
	assert_int_equal(d->period_ms, 5000);
	assert_int_equal(d->shutdown_ms, 5000);
	assert_int_equal(d->stop_signal, SIGTERM);
	assert_int_equal(d->reload_signal, 0);
	assert_int_equal(d->ready->type, READY_NONE);
	assert_int_equal(d->ready->timeout_ms, 60000);
	assert_int_equal(d->ready->interval_ms, 100);
	assert_true(d->backoff->immediate_first);
	assert_int_equal(d->backoff->min_ms, 100);
	assert_int_equal(d->backoff->max_ms, 60000);
	assert_int_equal(d->backoff->reset_after_ms, 10000);
	assert_int_equal(d->log, LOG_TO_INHERIT);
	assert_int_equal(d->as->umask, -1);
	assert_int_equal(d->as->ionice, -1);
	assert_false(d->as->has_nice || d->as->has_capabilities || d->as->no_new_privileges);
	assert_int_equal(m->shutdown_timeout_ms, 90000);
	model_unref(m);
}

static void
a_oneshot_is_transient_unless_told_otherwise(void **state)
{
	(void)state;
	expect("type = \"oneshot\";", "\"restart\":\"transient\"");
	expect("type = \"oneshot\"; restart = \"temporary\";", "\"restart\":\"temporary\"");
}

static void
a_written_backoff_delays_the_first_restart_too(void **state)
{
	struct model *m = with("backoff: { min = \"50ms\"; };");

	(void)state;
	assert_false(app_of(m, "a")->backoff->immediate_first);
	assert_int_equal(app_of(m, "a")->backoff->min_ms, 50);
	assert_int_equal(app_of(m, "a")->backoff->max_ms, 60000);
	model_unref(m);
	expect("backoff: { min = 1; max = 2.5; factor = 3; jitter = 0; reset_after = \"1m\"; };",
	       "\"backoff\":{\"min\":1,\"max\":2.5,\"factor\":3,\"jitter\":0,\"reset_after\":60}");
}

static void
commands_are_exec_or_shell(void **state)
{
	struct model *m = with("stop_command = \"a | b\";");
	const struct app_def *d = app_of(m, "a");

	(void)state;
	assert_int_equal(d->stop_command.argv.n, 3);
	assert_string_equal(d->stop_command.argv.v[0], "/bin/sh");
	assert_string_equal(d->stop_command.argv.v[2], "a | b");
	assert_null(d->stop_command.argv.v[3]);
	assert_false(d->command.shell);
	model_unref(m);
	expect("reload_command = (\"a\", \"\", \"b c\");", "\"reload_command\":[\"a\",\"\",\"b c\"]");
}

static void
times_are_numbers_or_strings_with_a_unit(void **state)
{
	static const struct { const char *written, *seconds; } rows[] = {
		{ "90", "90" }, { "0.25", "0.25" }, { "\"90s\"", "90" }, { "\"100ms\"", "0.1" }, { "\"5m\"", "300" },
		{ "\"1.5h\"", "5400" }, { "\"1d\"", "86400" }, { "\"7\"", "7" }, { "\"infinity\"", "\"infinity\"" },
		{ "\"brutal_kill\"", "\"brutal_kill\"" }, { "0.0001", "0.001" },
	};
	char key[64], member[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(key, sizeof(key), "shutdown = %s;", rows[i].written);
		snprintf(member, sizeof(member), "\"shutdown\":%s,", rows[i].seconds);
		expect(key, member);
	}
}

static void
circumstances_are_read_in_all_their_forms(void **state)
{
	(void)state;
	expect("umask = \"027\";", "\"umask\":\"027\"");
	expect("umask = 18;", "\"umask\":\"022\"");
	expect("nice = -5;", "\"nice\":-5");
	expect("nice = 0;", "\"nice\":0");
	expect("ionice = \"idle\";", "\"ionice\":\"idle\"");
	expect("ionice = \"best-effort:7\";", "\"ionice\":\"best-effort:7\"");
	expect("ionice = \"realtime:0\";", "\"ionice\":\"realtime:0\"");
	expect("oom_score_adj = 1000;", "\"oom_score_adj\":1000");
	expect("cpu_affinity = [0, 65];", "\"cpu_affinity\":[0,65]");
	expect("cpu_affinity = \"0-3,5\";", "\"cpu_affinity\":[0,1,2,3,5]");
	expect("environment: { A = \"1\"; B = 2; };", "\"environment\":{\"A\":\"1\",\"B\":\"2\"}");
	expect("environment = [\"_A=x=y\"];", "\"environment\":{\"_A\":\"x=y\"}");
	expect("environment_files = [\"/a\", \"-/b\"];", "\"environment_files\":[\"/a\",\"-/b\"]");
	expect("capabilities = [\"net_bind_service\", \"CAP_CHOWN\"];", "\"capabilities\":[\"CHOWN\",\"NET_BIND_SERVICE\"]");
	expect("capabilities = [];", "\"capabilities\":[]");
	expect("limits: { nofile = 1024; core = \"unlimited\"; nproc = [10, 20]; memlock = \"64M\"; };",
	       "\"limits\":{\"core\":\"unlimited\",\"nproc\":[10,20],\"nofile\":1024,\"memlock\":67108864}");
	expect("limits: { stack = (\"4K\", \"unlimited\"); fsize = 5000000000L; };",
	       "\"limits\":{\"fsize\":5000000000,\"stack\":[4096,\"unlimited\"]}");
	expect("user = 1000; group = \"adm\"; groups = [\"a\", \"b\"];", "\"user\":\"1000\",\"group\":\"adm\",\"groups\":[\"a\",\"b\"]");
	expect("root = \"/srv\"; directory = \"/tmp\"; clear_environment = true; no_new_privileges = true;",
	       "\"directory\":\"/tmp\",\"root\":\"/srv\",\"clear_environment\":true");
	expect("runtime_directory = \"web-1\"; controlling_terminal = true;", "\"runtime_directory\":\"web-1\"");
	expect("controlling_terminal = true;", "\"controlling_terminal\":true");
	expect("announces_nodes = true;", "\"announces_nodes\":true");
	expect("log: { type = \"file\"; path = \"/l\"; };", "\"log\":{\"type\":\"file\",\"path\":\"/l\"}");
	expect("log: { type = \"null\"; };", "\"log\":{\"type\":\"null\"}");
}

static void
readiness_has_its_types(void **state)
{
	(void)state;
	expect("ready: { type = \"notify\"; timeout = \"infinity\"; };", "\"ready\":{\"type\":\"notify\",\"timeout\":\"infinity\",");
	expect("ready: { type = \"fd\"; };", "\"fd\":3");
	expect("ready: { type = \"exec\"; command = \"true\"; interval = 1; };", "\"interval\":1,\"command\":\"true\"");
	expect("ready: { type = \"tcp\"; port = 80; };", "\"host\":\"127.0.0.1\",\"port\":80");
	expect("ready: { type = \"unix\"; path = \"/s\"; };", "\"path\":\"/s\"");
	expect("ready: { type = \"http\"; url = \"http://localhost/\"; };", "\"url\":\"http://localhost/\"");
	wrong("command = \"x\"; ready: { type = \"tcp\"; };", "ready: type tcp needs port");
	wrong("command = \"x\"; ready: { type = \"unix\"; };", "ready: type unix needs path");
	wrong("command = \"x\"; ready: { type = \"exec\"; };", "ready: type exec needs command");
	wrong("command = \"x\"; ready: { type = \"http\"; };", "ready: type http needs url");
	wrong("command = \"x\"; ready: { type = \"fd\"; path = \"/x\"; };", "ready.path: does not belong to type fd");
	wrong("command = \"x\"; ready: { timeout = 1; };", "ready: needs a type (none, notify, fd, exec, tcp, unix or http)");
	wrong("command = \"x\"; ready: { type = \"fd\"; fd = 2; };", "ready.fd: must be from 3 to 1023");
	wrong("command = \"x\"; ready: { type = \"tcp\"; port = 65536; };", "ready.port: must be an integer from 1 to 65535");
	wrong("command = \"x\"; ready: { type = \"http\"; url = \"ftp://x\"; };", "ready.url: must begin with http:// or https://");
	wrong("command = \"x\"; ready: { type = \"notify\"; timeout = 0; };", "ready.timeout: must be more than 0");
}

static void
what_is_no_value_of_its_key_is_refused(void **state)
{
	static const struct { const char *keys, *said; } rows[] = {
		{ "restrat = 1;", "restrat: unknown key (did you mean restart?)" },
		{ "command = 5;", "command: must be an array of strings, or a string for /bin/sh, not an integer" },
		{ "command = [];", "command: must not be empty (leave it out for an application without a process)" },
		{ "command = [\"\"];", "command: program must not be empty" },
		{ "command = \"\";", "command: must not be empty" },
		{ "command = (\"x\", 5);", "command: must be an array of strings, not an integer" },
		{ "description = [\"x\"];", "description: must be a string, not an array" },
		{ "restart = \"always\";", "restart: \"always\" is none of its values (permanent, transient, temporary)" },
		{ "essential = \"yes\";", "essential: must be true or false, not a string" },
		{ "intensity = -1;", "intensity: must be from 0 to 1000" },
		{ "intensity = 1001;", "intensity: must be from 0 to 1000" },
		{ "intensity = 1.5;", "intensity: must be an integer, not a number" },
		{ "period = 0;", "period: must be more than 0" },
		{ "period = -1;", "period: must be from 0 to 1000000000 seconds" },
		{ "period = 1e99;", "period: must be from 0 to 1000000000 seconds" },
		{ "period = 1e999;", "period: must be from 0 to 1000000000 seconds" },
		{ "period = \"soon\";", "period: is no time (such as 90, 0.5, \"90s\", \"100ms\", \"5m\", \"1h\")" },
		{ "shutdown = \"brutal\";", "shutdown: is no time (a time, \"brutal_kill\" or \"infinity\")" },
		{ "stop_signal = \"TREM\";", "stop_signal: is no signal (such as \"TERM\", \"SIGINT\", \"RTMIN+3\")" },
		{ "stop_signal = 65;", "stop_signal: is no signal (such as \"TERM\", \"SIGINT\", \"RTMIN+3\")" },
		{ "stop_signal = 0;", "stop_signal: is no signal (such as \"TERM\", \"SIGINT\", \"RTMIN+3\")" },
		{ "on_give_up = \"reboot\";", "on_give_up: \"reboot\" is none of its values (none, mode NAME or shutdown)" },
		{ "on_give_up = \"mode sfae\";", "on_give_up: unknown mode \"sfae\" (did you mean safe?)" },
		{ "nice = 20;", "nice: must be from -20 to 19" },
		{ "oom_score_adj = -1001;", "oom_score_adj: must be from -1000 to 1000" },
		{ "ionice = \"fast\";", "ionice: must be \"idle\", \"best-effort:N\" or \"realtime:N\", N from 0 to 7" },
		{ "ionice = \"realtime:8\";", "ionice: must be \"idle\", \"best-effort:N\" or \"realtime:N\", N from 0 to 7" },
		{ "umask = \"800\";", "umask: must be an octal string up to \"777\" (such as \"022\")" },
		{ "umask = 512;", "umask: must be an octal string up to \"777\" (such as \"022\")" },
		{ "cpu_affinity = \"3-1\";", "cpu_affinity: is no set of processors (such as [0, 1] or \"0-3,5\")" },
		{ "cpu_affinity = [1024];", "cpu_affinity: must be processors from 0 to 1023" },
		{ "cpu_affinity = [];", "cpu_affinity: must not be empty" },
		{ "capabilities = [\"NET_BIND_SERVCE\"];", "capabilities: unknown capability \"NET_BIND_SERVCE\" (did you mean NET_BIND_SERVICE?)" },
		{ "limits: { nofiles = 1; };", "limits.nofiles: unknown limit (did you mean nofile?)" },
		{ "limits: { nofile = -1; };", "limits.nofile: is no limit (such as 1024, \"64M\", \"unlimited\", [1024, \"4K\"])" },
		{ "limits: { nofile = \"9E\"; };", "limits.nofile: is no limit (such as 1024, \"64M\", \"unlimited\", [1024, \"4K\"])" },
		{ "limits: { nofile = [2, 1]; };", "limits.nofile: soft limit is above the hard limit" },
		{ "limits: { nofile = [1, 2, 3]; };", "limits.nofile: must be one value or two, soft and hard" },
		{ "limits = 5;", "limits: must be a group, not an integer" },
		{ "environment = [\"A\"];", "environment: must be NAME=value" },
		{ "environment = [\"A=1\", \"A=2\"];", "environment: A is set twice" },
		{ "environment = \"A=1\";", "environment: must be a group, or an array of \"NAME=value\", not a string" },
		{ "environment_files = [\"rel\"];", "environment_files: must be absolute paths (a - before it says that it may be missing)" },
		{ "directory = \"rel\";", "directory: must be an absolute path" },
		{ "user = -1;", "user: is no user's number" },
		{ "user = \"\";", "user: must not be empty" },
		{ "applications = \"b\";", "applications: must be an array, not a string" },
		{ "applications = [\"b\", \"b\"];", "applications: \"b\" is listed twice" },
		{ "applications = ( { name = \"b\"; on_exit = \"die\"; } );",
		  "applications.on_exit: \"die\" is none of its values (ignore, restart, stop)" },
		{ "applications = ( { on_exit = \"stop\"; } );", "applications: a group here needs a name" },
		{ "start_before = ( { name = \"b\"; } );", "start_before: must be a string, not a group" },
		{ "backoff: { min = 2; max = 1; };", "backoff: min is above max" },
		{ "backoff: { factor = 0.5; };", "backoff.factor: must be from 1 to 1000" },
		{ "backoff: { jitter = 2; };", "backoff.jitter: must be from 0 to 1" },
		{ "backoff: { mni = 2; };", "backoff.mni: unknown key (did you mean min?)" },
		{ "log: { type = \"file\"; };", "log: type file needs a path" },
		{ "log: { path = \"/x\"; };", "log: needs a type (file, inherit or null)" },
		{ "log = \"null\";", "log: must be a group, not a string" },
		{ "pidfile = \"/run/x\"; command = \"x\";", "pidfile: belongs to type forking only" },
		{ "type = \"forking\"; command = \"x\";", "type: type forking needs a pidfile (the daemon's own pid is known by it)" },
		{ "type = \"oneshot\"; command = \"x\"; restart = \"permanent\";",
		  "restart: a oneshot cannot be permanent (transient or temporary)" },
		{ "type = \"oneshot\";", "type: needs a command (without one an application has no process)" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		wrong(rows[i].keys, rows[i].said);
}

static void
keys_that_are_not_built_are_refused_and_never_ignored(void **state)
{
	static const char *const keys[] = { "health", "watchdog", "cgroup", "sockets", "sandbox" };
	char text[64], said[96];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(text, sizeof(text), "%s: { };", keys[i]);
		snprintf(said, sizeof(said), "%s: not supported by this version", keys[i]);
		wrong(text, said);
	}
	wrong("log: { type = \"syslog\"; };", "log.type: \"syslog\" is not supported by this version (inherit, file, null)");
	wrong("log: { type = \"journal\"; };", "log.type: \"journal\" is not supported by this version (inherit, file, null)");
	wrong("log: { type = \"null\"; max_size = \"1M\"; };", "log.max_size: not supported by this version");
	wrong("log: { type = \"null\"; keep = 3; };", "log.keep: not supported by this version");
}

static void
a_node_may_name_its_host(void **state)
{
	static const char *const good[] = { "a", "1a", "db1.example.org", "alice@b", "alice@db1.example.org", "a@10.0.0.1" };
	static const char *const bad[] = { "", "@", "@b", "a@", "a@b@c", "a@-", ".a", "a b", "a/b", "a@b/c", "a:b" };
	char longest[NODE_MAX_LEN + 2];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(node_name_is_valid(good[i]));
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(node_name_is_valid(bad[i]));
	memset(longest, 'a', sizeof(longest));
	longest[NAME_MAX_LEN + 1] = '\0';
	assert_false(node_name_is_valid(longest));
	longest[NAME_MAX_LEN] = '\0';
	assert_true(node_name_is_valid(longest));
	memset(longest, 'a', sizeof(longest));
	longest[NAME_MAX_LEN] = '@';
	longest[NODE_MAX_LEN + 1] = '\0';
	assert_false(node_name_is_valid(longest));
	longest[NODE_MAX_LEN] = '\0';
	assert_true(node_name_is_valid(longest));
}

static void
settings_of_the_whole_are_checked(void **state)
{
	struct model *m;

	(void)state;
	refused("node = \"no/slash\";\nshutdown_timeout = \"infinity\";\nlog_levels = ( { level = \"loud\"; modules = [\"engin\"]; } );\n"
		"access = ( { user = \"u\"; group = \"g\"; level = \"root\"; },\n { level = \"read\"; },\n { user = 0; level = \"read\"; applications = [\"x\"]; } );\n"
		"futur = 1;\n",
		"m.conf:1: node: \"no/slash\" is no node's name (NAME or NAME@HOST: letters, digits, -, _ and ., a name of at most 63)\n"
		"m.conf:2: shutdown_timeout: is no time (such as 90, 0.5, \"90s\", \"100ms\", \"5m\", \"1h\")\n"
		"m.conf:3: log_levels.level: is no level (error, warning, info or debug)\n"
		"m.conf:3: log_levels.modules: unknown module \"engin\" (did you mean engine?)\n"
		"m.conf:4: access.level: is no level (read, operate or admin)\n"
		"m.conf:4: access: needs a user or a group, and not both\n"
		"m.conf:5: access: needs a user or a group, and not both\n"
		"m.conf:6: access.applications: unknown application \"x\"\n"
		"m.conf:7: futur: unknown key\n");
	m = good("applications: { web: { }; }; node = \"db1.example.org\"; shutdown_timeout = \"2m\";\n"
		 "access = ( { user = \"deploy\"; level = \"operate\"; applications = [\"web\"]; }, { group = \"adm\"; level = \"read\"; run_as = [\"nobody\", \"7\"]; } );\n"
		 "log_levels = ( { level = \"debug\"; }, { level = \"error\"; modules = [\"spawn\"]; } );");
	assert_int_equal(m->access_count, 2);
	assert_int_equal(m->access[0].level, ACCESS_OPERATE);
	assert_string_equal(m->access[1].group, "adm");
	assert_int_equal(m->access[0].run_as.n, 0);
	assert_int_equal(m->access[1].run_as.n, 2);
	assert_string_equal(m->access[1].run_as.v[1], "7");
	assert_int_equal(m->log_rule_count, 2);
	assert_int_equal(m->shutdown_timeout_ms, 120000);
	assert_int_equal(m->name_count, 4);
	model_unref(m);
}

static void
the_hash_changes_with_what_a_process_runs_by_and_with_nothing_else(void **state)
{
	static const struct { const char *keys; bool same; } rows[] = {
		{ "description = \"x\";", true }, { "restart = \"transient\";", true }, { "start_before = [\"b\"];", true },
		{ "shutdown = 1;", true }, { "backoff: { min = 1; };", true }, { "clear_environment = false;", true },
		{ "log: { type = \"inherit\"; };", true }, { "type = \"process\";", true },
		{ "user = \"x\";", false }, { "nice = 0;", false }, { "umask = \"0\";", false }, { "clear_environment = true;", false },
		{ "environment: { A = \"\"; };", false }, { "limits: { core = 0; };", false }, { "capabilities = [];", false },
		{ "log: { type = \"null\"; };", false }, { "directory = \"/\";", false },
	};
	struct model *plain = with(""), *m;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		m = with(rows[i].keys);
		if ((app_of(m, "a")->run_hash == app_of(plain, "a")->run_hash) != rows[i].same)
			fail_msg("%s", rows[i].keys);
		model_unref(m);
	}
	model_unref(plain);
}

static void
a_difference_is_told_key_by_key(void **state)
{
	struct model *a = with("nice = 1; shutdown = 5;"), *b = with("nice = 2; shutdown = 7; user = \"u\";");
	struct key_changes c = { 0 };

	(void)state;
	assert_int_equal(app_def_diff(app_of(a, "a"), app_of(b, "a"), &c), 0);
	assert_int_equal(c.n, 3);
	assert_string_equal(c.v[0].key, "shutdown");
	assert_string_equal(c.v[0].before, "5");
	assert_false(c.v[0].needs_restart);
	assert_string_equal(c.v[1].key, "user");
	assert_null(c.v[1].before);
	assert_true(c.v[1].needs_restart);
	assert_string_equal(c.v[2].after, "2");
	key_changes_free(&c);
	model_unref(a);
	model_unref(b);
}

static void
equal_circumstances_are_kept_once(void **state)
{
	struct model *m = good("applications: { a: { command = [\"x\"]; user = \"u\"; ready: { type = \"notify\"; }; };"
			       " b: { command = [\"x\"]; user = \"u\"; ready: { type = \"notify\"; }; }; c: { command = [\"x\"]; }; };");

	(void)state;
	assert_ptr_equal(app_of(m, "a")->as, app_of(m, "b")->as);
	assert_ptr_equal(app_of(m, "a")->ready, app_of(m, "b")->ready);
	assert_ptr_equal(app_of(m, "a")->backoff, app_of(m, "c")->backoff);
	assert_ptr_equal(app_of(m, "a")->command.argv.v, app_of(m, "c")->command.argv.v);
	assert_ptr_not_equal(app_of(m, "a")->as, app_of(m, "c")->as);
	model_unref(m);
}

/* Reads a definition as Run gets it; *said: the problems. */
static struct model *
by_request(const char *name, const char *json, struct buf *said)
{
	struct arena *a = arena_new();
	struct problems ps = { 0 };
	struct item *it = conf_item_from_json(a, json, &ps);
	struct model *m = it ? model_build_transient(name, it, &ps) : NULL;

	buf_free(said);
	problems_print(&ps, said);
	assert_int_equal(m == NULL, problems_any(&ps));
	problems_free(&ps);
	arena_free(a);
	return m;
}

static void
a_definition_may_come_as_json(void **state)
{
	struct buf said = { 0 };
	struct model *m;

	(void)state;
	m = by_request("job", "{\"command\":[\"make\"],\"applications\":[\"db\"],\"nice\":5,\"shutdown\":0.5}", &said);
	assert_non_null(m);
	assert_int_equal(m->app_count, 1);
	assert_int_equal(m->apps[0].restart, RESTART_TEMPORARY);
	assert_int_equal(m->apps[0].applications.v[0].app, APP_NONE);
	assert_string_equal(m->apps[0].applications.v[0].name, "db");
	model_unref(m);
	assert_null(by_request("job", "{\"comand\":[\"make\"]}", &said));
	assert_string_equal(buf_cstr(&said), "applications.job.comand: unknown key (did you mean command?)\n");
	assert_null(by_request("job", "{\"command\":[\"make\"],\"start_before\":[\"db\"]}", &said));
	assert_string_equal(buf_cstr(&said), "applications.job.start_before: a transient application cannot order others\n");
	assert_null(by_request("9", "{\"command\":[\"make\"]}", &said));
	assert_null(by_request("job", "[1]", &said));
	assert_string_equal(buf_cstr(&said), "applications.job: a definition must be an object\n");
	assert_null(by_request("job", "{\"command\":null}", &said));
	assert_string_equal(buf_cstr(&said), "command: null is no value (leave the member out)\n");
	assert_null(by_request("job", "{", &said));
	buf_free(&said);
}

static void
signals_have_names_and_numbers(void **state)
{
	(void)state;
	assert_int_equal(signal_by_name("TERM"), SIGTERM);
	assert_int_equal(signal_by_name("SIGTERM"), SIGTERM);
	assert_int_equal(signal_by_name("sigusr1"), SIGUSR1);
	assert_int_equal(signal_by_name("15"), 15);
	assert_int_equal(signal_by_name("RTMIN+3"), SIGRTMIN + 3);
	assert_int_equal(signal_by_name("SIGRTMAX-1"), SIGRTMAX - 1);
	assert_int_equal(signal_by_name("RTMIN+99"), -1);
	assert_int_equal(signal_by_name("0"), -1);
	assert_int_equal(signal_by_name("15x"), -1);
	assert_int_equal(signal_by_name(""), -1);
	assert_string_equal(signal_name(SIGHUP), "HUP");
	assert_string_equal(signal_name(SIGRTMIN + 2), "RTMIN+2");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_as_documented),
		cmocka_unit_test(a_oneshot_is_transient_unless_told_otherwise),
		cmocka_unit_test(a_written_backoff_delays_the_first_restart_too),
		cmocka_unit_test(commands_are_exec_or_shell),
		cmocka_unit_test(times_are_numbers_or_strings_with_a_unit),
		cmocka_unit_test(circumstances_are_read_in_all_their_forms),
		cmocka_unit_test(readiness_has_its_types),
		cmocka_unit_test(what_is_no_value_of_its_key_is_refused),
		cmocka_unit_test(keys_that_are_not_built_are_refused_and_never_ignored),
		cmocka_unit_test(a_node_may_name_its_host),
		cmocka_unit_test(settings_of_the_whole_are_checked),
		cmocka_unit_test(the_hash_changes_with_what_a_process_runs_by_and_with_nothing_else),
		cmocka_unit_test(a_difference_is_told_key_by_key),
		cmocka_unit_test(equal_circumstances_are_kept_once),
		cmocka_unit_test(a_definition_may_come_as_json),
		cmocka_unit_test(signals_have_names_and_numbers),
	};

	return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
