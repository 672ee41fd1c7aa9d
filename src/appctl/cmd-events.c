/* SPDX-License-Identifier: MIT */
#include "appctl/cmd.h"
#include "appctl/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_SINCE, OPT_INSTANCE, OPT_SNAPSHOT };

static const struct opt events_opts[] = {
	{ "since", 's', "SEQ", COMPLETE_NOTHING, "first those after number SEQ, as far as they are kept" },
	{ "instance", 'i', "ID", COMPLETE_NOTHING, "the instance of appctld that SEQ belongs to" },
	{ "snapshot", 0, NULL, COMPLETE_NOTHING, "first the present state of all applications and the mode" },
	{ NULL, 0, NULL, COMPLETE_NOTHING, NULL },
};

static bool
known_category(const char *name)
{
	const char *const *c;

	for (c = category_names; *c != NULL && strcmp(*c, name) != 0; c++)
		;
	return *c != NULL;
}

/* "12" -> 12; false: it is no number of an event. */
static bool
parse_seq(const char *text, json_int_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *out >= 0;
}

/* NULL: usage error, said. */
static json_t *
make_filter(struct cmdline *l)
{
	json_t *filter = json_object(), *categories = json_array();
	const char *since = value_of(l, &events_opts[OPT_SINCE]);
	json_int_t seq;
	int i;

	for (i = 0; i < l->operand_count; i++) {
		if (!known_category(l->operands[i]))
			goto unknown;
		append_json(categories, json_string(l->operands[i]));
	}
	if (l->operand_count > 0)
		set_json(filter, "categories", json_incref(categories));
	json_decref(categories);
	if (since != NULL && !parse_seq(since, &seq)) {
		usage_error(l, "--since: \"%s\" is no number of an event", since);
		json_decref(filter);
		return NULL;
	}
	if (since != NULL)
		set_json(filter, "since", json_integer(seq));
	if (value_of(l, &events_opts[OPT_INSTANCE]) != NULL)
		set_json(filter, "instance", json_string(value_of(l, &events_opts[OPT_INSTANCE])));
	if (has(l, &events_opts[OPT_SNAPSHOT]))
		set_json(filter, "snapshot", json_true());
	return filter;
unknown:
	unknown_name(l, "category", l->operands[i], category_names, "appctl-events(7) lists them");
	json_decref(categories);
	json_decref(filter);
	return NULL;
}

/* What an event says beside when and what. */
static void
add_details(struct buf *b, const json_t *event)
{
	static const char *const before[] = { "ts", "event", "app", "node", "seq" };
	const char *key;
	char *text;
	const json_t *v;
	size_t i;

	json_object_foreach((json_t *)event, key, v) {
		for (i = 0; i < sizeof(before) / sizeof(before[0]) && strcmp(before[i], key) != 0; i++)
			;
		if (i < sizeof(before) / sizeof(before[0]) || json_is_null(v))
			continue;
		buf_printf(b, " %s=", key);
		text = json_is_string(v) ? NULL : json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		add_text(b, text ? text : json_is_string(v) ? json_string_value(v) : "?");
		free(text);
	}
}

/* "12  05:00:00.123456  app_running  web  pid=123" */
static void
print_event(const json_t *event)
{
	struct buf b = { 0 };
	const char *ts = text_at(event, "ts"), *time = strchr(ts, 'T');

	if (json_is_integer(json_object_get(event, "seq")))
		buf_printf(&b, "%-6.0f ", number_at(event, "seq"));
	else
		buf_printf(&b, "%-6s ", "-");
	buf_printf(&b, "%-16s %-16s %s", time ? time + 1 : ts, text_at(event, "event"), text_at(event, "app"));
	add_details(&b, event);
	puts(buf_text(&b));
	buf_free(&b);
}

static void
print(const struct cmdline *l, const struct appctl_events *s, json_t *take_event)
{
	size_t len;
	const char *text = appctl_events_text(s, &len);

	if (l->json)
		fprintf(stdout, "%.*s\n", (int)len, text);
	else
		print_event(take_event);
	json_decref(take_event);
}

/* Until there is something to do.  false: nobody takes what is printed, which main() says. */
static bool
pause_for_events(const struct appctl_events *s)
{
	if (fflush(stdout) != 0)
		return false;
	return wait_unless_closed(appctl_events_fd(s), appctl_events_wait_ms(s));
}

static int
follow(struct cmdline *l, struct appctl_events *s)
{
	struct appctl_error e = { 0 };
	bool ended = false;
	json_t *event;
	int got;

	while ((got = appctl_events_next(s, 0, &event, &e)) >= 0) {
		if (got == 0 && !pause_for_events(s))
			return APPCTL_FAILED;
		if (got == 0)
			continue;
		ended |= strcmp(text_at(event, "event"), "shutdown") == 0;
		print(l, s, event);
		if (ferror(stdout))
			return APPCTL_FAILED;
	}
	if (ended && e.status == APPCTL_UNREACHABLE) {
		appctl_error_clear(&e);
		return 0;
	}
	return fail(l, &e);
}

static int
run_events(struct cmdline *l)
{
	struct appctl_error e = { 0 };
	json_t *filter = make_filter(l);
	struct appctl_events *s;
	int status;

	if (filter == NULL)
		return APPCTL_INVALID;
	s = appctl_subscribe_on(l->runtime_dir, l->node, filter, &e);
	if (s == NULL)
		return fail(l, &e);
	status = follow(l, s);
	appctl_events_free(s);
	return status;
}

const struct cmd cmd_events = {
	.name = "events", .operands = "[CATEGORY...]", .summary = "print events as they happen, all or those categories",
	.about = "Until Ctrl-C, or with status 0 until appctld has shut down.  appctl-events(7) tells what they say.",
	.opts = events_opts, .min = 0, .max = -1, .first = COMPLETE_CATEGORIES, .others = COMPLETE_CATEGORIES, .run = run_events,
};
