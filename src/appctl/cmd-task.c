/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"
#include "base/base64.h"
#include "core/model.h"
#include "lib/node.h"
#include "lib/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Tasks of a task supervisor: this machine's, asked directly, or another node's. */

enum { EXIT_UNKNOWN = 255, INPUT_MAX = 160 * 1024 };
enum { OPT_NAME, OPT_ASYNC, OPT_TIMEOUT, OPT_SHUTDOWN, OPT_RESTART, OPT_NO_LINK, OPT_INPUT, OPT_ENV, OPT_DIRECTORY };

const char *const task_words[] = { "run", "await", "stop", "list", NULL };

static const struct opt task_opts[] = {
	[OPT_NAME] = { "name", 0, "NAME", COMPLETE_NOTHING, "run: its name (default: made up)" },
	[OPT_ASYNC] = { "async", 0, NULL, COMPLETE_NOTHING, "run: print its name when it has started, and leave it to itself" },
	[OPT_TIMEOUT] = { "timeout", 0, "SECONDS", COMPLETE_NOTHING, "run, await: end with 4 after that time; what was run, is stopped" },
	[OPT_SHUTDOWN] = { "shutdown", 0, "HOW", COMPLETE_NOTHING, "run: when stopped, it has SECONDS; or brutal_kill, or infinity" },
	[OPT_RESTART] = { "restart", 0, "TYPE", COMPLETE_NOTHING, "run: temporary (never), transient (after a crash) or permanent" },
	[OPT_NO_LINK] = { "no-link", 0, NULL, COMPLETE_NOTHING, "run: let it go on when this program ends before it" },
	[OPT_INPUT] = { "input", 'i', NULL, COMPLETE_NOTHING, "run: it reads what standard input holds, to its end" },
	[OPT_ENV] = { "env", 'e', "NAME=VALUE", COMPLETE_NOTHING, "run: add that to its environment; may be given more than once" },
	[OPT_DIRECTORY] = { "directory", 'C', "DIR", COMPLETE_NOTHING, "run: run it there" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};

struct supervisor {
	struct cmdline *l;
	const char *node;		/* NULL: this machine's */
	struct stream s;
};

/* --- the supervisor ------------------------------------------------------------ */

static int
connect_here(struct supervisor *v, struct appctl_error *e)
{
	int code;

	if (stream_init(&v->s, v->l->runtime_dir, NULL, "tasks/tasks", '\0', e) < 0)
		return -1;
	if (stream_connect(&v->s, &code, e) == 0)
		return 0;
	if (code == ENOENT || code == ECONNREFUSED)
		error_set(e, APPCTL_UNREACHABLE, "no task supervisor runs here: nobody listens at %s (appctl-tasks(8))", v->s.path);
	else if (code == EACCES)
		error_set(e, APPCTL_NOT_PERMITTED, "not permitted: %s is for root and the user that the task supervisor runs as (appctl-tasks(8))",
			  v->s.path);
	return -1;
}

/* 0; an exit status, said. */
static int
supervisor_open(struct supervisor *v, struct cmdline *l)
{
	struct appctl_error e = { 0 };
	int r;

	*v = (struct supervisor){ .l = l, .node = l->node, .s = { .fd = -1, .delimiter = '\0' } };
	if (v->node != NULL)
		r = v->s.fd = node_connect(l->runtime_dir, v->node, "tasks", need_json(json_object()), false, NULL, &e);
	else
		r = connect_here(v, &e);
	if (r >= 0)
		return 0;
	stream_fini(&v->s);
	return fail(l, &e);
}

static int
went_away(const struct supervisor *v, struct appctl_error *e)
{
	error_set(e, APPCTL_FAILED, "%s%soutcome unknown: the task supervisor has gone before it answered", v->node ? v->node : "",
		  v->node ? ": " : "");
	snprintf(e->name, sizeof(e->name), "%s", APPCTL_OUTCOME_UNKNOWN);
	return -1;
}

static int
say(struct supervisor *v, const char *method, json_t *take_params, struct appctl_error *e)
{
	json_t *call = need_json(json_pack("{s:s+, s:o, s:b}", "method", "org.appctl.Tasks.", method, "parameters", take_params, "more",
					   strcmp(method, "Run") == 0 || strcmp(method, "Await") == 0));
	char *text = json_dumps(call, JSON_COMPACT);
	int r;

	json_decref(call);
	if (text == NULL)
		no_memory();
	r = stream_send(&v->s, text, strlen(text) + 1, NULL, 0);
	free(text);
	return r < 0 ? went_away(v, e) : 0;
}

/* The next reply's parameters; NULL: e. */
static json_t *
hear(struct supervisor *v, bool *last, struct appctl_error *e)
{
	json_t *message, *parameters;
	const char *text;
	size_t len;

	while (!stream_frame(&v->s, &text, &len)) {
		if (stream_fill(&v->s, -1) < 0) {
			went_away(v, e);
			return NULL;
		}
	}
	message = json_loadb(text, len, 0, NULL);
	parameters = json_incref(json_object_get(message, "parameters"));
	*last = !true_at(message, "continues");
	if (*text_at(message, "error"))
		error_varlink(e, text_at(message, "error"), parameters);
	else if (!json_is_object(parameters))
		error_set(e, APPCTL_UNREACHABLE, "what answers is no task supervisor");
	json_decref(message);
	if (e->status == APPCTL_DONE)
		return parameters;
	json_decref(parameters);
	return NULL;
}

/* A failure, with the node it is of. */
static int
fail_there(struct supervisor *v, struct appctl_error *e)
{
	bool unknown = strcmp(e->name, APPCTL_OUTCOME_UNKNOWN) == 0;
	char message[sizeof(e->message)];
	int status;

	if (v->node != NULL && !unknown) {
		snprintf(message, sizeof(message), "%s", e->message);
		snprintf(e->message, sizeof(e->message), "%s: %s", v->node, message);
	}
	status = fail(v->l, e);
	return unknown ? EXIT_UNKNOWN : status;
}

/* One call with one reply.  NULL: said, *status. */
static json_t *
ask_supervisor(struct supervisor *v, const char *method, json_t *take_params, int *status)
{
	struct appctl_error e = { 0 };
	json_t *reply = NULL;
	bool last;

	if (say(v, method, take_params, &e) == 0)
		reply = hear(v, &last, &e);
	if (reply == NULL)
		*status = fail_there(v, &e);
	return reply;
}

/* --- run and await --------------------------------------------------------------- */

static const char *const stream_names[2] = { "output", "error" };

/* What it printed goes where it would have printed it or, with --json, into its document. */
static void
take_output(const struct cmdline *l, const json_t *reply, struct buf whole[2])
{
	FILE *const files[2] = { stdout, stderr };
	const char *text;
	int i;

	for (i = 0; i < 2; i++) {
		text = text_at(reply, stream_names[i]);
		if (base64_read(&whole[i], text, strlen(text)) < 0 && whole[i].failed)
			no_memory();
		if (l->json || whole[i].len == 0)
			continue;
		fwrite(whole[i].data, 1, whole[i].len, files[i]);
		fflush(files[i]);
		buf_clear(&whole[i]);
	}
}

static void
print_whole(const struct supervisor *v, const json_t *first, const json_t *reply, struct buf whole[2])
{
	json_t *doc = need_json(json_object());
	int i;

	json_object_update(doc, (json_t *)first);
	json_object_update(doc, (json_t *)reply);
	if (v->node != NULL)
		set_json(doc, "node", json_string(v->node));
	for (i = 0; i < 2; i++)
		set_json(doc, stream_names[i], json_utf8_or_escaped(buf_text(&whole[i])));
	print_json(doc);
}

/* As of a shell: its own status, or 128 and the number of its signal. */
static int
exit_status(struct supervisor *v, const json_t *result)
{
	const json_t *code = json_object_get(result, "code");
	int signo = signal_by_name(text_at(result, "signal"));

	if (json_is_integer(code))
		return (int)json_integer_value(code);
	return signo > 0 ? 128 + signo : fail_here(v->l, APPCTL_FAILED, "how the task ended was not seen");
}

static void
say_truncated(const struct supervisor *v, const json_t *reply)
{
	if (!v->l->json && true_at(reply, "output_truncated"))
		fputs("appctl: more was printed than is kept\n", stderr);
	if (!v->l->json && true_at(reply, "error_truncated"))
		fputs("appctl: more errors were printed than are kept\n", stderr);
}

/* Replies until the last one. */
static int
stay(struct supervisor *v, const char *method, json_t *take_params)
{
	struct appctl_error e = { 0 };
	struct buf whole[2] = { { 0 }, { 0 } };
	json_t *reply = NULL, *first = need_json(json_object());
	bool last = false;
	int status;

	if (say(v, method, take_params, &e) == 0)
		while (!last && (reply = hear(v, &last, &e)) != NULL) {
			take_output(v->l, reply, whole);
			if (json_object_get(reply, "pid") != NULL)
				json_object_update(first, reply);
			if (!last)
				json_decref(reply);
		}
	if (reply == NULL) {
		status = fail_there(v, &e);
	} else {
		say_truncated(v, reply);
		if (v->l->json)
			print_whole(v, first, reply, whole);
		status = exit_status(v, json_object_get(reply, "result"));
	}
	json_decref(first);
	json_decref(reply);
	buf_free(&whole[0]);
	buf_free(&whole[1]);
	return status;
}

/* 0; an exit status, said. */
static int
read_input(const struct cmdline *l, json_t *params)
{
	struct buf bytes = { 0 }, text = { 0 };
	char *room;
	ssize_t n = 1;

	while (n > 0 && bytes.len <= INPUT_MAX) {
		room = buf_reserve(&bytes, 64 * 1024);
		if (room == NULL)
			no_memory();
		n = read(STDIN_FILENO, room, 64 * 1024);
		if (n > 0)
			bytes.len += (size_t)n;
	}
	base64_add(&text, bytes.data, bytes.len);
	n = n < 0 ? -1 : bytes.len > INPUT_MAX ? 1 : 0;
	if (n == 0)
		set_json(params, "input", json_string(buf_text(&text)));
	buf_free(&bytes);
	buf_free(&text);
	if (n == 0)
		return 0;
	return fail_here(l, APPCTL_INVALID, n < 0 ? "standard input cannot be read" : "standard input is too long: a task takes 160 KiB");
}

static void
set_text(const struct cmdline *l, json_t *params, int opt, const char *key)
{
	const char *value = value_of(l, &task_opts[opt]);

	if (value != NULL)
		set_json(params, key, json_string(value));
}

/* 0; an exit status, said. */
static int
set_timeout(const struct cmdline *l, json_t *params)
{
	const char *timeout = value_of(l, &task_opts[OPT_TIMEOUT]);
	double seconds = timeout ? parse_seconds(timeout, "--timeout") : 0;

	if (timeout != NULL && seconds >= 0)
		set_json(params, "timeout", json_real(seconds));
	return seconds < 0 ? APPCTL_INVALID : 0;
}

/* NULL: said, l->status. */
static json_t *
task_params(struct cmdline *l)
{
	json_t *params = need_json(json_pack("{s:[]}", "command"));
	const char *self = getenv("APPCTL_SELF");
	int i;

	for (i = 0; i < l->operand_count; i++)
		append_json(json_object_get(params, "command"), json_string(l->operands[i]));
	set_text(l, params, OPT_NAME, "name");
	set_text(l, params, OPT_SHUTDOWN, "shutdown");
	set_text(l, params, OPT_RESTART, "restart");
	set_text(l, params, OPT_DIRECTORY, "directory");
	if (self != NULL && l->node == NULL)
		set_json(params, "caller", json_utf8_or_escaped(self));
	l->status = set_environment(l, &task_opts[OPT_ENV], params);
	if (l->status == 0 && has(l, &task_opts[OPT_INPUT]))
		l->status = read_input(l, params);
	if (l->status == 0)
		return params;
	json_decref(params);
	return NULL;
}

static int
start(struct supervisor *v, json_t *take_params)
{
	int status = 0;
	json_t *reply = ask_supervisor(v, "Start", take_params, &status);

	if (reply == NULL)
		return status;
	if (v->l->json)
		print_json(json_incref(reply));
	else
		puts(text_at(reply, "name"));
	json_decref(reply);
	return 0;
}

static int
task_run(struct supervisor *v)
{
	json_t *params = task_params(v->l);

	if (params == NULL)
		return v->l->status;
	if (has(v->l, &task_opts[OPT_ASYNC]))
		return start(v, params);
	if (has(v->l, &task_opts[OPT_NO_LINK]))
		set_json(params, "linked", json_false());
	v->l->status = set_timeout(v->l, params);
	if (v->l->status == 0)
		return stay(v, "Run", params);
	json_decref(params);
	return v->l->status;
}

static int
task_await(struct supervisor *v)
{
	json_t *params = need_json(json_pack("{s:s}", "name", v->l->operands[0]));

	v->l->status = set_timeout(v->l, params);
	if (v->l->status == 0)
		return stay(v, "Await", params);
	json_decref(params);
	return v->l->status;
}

/* --- stop and list --------------------------------------------------------------- */

static int
task_stop(struct supervisor *v)
{
	json_t *list = need_json(json_array()), *reply;
	int i, status = 0;

	for (i = 0; i < v->l->operand_count && status == 0; i++) {
		reply = ask_supervisor(v, "Stop", need_json(json_pack("{s:s}", "name", v->l->operands[i])), &status);
		if (reply == NULL)
			break;
		if (!v->l->json) {
			print_text(stdout, text_at(reply, "name"));
			fputs(": ", stdout);
			print_text(stdout, text_at(json_object_get(reply, "result"), "text"));
			putchar('\n');
		}
		append_json(list, reply);
	}
	if (v->l->json && status == 0)
		print_json(json_incref(list));
	json_decref(list);
	return status;
}

static void
add_line(struct table *t, const json_t *task)
{
	static const char *const keys[] = { "name", "state", NULL, NULL, "restart", "caller", NULL };
	struct table_line *line = table_add(t, NULL);
	const json_t *pid = json_object_get(task, "pid"), *words = json_object_get(task, "command"), *word;
	struct buf b = { 0 };
	unsigned column;
	size_t i;

	for (column = 0; column < 7; column++) {
		buf_clear(&b);
		if (keys[column] != NULL)
			add_text(&b, text_at(task, keys[column]));
		else if (column == 2)
			add_duration(&b, now_real() - number_at(task, "since"));
		else if (column == 3 && json_is_integer(pid))
			buf_printf(&b, "%d", (int)json_integer_value(pid));
		else if (column == 3)
			add_text(&b, text_at(json_object_get(task, "result"), "text"));
		else if (column == 6)
			json_array_foreach((json_t *)words, i, word) {
				buf_adds(&b, i ? " " : "");
				add_text(&b, json_string_value(word));
			}
		table_set(line, column, buf_text(&b));
	}
	buf_free(&b);
}

static int
task_list(struct supervisor *v)
{
	static const struct column columns[] = {
		{ "TASK", COLUMN_PLAIN }, { "STATE", COLUMN_PLAIN }, { "SINCE", COLUMN_RIGHT }, { "PID", COLUMN_RIGHT },
		{ "RESTART", COLUMN_PLAIN }, { "CALLER", COLUMN_PLAIN }, { "COMMAND", COLUMN_CUT }, { NULL, COLUMN_PLAIN },
	};
	int status = 0;
	json_t *reply = ask_supervisor(v, "List", need_json(json_object()), &status), *tasks = json_object_get(reply, "tasks");
	const json_t *task;
	struct table *t;
	size_t i;

	if (reply != NULL && v->l->json) {
		print_json(json_incref(reply));
	} else if (json_array_size(tasks) > 0) {
		t = table_new(columns);
		json_array_foreach(tasks, i, task)
			add_line(t, task);
		table_print(t);
	}
	json_decref(reply);
	return status;
}

/* In the order of task_words; min, max: how many operands. */
static const struct {
	int (*run)(struct supervisor *v);
	int min, max;
	const char *needs;
} verbs[] = {
	{ task_run, 1, -1, "-- COMMAND" }, { task_await, 1, 1, "the NAME of one task" }, { task_stop, 1, -1, "the NAME of a task" },
	{ task_list, 0, 0, "nothing more" },
};

static int
run_task(struct cmdline *l)
{
	struct supervisor v;
	size_t i = 0;
	int status;

	while (l->word != NULL && task_words[i] != l->word)
		i++;
	if (l->operand_count < verbs[i].min || (verbs[i].max >= 0 && l->operand_count > verbs[i].max))
		return usage_error(l, "%s needs %s", task_words[i], verbs[i].needs);
	status = supervisor_open(&v, l);
	if (status != 0)
		return status;
	status = verbs[i].run(&v);
	stream_fini(&v.s);
	return status;
}

const struct cmd cmd_task = {
	.name = "task", .operands = "[run] -- COMMAND [ARGUMENT...]|await NAME|stop NAME...|list",
	.summary = "run tasks under a task supervisor, here or on another node",
	.about = "run: prints what the task prints, and ends with its status, or 128 and the number of the signal that ended it; the task "
		 "is linked: it is stopped when this program ends before it.  With --async it is left to itself, and await takes its "
		 "output and status, once.  255: the supervisor went away, and its tasks with it, or the link to it broke.",
	.opts = task_opts, .min = 0, .max = -1, .first = COMPLETE_TASKS, .others = COMPLETE_APPS, .own_options_end = true, .words = task_words,
	.run = run_task, .there = THERE_BY_ITSELF,
};
