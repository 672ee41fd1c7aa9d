/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "appctl/monitor.h"

#include "appctl/output.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { REFRESH_MS = 2000 };

int
monitor_fail(const struct monitor *m, enum appctl_status status, const char *fmt, ...)
{
	char message[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	fputs("appctl monitor: ", stderr);
	print_text(stderr, message);
	fputc('\n', stderr);
	if (m->json)
		print_json(need_json(json_pack("{s:{s:i, s:o}}", "error", "status", (int)status, "message", json_utf8_or_escaped(message))));
	return (int)status;
}

int
monitor_lost(const struct monitor *m, const struct err *err)
{
	return monitor_fail(m, APPCTL_FAILED, "%s", err->msg);
}

json_t *
monitor_nodes(const struct monitor *m, int *status)
{
	struct err err;
	json_t *names = source_nodes(m->source, &err), *name;
	size_t i;

	if (names == NULL) {
		*status = monitor_lost(m, &err);
		return NULL;
	}
	if (m->node == NULL)
		return names;
	json_array_foreach(names, i, name) {
		if (strcmp(json_string_value(name), m->node) == 0) {
			json_decref(names);
			return need_json(json_pack("[s]", m->node));
		}
	}
	json_decref(names);
	*status = monitor_fail(m, APPCTL_NOT_FOUND, "node %s has sent nothing", m->node);
	return NULL;
}

/* --- what is asked for --- */

enum { OPTION_JSON = 256, OPTION_FOLLOW, OPTION_DATABASE, OPTION_NODE, OPTION_SINCE, OPTION_UNTIL };
static const struct option options[] = {
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "follow", no_argument, NULL, OPTION_FOLLOW },
	{ "database", required_argument, NULL, OPTION_DATABASE },
	{ "node", required_argument, NULL, OPTION_NODE },
	{ "since", required_argument, NULL, OPTION_SINCE },
	{ "until", required_argument, NULL, OPTION_UNTIL },
	{ 0 },
};

static const struct {
	const char *name;
	monitor_view *view;
} views[] = {
	{ "top", view_top }, { "history", view_history }, { "apps", view_apps }, { "nodes", view_nodes }, { "events", view_events },
};

/* "90s", "10m", "2h", "1d": so long ago. */
static double
ago(const char *text)
{
	static const struct { const char *unit; double factor; } units[] = {
		{ "", 1 }, { "s", 1 }, { "m", 60 }, { "min", 60 }, { "h", 3600 }, { "d", 86400 },
	};
	char *end;
	double v = strtod(text, &end);
	size_t i;

	for (i = 0; end != text && isfinite(v) && v >= 0 && i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].unit) == 0)
			return now_real() - v * units[i].factor;
	return -1;
}

/* "2026-11-25 10:00", with seconds, with a T, and with a Z where it is no local time; "10:00" is of today. */
static double
moment(const char *text)
{
	static const char *const forms[] = { "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d",
					     "%H:%M:%S", "%H:%M" };
	time_t now = time(NULL);
	struct tm tm;
	const char *end;
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		localtime_r(&now, &tm);
		tm.tm_sec = 0;
		if (strchr(forms[i], 'H') == NULL)
			tm.tm_hour = tm.tm_min = 0;
		tm.tm_isdst = -1;
		end = strptime(text, forms[i], &tm);
		if (end != NULL && *end == '\0')
			return (double)mktime(&tm);
		if (end != NULL && strcmp(end, "Z") == 0)
			return (double)timegm(&tm);
	}
	return -1;
}

static int
read_time(const struct monitor *m, const char *name, const char *text, double *out)
{
	*out = moment(text);
	if (*out < 0)
		*out = ago(text);
	if (*out >= 0)
		return 0;
	return monitor_fail(m, APPCTL_INVALID, "--%s: \"%s\" is no time: write 90s, 10m or 2h (ago), 10:00 or \"2026-11-25 10:00\"", name, text);
}

static int
read_options(struct monitor *m, int argc, char **argv)
{
	int c, status = 0;

	while (status == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case OPTION_JSON:
			m->json = true;
			break;
		case OPTION_FOLLOW:
			m->follow = true;
			break;
		case OPTION_DATABASE:
			m->database = optarg;
			break;
		case OPTION_NODE:
			m->node = optarg;
			break;
		case OPTION_SINCE:
			status = read_time(m, "since", optarg, &m->since);
			break;
		case OPTION_UNTIL:
			status = read_time(m, "until", optarg, &m->until);
			break;
		default:
			status = APPCTL_INVALID;
		}
	}
	m->what = argv[optind];
	m->pid = m->what ? argv[optind + 1] : NULL;
	return status;
}

/* Where the consumer writes unless it is told otherwise, as this user would see it. */
static const char *
usual_database(void)
{
	static char path[PATH_MAX];
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (geteuid() == 0 || access(STATEDIR "/monitor.db", F_OK) == 0 || (state == NULL && home == NULL))
		return STATEDIR "/monitor.db";
	if (state != NULL && *state == '/')
		snprintf(path, sizeof(path), "%s/appctl/monitor.db", state);
	else
		snprintf(path, sizeof(path), "%s/.local/state/appctl/monitor.db", home ? home : "");
	return path;
}

static monitor_view *
find_view(const char *what)
{
	size_t i;

	for (i = 0; what != NULL && i < sizeof(views) / sizeof(views[0]); i++)
		if (strcmp(views[i].name, what) == 0)
			return views[i].view;
	return NULL;
}

/* Until nobody looks any more. */
static int
follow(const struct monitor *m, monitor_view *view)
{
	int status;

	do {
		fputs(isatty(STDOUT_FILENO) ? "\033[H\033[2J" : "", stdout);
		status = view(m);
		if (!isatty(STDOUT_FILENO))
			putchar('\n');
	} while (fflush(stdout) == 0 && status == 0 && wait_unless_closed(-1, REFRESH_MS));
	return status;
}

int
main(int argc, char **argv)
{
	struct monitor m = { .database = usual_database() };
	int status = read_options(&m, argc, argv);
	monitor_view *view = find_view(m.what);
	bool strange;
	struct err err;

	if (status != 0)
		return status;
	if (view == NULL)
		return monitor_fail(&m, APPCTL_INVALID, "it is run by appctl: see appctl monitor --help");
	m.source = source_open(m.database, &strange, &err);
	if (m.source == NULL)
		return monitor_fail(&m, strange ? APPCTL_NOT_FOUND : APPCTL_UNREACHABLE, "%s; is the monitor's consumer running?  Name its database"
				    " with --database", err.msg);
	status = m.follow ? follow(&m, view) : view(&m);
	source_close(m.source);
	if (fflush(stdout) != 0 || ferror(stdout))
		return status ? status : 1;
	return status;
}
